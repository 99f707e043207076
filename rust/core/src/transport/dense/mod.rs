//! Passes over a cost that is held as a matrix.

mod columns;
pub(super) mod exponents;
mod logs;
#[cfg(test)]
mod naive;
pub(super) mod rows;
mod scaling;

pub use logs::Logs;
#[cfg(test)]
pub use naive::Naive;
pub use scaling::Kernel;

use std::ops::Range;

use isomorph_kernels::{Above, Late, Transport};

use crate::matrix::MatRef;

/// The types of a cost.
pub trait Cost: Transport + Late + Above {}

impl Cost for f32 {}
impl Cost for f64 {}

/// Rows of cost / reg: what [`super::Pass::costs`] gives.
fn scaled<T: Cost>(cost: MatRef<'_, T>, reg: f64, rows: Range<usize>, out: &mut [f64]) {
    let costs = &cost.data()[rows.start * cost.cols()..rows.end * cost.cols()];
    for (out, cost) in out.iter_mut().zip(costs) {
        *out = cost.to_f64() / reg;
    }
}

#[cfg(test)]
mod tests;
