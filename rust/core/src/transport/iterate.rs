//! The loop over passes. It knows nothing of the cost but what a pass tells.
//!
//! The fixed point of g <- what the columns' rule says is looked for with Anderson's extrapolation,
//! over-relaxation, or Newton's method on the dual; each is checked, with the plain step behind it,
//! which always raises the dual.

use super::anderson::Anderson;
use super::newton::Newton;
use super::point::{Point, Stage};
use super::relaxation::Relaxation;
use super::{Acceleration, Marginal, Pass, Rule, Solved, Solver, annealing};
use crate::Result;
use crate::memory::filled;
use crate::runtime::Control;

/// Newton's method takes over from extrapolation where, going by so many passes, it would take more
/// than that many others.
const TRIED: usize = 3;
const PATIENCE: f64 = 20.0;
/// Where a pass has no more entries than that, its steps cost little: fewer passes are worth more.
const SMALL: usize = 1 << 18;
const PATIENCE_SMALL: f64 = 10.0;

/// Makes the next point of a fixed-point iteration from those before.
pub(super) trait Mixing {
    /// Write the next point to `out`, and say whether it is more than a plain step.
    fn next(&mut self, g: &[f64], residual: &[f64], error: f64, out: &mut [f64]) -> bool;

    /// Begin anew.
    fn forget(&mut self);
}

/// Solve the problem of `pass`, in force with `reg`, from the column potentials `start`.
///
/// The best potentials that were seen are given; all potentials are in units of reg.
///
/// # Errors
/// What a pass gives, memory, and cancellation.
pub fn iterate(
    pass: &mut dyn Pass,
    rows: &Marginal<'_>,
    columns: &Marginal<'_>,
    reg: f64,
    start: &[f64],
    solver: &Solver,
    control: &Control,
) -> Result<Solved> {
    let (n, m) = pass.shape();
    debug_assert!(rows.mass.len() == n && columns.mass.len() == m && start.len() == m);
    let mut how = solver.acceleration;
    let exact = rows.rule == Rule::Exact && columns.rule == Rule::Exact;
    if !exact && matches!(how, Acceleration::Auto | Acceleration::Newton) {
        how = Acceleration::Anderson;
    }
    let second_order = matches!(how, Acceleration::Auto | Acceleration::Newton);
    let regs = if solver.annealing.unwrap_or(second_order) {
        let spread = reg * annealing::spread(pass, rows, columns)?;
        let below = match (solver.annealing, how) {
            (Some(true), _) => annealing::FROM,
            (_, Acceleration::Auto) => annealing::BELOW_TRIED,
            _ => annealing::BELOW,
        };
        annealing::stages(reg, spread, below)
    } else {
        vec![reg]
    };
    if regs.len() > 1 && how == Acceleration::Auto {
        how = Acceleration::Newton;
    }
    let (mut point, mut best) = (Point::new(n, m)?, Point::new(n, m)?);
    let mut work = Work::new(m)?;
    let mut history = Vec::new();
    let mut before = reg;
    best.g.copy_from_slice(start);
    control.start(solver.max_iter as u64);
    for (stage, now) in regs.iter().copied().enumerate() {
        let last = stage + 1 == regs.len();
        // A pass is left for the reg that was asked for.
        let limit = solver.max_iter - usize::from(!last);
        if history.len() >= limit {
            continue;
        }
        if now != before || stage > 0 {
            pass.set_reg(now);
        }
        for (j, mass) in columns.mass.iter().enumerate() {
            point.g[j] = if *mass > 0.0 { best.g[j] * (before / now) } else { f64::NEG_INFINITY };
        }
        before = now;
        best.error = f64::INFINITY;
        let tol = if last { solver.tol } else { solver.tol.max(annealing::DOWN_TO) };
        let mut stage = Stage {
            pass: &mut *pass,
            rows,
            columns,
            reg: now,
            tol,
            limit,
            history: &mut history,
            best: &mut best,
            least: f64::INFINITY,
            since: 0,
            control,
        };
        solve(&mut stage, &mut point, &mut work, how)?;
    }
    Ok(Solved {
        f: best.f,
        g: best.g,
        iterations: history.len(),
        error: best.error_l1,
        error_l2: best.error_l2,
        converged: best.error <= solver.tol,
        history,
    })
}

/// What an iteration writes to.
struct Work {
    ahead: Vec<f64>,
    plain: Vec<f64>,
    errors: Vec<f64>,
    newton: Newton,
}

impl Work {
    fn new(m: usize) -> Result<Self> {
        let vector = || filled(0.0, m);
        Ok(Self {
            ahead: vector()?,
            plain: vector()?,
            errors: Vec::new(),
            newton: Newton::default(),
        })
    }
}

/// Go from `point.g` to the solution, or to where the passes end.
fn solve(
    stage: &mut Stage<'_>,
    point: &mut Point,
    work: &mut Work,
    how: Acceleration,
) -> Result<()> {
    stage.at(point)?;
    if stage.over(point) {
        return Ok(());
    }
    let (mass, m) = (stage.columns.mass, stage.columns.mass.len());
    if how == Acceleration::Auto {
        extrapolate(stage, point, work, Some(&mut Anderson::new(mass)?), false)?;
    }
    if matches!(how, Acceleration::Auto | Acceleration::Newton) {
        work.newton.repeat(stage, point)?;
    }
    if stage.over(point) {
        return Ok(());
    }
    match how {
        Acceleration::None => extrapolate(stage, point, work, None, true),
        Acceleration::Overrelaxation => {
            extrapolate(stage, point, work, Some(&mut Relaxation::new(m)?), true)
        }
        _ => extrapolate(stage, point, work, Some(&mut Anderson::new(mass)?), true),
    }
}

/// Repeat steps that are extrapolated, as long as that is quick unless `patient`.
fn extrapolate(
    stage: &mut Stage<'_>,
    point: &mut Point,
    work: &mut Work,
    mut mixing: Option<&mut dyn Mixing>,
    patient: bool,
) -> Result<()> {
    let (ahead, plain, errors) = (&mut work.ahead, &mut work.plain, &mut work.errors);
    let (n, m) = stage.pass.shape();
    let small = n.saturating_mul(m) <= SMALL;
    let patience = if small { PATIENCE_SMALL } else { PATIENCE };
    errors.clear();
    errors.push(point.error);
    let (mut dual, mut extrapolated) = (point.dual, false);
    while !stage.over(point) {
        if extrapolated && !stage.helped(dual, point) {
            // The plain step from where the extrapolation began always raises the dual.
            if let Some(mixing) = &mut mixing {
                mixing.forget();
            }
            point.g.copy_from_slice(plain);
            extrapolated = false;
        } else {
            dual = point.dual;
            for (plain, (g, step)) in plain.iter_mut().zip(point.g.iter().zip(&point.residual)) {
                *plain = g + step;
            }
            extrapolated = match &mut mixing {
                Some(mixing) => mixing.next(&point.g, &point.residual, point.error, ahead),
                None => false,
            };
            point.g.copy_from_slice(if extrapolated { ahead } else { plain });
        }
        stage.at(point)?;
        if !patient {
            errors.push(point.error);
            if slow(errors, stage.tol, patience) {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Whether going on as before would take many passes more.
fn slow(errors: &[f64], tol: f64, patience: f64) -> bool {
    let count = errors.len();
    if count <= TRIED {
        return false;
    }
    let (now, before) = (errors[count - 1], errors[count - 1 - TRIED]);
    if !(now > 0.0 && now < before) {
        return now > 0.0;
    }
    (now / tol).ln() * TRIED as f64 > patience * (before / now).ln()
}
