//! Exponents (f + g - C / reg) / ln 2 in two parts, so that they have no error but their own rounding.

use std::f64::consts::{LN_2, LOG2_E};

use isomorph_kernels::Transport;

use crate::Result;
use crate::memory::reserved;

/// What the nearest number lacks of 1 / ln 2.
const LOG2_E_REST: f64 = 2.035_527_374_093_103_3e-17;

/// 1 / (reg ln 2) in two parts, both positive: an infinite cost times one of them is infinite.
pub fn scale<T: Transport>(reg: f64) -> [T; 2] {
    let whole = LOG2_E / reg;
    // What division and the constant have rounded away.
    let lost = (f64::mul_add(-whole, reg, LOG2_E) + LOG2_E_REST) / reg;
    let high = T::from_f64(whole).next_down().next_down();
    [high, T::from_f64((whole - high.to_f64()) + lost)]
}

/// The power of 2 of which the high parts are multiples, when all are up to `largest` nats: the sum
/// of two such parts is exact.
pub fn quantum<T: Transport>(largest: f64) -> f64 {
    let bits = (1.0 / T::UNIT_ROUNDOFF).log2() - 1.0;
    ((largest * LOG2_E).max(1.0).log2().ceil() + 1.0 - bits).exp2()
}

/// A potential of `nats`, in base 2.
pub fn split<T: Transport>(nats: f64, quantum: f64) -> [T; 2] {
    if !nats.is_finite() {
        return [T::NEG_INFINITY, T::default()];
    }
    let whole = nats * LOG2_E;
    let lost = f64::mul_add(nats, LOG2_E, -whole) + nats * LOG2_E_REST;
    let high = (whole / quantum).round() * quantum;
    [T::from_f64(high), T::from_f64((whole - high) + lost)]
}

/// What the parts come to, in nats.
pub fn joined<T: Transport>(parts: [T; 2]) -> f64 {
    (parts[0].to_f64() + parts[1].to_f64()) * LN_2
}

/// The potentials of one side.
#[derive(Debug)]
pub struct Potentials<T> {
    /// Multiples of the quantum, -inf where there is no mass.
    pub high: Vec<T>,
    /// The rest.
    pub low: Vec<T>,
}

impl<T: Transport> Potentials<T> {
    /// Of `g`, to be added to others up to `others`; gives the quantum, too.
    pub fn new(g: &[f64], others: f64) -> Result<(Self, f64)> {
        let quantum = quantum::<T>(largest(g) + others);
        let (mut high, mut low) = (reserved(g.len())?, reserved(g.len())?);
        for value in g {
            let parts = split(*value, quantum);
            high.push(parts[0]);
            low.push(parts[1]);
        }
        Ok((Self { high, low }, quantum))
    }

    /// Those of some columns.
    pub fn of(&self, start: usize, end: usize) -> [&[T]; 2] {
        [&self.high[start..end], &self.low[start..end]]
    }
}

/// The largest magnitude of what is finite.
pub fn largest(values: &[f64]) -> f64 {
    values.iter().filter(|value| value.is_finite()).fold(0.0, |most, value| value.abs().max(most))
}

/// Row sums that are further from 1, by this factor, are made again with another shift.
pub const WINDOW: f64 = (1u32 << 20) as f64;

/// The least sum of `count` products, of a number that is up to `largest` with one that is up to
/// [`WINDOW`], that says anything: what underflowed in either is less than a rounding of it.
pub fn least_sum<T: Transport>(count: usize, largest: f64) -> f64 {
    count as f64 * smallest::<T>() * largest.max(WINDOW) / T::UNIT_ROUNDOFF
}

/// The smallest normal number.
#[inline]
fn smallest<T: Transport>() -> f64 {
    T::RANGE_2.0.to_f64().exp2()
}

/// exp(nats), 0 if it is subnormal.
pub fn exponential<T: Transport>(nats: f64) -> T {
    narrowed(nats.exp())
}

/// A number of 0 or more, 0 if it is subnormal in the type.
#[inline]
pub fn narrowed<T: Transport>(value: f64) -> T {
    if value < smallest::<T>() { T::default() } else { T::from_f64(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts_are_those_of_the_whole<T: Transport>() {
        for reg in [1.0, 0.25, 1e-3, 0.3e12, std::f64::consts::PI] {
            let [high, low] = scale::<T>(reg);
            let (high, low) = (high.to_f64(), low.to_f64());
            assert!(high > 0.0 && low > 0.0 && low < 1e-6 * high, "{reg}: {high} {low}");
            let error = f64::mul_add(high, reg, -LOG2_E) + low * reg - LOG2_E_REST;
            assert!(error.abs() < T::UNIT_ROUNDOFF * T::UNIT_ROUNDOFF * 8.0 + 1e-31, "{error:e}");
        }
        for largest in [1e-9, 0.7, 1.0, 900.0, 1e7] {
            let quantum = quantum::<T>(2.0 * largest);
            for share in [1.0, -1.0, 0.317, 1e-3, 0.0] {
                let nats = largest * share;
                let parts = split::<T>(nats, quantum);
                assert_eq!(parts[0].plus(parts[0]).to_f64(), 2.0 * parts[0].to_f64());
                assert!(((parts[0].to_f64() / quantum) % 1.0).abs() == 0.0);
                let bound = quantum * T::UNIT_ROUNDOFF + 4e-16 * nats.abs();
                assert!((joined(parts) - nats).abs() <= bound, "{nats}: {parts:?}");
            }
        }
        assert!(split::<T>(f64::NAN, 1.0) == [T::NEG_INFINITY, T::default()]);
    }

    #[test]
    fn two_parts_hold_twice_the_digits() {
        parts_are_those_of_the_whole::<f32>();
        parts_are_those_of_the_whole::<f64>();
    }
}
