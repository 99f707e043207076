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
mod points;
mod relaxation;
mod sums;

pub use dense::{Cost, Kernel, Logs};
pub use iterate::iterate;
pub use pass::{Marginal, Pass, Rule};
pub use points::{Clouds, Coordinate, Products, sinkhorn_points};
pub use sums::{Plan, Sums, plan_rows, sums};

use rayon::prelude::*;

use crate::matrix::MatRef;
use crate::memory::{filled, reserved};
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
/// The row potentials are made right in float64 in the end, and the error is that of the plan which
/// these potentials give, whatever the passes were computed in.
///
/// # Errors
/// Lengths that do not fit, memory, and cancellation.
pub fn sinkhorn<T: Cost>(
    problem: &Problem<'_, T>,
    start: &[f64],
    solver: &Solver,
    control: &Control,
) -> Result<(Solved, Sums)> {
    let (n, m) = (problem.cost.rows(), problem.cost.cols());
    require_lengths(problem.rows, problem.columns, start, (n, m))?;
    let scaled = in_range(problem)?;
    let (cost, factor) = match &scaled {
        Some((cost, factor)) => (MatRef::new(cost, n, m)?, *factor),
        None => (problem.cost, 1.0),
    };
    let problem = Problem { cost, reg: problem.reg * factor, ..*problem };
    let mut pass: Box<dyn Pass + '_> = match solver.method {
        Method::Log => Box::new(Logs::new(&problem)?),
        method => Box::new(Kernel::new(&problem, method == Method::Stabilized)?),
    };
    let settle = |f: &[f64], g: &[f64], right: &mut [f64]| {
        let plan = Plan { cost: problem.cost, f, g, reg: problem.reg };
        let mut sums = sums(plan, Some((&problem.rows, right)), control)?;
        sums.value /= factor;
        Ok(sums)
    };
    let sides = (&problem.rows, &problem.columns);
    solve(pass.as_mut(), sides, problem.reg, start, solver, settle, control)
}

fn require_lengths(
    rows: Marginal<'_>,
    columns: Marginal<'_>,
    start: &[f64],
    (n, m): (usize, usize),
) -> Result<()> {
    for (argument, got, expected) in
        [("a", rows.mass.len(), n), ("b", columns.mass.len(), m), ("initial", start.len(), m)]
    {
        if got != expected || got == 0 {
            return Err(Error::Shape {
                argument,
                expected: format!("{expected} values, at least one"),
                got: format!("{got} values"),
            });
        }
    }
    Ok(())
}

/// Iterate, and let `settle` make rows right in float64: of f and g it makes f, and the sums of the
/// plan; the error is what these miss.
fn solve(
    pass: &mut dyn Pass,
    (rows, columns): (&Marginal<'_>, &Marginal<'_>),
    reg: f64,
    start: &[f64],
    solver: &Solver,
    settle: impl Fn(&[f64], &[f64], &mut [f64]) -> Result<Sums>,
    control: &Control,
) -> Result<(Solved, Sums)> {
    let enough = solver.tol * columns.mass.iter().sum::<f64>();
    let mut solved = iterate(pass, rows, columns, reg, start, solver, control)?;
    let mut right = filled(f64::NEG_INFINITY, solved.f.len())?;
    let mut once_more = true;
    loop {
        let found = solved.error;
        let sums = settle(&solved.f, &solved.g, &mut right)?;
        solved.f.copy_from_slice(&right);
        let of_rows = rows.missed(&sums.rows, &solved.f);
        let of_columns = columns.missed(&sums.columns, &solved.g);
        (solved.error, solved.error_l2) = (of_rows.0 + of_columns.0, of_rows.1 + of_columns.1);
        solved.converged = solved.error <= enough;
        // Passes that stopped by their own error, and had it wrong by their rounding: allow for that.
        let deceived = found <= enough && !solved.converged;
        if !deceived || !once_more || solved.iterations >= solver.max_iter {
            return Ok((solved, sums));
        }
        once_more = false;
        let share = (1.0 - 2.0 * (solved.error - found) / enough).max(0.25);
        let left = solver.max_iter - solved.iterations;
        let (tol, annealing) = (solver.tol * share, Some(false));
        let solver = Solver { tol, annealing, max_iter: left, ..*solver };
        pass.set_reg(reg);
        let more = iterate(pass, rows, columns, reg, &solved.g, &solver, control)?;
        let iterations = solved.iterations + more.iterations;
        let mut history = solved.history;
        history.extend(more.history);
        solved = Solved { iterations, history, ..more };
    }
}

/// The cost times a power of 2, and that, where 1 / reg comes near the ends of the type's range.
fn in_range<T: Cost>(problem: &Problem<'_, T>) -> Result<Option<(Vec<T>, f64)>> {
    let exponent = problem.reg.log2().round();
    if exponent.abs() < 0.75 * T::RANGE_2.1.to_f64() {
        return Ok(None);
    }
    let factor = (-exponent).clamp(-1000.0, 1000.0).exp2();
    let mut cost = reserved(problem.cost.data().len())?;
    cost.extend(problem.cost.data().iter().map(|cost| T::from_f64(cost.to_f64() * factor)));
    Ok(Some((cost, factor)))
}

/// The sum of all costs: what reading them takes, which passes are compared with.
///
/// # Errors
/// Cancellation.
pub fn sum_values<T: Cost>(cost: MatRef<'_, T>, control: &Control) -> Result<f64> {
    let isa = dense::rows::chosen()?;
    control.check()?;
    let of_block = |block: &[T]| T::sum(isa, block);
    // One part a core would do; their sums are joined in order.
    let parts: Vec<f64> = cost.data().par_chunks(1 << 18).map(of_block).collect();
    Ok(parts.iter().sum())
}

#[cfg(test)]
mod tests;
