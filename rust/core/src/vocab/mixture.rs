//! What the methods that mix rows give, and the products that they filter by.

use faer::linalg::matmul::matmul;
use faer::{Accum, MatMut, MatRef as Dense, Par};

use crate::linalg::Scalar;
use crate::memory::reserved;
use crate::{Error, Result};

/// For each row, which rows of the other side it is mixed of and how: a sparse matrix in rows.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Mixture {
    /// The entries of row i are those from `offsets[i]` to `offsets[i + 1]`.
    pub offsets: Vec<i64>,
    /// Rows of the other side, ascending within a row.
    pub indices: Vec<i64>,
    /// One an entry.
    pub weights: Vec<f64>,
}

impl Mixture {
    /// Join the rows, each of pairs of an index and a weight.
    ///
    /// # Errors
    /// [`Error::Memory`].
    pub(crate) fn of(rows: &[Vec<(u32, f64)>]) -> Result<Self> {
        let total = rows.iter().map(Vec::len).sum();
        let mut offsets = reserved(rows.len() + 1)?;
        let (mut indices, mut weights) = (reserved(total)?, reserved(total)?);
        offsets.push(0);
        for row in rows {
            indices.extend(row.iter().map(|(index, _)| i64::from(*index)));
            weights.extend(row.iter().map(|(_, weight)| weight));
            offsets.push(indices.len() as i64);
        }
        Ok(Self { offsets, indices, weights })
    }
}

/// Refuse sides whose columns differ.
pub(super) fn same_columns(argument: &'static str, got: usize, expected: usize) -> Result<()> {
    if got == expected {
        return Ok(());
    }
    Err(Error::Shape {
        argument,
        expected: format!("{expected} columns"),
        got: format!("{got} columns"),
    })
}

/// The products of `rows` with `columns`, both of vectors of length `depth`, in row-major `out`.
///
/// Summed in an order that is faer's own: a filter, with the bound of [`error`].
pub(super) fn products<T: Scalar>(out: &mut [T], rows: &[T], columns: &[T], depth: usize) {
    let (n, m) = (rows.len() / depth, columns.len() / depth);
    matmul(
        // Transposed: faer likes columns that are contiguous.
        MatMut::from_column_major_slice_mut(&mut out[..n * m], m, n),
        Accum::Replace,
        Dense::from_row_major_slice(columns, m, depth),
        Dense::from_column_major_slice(rows, depth, n),
        T::round(1.0),
        Par::Seq,
    );
}

/// How far such a product of two vectors of norm 1, each rounded to T, can be from the true one:
/// `γ_d + 2u` (Higham 2002, section 3.1), with room for terms of the second order.
pub(super) fn error<T: Scalar>(depth: usize) -> f64 {
    let (u, d) = (T::EPSILON / 2.0, depth as f64);
    if d * u >= 0.5 { f64::INFINITY } else { 1.01 * (d * u / (1.0 - d * u)) + 8.0 * u }
}
