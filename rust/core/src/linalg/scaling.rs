//! Scaling by powers of two: exact, and it keeps squares and products inside float64's range.

/// 2^exponent as a product of two factors, so that exponents up to twice float64's fit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PowerOfTwo {
    exponent: i32,
    half: f64,
    rest: f64,
}

impl PowerOfTwo {
    /// 2^`exponent`, for |exponent| up to 2,000.
    #[must_use]
    pub fn new(exponent: i32) -> Self {
        let half = exponent / 2;
        Self { exponent, half: exp2(half), rest: exp2(exponent - half) }
    }

    /// The factor that brings `magnitude` into [1, 2); 1 for zero.
    #[must_use]
    pub fn normalising(magnitude: f64) -> Self {
        Self::new(-exponent_of(magnitude))
    }

    /// 2^-exponent.
    #[must_use]
    pub fn inverse(self) -> Self {
        Self::new(-self.exponent)
    }

    /// The product of two factors.
    #[must_use]
    pub fn times(self, other: Self) -> Self {
        Self::new(self.exponent + other.exponent)
    }

    /// Two powers of two whose product is the factor, each within float32's range for exponents up
    /// to 250.
    #[must_use]
    pub fn factors(self) -> [f64; 2] {
        [self.half, self.rest]
    }

    /// `value` times the factor: exact unless the result is subnormal, infinite if it overflows.
    #[must_use]
    pub fn apply(self, value: f64) -> f64 {
        value * self.half * self.rest
    }
}

/// 2^e for e in -1022..=1023, without rounding.
fn exp2(e: i32) -> f64 {
    // A biased exponent and no fraction bits.
    f64::from_bits(u64::from((e + 1023).clamp(1, 2046).unsigned_abs()) << 52)
}

/// floor(log2(x)) for a finite positive x, subnormal ones too; 0 for zero.
fn exponent_of(x: f64) -> i32 {
    if x == 0.0 {
        return 0;
    }
    // 2^54 lifts every subnormal number into the normal range.
    let (x, lift) = if x < f64::MIN_POSITIVE { (x * exp2(54), 54) } else { (x, 0) };
    // The mask leaves 11 bits, which fit.
    ((x.to_bits() >> 52) & 0x7ff) as i32 - 1023 - lift
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_magnitude_is_brought_next_to_one_and_back() {
        for x in [1.0, 1.5, 3.0, 1e300, f64::MAX, 1e-300, f64::MIN_POSITIVE, 5e-324, 1e-310] {
            let factor = PowerOfTwo::normalising(x);
            let y = factor.apply(x);
            assert!((1.0..2.0).contains(&y), "{x:e} -> {y:e}");
            assert_eq!(factor.inverse().apply(y).to_bits(), x.to_bits(), "{x:e}");
        }
        assert_eq!(PowerOfTwo::normalising(0.0).apply(0.0), 0.0);
    }

    #[test]
    fn factors_multiply_and_overflow_to_infinity() {
        let big = PowerOfTwo::new(1000);
        assert_eq!(big.times(big.inverse()).apply(3.0), 3.0);
        assert!(big.times(big).apply(1.0).is_infinite());
    }
}
