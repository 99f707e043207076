//! The loop over passes. It knows nothing of the cost.

use super::{Marginal, Pass, Solved, Solver};
use crate::Result;
use crate::memory::filled;
use crate::runtime::Control;

/// Repeat g <- potential of (column sums without g) until the columns are what their rule asks.
///
/// The best potentials that were seen are given.
///
/// # Errors
/// What a pass gives, and cancellation.
pub fn iterate(
    pass: &mut dyn Pass,
    rows: &Marginal<'_>,
    columns: &Marginal<'_>,
    start: &[f64],
    solver: &Solver,
    control: &Control,
) -> Result<Solved> {
    let (n, m) = pass.shape();
    debug_assert!(rows.mass.len() == n && columns.mass.len() == m && start.len() == m);
    let mass: f64 = columns.mass.iter().sum();
    let mut g = filled(f64::NEG_INFINITY, m)?;
    for j in 0..m {
        if columns.mass[j] > 0.0 {
            g[j] = start[j];
        }
    }
    let (mut f, mut logs) = (filled(f64::NEG_INFINITY, n)?, filled(f64::NEG_INFINITY, m)?);
    let mut best = Solved {
        f: f.clone(),
        g: g.clone(),
        iterations: 0,
        error: f64::INFINITY,
        error_l2: f64::INFINITY,
        converged: false,
    };
    control.start(solver.max_iter as u64);
    for pass_number in 1..=solver.max_iter {
        control.check()?;
        pass.run(&g, &mut f, &mut logs, control)?;
        control.advance(1);
        best.iterations = pass_number;
        let (error, error_l2) = errors(columns, &logs, &g);
        if error < best.error || pass_number == 1 {
            best.f.copy_from_slice(&f);
            best.g.copy_from_slice(&g);
            (best.error, best.error_l2) = (error, error_l2);
        }
        if error <= solver.tol * mass {
            best.converged = true;
            break;
        }
        for j in 0..m {
            let next = columns.potential(j, logs[j] - g[j]);
            // A column that nothing reaches keeps its potential.
            if logs[j].is_finite() {
                g[j] = next;
            }
        }
    }
    Ok(best)
}

/// By how much the sums of the columns would change in the next step, in L1 and in L2.
///
/// Under [`super::Rule::Exact`] that is what they miss.
pub(super) fn errors(columns: &Marginal<'_>, logs: &[f64], g: &[f64]) -> (f64, f64) {
    let (mut sum, mut squares) = (0.0, 0.0);
    for (j, mass) in columns.mass.iter().enumerate() {
        if *mass > 0.0 {
            let gap = if logs[j].is_finite() {
                let step = columns.potential(j, logs[j] - g[j]) - g[j];
                logs[j].exp() * step.exp_m1()
            } else {
                *mass
            };
            sum += gap.abs();
            squares += gap * gap;
        }
    }
    (sum, squares.sqrt())
}
