//! Vocabularies: which words to keep, what is numbered by id renumbered, and rows made of rows.

pub mod gather;
pub mod mixing;
pub mod renumber;
pub mod scripts;
