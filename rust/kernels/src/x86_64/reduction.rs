//! [`crate::Reduction`] in registers.

use std::arch::x86_64::*;

use super::lanes::Register;
use crate::reduction::{Problem, plain};

/// See [`crate::Reduction::tridiagonalise`].
#[target_feature(enable = "avx2,fma")]
pub fn avx2_f32(problem: Problem<'_, f32>) {
    plain::<_, Register<__m256>, 8>(problem);
}

/// See [`crate::Reduction::tridiagonalise`].
#[target_feature(enable = "avx2,fma")]
pub fn avx2_f64(problem: Problem<'_, f64>) {
    plain::<_, Register<__m256d>, 4>(problem);
}

/// See [`crate::Reduction::tridiagonalise`].
#[target_feature(enable = "avx2,fma,avx512f")]
pub fn avx512_f32(problem: Problem<'_, f32>) {
    plain::<_, Register<__m512>, 16>(problem);
}

/// See [`crate::Reduction::tridiagonalise`].
#[target_feature(enable = "avx2,fma,avx512f")]
pub fn avx512_f64(problem: Problem<'_, f64>) {
    plain::<_, Register<__m512d>, 8>(problem);
}
