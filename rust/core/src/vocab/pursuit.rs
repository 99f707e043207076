//! Orthogonal matching pursuit (Pati, Rezaiifar and Krishnaprasad 1993; in Cholesky form, Rubinstein,
//! Zibulevsky and Elad 2008): each row as a combination of few atoms.
//!
//! In each step the atom with the largest `|<d_j, r>|` joins the support, and the residual r is that
//! of least squares on the support. Which atom it is, blocks of products of many residuals with all
//! atoms tell in the computing type, up to a bounded error; the few that it leaves are compared in
//! `f64`. Of the Gram matrix only the entries between the chosen atoms are ever computed.

use isomorph_kernels::{DOTS, Element, Isa, dots};
use rayon::prelude::*;

use super::mixture::{Mixture, error, products, same_columns};
use crate::linalg::Scalar;
use crate::matrix::MatRef;
use crate::memory::{filled, reserved};
use crate::runtime::Control;
use crate::{Error, Result};

/// Rows that are pursued at once: they share each reading of the atoms.
const BATCH: usize = 512;
/// Atoms of a block of products.
const COLUMNS: usize = 512;
/// An atom nearer than this, in squares, to the span of the support depends on it.
const DEPENDENT: f64 = 1e-10;
/// A correlation under this part of the norms is rounding.
const ROUNDING: f64 = 1e-12;

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub struct Pursued {
    /// The support of each row and its coefficients.
    pub mixture: Mixture,
    /// The norm of what the support leaves, relative to the row's.
    pub residuals: Vec<f64>,
}

/// One row on its way.
struct Path<'a, T> {
    target: &'a [T],
    norm: f64,
    /// In the order of choice.
    support: Vec<u32>,
    /// The lower triangle of the Cholesky factor of the support's Gram matrix, row after row.
    factor: Vec<f64>,
    /// What the factor's inverse makes of the products of the support with the target.
    forward: Vec<f64>,
    coefficients: Vec<f64>,
    residual: Vec<f64>,
    residual_norm: f64,
    done: bool,
}

impl<'a, T: Element + Scalar> Path<'a, T> {
    fn new(isa: Isa, target: &'a [T], tolerance: f64) -> Self {
        let norm = T::dot(isa, target, target).sqrt();
        Self {
            target,
            norm,
            support: Vec::new(),
            factor: Vec::new(),
            forward: Vec::new(),
            coefficients: Vec::new(),
            residual: target.iter().map(|x| x.widen()).collect(),
            residual_norm: norm,
            // A tolerance of 1 or more asks for nothing.
            done: norm == 0.0 || tolerance >= 1.0,
        }
    }

    /// Take the best of the candidates into the support, or stop.
    fn step(&mut self, isa: Isa, atoms: &MatRef<'_, T>, candidates: &[u32], goal: Goal) {
        let correlation = |j: u32| (j, mixed_dot(atoms.row(j as usize), &self.residual).abs());
        let best = candidates
            .iter()
            .map(|&j| correlation(j))
            .reduce(|a, b| if b.1 > a.1 || (b.1 == a.1 && b.0 < a.0) { b } else { a });
        let Some((chosen, value)) = best else {
            self.done = true;
            return;
        };
        let atom = atoms.row(chosen as usize);
        let square = T::dot(isa, atom, atom);
        if value <= ROUNDING * self.norm * square.sqrt() || !self.join(isa, atoms, chosen, square) {
            self.done = true;
            return;
        }
        self.solve();
        self.subtract(atoms);
        let enough = self.residual_norm <= goal.tolerance * self.norm;
        self.done = enough || self.support.len() >= goal.most;
    }

    /// One more row of the factor; false when the atom depends on the support.
    fn join(&mut self, isa: Isa, atoms: &MatRef<'_, T>, chosen: u32, square: f64) -> bool {
        let (atom, size) = (atoms.row(chosen as usize), self.support.len());
        let mut row = Vec::with_capacity(size + 1);
        for group in self.support.chunks(DOTS) {
            let others = std::array::from_fn(|n| atoms.row(group[n.min(group.len() - 1)] as usize));
            row.extend_from_slice(&dots(isa, atom, others)[..group.len()]);
        }
        for i in 0..size {
            let own = &self.factor[i * (i + 1) / 2..][..=i];
            let known: f64 = own[..i].iter().zip(&row).map(|(l, w)| l * w).sum();
            row[i] = (row[i] - known) / own[i];
        }
        let rest = square - row.iter().map(|w| w * w).sum::<f64>();
        if rest.is_nan() || rest <= DEPENDENT * square {
            return false;
        }
        let known: f64 = row.iter().zip(&self.forward).map(|(w, z)| w * z).sum();
        let diagonal = rest.sqrt();
        self.forward.push((T::dot(isa, atom, self.target) - known) / diagonal);
        row.push(diagonal);
        self.factor.extend(row);
        self.support.push(chosen);
        true
    }

    /// The coefficients of least squares, by back substitution.
    fn solve(&mut self) {
        let size = self.support.len();
        self.coefficients.clone_from(&self.forward);
        for i in (0..size).rev() {
            let row = &self.factor[i * (i + 1) / 2..][..=i];
            let value = self.coefficients[i] / row[i];
            self.coefficients[i] = value;
            for (c, l) in self.coefficients[..i].iter_mut().zip(row) {
                *c -= value * l;
            }
        }
    }

    /// The residual from scratch: rounding does not pile up.
    fn subtract(&mut self, atoms: &MatRef<'_, T>) {
        for (r, x) in self.residual.iter_mut().zip(self.target) {
            *r = x.widen();
        }
        // Four at a time: the residual is read and written a quarter as often.
        for (group, c) in self.support.chunks(4).zip(self.coefficients.chunks(4)) {
            let rows: [&[T]; 4] =
                std::array::from_fn(|n| atoms.row(group[n.min(group.len() - 1)] as usize));
            let c: [f64; 4] = std::array::from_fn(|n| c.get(n).copied().unwrap_or(0.0));
            let pairs = rows[0].iter().zip(rows[1]).zip(rows[2].iter().zip(rows[3]));
            for (r, ((x0, x1), (x2, x3))) in self.residual.iter_mut().zip(pairs) {
                *r -= (c[0] * x0.widen() + c[1] * x1.widen())
                    + (c[2] * x2.widen() + c[3] * x3.widen());
            }
        }
        self.residual_norm = mixed_dot(&self.residual, &self.residual).sqrt();
    }
}

/// When a row has what it needs.
#[derive(Clone, Copy)]
struct Goal {
    most: usize,
    tolerance: f64,
}

/// `Σ x y` in `f64`, in eight lanes.
fn mixed_dot<T: Scalar>(x: &[T], y: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (xs, x_rest) = x.as_chunks::<8>();
    let (ys, y_rest) = y.as_chunks::<8>();
    for (x, y) in xs.iter().zip(ys) {
        for lane in 0..8 {
            sums[lane] += x[lane].widen() * y[lane];
        }
    }
    let rest: f64 = x_rest.iter().zip(y_rest).map(|(x, y)| x.widen() * y).sum();
    sums.iter().sum::<f64>() + rest
}

/// The rows of `targets` as combinations of at most `most` rows of `atoms`, until what is left of a
/// row is within `tolerance` of its norm, or no atom that does not depend on the chosen ones is left.
///
/// Each product of a step costs 2 d operations: O(n k m d). Memory: 512 rows' residuals and factors.
///
/// # Errors
/// [`Error::Shape`], [`Error::Cancelled`], [`Error::Memory`].
pub fn pursue<T: Element + Scalar>(
    targets: MatRef<'_, T>,
    atoms: MatRef<'_, T>,
    most: usize,
    tolerance: f64,
    control: &Control,
) -> Result<Pursued> {
    let depth = targets.cols();
    same_columns("atoms", atoms.cols(), depth)?;
    let goal = Goal { most: most.min(atoms.rows()), tolerance };
    control.start(targets.rows() as u64 * goal.most as u64);
    let isa = Isa::chosen().map_err(Error::Isa)?;
    let squares = (0..atoms.rows()).into_par_iter().map(|j| {
        let atom = atoms.row(j);
        T::dot(isa, atom, atom)
    });
    // No correlation with a residual of norm 1 is further off than this.
    let error = squares.reduce(|| 0.0, f64::max).sqrt() * error::<T>(depth);
    let mut rows = filled(Vec::new(), targets.rows())?;
    let mut residuals = filled(0.0, targets.rows())?;
    for first in (0..targets.rows()).step_by(BATCH) {
        let last = (first + BATCH).min(targets.rows());
        let mut paths: Vec<Path<'_, T>> =
            (first..last).map(|i| Path::new(isa, targets.row(i), tolerance)).collect();
        for _ in 0..goal.most {
            let mut active: Vec<&mut Path<'_, T>> =
                paths.iter_mut().filter(|path| !path.done).collect();
            if active.is_empty() {
                break;
            }
            let candidates = candidates(&active, &atoms, error, control)?;
            active.par_iter_mut().zip(candidates).for_each(|(path, candidates)| {
                path.step(isa, &atoms, &candidates, goal);
            });
            control.advance(active.len() as u64);
        }
        for (i, path) in (first..).zip(paths) {
            let mut row: Vec<(u32, f64)> =
                path.support.iter().copied().zip(path.coefficients).collect();
            row.sort_unstable_by_key(|(j, _)| *j);
            rows[i] = row;
            residuals[i] = if path.norm > 0.0 { path.residual_norm / path.norm } else { 0.0 };
        }
    }
    Ok(Pursued { mixture: Mixture::of(&rows)?, residuals })
}

/// What a block of atoms has of each path: correlations and atoms.
type Block<T> = Vec<Vec<(T, u32)>>;

/// For each path, the atoms whose correlation with its residual may be the largest.
fn candidates<T: Element + Scalar>(
    paths: &[&mut Path<'_, T>],
    atoms: &MatRef<'_, T>,
    error: f64,
    control: &Control,
) -> Result<Vec<Vec<u32>>> {
    let depth = atoms.cols();
    let mut units: Vec<T> = reserved(paths.len() * depth)?;
    for path in paths {
        units.extend(path.residual.iter().map(|r| T::round(r / path.residual_norm)));
    }
    // What each block has of each path, as good as the block's own best can tell.
    let blocks: Result<Vec<Block<T>>> = (atoms.data().par_chunks(COLUMNS * depth))
        .enumerate()
        .with_max_len(1)
        .map(|(number, columns)| {
            control.check()?;
            let width = columns.len() / depth;
            let mut block = filled(T::default(), paths.len() * width)?;
            products(&mut block, &units, columns, depth);
            let own = paths.iter().zip(block.chunks_exact_mut(width));
            Ok(own.map(|(path, scores)| best(scores, number * COLUMNS, path, error)).collect())
        })
        .collect();
    let blocks = blocks?;
    let joined = (0..paths.len()).into_par_iter().map(|i| {
        let entries = || blocks.iter().flat_map(|block| &block[i]);
        let bar = bar(entries().map(|entry| entry.0), error);
        entries().filter(|entry| entry.0 >= bar).map(|entry| entry.1).collect()
    });
    Ok(joined.collect())
}

/// What is within twice the error of the largest may be the largest.
fn bar<T: Element + Scalar>(scores: impl Iterator<Item = T>, error: f64) -> T {
    let largest = scores.fold(T::NEG_INFINITY, |a, b| if b > a { b } else { a });
    T::from_f64(largest.widen() - 2.0 * error).next_down()
}

/// The largest correlations of a block, without those of atoms that were chosen before.
#[allow(clippy::cast_possible_truncation)] // Rows have numbers of 32 bits.
fn best<T: Element + Scalar>(
    scores: &mut [T],
    first: usize,
    path: &Path<'_, T>,
    error: f64,
) -> Vec<(T, u32)> {
    for score in scores.iter_mut() {
        *score = if *score < T::default() { -*score } else { *score };
    }
    for &chosen in &path.support {
        if let Some(score) = (chosen as usize).checked_sub(first).and_then(|at| scores.get_mut(at))
        {
            *score = T::NEG_INFINITY;
        }
    }
    let bar = bar(scores.iter().copied(), error);
    let entries = scores.iter().enumerate().filter(|(_, score)| **score >= bar && score.finite());
    entries.map(|(at, score)| (*score, (first + at) as u32)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(count: usize, seed: u64) -> Vec<f32> {
        let mut state = seed;
        let mut next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888);
            ((state >> 40) as f32) / 1e7 - 0.84
        };
        (0..count).map(|_| next()).collect()
    }

    fn mixed(atoms: &[f32], depth: usize, parts: &[(usize, f32)]) -> Vec<f32> {
        (0..depth).map(|t| parts.iter().map(|(j, c)| c * atoms[j * depth + t]).sum()).collect()
    }

    #[test]
    fn a_sparse_combination_is_found_again() {
        let (m, d) = (700, 40);
        let atoms = values(m * d, 3);
        let targets = [
            mixed(&atoms, d, &[(3, 1.0), (699, -2.0)]),
            mixed(&atoms, d, &[(513, 0.5)]),
            vec![0.0; d],
        ]
        .concat();
        let (x, y) = (MatRef::new(&targets, 3, d).unwrap(), MatRef::new(&atoms, m, d).unwrap());
        let found = pursue(x, y, 5, 1e-6, &Control::default()).unwrap();
        assert_eq!(found.mixture.offsets[1..], [2, 3, 3]);
        assert_eq!(found.mixture.indices, [3, 699, 513]);
        for (weight, expected) in found.mixture.weights.iter().zip([1.0, -2.0, 0.5]) {
            assert!((weight - expected).abs() < 1e-5);
        }
        assert!(found.residuals.iter().all(|residual| *residual < 1e-6));
    }

    #[test]
    fn equal_atoms_and_too_few_stop_early() {
        let d = 6;
        let some = values(2 * d, 5);
        let atoms = [&some[..], &some[..], &some[..d]].concat();
        let target = values(d, 9);
        let (x, y) = (MatRef::new(&target, 1, d).unwrap(), MatRef::new(&atoms, 5, d).unwrap());
        let found = pursue(x, y, 5, 0.0, &Control::default()).unwrap();
        let mut indices = found.mixture.indices.clone();
        indices.sort_unstable();
        assert_eq!(indices, [0, 1]);
        let cancelled = Control::default();
        cancelled.cancel();
        assert_eq!(pursue(x, y, 5, 0.0, &cancelled), Err(Error::Cancelled));
        assert!(pursue(x, MatRef::new(&atoms, 6, 5).unwrap(), 5, 0.0, &cancelled).is_err());
    }
}
