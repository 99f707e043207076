//! Where given rows stand in the ranking of others, without the ranking: how many score more, and
//! how many the same.
//!
//! Scores are those of the neighbours, canonical. A pass of products in the computing type decides
//! all pairs that are further from the given row's score than its error; the rest are scored.
//!
//! With `x' = x / |x|`, rounded, a product is `p = c_j (x' . y_j)`, with `c_j = 1 / |y_j|` for the
//! cosine and 1 for the dot product, whose score it gives divided by `|x|`. Its error is at most
//! `e = 1.1 γ_{d+8} M`, M being 1 for the cosine and the largest `|y|` for the dot product: rounding
//! x', c and the score costs a few u beside the summation's γ_d. Rows and queries whose norm could
//! bring a product near overflow or underflow get NaN, which decides nothing.

use std::ops::{Range, RangeInclusive};

use isomorph_kernels::{Isa, Late, MAX_PANEL};
use rayon::prelude::*;

use crate::matrix::MatRef;
use crate::memory::filled;
use crate::neighbors::Metric;
use crate::runtime::Control;
use crate::{Error, Result};

/// Squared norms within these bounds are within those from which the neighbours' scores compute
/// cosines directly.
const SAFE_SQUARES: RangeInclusive<f64> = 1e-270..=1e270;
/// Panels of queries in one task, corpus rows in one, and rows that are multiplied at once.
const PANELS: usize = 4;
const TASK_ROWS: usize = 1 << 14;
const ROWS: usize = 256;

/// Where rows stand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// How many corpus rows score more.
    pub above: Vec<i64>,
    /// How many score the same, the row itself included.
    pub tied: Vec<i64>,
}

/// Rows of the corpus that are of interest to a query.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// Query i wants `items[offsets[i]..offsets[i + 1]]`.
    pub offsets: &'a [i64],
    /// Corpus rows.
    pub items: &'a [i64],
}

/// The places of the wanted rows by cosine or dot product; `exclude_self` leaves row i out for
/// query i. All values must be finite. None where the norms are so extreme that the caller must
/// compute the scores in another way.
///
/// # Errors
/// [`Error::Shape`], [`Error::Value`], [`Error::ScoreOverflow`], [`Error::Cancelled`].
pub fn places<T: Late>(
    queries: MatRef<'_, T>,
    corpus: MatRef<'_, T>,
    wanted: Wanted<'_>,
    metric: Metric,
    exclude_self: bool,
    control: &Control,
) -> Result<Option<Places>> {
    check(queries, corpus, wanted)?;
    let isa = Isa::chosen().map_err(Error::Isa)?;
    let squares = |rows: MatRef<'_, T>| -> Vec<f64> {
        (0..rows.rows()).into_par_iter().map(|i| T::dot(isa, rows.row(i), rows.row(i))).collect()
    };
    let (x_squares, y_squares) = (squares(queries), squares(corpus));
    let extreme = |square: &f64| *square != 0.0 && !SAFE_SQUARES.contains(square);
    if x_squares.iter().chain(&y_squares).any(extreme) {
        return Ok(None);
    }
    let roots = |squares: Vec<f64>| squares.into_iter().map(f64::sqrt).collect();
    let ranker = Ranker::new(isa, queries, corpus, roots(x_squares), roots(y_squares), metric);
    let scores = ranker.wanted_scores(wanted)?;
    let block = T::PANEL * PANELS;
    let parts = corpus.rows().div_ceil(TASK_ROWS);
    let tasks: Vec<(usize, usize)> = (0..queries.rows())
        .step_by(block)
        .flat_map(|first| (0..parts).map(move |part| (first, part)))
        .collect();
    control.start(tasks.len() as u64);
    let counted: Vec<Result<Vec<[u32; 2]>>> = tasks
        .par_iter()
        .map(|&(first, part)| {
            let some = first..(first + block).min(queries.rows());
            let rows = part * TASK_ROWS..((part + 1) * TASK_ROWS).min(corpus.rows());
            let counts = ranker.count(some, rows, wanted, &scores, control);
            control.advance(1);
            counts
        })
        .collect();
    let zeros = || filled(0i64, wanted.items.len());
    let mut places = Places { above: zeros()?, tied: zeros()? };
    for ((first, _), counts) in tasks.iter().zip(counted) {
        for (at, [above, tied]) in counts?.into_iter().enumerate() {
            places.above[start(wanted, *first) + at] += i64::from(above);
            places.tied[start(wanted, *first) + at] += i64::from(tied);
        }
    }
    if exclude_self {
        ranker.leave_out_self(wanted, &scores, &mut places)?;
    }
    Ok(Some(places))
}

/// Where the wanted rows of a query begin. Checked before.
fn start(wanted: Wanted<'_>, query: usize) -> usize {
    usize::try_from(wanted.offsets[query]).unwrap_or(0)
}

fn check<T: Late>(queries: MatRef<'_, T>, corpus: MatRef<'_, T>, wanted: Wanted<'_>) -> Result<()> {
    if queries.cols() != corpus.cols() || corpus.cols() == 0 {
        return Err(Error::Shape {
            argument: "corpus",
            expected: format!("{} columns as in queries", queries.cols()),
            got: format!("{}", corpus.cols()),
        });
    }
    let Wanted { offsets, items } = wanted;
    let sound = offsets.len() == queries.rows() + 1
        && offsets.first() == Some(&0)
        && offsets.is_sorted()
        && offsets.last() == i64::try_from(items.len()).ok().as_ref()
        && items.iter().all(|&i| usize::try_from(i).is_ok_and(|i| i < corpus.rows()));
    if sound {
        return Ok(());
    }
    Err(Error::Value {
        argument: "relevant",
        expected: format!("rows from 0 to {}, query after query", corpus.rows()),
        got: "others".to_string(),
    })
}

struct Ranker<'a, T> {
    isa: Isa,
    queries: MatRef<'a, T>,
    corpus: MatRef<'a, T>,
    x_norms: Vec<f64>,
    y_norms: Vec<f64>,
    cosine: bool,
    /// `c_j`; NaN where products decide nothing.
    scales: Vec<T>,
    /// `e` of the module's head.
    error: f64,
}

impl<'a, T: Late> Ranker<'a, T> {
    fn new(
        isa: Isa,
        queries: MatRef<'a, T>,
        corpus: MatRef<'a, T>,
        x_norms: Vec<f64>,
        y_norms: Vec<f64>,
        metric: Metric,
    ) -> Self {
        let cosine = metric == Metric::Cosine;
        let du = (corpus.cols() as f64 + 8.0) * T::UNIT_ROUNDOFF;
        let counted = y_norms.iter().filter(|&&norm| moderate::<T>(norm));
        let largest = counted.fold(0.0, |a: f64, &b| a.max(b));
        let magnitude = if cosine { 1.0 } else { largest };
        // Twice for the canonical score's own error in `f64`, and the rounding of the bars.
        let bound = if du < 0.25 { 2.0 * 1.1 * du / (1.0 - du) } else { f64::INFINITY };
        let scale = |&norm: &f64| match moderate::<T>(norm) {
            true if cosine => T::from_f64(1.0 / norm),
            true => T::from_f64(1.0),
            false => T::from_f64(f64::NAN),
        };
        let scales = y_norms.iter().map(scale).collect();
        let error = bound * magnitude;
        Self { isa, queries, corpus, x_norms, y_norms, cosine, scales, error }
    }

    /// The canonical score, as the neighbours have it.
    fn score(&self, i: usize, j: usize) -> Result<T> {
        let dot = T::dot(self.isa, self.queries.row(i), self.corpus.row(j));
        let norms = self.x_norms[i] * self.y_norms[j];
        let exact = match self.cosine {
            true if norms == 0.0 => 0.0,
            true => dot / norms,
            false => dot,
        };
        let score = T::from_f64(exact).plus(T::default());
        if score.finite() {
            return Ok(score);
        }
        Err(Error::ScoreOverflow { argument: "queries", row: i, dtype: T::NAME })
    }

    fn wanted_scores(&self, wanted: Wanted<'_>) -> Result<Vec<T>> {
        let own = |i: usize| {
            let items = &wanted.items[start(wanted, i)..start(wanted, i + 1)];
            items.iter().map(move |&j| self.score(i, usize::try_from(j).unwrap_or(0)))
        };
        (0..self.queries.rows()).flat_map(own).collect()
    }

    /// Above and tied of the rows that some queries want, counted among some rows of the corpus.
    fn count(
        &self,
        queries: Range<usize>,
        rows: Range<usize>,
        wanted: Wanted<'_>,
        scores: &[T],
        control: &Control,
    ) -> Result<Vec<[u32; 2]>> {
        let depth = self.corpus.cols();
        let panels = self.pack(&queries);
        let first = start(wanted, queries.start);
        let mut counts = filled([0, 0], start(wanted, queries.end) - first)?;
        let count = queries.len().div_ceil(T::PANEL);
        let mut products = filled(T::default(), ROWS * count * T::PANEL)?;
        for chunk in rows.clone().step_by(ROWS) {
            control.check()?;
            let chunk = chunk..(chunk + ROWS).min(rows.end);
            let values = self.corpus.slice(chunk.start, chunk.end).data();
            let products = &mut products[..chunk.len() * count * T::PANEL];
            T::products(self.isa, values, depth, &panels, products, &mut []);
            for (panel, products) in products.chunks_exact_mut(chunk.len() * T::PANEL).enumerate() {
                let scales = &self.scales[chunk.clone()];
                for (line, &scale) in products.chunks_exact_mut(T::PANEL).zip(scales) {
                    line.iter_mut().for_each(|product| *product = product.times(scale));
                }
                let lanes = queries.start + panel * T::PANEL..queries.end;
                self.compare(products, lanes, chunk.start, wanted, scores, first, &mut counts)?;
            }
        }
        Ok(counts)
    }

    /// Compare the products of one panel with one wanted score of each query after the other.
    #[allow(clippy::too_many_arguments)]
    fn compare(
        &self,
        products: &[T],
        queries: Range<usize>,
        row: usize,
        wanted: Wanted<'_>,
        scores: &[T],
        first: usize,
        counts: &mut [[u32; 2]],
    ) -> Result<()> {
        let lanes = queries.len().min(T::PANEL);
        let number = |lane: usize| {
            start(wanted, queries.start + lane + 1) - start(wanted, queries.start + lane)
        };
        for round in 0..(0..lanes).map(number).max().unwrap_or(0) {
            // What wants no more rows has nothing above, and nothing unsure.
            let (mut low, mut high) = ([T::INFINITY; MAX_PANEL], [T::INFINITY; MAX_PANEL]);
            let mut above = [0; MAX_PANEL];
            for lane in (0..lanes).filter(|&lane| number(lane) > round) {
                let query = queries.start + lane;
                let score = scores[start(wanted, query) + round].to_f64();
                let norm = if self.cosine { 1.0 } else { self.x_norms[query] };
                let (value, error) = (score / norm, self.error);
                low[lane] = T::from_f64(value - error);
                high[lane] = T::from_f64(value + error);
            }
            let mut failed = None;
            let unsure = |r: usize, lane: usize| {
                if lane >= lanes || number(lane) <= round {
                    return;
                }
                let at = start(wanted, queries.start + lane) + round;
                match self.score(queries.start + lane, row + r) {
                    Ok(score) => {
                        counts[at - first][0] += u32::from(score > scores[at]);
                        counts[at - first][1] += u32::from(score == scores[at]);
                    }
                    Err(error) => failed = failed.take().or(Some(error)),
                }
            };
            let panel = ..T::PANEL;
            T::count_above(
                self.isa,
                products,
                &low[panel],
                &high[panel],
                &mut above[panel],
                unsure,
            );
            if let Some(error) = failed {
                return Err(error);
            }
            for lane in (0..lanes).filter(|&lane| number(lane) > round) {
                counts[start(wanted, queries.start + lane) + round - first][0] += above[lane];
            }
        }
        Ok(())
    }

    /// Panels of the queries divided by their norms.
    fn pack(&self, queries: &Range<usize>) -> Vec<T> {
        let depth = self.queries.cols();
        let panels = queries.len().div_ceil(T::PANEL);
        let mut packed = vec![T::default(); panels * T::PANEL * depth];
        for (lane, query) in queries.clone().enumerate() {
            let norm = self.x_norms[query];
            let inverse = if moderate::<T>(norm) { 1.0 / norm } else { f64::NAN };
            let out = &mut packed[lane / T::PANEL * T::PANEL * depth + lane % T::PANEL..];
            for (out, x) in out.iter_mut().step_by(T::PANEL).zip(self.queries.row(query)) {
                *out = T::from_f64(x.to_f64() * inverse);
            }
        }
        packed
    }

    fn leave_out_self(&self, wanted: Wanted<'_>, scores: &[T], places: &mut Places) -> Result<()> {
        for i in 0..self.queries.rows().min(self.corpus.rows()) {
            let own = self.score(i, i)?;
            let entries = start(wanted, i)..start(wanted, i + 1);
            for (at, &score) in entries.clone().zip(&scores[entries]) {
                places.above[at] -= i64::from(own > score);
                places.tied[at] -= i64::from(own == score);
            }
        }
        Ok(())
    }
}

/// Whether products with such rows are far from overflow, and from underflow that matters.
fn moderate<T: Late>(norm: f64) -> bool {
    let limit = if T::UNIT_ROUNDOFF < 1e-12 { 1e100 } else { 1e12 };
    norm > 1.0 / limit && norm < limit
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::neighbors::{SearchOptions, topk};

    /// Rows with equal, nearly equal and zero ones among them.
    fn rows(n: usize, d: usize, seed: u64) -> Vec<f32> {
        let mut state = seed;
        let mut values: Vec<f32> = (0..n * d)
            .map(|_| {
                state =
                    state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
                (state >> 40) as f32 / (1u64 << 24) as f32 - 0.5
            })
            .collect();
        for i in (0..n).step_by(5) {
            values.copy_within(0..d, i * d);
        }
        for value in &mut values[(n - 1) * d..] {
            *value = 0.0;
        }
        values
    }

    #[test]
    fn places_are_those_in_the_ranking_of_everything() {
        let (n, m, d) = (67, 530, 13);
        let (x, y) = (rows(n, d, 1), rows(m, d, 2));
        let (x, y) = (MatRef::new(&x, n, d).unwrap(), MatRef::new(&y, m, d).unwrap());
        // None, one, two, none, ... wanted rows.
        let ends = (0..n as i64).scan(0, |end, i| {
            *end += i % 3;
            Some(*end)
        });
        let offsets: Vec<i64> = std::iter::once(0).chain(ends).collect();
        let items: Vec<i64> = (0..offsets[n]).map(|at| at * 7 % m as i64).collect();
        let wanted = Wanted { offsets: &offsets, items: &items };
        for metric in [Metric::Cosine, Metric::Dot] {
            let control = Control::default();
            let all = topk(x, y, m, metric, false, &SearchOptions::default(), &control).unwrap();
            let found = places(x, y, wanted, metric, false, &control).unwrap().unwrap();
            for i in 0..n {
                let (scores, order) = (&all.scores[i * m..][..m], &all.indices[i * m..][..m]);
                for at in start(wanted, i)..start(wanted, i + 1) {
                    let own = scores[order.iter().position(|&j| j == items[at]).unwrap()];
                    let count = |test: fn(&f32, &f32) -> bool| {
                        scores.iter().filter(|score| test(score, &own)).count() as i64
                    };
                    assert_eq!(found.above[at], count(|a, b| a > b));
                    assert_eq!(found.tied[at], count(|a, b| a == b));
                }
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let x = [1.0f32; 6];
        let x = MatRef::new(&x, 2, 3).unwrap();
        let with = |offsets: &[i64], items: &[i64]| {
            places(x, x, Wanted { offsets, items }, Metric::Dot, false, &Control::default())
        };
        assert!(with(&[0, 1, 2], &[0, 1]).is_ok());
        for (offsets, items) in [
            (&[0, 2][..], &[0, 1][..]),
            (&[0, 1, 1], &[0, 1]),
            (&[0, 2, 1], &[0]),
            (&[0, 1, 2], &[0, 2]),
            (&[0, 1, 2], &[0, -1]),
        ] {
            assert!(with(offsets, items).is_err(), "{offsets:?} {items:?}");
        }
    }
}
