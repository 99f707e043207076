//! Matching pursuit of rows whose squares leave the range of numbers: of the same rows, scaled by
//! powers of two, which rounds nothing.
//!
//! Atoms keep their proportions, since a longer one is chosen more easily: all have one factor.
//! Each target has its own. Coefficients take both back.

use isomorph_kernels::{Element, Isa};
use rayon::prelude::*;

use super::{Goal, Pursued, pursue_in_range};
use crate::Result;
use crate::linalg::Scalar;
use crate::matrix::MatRef;
use crate::memory::filled;
use crate::neighbors::FilterChoice;
use crate::runtime::Control;

/// Exponents of the largest values that need no scaling, of `f32`: what is that large is multiplied
/// and added up in `f32`.
const NARROW: i32 = 40;
/// Of `f64`, whose squares are taken.
const WIDE: i32 = 300;

/// Both sides with the largest value of the atoms, and of each target, between 1 and 2.
pub(super) struct Scaled {
    targets: Vec<f64>,
    atoms: Vec<f64>,
    depth: usize,
    /// What was taken off the exponents.
    of_targets: Vec<i32>,
    of_atoms: i32,
}

impl Scaled {
    /// Scaled copies, where they are needed.
    pub(super) fn where_needed<T: Element + Scalar>(
        targets: &MatRef<'_, T>,
        atoms: &MatRef<'_, T>,
    ) -> Result<Option<Self>> {
        let depth = atoms.cols();
        if depth == 0 {
            return Ok(None);
        }
        let safe = |exponent: Option<i32>, most: i32| exponent.is_none_or(|e| e.abs() <= most);
        let narrow = T::UNIT_ROUNDOFF > 1e-12;
        let rows = atoms.data().par_chunks(depth).map(largest_exponent);
        let of_atoms = rows.reduce(|| None, Option::max);
        let of_targets: Vec<Option<i32>> =
            targets.data().par_chunks(depth).map(largest_exponent).collect();
        if safe(of_atoms, if narrow { NARROW } else { WIDE })
            && of_targets.iter().all(|exponent| safe(*exponent, WIDE))
        {
            return Ok(None);
        }
        let of_targets: Vec<i32> = of_targets.iter().map(|e| e.unwrap_or(0)).collect();
        let of_atoms = of_atoms.unwrap_or(0);
        let (mut left, mut right) =
            (filled(0.0, targets.data().len())?, filled(0.0, atoms.data().len())?);
        let rows = left.par_chunks_mut(depth).zip(targets.data().par_chunks(depth));
        rows.zip(&of_targets).for_each(|((out, row), exponent)| scale(out, row, -exponent));
        let rows = right.par_chunks_mut(depth).zip(atoms.data().par_chunks(depth));
        rows.for_each(|(out, row)| scale(out, row, -of_atoms));
        Ok(Some(Self { targets: left, atoms: right, depth, of_targets, of_atoms }))
    }

    /// Pursue, and take the factors back.
    ///
    /// # Errors
    /// Those of the pursuit. A coefficient beyond the range is infinite.
    pub(super) fn pursue(
        &self,
        isa: Isa,
        goal: Goal,
        filter: FilterChoice,
        control: &Control,
    ) -> Result<Pursued> {
        let (n, m) = (self.of_targets.len(), self.atoms.len() / self.depth);
        let targets = MatRef::new(&self.targets, n, self.depth)?;
        let atoms = MatRef::new(&self.atoms, m, self.depth)?;
        let mut found = pursue_in_range(isa, targets, atoms, goal, filter, control)?;
        let mixture = &mut found.mixture;
        for (i, exponent) in self.of_targets.iter().enumerate() {
            #[allow(clippy::cast_sign_loss, clippy::cast_possible_truncation)]
            let (start, end) = (mixture.offsets[i] as usize, mixture.offsets[i + 1] as usize);
            for weight in &mut mixture.weights[start..end] {
                *weight = times_power(*weight, exponent - self.of_atoms);
            }
        }
        Ok(found)
    }
}

fn scale<T: Scalar>(out: &mut [f64], row: &[T], exponent: i32) {
    for (out, x) in out.iter_mut().zip(row) {
        *out = times_power(x.widen(), exponent);
    }
}

/// The exponent of the largest finite value; none of zeros.
fn largest_exponent<T: Scalar>(values: &[T]) -> Option<i32> {
    // In lanes, and without branches: every value is looked at.
    let mut largest = [0.0f64; 8];
    let (chunks, rest) = values.as_chunks::<8>();
    let larger = |a: f64, x: &T| {
        let x = x.widen().abs();
        if x > a && x <= f64::MAX { x } else { a }
    };
    for chunk in chunks {
        for (largest, x) in largest.iter_mut().zip(chunk) {
            *largest = larger(*largest, x);
        }
    }
    largest[0] = rest.iter().fold(largest[0], larger);
    let largest = largest.into_iter().fold(0.0, f64::max);
    (largest > 0.0).then(|| exponent_of(largest))
}

/// floor(log2(x)) of a positive number, by its bits.
#[allow(clippy::cast_possible_truncation, clippy::cast_possible_wrap)]
fn exponent_of(x: f64) -> i32 {
    // 2^54 lifts every subnormal number into the normal range.
    let (x, lift) = if x < f64::MIN_POSITIVE { (x * 2f64.powi(54), 54) } else { (x, 0) };
    ((x.to_bits() >> 52) & 0x7ff) as i32 - 1023 - lift
}

/// x 2^exponent, in steps that are powers of two themselves.
fn times_power(mut x: f64, mut exponent: i32) -> f64 {
    while exponent != 0 && x != 0.0 && x.is_finite() {
        let step = exponent.clamp(-1000, 1000);
        x *= 2f64.powi(step);
        exponent -= step;
    }
    x
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_two_round_nothing() {
        let smallest = f64::from_bits(1);
        for x in [1.5, -3.25e-300, f64::MAX, smallest, 7.0 * smallest] {
            let exponent = exponent_of(x.abs());
            let scaled = times_power(x, -exponent);
            assert!((1.0..2.0).contains(&scaled.abs()), "{x}");
            assert_eq!(times_power(scaled, exponent), x);
        }
        assert_eq!(times_power(0.0, 2000), 0.0);
        assert_eq!(times_power(1.0, 3000), f64::INFINITY);
        assert_eq!(largest_exponent(&[0.0f32; 3]), None);
        assert_eq!(largest_exponent(&[f64::NAN, -0.3, f64::INFINITY]), Some(-2));
    }
}
