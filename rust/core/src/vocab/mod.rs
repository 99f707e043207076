//! Vocabularies: which words to keep, and rows made of rows.

pub mod mixing;
pub mod scripts;
