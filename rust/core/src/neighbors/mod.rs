//! Exact nearest neighbours and CSLS, never an n x m matrix.
//!
//! Every pair of rows has one *canonical* score (`score`). A fast tile of dot products only
//! filters, in the computing type or on integer codes (`filter`): `prepare` turns rows into the
//! tile's form and bounds its error, `rotation` and `codes` turn that into integers; `scan` drives
//! the tiles over blocks and lets the rows, or both sides at once, select; `reservoir` keeps what
//! passed, rescores it canonically and raises the thresholds. `select` chooses the filter,
//! `one_pass` finds CSLS with its radii, from what a `sample` lets it guess and `settle` proves;
//! `index` keeps what was prepared. `sparsemax` lets rows select as many as have a
//! weight, `correlations` filters for matching pursuit.

mod candidates;
mod codes;
mod correlations;
mod filter;
mod index;
mod induce;
mod lists;
mod one_pass;
mod prepare;
mod reservoir;
mod rotation;
mod sample;
mod scan;
mod score;
mod search;
mod select;
mod selection;
mod settle;
mod simplex;
mod sparsemax;
mod statistics;

pub use codes::Norms;
pub(crate) use correlations::{Correlations, Wanted};
pub use index::{Index, IndexParts, Indexes, prepare as prepare_index};
pub use induce::{Chosen, Directions, Induction, induce};
pub use score::Metric;
pub use search::{CslsAnswer, csls, csls_both, csls_from_rows, csls_radii, topk};
pub use select::{FilterChoice, SearchOptions};
pub use selection::Selection;
pub use sparsemax::sparsemax;
pub use statistics::{Moments, Thresholds, count_below, distance_moments, log_sums, pair_cosines};

#[cfg(test)]
mod sparsemax_tests;
#[cfg(test)]
mod tests;
