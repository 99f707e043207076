//! Columns that are orthonormal to working precision.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::householder::{
    apply_block_householder_sequence_on_the_left_in_place_scratch as apply_scratch,
    apply_block_householder_sequence_on_the_left_in_place_with_conj as apply,
};
use faer::linalg::qr::no_pivoting::factor::{
    qr_in_place, qr_in_place_scratch, recommended_block_size,
};
use faer::reborrow::{Reborrow, ReborrowMut};
use faer::{Conj, Mat, MatMut, MatRef, Par, Spec};

use super::products::{lower_product, subtract_upper};
use super::{Scalar, zero_matrix};

/// Orthogonality that is left alone, in eps * sqrt(k) (Frobenius); LAPACK's gesdd has 5 to 13.
const TARGET: f64 = 6.0;

/// Errors `|Q'Q - I|` from here on are those of wrong vectors, not of inexact ones.
const FAR: f64 = 0.1;

/// `|Q'Q - I|` of k columns that is left alone.
pub(super) fn target<T: Scalar>(k: usize) -> f64 {
    TARGET * (k as f64).sqrt() * T::EPSILON
}

/// `|Q'Q - I|` of k columns that a step of first order brings to a small part of the target: it
/// squares the error.
pub(super) fn nearly<T: Scalar>(k: usize) -> f64 {
    (0.1 * target::<T>(k)).sqrt()
}

/// Steps of first-order Cholesky QR, `Q <- Q - Q T` with T upper triangular and `T + T' = Q'Q - I`,
/// until `|Q'Q - I|` is at most `target` or one product's rounding; false for columns that are far
/// from orthonormal. A column is corrected by those before it: the first one keeps its direction.
///
/// `gram` and `scratch` have k rows and as many as `q`, at least, and k columns.
pub(super) fn straighten<T: Scalar>(
    mut q: MatMut<'_, T>,
    gram: &mut Mat<T>,
    scratch: &mut Mat<T>,
    target: f64,
) -> bool {
    let (n, k) = q.shape();
    let nearly = (0.1 * target).sqrt();
    for _ in 0..4 {
        let mut gram = gram.as_mut().submatrix_mut(0, 0, k, k);
        lower_product(gram.rb_mut(), q.rb());
        let mut error = 0.0;
        for j in 0..k {
            // Equal entries round alike in a plain sum: it is off by up to n eps / 2.
            let x = pairwise_square(column(q.rb(), j)) - 1.0;
            let below: f64 = squares(&column(gram.rb(), j)[j + 1..]);
            error += x * x + 2.0 * below;
            gram[(j, j)] = T::round(0.5 * x);
        }
        let error: f64 = f64::sqrt(error);
        if error <= target {
            return true;
        }
        if error.is_nan() || error > FAR {
            return false;
        }
        let mut old = scratch.as_mut().submatrix_mut(0, 0, n, k);
        old.copy_from(q.rb());
        subtract_upper(q.rb_mut(), old.rb(), gram.rb());
        if error <= nearly {
            return true;
        }
    }
    false
}

/// A column of a matrix whose columns are contiguous, as all here are.
pub(super) fn column<T: Scalar>(m: MatRef<'_, T>, j: usize) -> &[T] {
    debug_assert!(m.row_stride() == 1, "columns are contiguous");
    m.col(j).try_as_col_major().map_or(&[], |column| column.as_slice())
}

/// The sum of squares, in lanes that the compiler finds.
pub(super) fn squares<T: Scalar>(x: &[T]) -> f64 {
    let (chunks, rest) = x.as_chunks::<32>();
    let mut sums = [T::zero(); 32];
    for chunk in chunks {
        for (sum, x) in sums.iter_mut().zip(chunk) {
            *sum += *x * *x;
        }
    }
    for half in [16, 8, 4, 2, 1] {
        for i in 0..half {
            let other = sums[i + half];
            sums[i] += other;
        }
    }
    let rest: f64 = rest.iter().map(|x| x.widen() * x.widen()).sum();
    sums[0].widen() + rest
}

/// The sum of squares, halves first: its error grows with log n.
pub(super) fn pairwise_square<T: Scalar>(x: &[T]) -> f64 {
    if x.len() <= 128 {
        return squares(x);
    }
    let (left, right) = x.split_at(x.len() / 2);
    pairwise_square(left) + pairwise_square(right)
}

/// Give orthonormal directions to the columns whose singular value is zero; nothing where there is no
/// memory for them.
pub(super) fn complete(q: &mut Mat<f64>, s: &[f64]) -> Option<()> {
    let (n, k) = q.shape();
    let kept: Vec<usize> = (0..k).filter(|&j| s[j] > 0.0).collect();
    let basis = Mat::from_fn(n, kept.len(), |i, j| q[(i, kept[j])]);
    let rest = complement(basis.as_ref(), k - kept.len())?;
    for (from, j) in (0..k).filter(|&j| s[j] <= 0.0).enumerate() {
        q.as_mut().col_mut(j).copy_from(rest.col(from));
    }
    Some(())
}

/// Some `count` orthonormal vectors that are orthogonal to the orthonormal columns of `basis`; nothing
/// where there is no memory for them.
pub(crate) fn complement<T: Scalar>(basis: MatRef<'_, T>, count: usize) -> Option<Mat<T>> {
    let (n, rank) = basis.shape();
    let mut rest = zero_matrix(n, count)?;
    rest.as_mut().subrows_mut(rank, count).diagonal_mut().fill(T::one());
    if rank == 0 || count == 0 {
        return Some(rest);
    }
    let block = recommended_block_size::<T>(n, rank);
    let (mut reflections, mut factors) = (zero_matrix(n, rank)?, zero_matrix(block, rank)?);
    reflections.copy_from(basis);
    let (all, how) = (Par::Seq, Spec::default());
    let request = qr_in_place_scratch::<T>(n, rank, block, all, how);
    let request = request.or(apply_scratch::<T>(n, block, count));
    let mut memory = MemBuffer::try_new(request).ok()?;
    let stack = MemStack::new(&mut memory);
    qr_in_place(reflections.as_mut(), factors.as_mut(), all, stack, how);
    let stack = MemStack::new(&mut memory);
    apply(reflections.as_ref(), factors.as_ref(), Conj::No, rest.as_mut(), all, stack);
    Some(rest)
}
