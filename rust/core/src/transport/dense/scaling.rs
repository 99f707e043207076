//! The pass in the scaling form: products of a kernel K = exp(f0 + g0 - C / reg) with vectors.
//!
//! With v = exp(g - g0) the row sums are K v, those by column v * (K' u) with u = mass / (K v). A few
//! rows are multiplied by v, and then added, still in cache, to the sums by column, while the next ones
//! are fetched. So K is read from memory once, and memory hardly waits.
//!
//! K is what a logarithmic pass leaves: its rows have sums near 1, its entries the error of exponents
//! that are small where the mass is.

use std::ops::Range;

use isomorph_kernels::{Exponential, GROUP, Isa, Transport};
use rayon::prelude::*;

use super::Cost;
use super::exponents::{least_sum, narrowed};
use super::logs::Logs;
use super::rows::{Block, height, weigh};
use crate::Result;
use crate::memory::{Aligned, filled};
use crate::runtime::Control;
use crate::transport::{Marginal, Pass, Problem, Rule};

/// Entries of a row that are looked at together.
const TOGETHER: usize = 512;

/// The scaling form.
#[derive(Debug)]
pub struct Kernel<'a, T> {
    logs: Logs<'a, T>,
    kernel: Aligned<T>,
    /// The row potentials in K.
    shifts: Vec<f64>,
    /// The column potentials in K.
    g: Vec<f64>,
    /// exp(g - g0), 0 where there is no mass; in the type of the cost.
    moved: Vec<f64>,
    v: Aligned<T>,
    made: bool,
    /// Whether K and v are those of the last run.
    current: bool,
    anew: bool,
}

impl<'a, T: Cost> Kernel<'a, T> {
    /// Of that problem; `anew` says whether K is made anew when potentials have moved far.
    ///
    /// # Errors
    /// [`crate::Error::Memory`], [`crate::Error::Isa`].
    pub fn new(problem: &Problem<'a, T>, anew: bool) -> Result<Self> {
        let (n, m) = (problem.cost.rows(), problem.cost.cols());
        let logs = Logs::new(problem)?;
        let width = logs.width;
        Ok(Self {
            logs,
            kernel: Aligned::in_large_pages(n * width)?,
            shifts: filled(0.0, n)?,
            g: filled(0.0, m)?,
            moved: filled(0.0, m)?,
            v: Aligned::new(width)?,
            made: false,
            current: false,
            anew,
        })
    }

    /// How far potentials may move before K is made anew.
    ///
    /// An entry that underflowed, below the smallest normal number, would be, at the most, that times
    /// the square of exp(this): in float64 exp(-708 + 100), in float32 exp(-87 + 16), both nothing. In
    /// float32 the exponents in K have rounding errors, too, which grow with what they lack of 0; for
    /// entries with mass this bounds them by 16 roundings.
    const FAR: f64 = if size_of::<T>() == 4 { 8.0 } else { 50.0 };

    /// A logarithmic pass, which leaves K.
    fn absorb(
        &mut self,
        g: &[f64],
        f: &mut [f64],
        logs: &mut [f64],
        control: &Control,
    ) -> Result<()> {
        self.made = false;
        self.logs.keep(g, f, logs, self.kernel.values(), &mut self.shifts, control)?;
        self.g.copy_from_slice(g);
        self.v.values()[..g.len()].fill(T::from_f64(1.0));
        (self.made, self.current) = (true, true);
        Ok(())
    }

    /// The products; false when a sum left the range.
    fn multiply(
        &mut self,
        g: &[f64],
        f: &mut [f64],
        logs: &mut [f64],
        control: &Control,
    ) -> Result<bool> {
        let m = g.len();
        let mut most: f64 = 0.0;
        for ((moved, g), before) in self.moved.iter_mut().zip(g).zip(&self.g) {
            let known = g.is_finite() && before.is_finite();
            *moved = if known { g - before } else { f64::NEG_INFINITY };
        }
        f64::exp_in_place(self.logs.isa(), &mut self.moved);
        for (v, moved) in self.v.values().iter_mut().zip(&self.moved) {
            *v = narrowed(*moved);
            most = most.max(v.to_f64());
        }
        let shared = Shared {
            isa: self.logs.isa(),
            kernel: self.kernel.get(),
            v: self.v.get(),
            least: least_sum::<T>(m, most),
        };
        let high = height(f.len());
        let sound = self.logs.rows.in_blocks(
            f,
            self.shifts.par_chunks(high),
            control,
            || (),
            |(), mut block, shifts, side, unit| {
                shared.block(shifts, &mut block, side, unit);
                Ok(())
            },
        )?;
        if !sound {
            return Ok(false);
        }
        let factor = |j: usize| {
            let moved = g[j] - self.g[j];
            if moved.is_finite() { moved } else { f64::NEG_INFINITY }
        };
        Ok(self.logs.rows.column_logs(factor, logs)?.is_empty())
    }
}

/// What the rows of a pass have in common.
struct Shared<'p, T> {
    isa: Isa,
    kernel: &'p [T],
    v: &'p [T],
    least: f64,
}

impl<T: Transport> Shared<'_, T> {
    /// The rows of a block, a group after the other.
    fn block(&self, shifts: &[f64], block: &mut Block<'_, T>, side: &Marginal<'_>, unit: f64) {
        let (m, height, largest) = (self.v.len(), block.f.len(), unit.exp());
        for first in (0..height).step_by(GROUP) {
            let count = GROUP.min(height - first);
            let (rows, later) = self.kernel[(block.start + first) * m..].split_at(count * m);
            let mut sums = [0.0; GROUP];
            T::dots_with(self.isa, rows, self.v, &mut sums[..count]);
            let mut weights = [T::default(); GROUP];
            for r in 0..count {
                let i = block.start + first + r;
                // What has no mass may have any sum.
                if side.mass[i] > 0.0 && !(sums[r] > self.least && sums[r] < f64::INFINITY) {
                    *block.lost = true;
                    return;
                }
                let shift = shifts[first + r];
                let ratio = side.mass[i] / sums[r];
                let (potential, weight) = if side.rule == Rule::Exact && ratio.is_normal() {
                    // One logarithm instead of two and an exponential.
                    (ratio.ln() + shift, narrowed(ratio / largest))
                } else {
                    weigh::<T>(side, unit, i, sums[r].ln() - shift, shift)
                };
                block.f[first + r] = potential;
                *block.heaviest = block.heaviest.max(weight.to_f64());
                weights[r] = weight;
            }
            let ahead = &later[..later.len().min(GROUP * m)];
            T::add_rows(self.isa, rows, &weights[..count], ahead, block.sums);
        }
    }
}

impl<T: Cost> Pass for Kernel<'_, T> {
    fn shape(&self) -> (usize, usize) {
        self.logs.shape()
    }

    fn run(&mut self, g: &[f64], f: &mut [f64], logs: &mut [f64], control: &Control) -> Result<()> {
        self.current = false;
        if !self.made {
            return self.absorb(g, f, logs, control);
        }
        let moved = g.iter().zip(&self.g).map(|(g, before)| g - before);
        let far = moved.filter(|moved| moved.is_finite()).any(|moved| moved.abs() > Self::FAR);
        if !(self.anew && far) && self.multiply(g, f, logs, control)? {
            self.current = true;
            return Ok(());
        }
        if self.anew {
            self.absorb(g, f, logs, control)
        } else {
            self.logs.run(g, f, logs, control)
        }
    }

    fn costs(&self, rows: Range<usize>, out: &mut [f64]) {
        self.logs.costs(rows, out);
    }

    fn above(
        &self,
        i: usize,
        f: f64,
        level: f64,
        columns: &mut Vec<u32>,
        values: &mut Vec<f64>,
    ) -> bool {
        let (m, width) = (self.g.len(), self.v.len());
        let weight = (f - self.shifts[i]).exp();
        if !(self.current && weight.is_normal()) {
            return false;
        }
        let (row, v) = (&self.kernel.get()[i * width..][..m], &self.v.get()[..m]);
        let (isa, level) = (self.logs.isa(), T::from_f64(level / weight));
        let mut places = [0; TOGETHER];
        for (number, (row, v)) in row.chunks(TOGETHER).zip(v.chunks(TOGETHER)).enumerate() {
            let count = T::above(isa, row, v, level, &mut places[..row.len()]);
            let (places, first) = (&places[..count], (number * TOGETHER) as u32);
            columns.extend(places.iter().map(|place| first + place));
            let value = |k: usize| row[k].to_f64() * v[k].to_f64() * weight;
            values.extend(places.iter().map(|place| value(*place as usize)));
        }
        true
    }

    fn set_reg(&mut self, reg: f64) {
        self.logs.set_reg(reg);
        (self.made, self.current) = (false, false);
    }
}
