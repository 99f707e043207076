//! CSLS in one pass: both radii and the answer of both directions.
//!
//! With `f(i, j) = cos(i, j) - r_j / 2` the answer of row `i` is the k largest `f`, whatever its
//! own radius. The radii `r_j` are known after the pass only, but those over a sample of the other
//! side are lower bounds `low_j <= r_j`, so that `f(i, j) <= cos(i, j) - low_j / 2`.
//!
//! 1. *Sample*: every row against a part of the columns, every column against a part of the rows:
//!    lower radii, and thresholds to start from.
//! 2. *Pass*: both sides select their nearest by cosine, and keep candidates by
//!    `cos - low / 2` with a bound `G` of what they do not keep ([`Candidates`]).
//! 3. *Settle*: the radii are now exact, and so are the scores of what a row kept. A row is
//!    *proved* when its k-th best exceeds `G` strictly (of equals, the index would decide).
//! 4. *Rescan* for rows not proved: what they did not keep has a cosine of at most that of their
//!    last neighbour, `c`, and can only win with a radius of at most `2 (c - f_k)`: a prefix of the
//!    other side sorted by radius.

use std::marker::PhantomData;
use std::ops::Range;
use std::sync::atomic::AtomicU64;

use isomorph_kernels::{CODE_COLUMNS, CODE_ROWS, DOTS, Element};
use rayon::prelude::*;

use super::candidates::{Candidates, Mask, Masked, NearestAndCandidates};
use super::codes::{Codes, Side};
use super::filter::{CodeFilter, Filter, Meaning};
use super::prepare::{Affine, Prepared};
use super::reservoir::{Entry, Reservoirs, order};
use super::scan::{ColumnBlocks, Scan};
use super::score::{Direction, Rows, Scorer};
use super::select::{Best, BothCodes, close_all_known, scan};
use super::selection::means;
use crate::Result;
use crate::memory::filled;
use crate::runtime::Control;

/// Largest `k` and neighbourhood; beyond, lists would grow and another pass is the better way.
pub(super) const LARGEST: usize = 100;
/// One row in so many is in the sample of the other side.
const SAMPLE: usize = 10;
/// Rows of the sample that lie side by side.
const SAMPLE_RUN: usize = 64;

/// Whether the sample says something about sides of `n` and `m` rows.
pub(super) const fn applies(n: usize, m: usize, k: usize, neighborhood: usize) -> bool {
    let fewest = if n < m { n } else { m };
    k <= LARGEST
        && neighborhood <= LARGEST
        && fewest >= 2 * SAMPLE * SAMPLE_RUN
        && fewest >= 2 * SAMPLE * neighborhood
}

/// Candidates that a row keeps when its list is full.
const fn candidates(k: usize) -> usize {
    if 4 * k < 32 { 32 } else { 4 * k }
}

/// Radii and answers of both sides.
pub(super) struct OnePass<T> {
    pub source_radii: Vec<T>,
    pub target_radii: Vec<T>,
    pub forward: Answer<T>,
    pub backward: Option<Answer<T>>,
}

/// The k best of each row of one side, and how many rows were proved by the pass alone.
pub(super) struct Answer<T> {
    pub best: Best<T>,
    pub proved: usize,
}

/// `scorer` is of cosines; `masks`, of rows and of columns, say which pairs may be an answer (all
/// count for the radii).
pub(super) fn one_pass<T: Element>(
    scorer: &Scorer<'_, T>,
    prepared: &Prepared,
    codes: &BothCodes<'_>,
    (k, neighborhood, both): (usize, usize, bool),
    masks: [Mask<'_>; 2],
    control: &Control,
) -> Result<OnePass<T>> {
    let (n, m) = (scorer.left.len(), scorer.right.len());
    let pairs = n as u64 * m as u64;
    control.start(pairs + 2 * pairs / SAMPLE as u64);

    let (left_sample, right_sample) = samples(scorer, prepared, codes, neighborhood, control)?;
    let (left_low, right_low) =
        (lower_radii(&left_sample, neighborhood), lower_radii(&right_sample, neighborhood));

    let left_csls = |i: usize| prepared.left.bias[i] - left_low[i].to_f64() / 2.0;
    let right_csls = |j: usize| prepared.right.bias[j] - right_low[j].to_f64() / 2.0;
    let filter: CodeFilter<'_, 2> = CodeFilter::new(
        scorer.isa,
        (
            &codes.left,
            Meaning {
                bias: [&|i| prepared.left.bias[i], &left_csls],
                affine: &prepared.left.affine,
            },
        ),
        (
            &codes.right,
            Meaning {
                bias: [&|j| prepared.right.bias[j], &right_csls],
                affine: &prepared.right.affine,
            },
        ),
        1.0,
        1.0,
    )?;
    let row_affine = |i: usize| Filter::<T, 2>::row_affine(&filter, i);
    let column_affine = |j: usize| Filter::<T, 2>::column_affine(&filter, j);
    let count = candidates(k);
    let mut rows = lists(
        &left_sample,
        &right_low,
        (neighborhood, count, CODE_ROWS),
        &scorer.left,
        row_affine,
    )?;
    let backward_count = if both { count } else { 1 };
    let widths = (neighborhood, backward_count, CODE_COLUMNS);
    let mut columns = lists(&right_sample, &left_low, widths, &scorer.right, column_affine)?;
    [rows.mask, columns.mask] = masks;
    if !both {
        columns.candidates.close();
    }
    drop((left_sample, right_sample));
    close_all_known(&mut rows.nearest, scorer, Direction::Rows);
    close_all_known(&mut columns.nearest, scorer, Direction::Columns);
    scan(&filter, |side, i, entries: &mut [_]| scorer.rescore(side, i, entries), false, control)
        .both_select(&mut rows, &mut columns)?;

    let (row_candidates, column_candidates) = (rows.candidates, columns.candidates);
    let row_nearest = rows
        .nearest
        .finish(row_affine, |i, entries| scorer.rescore(Direction::Rows, i, entries))?;
    let column_nearest = columns
        .nearest
        .finish(column_affine, |j, entries| scorer.rescore(Direction::Columns, j, entries))?;
    let source_radii = means(&row_nearest, neighborhood);
    let target_radii = means(&column_nearest, neighborhood);

    let csls =
        |cosine: T, i: usize, j: usize| Scorer::csls(cosine, source_radii[i], target_radii[j]);
    let forward = Half {
        own: One {
            rows: &scorer.left,
            codes: &codes.left,
            radii: &source_radii,
            affine: &prepared.left.affine,
        },
        other: One {
            rows: &scorer.right,
            codes: &codes.right,
            radii: &target_radii,
            affine: &prepared.right.affine,
        },
        other_low: &right_low,
        nearest: &row_nearest,
        candidates: &row_candidates,
        error: &|i| row_affine(i).error,
        cosines: &|i, entries| scorer.rescore(Direction::Rows, i, entries),
        csls: &csls,
        isa: scorer.isa,
        neighborhood,
        k,
        mask: masks[0],
        control,
    };
    let backward = Half {
        mask: masks[1],
        own: forward.other,
        other: forward.own,
        other_low: &left_low,
        nearest: &column_nearest,
        candidates: &column_candidates,
        error: &|j| column_affine(j).error,
        cosines: &|j, entries| scorer.rescore(Direction::Columns, j, entries),
        csls: &|cosine, j, i| csls(cosine, i, j),
        ..forward
    };
    let (forward, backward) = (forward.answer()?, both.then(|| backward.answer()).transpose()?);
    Ok(OnePass { source_radii, target_radii, forward, backward })
}

/// The nearest of every row, and of every column, in a sample of the other side.
fn samples<T: Element>(
    scorer: &Scorer<'_, T>,
    prepared: &Prepared,
    codes: &BothCodes<'_>,
    neighborhood: usize,
    control: &Control,
) -> Result<(Best<T>, Best<T>)> {
    let filter = codes.filter(scorer, prepared)?;
    let scan = scan(
        &filter,
        |side, i, entries: &mut [_]| scorer.rescore(side, i, entries),
        false,
        control,
    );
    let row_affine = |i: usize| Filter::<T, 1>::row_affine(&filter, i);
    let column_affine = |j: usize| Filter::<T, 1>::column_affine(&filter, j);

    let n = scorer.left.len();
    let mut rows = Reservoirs::new(n, neighborhood, CODE_ROWS)?;
    close_all_known(&mut rows, scorer, Direction::Rows);
    scan.rows_select_among(
        0,
        n,
        &mut rows,
        &mut ColumnBlocks::new::<T, _, 1>(&filter),
        |_, columns| sample(columns),
    )?;
    let rows = rows.finish(row_affine, |i, entries| scorer.rescore(Direction::Rows, i, entries))?;

    let mut columns = Reservoirs::new(scorer.right.len(), neighborhood, CODE_COLUMNS)?;
    close_all_known(&mut columns, scorer, Direction::Columns);
    scan.columns_select_among(&mut columns, sample)?;
    let columns = columns
        .finish(column_affine, |j, entries| scorer.rescore(Direction::Columns, j, entries))?;
    Ok((rows, columns))
}

/// Runs of [`SAMPLE_RUN`] rows spread over a block.
fn sample(block: Range<usize>) -> Vec<Range<usize>> {
    let runs = block.clone().step_by(SAMPLE * SAMPLE_RUN);
    runs.map(|start| start..(start + SAMPLE_RUN).min(block.end)).collect()
}

/// Radii over the sample, at most the true ones; below every radius where the sample is short.
fn lower_radii<T: Element>(sample: &Best<T>, neighborhood: usize) -> Vec<T> {
    // A sum that adds larger numbers in the same order is no smaller, rounding included.
    let mut low = means(sample, neighborhood);
    for (low, nearest) in low.iter_mut().zip(sample.chunks_exact(neighborhood)) {
        if nearest.iter().any(Option::is_none) {
            *low = T::from_f64(-2.0);
        }
    }
    low
}

/// Lists that start from what the sample found: `(neighborhood, candidates, panel width)`.
fn lists<T: Element>(
    sample: &Best<T>,
    other_low: &[T],
    (neighborhood, count, width): (usize, usize, usize),
    own: &Rows<'_, T>,
    affine: impl Fn(usize) -> Affine,
) -> Result<NearestAndCandidates<'static, T>> {
    let mut nearest = Reservoirs::new(own.len(), neighborhood, width)?;
    let mut candidates = Candidates::new(own.len(), count, width)?;
    for (i, found) in sample.chunks_exact(neighborhood).enumerate() {
        if !own.sound(i) {
            candidates.raise(i, f32::INFINITY);
            continue;
        }
        if let Some(last) = found[neighborhood - 1] {
            nearest.expect(i, last.value, affine(i));
            // The worst of a good sample: a tenth of the rows hold some better ones.
            let bound = |entry: &Entry<T>| {
                entry.value.to_f64() - other_low[entry.index as usize].to_f64() / 2.0
            };
            let least = found.iter().flatten().map(bound).fold(f64::INFINITY, f64::min);
            #[allow(clippy::cast_possible_truncation)] // Any start is sound.
            candidates.raise(i, least as f32);
        }
    }
    Ok(NearestAndCandidates { nearest, candidates, mask: None })
}

/// One side after the pass.
#[derive(Clone, Copy)]
struct One<'s, 'a, T: Element> {
    rows: &'s Rows<'a, T>,
    codes: &'s Codes<'a>,
    radii: &'s [T],
    affine: &'s [Affine],
}

/// One direction after the pass: `own` rows look for `other` rows.
#[derive(Clone, Copy)]
struct Half<'s, 'a, T: Element> {
    own: One<'s, 'a, T>,
    other: One<'s, 'a, T>,
    other_low: &'s [T],
    nearest: &'s Best<T>,
    candidates: &'s Candidates,
    /// Of the pass, for each row.
    error: &'s (dyn Fn(usize) -> f64 + Sync),
    /// The canonical cosines of entries of an own row, and the canonical score from one.
    cosines: &'s (dyn Fn(usize, &mut [Entry<T>]) + Sync),
    csls: &'s (dyn Fn(T, usize, usize) -> T + Sync),
    isa: isomorph_kernels::Isa,
    neighborhood: usize,
    k: usize,
    mask: Mask<'s>,
    control: &'s Control,
}

/// How the pass left a row.
enum Row {
    Proved,
    /// Only rows of the other side with at most this radius can still win.
    Open(f64),
}

impl<T: Element> Half<'_, '_, T> {
    fn answer(&self) -> Result<Answer<T>> {
        let mut best = filled(None, self.own.rows.len() * self.k)?;
        let states: Vec<Row> = best
            .par_chunks_mut(self.k)
            .enumerate()
            .map_init(Vec::new, |kept, (i, best)| self.settle(i, kept, best))
            .collect();
        self.control.check()?;
        let open: Vec<(f64, u32)> = states
            .iter()
            .zip(0..)
            .filter_map(|(state, i)| match state {
                Row::Proved => None,
                Row::Open(radius) => Some((*radius, i)),
            })
            .collect();
        let proved = states.len() - open.len();
        if !open.is_empty() {
            self.rescan(open, &mut best)?;
        }
        Ok(Answer { best, proved })
    }

    /// The best of what row `i` kept, and whether that is the answer.
    fn settle(&self, i: usize, kept: &mut Vec<(f64, u32)>, best: &mut [Option<Entry<T>>]) -> Row {
        if !self.own.rows.sound(i) {
            return Row::Proved;
        }
        let nearest = &self.nearest[i * self.neighborhood..][..self.neighborhood];
        let mut top = Top { best, len: 0 };
        let takes_part = |j| self.mask.is_none_or(|takes_part| takes_part(i, j));
        for entry in nearest.iter().flatten().filter(|entry| takes_part(entry.index)) {
            let value = (self.csls)(entry.value, i, entry.index as usize);
            top.insert(Entry { value, index: entry.index });
        }
        // The radii are no longer lower bounds: the candidates' bounds come down.
        let (error, own) = ((self.error)(i), self.own.radii[i].to_f64());
        let score_bound = |bound: f64| 2.0 * (bound + error) - own + self.slack();
        kept.clear();
        kept.extend(self.candidates.row(i).iter().map(|candidate| {
            let j = candidate.index as usize;
            let risen = self.other.radii[j].to_f64() - self.other_low[j].to_f64();
            (score_bound(f64::from(candidate.bound) - risen / 2.0), candidate.index)
        }));
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
        let Some(last) = nearest[self.neighborhood - 1] else { return Row::Proved };
        let outside = score_bound(f64::from(self.candidates.outside(i)));
        match top.worst() {
            Some(worst) if worst.to_f64() > outside => Row::Proved,
            Some(worst) => {
                Row::Open(2.0 * last.value.to_f64() - own - worst.to_f64() + self.slack())
            }
            None => Row::Open(f64::INFINITY),
        }
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

    /// Search the rows that are open, each with the largest radius that can still win, in a prefix
    /// of the other side sorted by radius.
    fn rescan(&self, mut open: Vec<(f64, u32)>, best: &mut [Option<Entry<T>>]) -> Result<()> {
        let radius = |j: u32| self.other.radii[j as usize].to_f64();
        #[allow(clippy::cast_possible_truncation)] // More than 2^32 - 2 rows are refused.
        let mut sorted: Vec<u32> = (0..self.other.rows.len() as u32)
            .filter(|&j| self.other.rows.sound(j as usize))
            .collect();
        sorted.sort_unstable_by(|&a, &b| radius(a).total_cmp(&radius(b)).then(a.cmp(&b)));
        open.sort_unstable_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let prefix = |largest: f64| sorted.partition_point(|&j| radius(j) <= largest);
        // Where no radius is small enough, what the row kept is its answer.
        let (open, prefixes): (Vec<u32>, Vec<usize>) = open
            .into_iter()
            .map(|(largest, i)| (i, prefix(largest)))
            .filter(|&(_, prefix)| prefix > 0)
            .unzip();
        let Some(&longest) = prefixes.last() else { return Ok(()) };
        sorted.truncate(longest);
        let pairs: usize = prefixes.iter().sum();
        self.control.extend(pairs as u64);

        let own_codes = self.own.codes.gather(&open, Side::Rows)?;
        let other_codes = self.other.codes.gather(&sorted, Side::Columns)?;
        let affine: Vec<Affine> = open
            .iter()
            .map(|&i| Affine {
                slope: 0.5,
                offset: self.own.radii[i as usize].to_f64() / 2.0,
                error: self.own.affine[i as usize].error + self.slack(),
            })
            .collect();
        let filter: CodeFilter<'_, 1> = CodeFilter::new(
            self.isa,
            (&own_codes, Meaning { bias: [&|_| 0.0], affine: &affine }),
            (&other_codes, Meaning { bias: [&|at| -radius(sorted[at]) / 2.0], affine: &[] }),
            1.0,
            1.0,
        )?;
        let scan = Scan {
            filter: &filter,
            rescore: |_, i, entries: &mut _| self.rescore(i, entries),
            row_numbers: Some(&open),
            column_numbers: Some(&sorted),
            exclude_self: false,
            control: self.control,
            passed: AtomicU64::new(0),
            element: PhantomData,
        };
        let affine = |at: usize| Filter::<T, 1>::row_affine(&filter, at);
        let mut lists = Reservoirs::<T, f32>::new(open.len(), self.k, CODE_ROWS)?;
        for (at, &i) in open.iter().enumerate() {
            if let Some(worst) = best[(i as usize + 1) * self.k - 1] {
                lists.expect(at, worst.value, affine(at));
            }
        }
        let mut masked = Masked { lists, numbers: &open, mask: self.mask };
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
        let found =
            masked.lists.finish(affine, |at, entries| self.rescore(open[at] as usize, entries))?;
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
