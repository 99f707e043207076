//! [`crate::Points`] in registers.

use std::arch::x86_64::*;

use super::lanes::Register;
use crate::points::{Terms, plain};

macro_rules! operations {
    ($module:ident, $feature:literal, $type:ident, $lanes:literal, $register:ty) => {
        /// The operations of one type and width.
        pub mod $module {
            use super::*;

            /// See [`crate::Points::raise`].
            #[target_feature(enable = $feature)]
            pub fn raise(
                terms: &Terms<'_, $type>,
                tiles: &mut [$type],
                sums: &mut [$type],
                spent: &mut [$type],
            ) {
                plain::raise::<$type, $register, $lanes>(terms, tiles, sums, spent);
            }

            /// See [`crate::Points::raise_tops`].
            #[target_feature(enable = $feature)]
            pub fn raise_tops(terms: &Terms<'_, $type>, tiles: &[$type], tops: &mut [$type]) {
                plain::raise_tops::<$type, $register, $lanes>(terms, tiles, tops);
            }

            /// See [`crate::Points::weigh_columns`].
            #[target_feature(enable = $feature)]
            pub fn weigh_columns(tiles: &[$type], weights: &[$type], sums: &mut [$type]) {
                plain::weigh_columns::<$type, $register, $lanes>(tiles, weights, sums);
            }
        }
    };
}

operations!(f32x8, "avx2,fma", f32, 8, Register<__m256>);
operations!(f64x4, "avx2,fma", f64, 4, Register<__m256d>);
operations!(f32x16, "avx2,fma,avx512f", f32, 16, Register<__m512>);
operations!(f64x8, "avx2,fma,avx512f", f64, 8, Register<__m512d>);
