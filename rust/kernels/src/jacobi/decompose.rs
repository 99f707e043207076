//! One-sided Jacobi in any lanes: Hestenes' method with de Rijk's ordering (Golub and Van Loan,
//! section 8.6.3), in the parallel order of Luk and Park (pairs i + j = const modulo d), so that the
//! rotations of a stage do not wait for each other.
//!
//! A matrix of columns in lanes has value (i, j) of lane l at `[j * height + i][l]`.

use super::products::{Columns, dot};
use super::{MAX_COLUMNS, Real, Shape};
use crate::lanes::Lanes;

/// More than any matrix needs: convergence is quadratic after some five sweeps.
const SWEEPS: usize = 40;

/// See [`super::Jacobi::interleave`].
#[inline(always)]
pub fn interleave<T: Real, V: Lanes<T, L>, const L: usize>(
    matrices: &[T],
    shape: Shape,
    a: &mut [[T; L]],
    largest: &mut [T; L],
) {
    let (rows, cols, size) = (shape.rows, shape.cols, shape.size());
    let count = matrices.len() / size;
    if count < L {
        a.fill([T::default(); L]);
    }
    // Value after value, each of all matrices; a wide matrix is transposed.
    let (long, short) = (shape.long(), shape.short());
    for j in 0..short {
        for (i, cell) in a[j * long..][..long].iter_mut().enumerate() {
            let place = if rows >= cols { i * cols + j } else { j * cols + i };
            for (value, matrix) in cell.iter_mut().zip(matrices.chunks_exact(size)) {
                *value = matrix[place];
            }
        }
    }
    let zero = V::splat(T::default());
    let (mut most, mut unsound) = (zero, zero);
    for cell in a.iter() {
        let value = V::load(cell);
        most = most.larger(value.magnitude());
        // NaN for NaN and for infinities.
        unsound = value.times_plus(zero, unsound);
    }
    most.plus(unsound).store(largest);
}

/// See [`super::Jacobi::decompose`].
#[inline(always)]
pub fn decompose<T: Real, V: Lanes<T, L>, const L: usize>(
    shape: Shape,
    scale: &[[T; L]; 2],
    a: &mut [[T; L]],
    x: &mut [[T; L]],
    s: &mut [[T; L]],
) -> u32 {
    // The smallest ones, of rigid alignment, are unrolled.
    match (shape.long(), shape.short()) {
        (2, 2) => decompose_sized::<T, V, L>((2, 2), scale, a, x, s),
        (3, 3) => decompose_sized::<T, V, L>((3, 3), scale, a, x, s),
        (4, 4) => decompose_sized::<T, V, L>((4, 4), scale, a, x, s),
        size => decompose_sized::<T, V, L>(size, scale, a, x, s),
    }
}

#[inline(always)]
fn decompose_sized<T: Real, V: Lanes<T, L>, const L: usize>(
    (n, d): (usize, usize),
    scale: &[[T; L]; 2],
    a: &mut [[T; L]],
    x: &mut [[T; L]],
    s: &mut [[T; L]],
) -> u32 {
    let (half, rest) = (V::load(&scale[0]), V::load(&scale[1]));
    for cell in a.iter_mut() {
        V::load(cell).times(half).times(rest).store(cell);
    }
    let height = n + d;
    for (j, column) in x.chunks_exact_mut(height).enumerate() {
        column[..n].copy_from_slice(&a[j * n..][..n]);
        column[n..].fill([T::default(); L]);
        V::splat(T::from_f64(1.0)).store(&mut column[n + j]);
    }
    let mut moved = u32::MAX;
    for _ in 0..SWEEPS {
        moved = sweep::<T, V, L>((n, d), x, s);
        if moved == 0 {
            break;
        }
    }
    normalise::<T, V, L>((n, d), x, s);
    !moved
}

/// One rotation or exchange of each pair of columns; the lanes in which there was any.
///
/// The squared norms are computed once and updated. Where that cancels, an angle is inexact and
/// convergence slower, but nothing wrong: a sweep without rotations has the norms as computed.
#[inline(always)]
fn sweep<T: Real, V: Lanes<T, L>, const L: usize>(
    (n, d): (usize, usize),
    x: &mut [[T; L]],
    norms: &mut [[T; L]],
) -> u32 {
    let height = n + d;
    let columns = Columns { stride: height, from: 0, height: n, count: d };
    for (j, norm) in norms.iter_mut().enumerate() {
        let column = columns.of(x, j);
        dot::<T, V, L>(column, column).store(norm);
    }
    let sharpness = V::splat(T::from_f64(1.0 / (T::EPSILON * (n as f64).sqrt())));
    let mut moved = 0;
    let mut turns = [Turn::<V>::none::<T, L>(); MAX_COLUMNS / 2];
    for stage in 0..d {
        for ((i, j), turn) in pairs(stage, d).zip(&mut turns) {
            let gamma = dot::<T, V, L>(columns.of(x, i), columns.of(x, j));
            let (alpha, beta) = (V::load(&norms[i]), V::load(&norms[j]));
            let (next, larger, smaller) = Turn::new::<T, L>(alpha, beta, gamma, sharpness);
            *turn = next;
            moved |= turn.lanes;
            larger.store(&mut norms[i]);
            smaller.store(&mut norms[j]);
        }
        for ((i, j), turn) in pairs(stage, d).zip(&turns) {
            if turn.lanes != 0 {
                let (left, right) = x.split_at_mut(j * height);
                let left = &mut left[i * height..][..height];
                for (x, y) in left.iter_mut().zip(&mut right[..height]) {
                    let (p, q) = (V::load(x), V::load(y));
                    turn.across.times_plus(q, turn.along.times(p)).store(x);
                    turn.along.times(q).minus_times(turn.across, p).store(y);
                }
            }
        }
    }
    moved
}

/// The pairs i < j < d with i + j = stage modulo d.
#[inline(always)]
fn pairs(stage: usize, d: usize) -> impl Iterator<Item = (usize, usize)> {
    let low = (0..stage.div_ceil(2)).map(move |i| (i, stage - i));
    let high = (stage + 1..(stage + d).div_ceil(2)).map(move |i| (i, stage + d - i));
    low.chain(high)
}

/// x' = along x + across y, y' = along y - across x.
#[derive(Clone, Copy)]
struct Turn<V> {
    along: V,
    across: V,
    /// Where it does anything.
    lanes: u32,
}

impl<V: Copy> Turn<V> {
    #[inline(always)]
    fn none<T: Real, const L: usize>() -> Self
    where
        V: Lanes<T, L>,
    {
        Self { along: V::splat(T::from_f64(1.0)), across: V::splat(T::default()), lanes: 0 }
    }

    /// The rotation that makes two columns with these squared norms and product orthogonal, the
    /// longer one first, and the squared norms then.
    ///
    /// Columns that are orthogonal to 1 / `sharpness`, or of which one is negligible, are at most
    /// exchanged: nothing is rounded then.
    #[inline(always)]
    fn new<T: Real, const L: usize>(alpha: V, beta: V, gamma: V, sharpness: V) -> (Self, V, V)
    where
        V: Lanes<T, L>,
    {
        let (zero, one) = (V::splat(T::default()), V::splat(T::from_f64(1.0)));
        let (high, low) = (alpha.larger(beta), alpha.smaller(beta));
        // Relative to the longer one: neither squares nor quotients leave the range.
        let inverse = one.over(high);
        let (size, ratio) = (gamma.magnitude().times(inverse), low.times(inverse));
        // Over the tolerance, before it is squared: the square of a product could underflow.
        let excess = size.times(sharpness);
        let considered = V::splat(T::from_f64(T::NEGLIGIBLE)).below(low);
        let rotated = V::both(considered, ratio.below(excess.times(excess)));
        let exchanged = alpha.below(beta);
        let lanes = V::bits(V::either(rotated, exchanged));
        if lanes == 0 {
            return (Self::none::<T, L>(), high, low);
        }

        let (twice, difference) = (size.plus(size), one.minus(ratio));
        let root = difference.times_plus(difference, twice.times(twice)).root();
        let tangent = twice.over(difference.plus(root));
        let cosine = one.over(tangent.times_plus(tangent, one).root());
        let sine = cosine.times(tangent);
        let sine = V::select(gamma.below(zero), zero.minus(sine), sine);
        let shift = V::select(rotated, tangent.times(gamma.magnitude()), zero);
        let (cosine, sine) = (V::select(rotated, cosine, one), V::select(rotated, sine, zero));
        let turn = Self {
            along: V::select(exchanged, sine, cosine),
            across: V::select(exchanged, cosine, sine),
            lanes,
        };
        (turn, high.plus(shift), low.minus(shift).larger(zero))
    }
}

/// Singular values, and the columns over them; both zero for a negligible column. `V` is divided by
/// its norms too, and they are taken out of the singular values: so the rounding of the angles,
/// which lengthens A V and V alike, is not in the result.
#[inline(always)]
fn normalise<T: Real, V: Lanes<T, L>, const L: usize>(
    (n, d): (usize, usize),
    x: &mut [[T; L]],
    s: &mut [[T; L]],
) {
    let (zero, one) = (V::splat(T::default()), V::splat(T::from_f64(1.0)));
    for (column, s) in x.chunks_exact_mut(n + d).zip(s) {
        let (left, right) = column.split_at_mut(n);
        let square = dot::<T, V, L>(left, left);
        let kept = V::splat(T::from_f64(T::NEGLIGIBLE)).below(square);
        let length = square.root();
        let right_length = dot::<T, V, L>(right, right).root();
        V::select(kept, length.over(right_length), zero).store(s);
        let factor = V::select(kept, one.over(length), zero);
        for (cells, factor) in [(left, factor), (right, one.over(right_length))] {
            for cell in cells {
                V::load(cell).times(factor).store(cell);
            }
        }
    }
}
