//! Canonical dot products of one vector with four: for passes that need every score exactly.
//!
//! Four products at once keep eight chains of additions in flight, which one product alone (two
//! chains) does not: the adders' latency is hidden, the digits are those of [`Element::dot`].

use crate::Element;
use crate::isa::{Isa, Level};
use crate::portable::{LANES, sum_of_lanes};

/// How many vectors [`dots`] takes.
pub const DOTS: usize = 4;

/// The dot products of `x` with each of `ys`, each as [`Element::dot`] gives it.
///
/// Panics when the lengths differ.
pub fn dots<T: Element>(isa: Isa, x: &[T], ys: [&[T]; DOTS]) -> [f64; DOTS] {
    for y in ys {
        assert_eq!(x.len(), y.len(), "vectors of different lengths");
    }
    match isa.level() {
        Level::Portable => four(x, ys, |x, y, sum| sum + x * y),
        // SAFETY: the Isa value proves that the CPU has AVX2 and FMA.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { dots_avx2(x, ys) },
        // SAFETY: the Isa value proves that the CPU has AVX-512 F, and with it AVX2 and FMA.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { dots_avx512(x, ys) },
        #[cfg(target_arch = "aarch64")]
        Level::Neon => four(x, ys, |x, y, sum| sum + x * y),
    }
}

/// The eight lanes of a product are one register.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx2,fma")]
fn dots_avx512<T: Element>(x: &[T], ys: [&[T]; DOTS]) -> [f64; DOTS] {
    if T::UNIT_ROUNDOFF > 1e-12 {
        four(x, ys, |x, y, sum| x.mul_add(y, sum))
    } else {
        four(x, ys, |x, y, sum| sum + x * y)
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn dots_avx2<T: Element>(x: &[T], ys: [&[T]; DOTS]) -> [f64; DOTS] {
    if T::UNIT_ROUNDOFF > 1e-12 {
        // Products of f32 are exact in f64: fused or not, the same bits.
        four(x, ys, |x, y, sum| x.mul_add(y, sum))
    } else {
        four(x, ys, |x, y, sum| sum + x * y)
    }
}

#[inline(always)]
fn four<T: Element>(x: &[T], ys: [&[T]; DOTS], add: impl Fn(f64, f64, f64) -> f64) -> [f64; DOTS] {
    let mut sums = [[0.0; LANES]; DOTS];
    let (x_chunks, x_rest) = x.as_chunks::<LANES>();
    let chunks = ys.map(|y| y.as_chunks::<LANES>());
    for (at, x) in x_chunks.iter().enumerate() {
        let x = x.map(T::to_f64);
        for (sums, (y, _)) in sums.iter_mut().zip(&chunks) {
            let y = y[at].map(T::to_f64);
            for lane in 0..LANES {
                sums[lane] = add(x[lane], y[lane], sums[lane]);
            }
        }
    }
    for (sums, (_, y_rest)) in sums.iter_mut().zip(&chunks) {
        for (sum, (x, y)) in sums.iter_mut().zip(x_rest.iter().zip(*y_rest)) {
            *sum = add(x.to_f64(), y.to_f64(), *sum);
        }
    }
    sums.map(sum_of_lanes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn same_bits<T: Element>() {
        for cols in [1, 7, 8, 9, 31, 300] {
            let value = |i: usize| T::from_f64(((i * 2_654_435_761) % 1009) as f64 / 97.0 - 5.0);
            let row = |r: usize| (0..cols).map(|k| value(r * 1000 + k)).collect::<Vec<T>>();
            let rows: Vec<Vec<T>> = (0..5).map(row).collect();
            for isa in Isa::available() {
                let found = dots(isa, &rows[4], [&rows[0], &rows[1], &rows[2], &rows[3]]);
                for (found, y) in found.iter().zip(&rows) {
                    let expected = T::dot(Isa::portable(), &rows[4], y);
                    assert_eq!(found.to_bits(), expected.to_bits());
                }
            }
        }
    }

    #[test]
    fn four_at_once_have_the_bits_of_one() {
        same_bits::<f32>();
        same_bits::<f64>();
    }
}
