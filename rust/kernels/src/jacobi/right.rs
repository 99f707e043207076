//! Right singular vectors from the left ones.

use super::products::{blocks, dot, dots, product, scale};
use super::{MAX_COLUMNS, Real, Shape};
use crate::lanes::Lanes;

/// A unit vector that keeps less than this beside others is projected once more: Kahan's "twice is
/// enough" (Parlett, The Symmetric Eigenvalue Problem, section 6.9).
const ENOUGH: f64 = 0.7;

/// See [`super::Jacobi::right`].
///
/// A'u = s v is as exact as |A| is large: what is wrong in the direction of a small singular value
/// belongs to larger ones, and projecting along them takes it out at no more than eps |A| of
/// residual.
#[inline(always)]
pub fn right<T: Real, V: Lanes<T, L>, const L: usize>(
    shape: Shape,
    a: &[[T; L]],
    x: &mut [[T; L]],
) {
    let (n, d) = (shape.long(), shape.short());
    let one = V::splat(T::from_f64(1.0));
    let enough = V::splat(T::from_f64(ENOUGH));
    let (left, right) = x.split_at_mut(n * d);
    for (j, u) in left.chunks_exact(n).enumerate() {
        let (before, column) = right.split_at_mut(j * d);
        let column = &mut column[..d];
        blocks!(d, |k, C| {
            let sums = dots::<T, V, L, C>(&a[k * n..], n, u);
            for (sum, cell) in sums.iter().zip(&mut column[k..k + C]) {
                sum.store(cell);
            }
        });
        let everywhere = one.below(enough.plus(one));
        normalise::<T, V, L>(column, everywhere);
        let mut short = everywhere;
        for _ in 0..if before.is_empty() { 0 } else { 2 } {
            let left_over = project::<T, V, L>(before, column, short);
            let short_now = left_over.below(enough);
            normalise::<T, V, L>(column, short);
            short = short_now;
            if V::bits(short) == 0 {
                break;
            }
        }
    }
}

/// Take the directions of the orthonormal columns `before` out of a column, in the lanes of a mask;
/// its length then.
#[inline(always)]
fn project<T: Real, V: Lanes<T, L>, const L: usize>(
    before: &[[T; L]],
    column: &mut [[T; L]],
    lanes: V::Mask,
) -> V {
    let d = column.len();
    let count = before.len() / d;
    let mut along = [[T::default(); L]; MAX_COLUMNS];
    blocks!(count, |k, C| {
        let sums = dots::<T, V, L, C>(&before[k * d..], d, column);
        for (sum, cell) in sums.iter().zip(&mut along[k..k + C]) {
            V::select(lanes, *sum, V::splat(T::default())).store(cell);
        }
    });
    blocks!(d, |i, C| {
        let sums = product::<T, V, L, C>(&before[i..], d, &along, 1, count);
        for (sum, cell) in sums.iter().zip(&mut column[i..i + C]) {
            V::load(cell).minus(*sum).store(cell);
        }
    });
    dot::<T, V, L>(column, column).root()
}

/// Bring a column to length 1, in the lanes of a mask; a zero column stays.
#[inline(always)]
fn normalise<T: Real, V: Lanes<T, L>, const L: usize>(column: &mut [[T; L]], lanes: V::Mask) {
    let (zero, one) = (V::splat(T::default()), V::splat(T::from_f64(1.0)));
    let length = dot::<T, V, L>(column, column).root();
    let factor = V::select(zero.below(length), one.over(length), zero);
    scale::<T, V, L>(column, V::select(lanes, factor, one));
}
