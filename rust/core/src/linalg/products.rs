//! Matrix products, spread over the cores where they are large: a matrix alone has all of them, too.
//!
//! The cuts do not depend on the number of threads, so neither do the bytes.

use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::reborrow::ReborrowMut;
use faer::{Accum, MatMut, MatRef, Par};

use super::{Scalar, zeros};
use crate::matrix::MatRef as Rows;
use crate::{Error, Result};

/// Columns of a product that one task computes.
const BLOCK: usize = 128;

/// `dst (+)= alpha lhs rhs`.
pub(crate) fn product<T: Scalar>(
    dst: MatMut<'_, T>,
    accumulate: Accum,
    lhs: MatRef<'_, T>,
    rhs: MatRef<'_, T>,
    alpha: f64,
) {
    product_by(BLOCK, dst, accumulate, lhs, rhs, alpha);
}

/// [`product`] by tasks of `block` columns at most: each packs all of `lhs` for itself.
fn product_by<T: Scalar>(
    block: usize,
    dst: MatMut<'_, T>,
    accumulate: Accum,
    lhs: MatRef<'_, T>,
    rhs: MatRef<'_, T>,
    alpha: f64,
) {
    if dst.ncols() <= block {
        return matmul(dst, accumulate, lhs, rhs, T::round(alpha), Par::Seq);
    }
    let cut = halfway(dst.ncols());
    let (left, right) = dst.split_at_col_mut(cut);
    let (rhs_left, rhs_right) = rhs.split_at_col(cut);
    rayon::join(
        || product_by(block, left, accumulate, lhs, rhs_left, alpha),
        || product_by(block, right, accumulate, lhs, rhs_right, alpha),
    );
}

/// The row-major product of two matrices. No byte depends on the number of threads.
///
/// # Errors
/// [`Error::Shape`] when columns and rows do not fit, [`Error::Memory`].
pub fn multiply<T: Scalar + Default>(left: Rows<'_, T>, right: Rows<'_, T>) -> Result<Vec<T>> {
    let (n, k, m) = (left.rows(), left.cols(), right.cols());
    if right.rows() != k {
        return Err(Error::Shape {
            argument: "right",
            expected: format!("{k} rows, one for each column of left"),
            got: format!("{} rows", right.rows()),
        });
    }
    let mut result = zeros(n * m, "the product")?;
    product_by(
        (n / 4).clamp(BLOCK, 4 * BLOCK),
        // Transposed, so that tasks write rows that are their own.
        MatMut::from_column_major_slice_mut(&mut result, m, n),
        Accum::Replace,
        MatRef::from_column_major_slice(right.data(), m, k),
        MatRef::from_column_major_slice(left.data(), k, n),
        1.0,
    );
    Ok(result)
}

/// The lower triangle of `x' x`.
pub(super) fn lower_product<T: Scalar>(dst: MatMut<'_, T>, x: MatRef<'_, T>) {
    if dst.ncols() <= BLOCK {
        let (lower, full) = (BlockStructure::TriangularLower, BlockStructure::Rectangular);
        let (left, one, new) = (x.transpose(), T::one(), Accum::Replace);
        return triangular::matmul(dst, lower, new, left, full, x, full, one, Par::Seq);
    }
    let cut = halfway(dst.ncols());
    let (top, _, bottom, corner) = dst.split_at_mut(cut, cut);
    let (left, right) = x.split_at_col(cut);
    rayon::join(
        || product(bottom, Accum::Replace, right.transpose(), left, 1.0),
        || rayon::join(|| lower_product(top, left), || lower_product(corner, right)),
    );
}

/// `dst -= x t`, with t the transposed lower triangle of `lower`.
pub(super) fn subtract_upper<T: Scalar>(
    dst: MatMut<'_, T>,
    x: MatRef<'_, T>,
    lower: MatRef<'_, T>,
) {
    if dst.ncols() <= BLOCK {
        let (upper, full) = (BlockStructure::TriangularUpper, BlockStructure::Rectangular);
        let (t, minus) = (lower.transpose(), T::round(-1.0));
        return triangular::matmul(dst, full, Accum::Add, x, full, t, upper, minus, Par::Seq);
    }
    let cut = halfway(dst.ncols());
    let (left, mut right) = dst.split_at_col_mut(cut);
    let (x_left, x_right) = x.split_at_col(cut);
    let (top, _, bottom, corner) = lower.split_at(cut, cut);
    rayon::join(
        || subtract_upper(left, x_left, top),
        || {
            product(right.rb_mut(), Accum::Add, x_left, bottom.transpose(), -1.0);
            subtract_upper(right, x_right, corner);
        },
    );
}

fn halfway(columns: usize) -> usize {
    (columns / 2).next_multiple_of(BLOCK / 2)
}
