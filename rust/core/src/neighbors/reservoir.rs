//! What passed the filter, row by row: a short list that is rescored, cut and raises the threshold.
//!
//! An entry carries an upper bound in the tile's terms until it is *settled*, that is rescored
//! canonically; the settled entries of a row come first. When a list is full, its most promising
//! entries are rescored: the k best settled ones are its running answer, and whatever cannot
//! exceed the worst of them leaves the list. The threshold is thus the exact k-th best score, less
//! one error of the filter instead of two. Where that frees too little, because many rows score
//! nearly alike, everything is rescored.

use std::cmp::Ordering;

use isomorph_kernels::Element;
use rayon::prelude::*;

use super::lists::{Group, Lists};
use super::prepare::Affine;
use crate::Result;
use crate::memory::filled;

/// A value (a bound in the tile's terms, or canonical once settled) and the other side's row.
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
pub(super) fn order<T: Element>(a: &Entry<T>, b: &Entry<T>) -> Ordering {
    let nan = |entry: &Entry<T>| entry.value.partial_cmp(&entry.value).is_none();
    let by_value = b.value.partial_cmp(&a.value).unwrap_or_else(|| nan(b).cmp(&nan(a)));
    by_value.then(a.index.cmp(&b.index))
}

/// The lists of consecutive rows of one side, with thresholds in the tile's type `L`.
pub(super) struct Reservoirs<T, L> {
    k: usize,
    capacity: usize,
    entries: Vec<Entry<T>>,
    states: Vec<State>,
    /// One a row, those that fill the last panel included.
    thresholds: Vec<L>,
    width: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct State {
    len: u32,
    settled: u32,
}

/// Room beyond the k best, so that a cut pays for itself.
const SLACK: usize = 64;

impl<T: Element, L: Element> Reservoirs<T, L> {
    /// Bytes that one row takes.
    pub(super) fn bytes_per_row(k: usize) -> usize {
        (k + k.max(SLACK)) * size_of::<Entry<T>>() + size_of::<State>() + size_of::<L>()
    }

    /// Empty lists of `rows` rows, with thresholds in panels of `width`.
    pub(super) fn new(rows: usize, k: usize, width: usize) -> Result<Self> {
        let capacity = k + k.max(SLACK);
        let mut thresholds = filled(L::INFINITY, rows.next_multiple_of(width))?;
        thresholds[..rows].fill(L::NEG_INFINITY);
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
        self.thresholds[i] = L::INFINITY;
    }

    /// Select only what exceeds `value` in row `i`, a guess: proved where the `bar` of its k-th best
    /// score comes to be no less.
    pub(super) fn start(&mut self, i: usize, value: L) {
        self.thresholds[i] = value;
    }

    /// Nothing scores less than `score` among the k best of row `i`.
    pub(super) fn expect(&mut self, i: usize, score: T, affine: Affine) {
        let bar = affine.bar(score);
        if bar > self.thresholds[i] {
            self.thresholds[i] = bar;
        }
    }

    /// Settle every row and give `k` entries a row, ordered; where fewer exist, an index of `None`.
    ///
    /// `affine` and `rescore` get row numbers counted from the first row of these lists.
    pub(super) fn finish(
        mut self,
        affine: impl Fn(usize) -> Affine + Sync,
        rescore: impl Fn(usize, &mut [Entry<T>]) + Sync,
    ) -> Result<Vec<Option<Entry<T>>>> {
        const ROWS: usize = 64;
        let (k, rows) = (self.k, self.states.len());
        let mut best = filled(None, rows * k)?;
        let group_rows = ROWS.next_multiple_of(self.width);
        self.groups_of(0, rows, group_rows)
            .into_par_iter()
            .zip(best.par_chunks_mut(group_rows * k))
            .for_each(|(mut group, best)| {
                for i in 0..group.states.len() {
                    let row = group.start + i;
                    group.raise(i, affine(row), |entries| rescore(row, entries));
                    group.settle(i, usize::MAX, |entries| rescore(row, entries));
                    for (out, entry) in best[i * k..][..k].iter_mut().zip(group.list(i)) {
                        *out = Some(*entry);
                    }
                }
            });
        Ok(best)
    }
}

impl<T: Element, L: Element> Lists<T, L, 1> for Reservoirs<T, L> {
    type Group<'a> = ReservoirGroup<'a, T, L>;

    fn groups_of(&mut self, start: usize, end: usize, rows: usize) -> Vec<Self::Group<'_>> {
        let (k, capacity, width) = (self.k, self.capacity, self.width);
        self.entries[start * capacity..end * capacity]
            .chunks_mut(rows * capacity)
            .zip(self.states[start..end].chunks_mut(rows))
            .zip(self.thresholds[start..end.next_multiple_of(width)].chunks_mut(rows))
            .enumerate()
            .map(|(group, ((entries, states), thresholds))| ReservoirGroup {
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
}

/// The lists of some rows, borrowed by one task.
pub(super) struct ReservoirGroup<'a, T, L> {
    start: usize,
    k: usize,
    capacity: usize,
    width: usize,
    entries: &'a mut [Entry<T>],
    states: &'a mut [State],
    thresholds: &'a mut [L],
}

impl<T: Element, L: Element> Group<T, L, 1> for ReservoirGroup<'_, T, L> {
    fn start(&self) -> usize {
        self.start
    }

    fn rows(&self) -> usize {
        self.states.len()
    }

    fn thresholds(&self, panel: usize) -> [&[L]; 1] {
        [&self.thresholds[panel * self.width..][..self.width]]
    }

    #[inline]
    fn offer(
        &mut self,
        i: usize,
        [value]: [L; 1],
        index: u32,
        affine: impl Fn() -> Affine,
        rescore: impl Fn(&mut [Entry<T>]),
    ) {
        // The threshold may have risen since the tile.
        if value > self.thresholds[i] {
            let state = &mut self.states[i];
            let value = T::from_f64(value.to_f64());
            self.entries[i * self.capacity + state.len as usize] = Entry { value, index };
            state.len += 1;
            if state.len as usize == self.capacity {
                self.cut(i, affine(), rescore);
            }
        }
    }
}

impl<T: Element, L: Element> ReservoirGroup<'_, T, L> {
    fn list(&mut self, i: usize) -> &mut [Entry<T>] {
        let len = self.states[i].len as usize;
        &mut self.entries[i * self.capacity..][..len]
    }

    /// Make room in the list of row `i`, which is full.
    #[cold]
    #[inline(never)]
    fn cut(&mut self, i: usize, affine: Affine, rescore: impl Fn(&mut [Entry<T>])) {
        self.raise(i, affine, &rescore);
        if self.states[i].len as usize > self.k + (self.capacity - self.k) / 2 {
            self.settle(i, usize::MAX, rescore);
        }
    }

    /// Rescore the `k` most promising entries of row `i`, raise its threshold to what is then the
    /// k-th best, and drop what cannot reach it.
    fn raise(&mut self, i: usize, affine: Affine, rescore: impl Fn(&mut [Entry<T>])) {
        self.settle(i, self.promising(i, affine), rescore);
        let (k, settled) = (self.k, self.states[i].settled as usize);
        let list = self.list(i);
        let Some(&Entry { value, .. }) = list[..settled].get(k - 1) else { return };
        let bar: L = affine.bar(value);
        let mut kept = settled;
        for from in settled..list.len() {
            if list[from].value.to_f64() > bar.to_f64() {
                list.swap(kept, from);
                kept += 1;
            }
        }
        self.states[i].len = to_u32(kept);
        if bar > self.thresholds[i] {
            self.thresholds[i] = bar;
        }
    }

    /// How many unsettled entries of row `i` may well be among its k best: as many as exceed the
    /// k-th best, taking the filter's values for the middle of their bounds.
    fn promising(&self, i: usize, affine: Affine) -> usize {
        let State { len, settled } = self.states[i];
        let (len, settled) = (len as usize, settled as usize);
        let list = &self.entries[i * self.capacity..][..len];
        if settled < self.k {
            return self.k;
        }
        let kth = list[self.k - 1].value.to_f64();
        let likely = affine.slope * kth + affine.offset + affine.error;
        let exceeds = |entry: &&Entry<T>| entry.value.to_f64() > likely;
        list[settled..].iter().filter(exceeds).count().min(self.k)
    }

    /// Rescore the `count` most promising of what is not settled; the k best settled entries stay,
    /// in order.
    fn settle(&mut self, i: usize, count: usize, rescore: impl Fn(&mut [Entry<T>])) {
        let (k, settled) = (self.k, self.states[i].settled as usize);
        let list = self.list(i);
        let unsettled = &mut list[settled..];
        let count = count.min(unsettled.len());
        if count == 0 {
            return;
        }
        if count < unsettled.len() {
            unsettled.select_nth_unstable_by(count - 1, order);
        }
        rescore(&mut unsettled[..count]);
        let rescored = settled + count;
        list[..rescored].sort_unstable_by(order);
        let kept = rescored.min(k);
        let len = kept + list.len() - rescored;
        list.copy_within(rescored.., kept);
        self.states[i] = State { len: to_u32(len), settled: to_u32(kept) };
    }
}

/// Lengths of lists and numbers of rows: below 2^32, which the searches check.
#[allow(clippy::cast_possible_truncation)]
const fn to_u32(len: usize) -> u32 {
    len as u32
}
