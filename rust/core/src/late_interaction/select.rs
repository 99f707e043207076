//! The calls of the bindings: all scores, or the best documents of each query.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering as AtomicOrdering};

use isomorph_kernels::{Isa, Late};
use rayon::prelude::*;

use super::queries::Block;
use super::scan::Scan;
use super::{Collection, Queries};
use crate::memory::{filled, reserved};
use crate::neighbors::Selection;
use crate::runtime::Control;
use crate::{Error, Result};

/// Rows of a task: large enough to pay for the task, small enough to share the work evenly.
const TASK_ROWS: usize = 4096;
/// Documents that are scored before the best of each query are cut to k.
const SPAN: usize = 1 << 14;

/// The scores of all queries with all documents: query after query.
///
/// A document without tokens scores `-inf`. Unless `check_finite`, a document's tokens that are not
/// finite never are the best, and a query's add nothing. Runs on the current rayon pool.
///
/// # Errors
/// [`Error::Shape`], [`Error::NonFinite`], [`Error::ScoreOverflow`], [`Error::Memory`],
/// [`Error::Cancelled`].
pub fn scores<T: Late>(
    queries: &Queries<'_, T>,
    documents: &Collection<'_, T>,
    check_finite: bool,
    control: &Control,
) -> Result<Vec<T>> {
    let scan = prepare(queries, documents, check_finite, control)?;
    let (n, m) = (queries.count(), documents.offsets.count());
    let mut scores = filled(T::NEG_INFINITY, n.saturating_mul(m))?;
    let blocks = queries.blocks()?;
    control.start((m * blocks.len()) as u64);
    for start in (0..m).step_by(SPAN) {
        span(&scan, &blocks, start..(start + SPAN).min(m), |query, document, score| {
            scores[query * m + document] = score;
        })?;
    }
    Ok(scores)
}

/// The `k` best documents of each query: score descending, then index ascending. Where fewer than
/// `k` have tokens, the score is `-inf` and the index -1.
///
/// # Errors
/// As [`scores`], and [`Error::Value`] for a `k` out of range.
pub fn topk<T: Late>(
    queries: &Queries<'_, T>,
    documents: &Collection<'_, T>,
    k: usize,
    check_finite: bool,
    control: &Control,
) -> Result<Selection<T>> {
    let (n, m) = (queries.count(), documents.offsets.count());
    if k < 1 || k > m {
        let (argument, expected) = ("k", format!("1 to {m}"));
        return Err(Error::Value { argument, expected, got: k.to_string() });
    }
    let scan = prepare(queries, documents, check_finite, control)?;
    let blocks = queries.blocks()?;
    control.start((m * blocks.len()) as u64);
    let mut best: Vec<Vec<Best<T>>> = (0..n).map(|_| Vec::new()).collect();
    for start in (0..m).step_by(SPAN) {
        span(&scan, &blocks, start..(start + SPAN).min(m), |query, document, score| {
            if score > T::NEG_INFINITY {
                best[query].push(Best { score, document });
            }
        })?;
        best.par_iter_mut().for_each(|list| cut(list, k));
    }
    let len = n.saturating_mul(k);
    let mut found = Selection { scores: reserved(len)?, indices: reserved(len)? };
    for mut list in best {
        list.sort_unstable_by(Best::order);
        let missing = k - list.len().min(k);
        found.scores.extend(list.iter().map(|best| best.score));
        found.indices.extend(list.iter().map(|best| best.document as i64));
        found.scores.extend(std::iter::repeat_n(T::NEG_INFINITY, missing));
        found.indices.extend(std::iter::repeat_n(-1, missing));
    }
    Ok(found)
}

/// A document and its score.
#[derive(Clone, Copy, Debug)]
struct Best<T> {
    score: T,
    document: usize,
}

impl<T: Late> Best<T> {
    /// Score descending, then index ascending. No score is NaN.
    fn order(&self, other: &Self) -> Ordering {
        let scores = other.score.partial_cmp(&self.score).unwrap_or(Ordering::Equal);
        scores.then(self.document.cmp(&other.document))
    }
}

/// Keep the `k` best.
fn cut<T: Late>(list: &mut Vec<Best<T>>, k: usize) {
    if list.len() > k {
        list.select_nth_unstable_by(k - 1, Best::order);
        list.truncate(k);
    }
}

fn prepare<'a, T: Late>(
    queries: &'a Queries<'a, T>,
    documents: &'a Collection<'a, T>,
    check_finite: bool,
    control: &'a Control,
) -> Result<Scan<'a, T>> {
    if queries.tokens.cols() != documents.cols {
        return Err(Error::Shape {
            argument: "documents",
            expected: format!("{} columns as in queries", queries.tokens.cols()),
            got: format!("{}", documents.cols),
        });
    }
    let isa = Isa::chosen().map_err(Error::Isa)?;
    Ok(Scan { isa, queries, documents, check_finite, control })
}

/// Give each score of those documents to `keep(query, document, score)`.
fn span<T: Late>(
    scan: &Scan<'_, T>,
    blocks: &[Block<T>],
    documents: Range<usize>,
    mut keep: impl FnMut(usize, usize, T),
) -> Result<()> {
    let runs = runs(scan.documents, documents);
    let tasks: Vec<_> =
        runs.iter().flat_map(|run| blocks.iter().map(move |block| (run, block))).collect();
    // The error of the first task that has one is the answer, so those after it need not run.
    let failed = AtomicUsize::new(usize::MAX);
    let run = |(at, (run, block)): (usize, &(&Range<usize>, &Block<T>))| {
        if at > failed.load(AtomicOrdering::Relaxed) {
            return Ok(Vec::new());
        }
        let outcome = scan.run(block, (*run).clone());
        if outcome.is_err() {
            failed.fetch_min(at, AtomicOrdering::Relaxed);
        }
        outcome
    };
    let outcomes: Vec<Result<Vec<T>>> = tasks.par_iter().enumerate().map(run).collect();
    for ((run, block), scores) in tasks.iter().zip(outcomes) {
        let scores = scores?;
        let width = block.queries.len();
        for (document, scores) in (*run).clone().zip(scores.chunks_exact(width.max(1))) {
            for (query, &score) in block.queries.clone().zip(scores) {
                keep(query, document, score);
            }
        }
    }
    Ok(())
}

/// The documents in runs of about [`TASK_ROWS`] rows.
fn runs<T: Late>(all: &Collection<'_, T>, documents: Range<usize>) -> Vec<Range<usize>> {
    let mut runs = Vec::new();
    let mut start = documents.start;
    for end in start + 1..=documents.end {
        let rows = all.offsets.start(end) - all.offsets.start(start);
        if rows >= TASK_ROWS || end - start >= TASK_ROWS || end == documents.end {
            runs.push(start..end);
            start = end;
        }
    }
    runs
}
