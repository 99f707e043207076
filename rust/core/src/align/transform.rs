//! Row-wise transforms: what alignment methods do to vectors before they fit.

use rayon::prelude::*;

use crate::linalg::{PowerOfTwo, Scalar};
use crate::matrix::MatRef;
use crate::runtime::Control;
use crate::{Error, Result};

/// Rows of one task.
const ROWS: usize = 1024;

/// Squared norms outside these bounds are recomputed from scaled values.
const SAFE_SQUARES: std::ops::RangeInclusive<f64> = 1e-280..=1e280;

/// What happens to each row. Computed in float64, rounded once.
#[derive(Clone, Copy, Debug)]
pub enum RowOperation<'a> {
    /// Divide by the Euclidean norm; zero rows stay zero.
    Unit,
    /// Subtract these values.
    Subtract(&'a [f64]),
    /// Divide by these values; where one is zero, by 1.
    Divide(&'a [f64]),
    /// Subtract the row's own mean.
    CentreRow,
}

/// Apply `operation` to each row of `x`, into `out`.
///
/// # Errors
/// [`Error::Shape`] when sizes do not fit, [`Error::Cancelled`].
pub fn transform_rows<T: Scalar>(
    x: MatRef<'_, T>,
    operation: RowOperation<'_>,
    out: &mut [T],
    control: &Control,
) -> Result<()> {
    let d = x.cols();
    let parameters = match operation {
        RowOperation::Subtract(values) | RowOperation::Divide(values) => values.len(),
        RowOperation::Unit | RowOperation::CentreRow => d,
    };
    if out.len() != x.data().len() || parameters != d {
        return Err(Error::Shape {
            argument: "x",
            expected: format!("{parameters} columns"),
            got: format!("{d}"),
        });
    }
    if out.is_empty() {
        return Ok(());
    }
    (out.par_chunks_mut(ROWS * d)).zip(x.data().par_chunks(ROWS * d)).try_for_each(|(out, x)| {
        control.check()?;
        for (y, x) in out.chunks_exact_mut(d).zip(x.chunks_exact(d)) {
            transform_row(x, operation, y);
        }
        Ok(())
    })
}

fn transform_row<T: Scalar>(x: &[T], operation: RowOperation<'_>, y: &mut [T]) {
    let each = y.iter_mut().zip(x);
    match operation {
        RowOperation::Unit => unit(x, y),
        RowOperation::Subtract(values) => {
            each.zip(values).for_each(|((y, x), v)| *y = T::round(x.widen() - v));
        }
        RowOperation::Divide(values) => each.zip(values).for_each(|((y, x), v)| {
            *y = T::round(x.widen() / if *v == 0.0 { 1.0 } else { *v });
        }),
        RowOperation::CentreRow => {
            // Each term is divided first: the sum of large values could overflow.
            let n = x.len() as f64;
            let mean: f64 = lanes(x, |x| x.widen() / n);
            each.for_each(|(y, x)| *y = T::round(x.widen() - mean));
        }
    }
}

fn unit<T: Scalar>(x: &[T], y: &mut [T]) {
    let square = lanes(x, |x| x.widen() * x.widen());
    if SAFE_SQUARES.contains(&square) {
        let norm = square.sqrt();
        y.iter_mut().zip(x).for_each(|(y, x)| *y = T::round(x.widen() / norm));
        return;
    }
    let largest = x.iter().fold(0.0f64, |m, x| m.max(x.widen().abs()));
    let scale = PowerOfTwo::normalising(if largest.is_finite() { largest } else { 1.0 });
    let norm = lanes(x, |x| scale.apply(x.widen()).powi(2)).sqrt();
    let norm = if norm == 0.0 { 1.0 } else { norm };
    y.iter_mut().zip(x).for_each(|(y, x)| *y = T::round(scale.apply(x.widen()) / norm));
}

/// A sum in eight lanes, which vectorise, added in a fixed order.
fn lanes<T: Scalar>(x: &[T], f: impl Fn(T) -> f64) -> f64 {
    let mut sums = [0.0; 8];
    let (chunks, rest) = x.as_chunks::<8>();
    for chunk in chunks {
        for (sum, x) in sums.iter_mut().zip(chunk) {
            *sum += f(*x);
        }
    }
    for (sum, x) in sums.iter_mut().zip(rest) {
        *sum += f(*x);
    }
    let [a, b, c, d, e, f, g, h] = sums;
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}
