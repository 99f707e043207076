//! Codes of samples over prototypes: a few iterations on exp(S / reg), rows last.
//!
//! What is held of an entry is `exp(S_ij / reg) 2^(q_j + p_i)`. The powers of the columns take the
//! largest entry of each to about 1 at first, those of the rows the largest entry of each row: so no
//! entry overflows, no row and no column vanishes, and as powers of two round nothing, all is as if
//! the exponentials had been taken as they are, in a type of endless range. Columns are multiplied
//! by weights besides; when those have moved far the powers take them in, and entries are made anew.

mod rows;
mod top;

#[cfg(test)]
mod tests;

use isomorph_kernels::{Assignment, Isa};
use rayon::prelude::*;

use self::rows::{Block, Step};
use crate::matrix::MatRef;
use crate::memory::filled;
use crate::runtime::Control;
use crate::{Error, Result};

/// Columns whose sums are merged in one task.
const COLUMNS: usize = 4096;

/// What the shares of the columns are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PriorRule {
    /// The sums of the columns are brought to them in each iteration.
    Marginal,
    /// The columns are multiplied by them in each iteration, and sum to what they may.
    Multiplied,
}

/// How codes are made.
#[derive(Clone, Copy, Debug)]
pub struct Assigner {
    /// In the units of the scores.
    pub reg: f64,
    /// Columns, then rows, so many times.
    pub iterations: usize,
    /// What the shares are for.
    pub rule: PriorRule,
    /// The L1 error of the columns' shares at which to stop, if it is to be computed.
    pub tol: Option<f64>,
}

/// Where the codes go.
#[derive(Debug)]
pub enum Codes<'a, T> {
    /// All of them, (n, m).
    Whole(&'a mut [T]),
    /// The largest `k` of each row and their columns, (n, k): nothing of n times m is held.
    Top {
        /// How many.
        k: usize,
        /// The entries, largest first, of equal ones the lower column first.
        weights: &'a mut [T],
        /// Their columns.
        columns: &'a mut [i64],
    },
}

/// What the entries of the columns are multiplied by: weight 2^power.
struct Columns<T> {
    powers: Vec<T>,
    weights: Vec<T>,
}

/// What does not change.
struct Task<'a, T> {
    isa: Isa,
    scores: MatRef<'a, T>,
    reg: T,
    /// 1 / (reg ln 2).
    scale: T,
    control: &'a Control,
}

/// By how many powers of two weights may be apart from their middle before the powers take them in: a
/// fifth of the type's range.
///
/// An entry that was dropped, at the end of the range, beside the largest of its row stays below the
/// power 3/5 of that beside it (f32: 2^-75): nothing, in the type's digits.
fn reach<T: Assignment>() -> f64 {
    -T::RANGE_2.0.to_f64() / 5.0
}

/// The largest score of each row, NaN where one is NaN or +inf, and of each column.
///
/// # Errors
/// [`Error::Memory`], [`Error::Cancelled`].
pub fn score_maxima<T: Assignment>(
    scores: MatRef<'_, T>,
    control: &Control,
) -> Result<(Vec<T>, Vec<T>)> {
    let (isa, n, m) = (Isa::chosen().map_err(Error::Isa)?, scores.rows(), scores.cols());
    let mut rows = filled(T::NEG_INFINITY, n)?;
    let height = rows::height(n);
    let mut of_blocks = Vec::new();
    for _ in 0..n.div_ceil(height) {
        of_blocks.push(filled(T::NEG_INFINITY, m)?);
    }
    rows.par_chunks_mut(height).zip(&mut of_blocks).enumerate().try_for_each(
        |(block, (rows, columns))| {
            for (i, row) in rows.iter_mut().enumerate() {
                control.check()?;
                *row = T::raise_maxima(isa, scores.row(block * height + i), columns);
            }
            Ok(())
        },
    )?;
    let mut columns = filled(T::NEG_INFINITY, m)?;
    for of_block in &of_blocks {
        T::raise_maxima(isa, of_block, &mut columns);
    }
    Ok((rows, columns))
}

/// Make codes, with the shares `masses` of the columns, 1 in all; `maxima` are the largest scores of
/// the columns. Gives the error of the columns' shares, if there is a `tol`.
///
/// The same bytes whatever the threads are. O(n m iterations); memory: a block of rows, 16 or more in
/// all, has two or three rows of its own.
///
/// # Errors
/// [`Error::Shape`] where lengths do not fit, [`Error::Memory`], [`Error::Cancelled`].
pub fn assign<T: Assignment>(
    scores: MatRef<'_, T>,
    maxima: &[T],
    masses: &[f64],
    how: &Assigner,
    codes: Codes<'_, T>,
    control: &Control,
) -> Result<Option<f64>> {
    let (n, m) = (scores.rows(), scores.cols());
    let reg = T::from_f64(how.reg);
    let task = Task {
        isa: Isa::chosen().map_err(Error::Isa)?,
        scores,
        reg,
        scale: T::from_f64(std::f64::consts::LOG2_E / reg.to_f64()),
        control,
    };
    for (argument, got) in [("prior", masses.len()), ("maxima", maxima.len())] {
        if got != m || n * m == 0 {
            return Err(Error::Shape {
                argument,
                expected: format!("{m} values, at least one"),
                got: format!("{got} values of {n} rows"),
            });
        }
    }
    let (entries, columns) = match &codes {
        Codes::Whole(codes) => (codes.len(), n * m),
        Codes::Top { k, weights, columns } if *k >= 1 && *k <= m && weights.len() == n * k => {
            (columns.len(), n * k)
        }
        Codes::Top { weights, .. } => (weights.len(), n * m),
    };
    if entries != columns {
        return Err(Error::Shape {
            argument: "out",
            expected: format!("{columns} values"),
            got: format!("{entries} values"),
        });
    }
    let again = matches!(codes, Codes::Top { .. });
    let mut blocks = rows::blocks(codes, n, m)?;
    let work = n.saturating_mul(how.iterations.saturating_add(2)) as u64;
    control.start(work);
    let mut columns =
        Columns { powers: filled(T::default(), m)?, weights: filled(T::default(), m)? };
    let (mut make, mut error) = (true, None);
    if how.rule == PriorRule::Multiplied {
        let exponent = how.iterations as f64;
        columns.set(masses.iter().map(|mass| (*mass > 0.0, exponent * mass.log2())));
    } else {
        columns.set(maxima.iter().zip(masses).map(|(largest, mass)| {
            let power = largest.to_f64() * task.scale.to_f64();
            (*mass > 0.0, if power.is_finite() { -power.round() } else { 0.0 })
        }));
        task.pass(&mut blocks, &columns, Step::First)?;
        make = again | columns.balance(&task.totals(&blocks)?, masses, n);
        for iteration in 1..=how.iterations {
            if how.tol.is_none() && iteration == how.iterations {
                break;
            }
            task.pass(&mut blocks, &columns, Step::Next { make })?;
            make = again;
            let totals = task.totals(&blocks)?;
            let missed = columns.missed(&totals, masses, n);
            error = how.tol.map(|_| missed);
            if how.tol.is_some_and(|tol| missed <= tol || iteration == how.iterations) {
                break;
            }
            make |= columns.balance(&totals, masses, n);
        }
    }
    task.pass(&mut blocks, &columns, Step::Last { make })?;
    // What was not needed is done, too.
    control.advance(work);
    Ok(error)
}

impl<T: Assignment> Columns<T> {
    /// Take logarithms to base 2 of factors; a column that is not held gets nothing.
    fn set(&mut self, factors: impl Iterator<Item = (bool, f64)>) {
        for (j, (held, log)) in factors.enumerate() {
            let whole = log.round();
            self.powers[j] = if held { T::from_f64(whole) } else { T::NEG_INFINITY };
            self.weights[j] = T::from_f64(if held { (log - whole).exp2() } else { 0.0 });
        }
    }

    /// Make the columns, whose sums without their weights are `totals`, right; true when the powers
    /// took the weights in, so that entries must be made anew.
    fn balance(&mut self, totals: &[f64], masses: &[f64], n: usize) -> bool {
        let held = |j: usize| masses[j] > 0.0 && totals[j] > 0.0;
        let weight = |j: usize| if held(j) { masses[j] * n as f64 / totals[j] } else { 0.0 };
        let (mut least, mut most) = (f64::INFINITY, 0.0f64);
        for weight in (0..totals.len()).filter(|j| held(*j)).map(weight) {
            (least, most) = (least.min(weight), most.max(weight));
        }
        let far = most.log2() - least.log2() > 2.0 * reach::<T>();
        for j in 0..totals.len() {
            // Where they all are hardly matters: rows are divided by their sums.
            let (mut weight, mut power) = (weight(j), 0.0);
            if far && held(j) {
                power = weight.log2().round();
                weight *= (-power).exp2();
            }
            self.powers[j] = T::from_f64(self.powers[j].to_f64() + power);
            self.weights[j] = T::from_f64(weight);
        }
        far
    }

    /// The L1 norm of what the shares of the columns miss.
    fn missed(&self, totals: &[f64], masses: &[f64], n: usize) -> f64 {
        let share = |j: usize| totals[j] * self.weights[j].to_f64() / n as f64;
        (0..totals.len()).map(|j| (share(j) - masses[j]).abs()).sum()
    }
}

impl<T: Assignment> Task<'_, T> {
    /// One step for all rows.
    fn pass(&self, blocks: &mut [Block<'_, T>], columns: &Columns<T>, step: Step) -> Result<()> {
        blocks.par_iter_mut().try_for_each(|block| block.step(self, columns, step))
    }

    /// The sums of the columns, block after block.
    fn totals(&self, blocks: &[Block<'_, T>]) -> Result<Vec<f64>> {
        let mut totals = filled(0.0, self.scores.cols())?;
        totals.par_chunks_mut(COLUMNS).enumerate().for_each(|(chunk, totals)| {
            for block in blocks {
                let part = &block.totals[chunk * COLUMNS..];
                totals.iter_mut().zip(part).for_each(|(total, part)| *total += part);
            }
        });
        Ok(totals)
    }
}
