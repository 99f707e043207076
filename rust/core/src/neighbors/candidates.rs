//! Candidates of one-pass CSLS: besides its nearest rows by cosine, each row keeps those with the
//! largest bounds of `cos - r_low / 2`, and knows a bound of everything that it did not keep.

use isomorph_kernels::Element;

use super::lists::{Group, Lists};
use super::prepare::Affine;
use super::reservoir::{Entry, ReservoirGroup, Reservoirs};
use crate::Result;
use crate::memory::filled;

/// A bound in the tile's terms and the other side's row.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Candidate {
    pub bound: f32,
    pub index: u32,
}

/// The length of a full list is at least this, so that a cut pays for itself.
const FEWEST: usize = 64;
/// Pairs that a mask decides at a time.
pub(super) const PAIRS: usize = 16;

/// Which pairs of an own and another row take part.
#[derive(Clone, Copy)]
pub(super) struct Mask<'m> {
    /// Of [`PAIRS`] pairs of an own row, a bit each.
    pub takes_part: &'m (dyn Fn(usize, &[u32; PAIRS]) -> u16 + Sync),
    /// How many do, of all.
    pub share: f64,
}

impl Mask<'_> {
    /// Move those of `entries` that take part to the front; how many they are.
    pub(super) fn retain<E: Copy>(
        &self,
        own: usize,
        entries: &mut [E],
        other: impl Fn(&E) -> u32,
    ) -> usize {
        let mut kept = 0;
        for start in (0..entries.len()).step_by(PAIRS) {
            let mut others = [0; PAIRS];
            let batch = &entries[start..(start + PAIRS).min(entries.len())];
            let count = batch.len();
            others.iter_mut().zip(batch).for_each(|(out, entry)| *out = other(entry));
            let bits = (self.takes_part)(own, &others);
            for at in (0..count).filter(|at| bits >> at & 1 == 1) {
                entries[kept] = entries[start + at];
                kept += 1;
            }
        }
        kept
    }

    fn takes_part(&self, own: usize, other: u32) -> bool {
        self.retain(own, &mut [other], |&other| other) == 1
    }
}

/// The nearest rows by cosine and the candidates for CSLS, of which only the latter are masked.
pub(super) struct NearestAndCandidates<'m, T> {
    pub nearest: Reservoirs<T, f32>,
    pub candidates: Candidates,
    pub mask: Option<Mask<'m>>,
}

/// The candidates of consecutive rows. A mask is asked late, when a list is full or the pass is over:
/// many pairs at a time, and only once a pair.
pub(super) struct Candidates {
    /// How many of the best are kept when a list is full, and when that is.
    count: usize,
    capacity: usize,
    entries: Vec<Candidate>,
    lengths: Vec<Length>,
    /// Whatever is not kept has a bound of at most this.
    thresholds: Vec<f32>,
    width: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Length {
    all: u32,
    /// Of those the first, which take part; nobody asked for the others.
    masked: u32,
}

impl Candidates {
    /// Empty lists of `rows` rows, with thresholds in panels of `width`.
    pub(super) fn new(rows: usize, count: usize, width: usize) -> Result<Self> {
        let capacity = (2 * count).max(FEWEST);
        let mut thresholds = filled(f32::INFINITY, rows.next_multiple_of(width))?;
        thresholds[..rows].fill(f32::NEG_INFINITY);
        Ok(Self {
            count,
            capacity,
            entries: filled(Candidate::default(), rows.saturating_mul(capacity))?,
            lengths: filled(Length::default(), rows)?,
            thresholds,
            width,
        })
    }

    /// Keep only what exceeds `bound` in row `i`.
    pub(super) fn raise(&mut self, i: usize, bound: f32) {
        self.thresholds[i] = bound;
    }

    /// Keep nothing more in any row.
    pub(super) fn close(&mut self) {
        self.thresholds.fill(f32::INFINITY);
    }

    /// What row `i` kept, in no particular order: what takes part, and what may.
    pub(super) fn row(&self, i: usize) -> (&[Candidate], &[Candidate]) {
        let Length { all, masked } = self.lengths[i];
        self.entries[i * self.capacity..][..all as usize].split_at(masked as usize)
    }

    /// What bounds everything that row `i` did not keep.
    pub(super) fn outside(&self, i: usize) -> f32 {
        self.thresholds[i]
    }
}

impl<T: Element> Lists<T, f32, 2> for NearestAndCandidates<'_, T> {
    type Group<'a>
        = BothGroup<'a, T>
    where
        Self: 'a;

    fn groups_of(&mut self, start: usize, end: usize, rows: usize) -> Vec<Self::Group<'_>> {
        let Candidates { count, capacity, entries, lengths, thresholds, width } =
            &mut self.candidates;
        let (count, capacity, width) = (*count, *capacity, *width);
        let mask = self.mask;
        let candidates = entries[start * capacity..end * capacity]
            .chunks_mut(rows * capacity)
            .zip(lengths[start..end].chunks_mut(rows))
            .zip(thresholds[start..end.next_multiple_of(width)].chunks_mut(rows))
            .map(|((entries, lengths), thresholds)| CandidateGroup {
                count,
                capacity,
                width,
                entries,
                lengths,
                thresholds,
            });
        let nearest = self.nearest.groups_of(start, end, rows);
        nearest
            .into_iter()
            .zip(candidates)
            .enumerate()
            .map(|(group, (nearest, candidates))| {
                let first = start + group * rows;
                BothGroup { nearest, candidates, mask, first }
            })
            .collect()
    }
}

/// Both lists of some rows, borrowed by one task.
pub(super) struct BothGroup<'a, T> {
    nearest: ReservoirGroup<'a, T, f32>,
    candidates: CandidateGroup<'a>,
    mask: Option<Mask<'a>>,
    /// The first row, in its matrix.
    first: usize,
}

struct CandidateGroup<'a> {
    count: usize,
    capacity: usize,
    width: usize,
    entries: &'a mut [Candidate],
    lengths: &'a mut [Length],
    thresholds: &'a mut [f32],
}

impl<T: Element> Group<T, f32, 2> for BothGroup<'_, T> {
    fn start(&self) -> usize {
        self.nearest.start()
    }

    fn rows(&self) -> usize {
        self.nearest.rows()
    }

    fn thresholds(&self, panel: usize) -> [&[f32]; 2] {
        let [nearest] = self.nearest.thresholds(panel);
        let width = self.candidates.width;
        [nearest, &self.candidates.thresholds[panel * width..][..width]]
    }

    #[inline]
    fn offer(
        &mut self,
        i: usize,
        [cosine, csls]: [f32; 2],
        index: u32,
        affine: impl Fn() -> Affine,
        rescore: impl Fn(&mut [Entry<T>]),
    ) {
        self.nearest.offer(i, [cosine], index, affine, rescore);
        self.candidates.offer(i, Candidate { bound: csls, index }, self.mask, self.first);
    }
}

impl CandidateGroup<'_> {
    #[inline]
    fn offer(&mut self, i: usize, candidate: Candidate, mask: Option<Mask<'_>>, first: usize) {
        if candidate.bound > self.thresholds[i] {
            let length = &mut self.lengths[i];
            self.entries[i * self.capacity + length.all as usize] = candidate;
            length.all += 1;
            if length.all as usize == self.capacity {
                self.cut(i, mask, first);
            }
        }
    }

    /// Make room in the list of row `i`, which is full.
    #[cold]
    #[inline(never)]
    #[allow(clippy::cast_possible_truncation)] // Lists are short.
    fn cut(&mut self, i: usize, mask: Option<Mask<'_>>, first: usize) {
        let list = &mut self.entries[i * self.capacity..][..self.capacity];
        let length = &mut self.lengths[i];
        if let Some(mask) = mask {
            let masked = length.masked as usize;
            let kept =
                masked + mask.retain(first + i, &mut list[masked..], |candidate| candidate.index);
            *length = Length { all: kept as u32, masked: kept as u32 };
            if kept <= self.count {
                return;
            }
        }
        let list = &mut list[..length.all as usize];
        let (_, best_outside, _) =
            list.select_nth_unstable_by(self.count, |a, b| b.bound.total_cmp(&a.bound));
        self.thresholds[i] = best_outside.bound;
        let masked = if mask.is_some() { self.count } else { 0 };
        *length = Length { all: self.count as u32, masked: masked as u32 };
    }
}

/// Lists that are offered only what a mask lets through; their rows have the given numbers.
pub(super) struct Masked<'m, T> {
    pub lists: Reservoirs<T, f32>,
    pub numbers: &'m [u32],
    pub mask: Option<Mask<'m>>,
}

impl<T: Element> Lists<T, f32, 1> for Masked<'_, T> {
    type Group<'a>
        = MaskedGroup<'a, T>
    where
        Self: 'a;

    fn groups_of(&mut self, start: usize, end: usize, rows: usize) -> Vec<Self::Group<'_>> {
        let (numbers, mask) = (&self.numbers[start..end], self.mask);
        let groups = self.lists.groups_of(start, end, rows);
        groups
            .into_iter()
            .zip(numbers.chunks(rows))
            .map(|(group, numbers)| MaskedGroup { group, numbers, mask })
            .collect()
    }
}

/// Lists of some rows, borrowed by one task.
pub(super) struct MaskedGroup<'a, T> {
    group: ReservoirGroup<'a, T, f32>,
    numbers: &'a [u32],
    mask: Option<Mask<'a>>,
}

impl<T: Element> Group<T, f32, 1> for MaskedGroup<'_, T> {
    fn start(&self) -> usize {
        self.group.start()
    }

    fn rows(&self) -> usize {
        self.group.rows()
    }

    fn thresholds(&self, panel: usize) -> [&[f32]; 1] {
        self.group.thresholds(panel)
    }

    fn offer(
        &mut self,
        i: usize,
        values: [f32; 1],
        index: u32,
        affine: impl Fn() -> Affine,
        rescore: impl Fn(&mut [Entry<T>]),
    ) {
        if self.mask.is_none_or(|mask| mask.takes_part(self.numbers[i] as usize, index)) {
            self.group.offer(i, values, index, affine, rescore);
        }
    }
}
