//! What passed the filter, row by row: a short list that is cut, rescored and raises the threshold.
//!
//! An entry carries a tile value until it is *settled*, that is rescored canonically; the settled
//! entries of a row come first. A full list is first cut by tile values: what is below the k-th
//! best by more than two errors cannot be among the k best. Where that frees too little, because
//! many rows score nearly alike, everything is rescored: the k best stay, settled, and the
//! threshold is then the k-th best score less one error.

use std::cmp::Ordering;

use isomorph_kernels::Element;
use rayon::prelude::*;

use super::prepare::Affine;
use crate::Result;
use crate::memory::filled;

/// A value (of the tile, or canonical once settled) and the other side's row.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Entry<T> {
    pub value: T,
    pub index: u32,
}

impl<T: Element> Entry<T> {
    /// A score of 0 with row `index`.
    pub(super) fn zero(index: usize) -> Self {
        Self { value: T::default(), index: to_u32(index) }
    }
}

/// Score descending, then index ascending. No tile value is NaN, since NaN passes no threshold; a
/// canonical `f64` score is where its sum overflows both ways, and comes first, to be refused.
fn order<T: Element>(a: &Entry<T>, b: &Entry<T>) -> Ordering {
    let nan = |entry: &Entry<T>| entry.value.partial_cmp(&entry.value).is_none();
    let by_value = b.value.partial_cmp(&a.value).unwrap_or_else(|| nan(b).cmp(&nan(a)));
    by_value.then(a.index.cmp(&b.index))
}

/// The lists of consecutive rows of one side.
pub(super) struct Reservoirs<T> {
    k: usize,
    capacity: usize,
    entries: Vec<Entry<T>>,
    states: Vec<State>,
    /// One a row, those that fill the last panel included.
    thresholds: Vec<T>,
    width: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    len: u32,
    settled: u32,
}

/// Room beyond the k best, so that a cut pays for itself.
const SLACK: usize = 32;

impl<T: Element> Reservoirs<T> {
    /// Bytes that one row takes.
    pub(super) fn bytes_per_row(k: usize) -> usize {
        (k + k.max(SLACK)) * size_of::<Entry<T>>() + size_of::<State>() + size_of::<T>()
    }

    /// Empty lists of `rows` rows, with thresholds in panels of `width`.
    pub(super) fn new(rows: usize, k: usize, width: usize) -> Result<Self> {
        let capacity = k + k.max(SLACK);
        let mut thresholds = filled(T::INFINITY, rows.next_multiple_of(width))?;
        thresholds[..rows].fill(T::NEG_INFINITY);
        let entries = filled(Entry::default(), rows.saturating_mul(capacity))?;
        let states = filled(State::default(), rows)?;
        Ok(Self { k, capacity, entries, states, thresholds, width })
    }

    /// Close row `i` with an answer that is already known, so that nothing more is selected.
    pub(super) fn close(&mut self, i: usize, answer: impl Iterator<Item = Entry<T>>) {
        let list = &mut self.entries[i * self.capacity..][..self.k];
        let mut len = 0;
        for (slot, entry) in list.iter_mut().zip(answer) {
            *slot = entry;
            len += 1;
        }
        self.states[i] = State { len, settled: len };
        self.thresholds[i] = T::INFINITY;
    }

    /// The lists in groups of `rows` rows (a multiple of the panel's width), each for one task.
    pub(super) fn groups(&mut self, rows: usize) -> Vec<Group<'_, T>> {
        self.groups_of(0, self.states.len(), rows)
    }

    /// The lists of rows `start..end` in such groups; `start` begins a panel.
    pub(super) fn groups_of(&mut self, start: usize, end: usize, rows: usize) -> Vec<Group<'_, T>> {
        let (k, capacity, width) = (self.k, self.capacity, self.width);
        self.entries[start * capacity..end * capacity]
            .chunks_mut(rows * capacity)
            .zip(self.states[start..end].chunks_mut(rows))
            .zip(self.thresholds[start..end.next_multiple_of(width)].chunks_mut(rows))
            .enumerate()
            .map(|(group, ((entries, states), thresholds))| Group {
                start: group * rows,
                k,
                capacity,
                width,
                entries,
                states,
                thresholds,
            })
            .collect()
    }

    /// Settle every row and give `k` entries a row, ordered; where fewer exist, an index of `None`.
    ///
    /// `affine` and `score` get row numbers counted from the first row of these lists.
    pub(super) fn finish(
        mut self,
        affine: impl Fn(usize) -> Affine + Sync,
        score: impl Fn(usize, usize) -> T + Sync,
    ) -> Result<Vec<Option<Entry<T>>>> {
        const ROWS: usize = 64;
        let (k, rows) = (self.k, self.states.len());
        let mut best = filled(None, rows * k)?;
        let group_rows = ROWS.next_multiple_of(self.width);
        self.groups(group_rows).into_par_iter().zip(best.par_chunks_mut(group_rows * k)).for_each(
            |(mut group, best)| {
                for i in 0..group.states.len() {
                    let row = group.start + i;
                    group.cut(i, affine(row));
                    group.settle(i, |j| score(row, j));
                    for (out, entry) in best[i * k..][..k].iter_mut().zip(group.list(i)) {
                        *out = Some(*entry);
                    }
                }
            },
        );
        Ok(best)
    }
}

/// The lists of some rows, borrowed by one task.
pub(super) struct Group<'a, T> {
    /// The first row, counted from the first row of the groups.
    pub start: usize,
    k: usize,
    capacity: usize,
    width: usize,
    entries: &'a mut [Entry<T>],
    states: &'a mut [State],
    thresholds: &'a mut [T],
}

impl<T: Element> Group<'_, T> {
    pub(super) const fn rows(&self) -> usize {
        self.states.len()
    }

    /// The thresholds of one panel.
    pub(super) fn panel(&self, panel: usize) -> &[T] {
        &self.thresholds[panel * self.width..][..self.width]
    }

    /// Whether `value` still passes for row `i`: the threshold may have risen since the tile.
    pub(super) fn passes(&self, i: usize, value: T) -> bool {
        value > self.thresholds[i]
    }

    /// Keep an entry for row `i`; returns whether the list is now full and must be raised.
    pub(super) fn push(&mut self, i: usize, entry: Entry<T>) -> bool {
        let state = &mut self.states[i];
        self.entries[i * self.capacity + state.len as usize] = entry;
        state.len += 1;
        state.len as usize == self.capacity
    }

    /// Make room in row `i`, and raise its threshold.
    pub(super) fn raise(&mut self, i: usize, affine: Affine, score: impl Fn(usize) -> T) {
        self.cut(i, affine);
        let half = self.k + (self.capacity - self.k) / 2;
        if self.states[i].len as usize > half {
            self.settle(i, score);
            let kth = self.k - 1;
            if let Some(&Entry { value, .. }) = self.list(i).get(kth) {
                self.lift(i, affine.bar(value));
            }
        }
    }

    fn list(&mut self, i: usize) -> &mut [Entry<T>] {
        let len = self.states[i].len as usize;
        &mut self.entries[i * self.capacity..][..len]
    }

    fn lift(&mut self, i: usize, bar: T) {
        if bar > self.thresholds[i] {
            self.thresholds[i] = bar;
        }
    }

    /// Drop what cannot be among the k best, by tile values alone. A list with settled entries
    /// mixes two kinds of values and is left as it is.
    fn cut(&mut self, i: usize, affine: Affine) {
        let (k, state) = (self.k, self.states[i]);
        if state.settled > 0 || (state.len as usize) <= k {
            return;
        }
        let list = self.list(i);
        let (_, last, _) = list.select_nth_unstable_by(k - 1, order);
        let bar = T::from_f64(last.value.to_f64() - 2.0 * affine.error).next_down();
        let mut kept = k;
        for from in k..list.len() {
            if list[from].value > bar {
                list.swap(kept, from);
                kept += 1;
            }
        }
        self.states[i].len = to_u32(kept);
        self.lift(i, bar);
    }

    /// Rescore what is not settled and keep the k best, in order.
    fn settle(&mut self, i: usize, score: impl Fn(usize) -> T) {
        let (k, settled) = (self.k, self.states[i].settled as usize);
        let list = self.list(i);
        if settled == list.len() {
            return;
        }
        for entry in &mut list[settled..] {
            entry.value = score(entry.index as usize);
        }
        list.sort_unstable_by(order);
        let kept = to_u32(list.len().min(k));
        self.states[i] = State { len: kept, settled: kept };
    }
}

/// Lengths of lists and numbers of rows: below 2^32, which the searches check.
#[allow(clippy::cast_possible_truncation)]
const fn to_u32(len: usize) -> u32 {
    len as u32
}
