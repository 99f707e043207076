//! The part of a plan that is not nearly 0: a sparse matrix.

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::Pass;
use super::point::Point;
use crate::Result;
use crate::memory::filled;
use crate::runtime::Control;

/// Rows that are kept together: sums over columns are made a block at a time, and then of the blocks.
const ROWS: usize = 256;
/// Blocks at most: each has a vector as long as a row.
const BLOCKS: usize = 16;
/// Rows whose costs are made together.
const TOGETHER: usize = 8;
/// Entries that are looked at together: most have none that is kept.
const LANES: usize = 16;

/// Entries of a plan in compressed rows, in blocks.
#[derive(Default)]
pub(super) struct Part {
    blocks: Vec<Block>,
    height: usize,
}

#[derive(Default)]
struct Block {
    /// How many entries there are up to the end of each row.
    ends: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f64>,
    costs: Vec<f64>,
    sums: Vec<f64>,
}

impl Part {
    /// Take the entries of the plan at `point` that are above `least` times their row's mass.
    ///
    /// Whether they are at most `room`; if not, they are not all there.
    pub fn fill(
        &mut self,
        pass: &dyn Pass,
        point: &Point,
        mass: &[f64],
        least: f64,
        room: usize,
        control: &Control,
    ) -> Result<bool> {
        let (n, m) = pass.shape();
        let count = n.div_ceil(ROWS).min(BLOCKS);
        self.height = n.div_ceil(count);
        self.blocks.resize_with(count, Block::default);
        let (height, total) = (self.height, AtomicUsize::new(0));
        self.blocks.par_iter_mut().enumerate().try_for_each(|(index, block)| {
            block.ends.clear();
            block.columns.clear();
            block.values.clear();
            if block.sums.len() != m {
                block.sums = filled(0.0, m)?;
                block.costs = filled(0.0, TOGETHER * m)?;
            }
            let end = n.min((index + 1) * height);
            let mut start = index * height;
            while start < end {
                control.check()?;
                let rows = start..end.min(start + TOGETHER);
                let held = block.values.len();
                let mut made = false;
                for i in rows.clone() {
                    let (columns, values) = (&mut block.columns, &mut block.values);
                    if pass.above(i, point.f[i], least * mass[i], columns, values) {
                        block.ends.push(block.values.len());
                        continue;
                    }
                    if !made {
                        pass.costs(rows.clone(), &mut block.costs[..rows.len() * m]);
                        made = true;
                    }
                    block.take((i - start) * m, point.f[i], &point.g, least.ln() + mass[i].ln());
                }
                start = rows.end;
                let more = block.values.len() - held;
                if total.fetch_add(more, Ordering::Relaxed) + more > room {
                    return Ok(());
                }
            }
            Ok(())
        })?;
        Ok(total.into_inner() <= room)
    }

    /// Call `each` with the row, the columns and the values, block after block.
    fn rows(block: &Block) -> impl Iterator<Item = (usize, &[u32], &[f64])> {
        let mut start = 0;
        block.ends.iter().enumerate().map(move |(row, end)| {
            let held = start..*end;
            start = *end;
            (row, &block.columns[held.clone()], &block.values[held])
        })
    }

    /// Add to `out` P' (scale * (P x)), all of a row at once; with `squares`, the diagonal of
    /// P' diag(scale) P instead.
    pub fn add(&mut self, x: Option<&[f64]>, scale: &[f64], out: &mut [f64]) {
        let height = self.height;
        self.blocks.par_iter_mut().enumerate().for_each(|(index, block)| {
            let mut sums = std::mem::take(&mut block.sums);
            sums.fill(0.0);
            for (row, columns, values) in Self::rows(block) {
                let scale = scale[index * height + row];
                if let Some(x) = x {
                    let sum = dot(columns, values, x);
                    for (column, value) in columns.iter().zip(values) {
                        sums[*column as usize] += value * (scale * sum);
                    }
                } else {
                    for (column, value) in columns.iter().zip(values) {
                        sums[*column as usize] += value * value * scale;
                    }
                }
            }
            block.sums = sums;
        });
        for block in &self.blocks {
            for (out, sum) in out.iter_mut().zip(&block.sums) {
                *out += sum;
            }
        }
    }
}

/// The product of a sparse row with `x`: in four sums, for additions wait for one another.
fn dot(columns: &[u32], values: &[f64], x: &[f64]) -> f64 {
    let mut sums = [0.0; 4];
    let ((columns, last), (values, rest)) = (columns.as_chunks::<4>(), values.as_chunks::<4>());
    for (columns, values) in columns.iter().zip(values) {
        for k in 0..4 {
            sums[k] += values[k] * x[columns[k] as usize];
        }
    }
    for (column, value) in last.iter().zip(rest) {
        sums[0] += value * x[*column as usize];
    }
    (sums[0] + sums[1]) + (sums[2] + sums[3])
}

impl Block {
    /// Take a row, whose costs begin at `at`: entries whose logarithm is above `least`.
    fn take(&mut self, at: usize, f: f64, g: &[f64], least: f64) {
        // Of a row without mass f and `least` are -inf, and nothing is above.
        let level = least - f;
        if level.is_nan() {
            self.ends.push(self.values.len());
            return;
        }
        let costs = &self.costs[at..at + g.len()];
        for (chunk, (costs, g)) in costs.chunks(LANES).zip(g.chunks(LANES)).enumerate() {
            let mut any = false;
            for (cost, g) in costs.iter().zip(g) {
                any |= g - cost > level;
            }
            if any {
                for (lane, (cost, g)) in costs.iter().zip(g).enumerate() {
                    if g - cost > level {
                        self.columns.push((chunk * LANES + lane) as u32);
                        self.values.push((f + (g - cost)).exp());
                    }
                }
            }
        }
        self.ends.push(self.values.len());
    }
}
