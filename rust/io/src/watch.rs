//! Progress out, cancellation in.

use std::path::Path;

use crate::{Error, Result};

/// Whoever waits for a long read or write.
pub trait Watch: Sync {
    /// The job begins; it will report `total` bytes.
    fn start(&self, _total: u64) {}

    /// `bytes` more are done. `false` asks the job to stop.
    fn advance(&self, bytes: u64) -> bool;
}

/// Nobody waits.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quiet;

impl Watch for Quiet {
    fn advance(&self, _bytes: u64) -> bool {
        true
    }
}

/// Report `bytes` and stop if asked to.
pub(crate) fn step(watch: &dyn Watch, path: &Path, bytes: u64) -> Result<()> {
    if watch.advance(bytes) { Ok(()) } else { Err(Error::Cancelled { path: path.to_path_buf() }) }
}
