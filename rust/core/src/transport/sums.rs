//! Sums of the plan that potentials give: by row, by column, and what it costs; in float64, whatever
//! the type of the cost is.

use isomorph_kernels::{Exponents, GROUP, Isa, Transport};
use rayon::prelude::*;

use super::Marginal;
use super::dense::exponents::{Potentials, largest, scale, split};
use super::dense::rows::{chosen, height};
use crate::matrix::MatRef;
use crate::memory::filled;
use crate::runtime::Control;
use crate::{Error, Result};

/// Columns whose costs are widened together.
const TILE: usize = 512;

/// A plan exp(f + g - C / reg), potentials in units of reg.
#[derive(Clone, Copy, Debug)]
pub struct Plan<'a, T> {
    /// C.
    pub cost: MatRef<'a, T>,
    /// Of rows; -inf where there is no mass.
    pub f: &'a [f64],
    /// Of columns.
    pub g: &'a [f64],
    /// The weight of the entropy.
    pub reg: f64,
}

/// Its sums.
#[derive(Clone, Debug, PartialEq)]
pub struct Sums {
    /// By row.
    pub rows: Vec<f64>,
    /// By column.
    pub columns: Vec<f64>,
    /// The sum of all entries times their cost.
    pub value: f64,
}

/// What one thread works with: a group of rows of the plan, and the costs of a tile.
struct Space {
    plan: Vec<f64>,
    cost: Vec<f64>,
}

/// What the rows have in common.
struct Shared<'a, T> {
    isa: Isa,
    plan: Plan<'a, T>,
    potentials: Potentials<f64>,
    scale: [f64; 2],
    quantum: f64,
}

impl<'a, T: Transport> Shared<'a, T> {
    fn new(plan: Plan<'a, T>) -> Result<Self> {
        let (n, m) = (plan.cost.rows(), plan.cost.cols());
        for (argument, got, expected) in [("f", plan.f.len(), n), ("g", plan.g.len(), m)] {
            if got != expected {
                return Err(Error::Shape {
                    argument,
                    expected: format!("{expected} potentials"),
                    got: format!("{got}"),
                });
            }
        }
        let (potentials, quantum) = Potentials::new(plan.g, largest(plan.f))?;
        Ok(Self { isa: chosen()?, plan, potentials, scale: scale(plan.reg), quantum })
    }

    fn space(&self) -> Result<Space> {
        let m = self.plan.cost.cols();
        Ok(Space { plan: filled(0.0, GROUP * m)?, cost: filled(0.0, TILE.min(m))? })
    }

    /// Row `i` of the plan into `out`; its sum, and what it costs.
    fn row(&self, i: usize, cost: &mut [f64], out: &mut [f64]) -> (f64, f64) {
        if !self.plan.f[i].is_finite() {
            out.fill(0.0);
            return (0.0, 0.0);
        }
        let f = split(self.plan.f[i], self.quantum);
        let (mut sum, mut value) = (0.0, 0.0);
        let row = self.plan.cost.row(i);
        for (number, (part, out)) in row.chunks(TILE).zip(out.chunks_mut(TILE)).enumerate() {
            let cost = &mut cost[..part.len()];
            for (wide, cost) in cost.iter_mut().zip(part) {
                *wide = cost.to_f64();
            }
            let g = self.potentials.of(number * TILE, number * TILE + part.len());
            let exponents = Exponents { cost, scale: self.scale, g, f };
            sum += f64::exponentials(self.isa, &exponents, &[], out);
            let mut spent = [0.0];
            f64::dots_with(self.isa, out, cost, &mut spent);
            if spent[0].is_nan() {
                // Forbidden pairs cost nothing: nothing goes there.
                let held = out.iter().zip(cost.iter()).filter(|(mass, _)| **mass > 0.0);
                spent[0] = held.map(|(mass, cost)| mass * cost).sum();
            }
            value += spent[0];
        }
        (sum, value)
    }
}

/// The sums of a plan. With a `side`, the rows are first made right by its rule, for these g: `f`
/// becomes those row potentials.
///
/// # Errors
/// Lengths that do not fit, memory, and cancellation.
pub fn sums<T: Transport>(
    plan: Plan<'_, T>,
    side: Option<(&Marginal<'_>, &mut [f64])>,
    control: &Control,
) -> Result<Sums> {
    let shared = Shared::new(plan)?;
    let (n, m) = (plan.cost.rows(), plan.cost.cols());
    let high = height(n);
    let blocks = n.div_ceil(high);
    let mut rows = filled(0.0, n)?;
    let mut values = filled(0.0, blocks)?;
    let mut partial = filled(0.0, blocks * m)?;
    let mut unused = Vec::new();
    let (side, f) = match side {
        Some((side, f)) => (Some(side), f),
        None => {
            unused = filled(0.0, n)?;
            (None, unused.as_mut_slice())
        }
    };
    rows.par_chunks_mut(high)
        .zip(f.par_chunks_mut(high))
        .zip(partial.par_chunks_mut(m.max(1)).zip(values.par_iter_mut()))
        .enumerate()
        .try_for_each_init(
            || shared.space(),
            |space, (number, ((rows, f), (columns, value)))| {
                control.check()?;
                let space = space.as_mut().map_err(|error| error.clone())?;
                for first in (0..rows.len()).step_by(GROUP) {
                    let count = GROUP.min(rows.len() - first);
                    let mut weights = [1.0; GROUP];
                    for r in 0..count {
                        let i = number * high + first + r;
                        let out = &mut space.plan[r * m..(r + 1) * m];
                        let (sum, spent) = shared.row(i, &mut space.cost, out);
                        if let Some(side) = side {
                            let before = plan.f[i];
                            let right = side.potential(i, sum.ln() - before);
                            let known = right.is_finite() && before.is_finite();
                            f[first + r] = if known { right } else { f64::NEG_INFINITY };
                            weights[r] = if known { (right - before).exp() } else { 0.0 };
                        }
                        rows[first + r] = sum * weights[r];
                        *value += spent * weights[r];
                    }
                    let group = &space.plan[..count * m];
                    f64::add_rows(shared.isa, group, &weights[..count], &[], columns);
                }
                Ok::<_, Error>(())
            },
        )?;
    drop(unused);
    let mut columns = filled(0.0, m)?;
    for block in partial.chunks_exact(m.max(1)) {
        columns.iter_mut().zip(block).for_each(|(total, sum)| *total += sum);
    }
    Ok(Sums { rows, columns, value: values.iter().sum() })
}

/// Rows of a plan, from `start` on, into `out`.
///
/// # Errors
/// As [`sums`].
pub fn plan_rows<T: Transport>(
    plan: Plan<'_, T>,
    start: usize,
    out: &mut [f64],
    control: &Control,
) -> Result<()> {
    let shared = Shared::new(plan)?;
    let m = plan.cost.cols().max(1);
    if !out.len().is_multiple_of(m) || start + out.len() / m > plan.cost.rows() {
        return Err(Error::Shape {
            argument: "rows",
            expected: format!("up to {} rows of {m} entries", plan.cost.rows()),
            got: format!("{} entries from row {start} on", out.len()),
        });
    }
    out.par_chunks_mut(m).enumerate().try_for_each_init(
        || filled(0.0, TILE.min(m)),
        |cost, (i, out)| {
            if i % GROUP == 0 {
                control.check()?;
            }
            let cost = cost.as_mut().map_err(|error| error.clone())?;
            shared.row(start + i, cost, out);
            Ok(())
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::transport::Rule;

    fn problem(n: usize, m: usize) -> (Vec<f32>, Vec<f64>, Vec<f64>) {
        let draw = |i: usize| ((i as f64 * 0.754_877_666) % 1.0).sqrt();
        let mut cost: Vec<f32> = (0..n * m).map(|i| draw(i + 1) as f32).collect();
        cost[m / 2] = f32::INFINITY;
        let f = (0..n).map(|i| if i == 1 { f64::NEG_INFINITY } else { 3.0 * draw(7 * i) - 9.0 });
        let mut g: Vec<f64> = (0..m).map(|j| 2.0 * draw(5 * j) + 4.0).collect();
        g[m - 1] = f64::NEG_INFINITY;
        (cost, f.collect(), g)
    }

    #[test]
    fn sums_are_those_of_the_rows() {
        for (n, m) in [(3, 2), (7, 600), (150, 33)] {
            let (cost, f, g) = problem(n, m);
            let matrix = MatRef::new(&cost, n, m).unwrap();
            let plan = Plan { cost: matrix, f: &f, g: &g, reg: 0.07 };
            let control = Control::default();
            let mut rows = vec![f64::NAN; n * m];
            plan_rows(plan, 0, &mut rows, &control).unwrap();
            let found = sums(plan, None, &control).unwrap();
            let (mut value, mut columns) = (0.0, vec![0.0; m]);
            for i in 0..n {
                let mut sum = 0.0;
                for j in 0..m {
                    let t = f[i] + g[j] - f64::from(cost[i * m + j]) / 0.07;
                    let expected = if t.is_nan() { 0.0 } else { t.exp() };
                    assert!((rows[i * m + j] - expected).abs() <= 1e-14 * expected, "{i} {j}");
                    sum += expected;
                    columns[j] += expected;
                    if expected > 0.0 {
                        value += expected * f64::from(cost[i * m + j]);
                    }
                }
                assert!((found.rows[i] - sum).abs() <= 1e-13 * sum);
            }
            assert!((found.value - value).abs() <= 1e-12 * value);
            for (found, expected) in found.columns.iter().zip(&columns) {
                assert!((found - expected).abs() <= 1e-13 * expected);
            }
            let mut last = vec![0.0; m];
            plan_rows(plan, n - 1, &mut last, &control).unwrap();
            assert_eq!(last, rows[(n - 1) * m..]);
            assert!(plan_rows(plan, n, &mut last, &control).is_err());
        }
    }

    #[test]
    fn rows_are_made_right() {
        let (n, m) = (9, 40);
        let (cost, f, g) = problem(n, m);
        let matrix = MatRef::new(&cost, n, m).unwrap();
        let plan = Plan { cost: matrix, f: &f, g: &g, reg: 0.07 };
        let mass: Vec<f64> = (0..n).map(|i| if i == 1 { 0.0 } else { 0.1 + i as f64 }).collect();
        let side = Marginal { mass: &mass, rule: Rule::Exact };
        let mut right = vec![0.0; n];
        let control = Control::default();
        let found = sums(plan, Some((&side, &mut right)), &control).unwrap();
        let again = sums(Plan { f: &right, ..plan }, None, &control).unwrap();
        for (i, mass) in mass.iter().enumerate() {
            assert!((again.rows[i] - mass).abs() <= 1e-13 * mass, "{i}");
            assert!((found.rows[i] - mass).abs() <= 1e-13 * mass, "{i}");
        }
        assert!((found.value - again.value).abs() <= 1e-12 * again.value);
    }
}
