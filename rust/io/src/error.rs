//! Every way in which a file can be wrong: one variant a cause.

use std::io;
use std::path::{Path, PathBuf};

/// What is wrong with a file, and where.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused: missing file, permission, disk full.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// A pipe, a socket or a device: it cannot be sized before it is read.
    #[error("{}: not a regular file; copy its contents into one first", path.display())]
    NotRegular {
        /// The file.
        path: PathBuf,
    },
    /// Nothing in the file.
    #[error("{}: the file is empty", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
    /// The safetensors header is broken, or does not describe the bytes that follow it.
    #[error("{}: byte {offset}: not a valid safetensors file: {reason}", path.display())]
    Safetensors {
        /// The file.
        path: PathBuf,
        /// Where the part that is wrong begins.
        offset: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A tensor has a type that NumPy cannot hold.
    #[error("{}: tensor {name:?} has type {dtype}, which is not supported; expected F16, BF16, F32, F64, BOOL or an integer type", path.display())]
    TensorType {
        /// The file.
        path: PathBuf,
        /// The tensor.
        name: String,
        /// Its type, as the header writes it.
        dtype: String,
    },
    /// What should be written has no place in the format.
    #[error("{}: cannot be written: {reason}", path.display())]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// More memory than can be had.
    #[error("{}: its contents need {bytes} bytes of memory, which cannot be had", path.display())]
    Memory {
        /// The file.
        path: PathBuf,
        /// How much was asked for.
        bytes: u64,
    },
    /// The caller asked to stop.
    #[error("{}: cancelled", path.display())]
    Cancelled {
        /// The file.
        path: PathBuf,
    },
}

impl Error {
    /// An adapter for `map_err`.
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::Io { path: path.to_path_buf(), source }
    }
}

/// The result of reading or writing a file.
pub type Result<T> = std::result::Result<T, Error>;
