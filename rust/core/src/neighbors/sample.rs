//! What a sample of the other side says about each row: a guess of its radius, and where its
//! thresholds may start.
//!
//! Nothing here is a bound. Whoever starts from a guess proves afterwards that nothing was lost by
//! it, and searches again where that fails; so the sample need not be scored canonically, and a
//! maximum a lane is all that a tile leaves behind: no thresholds, no lists, no branches.

use isomorph_kernels::{CODE_COLUMNS, CODE_ROWS, Element, Hits};
use rayon::prelude::*;

use super::filter::{CodeFilter, Filter};
use super::reservoir::{Entry, order};
use super::score::Direction;
use crate::Result;
use crate::memory::filled;
use crate::runtime::Control;

/// One row in so many is in the sample of the other side.
pub(super) const SAMPLE: usize = 20;
/// Rows of the sample that lie side by side: whole panels of either side.
pub(super) const SAMPLE_RUN: usize = 32;
/// Slots of a row for each entry that is wanted: what shares a slot with something better is lost.
const SLOTS: usize = 4;
const FEWEST_SLOTS: usize = 64;
/// Rows that a task takes at a time, in whole panels of either side: their codes and their maxima
/// are a part of the L2 cache.
const GROUP: usize = 384;

/// The best of a sample for each row of one side, by the tile's values without any bias.
pub(super) struct Sample {
    best: usize,
    entries: Vec<Entry<f32>>,
}

impl Sample {
    /// The entries of row `i`, best first; `-inf` fills the places that stayed empty.
    pub(super) fn row(&self, i: usize) -> &[Entry<f32>] {
        &self.entries[i * self.best..][..self.best]
    }

    /// The mean of the `neighborhood` best of each row, below every radius where they are fewer:
    /// hardly ever more than the radius over all rows.
    pub(super) fn radii(&self, neighborhood: usize) -> Vec<f64> {
        let mean = |row: &[Entry<f32>]| {
            let sum: f64 = row[..neighborhood].iter().map(|entry| f64::from(entry.value)).sum();
            (sum / neighborhood as f64).max(-2.0)
        };
        self.entries.chunks_exact(self.best).map(mean).collect()
    }

    /// The `best` of the rows that `direction` names.
    pub(super) fn new<T: Element>(
        filter: &CodeFilter<'_, 1>,
        direction: Direction,
        best: usize,
        control: &Control,
    ) -> Result<Self> {
        let tiles = Tiles::new::<T>(filter, direction, best);
        let mut entries = filled(Entry { value: f32::NEG_INFINITY, index: 0 }, tiles.rows * best)?;
        entries
            .par_chunks_mut(GROUP * best)
            .enumerate()
            .map_init(
                || vec![[f32::NEG_INFINITY; LANES]; GROUP / tiles.width * tiles.panel_maxima()],
                |maxima, (number, entries)| {
                    maxima.fill([f32::NEG_INFINITY; LANES]);
                    let panels = (entries.len() / best).div_ceil(tiles.width);
                    tiles.visit::<T>(number * GROUP / tiles.width, panels, maxima, control)?;
                    let mut row = Vec::new();
                    for (i, out) in entries.chunks_exact_mut(best).enumerate() {
                        tiles.best_of_row(maxima, i, &mut row, out);
                    }
                    Ok(())
                },
            )
            .collect::<Result<()>>()?;
        Ok(Self { best, entries })
    }
}

/// Maxima side by side: the columns of a tile.
const LANES: usize = CODE_COLUMNS;
/// Thresholds that everything passes.
const OPEN: [f32; CODE_ROWS] = [f32::NEG_INFINITY; CODE_ROWS];

/// All rows of one side against a sample of the other.
///
/// Each row has some slots. A row of the sample belongs to one by its place; the slot holds the
/// largest value that it met, with the turn in which it did in the lowest bits.
struct Tiles<'f, 'c> {
    filter: &'f CodeFilter<'c, 1>,
    direction: Direction,
    rows: usize,
    others: usize,
    /// Rows of a panel of this side, and of the other.
    width: usize,
    other_width: usize,
    /// The panels of the sample.
    panels: Vec<usize>,
    slots: usize,
    /// The bits of a value that hold the turn.
    turns: u32,
}

impl<'f, 'c> Tiles<'f, 'c> {
    fn new<T: Element>(filter: &'f CodeFilter<'c, 1>, direction: Direction, best: usize) -> Self {
        let (height, width) = (CODE_ROWS, CODE_COLUMNS);
        let (n, m) = (Filter::<T, 1>::rows(filter), Filter::<T, 1>::columns(filter));
        let ((rows, width), (others, other_width)) = match direction {
            Direction::Rows => ((n, height), (m, width)),
            Direction::Columns => ((m, width), (n, height)),
        };
        let last = others.div_ceil(other_width);
        let run = |start: usize| {
            let first = start / other_width;
            first..(first + SAMPLE_RUN / other_width).min(last)
        };
        let panels: Vec<usize> = (0..others).step_by(SAMPLE * SAMPLE_RUN).flat_map(run).collect();
        let slots = (SLOTS * best).next_power_of_two().max(FEWEST_SLOTS);
        let turns = panels.len().div_ceil(slots / other_width).next_power_of_two();
        let turns = u32::try_from(turns).unwrap_or(u32::MAX) - 1;
        Self { filter, direction, rows, others, width, other_width, panels, slots, turns }
    }

    /// Registers of maxima that a panel takes.
    const fn panel_maxima(&self) -> usize {
        self.slots * self.width / LANES
    }

    /// Let `count` panels from `first` meet the sample.
    fn visit<T: Element>(
        &self,
        first: usize,
        count: usize,
        maxima: &mut [[f32; LANES]],
        control: &Control,
    ) -> Result<()> {
        let mut hits = Hits::default();
        let slot_panels = self.slots / self.other_width;
        for (at, &other) in self.panels.iter().enumerate() {
            control.check()?;
            let (turn, slot) = ((at / slot_panels) as u32, at % slot_panels);
            for (panel, maxima) in maxima.chunks_exact_mut(self.panel_maxima()).enumerate() {
                if panel == count {
                    break;
                }
                let (row, column) = match self.direction {
                    Direction::Rows => (first + panel, other),
                    Direction::Columns => (other, first + panel),
                };
                // Everything passes, so that the tile writes its values.
                let found = Filter::<T, 1>::tile(
                    self.filter,
                    (&0, row, [&OPEN]),
                    (&0, column, None),
                    &mut hits,
                );
                if !found {
                    continue;
                }
                let scores = hits.scores.as_chunks::<LANES>().0.iter();
                let (start, step) = match self.direction {
                    // Row after row: a row's own maxima lie together.
                    Direction::Rows => (slot, slot_panels),
                    // The row of the tile is a slot of the sixteen columns.
                    Direction::Columns => (slot * self.other_width, 1),
                };
                for (held, scores) in maxima[start..].iter_mut().step_by(step).zip(scores) {
                    for (held, score) in held.iter_mut().zip(scores) {
                        let value = f32::from_bits(score.to_bits() & !self.turns | turn);
                        *held = if value > *held { value } else { *held };
                    }
                }
            }
            control.advance((count * self.width * self.other_width) as u64);
        }
        Ok(())
    }

    /// The best of row `i` of a group, in order.
    fn best_of_row(
        &self,
        maxima: &[[f32; LANES]],
        i: usize,
        row: &mut Vec<Entry<f32>>,
        out: &mut [Entry<f32>],
    ) {
        let maxima = &maxima[i / self.width * self.panel_maxima()..][..self.panel_maxima()];
        let lane = i % self.width;
        row.clear();
        for slot in 0..self.slots {
            let value = match self.direction {
                Direction::Rows => maxima[lane * self.slots / LANES + slot / LANES][slot % LANES],
                Direction::Columns => maxima[slot][lane],
            };
            if value == f32::NEG_INFINITY {
                continue;
            }
            let turn = (value.to_bits() & self.turns) as usize;
            let panel =
                self.panels[turn * (self.slots / self.other_width) + slot / self.other_width];
            let other = panel * self.other_width + slot % self.other_width;
            // What fills the last panel is no row.
            if other < self.others {
                #[allow(clippy::cast_possible_truncation)] // More than 2^32 - 2 rows are refused.
                row.push(Entry { value, index: other as u32 });
            }
        }
        if row.len() > out.len() {
            row.select_nth_unstable_by(out.len() - 1, order);
            row.truncate(out.len());
        }
        row.sort_unstable_by(order);
        out[..row.len()].copy_from_slice(row);
    }
}

/// Of a sample's rows, best first, the place of the one that hardly ever beats the `rank`-th of
/// all: as many as are expected among these, and some deviations of a Poisson number.
#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
pub(super) fn place(rank: f64, deviations: f64, more: f64) -> usize {
    let expected = rank / SAMPLE as f64;
    (expected + deviations * expected.sqrt() + more).ceil() as usize
}
