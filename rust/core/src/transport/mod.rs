//! Entropic transport: a loop over passes, each of which reads the cost once.
//!
//! The plan is exp(f_i + g_j - C_ij / reg), potentials in units of reg. A [`Pass`] gives for column
//! potentials g the row potentials f that make the rows right, and the logarithms of the column sums;
//! [`iterate()`] turns those into the next g. All potentials are float64, whatever the cost is.

mod anderson;
mod annealing;
pub mod assign;
pub mod batch;
mod dense;
mod iterate;
mod newton;
mod part;
mod pass;
mod point;
mod relaxation;

pub use iterate::iterate;
pub use pass::{Marginal, Pass, Rule};

use crate::matrix::MatRef;
use crate::runtime::Control;
use crate::{Error, Result};

/// How a pass over a dense cost is computed; the answer is the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Products of a kernel that is made once with vectors.
    Scaling,
    /// The same, of a kernel that is made anew when the potentials have moved far.
    Stabilized,
    /// An exponential an entry, and nothing held.
    Log,
}

/// A dense problem.
#[derive(Clone, Copy, Debug)]
pub struct Problem<'a, T> {
    /// Numbers, or +inf for a forbidden pair.
    pub cost: MatRef<'a, T>,
    /// The side of the rows.
    pub rows: Marginal<'a>,
    /// The side of the columns.
    pub columns: Marginal<'a>,
    /// The weight of the entropy.
    pub reg: f64,
}

/// What is made of the steps of the iteration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Acceleration {
    /// Extrapolation where that is quick, Newton's method otherwise.
    Auto,
    /// Newton's method on the dual; of sides that are not [`Rule::Exact`], extrapolation.
    Newton,
    /// Anderson's extrapolation.
    Anderson,
    /// Successive over-relaxation by the rate that is observed.
    Overrelaxation,
    /// Nothing.
    None,
}

/// How it is to be solved.
#[derive(Clone, Copy, Debug)]
pub struct Solver {
    /// The form of a pass.
    pub method: Method,
    /// What is made of the steps.
    pub acceleration: Acceleration,
    /// Whether larger values of reg are gone through first; by the spread of the costs if not said.
    pub annealing: Option<bool>,
    /// Passes at most.
    pub max_iter: usize,
    /// The L1 error of the columns at which to stop, as a part of the mass.
    pub tol: f64,
}

/// Potentials, in units of reg, and how good they are.
#[derive(Clone, Debug, PartialEq)]
pub struct Solved {
    /// Of rows.
    pub f: Vec<f64>,
    /// Of columns.
    pub g: Vec<f64>,
    /// Passes.
    pub iterations: usize,
    /// The L1 norm of what the columns still lack; rows are right but for rounding.
    pub error: f64,
    /// The L2 norm of the same.
    pub error_l2: f64,
    /// Whether the error came down to what was asked for.
    pub converged: bool,
    /// Of each pass, the L1 error that it found and the reg that it worked with.
    pub history: Vec<(f64, f64)>,
}

/// Solve a dense problem from the column potentials `start`, in units of reg.
///
/// # Errors
/// Lengths that do not fit, memory, and cancellation.
pub fn sinkhorn<T: dense::Cost>(
    problem: &Problem<'_, T>,
    start: &[f64],
    solver: &Solver,
    control: &Control,
) -> Result<Solved> {
    let (n, m) = (problem.cost.rows(), problem.cost.cols());
    for (argument, got, expected) in [
        ("a", problem.rows.mass.len(), n),
        ("b", problem.columns.mass.len(), m),
        ("initial", start.len(), m),
    ] {
        if got != expected || got == 0 {
            return Err(Error::Shape {
                argument,
                expected: format!("{expected} values, at least one"),
                got: format!("{got} values"),
            });
        }
    }
    let mut pass = dense::Naive::new(problem);
    iterate(&mut pass, &problem.rows, &problem.columns, problem.reg, start, solver, control)
}

#[cfg(test)]
mod tests;
