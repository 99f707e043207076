//! 64-bit Arm instruction sets.

pub mod neon;
