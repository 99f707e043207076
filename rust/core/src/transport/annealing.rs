//! The values of reg that are gone through before the one that was asked for (epsilon scaling).
//!
//! Where reg is a good part of what the costs differ by, few steps suffice; and the solution for one
//! reg is a good start for half of it.

use super::{Marginal, Pass};
use crate::Result;
use crate::memory::filled;

/// Annealing begins at this part of the costs' spread.
pub(super) const FROM: f64 = 0.2;
/// It is done below this part where all steps are Newton's, and below the other where extrapolation is
/// tried before.
pub(super) const BELOW: f64 = 0.1;
pub(super) const BELOW_TRIED: f64 = 0.008;
/// From one value of reg to the next.
const BY: f64 = 2.0;
/// How many rows and columns tell the costs' spread.
const SAMPLE: usize = 64;
/// The error, as a part of the mass, down to which the problems of larger reg are solved.
pub(super) const DOWN_TO: f64 = 0.03;

/// The values of reg to go through, the last of which is `reg`: more than one where that is less than
/// the part `below` of the spread.
pub(super) fn stages(reg: f64, spread: f64, below: f64) -> Vec<f64> {
    let mut stages = Vec::new();
    if spread.is_finite() && reg < spread * below {
        let first = FROM * spread;
        let count = (((first / reg).ln() / BY.ln() - 1e-9).ceil()).max(1.0) as i32;
        stages.extend(
            (1..=count)
                .rev()
                .map(|left| reg * (first / reg).powf(f64::from(left) / f64::from(count))),
        );
    }
    stages.push(reg);
    stages
}

/// The standard deviation of costs, in units of reg, but for what is a row's or a column's own.
///
/// From a sample, a grid of [`SAMPLE`] rows and columns; forbidden pairs and what has no mass do not
/// count.
pub(super) fn spread(pass: &dyn Pass, rows: &Marginal<'_>, columns: &Marginal<'_>) -> Result<f64> {
    let (n, m) = pass.shape();
    let (height, width) = (n.min(SAMPLE), m.min(SAMPLE));
    let mut row = filled(0.0, m)?;
    let (mut part, mut weights) = (filled(0.0, height * width)?, filled(0.0, height * width)?);
    for k in 0..height {
        let i = k * n / height;
        pass.costs(i..i + 1, &mut row);
        for l in 0..width {
            let j = l * m / width;
            if row[j] < f64::INFINITY && rows.mass[i] > 0.0 && columns.mass[j] > 0.0 {
                part[k * width + l] = row[j];
                weights[k * width + l] = 1.0;
            }
        }
    }
    let mut centre = |place: &dyn Fn(usize, usize) -> usize, lines: usize, length: usize| {
        for line in 0..lines {
            let places = || (0..length).map(|at| place(line, at));
            let total: f64 = places().map(|at| weights[at]).sum();
            let mean = places().map(|at| part[at]).sum::<f64>() / total.max(1.0);
            places().for_each(|at| part[at] = (part[at] - mean) * weights[at]);
        }
    };
    centre(&|k, l| k * width + l, height, width);
    centre(&|l, k| k * width + l, width, height);
    let total: f64 = weights.iter().sum();
    let squares: f64 = part.iter().map(|x| x * x).sum();
    Ok(if total > 0.0 { (squares / total).sqrt() } else { 0.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reg_is_halved_about() {
        assert_eq!(stages(0.5, 1.0, BELOW), [0.5]);
        assert_eq!(stages(0.15, 1.0, BELOW), [0.15]);
        assert_eq!(stages(0.15, 1.0, FROM), [0.2, 0.15]);
        assert_eq!(stages(1e-3, f64::INFINITY, FROM), [1e-3]);
        assert_eq!(stages(1e-3, 0.0, FROM), [1e-3]);
        let some = stages(0.011, 1.0, BELOW);
        assert_eq!(some.len(), 6);
        assert!((some[0] - 0.2).abs() < 1e-12 && some[5] == 0.011);
        assert!(some.windows(2).all(|two| (1.5..2.001).contains(&(two[0] / two[1]))));
    }
}
