//! Rows of exponentials that powers of two keep in range: they round nothing.
//!
//! exp(s / r) 2^q is made of s without the exponential itself, which may overflow; `s / r` is rounded
//! once, as a division of the type. Errors are those of [`crate::Exponential`], in units in the last
//! place of the result; what would be subnormal is 0.

use crate::exp::{Exponential, reduced};
use crate::isa::Isa;
#[cfg(target_arch = "x86_64")]
use crate::isa::Level;
use crate::lanes::{Array, Lanes};

/// Values that are summed in the type itself, a lane taking one of 32; then in `f64`.
const TILE: usize = 4096;

/// A computing type with the operations of assignments. Slices have one length.
pub trait Assignment: Exponential {
    /// The largest value, or NaN where one is NaN or +inf; `columns` are raised to the values.
    fn raise_maxima(isa: Isa, row: &[Self], columns: &mut [Self]) -> Self;

    /// The largest of `scale * row[j] + powers[j]`, -inf of no values.
    fn largest_power(isa: Isa, row: &[Self], scale: Self, powers: &[Self]) -> Self;

    /// `to[j] = exp(row[j] / reg) 2^(powers[j] + power)`, integers that leave it at most about 1.
    fn powered_exponentials(
        isa: Isa,
        row: &[Self],
        reg: Self,
        powers: &[Self],
        power: Self,
        to: &mut [Self],
    );

    /// The sum of `row[j] * weights[j]`, all of them positive: an error of some 140 units of rounding
    /// and of `f64`'s after that.
    fn weighted_sum(isa: Isa, row: &[Self], weights: &[Self]) -> f64;

    /// `sums[j] += row[j] * weight`, rounded once where there is an instruction for it.
    fn add_row(isa: Isa, row: &[Self], weight: Self, sums: &mut [Self]);

    /// `row[j] *= weights[j] * weight`, the weights being multiplied last.
    fn weigh(isa: Isa, row: &mut [Self], weights: &[Self], weight: Self);

    /// `totals[j] += sums[j]`, and the sums become 0.
    fn flush(isa: Isa, sums: &mut [Self], totals: &mut [f64]);
}

/// In any lanes.
pub mod plain {
    use super::*;

    /// The last values, and `rest` for those that fill the lanes.
    #[inline(always)]
    fn filled<T: Copy, const L: usize>(values: &[T], rest: T) -> [T; L] {
        let mut all = [rest; L];
        all[..values.len()].copy_from_slice(values);
        all
    }

    /// See [`Assignment::raise_maxima`].
    #[inline(always)]
    pub fn raise_maxima<T: Exponential, V: Lanes<T, L>, const L: usize>(
        row: &[T],
        columns: &mut [T],
    ) -> T {
        let (chunks, rest) = row.as_chunks::<L>();
        let (column_chunks, column_rest) = columns.as_chunks_mut::<L>();
        let infinity = V::splat(T::INFINITY);
        let mut largest = V::splat(T::NEG_INFINITY);
        let mut sound = largest.below(infinity);
        for (x, column) in chunks.iter().zip(column_chunks) {
            let x = V::load(x);
            sound = V::both(sound, x.below(infinity));
            largest = x.larger(largest);
            x.larger(V::load(column)).store(column);
        }
        let x = V::load(&filled(rest, T::NEG_INFINITY));
        sound = V::both(sound, x.below(infinity));
        largest = x.larger(largest);
        let mut raised = filled::<T, L>(column_rest, T::NEG_INFINITY);
        x.larger(V::load(&raised)).store(&mut raised);
        column_rest.copy_from_slice(&raised[..rest.len()]);
        if V::bits(sound).count_ones() as usize == L {
            best(largest)
        } else {
            T::from_f64(f64::NAN)
        }
    }

    /// The largest lane; of NaN, any.
    #[inline(always)]
    fn best<T: Exponential, V: Lanes<T, L>, const L: usize>(lanes: V) -> T {
        let mut values = [T::NEG_INFINITY; L];
        lanes.store(&mut values);
        let mut best = T::NEG_INFINITY;
        for value in values {
            if value > best {
                best = value;
            }
        }
        best
    }

    /// See [`Assignment::largest_power`].
    #[inline(always)]
    pub fn largest_power<T: Exponential, V: Lanes<T, L>, const L: usize>(
        row: &[T],
        scale: T,
        powers: &[T],
    ) -> T {
        let (chunks, rest) = row.as_chunks::<L>();
        let (power_chunks, power_rest) = powers.as_chunks::<L>();
        let scale = V::splat(scale);
        let mut largest = V::splat(T::NEG_INFINITY);
        for (x, power) in chunks.iter().zip(power_chunks) {
            largest = V::load(x).times_plus(scale, V::load(power)).larger(largest);
        }
        let x = V::load(&filled(rest, T::NEG_INFINITY));
        let power = V::load(&filled(power_rest, T::default()));
        best(x.times_plus(scale, power).larger(largest))
    }

    /// See [`Assignment::powered_exponentials`].
    #[inline(always)]
    pub fn powered_exponentials<T: Exponential, V: Lanes<T, L>, const L: usize>(
        row: &[T],
        reg: T,
        powers: &[T],
        power: T,
        to: &mut [T],
    ) {
        let (chunks, rest) = row.as_chunks::<L>();
        let (power_chunks, power_rest) = powers.as_chunks::<L>();
        let (to_chunks, to_rest) = to.as_chunks_mut::<L>();
        let (reg, power) = (V::splat(reg), V::splat(power));
        for ((x, powers), to) in chunks.iter().zip(power_chunks).zip(to_chunks) {
            powered(V::load(x).over(reg), V::load(powers).plus(power)).store(to);
        }
        let x = V::load(&filled(rest, T::default()));
        let powers = V::load(&filled(power_rest, T::default())).plus(power);
        let mut last = [T::default(); L];
        powered(x.over(reg), powers).store(&mut last);
        to_rest.copy_from_slice(&last[..rest.len()]);
    }

    /// exp(x) 2^power.
    #[inline(always)]
    fn powered<T: Exponential, V: Lanes<T, L>, const L: usize>(x: V, power: V) -> V {
        let (y, shifted) = reduced::<T, V, L>(x);
        let n = shifted.minus(V::splat(T::ROUNDING)).plus(power);
        // The least y is just above 2^-1/2, so that this power of two leaves it normal.
        let least = V::splat(T::from_f64(T::RANGE_2.0.to_f64() + 1.0));
        V::select(n.below(least), V::splat(T::default()), y.raised(n.plus(V::splat(T::ROUNDING))))
    }

    /// See [`Assignment::weighted_sum`].
    #[inline(always)]
    pub fn weighted_sum<T: Exponential, V: Lanes<T, L>, const L: usize>(
        row: &[T],
        weights: &[T],
    ) -> f64 {
        let mut total = 0.0;
        for (row, weights) in row.chunks(TILE).zip(weights.chunks(TILE)) {
            let (chunks, rest) = row.as_chunks::<L>();
            let (weight_chunks, weight_rest) = weights.as_chunks::<L>();
            let mut sums = [V::splat(T::default()); 4];
            let (fours, ones) = chunks.as_chunks::<4>();
            let (weight_fours, weight_ones) = weight_chunks.as_chunks::<4>();
            for (x, weight) in fours.iter().zip(weight_fours) {
                for i in 0..4 {
                    sums[i] = V::load(&x[i]).times_plus(V::load(&weight[i]), sums[i]);
                }
            }
            for (x, weight) in ones.iter().zip(weight_ones) {
                sums[0] = V::load(x).times_plus(V::load(weight), sums[0]);
            }
            let zero = T::default();
            let (x, weight) = (V::load(&filled(rest, zero)), V::load(&filled(weight_rest, zero)));
            sums[1] = x.times_plus(weight, sums[1]);
            let mut lanes = [zero; L];
            for sum in sums {
                sum.store(&mut lanes);
                for lane in lanes {
                    total += lane.to_f64();
                }
            }
        }
        total
    }

    /// See [`Assignment::add_row`].
    #[inline(always)]
    pub fn add_row<T: Exponential, V: Lanes<T, L>, const L: usize>(
        row: &[T],
        weight: T,
        sums: &mut [T],
    ) {
        let (chunks, rest) = row.as_chunks::<L>();
        let (sum_chunks, sum_rest) = sums.as_chunks_mut::<L>();
        let weight = V::splat(weight);
        for (x, sum) in chunks.iter().zip(sum_chunks) {
            V::load(x).times_plus(weight, V::load(sum)).store(sum);
        }
        let mut last = filled::<T, L>(sum_rest, T::default());
        let x = V::load(&filled(rest, T::default()));
        x.times_plus(weight, V::load(&last)).store(&mut last);
        sum_rest.copy_from_slice(&last[..rest.len()]);
    }

    /// See [`Assignment::weigh`].
    #[inline(always)]
    pub fn weigh<T: Exponential, V: Lanes<T, L>, const L: usize>(
        row: &mut [T],
        weights: &[T],
        weight: T,
    ) {
        let (chunks, rest) = row.as_chunks_mut::<L>();
        let (weight_chunks, weight_rest) = weights.as_chunks::<L>();
        let weight = V::splat(weight);
        for (x, weights) in chunks.iter_mut().zip(weight_chunks) {
            V::load(x).times(V::load(weights)).times(weight).store(x);
        }
        let mut last = filled::<T, L>(rest, T::default());
        let weights = V::load(&filled(weight_rest, T::default()));
        V::load(&last).times(weights).times(weight).store(&mut last);
        rest.copy_from_slice(&last[..rest.len()]);
    }

    /// See [`Assignment::flush`]: the compiler makes lanes of it.
    #[inline(always)]
    pub fn flush<T: Exponential>(sums: &mut [T], totals: &mut [f64]) {
        for (sum, total) in sums.iter_mut().zip(totals) {
            *total += sum.to_f64();
            *sum = T::default();
        }
    }
}

/// Call an operation with the lanes of the instruction set.
macro_rules! dispatch {
    ($isa:expr, $avx2:ident, $avx512:ident, $lanes:literal, $function:ident($($argument:expr),*)) => {
        match $isa.level() {
            // SAFETY: the CPU has what the level says.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { crate::x86_64::assignment::$avx512::$function($($argument),*) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { crate::x86_64::assignment::$avx2::$function($($argument),*) },
            _ => plain::$function::<Self, Array<Self, $lanes>, $lanes>($($argument),*),
        }
    };
}

macro_rules! assignment {
    ($type:ident, $avx2:ident, $avx512:ident, $lanes:literal) => {
        impl Assignment for $type {
            fn raise_maxima(isa: Isa, row: &[Self], columns: &mut [Self]) -> Self {
                assert_eq!(row.len(), columns.len(), "rows do not fit");
                dispatch!(isa, $avx2, $avx512, $lanes, raise_maxima(row, columns))
            }

            fn largest_power(isa: Isa, row: &[Self], scale: Self, powers: &[Self]) -> Self {
                assert_eq!(row.len(), powers.len(), "rows do not fit");
                dispatch!(isa, $avx2, $avx512, $lanes, largest_power(row, scale, powers))
            }

            fn powered_exponentials(
                isa: Isa,
                row: &[Self],
                reg: Self,
                powers: &[Self],
                power: Self,
                to: &mut [Self],
            ) {
                assert!(row.len() == powers.len() && row.len() == to.len(), "rows do not fit");
                dispatch!(
                    isa,
                    $avx2,
                    $avx512,
                    $lanes,
                    powered_exponentials(row, reg, powers, power, to)
                );
            }

            fn weighted_sum(isa: Isa, row: &[Self], weights: &[Self]) -> f64 {
                assert_eq!(row.len(), weights.len(), "rows do not fit");
                dispatch!(isa, $avx2, $avx512, $lanes, weighted_sum(row, weights))
            }

            fn add_row(isa: Isa, row: &[Self], weight: Self, sums: &mut [Self]) {
                assert_eq!(row.len(), sums.len(), "rows do not fit");
                dispatch!(isa, $avx2, $avx512, $lanes, add_row(row, weight, sums));
            }

            fn weigh(isa: Isa, row: &mut [Self], weights: &[Self], weight: Self) {
                assert_eq!(row.len(), weights.len(), "rows do not fit");
                dispatch!(isa, $avx2, $avx512, $lanes, weigh(row, weights, weight));
            }

            fn flush(isa: Isa, sums: &mut [Self], totals: &mut [f64]) {
                assert_eq!(sums.len(), totals.len(), "rows do not fit");
                match isa.level() {
                    // SAFETY: as in `dispatch`.
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx512 => unsafe {
                        crate::x86_64::assignment::$avx512::flush(sums, totals);
                    },
                    // SAFETY: as above.
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx2 => unsafe {
                        crate::x86_64::assignment::$avx2::flush(sums, totals);
                    },
                    _ => plain::flush(sums, totals),
                }
            }
        }
    };
}

assignment!(f32, f32x8, f32x16, 4);
assignment!(f64, f64x4, f64x8, 4);

#[cfg(test)]
mod tests {
    use super::*;

    /// Lengths around lanes, fours of lanes and tiles.
    const LENGTHS: [usize; 10] = [1, 3, 4, 16, 31, 64, 129, 4095, 4096, 9001];

    fn values<T: Assignment>(length: usize, seed: u32) -> Vec<T> {
        let value = |i: usize| f64::from(seed + 7 * i as u32).sin();
        (0..length).map(|i| T::from_f64(value(i))).collect()
    }

    fn maxima_are_those_of_a_loop<T: Assignment>() {
        for isa in Isa::available() {
            for length in LENGTHS {
                let (row, start) = (values::<T>(length, 1), values::<T>(length, 5));
                let mut columns = start.clone();
                let largest = T::raise_maxima(isa, &row, &mut columns);
                let of = |values: &[T]| {
                    values.iter().map(|x| x.to_f64()).fold(f64::NEG_INFINITY, f64::max)
                };
                assert_eq!(largest.to_f64(), of(&row));
                for j in 0..length {
                    assert_eq!(columns[j].to_f64(), row[j].to_f64().max(start[j].to_f64()));
                }
                let zeros = vec![T::default(); length];
                let same = T::largest_power(isa, &row, T::from_f64(1.0), &zeros);
                assert_eq!(same.to_f64(), of(&row));
                for at in [0, length / 2, length - 1] {
                    for bad in [f64::NAN, f64::INFINITY] {
                        let mut row = row.clone();
                        row[at] = T::from_f64(bad);
                        assert!(T::raise_maxima(isa, &row, &mut columns).to_f64().is_nan());
                    }
                    let mut row = vec![T::NEG_INFINITY; length];
                    let none = T::raise_maxima(isa, &row, &mut columns);
                    assert_eq!(none.to_f64(), f64::NEG_INFINITY);
                    row[at] = T::from_f64(-3.0);
                    assert_eq!(T::raise_maxima(isa, &row, &mut columns).to_f64(), -3.0);
                }
            }
        }
    }

    #[test]
    fn maxima() {
        maxima_are_those_of_a_loop::<f32>();
        maxima_are_those_of_a_loop::<f64>();
    }

    fn powers_of_two_round_nothing<T: Assignment>(most: f64, units: f64) {
        for isa in Isa::available() {
            for length in LENGTHS {
                let row = values::<T>(length, 1);
                let reg = T::from_f64(1.0 / most);
                let mut to = vec![T::default(); length];
                for shift in [0.0, 1.0, 9.0] {
                    // What takes the exponential of each value back to about 2^-shift.
                    let powers: Vec<T> = row
                        .iter()
                        .map(|x| T::from_f64(-(x.to_f64() * most / 2f64.ln()).round() - shift))
                        .collect();
                    T::powered_exponentials(isa, &row, reg, &powers, T::from_f64(-2.0), &mut to);
                    for j in 0..length {
                        let exponent = T::from_f64(row[j].to_f64() / reg.to_f64()).to_f64();
                        let power = powers[j].to_f64() - 2.0;
                        // In f64 the difference loses what the two parts of ln 2 do not have.
                        let expected = (exponent + power * 2f64.ln()).exp();
                        let error = (to[j].to_f64() / expected - 1.0).abs();
                        assert!(error < units * T::UNIT_ROUNDOFF, "{} {j}: {error:e}", isa.name());
                    }
                }
            }
        }
    }

    #[test]
    fn exponentials_that_would_overflow() {
        powers_of_two_round_nothing::<f32>(300.0, 4.0);
        powers_of_two_round_nothing::<f64>(5.0, 20.0);
        powers_of_two_round_nothing::<f64>(3000.0, 8000.0);
    }

    fn what_vanishes<T: Assignment>() {
        let (least, tiny) = (T::RANGE_2.0.to_f64(), T::from_f64(f64::NEG_INFINITY));
        for isa in Isa::available() {
            let row = [T::default(), T::default(), tiny, T::from_f64(-1e5)];
            let powers = [least + 1.0, least, 0.0, 5.0].map(T::from_f64);
            let mut to = [T::from_f64(7.0); 4];
            T::powered_exponentials(isa, &row, T::from_f64(1.0), &powers, T::default(), &mut to);
            assert_eq!(to[0].to_f64(), (least + 1.0).exp2());
            assert_eq!(to[1..].iter().map(|x| x.to_f64()).collect::<Vec<_>>(), [0.0; 3]);
        }
    }

    #[test]
    fn what_would_be_subnormal_is_nothing() {
        what_vanishes::<f32>();
        what_vanishes::<f64>();
    }

    fn sums_are_those_of_a_loop<T: Assignment>() {
        let u = T::UNIT_ROUNDOFF;
        for isa in Isa::available() {
            for length in LENGTHS {
                let positive = |seed| -> Vec<T> {
                    let values = values::<T>(length, seed);
                    values.iter().map(|x| T::from_f64(x.to_f64().abs() + 0.1)).collect()
                };
                let (row, weights, start) = (positive(1), positive(2), positive(3));
                let products = row.iter().zip(&weights).map(|(x, w)| x.to_f64() * w.to_f64());
                let expected: f64 = products.sum();
                let sum = T::weighted_sum(isa, &row, &weights);
                assert!((sum / expected - 1.0).abs() < 140.0 * u, "{}: {length}", isa.name());
                let (weight, mut sums, mut weighed) =
                    (T::from_f64(0.3), start.clone(), row.clone());
                T::add_row(isa, &row, weight, &mut sums);
                T::weigh(isa, &mut weighed, &weights, weight);
                for j in 0..length {
                    let sum = row[j].to_f64() * weight.to_f64() + start[j].to_f64();
                    assert!((sums[j].to_f64() / sum - 1.0).abs() <= 2.1 * u);
                    let product = row[j].to_f64() * weights[j].to_f64() * weight.to_f64();
                    assert!((weighed[j].to_f64() / product - 1.0).abs() <= 2.1 * u);
                }
                let mut totals = vec![1.0; length];
                let added = sums.clone();
                T::flush(isa, &mut sums, &mut totals);
                for j in 0..length {
                    assert_eq!(totals[j], 1.0 + added[j].to_f64());
                    assert_eq!(sums[j].to_f64(), 0.0);
                }
            }
        }
    }

    #[test]
    fn sums() {
        sums_are_those_of_a_loop::<f32>();
        sums_are_those_of_a_loop::<f64>();
    }
}
