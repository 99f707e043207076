//! Thin singular value decompositions of a stack.

use rayon::prelude::*;

use super::factor::Factor;
use super::load::tiles;
use super::orthonormal::column;
use super::{Scalar, Stack, small, zeros};
use crate::runtime::Control;
use crate::{Error, Result};

/// `a = u * diag(s) * vt` for each matrix: u (count, n, k), s (count, k), vt (count, k, d), row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Svd<T> {
    /// Left singular vectors, in columns.
    pub u: Vec<T>,
    /// Singular values, descending.
    pub s: Vec<T>,
    /// Right singular vectors, in rows.
    pub vt: Vec<T>,
}

/// The thin singular value decomposition of each matrix of `stack`.
///
/// With e = eps of T: `|U'U - I|`, `|V'V - I|` and
/// `|A - U S V'| / |A|` are below 8 e sqrt(max(n, d)) in the Frobenius norm. Signs are as they are
/// computed: the same for every thread count, not normalised. O(count n d k) operations; memory
/// beyond the result: per thread about 4 n d + 7 k^2 numbers of T, 3 max(n, d) k more for a matrix
/// that is rank-deficient, and as many of float64 for one that falls back to bidiagonalisation.
/// Singular values that are subnormal are rounded as such: half a smallest number beside the bound.
///
/// # Errors
/// [`Error::NonFinite`], [`Error::NoConvergence`], [`Error::Memory`], [`Error::Cancelled`] (looked
/// at between matrices), [`Error::Value`] when a singular value overflows T.
pub fn svd<T: Scalar + Default>(stack: Stack<'_, T>, control: &Control) -> Result<Svd<T>> {
    if small::fits(&stack) {
        return small::svd(stack, control);
    }
    one_by_one(stack, control)
}

/// Each matrix on its own, of any size.
pub(super) fn one_by_one<T: Scalar + Default>(
    stack: Stack<'_, T>,
    control: &Control,
) -> Result<Svd<T>> {
    let (n, d) = (stack.rows, stack.cols);
    let k = n.min(d);
    let what = "the decomposition";
    let mut result = Svd {
        u: zeros(stack.count * n * k, what)?,
        s: zeros(stack.count * k, what)?,
        vt: zeros(stack.count * k * d, what)?,
    };
    if stack.count == 0 || k == 0 {
        return Ok(result);
    }
    control.start(stack.count as u64);
    let outputs = (result.u.par_chunks_exact_mut(n * k))
        .zip(result.s.par_chunks_exact_mut(k))
        .zip(result.vt.par_chunks_exact_mut(k * d));
    outputs.enumerate().try_for_each_init(
        || Factor::new(n, d),
        |factor, (index, ((u, s), vt))| {
            control.check()?;
            let factor = factor.as_mut().map_err(|error| error.clone())?;
            factor.factorise(stack.get(index), "a").map_err(|error| in_stack(error, index, n))?;
            tiles(n, k, |i, j| u[i * k + j] = factor.u[(i, j)]);
            for (j, row) in vt.chunks_exact_mut(d).enumerate() {
                row.copy_from_slice(column(factor.v.as_ref(), j));
            }
            for (x, value) in s.iter_mut().zip(&factor.s) {
                *x = representable(factor.unscale.apply(value.widen()))?;
            }
            control.advance(1);
            Ok(())
        },
    )?;
    Ok(result)
}

/// The error of one matrix as an error of the stack, whose rows are counted through.
pub(super) fn in_stack(error: Error, index: usize, rows: usize) -> Error {
    match error {
        Error::NonFinite { argument, row } => {
            Error::NonFinite { argument, row: index * rows + row }
        }
        Error::NoConvergence { routine, .. } => Error::NoConvergence { routine, index },
        other => other,
    }
}

/// `value` rounded, if it fits.
pub(super) fn representable<T: Scalar>(value: f64) -> Result<T> {
    let rounded = T::round(value);
    if rounded.widen().is_finite() {
        Ok(rounded)
    } else {
        Err(Error::Value {
            argument: "a",
            expected: format!("a matrix whose singular values fit {}", T::NAME),
            got: "a larger one; scale it down".to_string(),
        })
    }
}
