//! Column potentials, and what a pass says about them.

use isomorph_kernels::Exponential;

use super::dense::rows::chosen;
use super::{Marginal, Pass, Rule};
use crate::Result;
use crate::memory::filled;
use crate::runtime::Control;

/// What of the dual is rounding.
pub(super) const ROUNDING: f64 = 1e-13;
/// How many passes may go without that the dual is seen to rise.
const HELD_OUT: usize = 20;

/// Column potentials `g`, and what a pass said about them; errors are parts of the mass.
#[derive(Clone, Debug)]
pub(super) struct Point {
    pub g: Vec<f64>,
    pub f: Vec<f64>,
    pub logs: Vec<f64>,
    /// exp of those.
    pub sums: Vec<f64>,
    /// The plain step; 0 where there is no mass.
    pub residual: Vec<f64>,
    pub error: f64,
    pub error_l1: f64,
    pub error_l2: f64,
    pub dual: f64,
    /// What the dual was summed of: its rounding is a part of that.
    pub size: f64,
}

impl Point {
    pub fn new(n: usize, m: usize) -> Result<Self> {
        Ok(Self {
            g: filled(f64::NEG_INFINITY, m)?,
            f: filled(f64::NEG_INFINITY, n)?,
            logs: filled(f64::NEG_INFINITY, m)?,
            sums: filled(0.0, m)?,
            residual: filled(0.0, m)?,
            error: f64::INFINITY,
            error_l1: f64::INFINITY,
            error_l2: f64::INFINITY,
            dual: f64::NEG_INFINITY,
            size: 0.0,
        })
    }

    /// Be the same as another.
    pub fn copy(&mut self, other: &Self) {
        self.g.copy_from_slice(&other.g);
        self.f.copy_from_slice(&other.f);
        self.logs.copy_from_slice(&other.logs);
        self.sums.copy_from_slice(&other.sums);
        self.residual.copy_from_slice(&other.residual);
        (self.error, self.error_l1, self.error_l2) = (other.error, other.error_l1, other.error_l2);
        (self.dual, self.size) = (other.dual, other.size);
    }
}

/// The problem for one reg, and when it is solved.
pub(super) struct Stage<'a> {
    pub pass: &'a mut dyn Pass,
    pub rows: &'a Marginal<'a>,
    pub columns: &'a Marginal<'a>,
    pub reg: f64,
    /// The error at which to stop.
    pub tol: f64,
    /// As many passes as there may have been, those of other stages included.
    pub limit: usize,
    pub history: &'a mut Vec<(f64, f64)>,
    /// The point with the smallest error.
    pub best: &'a mut Point,
    /// The smallest error before the last pass, and how many passes ago the smallest was found.
    pub least: f64,
    pub since: usize,
    pub control: &'a Control,
}

impl Stage<'_> {
    /// Make a pass for the potentials in `point.g`, and fill in the rest of the point.
    pub fn at(&mut self, point: &mut Point) -> Result<()> {
        self.control.check()?;
        self.pass.run(&point.g, &mut point.f, &mut point.logs, self.control)?;
        self.control.advance(1);
        point.sums.copy_from_slice(&point.logs);
        f64::exp_in_place(chosen()?, &mut point.sums);
        let columns = self.columns;
        let (mut error, mut squares, mut mass, mut moved) = (0.0, 0.0, 0.0, 0.0);
        for (j, held) in columns.mass.iter().enumerate() {
            point.residual[j] = 0.0;
            if *held > 0.0 {
                let (sum, log, own) = (point.sums[j], point.logs[j], point.g[j]);
                let ratio = held / sum;
                let (step, mut gap) = if columns.rule == Rule::Exact && ratio.is_normal() {
                    (ratio.ln(), held - sum)
                } else {
                    let step = columns.potential(j, log - own) - own;
                    (
                        step,
                        if step.abs() < 1.0 {
                            sum * step.exp_m1()
                        } else {
                            (log + step).exp() - sum
                        },
                    )
                };
                if gap.is_nan() {
                    // Where no pair is left nothing can be changed.
                    gap = *held;
                }
                if step.is_finite() {
                    point.residual[j] = step;
                }
                error += gap.abs();
                squares += gap * gap;
                mass += sum + gap;
                moved += sum;
            }
        }
        let (of_rows, of_columns) = (self.rows.dual(&point.f), columns.dual(&point.g));
        // The sums of exact rows are a constant, up to rounding.
        if self.rows.rule == Rule::Exact {
            moved = 0.0;
        }
        point.error = if mass > 0.0 { error / mass } else { error };
        (point.error_l1, point.error_l2) = (error, squares.sqrt());
        point.dual = of_rows + of_columns - moved;
        point.size = of_rows.abs() + of_columns.abs() + mass;
        self.history.push((error, self.reg));
        self.least = self.best.error;
        self.since += 1;
        if point.error < self.best.error || self.best.error == f64::INFINITY {
            self.best.copy(point);
            self.since = 0;
        }
        Ok(())
    }

    /// Whether an extrapolation, from where the dual was `before`, led to where it may go on from.
    ///
    /// The dual rises, or the error is the smallest so far; where the dual changes by no more than its
    /// rounding, some passes may be tried until one finds the smallest error so far. So nothing is gone
    /// through again and again.
    pub fn helped(&self, before: f64, point: &Point) -> bool {
        let (rise, rounding) = (point.dual - before, ROUNDING * point.size);
        rise > rounding || self.since == 0 || (rise > -rounding && self.since <= HELD_OUT)
    }

    /// Whether this point is good enough, or was the last.
    pub fn over(&self, point: &Point) -> bool {
        point.error <= self.tol || self.history.len() >= self.limit
    }
}
