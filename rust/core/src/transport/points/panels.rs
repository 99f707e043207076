//! How points are cut: blocks of rows, and panels of columns that the products take.

use std::ops::Range;

use isomorph_kernels::{Element, Late, TILE_ROWS};
use rayon::prelude::*;

use crate::Result;
use crate::matrix::MatRef;
use crate::memory::Aligned;

/// Blocks are a multiple of what the products take together.
const STEP: usize = 2 * TILE_ROWS;
/// Rows of a block: panels come from memory once for so many.
pub const MOST_ROWS: usize = 8 * STEP;
/// Fewer would wait for memory, however much room all columns of more would take.
const LEAST_ROWS: usize = 2 * STEP;
/// What the exponentials of a block should take at most, in bytes: a part of a cache that is shared.
const ROOM: usize = 1 << 24;
/// Parts that many cores share; each has a float64 sum a column.
const SHARES: usize = 64;
/// Bytes of panels that are multiplied by all rows of a block before the next: part of a near cache.
const CHUNK: usize = 1 << 18;

/// How the problem is cut; by its shape alone, so that no bytes depend on the number of threads.
#[derive(Clone, Copy, Debug)]
pub struct Grid {
    /// Rows whose exponentials are held together.
    pub block: usize,
    /// Rows that one thread goes through, in whole blocks.
    pub share: usize,
    /// Columns, filled up to whole panels.
    pub columns: usize,
    /// Columns of a chunk, in whole panels.
    pub chunk: usize,
}

impl Grid {
    /// For `rows` and `columns` of points with `depth` values.
    pub fn new<C: Late>(rows: usize, columns: usize, depth: usize) -> Self {
        let columns = columns.next_multiple_of(C::PANEL);
        let fits = ROOM / (columns * size_of::<C>()).max(1);
        let most = (fits / STEP * STEP).clamp(LEAST_ROWS, MOST_ROWS);
        let block = rows.div_ceil(SHARES).next_multiple_of(STEP).clamp(STEP, most);
        let share = rows.div_ceil(block).div_ceil(SHARES).max(1) * block;
        // Two panels are multiplied together.
        let panels = (CHUNK / (depth * C::PANEL * size_of::<C>())).next_multiple_of(2).max(2);
        Self { block, share, columns, chunk: (panels * C::PANEL).min(columns) }
    }

    /// The chunks, one after the other.
    pub fn chunks(self) -> impl Iterator<Item = Range<usize>> {
        let end = self.columns;
        (0..end).step_by(self.chunk).map(move |start| start..end.min(start + self.chunk))
    }
}

/// Points as panels: value `k` of column `i` of a panel at `k * PANEL + i`.
#[derive(Debug)]
pub struct Panels<C> {
    values: Aligned<C>,
    depth: usize,
}

impl<C: Late> Panels<C> {
    /// The points `which(j)` for each j below `count`; what fills up the last panel is 0.
    pub fn new<T: Element>(
        points: MatRef<'_, T>,
        count: usize,
        which: impl Fn(usize) -> usize + Sync,
    ) -> Result<Self> {
        let depth = points.cols();
        let mut values = Aligned::new(count.next_multiple_of(C::PANEL) * depth)?;
        let panels = values.values().par_chunks_exact_mut(depth * C::PANEL);
        panels.enumerate().for_each(|(number, panel)| {
            let first = number * C::PANEL;
            for i in 0..C::PANEL.min(count - first) {
                let row = points.row(which(first + i));
                for (k, value) in row.iter().enumerate() {
                    panel[k * C::PANEL + i] = C::from_f64(value.to_f64());
                }
            }
        });
        Ok(Self { values, depth })
    }

    /// Those of a chunk.
    pub fn of(&self, chunk: &Range<usize>) -> &[C] {
        &self.values.get()[chunk.start * self.depth..chunk.end * self.depth]
    }
}
