//! What passes have in common: blocks of rows, what the sum of a row gives, and the column sums.

use std::marker::PhantomData;

use isomorph_kernels::{GROUP, Isa, Transport};
use rayon::prelude::*;

use super::exponents::{exponential, least_sum};
use crate::Result;
use crate::memory::{Aligned, filled, reserved};
use crate::runtime::Control;
use crate::transport::Marginal;

/// Rows whose terms are added in the type of the cost, before those of blocks are in float64: an
/// eighth of them, one group after the other, make for a rounding error of some units.
const BLOCK: usize = 128;
/// Rows of what is made of the cost are a multiple of it, 64 bytes or more: each begins a cache line.
const PADDED: usize = 16;
/// Blocks that many cores share, where there are few rows.
const SHARES: usize = 32;

/// The rows of a block; of the shape alone, so that no bytes depend on the number of threads.
pub fn height(rows: usize) -> usize {
    rows.div_ceil(SHARES).next_multiple_of(GROUP).min(BLOCK)
}

/// The columns of what is made of the cost, those of zeros included.
pub fn padded(columns: usize) -> usize {
    columns.next_multiple_of(PADDED)
}

/// Rows that are in hand together.
#[derive(Debug)]
pub struct Block<'x, T> {
    /// The first row.
    pub start: usize,
    /// Row potentials.
    pub f: &'x mut [f64],
    /// Sums by column, of the terms of these rows.
    pub sums: &'x mut [T],
    /// The largest weight of a row.
    pub heaviest: &'x mut f64,
    /// Whether a row sum was out of range.
    pub lost: &'x mut bool,
}

/// The side of the rows, and the memory for sums by column: of a block, in the type `S`, of terms of
/// the type `T`.
#[derive(Debug)]
pub struct Rows<'a, T, S = T> {
    side: Marginal<'a>,
    /// ln of the largest mass: weights are relative to it.
    unit: f64,
    partial: Aligned<S>,
    heaviest: Vec<f64>,
    lost: Vec<bool>,
    columns: usize,
    height: usize,
    terms: PhantomData<T>,
}

/// For a row whose terms have the logarithm `log_sum` of their sum, times exp(`shift`): its
/// potential, and its weight in the sums by column, in the unit.
pub fn weigh<T: Transport>(
    side: &Marginal<'_>,
    unit: f64,
    i: usize,
    log_sum: f64,
    shift: f64,
) -> (f64, T) {
    let potential = side.potential(i, log_sum);
    if potential.is_finite() {
        (potential, exponential(potential - shift - unit))
    } else {
        (f64::NEG_INFINITY, T::default())
    }
}

impl<'a, T: Transport, S: Transport> Rows<'a, T, S> {
    /// Of that side, with that many columns, in blocks of `height` rows.
    pub fn new(side: Marginal<'a>, columns: usize, height: usize) -> Result<Self> {
        let blocks = side.mass.len().div_ceil(height);
        Ok(Self {
            side,
            unit: side.mass.iter().copied().fold(f64::MIN_POSITIVE, f64::max).ln(),
            partial: Aligned::new(blocks * columns)?,
            heaviest: filled(0.0, blocks)?,
            lost: filled(false, blocks)?,
            columns,
            height,
            terms: PhantomData,
        })
    }

    /// Call `work` for each block, in parallel; `extra` has something for each. False when a row
    /// sum was lost.
    pub fn in_blocks<X: Send, W: Send>(
        &mut self,
        f: &mut [f64],
        extra: impl IndexedParallelIterator<Item = X>,
        control: &Control,
        workspace: impl Fn() -> W + Sync + Send,
        work: impl Fn(&mut W, Block<'_, S>, X, &Marginal<'_>, f64) -> Result<()> + Sync + Send,
    ) -> Result<bool> {
        let (side, unit, columns, height) = (&self.side, self.unit, self.columns, self.height);
        f.par_chunks_mut(height)
            .zip(self.partial.values().par_chunks_mut(columns.max(1)))
            .zip(self.heaviest.par_iter_mut().zip(self.lost.par_iter_mut()))
            .zip(extra)
            .enumerate()
            .try_for_each_init(
                workspace,
                |space, (number, (((f, sums), (heaviest, lost)), extra))| {
                    control.check()?;
                    sums.fill(S::default());
                    (*heaviest, *lost) = (0.0, false);
                    let start = number * height;
                    work(space, Block { start, f, sums, heaviest, lost }, extra, side, unit)
                },
            )?;
        Ok(!self.lost.contains(&true))
    }

    /// The sums by column, of all blocks.
    pub fn totals(&self, totals: &mut [f64]) {
        totals.fill(0.0);
        for sums in self.partial.get().chunks_exact(self.columns.max(1)) {
            for (total, sum) in totals.iter_mut().zip(sums) {
                *total += sum.to_f64();
            }
        }
    }

    /// The logarithms of the sums by column, each times exp of its `factor`, into `logs`; the
    /// columns of a finite factor whose sums are lost in what underflowed.
    pub fn column_logs(
        &self,
        factor: impl Fn(usize) -> f64,
        logs: &mut [f64],
    ) -> Result<Vec<usize>> {
        let heaviest = self.heaviest.iter().copied().fold(0.0, f64::max);
        let least = least_sum::<T>(self.side.mass.len(), heaviest);
        self.totals(logs);
        let mut lost = reserved(0)?;
        for (j, log) in logs.iter_mut().enumerate() {
            let (sum, factor) = (*log, factor(j));
            *log = f64::NEG_INFINITY;
            if sum > least && sum.is_finite() {
                *log = sum.ln() + self.unit + factor;
            } else if factor > f64::NEG_INFINITY {
                lost.push(j);
            }
        }
        Ok(lost)
    }
}

/// The instruction set in use.
pub fn chosen() -> Result<Isa> {
    Isa::chosen().map_err(crate::Error::Isa)
}
