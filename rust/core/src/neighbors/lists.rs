//! What a pass fills: lists a row, borrowed group by group.

use std::ops::Range;

use isomorph_kernels::Element;

use super::prepare::Affine;
use super::reservoir::Entry;

/// Lists of the rows of one side, which select by `N` criteria.
pub(super) trait Lists<T: Element, L: Element, const N: usize> {
    /// The lists of some rows.
    type Group<'a>: Group<T, L, N>
    where
        Self: 'a;

    /// The lists of rows `start..end` in groups of `rows` rows, each for one task; `start` begins
    /// a panel and `rows` is whole panels.
    fn groups_of(&mut self, start: usize, end: usize, rows: usize) -> Vec<Self::Group<'_>>;
}

/// The lists of some rows, borrowed by one task.
pub(super) trait Group<T: Element, L: Element, const N: usize>: Send {
    /// The first row, counted from the first row of the groups.
    fn start(&self) -> usize;

    fn rows(&self) -> usize;

    /// What the rows of one panel select, by each criterion.
    fn thresholds(&self, panel: usize) -> [&[L]; N];

    /// A pair that the tile let through for row `i`: its values with the biases of the criteria,
    /// and the other side's row. `rescore` makes the values of some entries of the row canonical.
    fn offer(
        &mut self,
        i: usize,
        values: [L; N],
        index: u32,
        affine: impl Fn() -> Affine,
        rescore: impl Fn(&mut [Entry<T>]),
    );
}

/// Rows that select nothing.
pub(super) struct Closed {
    pub start: usize,
    pub rows: usize,
    /// Of a panel.
    pub width: usize,
}

impl Closed {
    /// The rows of `part`, in a block that begins at `block_start`.
    pub(super) const fn part(part: &Range<usize>, block_start: usize, width: usize) -> Self {
        Self { start: part.start - block_start, rows: part.end - part.start, width }
    }
}

impl<T: Element, L: Element, const N: usize> Group<T, L, N> for Closed {
    fn start(&self) -> usize {
        self.start
    }

    fn rows(&self) -> usize {
        self.rows
    }

    fn thresholds(&self, _: usize) -> [&[L]; N] {
        [&L::INFINITIES[..self.width]; N]
    }

    fn offer(
        &mut self,
        _: usize,
        _: [L; N],
        _: u32,
        _: impl Fn() -> Affine,
        _: impl Fn(&mut [Entry<T>]),
    ) {
    }
}
