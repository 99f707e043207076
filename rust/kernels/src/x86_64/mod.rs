//! x86-64 instruction sets.

pub mod avx2;
pub mod late;
