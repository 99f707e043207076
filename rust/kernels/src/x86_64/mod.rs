//! x86-64 instruction sets.

pub mod above;
pub mod assignment;
pub mod avx2;
pub mod avx2_codes;
pub mod avx512;
pub mod balance;
pub mod evaluate;
pub mod exp;
pub mod jacobi;
pub mod lanes;
pub mod late;
pub mod mixing;
pub mod outer;
pub mod points;
pub mod reduction;
pub mod residual;
pub mod transport;
pub mod tridiagonal;
