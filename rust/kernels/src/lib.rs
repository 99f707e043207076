//! SIMD arithmetic and nothing else: no threads, no Python, no allocation.
//!
//! An [`Isa`] value proves that the running CPU has the instructions; every operation takes one, so
//! the feature test happens once and never in a loop.
#![deny(missing_docs)]

mod isa;

pub use isa::Isa;
