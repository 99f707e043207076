//! [`crate::Transport`] in registers.

use std::arch::x86_64::*;

use super::lanes::Register;
use crate::transport::{Exponents, plain};

macro_rules! operations {
    ($module:ident, $feature:literal, $type:ident, $lanes:literal, $register:ty) => {
        /// The operations of one type and width.
        pub mod $module {
            use super::*;

            /// See [`crate::Transport::dots_with`].
            #[target_feature(enable = $feature)]
            pub fn dots_with(rows: &[$type], v: &[$type], sums: &mut [f64]) {
                plain::dots_with::<$type, $register, $lanes>(rows, v, sums);
            }

            /// See [`crate::Transport::add_rows`].
            #[target_feature(enable = $feature)]
            pub fn add_rows(rows: &[$type], weights: &[$type], ahead: &[$type], to: &mut [$type]) {
                plain::add_rows::<$type, $register, $lanes>(rows, weights, ahead, to);
            }

            /// See [`crate::Transport::exponentials`].
            #[target_feature(enable = $feature)]
            pub fn exponentials(
                exponents: &Exponents<'_, $type>,
                ahead: &[$type],
                out: &mut [$type],
            ) -> f64 {
                plain::exponentials::<$type, $register, $lanes>(exponents, ahead, out)
            }

            /// See [`crate::Transport::largest_exponent`].
            #[target_feature(enable = $feature)]
            pub fn largest_exponent(exponents: &Exponents<'_, $type>) -> $type {
                plain::largest_exponent::<$type, $register, $lanes>(exponents)
            }

            /// See [`crate::Transport::sum`].
            #[target_feature(enable = $feature)]
            pub fn sum(values: &[$type]) -> f64 {
                plain::sum::<$type, $register, $lanes>(values)
            }
        }
    };
}

operations!(f32x8, "avx2,fma", f32, 8, Register<__m256>);
operations!(f64x4, "avx2,fma", f64, 4, Register<__m256d>);
operations!(f32x16, "avx2,fma,avx512f", f32, 16, Register<__m512>);
operations!(f64x8, "avx2,fma,avx512f", f64, 8, Register<__m512d>);
