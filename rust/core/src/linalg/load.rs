//! The way of one row-major matrix in: a look at its values, and the order of a transposed copy.

use super::Scalar;
use crate::{Error, Result};

/// The largest magnitude. Scaled by the power of two that brings it into [1, 2)
/// ([`super::PowerOfTwo::normalising`]), a matrix has squares that neither overflow nor vanish.
///
/// # Errors
/// [`Error::NonFinite`], named `argument`, for a NaN or an infinity.
pub(super) fn largest<T: Scalar>(values: &[T], cols: usize, argument: &'static str) -> Result<f64> {
    let (mut largest, mut sound) = (0.0f64, true);
    for x in values {
        let x = x.widen();
        largest = if x.abs() > largest { x.abs() } else { largest };
        sound &= x.is_finite();
    }
    if sound {
        return Ok(largest);
    }
    let bad = values.iter().position(|x| !x.widen().is_finite());
    Err(Error::NonFinite { argument, row: bad.unwrap_or(0) / cols })
}

/// Visit all (i, j) in tiles, so that a transposed copy keeps to the first-level cache.
pub(super) fn tiles(rows: usize, cols: usize, mut visit: impl FnMut(usize, usize)) {
    const TILE: usize = 16;
    for i0 in (0..rows).step_by(TILE) {
        for j0 in (0..cols).step_by(TILE) {
            for i in i0..(i0 + TILE).min(rows) {
                for j in j0..(j0 + TILE).min(cols) {
                    visit(i, j);
                }
            }
        }
    }
}
