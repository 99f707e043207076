//! Where the work runs, how it is stopped, how it reports.

mod control;
mod pool;

pub use control::Control;
pub use pool::{available_threads, pool};
