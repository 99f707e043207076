//! Cancellation and progress, shared between a job and whoever waits for it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use crate::{Error, Result};

/// One running job: a flag that stops it and a counter that says how far it is.
///
/// Relaxed ordering suffices: the flag and the counters order nothing else.
#[derive(Debug, Default)]
pub struct Control {
    cancelled: AtomicBool,
    done: AtomicU64,
    total: AtomicU64,
}

impl Control {
    /// Ask the job to stop. It does so at its next [`Control::check`].
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Whether the job was asked to stop. Called once per block of work (some milliseconds).
    ///
    /// # Errors
    /// [`Error::Cancelled`] if so.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }

    /// Whether the job was asked to stop.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// Declare the amount of work, in units of the job's own.
    pub fn start(&self, total: u64) {
        self.done.store(0, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
    }

    /// Declare more work, known only now.
    pub fn extend(&self, amount: u64) {
        self.total.fetch_add(amount, Ordering::Relaxed);
    }

    /// Report work done since the last call.
    pub fn advance(&self, amount: u64) {
        self.done.fetch_add(amount, Ordering::Relaxed);
    }

    /// Work done and work to do; the second is 0 before [`Control::start`].
    #[must_use]
    pub fn progress(&self) -> (u64, u64) {
        (self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancelled_job_says_so() {
        let control = Control::default();
        assert_eq!(control.check(), Ok(()));
        control.cancel();
        assert_eq!(control.check(), Err(Error::Cancelled));
    }

    #[test]
    fn progress_counts_from_zero_after_start() {
        let control = Control::default();
        control.advance(3);
        control.start(10);
        control.advance(4);
        assert_eq!(control.progress(), (4, 10));
    }
}
