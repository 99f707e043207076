//! One pass over a cost, and what the two sides ask of it.

use std::ops::Range;

use crate::Result;
use crate::runtime::Control;

/// What a side asks of the sums of the plan.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// The masses as they are given.
    Exact,
    /// As near to them as a Kullback-Leibler penalty rho makes worthwhile.
    Relaxed {
        /// rho / (rho + reg), the part of the exact step that is gone.
        share: f64,
    },
    /// Not more than they are.
    AtMost,
}

/// The masses of one side, and the rule for them.
#[derive(Clone, Copy, Debug)]
pub struct Marginal<'a> {
    /// One a row or column, finite, 0 or more.
    pub mass: &'a [f64],
    /// What is asked.
    pub rule: Rule,
}

impl Marginal<'_> {
    /// The potential of entry `i`, in units of reg, where its sum without one is exp(`log_sum`).
    ///
    /// -inf where there is no mass.
    #[must_use]
    #[inline]
    pub fn potential(&self, i: usize, log_sum: f64) -> f64 {
        let mass = self.mass[i];
        if mass > 0.0 { self.rule.step(mass.ln() - log_sum) } else { f64::NEG_INFINITY }
    }

    /// The side's term of the dual, in units of reg: that of what its rule asks, see [`Rule`].
    #[must_use]
    pub fn dual(&self, own: &[f64]) -> f64 {
        let held = || self.mass.iter().zip(own).filter(|(mass, _)| **mass > 0.0);
        match self.rule {
            Rule::Exact | Rule::AtMost => held().map(|(mass, own)| mass * own).sum(),
            Rule::Relaxed { share } => {
                let penalty = share / (1.0 - share);
                -penalty * held().map(|(mass, own)| mass * (-own / penalty).exp_m1()).sum::<f64>()
            }
        }
    }

    /// By how much these sums of a plan are not what the rule asks for with the potentials `own`, in L1
    /// and in L2: how they would change in the next step.
    #[must_use]
    pub fn missed(&self, sums: &[f64], own: &[f64]) -> (f64, f64) {
        let (mut total, mut squares) = (0.0, 0.0);
        for (i, (sum, own)) in sums.iter().zip(own).enumerate() {
            if self.mass[i] > 0.0 {
                let miss = match self.rule {
                    Rule::Exact => self.mass[i] - sum,
                    _ if *sum > 0.0 => sum * (self.potential(i, sum.ln() - own) - own).exp_m1(),
                    _ => self.mass[i],
                };
                total += miss.abs();
                squares += miss * miss;
            }
        }
        (total, squares.sqrt())
    }
}

impl Rule {
    /// What is made of log(mass / sum).
    #[must_use]
    #[inline]
    pub fn step(self, exact: f64) -> f64 {
        match self {
            Self::Exact => exact,
            Self::Relaxed { share } => share * exact,
            Self::AtMost => exact.min(0.0),
        }
    }
}

/// One pass over the cost: what a loop repeats.
///
/// Potentials are in units of the reg in force, and -inf where there is no mass.
pub trait Pass: Sync {
    /// Rows and columns.
    fn shape(&self) -> (usize, usize);

    /// For column potentials `g`: the row potentials `f` by the rule of the rows, and the logarithms
    /// of the column sums of exp(f + g - C / reg), the own g included.
    ///
    /// `f` and `logs` are written to, whatever they hold. Without a way from any row with mass, -inf.
    ///
    /// # Errors
    /// [`crate::Error::Cancelled`], [`crate::Error::Memory`].
    fn run(&mut self, g: &[f64], f: &mut [f64], logs: &mut [f64], control: &Control) -> Result<()>;

    /// Costs in units of the reg in force, C / reg, of all columns of `rows`, row after row.
    ///
    /// Called by several threads, for some rows at a time.
    fn costs(&self, rows: Range<usize>, out: &mut [f64]);

    /// Append the entries of row `i` of the plan that are above `level`, where that is quicker than by
    /// their costs: those of the potentials of the last run, of which `f` is the row's. Whether it was
    /// done.
    fn above(
        &self,
        _i: usize,
        _f: f64,
        _level: f64,
        _columns: &mut Vec<u32>,
        _values: &mut Vec<f64>,
    ) -> bool {
        false
    }

    /// Work with another reg from here on.
    fn set_reg(&mut self, reg: f64);
}
