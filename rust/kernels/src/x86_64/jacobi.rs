//! [`crate::Jacobi`] in registers.

use std::arch::x86_64::*;

use super::lanes::Register;
use crate::jacobi::{Shape, plain};
use crate::lanes::Pair;

/// The operations of one type, inlined into functions that have its instruction set.
macro_rules! operations {
    ($module:ident, $feature:literal, $type:ident, $lanes:literal, $register:ty) => {
        /// The operations of one type and width.
        pub mod $module {
            use super::*;

            type Cells = [[$type; $lanes]];

            /// See [`crate::Jacobi::interleave`].
            #[target_feature(enable = $feature)]
            pub fn interleave(
                matrices: &[$type],
                shape: Shape,
                a: &mut Cells,
                largest: &mut [$type; $lanes],
            ) {
                plain::interleave::<_, $register, $lanes>(matrices, shape, a, largest);
            }

            /// See [`crate::Jacobi::decompose`].
            #[target_feature(enable = $feature)]
            pub fn decompose(
                shape: Shape,
                scale: &[[$type; $lanes]; 2],
                a: &mut Cells,
                x: &mut Cells,
                s: &mut Cells,
                with_right: bool,
            ) -> u32 {
                plain::decompose::<_, $register, $lanes>(shape, scale, a, x, s, with_right)
            }

            /// See [`crate::Jacobi::right`].
            #[target_feature(enable = $feature)]
            pub fn right(shape: Shape, a: &Cells, x: &mut Cells) {
                plain::right::<_, $register, $lanes>(shape, a, x);
            }

            /// See [`crate::Jacobi::certify`].
            #[target_feature(enable = $feature)]
            pub fn certify(
                shape: Shape,
                a: &Cells,
                x: &mut Cells,
                s: &Cells,
                gram: &mut Cells,
            ) -> u32 {
                plain::certify::<_, $register, $lanes>(shape, a, x, s, gram)
            }

            /// See [`crate::Jacobi::polar`].
            #[target_feature(enable = $feature)]
            pub fn polar(
                shape: Shape,
                a: &Cells,
                x: &Cells,
                s: &Cells,
                r: &mut Cells,
                h: &mut Cells,
            ) -> u32 {
                plain::polar::<_, $register, $lanes>(shape, a, x, s, r, h)
            }
        }
    };
}

operations!(f32x8, "avx2,fma", f32, 8, Register<__m256>);
operations!(f64x4, "avx2,fma", f64, 4, Register<__m256d>);
operations!(f32x16, "avx2,fma,avx512f", f32, 16, Register<__m512>);
operations!(f64x8, "avx2,fma,avx512f", f64, 8, Register<__m512d>);
operations!(f32x8x2, "avx2,fma", f32, 16, Pair<Register<__m256>>);
operations!(f64x4x2, "avx2,fma", f64, 8, Pair<Register<__m256d>>);
operations!(f32x16x2, "avx2,fma,avx512f", f32, 32, Pair<Register<__m512>>);
operations!(f64x8x2, "avx2,fma,avx512f", f64, 16, Pair<Register<__m512d>>);
