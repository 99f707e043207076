//! [`crate::inverse_iteration`] in registers; two take turns, since each step waits for the last.

use std::arch::x86_64::*;

use super::lanes::Register;
use crate::lanes::Pair;
use crate::tridiagonal::{Tridiagonal, plain};

/// See [`crate::inverse_iteration`].
#[target_feature(enable = "avx2,fma")]
pub fn avx2(matrix: Tridiagonal<'_>, values: &[f64], work: &mut [f64], vectors: &mut [f64]) {
    plain::<Pair<Register<__m256d>>, 8>(matrix, values, work, vectors);
}

/// See [`crate::inverse_iteration`].
#[target_feature(enable = "avx2,fma,avx512f")]
pub fn avx512(matrix: Tridiagonal<'_>, values: &[f64], work: &mut [f64], vectors: &mut [f64]) {
    plain::<Pair<Register<__m512d>>, 16>(matrix, values, work, vectors);
}
