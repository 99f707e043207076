//! [`crate::Exponential`] in registers.

use std::arch::x86_64::*;

use super::lanes::Register;
use crate::exp::plain;

macro_rules! operations {
    ($module:ident, $feature:literal, $type:ident, $lanes:literal, $register:ty) => {
        /// The operations of one type and width.
        pub mod $module {
            use super::*;

            /// See [`crate::Exponential::exp_in_place`].
            #[target_feature(enable = $feature)]
            pub fn exp_in_place(values: &mut [$type]) {
                plain::exp_in_place::<$type, $register, $lanes>(values);
            }

            /// See [`crate::Exponential::exp2_in_place`].
            #[target_feature(enable = $feature)]
            pub fn exp2_in_place(values: &mut [$type]) {
                plain::exp2_in_place::<$type, $register, $lanes>(values);
            }
        }
    };
}

operations!(f32x8, "avx2,fma", f32, 8, Register<__m256>);
operations!(f64x4, "avx2,fma", f64, 4, Register<__m256d>);
operations!(f32x16, "avx2,fma,avx512f", f32, 16, Register<__m512>);
operations!(f64x8, "avx2,fma,avx512f", f64, 8, Register<__m512d>);
