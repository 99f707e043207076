//! Sums of weighted rows.
//!
//! Every product and every sum is rounded on its own: the bits depend on no instruction set, and the
//! work waits for memory anyway.

use crate::isa::Isa;
#[cfg(target_arch = "x86_64")]
use crate::isa::Level;
use crate::late::Late;

/// `to[i] = weight * row[i]`.
///
/// # Panics
/// When the lengths differ.
pub fn set_weighted<T: Late>(isa: Isa, weight: T, row: &[T], to: &mut [T]) {
    assert_eq!(row.len(), to.len(), "rows do not fit");
    #[cfg(target_arch = "x86_64")]
    if isa.level() != Level::Portable {
        // SAFETY: every set above the portable one has AVX2.
        return unsafe { crate::x86_64::mixing::set_weighted(weight, row, to) };
    }
    let _ = isa;
    plain::set_weighted(weight, row, to);
}

/// `to[i] += weight * row[i]`.
///
/// # Panics
/// When the lengths differ.
pub fn add_weighted<T: Late>(isa: Isa, weight: T, row: &[T], to: &mut [T]) {
    assert_eq!(row.len(), to.len(), "rows do not fit");
    #[cfg(target_arch = "x86_64")]
    if isa.level() != Level::Portable {
        // SAFETY: as above.
        return unsafe { crate::x86_64::mixing::add_weighted(weight, row, to) };
    }
    let _ = isa;
    plain::add_weighted(weight, row, to);
}

/// [`add_weighted`] of four rows, one after the other: the same bits, and four rows on their way
/// from memory at once.
///
/// # Panics
/// When the lengths differ.
pub fn add_four<T: Late>(isa: Isa, weights: [T; 4], rows: [&[T]; 4], to: &mut [T]) {
    assert!(rows.iter().all(|row| row.len() == to.len()), "rows do not fit");
    #[cfg(target_arch = "x86_64")]
    if isa.level() != Level::Portable {
        // SAFETY: as above.
        return unsafe { crate::x86_64::mixing::add_four(weights, rows, to) };
    }
    let _ = isa;
    plain::add_four(weights, rows, to);
}

/// In plain Rust: what the compiler turns into the instructions that it may use.
pub mod plain {
    use super::Late;

    /// See [`super::set_weighted`].
    #[inline(always)]
    pub fn set_weighted<T: Late>(weight: T, row: &[T], to: &mut [T]) {
        for (to, x) in to.iter_mut().zip(row) {
            *to = weight.times(*x);
        }
    }

    /// See [`super::add_weighted`].
    #[inline(always)]
    pub fn add_weighted<T: Late>(weight: T, row: &[T], to: &mut [T]) {
        for (to, x) in to.iter_mut().zip(row) {
            *to = to.plus(weight.times(*x));
        }
    }

    /// See [`super::add_four`].
    #[inline(always)]
    pub fn add_four<T: Late>(weights: [T; 4], rows: [&[T]; 4], to: &mut [T]) {
        let pairs = rows[0].iter().zip(rows[1]).zip(rows[2].iter().zip(rows[3]));
        for (to, ((a, b), (c, d))) in to.iter_mut().zip(pairs) {
            let two = to.plus(weights[0].times(*a)).plus(weights[1].times(*b));
            *to = two.plus(weights[2].times(*c)).plus(weights[3].times(*d));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bits of numbers that need rounding, on every instruction set.
    fn bits_are_those_of_a_loop<T: Late>() {
        for length in [0, 1, 7, 8, 9, 31, 64, 131] {
            let at = |i: usize, n: u32| T::from_f64(f64::from(n + i as u32).sin() * 1e3);
            let row: Vec<T> = (0..length).map(|i| at(i, 3)).collect();
            let start: Vec<T> = (0..length).map(|i| at(i, 77)).collect();
            let weight = T::from_f64(0.123_456_789);
            for isa in Isa::available() {
                let (mut set, mut added) = (start.clone(), start.clone());
                set_weighted(isa, weight, &row, &mut set);
                add_weighted(isa, weight, &row, &mut added);
                let rows = [&row[..], &start, &set, &added];
                let (mut four, mut one) = (start.clone(), start.clone());
                add_four(isa, [weight, weight.times(weight), weight, weight], rows, &mut four);
                for (weight, row) in [weight, weight.times(weight), weight, weight].iter().zip(rows)
                {
                    add_weighted(isa, *weight, row, &mut one);
                }
                assert!(four.iter().zip(&one).all(|(a, b)| a.to_f64() == b.to_f64()));
                for i in 0..length {
                    let product = weight.times(row[i]);
                    assert_eq!(set[i].to_f64().to_bits(), product.to_f64().to_bits());
                    let sum = start[i].plus(product);
                    assert_eq!(added[i].to_f64().to_bits(), sum.to_f64().to_bits());
                }
            }
        }
    }

    #[test]
    fn every_instruction_set_gives_the_bits_of_a_loop() {
        bits_are_those_of_a_loop::<f32>();
        bits_are_those_of_a_loop::<f64>();
    }

    #[test]
    #[should_panic(expected = "rows do not fit")]
    fn rows_of_different_lengths_are_refused() {
        add_weighted(Isa::portable(), 1.0, &[1.0], &mut [0.0; 2]);
    }
}
