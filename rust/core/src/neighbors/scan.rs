//! The pass over all pairs: tiles in blocks that fit the caches, cells that no two tasks share.
//!
//! Both sides are packed in blocks of at most [`BLOCK_BYTES`]. Inside a pair of blocks, a *cell*
//! is a group of rows against a group of columns. When only rows select, a cell is a group of rows
//! against all columns. When both select, rows and columns are each cut into G groups and the
//! cells are visited in G rounds, group `g` of rows meeting group `g + round` of columns: no two
//! tasks of a round touch the same lists, so there are no locks, and every list sees all its
//! scores. Which task sees which cell, and when, does not change the answer.

use isomorph_kernels::{Element, Hits, Side};
use rayon::prelude::*;

use super::prepare::{Packed, Prepared};
use super::reservoir::{Entry, Group, Reservoirs};
use super::score::Scorer;
use crate::Result;
use crate::runtime::Control;

/// The largest packed block of one side.
pub(super) const BLOCK_BYTES: usize = 32 << 20;
/// Rows that are worked on together: 230 KiB at 300 columns of f32, a part of the L2 cache.
const CHUNK_ROWS: usize = 192;
/// Columns that are worked on together: 600 KiB at 300 columns of f32, the rest of it.
const CHUNK_COLUMNS: usize = 512;

/// The two sides, ready to be scanned.
pub(super) struct Scan<'s, 'a, T: Element> {
    pub scorer: &'s Scorer<'a, T>,
    pub prepared: &'s Prepared,
    pub exclude_self: bool,
    pub control: &'s Control,
}

/// The packed rows `start..` of one side.
struct Block<T> {
    start: usize,
    packed: Packed<T>,
}

impl<T: Element> Scan<'_, '_, T> {
    /// Let rows `start..end` select from all columns.
    pub(super) fn rows_select(
        &self,
        start: usize,
        end: usize,
        rows: &mut Reservoirs<T>,
        columns: &mut ColumnBlocks<T>,
    ) -> Result<()> {
        let row_block = self.pack_rows(start, end);
        for number in 0..columns.count {
            let column_block = columns.get(self, number);
            let count = self.columns_in(column_block);
            rows.groups(CHUNK_ROWS).into_par_iter().with_max_len(1).try_for_each(|mut group| {
                self.cell(&row_block, &mut group, column_block, 0, count, None)
            })?;
        }
        Ok(())
    }

    /// Let all rows and all columns select from each other.
    pub(super) fn both_select(
        &self,
        rows: &mut Reservoirs<T>,
        columns: &mut Reservoirs<T>,
    ) -> Result<()> {
        let (n, m) = (self.scorer.left.len(), self.scorer.right.len());
        let mut blocks = ColumnBlocks::new(m, self.scorer.right.cols());
        let row_step = block_rows::<T>(n, self.scorer.left.cols(), T::TILE_ROWS);
        for start in (0..n).step_by(row_step) {
            let row_block = self.pack_rows(start, (start + row_step).min(n));
            for number in 0..blocks.count {
                let column_block = blocks.get(self, number);
                self.rounds(&row_block, (start + row_step).min(n), column_block, rows, columns)?;
            }
        }
        Ok(())
    }

    fn rounds(
        &self,
        row_block: &Block<T>,
        row_end: usize,
        column_block: &Block<T>,
        rows: &mut Reservoirs<T>,
        columns: &mut Reservoirs<T>,
    ) -> Result<()> {
        let (n, m) = (row_end - row_block.start, self.columns_in(column_block));
        // Enough groups that threads of unequal speed end a round together, large enough cells
        // that packing and cold caches do not count.
        let wanted = 16 * rayon::current_num_threads();
        let groups = wanted.min(n / CHUNK_ROWS).min(m / (CHUNK_COLUMNS / 2)).max(1);
        let row_size = n.div_ceil(groups).next_multiple_of(T::TILE_ROWS);
        let column_size = m.div_ceil(groups).next_multiple_of(T::TILE_COLUMNS);
        let mut row_groups = rows.groups_of(row_block.start, row_end, row_size);
        let column_end = column_block.start + m;
        let mut column_groups = columns.groups_of(column_block.start, column_end, column_size);
        // Rounding up may leave fewer groups on one side: empty turns fill the rounds.
        let rounds = row_groups.len().max(column_groups.len());
        for round in 0..rounds {
            let mut turns: Vec<Option<&mut Group<'_, T>>> = (0..rounds).map(|_| None).collect();
            for (number, group) in column_groups.iter_mut().enumerate() {
                turns[(number + rounds - round) % rounds] = Some(group);
            }
            row_groups.par_iter_mut().zip(turns).with_max_len(1).try_for_each(
                |(group, turn)| {
                    let Some(column_group) = turn else {
                        return Ok(());
                    };
                    let (start, count) = (column_group.start, column_group.rows());
                    self.cell(row_block, group, column_block, start, count, Some(column_group))
                },
            )?;
        }
        Ok(())
    }

    /// One group of rows against `count` columns from `start` of the block; with `selecting`, those
    /// columns select too.
    fn cell(
        &self,
        row_block: &Block<T>,
        rows: &mut Group<'_, T>,
        column_block: &Block<T>,
        start: usize,
        count: usize,
        mut selecting: Option<&mut Group<'_, T>>,
    ) -> Result<()> {
        let (height, width) = (T::TILE_ROWS, T::TILE_COLUMNS);
        let depth = self.scorer.left.cols();
        let no_thresholds = [T::INFINITY; 16];
        let mut hits = Hits::default();
        let first_panel = start / width;
        let panels = count.div_ceil(width);
        let row_panels = rows.rows().div_ceil(height);
        for chunk in (0..panels).step_by(CHUNK_COLUMNS / width) {
            let chunk_end = (chunk + CHUNK_COLUMNS / width).min(panels);
            for row_chunk in (0..row_panels).step_by(CHUNK_ROWS / height) {
                let row_end = (row_chunk + CHUNK_ROWS / height).min(row_panels);
                for panel in chunk..chunk_end {
                    // Here, not once a chunk: 100,000 columns make a chunk a second.
                    self.control.check()?;
                    let at = first_panel + panel;
                    let packed = column_block.packed.panel(at, width * depth);
                    let bias = &column_block.packed.bias[at * width..][..width];
                    for row_panel in row_chunk..row_end {
                        let row_at = rows.start / height + row_panel;
                        let row_bias = &row_block.packed.bias[row_at * height..][..height];
                        let biases = Biases { left: row_bias, right: bias };
                        let left = Side {
                            packed: row_block.packed.panel(row_at, height * depth),
                            bias: row_bias,
                            threshold: rows.panel(row_panel),
                        };
                        let threshold = match &selecting {
                            Some(columns) => columns.panel(panel),
                            None => &no_thresholds[..width],
                        };
                        let right = Side { packed, bias, threshold };
                        let both = selecting.is_some();
                        if T::tile(self.scorer.isa, &left, &right, both, &mut hits) {
                            let corner = Corner {
                                row: row_panel * height,
                                column: panel * width,
                                first_row: row_block.start + rows.start,
                                first_column: column_block.start + start,
                            };
                            self.keep(&hits, &corner, &biases, rows, &mut selecting);
                        }
                    }
                }
                let done = (row_end * height).min(rows.rows()) - row_chunk * height;
                let across = (chunk_end * width).min(count) - chunk * width;
                self.control.advance(done as u64 * across as u64);
            }
        }
        Ok(())
    }

    /// Put what passed in the lists.
    #[allow(clippy::cast_possible_truncation)] // More than 2^32 - 2 rows are refused.
    #[cold]
    fn keep(
        &self,
        hits: &Hits<T>,
        corner: &Corner,
        biases: &Biases<'_, T>,
        rows: &mut Group<'_, T>,
        selecting: &mut Option<&mut Group<'_, T>>,
    ) {
        for r in 0..T::TILE_ROWS {
            let (local, row) = (corner.row + r, corner.first_row + corner.row + r);
            for c in bits(hits.for_rows[r]) {
                let column = corner.first_column + corner.column + c;
                let value = hits.scores[r * T::TILE_COLUMNS + c].plus(biases.right[c]);
                if self.exclude_self && row == column || !rows.passes(local, value) {
                    continue;
                }
                if rows.push(local, Entry { value, index: column as u32 }) {
                    let affine = self.prepared.left.affine[row];
                    rows.raise(local, affine, |j| self.scorer.score(row, j));
                }
            }
            let Some(columns) = selecting else { continue };
            for c in bits(hits.for_columns[r]) {
                let (local, column) = (corner.column + c, corner.first_column + corner.column + c);
                let value = hits.scores[r * T::TILE_COLUMNS + c].plus(biases.left[r]);
                if !columns.passes(local, value) {
                    continue;
                }
                if columns.push(local, Entry { value, index: row as u32 }) {
                    let affine = self.prepared.right.affine[column];
                    columns.raise(local, affine, |i| self.scorer.score(i, column));
                }
            }
        }
    }

    fn pack_rows(&self, start: usize, end: usize) -> Block<T> {
        let rows = &self.scorer.left;
        Block { start, packed: self.prepared.left.pack(rows, start, end, T::TILE_ROWS) }
    }

    fn columns_in(&self, block: &Block<T>) -> usize {
        block.packed.bias.len().min(self.scorer.right.len() - block.start)
    }
}

/// The biases of a tile's rows and columns.
struct Biases<'a, T> {
    left: &'a [T],
    right: &'a [T],
}

/// Where a tile lies: in its groups, and where these begin in the matrices.
struct Corner {
    row: usize,
    column: usize,
    first_row: usize,
    first_column: usize,
}

/// The right side in packed blocks; the last one used is kept, so that a single block is packed
/// only once.
pub(super) struct ColumnBlocks<T> {
    step: usize,
    count: usize,
    current: Option<(usize, Block<T>)>,
}

impl<T: Element> ColumnBlocks<T> {
    pub(super) fn new(rows: usize, cols: usize) -> Self {
        let step = block_rows::<T>(rows, cols, T::TILE_COLUMNS);
        Self { step, count: rows.div_ceil(step), current: None }
    }

    fn get(&mut self, scan: &Scan<'_, '_, T>, number: usize) -> &Block<T> {
        let current = self.current.take().filter(|(packed, _)| *packed == number);
        let block = current.map_or_else(
            || {
                let rows = &scan.scorer.right;
                let (start, end) = (number * self.step, ((number + 1) * self.step).min(rows.len()));
                Block { start, packed: scan.prepared.right.pack(rows, start, end, T::TILE_COLUMNS) }
            },
            |(_, block)| block,
        );
        &self.current.insert((number, block)).1
    }
}

/// Rows of a block: all of them, or an even share that fits [`BLOCK_BYTES`], in whole panels.
pub(super) fn block_rows<T: Element>(rows: usize, cols: usize, width: usize) -> usize {
    let blocks = (rows * cols * size_of::<T>()).div_ceil(BLOCK_BYTES).max(1);
    rows.div_ceil(blocks).next_multiple_of(width)
}

/// The positions of the bits that are set.
fn bits(mut mask: u16) -> impl Iterator<Item = usize> {
    std::iter::from_fn(move || {
        (mask != 0).then(|| {
            let position = mask.trailing_zeros() as usize;
            mask &= mask - 1;
            position
        })
    })
}
