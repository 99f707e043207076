//! The rows of codes, block by block: made, summed, weighed.

use isomorph_kernels::Assignment;

use super::top::Best;
use super::{Codes, Columns, Task};
use crate::Result;
use crate::memory::{filled, reserved};

/// Rows that are summed in the type itself, before they are added up in f64.
const SUMMED: usize = 32;

/// Rows of a block: 16 blocks, if that makes them neither very low nor very high.
pub(super) fn height(n: usize) -> usize {
    n.div_ceil(16).clamp(8, 4096)
}

/// What is done with a row.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    /// It is made, and added to the sums as the scores have it.
    First,
    /// It is made if need be, and added with a sum of 1.
    Next { make: bool },
    /// It is made if need be, and becomes a code.
    Last { make: bool },
}

/// Some rows, and their sums by column.
pub(super) struct Block<'a, T> {
    start: usize,
    rows: usize,
    values: Values<'a, T>,
    sums: Vec<T>,
    /// Without the weights of the columns.
    pub totals: Vec<f64>,
}

/// Where entries are.
enum Values<'a, T> {
    /// In the result.
    Kept(&'a mut [T]),
    /// Nowhere; a row is made when it is needed.
    Again { row: Vec<T>, best: Best<T>, weights: &'a mut [T], columns: &'a mut [i64] },
}

/// Cut the result into blocks.
pub(super) fn blocks<T: Assignment>(
    codes: Codes<'_, T>,
    n: usize,
    m: usize,
) -> Result<Vec<Block<'_, T>>> {
    let height = height(n);
    let mut blocks = reserved(n.div_ceil(height))?;
    let mut add = |rows: usize, values| -> Result<()> {
        let (sums, totals) = (filled(T::default(), m)?, filled(0.0, m)?);
        blocks.push(Block { start: blocks.len() * height, rows, values, sums, totals });
        Ok(())
    };
    match codes {
        Codes::Whole(codes) => {
            for values in codes.chunks_mut(height * m) {
                add(values.len() / m, Values::Kept(values))?;
            }
        }
        Codes::Top { k, weights, columns } => {
            let pairs = weights.chunks_mut(height * k).zip(columns.chunks_mut(height * k));
            for (weights, columns) in pairs {
                let (row, best) = (filled(T::default(), m)?, Best::new(k)?);
                add(weights.len() / k, Values::Again { row, best, weights, columns })?;
            }
        }
    }
    Ok(blocks)
}

impl<T: Assignment> Block<'_, T> {
    /// Take a step with every row.
    pub(super) fn step(
        &mut self,
        task: &Task<'_, T>,
        columns: &Columns<T>,
        step: Step,
    ) -> Result<()> {
        let m = task.scores.cols();
        self.totals.fill(0.0);
        for i in 0..self.rows {
            if i % SUMMED == 0 {
                T::flush(task.isa, &mut self.sums, &mut self.totals);
                task.control.check()?;
                task.control.advance(SUMMED.min(self.rows - i) as u64);
            }
            let row = match &mut self.values {
                Values::Kept(values) => &mut values[i * m..][..m],
                Values::Again { row, .. } => row,
            };
            let power = match step {
                Step::First | Step::Next { make: true } | Step::Last { make: true } => {
                    task.make(self.start + i, columns, row)
                }
                _ => 0.0,
            };
            let weight = match step {
                Step::First => T::from_f64((-power).exp2()),
                _ => T::from_f64(1.0 / T::weighted_sum(task.isa, row, &columns.weights)),
            };
            if !matches!(step, Step::Last { .. }) {
                T::add_row(task.isa, row, weight, &mut self.sums);
                continue;
            }
            T::weigh(task.isa, row, &columns.weights, weight);
            if let Values::Again { row, best, weights, columns } = &mut self.values {
                let k = weights.len() / self.rows;
                best.select(row, &mut weights[i * k..][..k], &mut columns[i * k..][..k]);
            }
        }
        T::flush(task.isa, &mut self.sums, &mut self.totals);
        Ok(())
    }
}

impl<T: Assignment> Task<'_, T> {
    /// Make a row, the largest entry about 1, and give the power of two that this took.
    fn make(&self, i: usize, columns: &Columns<T>, to: &mut [T]) -> f64 {
        let scores = self.scores.row(i);
        let largest = T::largest_power(self.isa, scores, self.scale, &columns.powers).to_f64();
        let power = if largest.is_finite() { -largest.round() } else { 0.0 };
        let (powers, own) = (&columns.powers, T::from_f64(power));
        T::powered_exponentials(self.isa, scores, self.reg, powers, own, to);
        power
    }
}
