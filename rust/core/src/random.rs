//! Random numbers that are a function of what they are for: no state, no order, the same everywhere.
//!
//! A number is drawn for a counter (here: a pair of rows, a step and a direction) under a key (the
//! seed), so it does not matter who draws it, when, or how many others were drawn.

use crate::{Error, Result};

const MULTIPLIERS: [u32; 2] = [0xd251_1f53, 0xcd9e_8d57];
const KEY_STEPS: [u32; 2] = [0x9e37_79b9, 0xbb67_ae85];
const ROUNDS: usize = 10;

/// Philox4x32-10: 128 bits that look random for each counter and key.
///
/// Source: Salmon, Moraes, Dror and Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011,
/// where it passes `BigCrush` in any order of counters.
#[inline]
#[must_use]
pub fn philox(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let ([mut a, mut b, mut c, mut d], [mut k, mut l]) = (counter, key);
    for _ in 0..ROUNDS {
        let (high_a, low_a) = product(MULTIPLIERS[0], a);
        let (high_c, low_c) = product(MULTIPLIERS[1], c);
        (a, b, c, d) = (high_c ^ b ^ k, low_c, high_a ^ d ^ l, low_a);
        k = k.wrapping_add(KEY_STEPS[0]);
        l = l.wrapping_add(KEY_STEPS[1]);
    }
    [a, b, c, d]
}

#[allow(clippy::cast_possible_truncation)]
const fn product(a: u32, b: u32) -> (u32, u32) {
    let product = a as u64 * b as u64;
    ((product >> 32) as u32, product as u32)
}

/// Draws at a time, where many are needed.
const LANES: usize = 16;
type Lanes = [u32; LANES];

/// [`philox`] of many counters under one key, the first two words of each.
#[inline]
fn philox_lanes([mut a, mut b, mut c, mut d]: [Lanes; 4], [mut k, mut l]: [u32; 2]) -> [Lanes; 2] {
    for _ in 0..ROUNDS {
        for lane in 0..LANES {
            let (high_a, low_a) = product(MULTIPLIERS[0], a[lane]);
            let (high_c, low_c) = product(MULTIPLIERS[1], c[lane]);
            (a[lane], b[lane]) = (high_c ^ b[lane] ^ k, low_c);
            (c[lane], d[lane]) = (high_a ^ d[lane] ^ l, low_a);
        }
        k = k.wrapping_add(KEY_STEPS[0]);
        l = l.wrapping_add(KEY_STEPS[1]);
    }
    [a, b]
}

/// Bits of a draw: as many as an `f64` holds exactly.
const BITS: i32 = 53;

/// Which of two independent sets of draws: one for each direction of a search.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// Rows of the source choose.
    Forward,
    /// Rows of the target choose.
    Backward,
}

impl Stream {
    /// The other one.
    #[must_use]
    pub const fn turned(self) -> Self {
        match self {
            Self::Forward => Self::Backward,
            Self::Backward => Self::Forward,
        }
    }
}

/// The uniform number in [0, 1) of a pair of rows, times 2^53.
///
/// The counter is (`column`, `row`, `step`, stream), the key the two halves of `seed`, low half
/// first; the number is the first word of the block and, above it, the low 21 bits of the second.
#[inline]
#[must_use]
#[allow(clippy::cast_possible_truncation)]
pub fn draw(seed: u64, step: u32, stream: Stream, row: u32, column: u32) -> u64 {
    let counter = [column, row, step, stream as u32];
    let [low, high, ..] = philox(counter, [seed as u32, (seed >> 32) as u32]);
    number(low, high)
}

#[inline]
const fn number(low: u32, high: u32) -> u64 {
    low as u64 | ((high & ((1 << (BITS - 32)) - 1)) as u64) << 32
}

/// Keeps each pair of rows with one probability, on its own.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    seed: u64,
    step: u32,
    keep: f64,
    /// A pair is kept when its draw is below this.
    threshold: u64,
}

impl Dropout {
    /// Keep a pair with probability `keep`.
    ///
    /// # Errors
    /// [`Error::Value`] unless 0 < `keep` <= 1.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub fn new(keep: f64, seed: u64, step: u32) -> Result<Self> {
        if !(keep > 0.0 && keep <= 1.0) {
            return Err(Error::Value {
                argument: "keep",
                expected: "a probability above 0, at most 1".to_string(),
                got: keep.to_string(),
            });
        }
        // Scaling by a power of two is exact, so `draw / 2^53 < keep` is decided without rounding.
        let threshold = (keep * 2f64.powi(BITS)).ceil() as u64;
        Ok(Self { seed, step, keep, threshold })
    }

    /// The probability.
    #[must_use]
    pub const fn keep(&self) -> f64 {
        self.keep
    }

    /// Whether every pair is kept.
    #[must_use]
    pub fn keeps_all(&self) -> bool {
        self.keep >= 1.0
    }

    /// Whether the pair of source row `row` and target row `column` is kept.
    #[inline]
    #[must_use]
    pub fn keeps(&self, stream: Stream, row: u32, column: u32) -> bool {
        draw(self.seed, self.step, stream, row, column) < self.threshold
    }

    /// [`Self::keeps`] of some pairs at once, a bit each.
    #[must_use]
    #[allow(clippy::cast_possible_truncation)]
    pub fn keeps_of(&self, stream: Stream, rows: &Lanes, columns: &Lanes) -> u16 {
        let counters = [*columns, *rows, [self.step; LANES], [stream as u32; LANES]];
        let [low, high] = philox_lanes(counters, [self.seed as u32, (self.seed >> 32) as u32]);
        let kept = |lane: usize| u16::from(number(low[lane], high[lane]) < self.threshold) << lane;
        (0..LANES).map(kept).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The known answers that the authors publish with their own code (Random123, `kat_vectors`).
    #[test]
    fn the_published_vectors_come_out() {
        let max = u32::MAX;
        for (counter, key, expected) in [
            ([0; 4], [0; 2], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            ([max; 4], [max; 2], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            (
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xa409_3822, 0x299f_31d0],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ] {
            assert_eq!(philox(counter, key), expected);
        }
    }

    #[test]
    fn each_part_of_the_key_matters() {
        let base = draw(1, 2, Stream::Forward, 3, 4);
        assert_eq!(base, draw(1, 2, Stream::Forward, 3, 4));
        for other in [
            draw(5, 2, Stream::Forward, 3, 4),
            draw(1 | 1 << 40, 2, Stream::Forward, 3, 4),
            draw(1, 5, Stream::Forward, 3, 4),
            draw(1, 2, Stream::Backward, 3, 4),
            draw(1, 2, Stream::Forward, 4, 3),
            draw(1, 2, Stream::Forward, 3, 5),
        ] {
            assert_ne!(base, other);
            assert!(other < 1 << BITS);
        }
    }

    #[test]
    fn many_at_once_are_what_they_are_one_by_one() {
        for (step, seed) in [(0, 0), (7, 1 << 40 | 3), (u32::MAX, u64::MAX)] {
            let dropout = Dropout::new(0.4, seed, step).unwrap();
            for stream in [Stream::Forward, Stream::Backward] {
                let rows = std::array::from_fn(|lane| (lane as u32).wrapping_mul(0x1234_5677));
                let columns = std::array::from_fn(|lane| !(lane as u32 * 77));
                let kept = dropout.keeps_of(stream, &rows, &columns);
                for lane in 0..LANES {
                    let expected = dropout.keeps(stream, rows[lane], columns[lane]);
                    assert_eq!(kept >> lane & 1 == 1, expected);
                }
            }
        }
    }

    #[test]
    fn the_share_kept_is_the_one_asked_for() {
        for keep in [1e-3, 0.1, 0.5, 0.8, 1.0] {
            let dropout = Dropout::new(keep, 7, 1).unwrap();
            let side = 1000;
            let kept = (0..side)
                .flat_map(|i| (0..side).map(move |j| (i, j)))
                .filter(|&(i, j)| dropout.keeps(Stream::Backward, i, j))
                .count();
            let n = f64::from(side) * f64::from(side);
            let deviation = (n * keep * (1.0 - keep)).sqrt();
            assert!((kept as f64 - n * keep).abs() <= 4.0 * deviation, "{keep}: {kept}");
        }
    }

    #[test]
    fn the_edges_of_the_probability() {
        assert!(Dropout::new(1.0, 0, 0).unwrap().keeps_all());
        let almost = Dropout::new(1.0 - f64::EPSILON / 2.0, 0, 0).unwrap();
        assert_eq!(almost.threshold, (1 << BITS) - 1);
        assert_eq!(Dropout::new(f64::MIN_POSITIVE, 0, 0).unwrap().threshold, 1);
        for keep in [0.0, -0.5, 1.5, f64::NAN, f64::INFINITY] {
            assert!(Dropout::new(keep, 0, 0).is_err(), "{keep}");
        }
    }
}
