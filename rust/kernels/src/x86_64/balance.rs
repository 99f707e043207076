//! [`crate::Balance`] in registers.

use std::arch::x86_64::*;

use super::lanes::Register;
use crate::balance::{Group, Single, plain};
use crate::lanes::Pair;

/// Groups, one problem a lane.
macro_rules! groups {
    ($function:ident, $feature:literal, $type:ident, $lanes:literal, $register:ty) => {
        /// See [`crate::Balance::balance`].
        #[target_feature(enable = $feature)]
        pub fn $function(group: &mut Group<'_, $type>) {
            plain::balance::<$type, $register, $lanes>(group);
        }
    };
}

/// One problem in all lanes, as many on every instruction set; of so many rows together that their
/// sums stay in registers.
macro_rules! single {
    (
        $function:ident, $feature:literal, $type:ident, $lanes:literal, $rows:literal, $register:ty
    ) => {
        /// See [`crate::Balance::balance_one`].
        #[target_feature(enable = $feature)]
        pub fn $function(one: &mut Single<'_, $type>) -> (usize, $type, $type) {
            plain::balance_one::<$type, $register, $lanes, $rows>(one)
        }
    };
}

groups!(group_f32x8, "avx2,fma", f32, 8, Register<__m256>);
groups!(group_f64x4, "avx2,fma", f64, 4, Register<__m256d>);
groups!(group_f32x16, "avx2,fma,avx512f", f32, 16, Register<__m512>);
groups!(group_f64x8, "avx2,fma,avx512f", f64, 8, Register<__m512d>);
single!(one_f32x8x2, "avx2,fma", f32, 16, 3, Pair<Register<__m256>>);
single!(one_f64x4x2, "avx2,fma", f64, 8, 3, Pair<Register<__m256d>>);
single!(one_f32x16, "avx2,fma,avx512f", f32, 16, 4, Register<__m512>);
single!(one_f64x8, "avx2,fma,avx512f", f64, 8, 4, Register<__m512d>);
