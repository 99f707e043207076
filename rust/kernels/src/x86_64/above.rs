//! [`crate::Above`] in registers; with AVX-512 what passes is moved together by an instruction.

use std::arch::x86_64::*;

use super::lanes::Register;
use crate::above::plain;

/// How far ahead memory is asked for, in bytes.
const AHEAD: usize = 4096;

macro_rules! avx2 {
    ($module:ident, $type:ident, $lanes:literal, $register:ty) => {
        /// The operations of one type.
        pub mod $module {
            use super::*;

            /// See [`crate::Above::above`].
            #[target_feature(enable = "avx2,fma")]
            pub fn above(
                row: &[$type],
                v: &[$type],
                level: $type,
                places: &mut [u32],
                values: &mut [$type],
            ) -> usize {
                plain::above::<$type, Register<$register>, $lanes>(row, v, level, places, values)
            }
        }
    };
}

avx2!(f32x8, f32, 8, __m256);
avx2!(f64x4, f64, 4, __m256d);

macro_rules! avx512 {
    (
        $module:ident, $type:ident, $lanes:literal, $mask:ident,
        $some:ident, $times:ident, $compare:ident, $splat:ident, $pack:ident, $store:ident
    ) => {
        /// The operations of one type.
        pub mod $module {
            use super::*;

            /// See [`crate::Above::above`].
            ///
            /// # Safety
            /// `v` is as long as `row`, and `places` and `values` are longer by [`crate::SLACK`].
            #[target_feature(enable = "avx2,fma,avx512f")]
            pub unsafe fn above(
                row: &[$type],
                v: &[$type],
                level: $type,
                places: &mut [u32],
                values: &mut [$type],
            ) -> usize {
                let (m, bar) = (row.len(), $splat(level));
                let first = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
                let (mut count, mut at) = (0, 0);
                while at < m {
                    let known = if m - at < $lanes { (1 << (m - at)) - 1 } else { $mask::MAX };
                    // SAFETY: only lanes that there are are read, and nothing of what is asked for; no more
                    // was found than was looked at, and up to 16 lanes past that there is room.
                    unsafe {
                        let from = row.as_ptr().add(at);
                        _mm_prefetch::<_MM_HINT_T0>(from.wrapping_byte_add(AHEAD).cast());
                        let product = $times($some(known, from), $some(known, v.as_ptr().add(at)));
                        let found = $compare::<_CMP_GT_OQ>(product, bar) & known;
                        if found != 0 {
                            let here = _mm512_add_epi32(first, _mm512_set1_epi32(at as i32));
                            let here = _mm512_maskz_compress_epi32(u16::from(found), here);
                            _mm512_storeu_si512(places.as_mut_ptr().add(count).cast(), here);
                            $store(values.as_mut_ptr().add(count), $pack(found, product));
                            count += found.count_ones() as usize;
                        }
                    }
                    at += $lanes;
                }
                count
            }
        }
    };
}

avx512!(
    f32x16,
    f32,
    16,
    u16,
    _mm512_maskz_loadu_ps,
    _mm512_mul_ps,
    _mm512_cmp_ps_mask,
    _mm512_set1_ps,
    _mm512_maskz_compress_ps,
    _mm512_storeu_ps
);
avx512!(
    f64x8,
    f64,
    8,
    u8,
    _mm512_maskz_loadu_pd,
    _mm512_mul_pd,
    _mm512_cmp_pd_mask,
    _mm512_set1_pd,
    _mm512_maskz_compress_pd,
    _mm512_storeu_pd
);
