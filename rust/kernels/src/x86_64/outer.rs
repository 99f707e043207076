//! [`crate::add_outer_products`] in registers.

use std::arch::x86_64::*;

use super::lanes::Register;
use crate::lanes::Pair;
use crate::outer::{SLIVER, each, plain};

/// See [`crate::add_outer_products`]. Eight sums in sixteen registers: as many as hide the latency.
#[target_feature(enable = "avx2,fma")]
pub fn avx2(left: &[f64], right: &[&[f64]], to: &mut [f64], stride: usize) {
    each::<Pair<Register<__m256d>>, 4>(left, right, to, stride);
}

/// See [`crate::add_outer_products`]. 24 sums in 32 registers.
#[target_feature(enable = "avx2,fma,avx512f")]
pub fn avx512(left: &[f64], right: &[&[f64]], to: &mut [f64], stride: usize) {
    match *right {
        [a, b, c] => plain::<Register<__m512d>, 3, SLIVER>(left, [a, b, c], to, stride),
        [a, b] => plain::<Register<__m512d>, 2, SLIVER>(left, [a, b], to, stride),
        _ => each::<Register<__m512d>, SLIVER>(left, right, to, stride),
    }
}
