//! CSLS in one pass: both radii and the answer of both directions.
//!
//! With `f(i, j) = cos(i, j) - r_j / 2` the answer of row `i` is the k largest `f`, whatever its
//! own radius. The radii `r_j` are known after the pass only; a sample of the other side gives a
//! guess `g_j` of each, hardly ever above it, and of where the thresholds may start.
//!
//! 1. *Sample* ([`Sample`]): every row against a part of the columns, every column against a part
//!    of the rows.
//! 2. *Pass*: both sides select their nearest by cosine, and keep candidates by `cos - g / 2` with
//!    a bound `G` of what they do not keep ([`Candidates`]).
//! 3. *Radii*: a row whose threshold began above its own last neighbour selects again, from all.
//!    Now the radii are exact.
//! 4. *Settle* (`settle`): the scores of what a row kept become exact; what it did not keep is
//!    bounded by `G` and by how much the radii exceed their guesses.

use isomorph_kernels::{CODE_COLUMNS, CODE_ROWS, Element};

use super::candidates::{Candidates, Mask, NearestAndCandidates};
use super::filter::{CodeFilter, Filter, Meaning};
use super::prepare::{Affine, Prepared};
use super::reservoir::{Entry, Reservoirs};
use super::sample::{SAMPLE, SAMPLE_RUN, Sample, place};
use super::score::{Direction, Rows, Scorer};
use super::select::{BothCodes, close_all_known, scan};
use super::selection::{largest, means};
use super::settle::{Again, Answer, Half, One};
use crate::Result;
use crate::memory::filled;
use crate::runtime::Control;

/// Largest `k` and neighbourhood; beyond, lists would grow and another pass is the better way.
pub(super) const LARGEST: usize = 100;
/// Whether the sample says something about sides of `n` and `m` rows.
pub(super) const fn applies(n: usize, m: usize, k: usize, neighborhood: usize) -> bool {
    let fewest = if n < m { n } else { m };
    k <= LARGEST
        && neighborhood <= LARGEST
        && fewest >= 2 * SAMPLE * SAMPLE_RUN
        && fewest >= SAMPLE * neighborhood
}

/// Deviations, and more rows, of [`place`]: where the nearest start, hardly any row selects again; for
/// candidates, a compromise of what passes and what is searched again.
const NEAREST: (f64, f64) = (3.0, 1.0);
const CANDIDATE: (f64, f64) = (0.5, 2.0);

/// Candidates that a row keeps when its list is full; fewer where all of them take part for sure.
const fn candidates(k: usize, masked: bool) -> usize {
    match (masked, 4 * k < 32) {
        (true, _) => 8 * k,
        (false, true) => 32,
        (false, false) => 4 * k,
    }
}

/// Radii and answers of both sides.
pub(super) struct OnePass<T> {
    pub source_radii: Vec<T>,
    pub target_radii: Vec<T>,
    /// The largest cosine of each source and of each target.
    pub largest: (Vec<T>, Vec<T>),
    pub forward: Answer<T>,
    pub backward: Option<Answer<T>>,
}

/// `scorer` is of cosines; `masks`, of rows and of columns, say which pairs may be an answer (all
/// count for the radii).
pub(super) fn one_pass<T: Element>(
    scorer: &Scorer<'_, T>,
    prepared: &Prepared,
    codes: &BothCodes<'_>,
    (k, neighborhood, both): (usize, usize, bool),
    masks: [Option<Mask<'_>>; 2],
    control: &Control,
) -> Result<OnePass<T>> {
    let (n, m) = (scorer.left.len(), scorer.right.len());
    let pairs = n as u64 * m as u64;
    control.start(pairs + 2 * pairs / SAMPLE as u64);

    let places = Places::new(k, neighborhood, masks[0].map_or(1.0, |mask| mask.share));
    let (left_sample, right_sample) = {
        let filter = codes.filter(scorer, prepared)?;
        let of = |direction| Sample::new::<T>(&filter, direction, places.most(), control);
        (of(Direction::Rows)?, of(Direction::Columns)?)
    };
    let (left_guess, right_guess) =
        (left_sample.radii(neighborhood), right_sample.radii(neighborhood));

    let left_csls = |i: usize| prepared.left.bias[i] - left_guess[i] / 2.0;
    let right_csls = |j: usize| prepared.right.bias[j] - right_guess[j] / 2.0;
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
    let row_bias =
        |i: usize| Filter::<T, 2>::row_bias(&filter, &0, i / CODE_ROWS)[1][i % CODE_ROWS];
    let column_bias =
        |j: usize| Filter::<T, 2>::column_bias(&filter, &0, j / CODE_COLUMNS)[1][j % CODE_COLUMNS];
    let count = candidates(k, masks[0].is_some());
    let (rows, columns) = rayon::join(
        || {
            let widths = (neighborhood, count, CODE_ROWS);
            lists(&left_sample, &places, widths, &scorer.left, (&row_affine, &column_bias))
        },
        || {
            let widths = (neighborhood, if both { count } else { 1 }, CODE_COLUMNS);
            lists(&right_sample, &places, widths, &scorer.right, (&column_affine, &row_bias))
        },
    );
    let ((mut rows, row_starts), (mut columns, column_starts)) = (rows?, columns?);
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
    let row_cosines = |i: usize, entries: &mut [Entry<T>]| {
        scorer.rescore(Direction::Rows, i, entries);
    };
    let column_cosines = |j: usize, entries: &mut [Entry<T>]| {
        scorer.rescore(Direction::Columns, j, entries);
    };
    let mut row_nearest = rows.nearest.finish(row_affine, row_cosines)?;
    let mut column_nearest = columns.nearest.finish(column_affine, column_cosines)?;
    let again = Again {
        isa: scorer.isa,
        own: (&codes.left, &prepared.left.affine),
        other: (&codes.right, &scorer.right),
        scores: &row_cosines,
        bias: &|_| 0.0,
        control,
    };
    again.complete(&mut row_nearest, neighborhood, &row_starts, row_affine)?;
    let again = Again {
        own: (&codes.right, &prepared.right.affine),
        other: (&codes.left, &scorer.left),
        scores: &column_cosines,
        ..again
    };
    again.complete(&mut column_nearest, neighborhood, &column_starts, column_affine)?;
    let source_radii = means(&row_nearest, neighborhood);
    let target_radii = means(&column_nearest, neighborhood);
    let largest = (largest(&row_nearest, neighborhood), largest(&column_nearest, neighborhood));

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
        other_guess: &right_guess,
        nearest: &row_nearest,
        candidates: &row_candidates,
        error: &|i| row_affine(i).error,
        cosines: &row_cosines,
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
        other_guess: &left_guess,
        nearest: &column_nearest,
        candidates: &column_candidates,
        error: &|j| column_affine(j).error,
        cosines: &column_cosines,
        csls: &|cosine, j, i| csls(cosine, i, j),
        ..forward
    };
    let (forward, backward) = (forward.answer()?, both.then(|| backward.answer()).transpose()?);
    Ok(OnePass { source_radii, target_radii, largest, forward, backward })
}

/// Which of a row's sample its thresholds start from.
struct Places {
    nearest: usize,
    candidate: usize,
    /// Entries that radii need.
    neighborhood: usize,
}

impl Places {
    /// For the `k` best of that `share` of the pairs that takes part.
    fn new(k: usize, neighborhood: usize, share: f64) -> Self {
        // Among so many of the best, k take part in all but one row of fifty.
        let rank = if share < 1.0 { 50f64.ln() / -(-share).ln_1p() } else { 1.0 };
        Self {
            nearest: place(neighborhood as f64, NEAREST.0, NEAREST.1),
            candidate: place(k as f64 * rank, CANDIDATE.0, CANDIDATE.1),
            neighborhood,
        }
    }

    /// Entries of a sample that a row needs.
    fn most(&self) -> usize {
        self.nearest.max(self.candidate).max(self.neighborhood)
    }
}

/// Lists that start from what the sample found, `(neighborhood, candidates, panel width)`, and where
/// the selection of the nearest starts.
fn lists<T: Element>(
    sample: &Sample,
    places: &Places,
    (neighborhood, count, width): (usize, usize, usize),
    own: &Rows<'_, T>,
    (affine, other_bias): (&dyn Fn(usize) -> Affine, &dyn Fn(usize) -> f32),
) -> Result<(NearestAndCandidates<'static, T>, Vec<f32>)> {
    let mut nearest = Reservoirs::new(own.len(), neighborhood, width)?;
    let mut candidates = Candidates::new(own.len(), count, width)?;
    let mut starts = filled(f32::NEG_INFINITY, own.len())?;
    let mut bounds = Vec::new();
    for (i, start) in starts.iter_mut().enumerate() {
        if !own.sound(i) {
            candidates.raise(i, f32::INFINITY);
            continue;
        }
        let found = sample.row(i);
        if !own.is_zero(i) {
            #[allow(clippy::cast_possible_truncation)] // Any start will do.
            let error = affine(i).error as f32;
            *start = found[places.nearest - 1].value - error;
            nearest.start(i, *start);
        }
        bounds.clear();
        bounds.extend(found.iter().map(|entry| entry.value + other_bias(entry.index as usize)));
        bounds.sort_unstable_by(|a, b| b.total_cmp(a));
        candidates.raise(i, bounds[places.candidate - 1]);
    }
    Ok((NearestAndCandidates { nearest, candidates, mask: None }, starts))
}
