//! Passes over a cost that is held as a matrix.

mod naive;

pub use naive::Naive;

use std::ops::Range;

use isomorph_kernels::Exponential;

use crate::matrix::MatRef;

/// The types of a cost.
pub trait Cost: Exponential {}

impl Cost for f32 {}
impl Cost for f64 {}

/// Rows of cost / reg: what [`super::Pass::costs`] gives.
fn scaled<T: Cost>(cost: MatRef<'_, T>, reg: f64, rows: Range<usize>, out: &mut [f64]) {
    let costs = &cost.data()[rows.start * cost.cols()..rows.end * cost.cols()];
    for (out, cost) in out.iter_mut().zip(costs) {
        *out = cost.to_f64() / reg;
    }
}
