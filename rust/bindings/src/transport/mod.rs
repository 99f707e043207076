//! Entropic transport: one file a kind of problem.

pub mod assign;
pub mod batch;
pub mod dense;
pub mod points;
