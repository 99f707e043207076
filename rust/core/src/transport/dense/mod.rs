//! Passes over a cost that is held as a matrix.

mod naive;

pub use naive::Naive;

use isomorph_kernels::Exponential;

/// The types of a cost.
pub trait Cost: Exponential {}

impl Cost for f32 {}
impl Cost for f64 {}
