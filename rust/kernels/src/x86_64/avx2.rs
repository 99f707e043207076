//! AVX2 with FMA.
//!
//! The tile is 6 x 2 registers: 12 accumulators, two loads of columns and six broadcasts of rows
//! for 12 fused multiply-adds, so that the two FMA ports are the limit and 15 of the 16 registers
//! are in use. The functions are safe where the features are enabled; only the loads and stores
//! through raw pointers are not.

use std::arch::x86_64::*;

use crate::portable::{LANES, sum_of_lanes};
use crate::tile::{Hits, Side};

const ROWS: usize = 6;

macro_rules! kernels {
    (
        $module:ident, $vector:ident, $width:literal, $zero:ident, $load:ident, $store:ident,
        $splat:ident, $fma:ident, $add:ident, $greater:ident, $or:ident, $mask:ident,
        $widen:ident, $product:ident
    ) => {
        /// The kernels of one type.
        pub mod $module {
            use super::*;

            type Scalar = $module;
            const COLUMNS: usize = 2 * $width;

            #[target_feature(enable = "avx2,fma")]
            fn load(values: &[Scalar; $width]) -> $vector {
                // SAFETY: the array has exactly as many values as the register.
                unsafe { $load(values.as_ptr()) }
            }

            #[target_feature(enable = "avx2,fma")]
            fn store(values: &mut [Scalar], vector: $vector) {
                let values = &mut values[..$width];
                // SAFETY: the slice has as many values as the register.
                unsafe { $store(values.as_mut_ptr(), vector) }
            }

            #[target_feature(enable = "avx2,fma")]
            fn halves(values: &[Scalar; COLUMNS]) -> [$vector; 2] {
                let (halves, _) = values.as_chunks::<$width>();
                [load(&halves[0]), load(&halves[1])]
            }

            /// See [`crate::Element::tile`]; the caller has checked the lengths.
            #[target_feature(enable = "avx2,fma")]
            pub fn tile(
                rows: &Side<'_, Scalar>,
                columns: &Side<'_, Scalar>,
                both: bool,
                hits: &mut Hits<Scalar>,
            ) -> bool {
                let mut acc = [[$zero(); 2]; ROWS];
                let (x, _) = rows.packed.as_chunks::<ROWS>();
                let (y, _) = columns.packed.as_chunks::<COLUMNS>();
                for (x, y) in x.iter().zip(y) {
                    let y = halves(y);
                    for (acc, &x) in acc.iter_mut().zip(x) {
                        let x = $splat(x);
                        acc[0] = $fma(x, y[0], acc[0]);
                        acc[1] = $fma(x, y[1], acc[1]);
                    }
                }
                // Two sides of a tile always have these lengths; see tile::check.
                let ([bias], _) = columns.bias.as_chunks::<COLUMNS>() else {
                    return false;
                };
                let ([bar], _) = columns.threshold.as_chunks::<COLUMNS>() else {
                    return false;
                };
                let (bias, bar) = (halves(bias), halves(bar));
                let mut any = $zero();
                for (i, acc) in acc.iter().enumerate() {
                    let threshold = $splat(rows.threshold[i]);
                    for h in 0..2 {
                        any = $or(any, $greater($add(acc[h], bias[h]), threshold));
                    }
                    if both {
                        let shift = $splat(rows.bias[i]);
                        for h in 0..2 {
                            any = $or(any, $greater($add(acc[h], shift), bar[h]));
                        }
                    }
                }
                if $mask(any) == 0 {
                    return false;
                }
                for (i, acc) in acc.iter().enumerate() {
                    let threshold = $splat(rows.threshold[i]);
                    let shift = $splat(rows.bias[i]);
                    let (mut for_row, mut for_columns) = (0, 0);
                    for h in 0..2 {
                        let row = $mask($greater($add(acc[h], bias[h]), threshold));
                        let column = $mask($greater($add(acc[h], shift), bar[h]));
                        for_row |= row << (h * $width);
                        for_columns |= column << (h * $width);
                        store(&mut hits.scores[i * COLUMNS + h * $width..], acc[h]);
                    }
                    // At most 16 bits are set: one a column.
                    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                    {
                        hits.for_rows[i] = for_row as u16;
                        hits.for_columns[i] = if both { for_columns as u16 } else { 0 };
                    }
                }
                true
            }

            /// See [`crate::Element::dot`]; the caller has checked the lengths.
            #[target_feature(enable = "avx2,fma")]
            pub fn dot(x: &[Scalar], y: &[Scalar]) -> f64 {
                lanes(x, y, |sum, x, y| $product(sum, x, y), |x, y| x * y)
            }

            /// See [`crate::Element::squared_distance`]; the caller has checked the lengths.
            #[target_feature(enable = "avx2,fma")]
            pub fn squared_distance(x: &[Scalar], y: &[Scalar]) -> f64 {
                lanes(
                    x,
                    y,
                    |sum, x, y| {
                        let difference = _mm256_sub_pd(x, y);
                        _mm256_add_pd(sum, _mm256_mul_pd(difference, difference))
                    },
                    |x, y| (x - y) * (x - y),
                )
            }

            #[target_feature(enable = "avx2,fma")]
            #[inline]
            fn lanes(
                x: &[Scalar],
                y: &[Scalar],
                step: impl Fn(__m256d, __m256d, __m256d) -> __m256d,
                term: impl Fn(f64, f64) -> f64,
            ) -> f64 {
                let mut low = _mm256_setzero_pd();
                let mut high = _mm256_setzero_pd();
                let (x_chunks, x_rest) = x.as_chunks::<LANES>();
                let (y_chunks, y_rest) = y.as_chunks::<LANES>();
                for (x, y) in x_chunks.iter().zip(y_chunks) {
                    let (x, y) = ($widen(x), $widen(y));
                    low = step(low, x[0], y[0]);
                    high = step(high, x[1], y[1]);
                }
                let mut sums = [0.0; LANES];
                // SAFETY: two registers of four values fill the eight of the array.
                unsafe {
                    _mm256_storeu_pd(sums.as_mut_ptr(), low);
                    _mm256_storeu_pd(sums.as_mut_ptr().add(4), high);
                }
                for (sum, (&x, &y)) in sums.iter_mut().zip(x_rest.iter().zip(y_rest)) {
                    *sum += term(f64::from(x), f64::from(y));
                }
                sum_of_lanes(sums)
            }
        }
    };
}

kernels!(
    f32,
    __m256,
    8,
    _mm256_setzero_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_set1_ps,
    _mm256_fmadd_ps,
    _mm256_add_ps,
    greater_f32,
    _mm256_or_ps,
    _mm256_movemask_ps,
    widen_f32,
    fused
);
kernels!(
    f64,
    __m256d,
    4,
    _mm256_setzero_pd,
    _mm256_loadu_pd,
    _mm256_storeu_pd,
    _mm256_set1_pd,
    _mm256_fmadd_pd,
    _mm256_add_pd,
    greater_f64,
    _mm256_or_pd,
    _mm256_movemask_pd,
    widen_f64,
    rounded
);

/// Ordered: false where either is NaN.
#[target_feature(enable = "avx2,fma")]
fn greater_f32(a: __m256, b: __m256) -> __m256 {
    _mm256_cmp_ps::<_CMP_GT_OQ>(a, b)
}

#[target_feature(enable = "avx2,fma")]
fn greater_f64(a: __m256d, b: __m256d) -> __m256d {
    _mm256_cmp_pd::<_CMP_GT_OQ>(a, b)
}

#[target_feature(enable = "avx2,fma")]
fn widen_f32(x: &[f32; LANES]) -> [__m256d; 2] {
    // SAFETY: the array has exactly as many values as the register.
    let x = unsafe { _mm256_loadu_ps(x.as_ptr()) };
    [_mm256_cvtps_pd(_mm256_castps256_ps128(x)), _mm256_cvtps_pd(_mm256_extractf128_ps::<1>(x))]
}

#[target_feature(enable = "avx2,fma")]
fn widen_f64(x: &[f64; LANES]) -> [__m256d; 2] {
    // SAFETY: two registers of four values cover the eight of the array.
    unsafe { [_mm256_loadu_pd(x.as_ptr()), _mm256_loadu_pd(x.as_ptr().add(4))] }
}

/// For `f32`, whose products are exact in `f64`: fused and unfused give the same bits.
#[target_feature(enable = "avx2,fma")]
fn fused(sum: __m256d, x: __m256d, y: __m256d) -> __m256d {
    _mm256_fmadd_pd(x, y, sum)
}

/// For `f64`: unfused, as the portable reference does it.
#[target_feature(enable = "avx2,fma")]
fn rounded(sum: __m256d, x: __m256d, y: __m256d) -> __m256d {
    _mm256_add_pd(sum, _mm256_mul_pd(x, y))
}
