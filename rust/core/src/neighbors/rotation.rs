//! A fixed orthogonal rotation that spreads a row's energy over all its coordinates.
//!
//! Rounding to few bits costs a row `max |x_k|` over the number of levels in each coordinate, so
//! one large coordinate would spoil it. Random signs and a Walsh-Hadamard transform over the first `w`
//! coordinates (`w` the largest power of two that fits), the same over the last `w`, a permutation
//! and all of it once more leave the coordinates of any row nearly normal (Ailon & Chazelle
//! 2006, "Approximate nearest neighbors and the fast Johnson-Lindenstrauss transform"), in
//! O(d log d). The signs and the permutation depend on the dimension only.
//!
//! It works on panels of [`LANES`] rows, coordinate by coordinate, in `f32`.

/// Rows that are rotated together.
pub(super) const LANES: usize = 16;
/// Coordinates of some rows: one array a coordinate.
pub(super) type Panel = [[f32; LANES]];

const ROUNDS: usize = 2;

/// The rotation of one dimension.
pub(super) struct Rotation {
    window: usize,
    /// Of each transform: without new ones before it, a shifted window would undo part of the
    /// transform before.
    signs: [Vec<f32>; 2 * ROUNDS],
    /// Where coordinate `k` of the second round comes from.
    permutation: Vec<usize>,
}

impl Rotation {
    pub(super) fn new(dimension: usize) -> Self {
        let window = (dimension / 2 + 1).next_power_of_two();
        let sign = |at: usize, k: usize| {
            if mixed((at * dimension + k) as u64) & 1 == 0 { 1.0 } else { -1.0 }
        };
        // A stride without a common factor visits every coordinate; near the golden section,
        // neighbours come to lie far apart.
        let mut stride = (dimension as f64 * 0.618) as usize + 1;
        while common_factor(stride, dimension) > 1 {
            stride += 1;
        }
        Self {
            window,
            signs: std::array::from_fn(|at| (0..window).map(|k| sign(at, k)).collect()),
            permutation: (0..dimension).map(|k| (k * stride + 1) % dimension).collect(),
        }
    }

    /// How far a computed row is from the exactly rotated one, relative to the row's norm: a
    /// rounding of every coordinate a stage of each transform, for its factor and two for the factor's
    /// own roundings (Higham 2002, section 24.1, for the fast Fourier transform), and one of the
    /// given row.
    pub(super) fn error(&self) -> f64 {
        let stages = f64::from(self.window.trailing_zeros()) + 3.0;
        1.1 * (2.0 * ROUNDS as f64 * stages + 1.0) * f64::from(f32::EPSILON) / 2.0
    }

    /// Rotate `panel`; `scratch` has its length.
    pub(super) fn apply(&self, panel: &mut Panel, scratch: &mut Panel) {
        self.round(0, panel);
        for (out, &from) in scratch.iter_mut().zip(&self.permutation) {
            *out = panel[from];
        }
        self.round(1, scratch);
        panel.copy_from_slice(scratch);
    }

    fn round(&self, round: usize, panel: &mut Panel) {
        let rest = panel.len() - self.window;
        transform(&mut panel[..self.window], &self.signs[2 * round]);
        // Where the window is everything, once is enough.
        if rest > 0 {
            transform(&mut panel[rest..], &self.signs[2 * round + 1]);
        }
    }
}

/// Signs and the orthogonal Walsh-Hadamard transform; the length is a power of two.
fn transform(panel: &mut Panel, signs: &[f32]) {
    for (row, &sign) in panel.iter_mut().zip(signs) {
        row.iter_mut().for_each(|x| *x *= sign);
    }
    let mut half = 1;
    while half < panel.len() {
        for pair in panel.chunks_exact_mut(2 * half) {
            let (low, high) = pair.split_at_mut(half);
            for (low, high) in low.iter_mut().zip(high) {
                for (a, b) in low.iter_mut().zip(high) {
                    (*a, *b) = (*a + *b, *a - *b);
                }
            }
        }
        half *= 2;
    }
    #[allow(clippy::cast_precision_loss)] // A power of two.
    let scale = 1.0 / (panel.len() as f32).sqrt();
    for row in panel {
        row.iter_mut().for_each(|x| *x *= scale);
    }
}

/// The finalizer of SplitMix64 (Steele, Lea & Flood 2014).
const fn mixed(x: u64) -> u64 {
    let x = x.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

const fn common_factor(a: usize, b: usize) -> usize {
    if b == 0 { a } else { common_factor(b, a % b) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rotated(dimension: usize, value: impl Fn(usize, usize) -> f32) -> Vec<[f32; LANES]> {
        let mut panel: Vec<[f32; LANES]> =
            (0..dimension).map(|k| std::array::from_fn(|lane| value(k, lane))).collect();
        let mut scratch = panel.clone();
        Rotation::new(dimension).apply(&mut panel, &mut scratch);
        panel
    }

    fn dot(panel: &[[f32; LANES]], a: usize, b: usize) -> f64 {
        panel.iter().map(|x| f64::from(x[a]) * f64::from(x[b])).sum()
    }

    #[test]
    fn keeps_every_dot_product_within_its_error() {
        for dimension in [1, 2, 3, 5, 31, 32, 33, 63, 64, 65, 100, 255, 256, 257, 300, 511, 1030] {
            let value = |k: usize, lane: usize| {
                (mixed((k * LANES + lane) as u64) >> 40) as f32 / (1u64 << 23) as f32 - 1.0
            };
            let given: Vec<[f32; LANES]> =
                (0..dimension).map(|k| std::array::from_fn(|lane| value(k, lane))).collect();
            let got = rotated(dimension, value);
            let error = Rotation::new(dimension).error();
            assert!(error < 4e-6);
            for a in 0..LANES {
                for b in 0..LANES {
                    let sizes = (dot(&given, a, a) * dot(&given, b, b)).sqrt();
                    let difference = (dot(&given, a, b) - dot(&got, a, b)).abs();
                    assert!(difference <= 2.01 * error * sizes, "{dimension} {a} {b} {difference}");
                }
            }
        }
    }

    #[test]
    fn spreads_every_single_coordinate() {
        for dimension in [32, 48, 100, 256, 300, 511, 768, 1030] {
            for first in (0..dimension).step_by(LANES) {
                let got = rotated(dimension, |k, lane| f32::from(k == first + lane));
                let largest = got.iter().flatten().fold(0.0f32, |most, x| most.max(x.abs()));
                // A normal sample of this size stays below 5.5 standard deviations.
                assert!(largest <= 5.5 / (dimension as f32).sqrt(), "{dimension} {largest}");
            }
        }
    }
}
