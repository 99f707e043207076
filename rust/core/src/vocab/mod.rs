//! Vocabularies: which words to keep, what is numbered by id renumbered, and rows made of rows.

pub mod gather;
pub mod mixing;
mod mixture;
mod pursuit;
pub mod renumber;
pub mod scripts;

pub use crate::neighbors::sparsemax;
pub use mixture::Mixture;
pub use pursuit::{Pursued, pursue};
