//! Embedding files: readers that validate before they allocate, writers that are atomic.
//!
//! Files are read with `read`, never mapped into memory: a mapping of a file that another process
//! truncates kills the reader with a signal, which no error type can name, and copying out of the
//! page cache into a buffer that stays in the CPU's cache costs no more than the page faults of a
//! mapping. So this crate needs no unsafe code.
#![deny(missing_docs)]
#![forbid(unsafe_code)]

pub mod atomic;
pub mod error;
pub mod npy;
pub mod rows;
pub mod safetensors;
mod source;
pub mod tensor;
pub mod tensors;
pub mod text;
mod watch;
pub mod words;

pub use error::{Error, Result};
pub use watch::{Quiet, Watch};
pub use words::{Duplicates, Words};
