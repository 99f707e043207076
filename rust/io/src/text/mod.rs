//! word2vec and fastText text: a word and its numbers on each line, with or without a header.

mod feed;
mod line;
mod number;
mod plan;
pub mod print;
mod queue;
mod read;
mod write;

pub use read::{TextHeader, TextVectors, read, read_header};
pub use write::{Vectors, write};

use crate::words::Duplicates;

/// What to do with bytes that are not UTF-8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum InvalidUtf8 {
    /// Name the line in an error.
    #[default]
    Error,
    /// Put U+FFFD in their place, as Python's `errors="replace"` does.
    Replace,
}

/// How to read a text file.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// Read at most so many rows from the file's start, repeated words among them.
    pub limit: Option<usize>,
    /// Whether the first line is a header. `None`: it is if it has exactly two fields, both of
    /// ASCII digits only.
    pub header: Option<bool>,
    /// Which of several rows with the same word stays.
    pub duplicates: Duplicates,
    /// What to do with bytes that are not UTF-8.
    pub invalid_utf8: InvalidUtf8,
    /// How the work is cut.
    pub params: Params,
}

/// How the work is cut. The result does not depend on it; tests shrink it to reach every seam.
#[derive(Debug, Clone, Copy)]
pub struct Params {
    /// Bytes of text (reading) that a worker takes at a time.
    pub chunk: usize,
    /// The longest line allowed, in bytes.
    pub longest_line: usize,
    /// Rows (writing) that a worker takes at a time.
    pub rows: usize,
}

impl Default for Params {
    fn default() -> Self {
        Self { chunk: 1 << 18, longest_line: 1 << 26, rows: 256 }
    }
}
