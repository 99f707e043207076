//! Polar decompositions of a stack.

use faer::{Accum, Mat};
use rayon::prelude::*;

use super::factor::Factor;
use super::products::product;
use super::svd::{in_stack, representable};
use super::{Scalar, Stack, small, zeros};
use crate::Result;
use crate::runtime::Control;

/// `a = r * h` for each matrix: r (count, n, d) with orthonormal columns (n >= d) or rows (n < d),
/// h (count, d, d) symmetric positive semi-definite; row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Polar<T> {
    /// The nearest matrix with orthonormal columns (rows).
    pub r: Vec<T>,
    /// The stretch.
    pub h: Vec<T>,
}

/// The polar decomposition of each matrix of `stack`: r = U V', h = V S V' with the thin
/// singular value decomposition. So r is orthonormal also where `a` is rank-deficient (and then
/// one choice of many). `h` is exactly symmetric.
///
/// # Errors
/// As for [`super::svd`].
pub fn polar<T: Scalar + Default>(stack: Stack<'_, T>, control: &Control) -> Result<Polar<T>> {
    if small::fits(&stack) {
        return small::polar(stack, control);
    }
    one_by_one(stack, control)
}

/// Each matrix on its own, of any size.
pub(super) fn one_by_one<T: Scalar + Default>(
    stack: Stack<'_, T>,
    control: &Control,
) -> Result<Polar<T>> {
    let (n, d) = (stack.rows, stack.cols);
    let what = "the decomposition";
    let h_len = stack.count.saturating_mul(d).saturating_mul(d);
    let mut result = Polar { r: zeros(stack.count * n * d, what)?, h: zeros(h_len, what)? };
    if stack.count == 0 || n == 0 || d == 0 {
        return Ok(result);
    }
    control.start(stack.count as u64);
    let outputs = (result.r.par_chunks_exact_mut(n * d)).zip(result.h.par_chunks_exact_mut(d * d));
    outputs.enumerate().try_for_each_init(
        || Factor::new(n, d),
        |factor, (index, (r, h))| {
            control.check()?;
            let factor = factor.as_mut().map_err(|error| error.clone())?;
            factor.factorise(stack.get(index), "a").map_err(|error| in_stack(error, index, n))?;
            let nearest = factor.orthonormal_part();
            for (i, row) in r.chunks_exact_mut(d).enumerate() {
                for (j, x) in row.iter_mut().enumerate() {
                    *x = if n < d { nearest[(j, i)] } else { nearest[(i, j)] };
                }
            }
            let stretched = Mat::from_fn(d, factor.s.len(), |i, j| factor.v[(i, j)] * factor.s[j]);
            let mut stretch = Mat::zeros(d, d);
            let turned = factor.v.transpose();
            product(stretch.as_mut(), Accum::Replace, stretched.as_ref(), turned, 1.0);
            for i in 0..d {
                for j in 0..=i {
                    let x = representable(factor.unscale.apply(stretch[(i, j)].widen()))?;
                    h[i * d + j] = x;
                    h[j * d + i] = x;
                }
            }
            control.advance(1);
            Ok(())
        },
    )?;
    Ok(result)
}
