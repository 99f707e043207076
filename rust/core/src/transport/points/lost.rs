//! Column sums that are lost to underflow, or larger than their type: by their maxima, in float64.

use isomorph_kernels::{Exponential, Isa, Late};
use rayon::prelude::*;

use super::panels::{Grid, MOST_ROWS, Panels};
use super::{Clouds, Coordinate};
use crate::Result;
use crate::memory::filled;
use crate::runtime::Control;

/// A sum of exponentials: exp(`top`) times `sum`.
#[derive(Clone, Copy, Debug)]
struct Sum {
    top: f64,
    sum: f64,
}

const NOTHING: Sum = Sum { top: f64::NEG_INFINITY, sum: 0.0 };

impl Sum {
    fn add(&mut self, other: Self) {
        let top = self.top.max(other.top);
        if top > f64::NEG_INFINITY {
            self.sum = self.sum * (self.top - top).exp() + other.sum * (other.top - top).exp();
            self.top = top;
        }
    }
}

/// The logarithms of the sums of exp(f + g - C / reg) over the columns `lost`, into `logs`.
pub fn log_sums<T: Coordinate>(
    isa: Isa,
    clouds: &Clouds<'_, T>,
    f: &[f64],
    g: &[f64],
    lost: &[usize],
    logs: &mut [f64],
    control: &Control,
) -> Result<()> {
    if lost.is_empty() {
        return Ok(());
    }
    let (n, depth) = (f.len(), clouds.x.cols());
    let grid = Grid::new::<f64>(n, lost.len(), depth);
    let panels = Panels::<f64>::new(clouds.y, lost.len(), |k| lost[k])?;
    let factor = clouds.scale / clouds.reg;
    let mut lines = filled(NOTHING, n.div_ceil(grid.share) * lost.len())?;
    lines.par_chunks_mut(lost.len()).enumerate().try_for_each(|(number, line)| {
        let mut wide = filled(0.0, grid.block * depth)?;
        let mut tiles = filled(0.0, grid.block * grid.chunk)?;
        let end = n.min((number + 1) * grid.share);
        for first in (number * grid.share..end).step_by(grid.block) {
            control.check()?;
            let last = end.min(first + grid.block);
            let (count, f) = (last - first, &f[first..last]);
            for (wide, value) in wide.iter_mut().zip(clouds.x.slice(first, last).data()) {
                *wide = value.to_f64();
            }
            for chunk in grid.chunks() {
                let tiles = &mut tiles[..count * chunk.len()];
                let rows = &wide[..count * depth];
                f64::products(isa, rows, depth, panels.of(&chunk), tiles, &mut []);
                let columns = line[chunk.start..].iter_mut().zip(&lost[chunk.start..]);
                for (k, (sum, j)) in columns.enumerate().take(chunk.len()) {
                    let at = k / f64::PANEL * count * f64::PANEL + k % f64::PANEL;
                    let place = |r: usize| at + r * f64::PANEL;
                    let exponents = |r: usize| f[r] + (g[*j] + tiles[place(r)] * factor);
                    let top = (0..count).map(exponents).fold(f64::NEG_INFINITY, f64::max);
                    if top == f64::NEG_INFINITY {
                        continue;
                    }
                    let mut values = [0.0; MOST_ROWS];
                    let values = &mut values[..count];
                    for (r, value) in values.iter_mut().enumerate() {
                        *value = exponents(r) - top;
                    }
                    f64::exp_in_place(isa, values);
                    sum.add(Sum { top, sum: values.iter().sum() });
                }
            }
        }
        Ok::<_, crate::Error>(())
    })?;
    let mut sums = filled(NOTHING, lost.len())?;
    for line in lines.chunks_exact(lost.len()) {
        sums.iter_mut().zip(line).for_each(|(sum, part)| sum.add(*part));
    }
    for (j, sum) in lost.iter().zip(&sums) {
        logs[*j] = if sum.sum > 0.0 { sum.sum.ln() + sum.top } else { f64::NEG_INFINITY };
    }
    Ok(())
}
