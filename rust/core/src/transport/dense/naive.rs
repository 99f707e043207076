//! The pass as it is written in books, in float64: what the others are tested against.

use std::ops::Range;

use super::Cost;
use crate::Result;
use crate::matrix::MatRef;
use crate::runtime::Control;
use crate::transport::{Marginal, Pass, Problem};

/// Two logarithms of sums of exponentials, rows and then columns, and nothing else.
#[derive(Debug)]
pub struct Naive<'a, T> {
    cost: MatRef<'a, T>,
    rows: Marginal<'a>,
    reg: f64,
}

impl<'a, T: Cost> Naive<'a, T> {
    /// Of that problem.
    #[must_use]
    pub fn new(problem: &Problem<'a, T>) -> Self {
        Self { cost: problem.cost, rows: problem.rows, reg: problem.reg }
    }

    fn scaled(&self, i: usize, j: usize) -> f64 {
        self.cost.row(i)[j].to_f64() / self.reg
    }
}

/// ln of the sum of exp(values).
fn log_sum(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let top = values.clone().fold(f64::NEG_INFINITY, f64::max);
    if top == f64::NEG_INFINITY {
        return top;
    }
    top + values.map(|value| (value - top).exp()).sum::<f64>().ln()
}

impl<T: Cost> Pass for Naive<'_, T> {
    fn shape(&self) -> (usize, usize) {
        (self.cost.rows(), self.cost.cols())
    }

    fn run(&mut self, g: &[f64], f: &mut [f64], logs: &mut [f64], control: &Control) -> Result<()> {
        let (n, m) = self.shape();
        for (i, f) in f.iter_mut().enumerate() {
            control.check()?;
            let sum = log_sum((0..m).map(|j| g[j] - self.scaled(i, j)));
            let potential = self.rows.potential(i, sum);
            *f = if potential.is_finite() { potential } else { f64::NEG_INFINITY };
        }
        for (j, log) in logs.iter_mut().enumerate() {
            *log = log_sum((0..n).map(|i| {
                let exponent = f[i] + (g[j] - self.scaled(i, j));
                if exponent.is_nan() { f64::NEG_INFINITY } else { exponent }
            }));
        }
        Ok(())
    }

    fn costs(&self, rows: Range<usize>, out: &mut [f64]) {
        super::scaled(self.cost, self.reg, rows, out);
    }

    fn set_reg(&mut self, reg: f64) {
        self.reg = reg;
    }
}
