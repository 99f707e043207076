//! The algorithms of isomorph, on plain matrix views, parallel in a pool of their own.
//!
//! * [`align`]: moments, Procrustes, maps, transforms;
//! * [`matrix`]: row-major views;
//! * [`error`]: every way to fail, one variant a cause;
//! * [`finite`]: the check for NaN and infinities;
//! * [`late_interaction`]: scores of sets of token vectors;
//! * [`linalg`]: factorisations of stacks;
//! * [`moments`]: what every linear fit needs of the rows, streamed and merged;
//! * [`neighbors`]: exact nearest neighbours and CSLS;
//! * [`random`]: counter-based draws;
//! * [`places`]: ranks without a ranking;
//! * [`runtime`]: the thread pool, cancellation and progress;
//! * [`transport`]: entropic transport;
//! * [`vocab`]: words by script, rows made of rows.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod align;
pub mod error;
pub mod finite;
pub mod late_interaction;
pub mod linalg;
pub mod matrix;
mod memory;
pub mod moments;
pub mod neighbors;
pub mod places;
pub mod random;
pub mod runtime;
pub mod transport;
pub mod vocab;

pub use error::{Error, Result};
