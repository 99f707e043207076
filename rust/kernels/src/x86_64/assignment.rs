//! [`crate::Assignment`] in registers.

use std::arch::x86_64::*;

use super::lanes::Register;
use crate::assignment::plain;

macro_rules! operations {
    ($module:ident, $feature:literal, $type:ident, $lanes:literal, $register:ty) => {
        /// The operations of one type and width.
        pub mod $module {
            use super::*;

            /// See [`crate::Assignment::raise_maxima`].
            #[target_feature(enable = $feature)]
            pub fn raise_maxima(row: &[$type], columns: &mut [$type]) -> $type {
                plain::raise_maxima::<$type, $register, $lanes>(row, columns)
            }

            /// See [`crate::Assignment::largest_power`].
            #[target_feature(enable = $feature)]
            pub fn largest_power(row: &[$type], scale: $type, powers: &[$type]) -> $type {
                plain::largest_power::<$type, $register, $lanes>(row, scale, powers)
            }

            /// See [`crate::Assignment::powered_exponentials`].
            #[target_feature(enable = $feature)]
            pub fn powered_exponentials(
                row: &[$type],
                reg: $type,
                powers: &[$type],
                power: $type,
                to: &mut [$type],
            ) {
                plain::powered_exponentials::<$type, $register, $lanes>(
                    row, reg, powers, power, to,
                );
            }

            /// See [`crate::Assignment::weighted_sum`].
            #[target_feature(enable = $feature)]
            pub fn weighted_sum(row: &[$type], weights: &[$type]) -> f64 {
                plain::weighted_sum::<$type, $register, $lanes>(row, weights)
            }

            /// See [`crate::Assignment::add_row`].
            #[target_feature(enable = $feature)]
            pub fn add_row(row: &[$type], weight: $type, sums: &mut [$type]) {
                plain::add_row::<$type, $register, $lanes>(row, weight, sums);
            }

            /// See [`crate::Assignment::weigh`].
            #[target_feature(enable = $feature)]
            pub fn weigh(row: &mut [$type], weights: &[$type], weight: $type) {
                plain::weigh::<$type, $register, $lanes>(row, weights, weight);
            }

            /// See [`crate::Assignment::flush`].
            #[target_feature(enable = $feature)]
            pub fn flush(sums: &mut [$type], totals: &mut [f64]) {
                plain::flush(sums, totals);
            }
        }
    };
}

operations!(f32x8, "avx2,fma", f32, 8, Register<__m256>);
operations!(f64x4, "avx2,fma", f64, 4, Register<__m256d>);
operations!(f32x16, "avx2,fma,avx512f", f32, 16, Register<__m512>);
operations!(f64x8, "avx2,fma,avx512f", f64, 8, Register<__m512d>);
