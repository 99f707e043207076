//! Bringing one matrix into float64, scaled by a power of two.

use super::{PowerOfTwo, Scalar};
use crate::{Error, Result};

/// The power of two that brings the largest entry into [1, 2), so that squares neither overflow
/// nor vanish.
///
/// # Errors
/// [`Error::NonFinite`], named `argument`, for a NaN or an infinity.
pub(super) fn normalising<T: Scalar>(
    values: &[T],
    cols: usize,
    argument: &'static str,
) -> Result<PowerOfTwo> {
    let (mut largest, mut sound) = (0.0f64, true);
    for x in values {
        let x = x.widen();
        largest = largest.max(x.abs());
        sound &= x.is_finite();
    }
    if sound {
        return Ok(PowerOfTwo::normalising(largest));
    }
    let bad = values.iter().position(|x| !x.widen().is_finite());
    Err(Error::NonFinite { argument, row: bad.unwrap_or(0) / cols })
}
