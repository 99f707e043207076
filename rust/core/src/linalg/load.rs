//! The way of one row-major matrix in: a look at its values, and the order of a transposed copy.

use super::Scalar;
use crate::{Error, Result};

/// The largest magnitude. Scaled by the power of two that brings it into [1, 2)
/// ([`super::PowerOfTwo::normalising`]), a matrix has squares that neither overflow nor vanish.
///
/// # Errors
/// [`Error::NonFinite`], named `argument`, for a NaN or an infinity.
pub(super) fn largest<T: Scalar>(values: &[T], cols: usize, argument: &'static str) -> Result<f64> {
    // In lanes that the compiler finds; NaN is larger than nothing, so it is looked for by itself.
    let (mut largest, mut unsound) = ([T::zero(); 16], [T::zero(); 16]);
    let (chunks, rest) = values.as_chunks::<16>();
    for chunk in chunks {
        for ((largest, unsound), &x) in largest.iter_mut().zip(&mut unsound).zip(chunk) {
            let magnitude = if x < T::zero() { -x } else { x };
            *largest = if magnitude > *largest { magnitude } else { *largest };
            *unsound += x * T::zero();
        }
    }
    let largest = (largest.iter().chain(rest)).fold(0.0, |m, x| f64::max(m, x.widen().abs()));
    let sound = (unsound.iter().chain(rest)).all(|x| x.widen().is_finite());
    if sound && largest.is_finite() {
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
