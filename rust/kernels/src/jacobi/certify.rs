//! Orthonormal factors, and the proof that they are the factors.

use super::products::{Columns, blocks, dot, dots, left_and_right, product};
use super::{Real, Shape};
use crate::lanes::Lanes;

/// Orthogonality that is left alone, in eps * sqrt(columns) (Frobenius).
const TARGET: f64 = 5.0;

/// Orthogonality and residual that are certified, in eps * sqrt(columns) and eps * sqrt(rows): 8 is
/// promised, and the test is computed in the same arithmetic.
const ACCEPTED: f64 = 7.0;

/// See [`super::Jacobi::certify`].
#[inline(always)]
pub fn certify<T: Real, V: Lanes<T, L>, const L: usize>(
    shape: Shape,
    a: &[[T; L]],
    x: &mut [[T; L]],
    s: &[[T; L]],
    gram: &mut [[T; L]],
) -> u32 {
    match (shape.long(), shape.short()) {
        (2, 2) => certify_sized::<T, V, L>((2, 2), a, x, s, gram),
        (3, 3) => certify_sized::<T, V, L>((3, 3), a, x, s, gram),
        (4, 4) => certify_sized::<T, V, L>((4, 4), a, x, s, gram),
        size => certify_sized::<T, V, L>(size, a, x, s, gram),
    }
}

#[inline(always)]
fn certify_sized<T: Real, V: Lanes<T, L>, const L: usize>(
    (n, d): (usize, usize),
    a: &[[T; L]],
    x: &mut [[T; L]],
    s: &[[T; L]],
    gram: &mut [[T; L]],
) -> u32 {
    let (left, right) = left_and_right(n, d);
    let sound = straighten::<T, V, L>(left, x, gram) & straighten::<T, V, L>(right, x, gram);
    let zero = V::splat(T::default());
    // A rotation by nothing, as in a lane that has converged before others, can change the sign of
    // a zero: there is none now.
    for cell in x.iter_mut() {
        V::load(cell).plus(zero).store(cell);
    }
    let (mut error, mut size) = (zero, zero);
    for j in 0..d {
        let (u, v, s) = (left.of(x, j), right.of(x, j), V::load(&s[j]));
        blocks!(n, |i, C| {
            let images = product::<T, V, L, C>(&a[i..], n, v, 1, d);
            for c in 0..C {
                let difference = images[c].minus_times(s, V::load(&u[i + c]));
                error = difference.times_plus(difference, error);
                let a = V::load(&a[j * n + i + c]);
                size = a.times_plus(a, size);
            }
        });
    }
    sound & small::<T, V, L>(error, size, n)
}

/// The lanes in which a squared error is small beside a squared norm: false for NaN, true for a
/// zero matrix without error.
#[inline(always)]
pub fn small<T: Real, V: Lanes<T, L>, const L: usize>(error: V, size: V, n: usize) -> u32 {
    let bar = V::splat(T::from_f64(ACCEPTED * T::EPSILON * (n as f64).sqrt()));
    let finite = error.below(V::splat(T::INFINITY));
    !V::bits(bar.times(size.root()).below(error.root())) & V::bits(finite)
}

/// Bring the columns to orthonormality, by a step of Cholesky QR to first order
/// (Q <- Q - Q T with T upper triangular, T + T' = Q'Q - I) where they need it; the lanes in which
/// they are orthonormal.
#[inline(always)]
pub fn straighten<T: Real, V: Lanes<T, L>, const L: usize>(
    columns: Columns,
    x: &mut [[T; L]],
    gram: &mut [[T; L]],
) -> u32 {
    let unit = T::EPSILON * (columns.count as f64).sqrt();
    let target = V::splat(T::from_f64(TARGET * unit));
    let mut error = skew::<T, V, L>(columns, x, gram);
    let crooked = target.below(error);
    if V::bits(crooked) != 0 {
        let zero = V::splat(T::default());
        for j in (0..columns.count).rev() {
            for cell in &mut gram[j * columns.count..][..=j] {
                V::select(crooked, V::load(cell), zero).store(cell);
            }
            let step = &gram[j * columns.count..][..=j];
            blocks!(columns.height, |i, C| {
                let from = columns.from + i;
                let sums = product::<T, V, L, C>(&x[from..], columns.height, step, 1, j + 1);
                for (sum, cell) in sums.iter().zip(&mut x[from + j * columns.height..][..C]) {
                    V::load(cell).minus(*sum).store(cell);
                }
            });
        }
        error = skew::<T, V, L>(columns, x, gram);
    }
    V::bits(error.below(V::splat(T::from_f64(ACCEPTED * unit))))
}

/// |Q'Q - I|, and the step that straightens: T_kj at `[j * count + k]`, k <= j.
#[inline(always)]
fn skew<T: Real, V: Lanes<T, L>, const L: usize>(
    columns: Columns,
    x: &[[T; L]],
    gram: &mut [[T; L]],
) -> V {
    let (zero, one) = (V::splat(T::default()), V::splat(T::from_f64(1.0)));
    let half = V::splat(T::from_f64(0.5));
    let (mut diagonal, mut off) = (zero, zero);
    for j in 0..columns.count {
        let y = columns.of(x, j);
        let step = &mut gram[j * columns.count..][..=j];
        blocks!(j, |k, C| {
            let others = &x[columns.from + k * columns.height..];
            let sums = dots::<T, V, L, C>(others, columns.height, y);
            for (sum, cell) in sums.iter().zip(&mut step[k..k + C]) {
                off = sum.times_plus(*sum, off);
                sum.store(cell);
            }
        });
        let excess = dot::<T, V, L>(y, y).minus(one);
        diagonal = excess.times_plus(excess, diagonal);
        excess.times(half).store(&mut step[j]);
    }
    off.plus(off).plus(diagonal).root()
}
