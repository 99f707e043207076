//! Sparsemax of cosines: the point of the simplex nearest to a row of similarities (Martins and
//! Astudillo 2016), of all pairs of two sides, without their matrix.
//!
//! `sparsemax(z) = max(z - τ, 0)` with τ such that the weights add up to one. The τ of *some* of
//! the similarities is never above that of all: whatever is below it has no weight. So a row keeps
//! what exceeds the τ of what it has kept (as Condat 2016 projects a stream), the threshold rises
//! as blocks go by, and few are left. Blocks of products in the computing type only filter, their
//! error e in the threshold: with all scores within e, τ of some scores minus e is a lower bound on
//! τ, and a score under that by another e is left out. What is left is scored anew in `f64`, sorted
//! and summed.

use isomorph_kernels::{Element, Isa};
use rayon::prelude::*;

use super::mixture::{Mixture, error, products, same_columns};
use crate::linalg::Scalar;
use crate::matrix::MatRef;
use crate::memory::filled;
use crate::runtime::Control;
use crate::{Error, Result};

/// Rows of a task.
const ROWS: usize = 128;
/// Columns of a block of products: a task's block is 256 KiB of `f32`.
const COLUMNS: usize = 512;
/// What a row may keep before its threshold is raised.
const KEPT: usize = 128;
/// Room for the rounding of sums of thresholds in `f64`.
const SLACK: f64 = 1e-12;

/// The rows of one side as they are and with norm 1, rounded.
struct Side<'a, T> {
    rows: MatRef<'a, T>,
    norms: Vec<f64>,
    unit: Vec<T>,
}

impl<'a, T: Element + Scalar> Side<'a, T> {
    fn new(isa: Isa, rows: MatRef<'a, T>) -> Result<Self> {
        let depth = rows.cols();
        let mut norms = filled(0.0, rows.rows())?;
        let mut unit = filled(T::default(), rows.data().len())?;
        unit.par_chunks_mut(depth).zip(norms.par_iter_mut()).enumerate().for_each(
            |(i, (unit, norm))| {
                let row = rows.row(i);
                *norm = T::dot(isa, row, row).sqrt();
                if *norm > 0.0 {
                    for (to, x) in unit.iter_mut().zip(row) {
                        *to = T::round(x.widen() / *norm);
                    }
                }
            },
        );
        Ok(Self { rows, norms, unit })
    }
}

/// What a row has kept, and what a score must exceed to be kept.
struct Kept<T> {
    entries: Vec<(T, u32)>,
    bar: T,
    /// How many entries make it worth raising the bar.
    limit: usize,
}

impl<T: Element + Scalar> Kept<T> {
    fn offer(&mut self, scores: &[T], first: usize, error: f64) {
        for (group, scores) in scores.chunks(16).enumerate() {
            if !scores.iter().fold(false, |any, score| any | (*score > self.bar)) {
                continue;
            }
            for (at, score) in scores.iter().enumerate() {
                if *score > self.bar {
                    #[allow(clippy::cast_possible_truncation)] // Rows have numbers of 32 bits.
                    self.entries.push((*score, (first + group * 16 + at) as u32));
                }
            }
        }
        if self.entries.len() > self.limit {
            self.raise(error);
        }
    }

    /// Raise the bar to what the entries themselves prove, and drop those under it.
    fn raise(&mut self, error: f64) {
        let largest = self.entries.iter().fold(f64::NEG_INFINITY, |l, e| l.max(e.0.widen()));
        // Each round leaves out what cannot be above the threshold of all (Michelot 1986).
        let mut bar = largest - 1.0;
        loop {
            let above = self.entries.iter().map(|e| e.0.widen()).filter(|&score| score > bar);
            let (sum, count) =
                above.fold((0.0, 0u32), |(s, n), score| (s + (score - largest), n + 1));
            let next = largest + (sum - 1.0) / f64::from(count.max(1));
            if next.is_nan() || next <= bar {
                break;
            }
            bar = next;
        }
        let bar = T::from_f64(bar - 2.0 * error - SLACK).next_down();
        if bar > self.bar {
            self.bar = bar;
        }
        let bar = self.bar;
        self.entries.retain(|entry| entry.0 > bar);
        self.limit = KEPT.max(2 * self.entries.len());
    }
}

/// Sparsemax of the cosines of each target row with all atoms: which atoms have a weight, and which.
///
/// A target row of zeros has no entries. O(n m d); memory: a copy of both sides and what rows keep.
///
/// # Errors
/// [`Error::Shape`], [`Error::Cancelled`], [`Error::Memory`].
pub fn sparsemax<T: Element + Scalar>(
    targets: MatRef<'_, T>,
    atoms: MatRef<'_, T>,
    control: &Control,
) -> Result<Mixture> {
    let depth = targets.cols();
    same_columns("atoms", atoms.cols(), depth)?;
    control.start(targets.rows() as u64);
    if depth == 0 || atoms.rows() == 0 {
        return Mixture::of(&vec![Vec::new(); targets.rows()]);
    }
    let isa = Isa::chosen().map_err(Error::Isa)?;
    let (left, right) = (Side::new(isa, targets)?, Side::new(isa, atoms)?);
    let error = error::<T>(depth);
    let mut rows = filled(Vec::new(), targets.rows())?;
    rows.par_chunks_mut(ROWS).enumerate().with_max_len(1).try_for_each(|(task, rows)| {
        let first = task * ROWS;
        let own = &left.unit[first * depth..][..rows.len() * depth];
        let empty = || Kept { entries: Vec::new(), bar: T::NEG_INFINITY, limit: KEPT };
        let mut kept: Vec<Kept<T>> = rows.iter().map(|_| empty()).collect();
        let mut block = vec![T::default(); rows.len() * COLUMNS];
        for (number, columns) in right.unit.chunks(COLUMNS * depth).enumerate() {
            control.check()?;
            let width = columns.len() / depth;
            products(&mut block, own, columns, depth);
            for (kept, scores) in kept.iter_mut().zip(block.chunks_exact(width)) {
                kept.offer(scores, number * COLUMNS, error);
            }
        }
        for (i, (mut kept, row)) in kept.into_iter().zip(rows.iter_mut()).enumerate() {
            if left.norms[first + i] > 0.0 {
                kept.raise(error);
                *row = settle(isa, &left, first + i, &right, &kept.entries);
            }
        }
        control.advance(rows.len() as u64);
        Ok(())
    })?;
    Mixture::of(&rows)
}

/// Sparsemax of the few entries that can have a weight, in `f64`.
fn settle<T: Element + Scalar>(
    isa: Isa,
    left: &Side<'_, T>,
    i: usize,
    right: &Side<'_, T>,
    entries: &[(T, u32)],
) -> Vec<(u32, f64)> {
    let cosine = |&(_, j): &(T, u32)| {
        let at = j as usize;
        let norms = left.norms[i] * right.norms[at];
        let dot = T::dot(isa, left.rows.row(i), right.rows.row(at));
        (j, if norms > 0.0 { dot / norms } else { 0.0 })
    };
    let mut scores: Vec<(u32, f64)> = entries.iter().map(cosine).collect();
    scores.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    let largest = scores.first().map_or(0.0, |first| first.1);
    let (mut sum, mut threshold) = (0.0, 0.0);
    for (rank, (_, score)) in scores.iter().enumerate() {
        let (count, score) = (rank as f64 + 1.0, score - largest);
        if 1.0 + count * score <= sum + score {
            break;
        }
        sum += score;
        threshold = (sum - 1.0) / count;
    }
    let weights = scores.iter().map(|&(j, score)| (j, (score - largest) - threshold));
    let mut row: Vec<(u32, f64)> = weights.filter(|(_, weight)| *weight > 0.0).collect();
    row.sort_unstable_by_key(|(j, _)| *j);
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(rows: usize, cols: usize, seed: u64) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888);
            ((state >> 40) as f32) / 1e7 - 0.8
        };
        (0..rows * cols).map(|_| next()).collect()
    }

    /// By sorting all similarities in `f64`.
    fn oracle(x: &[f32], atoms: &[f32], depth: usize) -> Vec<(u32, f64)> {
        let dot = |a: &[f32], b: &[f32]| -> f64 {
            a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
        };
        let norm = |a: &[f32]| dot(a, a).sqrt();
        let z: Vec<f64> =
            atoms.chunks(depth).map(|atom| dot(x, atom) / (norm(x) * norm(atom))).collect();
        let mut sorted = z.clone();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let mut sum = 0.0;
        let mut threshold = 0.0;
        for (k, score) in sorted.iter().enumerate() {
            sum += score;
            if 1.0 + (k + 1) as f64 * score > sum {
                threshold = (sum - 1.0) / (k + 1) as f64;
            }
        }
        let weights = z.iter().enumerate().map(|(j, score)| (j as u32, score - threshold));
        weights.filter(|(_, weight)| *weight > 0.0).collect()
    }

    #[test]
    fn weights_are_those_of_sorting_everything() {
        let (n, m, d) = (131, 1500, 9);
        let (x, y) = (values(n, d, 1), values(m, d, 2));
        let (left, right) = (MatRef::new(&x, n, d).unwrap(), MatRef::new(&y, m, d).unwrap());
        let found = sparsemax(left, right, &Control::default()).unwrap();
        for (i, x) in x.chunks(d).enumerate() {
            let range = found.offsets[i] as usize..found.offsets[i + 1] as usize;
            let expected = oracle(x, &y, d);
            assert_eq!(range.len(), expected.len());
            for (at, (j, weight)) in range.clone().zip(expected) {
                assert_eq!(found.indices[at], i64::from(j));
                assert!((found.weights[at] - weight).abs() < 1e-12);
            }
            let sum: f64 = found.weights[range].iter().sum();
            assert!((sum - 1.0).abs() < 1e-12);
        }
    }

    #[test]
    fn rows_of_zeros_equal_atoms_and_nothing_at_all() {
        let x = [0.0f32, 0.0, 1.0, 0.0];
        let y = [1.0f32, 0.0].repeat(700);
        let (left, right) = (MatRef::new(&x, 2, 2).unwrap(), MatRef::new(&y, 700, 2).unwrap());
        let found = sparsemax(left, right, &Control::default()).unwrap();
        assert_eq!(found.offsets, [0, 0, 700]);
        assert!(found.weights.iter().all(|weight| (weight - 1.0 / 700.0).abs() < 1e-12));
        let none = MatRef::new(&[], 0, 2).unwrap();
        assert_eq!(sparsemax::<f32>(left, none, &Control::default()).unwrap().offsets, [0, 0, 0]);
        assert!(sparsemax(left, MatRef::new(&y, 1400, 1).unwrap(), &Control::default()).is_err());
    }
}
