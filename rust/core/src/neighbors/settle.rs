//! After the one pass of CSLS, when the radii are known: the best of what each row kept, the proof
//! that nothing else is better, and the search for rows where the proof fails.
//!
//! Whatever row `i` did not keep has `cos - g_j / 2` of at most `G`, with the guess `g_j` of the other
//! row's radius, and so a score of at most `2 G - r_i - (r_j - g_j)`. A row is *proved* when its
//! k-th best exceeds that strictly for the other row that rose least (of equals, the index would
//! decide). For the others a prefix of the other side, sorted by how much the radii rose, is
//! searched again.

use std::marker::PhantomData;
use std::sync::atomic::AtomicU64;

use isomorph_kernels::{CODE_ROWS, DOTS, Element, Isa};
use rayon::prelude::*;

use super::candidates::{Candidate, Candidates, Mask, Masked};
use super::codes::{Codes, Side};
use super::filter::{CodeFilter, Filter, Meaning};
use super::prepare::Affine;
use super::reservoir::{Entry, Reservoirs, order};
use super::scan::{ColumnBlocks, Scan};
use super::score::Rows;
use super::select::Best;
use crate::Result;
use crate::memory::filled;
use crate::runtime::Control;

/// The k best of each row of one side, and how many rows were proved by the pass alone.
pub(super) struct Answer<T> {
    pub best: Best<T>,
    pub proved: usize,
}

/// One side after the pass.
#[derive(Clone, Copy)]
pub(super) struct One<'s, 'a, T: Element> {
    pub rows: &'s Rows<'a, T>,
    pub codes: &'s Codes<'a>,
    pub radii: &'s [T],
    pub affine: &'s [Affine],
}

/// One direction after the pass: `own` rows look for `other` rows.
#[derive(Clone, Copy)]
pub(super) struct Half<'s, 'a, T: Element> {
    pub own: One<'s, 'a, T>,
    pub other: One<'s, 'a, T>,
    pub other_guess: &'s [f64],
    pub nearest: &'s Best<T>,
    pub candidates: &'s Candidates,
    /// Of the pass, for each row.
    pub error: &'s (dyn Fn(usize) -> f64 + Sync),
    /// The canonical cosines of entries of an own row, and the canonical score from one.
    pub cosines: &'s (dyn Fn(usize, &mut [Entry<T>]) + Sync),
    pub csls: &'s (dyn Fn(T, usize, usize) -> T + Sync),
    pub isa: Isa,
    pub neighborhood: usize,
    pub k: usize,
    pub mask: Option<Mask<'s>>,
    pub control: &'s Control,
}

/// How the pass left a row.
enum Row {
    Proved,
    /// Only rows of the other side whose radius exceeds its guess by at most this can still win.
    Open(f64),
}

impl<T: Element> Half<'_, '_, T> {
    pub(super) fn answer(&self) -> Result<Answer<T>> {
        let rises: Vec<f64> = (0..self.other.rows.len()).map(|j| self.rise(j)).collect();
        let sound = |&j: &u32| self.other.rows.sound(j as usize);
        #[allow(clippy::cast_possible_truncation)] // More than 2^32 - 2 rows are refused.
        let mut sorted: Vec<u32> = (0..rises.len() as u32).filter(sound).collect();
        let rise = |j: u32| rises[j as usize];
        sorted.par_sort_unstable_by(|&a, &b| rise(a).total_cmp(&rise(b)).then(a.cmp(&b)));
        let least = sorted.first().map_or(f64::INFINITY, |&j| rise(j));
        let mut best = filled(None, self.own.rows.len() * self.k)?;
        let states: Vec<Row> = best
            .par_chunks_mut(self.k)
            .enumerate()
            .map_init(Vec::new, |kept, (i, best)| self.settle(i, least, kept, best))
            .collect();
        self.control.check()?;
        let prefix = |most: f64| sorted.partition_point(|&j| rise(j) <= most);
        let mut open: Vec<(usize, u32)> = states
            .iter()
            .zip(0..)
            .filter_map(|(state, i)| match state {
                Row::Proved => None,
                Row::Open(most) => Some((prefix(*most), i)),
            })
            .collect();
        let proved = states.len() - open.len();
        if !open.is_empty() {
            open.sort_unstable();
            self.rescan(&open, &sorted, &mut best)?;
        }
        Ok(Answer { best, proved })
    }

    /// How much the radius of an other row exceeds what the sample said.
    fn rise(&self, j: usize) -> f64 {
        self.other.radii[j].to_f64() - self.other_guess[j]
    }

    /// The best of what row `i` kept, and whether that is the answer.
    ///
    /// No other row's radius exceeds its guess by less than `least_rise`.
    fn settle(
        &self,
        i: usize,
        least_rise: f64,
        kept: &mut Vec<(f64, u32)>,
        best: &mut [Option<Entry<T>>],
    ) -> Row {
        if !self.own.rows.sound(i) {
            return Row::Proved;
        }
        let nearest = &self.nearest[i * self.neighborhood..][..self.neighborhood];
        let mut top = Top { best, len: 0 };
        let mut known: Vec<Entry<T>> = nearest.iter().flatten().copied().collect();
        let len = self.retain(i, &mut known, |entry| entry.index);
        for entry in &known[..len] {
            let value = (self.csls)(entry.value, i, entry.index as usize);
            top.insert(Entry { value, index: entry.index });
        }
        // The radii are no longer guesses: the candidates' bounds come down.
        let (error, own) = ((self.error)(i), self.own.radii[i].to_f64());
        let score_bound = |bound: f64| 2.0 * (bound + error) - own + self.slack();
        kept.clear();
        let (masked, rest) = self.candidates.row(i);
        let bounded = |candidate: &Candidate| {
            let rise = self.rise(candidate.index as usize);
            (score_bound(f64::from(candidate.bound) - rise / 2.0), candidate.index)
        };
        kept.extend(rest.iter().map(bounded));
        let len = self.retain(i, kept, |&(_, index)| index);
        kept.truncate(len);
        kept.extend(masked.iter().map(bounded));
        kept.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
        kept.retain(|kept| nearest.iter().flatten().all(|entry| entry.index != kept.1));
        for batch in kept.chunks(DOTS) {
            if top.worst().is_some_and(|worst| batch[0].0 < worst.to_f64()) {
                break;
            }
            let mut entries = [Entry::default(); DOTS];
            let entries = &mut entries[..batch.len()];
            for (entry, &(_, index)) in entries.iter_mut().zip(batch) {
                entry.index = index;
            }
            self.rescore(i, entries);
            entries.iter().for_each(|&entry| top.insert(entry));
        }
        // A row whose neighbours are not all there has met every row that exists.
        if nearest[self.neighborhood - 1].is_none() {
            return Row::Proved;
        }
        let outside = score_bound(f64::from(self.candidates.outside(i)));
        // A pair outside scores at most `outside` less what its radius rose.
        match top.worst() {
            Some(worst) if worst.to_f64() > outside - least_rise => Row::Proved,
            Some(worst) => Row::Open(outside - worst.to_f64()),
            None => Row::Open(f64::INFINITY),
        }
    }

    /// Move what the mask lets through to the front; how much it is.
    fn retain<E: Copy>(&self, i: usize, entries: &mut [E], other: impl Fn(&E) -> u32) -> usize {
        self.mask.map_or(entries.len(), |mask| mask.retain(i, entries, other))
    }

    /// Give entries of row `i` their scores.
    fn rescore(&self, i: usize, entries: &mut [Entry<T>]) {
        (self.cosines)(i, entries);
        for entry in entries {
            entry.value = (self.csls)(entry.value, i, entry.index as usize);
        }
    }

    /// More than the roundings of a score: of the cosine, of two differences of at most 4, and of
    /// the result.
    fn slack(&self) -> f64 {
        32.0 * T::UNIT_ROUNDOFF
    }

    /// Search the rows that are open, each in a prefix of `sorted`, the other side by how much the
    /// radii rose.
    fn rescan(
        &self,
        open: &[(usize, u32)],
        sorted: &[u32],
        best: &mut [Option<Entry<T>>],
    ) -> Result<()> {
        let (prefixes, open): (Vec<usize>, Vec<u32>) =
            open.iter().copied().filter(|&(prefix, _)| prefix > 0).unzip();
        let radius = |i: u32| self.own.radii[i as usize].to_f64();
        let affine = |i: u32| Affine {
            slope: 0.5,
            offset: radius(i) / 2.0,
            error: self.own.affine[i as usize].error + self.slack(),
        };
        let affine: Vec<Affine> = open.iter().map(|&i| affine(i)).collect();
        let again = Again {
            isa: self.isa,
            own: (self.own.codes, &affine),
            other: (self.other.codes, self.other.rows),
            scores: &|i, entries| self.rescore(i, entries),
            bias: &|j| -self.other.radii[j].to_f64() / 2.0,
            control: self.control,
        };
        let worst = |at: usize| best[(open[at] as usize + 1) * self.k - 1];
        let found = again.search(&open, sorted, &prefixes, (self.k, self.mask), &worst)?;
        for (&i, found) in open.iter().zip(found.chunks_exact(self.k)) {
            let best = &mut best[i as usize * self.k..][..self.k];
            let len = best.iter().flatten().count();
            let mut top = Top { best, len };
            for &entry in found.iter().flatten() {
                if top.entries().all(|known| known.index != entry.index) {
                    top.insert(entry);
                }
            }
        }
        Ok(())
    }
}

/// A search of some rows of one side, after the pass.
#[derive(Clone, Copy)]
pub(super) struct Again<'s, 'a, T: Element> {
    pub isa: Isa,
    /// Codes, and the affine map of each row that searches.
    pub own: (&'s Codes<'a>, &'s [Affine]),
    pub other: (&'s Codes<'a>, &'s Rows<'a, T>),
    /// The canonical scores of entries of an own row.
    pub scores: &'s (dyn Fn(usize, &mut [Entry<T>]) + Sync),
    /// Of an other row.
    pub bias: &'s (dyn Fn(usize) -> f64 + Sync),
    pub control: &'s Control,
}

impl<T: Element> Again<'_, '_, T> {
    /// The nearest of those rows whose selection started from more than it was allowed to: from a
    /// value of the tile that their last neighbour might not reach.
    pub(super) fn complete(
        &self,
        nearest: &mut Best<T>,
        neighborhood: usize,
        starts: &[f32],
        affine: impl Fn(usize) -> Affine,
    ) -> Result<()> {
        let last = |i: usize| nearest[(i + 1) * neighborhood - 1];
        let reaches = |i: usize| match last(i) {
            Some(last) => affine(i).bar::<T, f32>(last.value) >= starts[i],
            None => starts[i] == f32::NEG_INFINITY,
        };
        #[allow(clippy::cast_possible_truncation)] // More than 2^32 - 2 rows are refused.
        let short: Vec<u32> =
            (0..starts.len()).filter(|&i| !reaches(i)).map(|i| i as u32).collect();
        if short.is_empty() {
            return Ok(());
        }
        let own: Vec<Affine> = short.iter().map(|&i| self.own.1[i as usize]).collect();
        let again = Again { own: (self.own.0, &own), ..*self };
        #[allow(clippy::cast_possible_truncation)] // As above.
        let all: Vec<u32> =
            (0..self.other.1.len() as u32).filter(|&j| self.other.1.sound(j as usize)).collect();
        let prefixes = filled(all.len(), short.len())?;
        let worst = |at: usize| last(short[at] as usize);
        let found = again.search(&short, &all, &prefixes, (neighborhood, None), &worst)?;
        for (&i, found) in short.iter().zip(found.chunks_exact(neighborhood)) {
            nearest[i as usize * neighborhood..][..neighborhood].copy_from_slice(found);
        }
        Ok(())
    }

    /// The `k` best, of those that a mask lets through, of each row of `open` among the first ones
    /// of `order`, as many as `prefixes` says, the fewest first. Rows that score less than `worst`
    /// may be missing.
    fn search(
        &self,
        open: &[u32],
        order: &[u32],
        prefixes: &[usize],
        (k, mask): (usize, Option<Mask<'_>>),
        worst: &dyn Fn(usize) -> Option<Entry<T>>,
    ) -> Result<Best<T>> {
        let Some(&longest) = prefixes.last() else { return Ok(Vec::new()) };
        let order = &order[..longest];
        let pairs: usize = prefixes.iter().sum();
        self.control.extend(pairs as u64);
        let own_codes = self.own.0.gather(open, Side::Rows)?;
        let other_codes = self.other.0.gather(order, Side::Columns)?;
        let filter: CodeFilter<'_, 1> = CodeFilter::new(
            self.isa,
            (&own_codes, Meaning { bias: [&|_| 0.0], affine: self.own.1 }),
            (&other_codes, Meaning { bias: [&|at| (self.bias)(order[at] as usize)], affine: &[] }),
            1.0,
            1.0,
        )?;
        let scan = Scan {
            filter: &filter,
            rescore: |_, i, entries: &mut _| (self.scores)(i, entries),
            row_numbers: Some(open),
            column_numbers: Some(order),
            exclude_self: false,
            control: self.control,
            passed: AtomicU64::new(0),
            element: PhantomData,
        };
        let affine = |at: usize| Filter::<T, 1>::row_affine(&filter, at);
        let mut lists = Reservoirs::<T, f32>::new(open.len(), k, CODE_ROWS)?;
        for at in 0..open.len() {
            if let Some(worst) = worst(at) {
                lists.expect(at, worst.value, affine(at));
            }
        }
        let mut masked = Masked { lists, numbers: open, mask };
        scan.rows_select_among(
            0,
            open.len(),
            &mut masked,
            &mut ColumnBlocks::new::<T, _, 1>(&filter),
            |rows, columns| {
                let end = prefixes[rows.end - 1].clamp(columns.start, columns.end);
                std::iter::once(columns.start..end).collect()
            },
        )?;
        masked.lists.finish(affine, |at, entries| (self.scores)(open[at] as usize, entries))
    }
}

/// The best entries so far, in order, in a slice of fixed length.
struct Top<'b, T> {
    best: &'b mut [Option<Entry<T>>],
    len: usize,
}

impl<T: Element> Top<'_, T> {
    fn entries(&self) -> impl Iterator<Item = &Entry<T>> {
        self.best[..self.len].iter().flatten()
    }

    /// The last of them, once there are enough.
    fn worst(&self) -> Option<T> {
        self.best.last().copied().flatten().map(|entry| entry.value)
    }

    fn insert(&mut self, entry: Entry<T>) {
        let at = self.entries().take_while(|known| order(known, &entry).is_lt()).count();
        if at == self.best.len() {
            return;
        }
        let end = (self.len + 1).min(self.best.len());
        self.best[at..end].rotate_right(1);
        self.best[at] = Some(entry);
        self.len = end;
    }
}
