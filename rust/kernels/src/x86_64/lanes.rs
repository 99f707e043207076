//! Lanes in registers.

use std::arch::x86_64::*;

use crate::lanes::Lanes;

/// One register of values. Made only by functions that enable its instruction set.
#[derive(Clone, Copy)]
pub struct Register<R>(R);

/// Lanes of one register; $($mask) is what differs between AVX2 and AVX-512.
macro_rules! register {
    (
        $type:ident, $lanes:literal, $register:ident, $mask:ident,
        $load:ident, $store:ident, $splat:ident, $add:ident, $sub:ident, $mul:ident, $div:ident,
        $sqrt:ident, $fma:ident, $fnma:ident, $max:ident, $min:ident,
        |$a:ident, $b:ident, $m:ident| $magnitude:expr, $below:expr, $both:expr, $either:expr,
        $select:expr, $bits:expr, $rough_root:expr, $rough_inverse:expr, $inverse_power:expr, $raised:expr
    ) => {
        // SAFETY of every operation: these are called only from functions with the instruction set
        // enabled, into which they are inlined; memory is accessed through references.
        #[allow(clippy::undocumented_unsafe_blocks, unused_unsafe)]
        impl Lanes<$type, $lanes> for Register<$register> {
            type Mask = $mask;

            #[inline(always)]
            fn load(values: &[$type; $lanes]) -> Self {
                Self(unsafe { $load(values.as_ptr()) })
            }
            #[inline(always)]
            fn store(self, values: &mut [$type; $lanes]) {
                unsafe { $store(values.as_mut_ptr(), self.0) }
            }
            #[inline(always)]
            fn splat(value: $type) -> Self {
                Self(unsafe { $splat(value) })
            }
            #[inline(always)]
            fn plus(self, other: Self) -> Self {
                Self(unsafe { $add(self.0, other.0) })
            }
            #[inline(always)]
            fn minus(self, other: Self) -> Self {
                Self(unsafe { $sub(self.0, other.0) })
            }
            #[inline(always)]
            fn times(self, other: Self) -> Self {
                Self(unsafe { $mul(self.0, other.0) })
            }
            #[inline(always)]
            fn over(self, other: Self) -> Self {
                Self(unsafe { $div(self.0, other.0) })
            }
            #[inline(always)]
            fn root(self) -> Self {
                Self(unsafe { $sqrt(self.0) })
            }
            #[inline(always)]
            fn rough_root(self) -> Self {
                let $a = self.0;
                Self(unsafe { $rough_root })
            }
            #[inline(always)]
            fn rough_inverse(self) -> Self {
                let $a = self.0;
                Self(unsafe { $rough_inverse })
            }
            #[inline(always)]
            fn inverse_power(self) -> Self {
                let $a = self.0;
                Self(unsafe { $inverse_power })
            }
            #[inline(always)]
            fn raised(self, steps: Self) -> Self {
                let ($a, $b) = (self.0, steps.0);
                Self(unsafe { $raised })
            }
            #[inline(always)]
            fn times_plus(self, x: Self, y: Self) -> Self {
                Self(unsafe { $fma(self.0, x.0, y.0) })
            }
            #[inline(always)]
            fn minus_times(self, x: Self, y: Self) -> Self {
                Self(unsafe { $fnma(x.0, y.0, self.0) })
            }
            #[inline(always)]
            fn magnitude(self) -> Self {
                let $a = self.0;
                Self(unsafe { $magnitude })
            }
            #[inline(always)]
            fn larger(self, other: Self) -> Self {
                Self(unsafe { $max(self.0, other.0) })
            }
            #[inline(always)]
            fn smaller(self, other: Self) -> Self {
                Self(unsafe { $min(self.0, other.0) })
            }
            #[inline(always)]
            fn below(self, other: Self) -> $mask {
                let ($a, $b) = (self.0, other.0);
                unsafe { $below }
            }
            #[inline(always)]
            fn both($a: $mask, $b: $mask) -> $mask {
                unsafe { $both }
            }
            #[inline(always)]
            fn either($a: $mask, $b: $mask) -> $mask {
                unsafe { $either }
            }
            #[inline(always)]
            fn select($m: $mask, a: Self, b: Self) -> Self {
                let ($a, $b) = (a.0, b.0);
                Self(unsafe { $select })
            }
            #[inline(always)]
            fn bits($m: $mask) -> u32 {
                unsafe { $bits }
            }
        }
    };
}

register!(
    f32,
    8,
    __m256,
    __m256,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_set1_ps,
    _mm256_add_ps,
    _mm256_sub_ps,
    _mm256_mul_ps,
    _mm256_div_ps,
    _mm256_sqrt_ps,
    _mm256_fmadd_ps,
    _mm256_fnmadd_ps,
    _mm256_max_ps,
    _mm256_min_ps,
    |a, b, m| _mm256_andnot_ps(_mm256_set1_ps(-0.0), a),
    _mm256_cmp_ps::<_CMP_LT_OQ>(a, b),
    _mm256_and_ps(a, b),
    _mm256_or_ps(a, b),
    _mm256_blendv_ps(b, a, m),
    _mm256_movemask_ps(m).cast_unsigned(),
    _mm256_sqrt_ps(a),
    _mm256_div_ps(_mm256_set1_ps(1.0), a),
    {
        let exponent = _mm256_and_ps(a, _mm256_set1_ps(f32::INFINITY));
        let twice_bias = _mm256_set1_epi32((2 * 127) << 23);
        _mm256_castsi256_ps(_mm256_sub_epi32(twice_bias, _mm256_castps_si256(exponent)))
    },
    {
        let steps = _mm256_slli_epi32::<23>(_mm256_castps_si256(b));
        _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(a), steps))
    }
);
register!(
    f64,
    4,
    __m256d,
    __m256d,
    _mm256_loadu_pd,
    _mm256_storeu_pd,
    _mm256_set1_pd,
    _mm256_add_pd,
    _mm256_sub_pd,
    _mm256_mul_pd,
    _mm256_div_pd,
    _mm256_sqrt_pd,
    _mm256_fmadd_pd,
    _mm256_fnmadd_pd,
    _mm256_max_pd,
    _mm256_min_pd,
    |a, b, m| _mm256_andnot_pd(_mm256_set1_pd(-0.0), a),
    _mm256_cmp_pd::<_CMP_LT_OQ>(a, b),
    _mm256_and_pd(a, b),
    _mm256_or_pd(a, b),
    _mm256_blendv_pd(b, a, m),
    _mm256_movemask_pd(m).cast_unsigned(),
    _mm256_cvtps_pd(_mm_sqrt_ps(_mm256_cvtpd_ps(a))),
    _mm256_cvtps_pd(_mm_div_ps(_mm_set1_ps(1.0), _mm256_cvtpd_ps(a))),
    {
        let exponent = _mm256_and_pd(a, _mm256_set1_pd(f64::INFINITY));
        let twice_bias = _mm256_set1_epi64x((2 * 1023) << 52);
        _mm256_castsi256_pd(_mm256_sub_epi64(twice_bias, _mm256_castpd_si256(exponent)))
    },
    {
        let steps = _mm256_slli_epi64::<52>(_mm256_castpd_si256(b));
        _mm256_castsi256_pd(_mm256_add_epi64(_mm256_castpd_si256(a), steps))
    }
);
register!(
    f32,
    16,
    __m512,
    __mmask16,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_set1_ps,
    _mm512_add_ps,
    _mm512_sub_ps,
    _mm512_mul_ps,
    _mm512_div_ps,
    _mm512_sqrt_ps,
    _mm512_fmadd_ps,
    _mm512_fnmadd_ps,
    _mm512_max_ps,
    _mm512_min_ps,
    |a, b, m| _mm512_abs_ps(a),
    _mm512_cmp_ps_mask::<_CMP_LT_OQ>(a, b),
    a & b,
    a | b,
    _mm512_mask_blend_ps(m, b, a),
    u32::from(m),
    _mm512_sqrt_ps(a),
    _mm512_div_ps(_mm512_set1_ps(1.0), a),
    {
        let exponents = _mm512_set1_epi32(f32::INFINITY.to_bits().cast_signed());
        let exponent = _mm512_and_si512(_mm512_castps_si512(a), exponents);
        _mm512_castsi512_ps(_mm512_sub_epi32(_mm512_set1_epi32((2 * 127) << 23), exponent))
    },
    {
        let steps = _mm512_slli_epi32::<23>(_mm512_castps_si512(b));
        _mm512_castsi512_ps(_mm512_add_epi32(_mm512_castps_si512(a), steps))
    }
);
register!(
    f64,
    8,
    __m512d,
    __mmask8,
    _mm512_loadu_pd,
    _mm512_storeu_pd,
    _mm512_set1_pd,
    _mm512_add_pd,
    _mm512_sub_pd,
    _mm512_mul_pd,
    _mm512_div_pd,
    _mm512_sqrt_pd,
    _mm512_fmadd_pd,
    _mm512_fnmadd_pd,
    _mm512_max_pd,
    _mm512_min_pd,
    |a, b, m| _mm512_abs_pd(a),
    _mm512_cmp_pd_mask::<_CMP_LT_OQ>(a, b),
    a & b,
    a | b,
    _mm512_mask_blend_pd(m, b, a),
    u32::from(m),
    _mm512_cvtps_pd(_mm256_sqrt_ps(_mm512_cvtpd_ps(a))),
    _mm512_cvtps_pd(_mm256_div_ps(_mm256_set1_ps(1.0), _mm512_cvtpd_ps(a))),
    {
        let exponents = _mm512_set1_epi64(f64::INFINITY.to_bits().cast_signed());
        let exponent = _mm512_and_si512(_mm512_castpd_si512(a), exponents);
        _mm512_castsi512_pd(_mm512_sub_epi64(_mm512_set1_epi64((2 * 1023) << 52), exponent))
    },
    {
        let steps = _mm512_slli_epi64::<52>(_mm512_castpd_si512(b));
        _mm512_castsi512_pd(_mm512_add_epi64(_mm512_castpd_si512(a), steps))
    }
);
