//! Late interaction: the score of a query and a document, both sets of token vectors, is the sum
//! over the query's tokens of the largest dot product with any of the document's.
//!
//! Tiles of products in the computing type find, for each query token, the document tokens that
//! can be the best; those few (one, almost always) are scored canonically, in `f64` and in one
//! fixed order. So the maxima are the exact maxima of canonical products, and the scores have the
//! same bytes on every instruction set and number of threads.

mod collection;
mod queries;
mod scan;
mod select;
#[cfg(test)]
mod tests;

pub use collection::{Collection, Offsets, Values};
pub use queries::Queries;
pub use select::{scores, topk};
