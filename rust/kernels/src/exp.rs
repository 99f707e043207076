//! Exponentials, to be used inside other kernels or on slices.
//!
//! x = n ln 2 + r, |r| <= ln 2 / 2, and a polynomial in r, whose exponent n is added to. Errors are
//! below 1 unit in the last place with fused multiply-add, and below 2 without. What would be
//! subnormal is 0: such numbers take a hundred times as long, here and wherever they go.

use crate::Element;
use crate::isa::Isa;
#[cfg(target_arch = "x86_64")]
use crate::isa::Level;
use crate::lanes::{Array, Lanes};

/// A computing type with its exponentials: constants, and the operations on slices.
pub trait Exponential: Element {
    /// 1.5 times 2 to the number of stored fraction bits: adding it rounds to an integer, which then
    /// stands in the lowest bits.
    const ROUNDING: Self;
    /// 1 / ln 2.
    const LOG2_E: Self;
    /// ln 2 to so few bits that its product with an exponent is exact, and the rest of it.
    const LN_2: (Self, Self);
    /// Below this, exp is subnormal; from there on it is infinite.
    const RANGE: (Self, Self);
    /// The same of exp2.
    const RANGE_2: (Self, Self);
    /// The largest finite value.
    const LARGEST: Self;
    /// Coefficients of exp on [-ln 2 / 2, ln 2 / 2], from that of r^0; fitted in relative error at
    /// Chebyshev points, one rounded after the other.
    const EXP: &'static [Self];
    /// Those of exp2 on [-1/2, 1/2].
    const EXP_2: &'static [Self];

    /// Each value's exponential: NaN of NaN, infinity above the range, 0 below it.
    fn exp_in_place(isa: Isa, values: &mut [Self]);

    /// Each value's power of 2, likewise.
    fn exp2_in_place(isa: Isa, values: &mut [Self]);
}

/// exp(x).
#[inline(always)]
pub fn exp<T: Exponential, V: Lanes<T, L>, const L: usize>(x: V) -> V {
    let y = exp_below_range(x);
    V::select(x.below(V::splat(T::RANGE.1)), y, x.times(V::splat(T::LARGEST)))
}

/// exp(x) for x that are below the upper end of the range, or NaN.
#[inline(always)]
pub fn exp_below_range<T: Exponential, V: Lanes<T, L>, const L: usize>(x: V) -> V {
    let (y, shifted) = reduced::<T, V, L>(x);
    V::select(x.below(V::splat(T::RANGE.0)), V::splat(T::default()), y.raised(shifted))
}

/// exp(x) 2^-n, between 2^-1/2 and 2^1/2, and n + [`Exponential::ROUNDING`].
#[inline(always)]
pub fn reduced<T: Exponential, V: Lanes<T, L>, const L: usize>(x: V) -> (V, V) {
    let shifted = x.times_plus(V::splat(T::LOG2_E), V::splat(T::ROUNDING));
    let n = shifted.minus(V::splat(T::ROUNDING));
    let r = x.minus_times(n, V::splat(T::LN_2.0)).minus_times(n, V::splat(T::LN_2.1));
    (polynomial(r, T::EXP), shifted)
}

/// 2^x.
#[inline(always)]
pub fn exp2<T: Exponential, V: Lanes<T, L>, const L: usize>(x: V) -> V {
    let y = exp2_below_range(x);
    V::select(x.below(V::splat(T::RANGE_2.1)), y, x.times(V::splat(T::LARGEST)))
}

/// 2^x for x that are below the upper end of the range, or NaN.
#[inline(always)]
pub fn exp2_below_range<T: Exponential, V: Lanes<T, L>, const L: usize>(x: V) -> V {
    let shifted = x.plus(V::splat(T::ROUNDING));
    let r = x.minus(shifted.minus(V::splat(T::ROUNDING)));
    let y = polynomial(r, T::EXP_2).raised(shifted);
    V::select(x.below(V::splat(T::RANGE_2.0)), V::splat(T::default()), y)
}

#[inline(always)]
fn polynomial<T: Exponential, V: Lanes<T, L>, const L: usize>(r: V, coefficients: &[T]) -> V {
    let mut sum = V::splat(T::default());
    if let Some((last, rest)) = coefficients.split_last() {
        sum = V::splat(*last);
        for coefficient in rest.iter().rev() {
            sum = sum.times_plus(r, V::splat(*coefficient));
        }
    }
    sum
}

/// In any lanes.
pub mod plain {
    use super::*;

    /// See [`Exponential::exp_in_place`].
    #[inline(always)]
    pub fn exp_in_place<T: Exponential, V: Lanes<T, L>, const L: usize>(values: &mut [T]) {
        let (chunks, rest) = values.as_chunks_mut::<L>();
        for chunk in chunks {
            exp::<T, V, L>(V::load(chunk)).store(chunk);
        }
        let mut last = [T::default(); L];
        last[..rest.len()].copy_from_slice(rest);
        exp::<T, V, L>(V::load(&last)).store(&mut last);
        rest.copy_from_slice(&last[..rest.len()]);
    }

    /// See [`Exponential::exp2_in_place`].
    #[inline(always)]
    pub fn exp2_in_place<T: Exponential, V: Lanes<T, L>, const L: usize>(values: &mut [T]) {
        let (chunks, rest) = values.as_chunks_mut::<L>();
        for chunk in chunks {
            exp2::<T, V, L>(V::load(chunk)).store(chunk);
        }
        let mut last = [T::default(); L];
        last[..rest.len()].copy_from_slice(rest);
        exp2::<T, V, L>(V::load(&last)).store(&mut last);
        rest.copy_from_slice(&last[..rest.len()]);
    }
}

macro_rules! in_place {
    ($function:ident, $avx2:ident, $avx512:ident, $lanes:literal) => {
        fn $function(isa: Isa, values: &mut [Self]) {
            match isa.level() {
                // SAFETY: the CPU has what the level says.
                #[cfg(target_arch = "x86_64")]
                Level::Avx512 => unsafe { crate::x86_64::exp::$avx512::$function(values) },
                // SAFETY: as above.
                #[cfg(target_arch = "x86_64")]
                Level::Avx2 => unsafe { crate::x86_64::exp::$avx2::$function(values) },
                _ => plain::$function::<Self, Array<Self, $lanes>, $lanes>(values),
            }
        }
    };
}

impl Exponential for f32 {
    const ROUNDING: Self = 12_582_912.0;
    const LOG2_E: Self = std::f32::consts::LOG2_E;
    const LN_2: (Self, Self) = (355.0 / 512.0, -2.121_944_4e-4);
    const RANGE: (Self, Self) = (-87.336_54, 88.722_84);
    const RANGE_2: (Self, Self) = (-126.0, 128.0);
    const LARGEST: Self = Self::MAX;
    const EXP: &'static [Self] =
        &[1.0, 1.0, 0.499_999_88, 0.166_665_18, 0.041_669_652, 0.008_368_953, 0.001_374_505_9];
    const EXP_2: &'static [Self] = &[
        1.0,
        std::f32::consts::LN_2,
        0.240_226_45,
        0.055_503_592,
        0.009_618_841,
        0.001_339_113_7,
        0.000_152_380_06,
    ];

    in_place!(exp_in_place, f32x8, f32x16, 4);
    in_place!(exp2_in_place, f32x8, f32x16, 4);
}

impl Exponential for f64 {
    const ROUNDING: Self = 6_755_399_441_055_744.0;
    const LOG2_E: Self = std::f64::consts::LOG2_E;
    const LN_2: (Self, Self) = (0.693_147_180_369_123_8, 1.908_214_929_270_587_7e-10);
    const RANGE: (Self, Self) = (-708.396_418_532_264, 709.782_712_893_384_1);
    const RANGE_2: (Self, Self) = (-1022.0, 1024.0);
    const LARGEST: Self = Self::MAX;
    const EXP: &'static [Self] = &[
        1.0,
        1.0,
        0.500_000_000_000_001_3,
        0.166_666_666_666_664_9,
        0.041_666_666_666_512_15,
        0.008_333_333_333_445_603,
        0.001_388_888_894_764_998_2,
        0.000_198_412_696_104_684_99,
        2.480_148_942_451_215e-5,
        2.755_749_481_643_880_5e-6,
        2.763_143_310_281_207e-7,
        2.502_874_330_010_499_7e-8,
    ];
    const EXP_2: &'static [Self] = &[
        1.0,
        std::f64::consts::LN_2,
        0.240_226_506_959_101_33,
        0.055_504_108_664_822_26,
        0.009_618_129_107_593_498,
        0.001_333_355_814_638_065_8,
        0.000_154_035_304_577_650_14,
        1.525_273_380_550_841_5e-5,
        1.321_543_500_111_084_8e-6,
        1.017_808_677_368_769_3e-7,
        7.073_826_046_303_358e-9,
        4.449_955_477_539_561e-10,
    ];

    in_place!(exp_in_place, f64x4, f64x8, 4);
    in_place!(exp2_in_place, f64x4, f64x8, 4);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ulps<T: Exponential>(got: f64, expected: f64) -> f64 {
        (got - expected).abs() / (expected * 2.0 * T::UNIT_ROUNDOFF)
    }

    /// References in f64, for f32: the standard library's, right to a unit or so of f64.
    #[test]
    fn f32_is_right_to_a_unit_over_the_whole_range() {
        for isa in Isa::available() {
            let bound = if isa == Isa::portable() { 2.0 } else { 1.0 };
            let x: Vec<f32> = (0..1_400_000).map(|i| -88.0 + i as f32 * 1.27e-4).collect();
            let (mut e, mut two) = (x.clone(), x.clone());
            f32::exp_in_place(isa, &mut e);
            f32::exp2_in_place(isa, &mut two);
            for ((x, e), two) in x.iter().zip(&e).zip(&two) {
                for (got, expected) in [(*e, f64::from(*x).exp()), (*two, f64::from(*x).exp2())] {
                    if expected > f64::from(f32::MAX) {
                        assert!(got == f32::INFINITY || *x < 88.722_84, "{x}: {got}");
                    } else if expected < f64::from(f32::MIN_POSITIVE) {
                        assert!(got == 0.0 || got == f32::MIN_POSITIVE, "{x}: {got}");
                    } else if got > 0.0 || expected > 1.00001 * f64::from(f32::MIN_POSITIVE) {
                        let error = ulps::<f32>(f64::from(got), expected);
                        assert!(error < bound, "{}: {x}: {got}, {expected}: {error}", isa.name());
                    }
                }
            }
        }
    }

    /// Against the standard library, which is right to a unit.
    #[test]
    fn f64_is_right_to_two_units_over_the_whole_range() {
        for isa in Isa::available() {
            let x: Vec<f64> = (0..700_000).map(|i| -708.0 + f64::from(i) * 2.0123e-3).collect();
            let (mut e, mut two) = (x.clone(), x.clone());
            f64::exp_in_place(isa, &mut e);
            f64::exp2_in_place(isa, &mut two);
            for ((x, e), two) in x.iter().zip(&e).zip(&two) {
                for (got, expected) in [(*e, x.exp()), (*two, x.exp2())] {
                    if expected.is_infinite() || *x > 709.78 {
                        continue;
                    }
                    let error = ulps::<f64>(got, expected);
                    assert!(error < 2.0, "{}: {x}: {got}, {expected}: {error}", isa.name());
                }
            }
        }
    }

    /// Values of mpmath to 20 digits.
    #[test]
    fn f64_is_that_of_many_digits() {
        let known: [(f64, f64); 7] = [
            (1.0, std::f64::consts::E),
            (-1.0, 0.367_879_441_171_442_3),
            (0.1, 1.105_170_918_075_647_6),
            (-20.0, 2.061_153_622_438_558e-9),
            (100.0, 2.688_117_141_816_135_5e43),
            (-700.0, 9.859_676_543_759_77e-305),
            (709.0, 8.218_407_461_554_972e307),
        ];
        for isa in Isa::available() {
            for (x, expected) in known {
                let mut got = [x; 3];
                f64::exp_in_place(isa, &mut got);
                assert!(ulps::<f64>(got[2], expected) <= 1.01, "{x}: {} {expected}", got[2]);
            }
        }
    }

    fn what_is_not_in_the_range<T: Exponential>() {
        let (inf, nan) = (f64::INFINITY, f64::NAN);
        let huge = T::LARGEST.to_f64();
        let given = [nan, inf, -inf, huge, -huge, T::SMALLEST, 0.0, -0.0, 2000.0, -2000.0, -nan];
        let expected = [nan, inf, 0.0, inf, 0.0, 1.0, 1.0, 1.0, inf, 0.0, nan];
        for isa in Isa::available() {
            // All lengths around the lanes, so that every value stands in the rest once.
            for length in 1..=given.len() {
                for two in [false, true] {
                    let mut values: Vec<T> =
                        given[..length].iter().map(|x| T::from_f64(*x)).collect();
                    if two {
                        T::exp2_in_place(isa, &mut values);
                    } else {
                        T::exp_in_place(isa, &mut values);
                    }
                    for (got, expected) in values.iter().zip(expected) {
                        let got = got.to_f64();
                        assert!(got == expected || got.is_nan() && expected.is_nan(), "{values:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn infinities_nan_and_what_overflows() {
        what_is_not_in_the_range::<f32>();
        what_is_not_in_the_range::<f64>();
    }

    #[test]
    fn nothing_is_subnormal() {
        for isa in Isa::available() {
            let mut x: Vec<f32> = (0..100_000).map(|i| -87.0 - i as f32 * 2e-4).collect();
            f32::exp_in_place(isa, &mut x);
            assert!(x.iter().all(|x| *x == 0.0 || x.is_normal()));
            let mut x: Vec<f64> = (0..100_000).map(|i| -708.0 - f64::from(i) * 5e-4).collect();
            f64::exp_in_place(isa, &mut x);
            assert!(x.iter().all(|x| *x == 0.0 || x.is_normal()));
        }
    }
}
