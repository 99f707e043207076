//! One step of dictionary induction: each row's best partner, with stochastic dropout of pairs.
//!
//! Drawing for all n x m pairs would cost more than the search. Two ways to do without, both with the
//! answer of all n x m draws:
//!
//! * Large sides: the one pass of CSLS draws for what passes its filter, some hundred pairs a row,
//!   and keeps what is kept; what it did not keep is bounded as without dropout, and rows that are
//!   not proved search again among what is kept.
//! * Otherwise each row draws for its C best candidates: the best of those that are kept is the best
//!   of all that are kept, since what is outside scores less. A row of which no candidate is kept
//!   draws for all its pairs and scores those that are kept.

use isomorph_kernels::{Element, Isa};
use rayon::prelude::*;

use super::candidates::{Mask, PAIRS};
use super::score::{Metric, Radii, Rows, Scorer};
use super::search;
use super::select::SearchOptions;
use super::selection::Selection;
use crate::matrix::MatRef;
use crate::memory::{filled, reserved};
use crate::random::{Dropout, Stream};
use crate::runtime::Control;
use crate::{Error, Result};

/// Which rows choose a partner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Directions {
    /// Each row of the source.
    Forward,
    /// Each row of the target.
    Backward,
    /// Both.
    Both,
}

/// How a dictionary is induced.
#[derive(Clone, Copy, Debug)]
pub struct Induction {
    /// Of the CSLS radii; 0: no radii, so twice the cosine is compared.
    pub neighborhood: usize,
    /// Who chooses.
    pub directions: Directions,
    /// Which pairs take part.
    pub dropout: Dropout,
    /// Whether the second best is wanted, too.
    pub second: bool,
}

/// What each row of one side chose.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen<T> {
    /// The other side's row; -1 where there is none (rows that are not finite).
    pub indices: Vec<i64>,
    /// Its score; that of a dropped pair is minus the row's own radius.
    pub scores: Vec<T>,
    /// The score of the second best where it was asked for, `-inf` if there is none.
    pub seconds: Vec<T>,
    /// The row's largest cosine, dropped pairs included; `-inf` if there is none.
    pub largest: Vec<T>,
}

/// A score and a row of the other side.
type Candidate<T> = (T, u32);

/// At most so many candidates a row; beyond that, drawing for all pairs of the rest costs less.
const MOST_CANDIDATES: usize = 64;
/// Rows that may be left without a kept candidate.
const UNSETTLED: f64 = 1.0 / 500.0;
/// Rows settled by one task.
const BLOCK: usize = 256;

impl Induction {
    /// How many candidates a row needs.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn candidates(&self, available: usize) -> usize {
        let wanted = 1 + usize::from(self.second);
        let keep = self.dropout.keep();
        // Until one of C is kept but in one row of 500; -ln(1 - p) is at least p.
        let until_kept = if self.dropout.keeps_all() {
            1
        } else {
            (UNSETTLED.ln() / (-keep).ln_1p()).min(1e6).ceil() as usize
        };
        (until_kept * wanted).min(MOST_CANDIDATES).max(wanted).min(available)
    }
}

/// The best partner of each row, by `2 cos - r_source - r_target` after dropout.
///
/// A dropped pair does not leave: it scores what a value of 0 before the row's own radius is
/// subtracted would, minus that radius. Ties go to the lower index. Runs on the current rayon pool.
///
/// # Errors
/// As [`super::csls_both`].
pub fn induce<T: Element>(
    source: MatRef<'_, T>,
    target: MatRef<'_, T>,
    how: &Induction,
    search: &SearchOptions<'_>,
    control: &Control,
) -> Result<Answer<T>> {
    let both = how.directions != Directions::Forward;
    if let Some(answer) = induce_in_one_pass(source, target, how, both, search, control)? {
        return Ok(answer);
    }
    let k = how.candidates(source.rows().min(target.rows()));
    let (forward, backward, (r_source, r_target), largest) = if how.neighborhood == 0 {
        let r = (filled(T::default(), source.rows())?, filled(T::default(), target.rows())?);
        // Without radii the best score is twice the largest cosine.
        let halves = |best: &Selection<T>| -> Vec<T> {
            best.scores.iter().step_by(k).map(|s| T::from_f64(s.to_f64() / 2.0)).collect()
        };
        if both {
            let found = search::csls_both(source, target, k, &r.0, &r.1, search, control)?;
            let largest = (halves(&found.0), halves(&found.1));
            (found.0, Some(found.1), r, largest)
        } else {
            let found = search::csls(source, target, k, &r.0, &r.1, search, control)?;
            let largest = (halves(&found), Vec::new());
            (found, None, r, largest)
        }
    } else {
        // Backward alone needs both: the other way round by rows would subtract the radii in
        // another order.
        let hood = how.neighborhood;
        let found = search::csls_from_rows(source, target, k, hood, both, search, control)?;
        (found.forward, found.backward, found.radii, found.largest)
    };
    let forward = (how.directions != Directions::Backward).then_some(forward);
    let radii = Radii { left: &r_source, right: &r_target };
    let sides = Sides { source, target, radii, how, control };
    Ok((
        forward.map(|lists| sides.settle(&lists, k, Stream::Forward, largest.0)).transpose()?,
        backward.map(|lists| sides.settle(&lists, k, Stream::Backward, largest.1)).transpose()?,
    ))
}

/// How far down a list the best pair that takes part may be expected.
const LONGEST_LIST: f64 = 256.0;

/// What [`induce`] gives.
type Answer<T> = (Option<Chosen<T>>, Option<Chosen<T>>);

/// With dropout, where both sides are large: the pass itself keeps only what is kept.
fn induce_in_one_pass<T: Element>(
    source: MatRef<'_, T>,
    target: MatRef<'_, T>,
    how: &Induction,
    both: bool,
    search: &SearchOptions<'_>,
    control: &Control,
) -> Result<Option<Answer<T>>> {
    let k = (1 + usize::from(how.second)).min(source.rows()).min(target.rows());
    // Of so few that take part, the best is far down each list: the lists would be all there is.
    let too_few = how.dropout.keep() * LONGEST_LIST < k as f64;
    if how.dropout.keeps_all() || how.neighborhood == 0 || too_few {
        return Ok(None);
    }
    let dropout = how.dropout;
    let forward = |i: usize, others: &[u32; PAIRS]| {
        dropout.keeps_of(Stream::Forward, &[to_u32(i); PAIRS], others)
    };
    let backward = |j: usize, others: &[u32; PAIRS]| {
        dropout.keeps_of(Stream::Backward, others, &[to_u32(j); PAIRS])
    };
    let share = dropout.keep();
    let sizes = (k, how.neighborhood, both);
    let masks =
        [Some(Mask { takes_part: &forward, share }), Some(Mask { takes_part: &backward, share })];
    let Some(found) = search::masked(source, target, sizes, masks, search, control)? else {
        return Ok(None);
    };
    let (forward, backward, (r_source, r_target)) = (found.forward, found.backward, found.radii);
    let largest = found.largest;
    let radii = Radii { left: &r_source, right: &r_target };
    let sides = Sides { source, target, radii, how, control };
    let forward = (how.directions != Directions::Backward).then_some(forward);
    Ok(Some((
        forward
            .map(|lists| sides.settle_kept(&lists, k, Stream::Forward, largest.0))
            .transpose()?,
        backward
            .map(|lists| sides.settle_kept(&lists, k, Stream::Backward, largest.1))
            .transpose()?,
    )))
}

struct Sides<'a, T> {
    source: MatRef<'a, T>,
    target: MatRef<'a, T>,
    radii: Radii<'a, T>,
    how: &'a Induction,
    control: &'a Control,
}

/// The best two of a row.
#[derive(Clone, Copy)]
struct Best<T> {
    first: Option<Candidate<T>>,
    second: Option<Candidate<T>>,
}

impl<T: Element> Best<T> {
    const fn none() -> Self {
        Self { first: None, second: None }
    }

    /// Put in what comes behind everything of the same score that is in already.
    fn offer(&mut self, candidate: Candidate<T>) {
        let beats = |held: Option<Candidate<T>>| held.is_none_or(|held| candidate.0 > held.0);
        if beats(self.first) {
            self.second = self.first.replace(candidate);
        } else if beats(self.second) {
            self.second = Some(candidate);
        }
    }

    fn merge(&mut self, other: Self) {
        let before = |a: Candidate<T>, b: Candidate<T>| a.0 > b.0 || (a.0 == b.0 && a.1 < b.1);
        for candidate in [other.first, other.second].into_iter().flatten() {
            if self.first.is_none_or(|held| before(candidate, held)) {
                self.second = self.first.replace(candidate);
            } else if self.second.is_none_or(|held| before(candidate, held)) {
                self.second = Some(candidate);
            }
        }
    }

    const fn has(&self, wanted: usize) -> bool {
        self.first.is_some() && (wanted < 2 || self.second.is_some())
    }
}

impl<T: Element> Sides<'_, T> {
    /// What each row chose, given its `k` best candidates.
    fn settle(
        &self,
        lists: &Selection<T>,
        k: usize,
        stream: Stream,
        largest: Vec<T>,
    ) -> Result<Chosen<T>> {
        let n = lists.indices.len() / k;
        let mut best = filled(Best::none(), n)?;
        let unsettled: Vec<usize> = best
            .par_chunks_mut(BLOCK)
            .enumerate()
            .map(|(block, best)| {
                self.control.check()?;
                let mut left = Vec::new();
                for (at, best) in best.iter_mut().enumerate() {
                    let row = block * BLOCK + at;
                    let list = row * k..(row + 1) * k;
                    let others = self.others(stream).rows();
                    let list = Row::new(&lists.scores[list.clone()], &lists.indices[list], others);
                    match self.among_candidates(&list, row, stream) {
                        Some(found) => *best = found,
                        None => left.push(row),
                    }
                }
                Ok(left)
            })
            .collect::<Result<Vec<_>>>()?
            .concat();
        if !unsettled.is_empty() {
            let scorer = self.scorer()?;
            self.control.start(unsettled.len() as u64);
            let found = unsettled
                .par_iter()
                .map(|&row| {
                    let found = self.among_all(&scorer, row, stream)?;
                    self.control.advance(1);
                    Ok(found)
                })
                .collect::<Result<Vec<_>>>()?;
            for (row, found) in unsettled.into_iter().zip(found) {
                best[row] = found;
            }
        }
        chosen(best, largest)
    }

    /// What each row chose, given the best `k` of what is kept, as many as are wanted: only dropped
    /// pairs are missing, and of these the first `k` do.
    fn settle_kept(
        &self,
        lists: &Selection<T>,
        k: usize,
        stream: Stream,
        largest: Vec<T>,
    ) -> Result<Chosen<T>> {
        let mut best = filled(Best::none(), lists.indices.len() / k)?;
        let others = self.others(stream).rows();
        best.par_chunks_mut(BLOCK).enumerate().try_for_each(|(block, best)| {
            self.control.check()?;
            for (at, best) in best.iter_mut().enumerate() {
                let row = block * BLOCK + at;
                let list = row * k..(row + 1) * k;
                let list = Row::new(&lists.scores[list.clone()], &lists.indices[list], others);
                list.candidates().for_each(|candidate| best.offer(candidate));
                let dropped = self.dropped(row, stream);
                let enough = list.indices.len() == k && list.lowest() > dropped;
                if !enough && self.is_finite(stream.turned(), row) {
                    best.merge(self.first_dropped(row, k, stream));
                }
            }
            Ok(())
        })?;
        chosen(best, largest)
    }

    /// The first `wanted` dropped pairs of a row.
    fn first_dropped(&self, row: usize, wanted: usize, stream: Stream) -> Best<T> {
        let dropped = self.dropped(row, stream);
        let mut first = Best::none();
        for other in 0..self.others(stream).rows() {
            let index = to_u32(other);
            if !self.keeps(stream, row, index) && self.is_finite(stream, other) {
                first.offer((dropped, index));
                if first.has(wanted) {
                    break;
                }
            }
        }
        first
    }

    /// The answer, if the candidates decide it.
    fn among_candidates(&self, list: &Row<'_, T>, row: usize, stream: Stream) -> Option<Best<T>> {
        let wanted = 1 + usize::from(self.how.second);
        let mut best = Best::none();
        if self.how.dropout.keeps_all() {
            list.candidates().take(wanted).for_each(|candidate| best.offer(candidate));
            return Some(best);
        }
        if list.is_empty() {
            // Nothing on the other side is finite, or this row is not.
            return Some(best);
        }
        let dropped = self.dropped(row, stream);
        for (score, index) in list.candidates() {
            if score <= dropped {
                break;
            }
            if self.keeps(stream, row, index) {
                best.offer((score, index));
                if best.has(wanted) {
                    return Some(best);
                }
            }
        }
        // From here on dropped pairs may win. Unless a pair outside the list could be as good, the
        // first of them do.
        if list.complete || list.lowest() < dropped {
            let mut rest = Best::none();
            for (score, index) in list.candidates() {
                if score == dropped && self.keeps(stream, row, index) {
                    rest.offer((score, index));
                }
            }
            rest.merge(self.first_dropped(row, wanted, stream));
            best.merge(rest);
            if best.has(wanted) {
                return Some(best);
            }
        }
        None
    }

    /// The answer from a draw for every pair of the row.
    fn among_all(&self, scorer: &Scorer<'_, T>, row: usize, stream: Stream) -> Result<Best<T>> {
        let dropped = self.dropped(row, stream);
        let others = match stream {
            Stream::Forward => &scorer.right,
            Stream::Backward => &scorer.left,
        };
        let (mut kept, mut rest) = (Best::none(), Best::none());
        for index in 0..others.len() {
            if index % (1 << 16) == 0 {
                self.control.check()?;
            }
            let other = to_u32(index);
            if self.keeps(stream, row, other) {
                if others.sound(index) {
                    let (i, j) = ordered(stream, row, index);
                    kept.offer((scorer.score(i, j), other));
                }
            } else if !rest.has(2) && others.sound(index) {
                rest.offer((dropped, other));
            }
        }
        kept.merge(rest);
        Ok(kept)
    }

    fn keeps(&self, stream: Stream, row: usize, other: u32) -> bool {
        match stream {
            Stream::Forward => self.how.dropout.keeps(stream, to_u32(row), other),
            Stream::Backward => self.how.dropout.keeps(stream, other, to_u32(row)),
        }
    }

    const fn others(&self, stream: Stream) -> MatRef<'_, T> {
        match stream {
            Stream::Forward => self.target,
            Stream::Backward => self.source,
        }
    }

    fn is_finite(&self, stream: Stream, other: usize) -> bool {
        self.others(stream).row(other).iter().all(|x| x.finite())
    }

    /// What a dropped pair of the row scores.
    fn dropped(&self, row: usize, stream: Stream) -> T {
        let radius = match stream {
            Stream::Forward => self.radii.left[row],
            Stream::Backward => self.radii.right[row],
        };
        T::from_f64(0.0 - radius.to_f64())
    }

    fn scorer(&self) -> Result<Scorer<'_, T>> {
        let isa = Isa::chosen().map_err(Error::Isa)?;
        Ok(Scorer {
            isa,
            metric: Metric::Cosine,
            left: Rows::new(isa, self.source, Metric::Cosine, self.control)?,
            right: Rows::new(isa, self.target, Metric::Cosine, self.control)?,
            radii: Some(self.radii),
        })
    }
}

fn chosen<T: Element>(best: Vec<Best<T>>, largest: Vec<T>) -> Result<Chosen<T>> {
    let n = best.len();
    let (indices, scores, seconds) = (reserved(n)?, reserved(n)?, reserved(n)?);
    let mut chosen = Chosen { indices, scores, seconds, largest };
    for Best { first, second } in best {
        let (score, index) =
            first.map_or((T::NEG_INFINITY, -1), |(score, index)| (score, i64::from(index)));
        chosen.indices.push(index);
        chosen.scores.push(score);
        chosen.seconds.push(second.map_or(T::NEG_INFINITY, |(score, _)| score));
    }
    Ok(chosen)
}

/// The candidates of a row, best first.
struct Row<'a, T> {
    scores: &'a [T],
    indices: &'a [i64],
    /// Whether there are no others.
    complete: bool,
}

impl<'a, T: Element> Row<'a, T> {
    /// Without the places that stayed empty.
    fn new(scores: &'a [T], indices: &'a [i64], others: usize) -> Self {
        let len = indices.partition_point(|&index| index >= 0);
        let complete = len < indices.len() || len == others;
        Self { scores: &scores[..len], indices: &indices[..len], complete }
    }

    const fn is_empty(&self) -> bool {
        self.indices.is_empty()
    }

    /// No pair outside the list scores more.
    fn lowest(&self) -> T {
        self.scores.last().copied().unwrap_or(T::NEG_INFINITY)
    }

    fn candidates(&self) -> impl Iterator<Item = Candidate<T>> + '_ {
        self.scores.iter().zip(self.indices).map(|(&score, &index)| {
            // Found rows are never negative, and no more than 2^32 - 2.
            (score, u32::try_from(index).unwrap_or(u32::MAX))
        })
    }
}

const fn ordered(stream: Stream, row: usize, other: usize) -> (usize, usize) {
    match stream {
        Stream::Forward => (row, other),
        Stream::Backward => (other, row),
    }
}

/// A row number: checked to be below 2^32 - 1 before the search.
#[allow(clippy::cast_possible_truncation)]
const fn to_u32(row: usize) -> u32 {
    row as u32
}
