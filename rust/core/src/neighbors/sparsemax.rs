//! Sparsemax of cosines: the point of the simplex nearest to a row of similarities (Martins and
//! Astudillo 2016), of all pairs of two sides, without their matrix.
//!
//! `sparsemax(z) = max(z - τ, 0)` with τ such that the weights add up to one. The τ of *some* of
//! the similarities is never above that of all: whatever is not above it has no weight. So a row
//! keeps what exceeds the τ of what it has kept (as Condat 2016 projects a stream), the threshold
//! rises as the pass goes on, and few are left. What passes the filter is a bound; the most
//! promising are scored canonically, in `f64`, when a list is full: τ is exact for them, and the
//! threshold one error of the filter below it.
//!
//! Most of what a row takes in, it takes in before its threshold is high. So a sample of the atoms
//! says where it may start, a guess; the τ that comes out proves it, or the row is searched again from
//! that τ, which needs no proof.

use isomorph_kernels::{DOTS, Element, Isa, dots};
use rayon::prelude::*;

use super::filter::{CodeFilter, Filter, FloatFilter};
use super::index::Indexes;
use super::lists::{Group, Lists};
use super::prepare::Affine;
use super::reservoir::Entry;
use super::sample::{SAMPLE, SAMPLE_RUN, Sample};
use super::scan::ColumnBlocks;
use super::score::{Direction, Metric, Rows, Scorer};
use super::select::{BothCodes, FilterChoice, allowed_to_pass, scan};
use super::simplex::{threshold, weights};
use crate::matrix::MatRef;
use crate::memory::filled;
use crate::runtime::Control;
use crate::vocab::Mixture;
use crate::{Error, Result};

/// What a row takes in before its threshold is raised.
const FRESH: usize = 96;
/// The same where the threshold starts from a guess: what is raised late is scored once.
const GUESSED: usize = 512;
/// Rows that are searched together: their lists are memory.
const ROWS: usize = 4096;
/// Room for the rounding of sums of scores.
const SLACK: f64 = 1e-12;
/// Rows that are searched first, to see whether the integer filter holds enough back.
const PROBE_ROWS: usize = 64;
/// Atoms from which on a sample says something.
const SAMPLED: usize = 8 * SAMPLE * SAMPLE_RUN;
/// What a row keeps of its sample.
const SAMPLE_BEST: usize = 24;
/// A guess is the τ of a sample whose mass is so many times what is expected of it: a lower guess lets
/// more through, a higher one is more often too high.
const CAUTION: f64 = 3.0;

/// Sparsemax of the cosines of each target row with all atoms: which atoms have a weight, and which.
///
/// A row of zeros has cosine 0 with everything; a target of zeros gets no atoms. Rows that are not
/// finite are not there. Runs on the current rayon pool.
///
/// # Errors
/// [`Error::Shape`], [`Error::Cancelled`], [`Error::Memory`].
pub fn sparsemax<T: Element>(
    targets: MatRef<'_, T>,
    atoms: MatRef<'_, T>,
    choice: FilterChoice,
    control: &Control,
) -> Result<Mixture> {
    if atoms.cols() != targets.cols() {
        return Err(Error::Shape {
            argument: "atoms",
            expected: format!("{} columns", targets.cols()),
            got: format!("{} columns", atoms.cols()),
        });
    }
    if targets.cols() == 0 || targets.rows() == 0 || atoms.rows() == 0 {
        return Mixture::of(&vec![Vec::new(); targets.rows()]);
    }
    let isa = Isa::chosen().map_err(Error::Isa)?;
    let scorer = Scorer {
        isa,
        metric: Metric::Cosine,
        left: Rows::new(isa, targets, Metric::Cosine, control)?,
        right: Rows::new(isa, atoms, Metric::Cosine, control)?,
        radii: None,
    };
    let indexes = Indexes::default();
    let prepared = indexes.prepared(&scorer);
    let mut search = Search { scorer: &scorer, control, found: Vec::new() };
    if let Some(codes) = BothCodes::made(&scorer, &prepared, choice, &indexes, control)? {
        let filter = codes.filter(&scorer, &prepared)?;
        if choice == FilterChoice::Integer || search.holds_back(&filter)? {
            let starts = guesses::<T>(&filter, control)?;
            search.run(&filter, &starts)?;
            return Mixture::of(&search.found);
        }
    }
    search.run(&FloatFilter::new(&scorer, &prepared), &[])?;
    Mixture::of(&search.found)
}

/// Where the threshold of each row may start; nothing where there is too little to go by.
fn guesses<T: Element>(filter: &CodeFilter<'_, 1>, control: &Control) -> Result<Vec<f32>> {
    if Filter::<T, 1>::columns(filter) < SAMPLED {
        return Ok(Vec::new());
    }
    let sample = Sample::new::<T>(filter, Direction::Rows, SAMPLE_BEST, control)?;
    let guess = |i: usize| {
        let (mut sum, mut highest) = (0.0, f64::NEG_INFINITY);
        for (rank, entry) in sample.row(i).iter().enumerate() {
            sum += f64::from(entry.value);
            // Of the thresholds of the first so many the largest is that of all.
            highest = highest.max((sum - CAUTION / SAMPLE as f64) / (rank as f64 + 1.0));
        }
        #[allow(clippy::cast_possible_truncation)] // Any start will do.
        let start = (highest - Filter::<T, 1>::row_affine(filter, i).error) as f32;
        if start.is_nan() { f32::NEG_INFINITY } else { start }
    };
    Ok((0..Filter::<T, 1>::rows(filter)).map(guess).collect())
}

struct Search<'s, 'a, T: Element> {
    scorer: &'s Scorer<'a, T>,
    control: &'s Control,
    found: Vec<Vec<(u32, f64)>>,
}

impl<T: Element> Search<'_, '_, T> {
    /// Whether few enough pairs of the first rows pass.
    fn holds_back<F: Filter<T, 1>>(&self, filter: &F) -> Result<bool> {
        let (m, d) = (self.scorer.right.len(), self.scorer.left.cols());
        let rows = (self.scorer.left.len() / 16).clamp(1, PROBE_ROWS);
        let mut lists = Kept::<T, F::Lane>::new(self.scorer, 0..rows, &[], F::HEIGHT)?;
        let scan = scan(filter, |_, _, _: &mut [Entry<T>]| {}, false, self.control);
        scan.rows_select(0, rows, &mut lists, &mut ColumnBlocks::new(filter))?;
        Ok(scan.passed.into_inner() <= allowed_to_pass(rows, m, d, FRESH))
    }

    /// Search all rows; `starts` are where their thresholds start, nothing for the bottom.
    fn run<F: Filter<T, 1>>(&mut self, filter: &F, starts: &[F::Lane]) -> Result<()> {
        let (n, m) = (self.scorer.left.len(), self.scorer.right.len());
        self.control.start(n as u64 * m as u64);
        self.found = filled(Vec::new(), n)?;
        let scan = scan(filter, |_, _, _: &mut [Entry<T>]| {}, false, self.control);
        let mut columns = ColumnBlocks::new(filter);
        let parts = n.div_ceil(filter.row_step().min(ROWS));
        let step = n.div_ceil(parts).next_multiple_of(F::HEIGHT);
        for start in (0..n).step_by(step) {
            let end = (start + step).min(n);
            let own = starts.get(start..end).unwrap_or(&[]);
            let mut lists = Kept::<T, F::Lane>::new(self.scorer, start..end, own, F::HEIGHT)?;
            scan.rows_select(start, end, &mut lists, &mut columns)?;
            let mut bars = lists.finish(filter, &mut self.found[start..end]);
            if own.is_empty() {
                continue;
            }
            for ((at, bar), guess) in bars.iter_mut().enumerate().zip(own) {
                // What was not kept is below the guess.
                if !is_open(self.scorer, start + at) || *bar >= *guess {
                    *bar = F::Lane::INFINITY;
                }
            }
            self.again(filter, start, &bars)?;
        }
        Ok(())
    }

    /// Search rows from `start` on again, those whose threshold is not infinite: it is one that
    /// everything with a weight exceeds.
    fn again<F: Filter<T, 1>>(
        &mut self,
        filter: &F,
        start: usize,
        thresholds: &[F::Lane],
    ) -> Result<()> {
        let (scorer, control) = (self.scorer, self.control);
        let scan = scan(filter, |_, _, _: &mut [Entry<T>]| {}, false, control);
        let found = self.found[start..start + thresholds.len()].par_chunks_mut(F::HEIGHT);
        let panels = found.zip(thresholds.par_chunks(F::HEIGHT)).enumerate();
        panels.with_max_len(1).try_for_each(|(panel, (found, thresholds))| {
            if thresholds.iter().all(|bar| *bar == F::Lane::INFINITY) {
                return Ok(());
            }
            control.extend((thresholds.len() * scorer.right.len()) as u64);
            let first = start + panel * F::HEIGHT;
            let rows = first..first + thresholds.len();
            let mut lists = Kept::<T, F::Lane>::new(scorer, rows, thresholds, F::HEIGHT)?;
            let mut columns = ColumnBlocks::new(filter);
            scan.rows_select(first, first + thresholds.len(), &mut lists, &mut columns)?;
            let mut anew = filled(Vec::new(), found.len())?;
            lists.finish(filter, &mut anew);
            for ((found, anew), bar) in found.iter_mut().zip(anew).zip(thresholds) {
                if *bar < F::Lane::INFINITY {
                    *found = anew;
                }
            }
            Ok(())
        })
    }
}

/// Whether row `i` is made of anything.
fn is_open<T: Element>(scorer: &Scorer<'_, T>, i: usize) -> bool {
    scorer.left.sound(i) && !scorer.left.is_zero(i)
}

/// What the rows have kept, and what a bound must exceed to be kept.
struct Kept<'s, 'a, T: Element, L> {
    scorer: &'s Scorer<'a, T>,
    start: usize,
    rows: Vec<Row<L>>,
    /// One a row, those that fill the last panel included.
    thresholds: Vec<L>,
    width: usize,
}

/// The list of one row.
#[derive(Clone)]
struct Row<L> {
    /// Bounds in the tile's terms.
    fresh: Vec<(L, u32)>,
    /// Canonical scores.
    settled: Vec<(f64, u32)>,
    /// How many fresh entries make it worth raising the threshold.
    limit: usize,
}

impl<'s, 'a, T: Element, L: Element> Kept<'s, 'a, T, L> {
    fn new(
        scorer: &'s Scorer<'a, T>,
        rows: std::ops::Range<usize>,
        starts: &[L],
        width: usize,
    ) -> Result<Self> {
        let mut thresholds = filled(L::INFINITY, rows.len().next_multiple_of(width))?;
        for (at, (threshold, i)) in thresholds.iter_mut().zip(rows.clone()).enumerate() {
            if is_open(scorer, i) {
                *threshold = starts.get(at).copied().unwrap_or(L::NEG_INFINITY);
            }
        }
        let limit = if starts.is_empty() { FRESH } else { GUESSED };
        let empty = Row { fresh: Vec::new(), settled: Vec::new(), limit };
        let start = rows.start;
        Ok(Self { scorer, start, rows: filled(empty, rows.len())?, thresholds, width })
    }

    /// The weights of each row; gives what a bound must exceed for one, in the tile's terms.
    fn finish<F: Filter<T, 1, Lane = L>>(
        self,
        filter: &F,
        found: &mut [Vec<(u32, f64)>],
    ) -> Vec<L> {
        let finish = |scratch: &mut Vec<f64>, (at, (out, mut row)): (usize, (&mut _, Row<L>))| {
            let i = self.start + at;
            let bar = row.raise(self.scorer, i, filter.row_affine(i), scratch);
            row.settle(self.scorer, i, 0);
            *out = weights(row.settled);
            bar
        };
        let rows = found.par_iter_mut().zip(self.rows).enumerate();
        rows.map_init(Vec::new, finish).collect()
    }
}

impl<'s, 'a, T: Element, L: Element> Lists<T, L, 1> for Kept<'s, 'a, T, L> {
    type Group<'g>
        = KeptGroup<'g, 'a, T, L>
    where
        Self: 'g;

    fn groups_of(&mut self, start: usize, end: usize, rows: usize) -> Vec<Self::Group<'_>> {
        let (scorer, first, width) = (self.scorer, self.start + start, self.width);
        self.rows[start..end]
            .chunks_mut(rows)
            .zip(self.thresholds[start..end.next_multiple_of(width)].chunks_mut(rows))
            .enumerate()
            .map(|(group, (kept, thresholds))| KeptGroup {
                scorer,
                first: first + group * rows,
                start: group * rows,
                width,
                rows: kept,
                thresholds,
                scratch: Vec::new(),
            })
            .collect()
    }
}

/// The lists of some rows, borrowed by one task.
struct KeptGroup<'g, 'a, T: Element, L> {
    scorer: &'g Scorer<'a, T>,
    /// The number of the first row in its matrix.
    first: usize,
    start: usize,
    width: usize,
    rows: &'g mut [Row<L>],
    thresholds: &'g mut [L],
    scratch: Vec<f64>,
}

impl<T: Element, L: Element> Group<T, L, 1> for KeptGroup<'_, '_, T, L> {
    fn start(&self) -> usize {
        self.start
    }

    fn rows(&self) -> usize {
        self.rows.len()
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
        _: impl Fn(&mut [Entry<T>]),
    ) {
        // The threshold may have risen since the tile.
        if value > self.thresholds[i] {
            let row = &mut self.rows[i];
            row.fresh.push((value, index));
            if row.fresh.len() == row.limit {
                let number = self.first + i;
                let bar = row.raise(self.scorer, number, affine(), &mut self.scratch);
                if bar > self.thresholds[i] {
                    self.thresholds[i] = bar;
                }
            }
        }
    }
}

impl<L: Element> Row<L> {
    /// Score the most promising entries, drop what can have no weight, and give what a bound must
    /// exceed from now on.
    #[cold]
    #[inline(never)]
    fn raise<T: Element>(
        &mut self,
        scorer: &Scorer<'_, T>,
        i: usize,
        affine: Affine,
        scratch: &mut Vec<f64>,
    ) -> L {
        // Those that have a weight if the bounds were the scores.
        scratch.clear();
        scratch.extend(self.settled.iter().map(|entry| entry.0));
        scratch.extend(self.fresh.iter().map(|entry| entry.0.to_f64()));
        let likely = threshold(scratch);
        let promising = partition(&mut self.fresh, |entry| entry.0.to_f64() > likely);
        self.settle(scorer, i, promising);
        scratch.clear();
        scratch.extend(self.settled.iter().map(|entry| entry.0));
        let sure = threshold(scratch) - SLACK;
        self.settled.retain(|entry| entry.0 > sure);
        let value = affine.slope * sure + affine.offset - affine.error;
        let bar = if value.is_nan() { L::NEG_INFINITY } else { L::from_f64(value).next_down() };
        self.fresh.retain(|entry| entry.0 > bar);
        self.limit = self.limit.max(2 * self.fresh.len());
        bar
    }

    /// Score the last of the fresh entries, from `first` on.
    fn settle<T: Element>(&mut self, scorer: &Scorer<'_, T>, i: usize, first: usize) {
        let atoms = self.fresh[first..].iter().map(|entry| entry.1);
        score(scorer, i, atoms, &mut self.settled);
        self.fresh.truncate(first);
    }
}

/// Add the canonical cosines of row `i` with some atoms.
fn score<T: Element>(
    scorer: &Scorer<'_, T>,
    i: usize,
    mut atoms: impl Iterator<Item = u32>,
    out: &mut Vec<(f64, u32)>,
) {
    let own = scorer.left.row(i);
    loop {
        let (mut batch, mut count) = ([0; DOTS], 0);
        while let Some(j) = (count < DOTS).then(|| atoms.next()).flatten() {
            // What is missing of the last batch repeats its last atom.
            batch[count..].fill(j);
            count += 1;
        }
        let products = dots(scorer.isa, own, batch.map(|j| scorer.right.row(j as usize)));
        out.extend(batch.iter().zip(products).take(count).map(|(&j, product)| {
            let norms = scorer.left.norms[i] * scorer.right.norms[j as usize];
            (if norms == 0.0 { 0.0 } else { product / norms }, j)
        }));
        if count < DOTS {
            return;
        }
    }
}

/// Move what `wanted` names to the end; where it begins.
fn partition<E>(entries: &mut [E], wanted: impl Fn(&E) -> bool) -> usize {
    let mut end = entries.len();
    let mut at = 0;
    while at < end {
        if wanted(&entries[at]) {
            end -= 1;
            entries.swap(at, end);
        } else {
            at += 1;
        }
    }
    end
}
