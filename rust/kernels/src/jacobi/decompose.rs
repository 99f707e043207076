//! One-sided Jacobi in any lanes: Hestenes' method with de Rijk's ordering (Golub and Van Loan,
//! section 8.6.3), in the parallel order of Luk and Park (pairs i + j = const modulo d), so that the
//! rotations of a stage do not wait for each other.
//!
//! A matrix of columns in lanes has value (i, j) of lane l at `[j * height + i][l]`.

use super::products::{Columns, dot, scale};
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
    with_right: bool,
) -> u32 {
    // The smallest ones, of rigid alignment, are unrolled.
    match (shape.long(), shape.short(), with_right) {
        (2, 2, true) => decompose_sized::<T, V, L>((2, 2), scale, a, x, s, true),
        (3, 3, true) => decompose_sized::<T, V, L>((3, 3), scale, a, x, s, true),
        (4, 4, true) => decompose_sized::<T, V, L>((4, 4), scale, a, x, s, true),
        (n, d, _) => decompose_sized::<T, V, L>((n, d), scale, a, x, s, with_right),
    }
}

#[inline(always)]
fn decompose_sized<T: Real, V: Lanes<T, L>, const L: usize>(
    (n, d): (usize, usize),
    scale: &[[T; L]; 2],
    a: &mut [[T; L]],
    x: &mut [[T; L]],
    s: &mut [[T; L]],
    with_right: bool,
) -> u32 {
    let (half, rest) = (V::load(&scale[0]), V::load(&scale[1]));
    for cell in a.iter_mut() {
        V::load(cell).times(half).times(rest).store(cell);
    }
    let (left, right) = x.split_at_mut(n * d);
    left.copy_from_slice(a);
    if with_right {
        right.fill([T::default(); L]);
        for cell in right.iter_mut().step_by(d + 1) {
            V::splat(T::from_f64(1.0)).store(cell);
        }
    }
    let mut moved = u32::MAX;
    for _ in 0..SWEEPS {
        moved = sweep::<T, V, L>((n, d), left, with_right.then_some(&mut *right), s);
        if moved == 0 {
            break;
        }
    }
    normalise::<T, V, L>((n, d), left, with_right.then_some(right), s);
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
    mut right: Option<&mut [[T; L]]>,
    norms: &mut [[T; L]],
) -> u32 {
    let columns = Columns { from: 0, height: n, count: d };
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
                turn.apply::<T, L>(x, n, (i, j));
                if let Some(right) = &mut right {
                    turn.apply::<T, L>(right, d, (i, j));
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

    /// Turn columns i < j, of `height`.
    #[inline(always)]
    fn apply<T: Real, const L: usize>(
        &self,
        x: &mut [[T; L]],
        height: usize,
        (i, j): (usize, usize),
    ) where
        V: Lanes<T, L>,
    {
        let (left, right) = x.split_at_mut(j * height);
        let left = &mut left[i * height..][..height];
        for (x, y) in left.iter_mut().zip(&mut right[..height]) {
            let (p, q) = (V::load(x), V::load(y));
            self.across.times_plus(q, self.along.times(p)).store(x);
            self.along.times(q).minus_times(self.across, p).store(y);
        }
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
        // Relative to the longer one, about: no square leaves the range.
        let power = high.inverse_power();
        let size = gamma.magnitude().times(power);
        let (relative_high, relative_low) = (high.times(power), low.times(power));
        // Over the tolerance, before it is squared: the square of a product could underflow.
        let excess = size.times(sharpness);
        let considered = V::splat(T::from_f64(T::NEGLIGIBLE)).below(low);
        let bar = relative_high.times(relative_low);
        let rotated = V::both(considered, bar.below(excess.times(excess)));
        let exchanged = alpha.below(beta);
        let lanes = V::bits(V::either(rotated, exchanged));
        if lanes == 0 {
            return (Self::none::<T, L>(), high, low);
        }

        let tangent = tangent::<T, V, L>(size, relative_high.minus(relative_low));
        let cosine = cosine::<T, V, L>(tangent.times(tangent));
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

/// The smaller root of size t^2 + difference t - size = 0.
///
/// Where there is anything to rotate, neither sums nor roots leave the range of `f32`; and an angle
/// need not be exact, only a rotation.
#[inline(always)]
fn tangent<T: Real, V: Lanes<T, L>, const L: usize>(size: V, difference: V) -> V {
    let twice = size.plus(size);
    let root = difference.times_plus(difference, twice.times(twice)).rough_root();
    let tangent = twice.times(difference.plus(root).rough_inverse());
    if T::EPSILON >= f64::from(f32::EPSILON) {
        return tangent;
    }
    // A step of Newton's, so that convergence stays quadratic to the end: the slope is the root.
    let excess = size
        .times_plus(tangent, difference)
        .times_plus(tangent, V::splat(T::default()).minus(size));
    tangent.minus_times(excess, root.rough_inverse())
}

/// 1 / sqrt(1 + x), 0 <= x <= 1: divisions and roots would take longer than all the rest.
#[inline(always)]
fn cosine<T: Real, V: Lanes<T, L>, const L: usize>(x: V) -> V {
    // The polynomial of degree 5 with the smallest relative error, 1.2e-5.
    const POLYNOMIAL: [f64; 6] = [
        -0.031_403_907_669_528_365,
        0.129_438_121_447_939_84,
        -0.255_333_930_325_484_3,
        0.363_516_353_677_059_4,
        -0.499_106_444_796_290_24,
        0.999_988_353_728_192_3,
    ];
    let constant = |value: f64| V::splat(T::from_f64(value));
    let mut y = constant(POLYNOMIAL[0]);
    for &coefficient in &POLYNOMIAL[1..] {
        y = y.times_plus(x, constant(coefficient));
    }
    // Newton's steps square the error; the last one leaves exactly 1 for x = 0.
    let (one, half, square) = (constant(1.0), constant(0.5), x.plus(constant(1.0)));
    let steps = if T::EPSILON >= f64::from(f32::EPSILON) { 1 } else { 2 };
    for _ in 0..steps {
        let error = one.minus_times(y, y.times(square));
        y = y.times(half).times_plus(error, y);
    }
    y
}

/// Singular values, and the columns over them; both zero for a negligible column. `V`, where it has
/// been turned along, is divided by its norms too, and they are taken out of the singular values: so
/// the rounding of the angles, which lengthens A V and V alike, is not in the result.
#[inline(always)]
fn normalise<T: Real, V: Lanes<T, L>, const L: usize>(
    (n, d): (usize, usize),
    left: &mut [[T; L]],
    right: Option<&mut [[T; L]]>,
    s: &mut [[T; L]],
) {
    let (zero, one) = (V::splat(T::default()), V::splat(T::from_f64(1.0)));
    for (column, s) in left.chunks_exact_mut(n).zip(&mut *s) {
        let square = dot::<T, V, L>(column, column);
        let kept = V::splat(T::from_f64(T::NEGLIGIBLE)).below(square);
        let length = square.root();
        V::select(kept, length, zero).store(s);
        scale::<T, V, L>(column, V::select(kept, one.over(length), zero));
    }
    for (column, s) in right.into_iter().flat_map(|right| right.chunks_exact_mut(d)).zip(s) {
        let length = dot::<T, V, L>(column, column).root();
        V::load(s).over(length).store(s);
        scale::<T, V, L>(column, one.over(length));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lanes::Array;

    /// `x`, and powers of two that are far apart.
    fn numbers() -> impl Iterator<Item = f64> {
        (0..=1_000).map(|i| f64::from(i) / 1_000.0).chain((0..60).map(|e| 0.5f64.powi(e)))
    }

    fn cosines_are_rounded_once_or_twice<T: Real>()
    where
        Array<T, 4>: Lanes<T, 4>,
    {
        for x in numbers() {
            let rounded = T::from_f64(x);
            let mut result = [T::default(); 4];
            cosine::<T, Array<T, 4>, 4>(Lanes::splat(rounded)).store(&mut result);
            let exact = 1.0 / (1.0 + rounded.to_f64()).sqrt();
            let error = (result[0].to_f64() - exact).abs() / exact;
            assert!(error <= 1.5 * T::EPSILON, "{x}: {error:e}");
            assert!(x > 0.0 || result[0].to_f64() == 1.0, "a rotation by nothing");
        }
    }

    fn tangents_solve_their_equation<T: Real>(tolerance: f64)
    where
        Array<T, 4>: Lanes<T, 4>,
    {
        for (size, difference) in
            numbers().flat_map(|size| [0.0, 1e-3, 0.5, 1.0].map(|difference| (size, difference)))
        {
            let (size, difference) = (T::from_f64(size), T::from_f64(difference));
            let mut result = [T::default(); 4];
            let (x, y) = (Lanes::splat(size), Lanes::splat(difference));
            tangent::<T, Array<T, 4>, 4>(x, y).store(&mut result);
            let (size, difference) = (size.to_f64(), difference.to_f64());
            if size.max(difference) == 0.0 {
                continue;
            }
            let exact = 2.0 * size / (difference + difference.hypot(2.0 * size));
            let error = (result[0].to_f64() - exact).abs();
            assert!(error <= tolerance * exact, "{size} {difference}: {error:e}");
        }
    }

    #[test]
    fn rotations_have_length_one_and_nearly_the_right_angle() {
        cosines_are_rounded_once_or_twice::<f32>();
        cosines_are_rounded_once_or_twice::<f64>();
        tangents_solve_their_equation::<f32>(1e-6);
        tangents_solve_their_equation::<f64>(1e-12);
    }
}
