//! Vocabularies: which words to keep, what is numbered by id renumbered, and rows made of rows.

pub mod gather;
pub mod mixing;
mod mixture;
mod pursuit;
pub mod renumber;
pub mod scripts;
mod simplex;

pub use mixture::Mixture;
pub use pursuit::{Pursued, pursue};
pub use simplex::sparsemax;
