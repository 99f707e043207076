//! [`crate::Above`] in registers.

use std::arch::x86_64::*;

use super::lanes::Register;
use crate::above::plain;

macro_rules! operations {
    ($module:ident, $feature:literal, $type:ident, $lanes:literal, $register:ty) => {
        /// The operations of one type and width.
        pub mod $module {
            use super::*;

            /// See [`crate::Above::above`].
            #[target_feature(enable = $feature)]
            pub fn above(row: &[$type], v: &[$type], level: $type, places: &mut [u32]) -> usize {
                plain::above::<$type, $register, $lanes>(row, v, level, places)
            }
        }
    };
}

operations!(f32x8, "avx2,fma", f32, 8, Register<__m256>);
operations!(f64x4, "avx2,fma", f64, 4, Register<__m256d>);
operations!(f32x16, "avx2,fma,avx512f", f32, 16, Register<__m512>);
operations!(f64x8, "avx2,fma,avx512f", f64, 8, Register<__m512d>);
