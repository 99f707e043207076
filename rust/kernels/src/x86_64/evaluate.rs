//! [`crate::Evaluate`] in registers.

use std::arch::x86_64::*;

use super::lanes::Register;
use crate::evaluate::{Place, Potentials, plain};
use crate::exp::Exponential;
use crate::lanes::Pair;

macro_rules! operations {
    ($module:ident, $feature:literal, $register:ty) => {
        /// The operations, in eight lanes of `f64`.
        pub mod $module {
            use super::*;

            /// See [`crate::Evaluate::evaluate`].
            #[target_feature(enable = $feature)]
            pub fn evaluate<T: Exponential>(
                at: &Potentials<'_, T>,
                room: &mut [f64],
                f: &mut [f64],
                sums: &mut [f64],
            ) -> f64 {
                plain::evaluate::<T, $register>(at, room, f, sums)
            }

            /// See [`crate::Evaluate::absorb`].
            #[target_feature(enable = $feature)]
            pub fn absorb<T: Exponential>(
                at: &Potentials<'_, T>,
                room: &mut [f64],
                place: &mut Place<'_, T>,
            ) {
                plain::absorb::<T, $register>(at, room, place);
            }
        }
    };
}

operations!(avx2, "avx2,fma", Pair<Register<__m256d>>);
operations!(avx512, "avx2,fma,avx512f", Register<__m512d>);
