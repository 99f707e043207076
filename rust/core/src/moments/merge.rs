//! Two sets of rows as one.

use rayon::prelude::*;

use super::{Sums, higher, move_mean};
use crate::{Error, Result};

/// Add `other`, counted `times` times, to `sums`. Both must be scaled alike. O(D^2).
///
/// `other` is changed where norm-weighted sums are kept: it is brought to the common mean.
///
/// # Errors
/// [`Error::Shape`] when sizes do not fit.
pub fn merge(sums: &mut Sums<'_>, other: &mut Sums<'_>, times: f64) -> Result<()> {
    sums.check()?;
    other.check()?;
    let width = sums.width();
    let alike = sums.split == other.split
        && width == other.width()
        && sums.norms.len() == other.norms.len();
    if !alike {
        return Err(Error::Shape {
            argument: "other",
            expected: format!("moments of {} and {} columns", sums.split, width - sums.split),
            got: format!("{} and {}", other.split, other.width() - other.split),
        });
    }
    let (own, theirs) = (sums.weight[0], times * other.weight[0]);
    if theirs == 0.0 {
        return Ok(());
    }
    let total = own + theirs;
    let part = |mean: &[f64], i: usize| (mean[i], mean[width + i]);
    let apart: Vec<f64> = (0..width)
        .map(|i| {
            let ((a, a_low), (b, b_low)) = (part(sums.mean, i), part(other.mean, i));
            (b - a) + (b_low - a_low)
        })
        .collect();
    let scaled = |factor: f64| apart.iter().map(|x| factor * x).collect::<Vec<f64>>();
    if !sums.norms.is_empty() {
        let weight = other.weight[0];
        higher::shift(other, weight, &scaled(own / total));
        if own > 0.0 {
            higher::shift(sums, own, &scaled(-theirs / total));
        }
        sums.norms.iter_mut().zip(&*other.norms).for_each(|(a, b)| *a += times * b);
    }
    let between = own * (theirs / total);
    (sums.second.par_chunks_exact_mut(width))
        .zip(other.second.par_chunks_exact(width))
        .enumerate()
        .for_each(|(i, (row, theirs))| {
            let factor = between * apart[i];
            let right = row[i..].iter_mut().zip(&theirs[i..]).zip(&apart[i..]);
            right.for_each(|((s, t), x)| *s += times * t + factor * x);
        });
    if own == 0.0 {
        sums.mean.copy_from_slice(other.mean);
    } else {
        move_mean(sums.mean, &scaled(theirs / total));
    }
    sums.weight[0] = total;
    Ok(())
}
