//! Columns that are orthonormal to working precision.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::cholesky::llt::factor::{self as llt, LltParams, LltRegularization};
use faer::linalg::householder::{
    apply_block_householder_sequence_on_the_left_in_place_scratch as apply_scratch,
    apply_block_householder_sequence_on_the_left_in_place_with_conj as apply,
};
use faer::linalg::triangular_solve::solve_lower_triangular_in_place;
use faer::reborrow::{Reborrow, ReborrowMut};
use faer::{Auto, Conj, Mat, MatMut, MatRef, Par, Spec};

use super::Scalar;
use super::products::{lower_product, subtract_upper};

/// Orthogonality that is left alone, in eps * sqrt(k) (Frobenius); LAPACK's gesdd has 5 to 13.
const TARGET: f64 = 4.0;

/// Errors `|Q'Q - I|` from here on are those of wrong vectors, not of inexact ones.
pub(super) const FAR: f64 = 0.1;

/// Up to this error two steps of first order, each a product, are enough; a Cholesky factor costs
/// more.
const FIRST_ORDER: f64 = 1e-4;

/// `|Q'Q - I|` of k columns that is left alone.
pub(super) fn target<T: Scalar>(k: usize) -> f64 {
    TARGET * (k as f64).sqrt() * T::EPSILON
}

/// `|Q'Q - I|` of k columns that a step of first order brings to a small part of the target: it
/// squares the error.
pub(super) fn nearly<T: Scalar>(k: usize) -> f64 {
    (0.1 * target::<T>(k)).sqrt()
}

/// Bring the columns of `q` to `|Q'Q - I| <= target`, or to one product's rounding, by Cholesky QR;
/// false for columns that are too far from orthonormal, or dependent. A column is corrected by those
/// before it: the first one keeps its direction.
///
/// Near the end a step is one of first order, `Q <- Q - Q T` with T upper triangular and
/// `T + T' = Q'Q - I`, which squares the error. `gram` and `scratch` have k rows and as many as `q`,
/// at least, and k columns.
pub(super) fn straighten<T: Scalar>(
    mut q: MatMut<'_, T>,
    gram: &mut Mat<T>,
    scratch: &mut Mat<T>,
    target: f64,
    farthest: f64,
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
        if error.is_nan() || error > farthest {
            return false;
        }
        if error > FIRST_ORDER {
            if !over_cholesky(q.rb_mut(), gram) {
                return false;
            }
            continue;
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

/// `Q <- Q R^-1`, `R'R = Q'Q`, given the latter's lower triangle with (|q|^2 - 1) / 2 on the diagonal.
fn over_cholesky<T: Scalar>(q: MatMut<'_, T>, mut gram: MatMut<'_, T>) -> bool {
    let k = gram.nrows();
    for j in 0..k {
        gram[(j, j)] = T::round(1.0 + 2.0 * gram[(j, j)].widen());
    }
    let parameters: Spec<LltParams, T> = <LltParams as Auto<T>>::auto().into();
    let mut memory = MemBuffer::new(llt::cholesky_in_place_scratch::<T>(k, Par::Seq, parameters));
    let (stack, regular) = (MemStack::new(&mut memory), LltRegularization::default());
    if llt::cholesky_in_place(gram.rb_mut(), regular, Par::Seq, stack, parameters).is_err() {
        return false;
    }
    solve_lower_triangular_in_place(gram.rb(), q.transpose_mut(), Par::Seq);
    true
}

/// A column of a matrix whose columns are contiguous, as all here are.
pub(super) fn column<T: Scalar>(m: MatRef<'_, T>, j: usize) -> &[T] {
    m.col(j).try_as_col_major().map_or(&[], |column| column.as_slice())
}

/// The sum of squares, in lanes that the compiler finds.
pub(super) fn squares<T: Scalar>(x: &[T]) -> f64 {
    let (chunks, rest) = x.as_chunks::<16>();
    let mut sums = [T::zero(); 16];
    for chunk in chunks {
        for (sum, x) in sums.iter_mut().zip(chunk) {
            *sum += *x * *x;
        }
    }
    let rest: f64 = rest.iter().map(|x| x.widen() * x.widen()).sum();
    sums.iter().map(|x| x.widen()).sum::<f64>() + rest
}

/// The sum of squares, halves first: its error grows with log n.
pub(super) fn pairwise_square<T: Scalar>(x: &[T]) -> f64 {
    if x.len() <= 128 {
        return squares(x);
    }
    let (left, right) = x.split_at(x.len() / 2);
    pairwise_square(left) + pairwise_square(right)
}

/// Give orthonormal directions to the columns whose singular value is zero.
pub(super) fn complete(q: &mut Mat<f64>, s: &[f64]) {
    let (n, k) = q.shape();
    let kept: Vec<usize> = (0..k).filter(|&j| s[j] > 0.0).collect();
    let basis = Mat::from_fn(n, kept.len(), |i, j| q[(i, kept[j])]);
    let rest = complement(basis, k - kept.len());
    for (from, j) in (0..k).filter(|&j| s[j] <= 0.0).enumerate() {
        q.as_mut().col_mut(j).copy_from(rest.col(from));
    }
}

/// Some `count` orthonormal vectors that are orthogonal to the orthonormal columns of `basis`.
pub(super) fn complement<T: Scalar>(basis: Mat<T>, count: usize) -> Mat<T> {
    let (n, rank) = basis.shape();
    let mut rest = Mat::zeros(n, count);
    rest.as_mut().subrows_mut(rank, count).diagonal_mut().fill(T::one());
    if rank > 0 && count > 0 {
        let qr = basis.qr();
        let block = qr.Q_coeff().nrows();
        let mut memory = MemBuffer::new(apply_scratch::<T>(n, block, count));
        let memory = MemStack::new(&mut memory);
        apply(qr.Q_basis(), qr.Q_coeff(), Conj::No, rest.as_mut(), Par::Seq, memory);
    }
    rest
}
