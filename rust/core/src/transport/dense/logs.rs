//! The pass in the logarithmic form: an exponential an entry, whatever the range.
//!
//! A row is shifted by what its sum was in the pass before, not by its maximum: then exponents need
//! not wait for one another, and those that matter are small, and so are their rounding errors. Where
//! potentials have jumped so far that a sum leaves the range, the row is done again, by its maximum.

use std::ops::Range;

use isomorph_kernels::{Exponents, GROUP, Isa, Transport};
use rayon::prelude::*;

use super::columns::log_sums;
use super::exponents::{Potentials, WINDOW, joined, largest, scale, split};
use super::rows::{Block, Rows, chosen, height, padded, weigh};
use super::{Cost, scaled};
use crate::Result;
use crate::matrix::MatRef;
use crate::memory::{Aligned, filled};
use crate::runtime::Control;
use crate::transport::{Marginal, Pass, Problem};

/// Columns that are gone through for a group of rows: what they need stays in the nearest cache.
const TILE: usize = 512;

/// The logarithmic form.
#[derive(Debug)]
pub struct Logs<'a, T> {
    isa: Isa,
    pub(super) cost: MatRef<'a, T>,
    pub(super) rows: Rows<'a, T>,
    /// Columns of what is made of the cost, padded with zeros.
    pub(super) width: usize,
    reg: f64,
    /// Minus the logarithms of the row sums without f, as last seen; NaN: not yet.
    shifts: Vec<f64>,
    /// The largest magnitude of a finite cost.
    largest: f64,
}

/// What the rows of a pass have in common.
struct Shared<'p, 'a, T> {
    isa: Isa,
    cost: MatRef<'a, T>,
    width: usize,
    g: &'p Potentials<T>,
    scale: [T; 2],
    quantum: f64,
}

impl<'a, T: Cost> Logs<'a, T> {
    /// Of that problem.
    ///
    /// # Errors
    /// [`crate::Error::Memory`], [`crate::Error::Isa`].
    pub fn new(problem: &Problem<'a, T>) -> Result<Self> {
        let isa = chosen()?;
        let width = padded(problem.cost.cols());
        Ok(Self {
            isa,
            largest: largest_cost(isa, problem.cost),
            cost: problem.cost,
            rows: Rows::new(problem.rows, width, height(problem.cost.rows()))?,
            width,
            reg: problem.reg,
            shifts: filled(f64::NAN, problem.cost.rows())?,
        })
    }

    pub(super) const fn isa(&self) -> Isa {
        self.isa
    }

    /// See [`Pass::run`]; `kernel` and `shifts`, unless they are empty, become exp(shift + g - C / reg),
    /// in rows of `width`, and the shifts of its rows.
    pub fn keep(
        &mut self,
        g: &[f64],
        f: &mut [f64],
        logs: &mut [f64],
        kernel: &mut [T],
        shifts: &mut [f64],
        control: &Control,
    ) -> Result<()> {
        let (n, width) = (self.cost.rows(), self.width);
        // No sum of a row can be further away.
        let most = largest(&self.shifts).max(largest(g) + self.largest / self.reg);
        let (potentials, quantum) = Potentials::new(g, most)?;
        let shared = Shared {
            isa: self.isa,
            cost: self.cost,
            width,
            g: &potentials,
            scale: scale(self.reg),
            quantum,
        };
        let high = height(n);
        let of_block = |before: &mut [f64],
                        kept: &mut [T],
                        out: &mut [f64],
                        space: &mut [T],
                        mut block: Block<'_, T>,
                        rows: &Marginal<'_>,
                        unit: f64| {
            shared.block(before, kept, out, space, &mut block, rows, unit);
            Ok(())
        };
        if kernel.is_empty() {
            let extra = self.shifts.par_chunks_mut(high);
            let space = || Aligned::new(GROUP * width);
            self.rows.in_blocks(f, extra, control, space, |space, block, before, rows, unit| {
                let space = space.as_mut().map_err(|error| error.clone())?;
                of_block(before, &mut [], &mut [], space.values(), block, rows, unit)
            })?;
        } else {
            let extra = self
                .shifts
                .par_chunks_mut(high)
                .zip(kernel.par_chunks_mut(high * width).zip(shifts.par_chunks_mut(high)));
            self.rows.in_blocks(
                f,
                extra,
                control,
                || [],
                |space, block, extra, rows, unit| {
                    let (before, (kept, out)) = extra;
                    of_block(before, kept, out, space, block, rows, unit)
                },
            )?;
        }
        let known = |j: usize| if g[j].is_finite() { 0.0 } else { f64::NEG_INFINITY };
        let lost = self.rows.column_logs(known, logs)?;
        log_sums(self.isa, self.cost, self.reg, f, g, &lost, logs, control)
    }
}

impl<T: Transport> Shared<'_, '_, T> {
    /// The rows of a block.
    #[allow(clippy::too_many_arguments)]
    fn block(
        &self,
        before: &mut [f64],
        kept: &mut [T],
        shifts: &mut [f64],
        space: &mut [T],
        block: &mut Block<'_, T>,
        side: &Marginal<'_>,
        unit: f64,
    ) {
        let (m, width) = (self.cost.cols(), self.width);
        for first in (0..block.f.len()).step_by(GROUP) {
            let count = GROUP.min(block.f.len() - first);
            let rows: &mut [T] = if kept.is_empty() {
                &mut space[..count * width]
            } else {
                &mut kept[first * width..(first + count) * width]
            };
            let mut shift = [[T::default(); 2]; GROUP];
            for r in 0..count {
                let known = before[first + r];
                shift[r] = split(if known.is_finite() { known } else { 0.0 }, self.quantum);
            }
            let known = before[first..first + count].iter().all(|shift| shift.is_finite());
            let mut sums = [f64::NAN; GROUP];
            if known {
                sums = self.group(block.start + first, count, &shift, rows);
            }
            let mut weights = [T::default(); GROUP];
            for r in 0..count {
                let i = block.start + first + r;
                let fits = sums[r] > 1.0 / WINDOW && sums[r] < WINDOW;
                if !fits {
                    (shift[r], sums[r]) = self.by_maximum(i, &mut rows[r * width..][..m]);
                }
                let exact = joined(shift[r]);
                let log_sum = sums[r].ln() - exact;
                before[first + r] = if log_sum.is_finite() { -log_sum } else { f64::NAN };
                let (potential, weight) = weigh::<T>(side, unit, i, log_sum, exact);
                block.f[first + r] = potential;
                *block.heaviest = block.heaviest.max(weight.to_f64());
                weights[r] = weight;
                if let Some(shift) = shifts.get_mut(first + r) {
                    *shift = exact;
                }
            }
            T::add_rows(self.isa, rows, &weights[..count], &[], block.sums);
        }
    }

    /// The exponentials of some rows, tile by tile, and their sums.
    fn group(
        &self,
        first: usize,
        count: usize,
        shift: &[[T; 2]; GROUP],
        out: &mut [T],
    ) -> [f64; GROUP] {
        let m = self.cost.cols();
        let mut sums = [0.0; GROUP];
        for start in (0..m).step_by(TILE) {
            let end = m.min(start + TILE);
            for r in 0..count {
                let row = self.cost.row(first + r);
                // The same columns of the next rows, or the next columns of these.
                let ahead = if end < m {
                    &row[end..m.min(end + TILE)]
                } else if first + count + r < self.cost.rows() {
                    &self.cost.row(first + count + r)[..m.min(TILE)]
                } else {
                    &[]
                };
                let exponents = Exponents {
                    cost: &row[start..end],
                    scale: self.scale,
                    g: self.g.of(start, end),
                    f: shift[r],
                };
                let out = &mut out[r * self.width..][start..end];
                sums[r] += T::exponentials(self.isa, &exponents, ahead, out);
            }
        }
        sums
    }

    /// One row, shifted by its maximum; the shift, and its sum.
    fn by_maximum(&self, i: usize, out: &mut [T]) -> ([T; 2], f64) {
        let zero = [T::default(); 2];
        let row = Exponents {
            cost: self.cost.row(i),
            scale: self.scale,
            g: self.g.of(0, self.cost.cols()),
            f: zero,
        };
        let top = T::largest_exponent(self.isa, &row).to_f64();
        if !top.is_finite() {
            out.fill(T::default());
            return (zero, 0.0);
        }
        let shift = [T::from_f64(-(top / self.quantum).round() * self.quantum), T::default()];
        let row = Exponents { f: shift, ..row };
        (shift, T::exponentials(self.isa, &row, &[], out))
    }
}

fn largest_cost<T: Cost>(isa: Isa, cost: MatRef<'_, T>) -> f64 {
    let of_block = |block: &[T]| {
        let most = T::largest_magnitude(isa, block).to_f64();
        if most.is_finite() {
            return most;
        }
        let finite = block.iter().filter(|cost| cost.finite());
        finite.fold(0.0, |most: f64, cost| most.max(cost.to_f64().abs()))
    };
    cost.data().par_chunks(1 << 16).map(of_block).reduce(|| 0.0, f64::max)
}

impl<T: Cost> Pass for Logs<'_, T> {
    fn shape(&self) -> (usize, usize) {
        (self.cost.rows(), self.cost.cols())
    }

    fn run(&mut self, g: &[f64], f: &mut [f64], logs: &mut [f64], control: &Control) -> Result<()> {
        self.keep(g, f, logs, &mut [], &mut [], control)
    }

    fn costs(&self, rows: Range<usize>, out: &mut [f64]) {
        scaled(self.cost, self.reg, rows, out);
    }

    fn set_reg(&mut self, reg: f64) {
        for shift in &mut self.shifts {
            *shift *= self.reg / reg;
        }
        self.reg = reg;
    }
}
