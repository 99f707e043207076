//! Where the work runs, how it is stopped, how it reports.

mod control;
mod peak;
mod pool;

pub use control::Control;
pub use peak::fma_peak;
pub use pool::{available_threads, pool};
