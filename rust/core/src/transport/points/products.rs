//! The pass over costs that are made of points: a product and an exponential an entry.
//!
//! The exponentials of a block of rows are held until the rows' sums, and so the row potentials, are
//! known; then they are added to the sums by column, while they are in a cache. Rows are shifted by
//! what their sums were in the pass before, as those of a dense cost in the logarithmic form.

use std::ops::Range;

use isomorph_kernels::Isa;
use rayon::prelude::*;

use super::panels::{Grid, Panels};
use super::tiles::{Space, Spaces, Tiles};
use super::{Clouds, Coordinate, lost};
use crate::Result;
use crate::memory::filled;
use crate::runtime::Control;
use crate::transport::dense::exponents::{Potentials, WINDOW, joined, largest, scale};
use crate::transport::dense::rows::{Block, Rows, chosen, weigh};
use crate::transport::{Marginal, Pass};

/// The pass.
#[derive(Debug)]
pub struct Products<'a, T> {
    isa: Isa,
    clouds: Clouds<'a, T>,
    grid: Grid,
    panels: Panels<T>,
    rows: Rows<'a, T, f64>,
    spaces: Spaces<T>,
    /// Minus the logarithms of the row sums without f, as last seen; NaN: not yet.
    shifts: Vec<f64>,
    /// No cost has a larger magnitude.
    largest: f64,
}

impl<'a, T: Coordinate> Products<'a, T> {
    /// Of that problem.
    ///
    /// # Errors
    /// [`crate::Error::Memory`], [`crate::Error::Isa`].
    pub fn new(clouds: &Clouds<'a, T>) -> Result<Self> {
        let (n, m) = (clouds.x.rows(), clouds.y.rows());
        let grid = Grid::new::<T>(n, m, clouds.x.cols());
        Ok(Self {
            isa: chosen()?,
            largest: clouds.largest(),
            clouds: *clouds,
            grid,
            panels: Panels::new(clouds.y, m, |j| j)?,
            rows: Rows::new(clouds.rows, m, grid.share)?,
            spaces: Spaces::new(grid, false),
            shifts: filled(f64::NAN, n)?,
        })
    }
}

/// In base 2, what a product counts; where all products are 0, any number.
pub fn scale_of<C: isomorph_kernels::Transport>(reg: f64, factor: f64, largest: f64) -> [C; 2] {
    scale(if largest > 0.0 { (reg / factor).min(f64::MAX) } else { 1.0 })
}

/// Column potentials, filled up to whole panels with columns of no mass; and the quantum.
pub fn padded<C: isomorph_kernels::Transport>(
    g: &[f64],
    others: f64,
    columns: usize,
) -> Result<(Potentials<C>, f64)> {
    let mut padded = filled(f64::NEG_INFINITY, columns)?;
    padded[..g.len()].copy_from_slice(g);
    Potentials::new(&padded, others)
}

impl<T: Coordinate> Tiles<'_, T> {
    /// A block of rows, from `first` on: their exponentials, shifted as before or by their maxima.
    #[allow(clippy::too_many_arguments)]
    fn pass(
        &self,
        x: &[T],
        space: &mut Space<T>,
        before: &mut [f64],
        first: usize,
        block: &mut Block<'_, f64>,
        side: &Marginal<'_>,
        unit: f64,
    ) {
        let rows = before.len();
        let mut fits = before.iter().all(|shift| shift.is_finite());
        if fits {
            for (shift, before) in space.shifts.iter_mut().zip(&*before) {
                *shift = self.split(*before);
            }
            self.raised(x, rows, space);
            fits = space.sums[..rows].iter().all(|sum| *sum > 1.0 / WINDOW && *sum < WINDOW);
        }
        if !fits {
            self.raised_by_maxima(x, rows, space);
        }
        for (r, before) in before.iter_mut().enumerate() {
            let exact = joined(space.shifts[r]);
            let log_sum = space.sums[r].ln() - exact;
            *before = if log_sum.is_finite() { -log_sum } else { f64::NAN };
            let (potential, weight) = weigh::<T>(side, unit, first + r, log_sum, exact);
            block.f[first + r - block.start] = potential;
            *block.heaviest = block.heaviest.max(weight.to_f64());
            space.weights[r] = weight;
        }
        self.add_columns(rows, space, block.sums);
    }
}

impl<T: Coordinate> Pass for Products<'_, T> {
    fn shape(&self) -> (usize, usize) {
        (self.clouds.x.rows(), self.clouds.y.rows())
    }

    fn run(&mut self, g: &[f64], f: &mut [f64], logs: &mut [f64], control: &Control) -> Result<()> {
        let (grid, reg, x) = (self.grid, self.clouds.reg, self.clouds.x);
        // No sum of a row can be further away.
        let most = largest(&self.shifts).max(largest(g) + self.largest / reg);
        let (potentials, quantum) = padded(g, most, grid.columns)?;
        let tiles = Tiles {
            isa: self.isa,
            grid,
            panels: &self.panels,
            g: &potentials,
            scale: scale_of(reg, self.clouds.scale, self.largest),
            quantum,
        };
        let spaces = &self.spaces;
        let extra = self.shifts.par_chunks_mut(grid.share);
        self.rows.in_blocks(
            f,
            extra,
            control,
            || (),
            |(), mut share, before, side, unit| {
                spaces.lend(|space| {
                    for (number, before) in before.chunks_mut(grid.block).enumerate() {
                        control.check()?;
                        let first = share.start + number * grid.block;
                        let points = x.slice(first, first + before.len());
                        tiles.pass(points.data(), space, before, first, &mut share, side, unit);
                    }
                    Ok(())
                })
            },
        )?;
        let known = |j: usize| if g[j].is_finite() { 0.0 } else { f64::NEG_INFINITY };
        let lost = self.rows.column_logs(known, logs)?;
        lost::log_sums(self.isa, &self.clouds, f, g, &lost, logs, control)
    }

    fn costs(&self, rows: Range<usize>, out: &mut [f64]) {
        let (count, m) = (rows.len(), self.clouds.y.rows());
        let factor = -self.clouds.scale / self.clouds.reg;
        let x = self.clouds.x.slice(rows.start, rows.end);
        let mut tile = vec![T::default(); count * self.grid.chunk];
        for chunk in self.grid.chunks() {
            let tile = &mut tile[..count * chunk.len()];
            T::products(self.isa, x.data(), x.cols(), self.panels.of(&chunk), tile, &mut []);
            for (r, out) in out.chunks_exact_mut(m).enumerate() {
                let lines = tile.chunks_exact(T::PANEL).skip(r).step_by(count);
                for (line, out) in lines.zip(out[chunk.start..].chunks_mut(T::PANEL)) {
                    for (out, product) in out.iter_mut().zip(line) {
                        *out = product.to_f64() * factor;
                    }
                }
            }
        }
    }

    fn set_reg(&mut self, reg: f64) {
        for shift in &mut self.shifts {
            *shift *= self.clouds.reg / reg;
        }
        self.clouds.reg = reg;
    }
}
