//! Joint moments of pairs of rows (x, y): one pass over any number of rows, in blocks, and merging.
//!
//! With z = (x, y), D = d + e values, and weights w, the state of a set of rows is
//!
//! * W = sum w and the mean m = sum w z / W, each in two numbers, high and low;
//! * S = sum w (z - m)(z - m)', its upper triangle: X'X, X'Y and Y'Y in one symmetric product;
//! * if asked for, the norm-weighted sums sum w |x - mx|^2 (z - m), sum w |y - my|^2 (z - m), and the
//!   three of |x - mx|^4, |x - mx|^2 |y - my|^2, |y - my|^4: what unbiased CKA needs.
//!
//! Everything is about the mean, and stays so (T. F. Chan, G. H. Golub, R. J. LeVeque, 1983; P. Pebay,
//! 2008, for the higher orders): a common offset costs no digits, and only positive terms are added.
//! Blocks of [`BLOCK`] rows follow each other in order; the cores share the columns of a block, cut
//! the same way for any number of them, so that bytes depend on the shape alone.

mod accumulate;
mod higher;
mod merge;
mod panel;

pub use accumulate::{Rows, accumulate};
pub use merge::merge;

use crate::align::BLOCK;
use crate::{Error, Result};

/// Where the sums of one set of rows are kept.
#[derive(Debug)]
pub struct Sums<'a> {
    /// d: where x ends and y begins.
    pub split: usize,
    /// W, one value.
    pub weight: &'a mut [f64],
    /// m: D high parts, then D low parts.
    pub mean: &'a mut [f64],
    /// D x D row-major, of which the upper triangle is kept.
    pub second: &'a mut [f64],
    /// Empty, or the sums with |x - mx|^2 (D), with |y - my|^2 (D), and xx, xy, yy.
    pub norms: &'a mut [f64],
}

impl Sums<'_> {
    /// D.
    fn width(&self) -> usize {
        self.mean.len() / 2
    }

    /// Refuse parts whose lengths do not belong together.
    fn check(&self) -> Result<()> {
        let width = self.width();
        let fits = self.weight.len() == 1
            && self.mean.len() == 2 * width
            && self.split <= width
            && width.checked_mul(width) == Some(self.second.len())
            && (self.norms.is_empty() || self.norms.len() == 2 * width + 3);
        if fits {
            return Ok(());
        }
        Err(Error::Shape {
            argument: "moments",
            expected: format!("sums of {width} columns"),
            got: "parts of other lengths".to_string(),
        })
    }
}

/// a + b as its rounded value and what rounding took away (D. E. Knuth).
fn two_sum(a: f64, b: f64) -> (f64, f64) {
    let sum = a + b;
    let part = sum - a;
    (sum, (a - (sum - part)) + (b - part))
}

/// Move a mean, high and low parts, by `offset`.
fn move_mean(mean: &mut [f64], offset: &[f64]) {
    let (high, low) = mean.split_at_mut(offset.len());
    for ((high, low), offset) in high.iter_mut().zip(low).zip(offset) {
        let (sum, lost) = two_sum(*high, *offset);
        (*high, *low) = two_sum(sum, *low + lost);
    }
}

#[cfg(test)]
mod tests;
