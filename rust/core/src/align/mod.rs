//! Maps between two spaces: the moments that fits need, Procrustes, applying a map, transforms.
//!
//! Sums over rows run over blocks of [`BLOCK`] rows, combined in block order, in float64: their
//! bytes depend on the shape alone.

mod apply;
mod determinant;
mod moments;
mod partners;
mod procrustes;
mod transform;

pub use apply::{Affine, apply_affine};
pub use moments::{CrossMoments, Pairs, column_means, column_norms, cross_moments};
pub use partners::procrustes_of_rows;
pub use procrustes::{Fit, Options, Squares, procrustes, procrustes_from_moments};
pub use transform::{RowOperation, transform_rows};

/// Rows in one block of a sum.
pub const BLOCK: usize = 4096;

#[cfg(test)]
mod tests;
