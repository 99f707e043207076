//! The machine's limit, measured beside what is compared with it.

use std::time::Instant;

use isomorph_kernels::{Isa, fma_chains};

use super::Control;
use crate::Result;

/// Operations per second of `threads` threads together, on registers.
///
/// # Errors
/// [`crate::Error::Cancelled`] when asked to stop before it starts.
pub fn fma_peak(isa: Isa, threads: usize, steps: u64, control: &Control) -> Result<f64> {
    control.check()?;
    let rates = rayon::broadcast(|context| {
        if context.index() >= threads {
            return 0.0;
        }
        let start = Instant::now();
        let (operations, value) = fma_chains(isa, steps);
        std::hint::black_box(value);
        operations as f64 / start.elapsed().as_secs_f64()
    });
    Ok(rates.iter().sum())
}
