//! The pass over all pairs: tiles in blocks that fit the caches, cells that no two tasks share.
//!
//! Both sides come in packed blocks. Inside a pair of blocks, a *cell* is a group of rows against
//! a group of columns. When only rows select, a cell is a group of rows against all columns. When
//! both select, rows and columns are each cut into G groups and the cells are visited in G rounds,
//! group `g` of rows meeting group `g + round` of columns: no two tasks of a round touch the same
//! lists, so there are no locks, and every list sees all its scores. Which task sees which cell,
//! and when, does not change the answer.

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use isomorph_kernels::{Element, Hits};
use rayon::prelude::*;

use super::filter::Filter;
use super::lists::{Closed, Group, Lists};
use super::reservoir::Entry;
use super::score::Direction;
use crate::Result;
use crate::runtime::Control;

/// Two sides, ready to be scanned: `rescore` makes the values of some entries of a row, or of a
/// column, canonical; it gets the numbers that rows and columns have in the given matrices.
pub(super) struct Scan<'s, T, F, S, const N: usize> {
    pub filter: &'s F,
    pub rescore: S,
    /// The numbers of the filter's rows and columns where they are not consecutive.
    pub row_numbers: Option<&'s [u32]>,
    pub column_numbers: Option<&'s [u32]>,
    pub exclude_self: bool,
    pub control: &'s Control,
    /// Pairs that the filter let through.
    pub passed: AtomicU64,
    pub element: PhantomData<T>,
}

/// The packed rows or columns `start..end` of one side.
struct Block<P> {
    start: usize,
    end: usize,
    packed: P,
}

impl<T, F, S, const N: usize> Scan<'_, T, F, S, N>
where
    T: Element,
    F: Filter<T, N>,
    S: Fn(Direction, usize, &mut [Entry<T>]) + Sync,
{
    /// Let rows `start..end` select from all columns.
    pub(super) fn rows_select(
        &self,
        start: usize,
        end: usize,
        rows: &mut impl Lists<T, F::Lane, N>,
        columns: &mut ColumnBlocks<F::Columns>,
    ) -> Result<()> {
        self.rows_select_among(start, end, rows, columns, |_, columns| {
            std::iter::once(columns).collect()
        })
    }

    /// Let rows `start..end` select from the parts of each block of columns that `parts` names for
    /// some of them, counted from `start`; parts begin panels.
    pub(super) fn rows_select_among(
        &self,
        start: usize,
        end: usize,
        rows: &mut impl Lists<T, F::Lane, N>,
        columns: &mut ColumnBlocks<F::Columns>,
        parts: impl Fn(Range<usize>, Range<usize>) -> Vec<Range<usize>> + Sync,
    ) -> Result<()> {
        let row_block = self.row_block(start, end);
        // Enough groups that threads of unequal speed end together.
        let groups = 4 * rayon::current_num_threads();
        let group_rows =
            (end - start).div_ceil(groups).next_multiple_of(F::HEIGHT).min(F::CHUNK_ROWS);
        for number in 0..columns.count {
            let column_block = columns.get(self, number);
            let block = column_block.start..column_block.end;
            rows.groups_of(0, end - start, group_rows)
                .into_par_iter()
                .with_max_len(1)
                .try_for_each(|mut group| {
                    let rows = group.start()..group.start() + group.rows();
                    parts(rows, block.clone()).iter().try_for_each(|part| {
                        let part = Closed::part(part, column_block.start, F::WIDTH);
                        let columns = Columns::<Closed>::Closed(part);
                        self.cell(&row_block, &mut group, column_block, columns)
                    })
                })?;
        }
        Ok(())
    }

    /// Let all rows and all columns select from each other.
    pub(super) fn both_select(
        &self,
        rows: &mut impl Lists<T, F::Lane, N>,
        columns: &mut impl Lists<T, F::Lane, N>,
    ) -> Result<()> {
        let mut blocks = ColumnBlocks::new::<T, F, N>(self.filter);
        for row_block in self.row_blocks() {
            for number in 0..blocks.count {
                let column_block = blocks.get(self, number);
                self.rounds(&row_block, column_block, rows, columns)?;
            }
        }
        Ok(())
    }

    fn rounds(
        &self,
        row_block: &Block<F::Rows>,
        column_block: &Block<F::Columns>,
        rows: &mut impl Lists<T, F::Lane, N>,
        columns: &mut impl Lists<T, F::Lane, N>,
    ) -> Result<()> {
        let (n, m) = (row_block.end - row_block.start, column_block.end - column_block.start);
        // Enough groups that threads of unequal speed end a round together, large enough cells
        // that packing and cold caches do not count.
        let wanted = 16 * rayon::current_num_threads();
        let groups = wanted.min(n / (F::CHUNK_ROWS / 2)).min(m / (F::CHUNK_COLUMNS / 2)).max(1);
        let row_size = n.div_ceil(groups).next_multiple_of(F::HEIGHT);
        let column_size = m.div_ceil(groups).next_multiple_of(F::WIDTH);
        let mut row_groups = rows.groups_of(row_block.start, row_block.end, row_size);
        let mut column_groups =
            columns.groups_of(column_block.start, column_block.end, column_size);
        // Rounding up may leave fewer groups on one side: empty turns fill the rounds.
        let rounds = row_groups.len().max(column_groups.len());
        for round in 0..rounds {
            let mut turns: Vec<Option<&mut _>> = (0..rounds).map(|_| None).collect();
            for (number, group) in column_groups.iter_mut().enumerate() {
                turns[(number + rounds - round) % rounds] = Some(group);
            }
            row_groups.par_iter_mut().zip(turns).with_max_len(1).try_for_each(
                |(group, turn)| {
                    let Some(columns) = turn else { return Ok(()) };
                    self.cell(row_block, group, column_block, Columns::Select(columns))
                },
            )?;
        }
        Ok(())
    }

    /// One group of rows against one of columns.
    fn cell<R: Group<T, F::Lane, N>, C: Group<T, F::Lane, N>>(
        &self,
        row_block: &Block<F::Rows>,
        rows: &mut R,
        column_block: &Block<F::Columns>,
        mut columns: Columns<'_, C>,
    ) -> Result<()> {
        let (height, width) = (F::HEIGHT, F::WIDTH);
        let (start, count) = columns.extent::<T, F::Lane, N>();
        let mut hits = [Hits::default(), Hits::default()];
        let mut passed = 0u64;
        let panels = count.div_ceil(width);
        let row_panels = rows.rows().div_ceil(height);
        for chunk in (0..panels).step_by(F::CHUNK_COLUMNS / width) {
            let chunk_end = (chunk + F::CHUNK_COLUMNS / width).min(panels);
            for row_chunk in (0..row_panels).step_by(F::CHUNK_ROWS / height) {
                let row_end = (row_chunk + F::CHUNK_ROWS / height).min(row_panels);
                for panel in (chunk..chunk_end).step_by(2) {
                    // Here, not once a chunk: 100,000 columns make a chunk a second.
                    self.control.check()?;
                    let column_at = start / width + panel;
                    for row_panel in row_chunk..row_end {
                        let row_at = rows.start() / height + row_panel;
                        let row_side = (&row_block.packed, row_at, rows.thresholds(row_panel));
                        let found = if panel + 1 < chunk_end {
                            let thresholds =
                                [columns.thresholds(panel), columns.thresholds(panel + 1)];
                            let columns = (&column_block.packed, column_at, thresholds);
                            self.filter.tiles(row_side, columns, &mut hits)
                        } else {
                            let thresholds = columns.thresholds(panel);
                            let columns = (&column_block.packed, column_at, thresholds);
                            [self.filter.tile(row_side, columns, &mut hits[0]), false]
                        };
                        for (at, hits) in hits.iter().enumerate().filter(|(at, _)| found[*at]) {
                            let corner = Corner {
                                row: row_panel * height,
                                column: (panel + at) * width,
                                first_row: row_block.start + rows.start(),
                                first_column: column_block.start + start,
                                row_bias: self.filter.row_bias(&row_block.packed, row_at),
                                column_bias: self
                                    .filter
                                    .column_bias(&column_block.packed, column_at + at),
                            };
                            passed += self.keep(hits, &corner, rows, &mut columns);
                        }
                    }
                }
                let done = (row_end * height).min(rows.rows()) - row_chunk * height;
                let across = (chunk_end * width).min(count) - chunk * width;
                self.control.advance(done as u64 * across as u64);
            }
        }
        self.passed.fetch_add(passed, Ordering::Relaxed);
        Ok(())
    }

    /// Put what passed in the lists, and count it.
    fn keep<R: Group<T, F::Lane, N>, C: Group<T, F::Lane, N>>(
        &self,
        hits: &Hits<F::Lane>,
        corner: &Corner<'_, F::Lane, N>,
        rows: &mut R,
        columns: &mut Columns<'_, C>,
    ) -> u64 {
        let mut passed = 0;
        for r in 0..F::HEIGHT {
            let for_row = hits.for_rows[r];
            let for_columns =
                if matches!(columns, Columns::Select(_)) { hits.for_columns[r] } else { 0 };
            if for_row | for_columns == 0 {
                continue;
            }
            passed += u64::from(for_row.count_ones() + for_columns.count_ones());
            let row_at = corner.first_row + corner.row + r;
            let row = number(self.row_numbers, row_at);
            for c in bits(for_row) {
                let column_at = corner.first_column + corner.column + c;
                let column = number(self.column_numbers, column_at);
                if self.exclude_self && row == column {
                    continue;
                }
                let score = hits.scores[r * F::WIDTH + c];
                let values = corner.column_bias.map(|bias| score.plus(bias[c]));
                let affine = || self.filter.row_affine(row_at);
                let rescore = |entries: &mut _| {
                    (self.rescore)(Direction::Rows, row as usize, entries);
                };
                rows.offer(corner.row + r, values, column, affine, rescore);
            }
            let Columns::Select(columns) = columns else { continue };
            for c in bits(for_columns) {
                let column_at = corner.first_column + corner.column + c;
                let column = number(self.column_numbers, column_at);
                let score = hits.scores[r * F::WIDTH + c];
                let values = corner.row_bias.map(|bias| score.plus(bias[r]));
                let affine = || self.filter.column_affine(column_at);
                let rescore = |entries: &mut _| {
                    (self.rescore)(Direction::Columns, column as usize, entries);
                };
                columns.offer(corner.column + c, values, row, affine, rescore);
            }
        }
        passed
    }

    fn row_block(&self, start: usize, end: usize) -> Block<F::Rows> {
        Block { start, end, packed: self.filter.pack_rows(start, end) }
    }

    fn row_blocks(&self) -> impl Iterator<Item = Block<F::Rows>> {
        let (rows, step) = (self.filter.rows(), self.filter.row_step());
        (0..rows).step_by(step).map(move |start| self.row_block(start, (start + step).min(rows)))
    }
}

/// The columns of a cell.
enum Columns<'a, C> {
    /// Which ones; they select nothing.
    Closed(Closed),
    Select(&'a mut C),
}

impl<C> Columns<'_, C> {
    /// Where they begin in their block, and how many there are.
    fn extent<T: Element, L: Element, const N: usize>(&self) -> (usize, usize)
    where
        C: Group<T, L, N>,
    {
        match self {
            Self::Closed(part) => (part.start, part.rows),
            Self::Select(group) => (group.start(), group.rows()),
        }
    }

    fn thresholds<T: Element, L: Element, const N: usize>(&self, panel: usize) -> Option<[&[L]; N]>
    where
        C: Group<T, L, N>,
    {
        match self {
            Self::Closed(_) => None,
            Self::Select(group) => Some(group.thresholds(panel)),
        }
    }
}

/// Where a tile lies: in its groups, and where these begin in the matrices; and its biases.
struct Corner<'a, L, const N: usize> {
    row: usize,
    column: usize,
    first_row: usize,
    first_column: usize,
    row_bias: [&'a [L]; N],
    column_bias: [&'a [L]; N],
}

/// The right side in packed blocks; the last one used is kept, so that a single block is packed
/// only once.
pub(super) struct ColumnBlocks<P> {
    step: usize,
    count: usize,
    current: Option<(usize, Block<P>)>,
}

impl<P> ColumnBlocks<P> {
    pub(super) fn new<T: Element, F: Filter<T, N, Columns = P>, const N: usize>(
        filter: &F,
    ) -> Self {
        let step = filter.column_step();
        Self { step, count: filter.columns().div_ceil(step), current: None }
    }

    fn get<T, F, S, const N: usize>(
        &mut self,
        scan: &Scan<'_, T, F, S, N>,
        number: usize,
    ) -> &Block<P>
    where
        T: Element,
        F: Filter<T, N, Columns = P>,
    {
        let current = self.current.take().filter(|(packed, _)| *packed == number);
        let block = current.map_or_else(
            || {
                let start = number * self.step;
                let end = (start + self.step).min(scan.filter.columns());
                Block { start, end, packed: scan.filter.pack_columns(start, end) }
            },
            |(_, block)| block,
        );
        &self.current.insert((number, block)).1
    }
}

/// The number of a row or column in its matrix.
#[allow(clippy::cast_possible_truncation)] // More than 2^32 - 2 rows are refused.
fn number(numbers: Option<&[u32]>, at: usize) -> u32 {
    numbers.map_or(at as u32, |numbers| numbers[at])
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
