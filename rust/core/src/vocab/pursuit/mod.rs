//! Orthogonal matching pursuit (Pati, Rezaiifar and Krishnaprasad 1993; in Cholesky form, Rubinstein,
//! Zibulevsky and Elad 2008): each row as a combination of few atoms.
//!
//! In each step the atom with the largest `|<d_j, r>|` joins the support, and the residual r is that
//! of least squares on the support. Which atom it is, products of many residuals with all atoms
//! tell up to a bounded error, by integer codes or in the computing type; the few that it leaves
//! are compared in `f64`, the most promising first. Of the Gram matrix only the entries between the
//! chosen atoms are ever computed.

mod filter;
mod scaled;

use isomorph_kernels::{DOTS, Element, Isa, dot_wide, dots, subtract_four};
use rayon::prelude::*;

use self::filter::Filter;
use self::scaled::Scaled;
use super::mixture::{Mixture, error, same_columns};
use crate::linalg::Scalar;
use crate::matrix::MatRef;
use crate::memory::filled;
use crate::neighbors::{Correlations, FilterChoice};
use crate::runtime::Control;
use crate::{Error, Result};

/// Rows that are pursued at once: they share each reading of the atoms.
const BATCH: usize = 512;
/// An atom nearer than this, in squares, to the span of the support depends on it.
const DEPENDENT: f64 = 1e-10;
/// A correlation under this part of the norms is rounding.
const ROUNDING: f64 = 1e-12;
/// What was nearly chosen in a step is likely to be large in the next one.
const RUNNERS: usize = 4;

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
    /// The largest of the correlations that are known of the residual.
    floor: f64,
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
            floor: 0.0,
            // A tolerance of 1 or more asks for nothing.
            done: norm == 0.0 || tolerance >= 1.0,
        }
    }

    /// Take the best of the candidates into the support, or stop. Their bounds are those of a
    /// residual of norm 1.
    fn step(
        &mut self,
        isa: Isa,
        atoms: &MatRef<'_, T>,
        mut candidates: Vec<(f64, u32)>,
        goal: Goal,
    ) {
        candidates.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        let best = self.best(isa, atoms, &candidates, goal.rounding);
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
        self.subtract(isa, atoms);
        let enough = self.residual_norm <= goal.tolerance * self.norm;
        self.done = enough || self.support.len() >= goal.most;
        let runners = candidates.iter().filter(|(_, j)| *j != chosen).take(RUNNERS);
        let largest = runners.map(|&(_, j)| self.correlation(isa, atoms, j)).fold(0.0, f64::max);
        self.floor = if self.residual_norm > 0.0 { largest / self.residual_norm } else { 0.0 };
    }

    /// The largest correlation and its atom, the first of equal ones. `rounding` is how far products
    /// of an atom with the unit residual, rounded to the computing type, are from the truth.
    fn best(
        &self,
        isa: Isa,
        atoms: &MatRef<'_, T>,
        candidates: &[(f64, u32)],
        rounding: f64,
    ) -> Option<(u32, f64)> {
        let unit: Vec<T> = self.residual.iter().map(|r| T::round(r / self.residual_norm)).collect();
        let (mut near, mut largest): (Vec<(f64, u32)>, f64) = (Vec::new(), 0.0);
        for batch in candidates.chunks(DOTS) {
            // The most promising come first: what is left is no better.
            if batch[0].0 < largest - rounding {
                break;
            }
            let row = |n: usize| atoms.row(batch[n.min(batch.len() - 1)].1 as usize);
            let products = dots(isa, &unit, std::array::from_fn(row));
            for (product, (_, j)) in products.into_iter().zip(batch) {
                largest = largest.max(product.abs());
                near.push((product.abs(), *j));
            }
        }
        near.retain(|entry| entry.0 >= largest - 2.0 * rounding);
        let exact = near.into_iter().map(|(_, j)| (j, self.correlation(isa, atoms, j)));
        exact.reduce(|a, b| if b.1 > a.1 || (b.1 == a.1 && b.0 < a.0) { b } else { a })
    }

    /// What decides: the product of an atom with the residual.
    fn correlation(&self, isa: Isa, atoms: &MatRef<'_, T>, j: u32) -> f64 {
        dot_wide(isa, atoms.row(j as usize), &self.residual).abs()
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
    fn subtract(&mut self, isa: Isa, atoms: &MatRef<'_, T>) {
        for (r, x) in self.residual.iter_mut().zip(self.target) {
            *r = x.widen();
        }
        // Four at a time: the residual is read and written a quarter as often.
        for (group, c) in self.support.chunks(4).zip(self.coefficients.chunks(4)) {
            let rows: [&[T]; 4] =
                std::array::from_fn(|n| atoms.row(group[n.min(group.len() - 1)] as usize));
            let c: [f64; 4] = std::array::from_fn(|n| c.get(n).copied().unwrap_or(0.0));
            subtract_four(isa, c, rows, &mut self.residual);
        }
        self.residual_norm = dot_wide(isa, &self.residual, &self.residual).sqrt();
    }
}

/// When a row has what it needs.
#[derive(Clone, Copy)]
struct Goal {
    most: usize,
    tolerance: f64,
    rounding: f64,
}

/// The rows of `targets` as combinations of at most `most` rows of `atoms`, until what is left of a
/// row is within `tolerance` of its norm, or no atom that does not depend on the chosen ones is left.
///
/// Each product of a step costs 2 d operations: O(n k m d). Memory: 512 rows' residuals and factors,
/// a byte for each value of the atoms, and copies of both sides where norms are near the ends of
/// the range.
///
/// # Errors
/// [`Error::Shape`], [`Error::Cancelled`], [`Error::Memory`].
pub fn pursue<T: Element + Scalar>(
    targets: MatRef<'_, T>,
    atoms: MatRef<'_, T>,
    most: usize,
    tolerance: f64,
    filter: FilterChoice,
    control: &Control,
) -> Result<Pursued> {
    same_columns("atoms", atoms.cols(), targets.cols())?;
    let isa = Isa::chosen().map_err(Error::Isa)?;
    let goal = Goal { most: most.min(atoms.rows()), tolerance, rounding: f64::INFINITY };
    if let Some(scaled) = Scaled::where_needed(&targets, &atoms)? {
        return scaled.pursue(isa, goal, filter, control);
    }
    pursue_in_range(isa, targets, atoms, goal, filter, control)
}

fn pursue_in_range<T: Element + Scalar>(
    isa: Isa,
    targets: MatRef<'_, T>,
    atoms: MatRef<'_, T>,
    goal: Goal,
    filter: FilterChoice,
    control: &Control,
) -> Result<Pursued> {
    control.start(targets.rows() as u64 * goal.most as u64);
    let norms = norms(isa, &atoms);
    let longest = norms.iter().fold(0.0, |a: f64, &b| a.max(b));
    let codes = match filter {
        FilterChoice::Float => None,
        FilterChoice::Auto | FilterChoice::Integer => {
            Correlations::new(isa, atoms, &norms, control)?
        }
    };
    let unrounded = 2.0 * T::EPSILON + targets.cols() as f64 * f64::EPSILON;
    let goal = Goal { rounding: longest * unrounded, ..goal };
    // No correlation with a residual of norm 1 is further off than this.
    let error = longest * error::<T>(targets.cols());
    let mut filter = Filter { codes, error, atoms, control };
    let mut rows = filled(Vec::new(), targets.rows())?;
    let mut residuals = filled(0.0, targets.rows())?;
    for first in (0..targets.rows()).step_by(BATCH) {
        let last = (first + BATCH).min(targets.rows());
        let mut paths: Vec<Path<'_, T>> =
            (first..last).map(|i| Path::new(isa, targets.row(i), goal.tolerance)).collect();
        for _ in 0..goal.most {
            let mut active: Vec<&mut Path<'_, T>> =
                paths.iter_mut().filter(|path| !path.done).collect();
            if active.is_empty() {
                break;
            }
            let candidates = filter.candidates(&active)?;
            active.par_iter_mut().zip(candidates).for_each(|(path, candidates)| {
                path.step(isa, &atoms, candidates, goal);
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

fn norms<T: Element>(isa: Isa, rows: &MatRef<'_, T>) -> Vec<f64> {
    let norm = |j: usize| T::dot(isa, rows.row(j), rows.row(j)).sqrt();
    (0..rows.rows()).into_par_iter().map(norm).collect()
}

#[cfg(test)]
mod tests;
