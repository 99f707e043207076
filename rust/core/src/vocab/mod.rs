//! Vocabularies: which words to keep.

pub mod scripts;
