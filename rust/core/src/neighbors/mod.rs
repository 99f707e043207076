//! Exact nearest neighbours and CSLS, never an n x m matrix.
//!
//! Every pair of rows has one *canonical* score (`score`). A fast tile of dot products, in the
//! computing type, only filters: `prepare` turns rows into the tile's form and bounds its error,
//! `scan` drives the tiles over blocks and lets the rows, or both sides at once, select;
//! `reservoir` keeps what passed, rescores it canonically and raises the thresholds.

mod induce;
mod candidates;
mod codes;
mod filter;
mod index;
mod lists;
mod one_pass;
mod prepare;
mod reservoir;
mod rotation;
mod scan;
mod score;
mod search;
mod statistics;
mod select;
mod selection;

pub use induce::{Chosen, Directions, Induction, induce};
pub use codes::Norms;
pub use index::{Index, IndexParts, Indexes, prepare as prepare_index};
pub use score::Metric;
pub use search::{Selection, csls, csls_both, csls_radii, topk};
pub use statistics::{Moments, Thresholds, count_below, distance_moments, log_sums, pair_cosines};
pub use search::{csls, csls_both, csls_radii, topk};
pub use search::{CslsAnswer, csls, csls_both, csls_from_rows, csls_radii, topk};
pub use select::{How, Path};
pub use selection::Selection;

#[cfg(test)]
mod tests;
