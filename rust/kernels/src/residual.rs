//! What weighted rows leave of a row, and products with that, in `f64`.
//!
//! Every product and every sum is rounded on its own and in a fixed order: the bits depend on no
//! instruction set.

use crate::Element;
use crate::isa::Isa;
#[cfg(target_arch = "x86_64")]
use crate::isa::Level;
use crate::portable::LANES;

/// `from[i] -= (w[0] rows[0][i] + w[1] rows[1][i]) + (w[2] rows[2][i] + w[3] rows[3][i])`.
///
/// # Panics
/// When the lengths differ.
pub fn subtract_four<T: Element>(isa: Isa, w: [f64; 4], rows: [&[T]; 4], from: &mut [f64]) {
    assert!(rows.iter().all(|row| row.len() == from.len()), "rows do not fit");
    match isa.level() {
        // SAFETY: the Isa value proves that the CPU has AVX-512 F.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { crate::x86_64::residual::subtract_avx512(w, rows, from) },
        // SAFETY: the Isa value proves that the CPU has AVX2.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { crate::x86_64::residual::subtract_avx2(w, rows, from) },
        _ => plain::subtract_four(w, rows, from),
    }
}

/// `Σ x y`: value `k` goes to lane `k % 8` as far as there are eight; what is left is added last.
///
/// # Panics
/// When the lengths differ.
pub fn dot_wide<T: Element>(isa: Isa, x: &[T], y: &[f64]) -> f64 {
    assert_eq!(x.len(), y.len(), "vectors of different lengths");
    match isa.level() {
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { crate::x86_64::residual::dot_avx512(x, y) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { crate::x86_64::residual::dot_avx2(x, y) },
        _ => plain::dot_wide(x, y),
    }
}

/// In plain Rust: what the compiler turns into the instructions that it may use.
pub mod plain {
    use super::{Element, LANES};

    /// See [`super::subtract_four`].
    #[inline(always)]
    pub fn subtract_four<T: Element>(w: [f64; 4], rows: [&[T]; 4], from: &mut [f64]) {
        let pairs = rows[0].iter().zip(rows[1]).zip(rows[2].iter().zip(rows[3]));
        for (from, ((a, b), (c, d))) in from.iter_mut().zip(pairs) {
            *from -=
                (w[0] * a.to_f64() + w[1] * b.to_f64()) + (w[2] * c.to_f64() + w[3] * d.to_f64());
        }
    }

    /// See [`super::dot_wide`].
    #[inline(always)]
    pub fn dot_wide<T: Element>(x: &[T], y: &[f64]) -> f64 {
        let mut sums = [0.0; LANES];
        let (xs, x_rest) = x.as_chunks::<LANES>();
        let (ys, y_rest) = y.as_chunks::<LANES>();
        for (x, y) in xs.iter().zip(ys) {
            for lane in 0..LANES {
                sums[lane] += x[lane].to_f64() * y[lane];
            }
        }
        let mut rest = 0.0;
        for (x, y) in x_rest.iter().zip(y_rest) {
            rest += x.to_f64() * y;
        }
        let mut sum = 0.0;
        for lane in sums {
            sum += lane;
        }
        sum + rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bits_are_those_of_a_loop<T: Element>() {
        for length in [0, 1, 7, 8, 9, 31, 64, 131] {
            let at = |i: usize, n: u32| (f64::from(n + i as u32)).sin() * 1e3;
            let rows: [Vec<T>; 4] = std::array::from_fn(|r| {
                (0..length).map(|i| T::from_f64(at(i, 1000 * r as u32))).collect()
            });
            let rows = rows.each_ref().map(Vec::as_slice);
            let start: Vec<f64> = (0..length).map(|i| at(i, 77)).collect();
            let w = [0.3, -1.7, 0.123_456_789, 2e-3];
            let sizes = rows[1].iter().zip(&start).map(|(x, y)| x.to_f64() * y);
            let (sum, size) = sizes.fold((0.0, 0.0), |(s, a), p| (s + p, a + p.abs()));
            let expected = dot_wide(Isa::portable(), rows[1], &start);
            assert!((expected - sum).abs() <= 2.0 * length as f64 * f64::EPSILON * size);
            for isa in Isa::available() {
                assert_eq!(dot_wide(isa, rows[1], &start).to_bits(), expected.to_bits());
                let mut left = start.clone();
                subtract_four(isa, w, rows, &mut left);
                for i in 0..length {
                    let x = rows.map(|row| row[i].to_f64());
                    let expected =
                        start[i] - ((w[0] * x[0] + w[1] * x[1]) + (w[2] * x[2] + w[3] * x[3]));
                    assert_eq!(left[i].to_bits(), expected.to_bits());
                }
            }
        }
    }

    #[test]
    fn every_instruction_set_leaves_the_bits_of_a_loop() {
        bits_are_those_of_a_loop::<f32>();
        bits_are_those_of_a_loop::<f64>();
    }

    #[test]
    #[should_panic(expected = "rows do not fit")]
    fn rows_of_different_lengths_leave_nothing() {
        subtract_four(Isa::portable(), [1.0; 4], [&[1.0f32]; 4], &mut [0.0; 2]);
    }
}
