//! The searches that the bindings call.

use isomorph_kernels::{Element, Isa};

use super::prepare::Prepared;
use super::reservoir::{Entry, Reservoirs};
use super::scan::{ColumnBlocks, Scan, block_rows};
use super::score::{Metric, Radii, Rows, Scorer};
use crate::matrix::MatRef;
use crate::memory::reserved;
use crate::runtime::Control;
use crate::{Error, Result};

/// Lists of the rows in work take at most this, where only rows select.
const LIST_BYTES: usize = 32 << 20;

/// The best `k` of each row: scores and the other side's rows, row after row. Where fewer than `k`
/// exist (rows that are not finite), the score is `-inf` and the index -1.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection<T> {
    /// n x k
    pub scores: Vec<T>,
    /// n x k
    pub indices: Vec<i64>,
}

/// The `k` best rows of `corpus` for each row of `queries`: score descending, index ascending.
///
/// `exclude_self` leaves row i out for query i. Runs on the current rayon pool.
///
/// # Errors
/// [`Error::Shape`], [`Error::Value`], [`Error::ScoreOverflow`], [`Error::Cancelled`].
pub fn topk<T: Element>(
    queries: MatRef<'_, T>,
    corpus: MatRef<'_, T>,
    k: usize,
    metric: Metric,
    exclude_self: bool,
    control: &Control,
) -> Result<Selection<T>> {
    let available = corpus.rows().saturating_sub(usize::from(exclude_self));
    check(queries, corpus, &[("k", k, available)])?;
    let scorer = scorer(queries, corpus, metric, None, control)?;
    rows_select(&scorer, k, exclude_self, control)
}

/// Mean of the `neighborhood` largest cosines of each row of both sides, in one pass.
///
/// # Errors
/// As [`topk`].
pub fn csls_radii<T: Element>(
    source: MatRef<'_, T>,
    target: MatRef<'_, T>,
    neighborhood: usize,
    control: &Control,
) -> Result<(Vec<T>, Vec<T>)> {
    let fewest = source.rows().min(target.rows());
    check(source, target, &[("neighborhood", neighborhood, fewest)])?;
    let scorer = scorer(source, target, Metric::Cosine, None, control)?;
    let (rows, columns) = both_select(&scorer, neighborhood, control)?;
    Ok((means(&rows, neighborhood), means(&columns, neighborhood)))
}

/// The `k` best targets of each source by `2 cos - r_source - r_target`.
///
/// # Errors
/// As [`topk`].
pub fn csls<T: Element>(
    source: MatRef<'_, T>,
    target: MatRef<'_, T>,
    k: usize,
    source_radii: &[T],
    target_radii: &[T],
    control: &Control,
) -> Result<Selection<T>> {
    check(source, target, &[("k", k, target.rows())])?;
    check_radii(source, target, source_radii, target_radii)?;
    let radii = Radii { left: source_radii, right: target_radii };
    let scorer = scorer(source, target, Metric::Cosine, Some(radii), control)?;
    rows_select(&scorer, k, false, control)
}

/// Both directions of [`csls`] from one pass.
///
/// # Errors
/// As [`topk`].
pub fn csls_both<T: Element>(
    source: MatRef<'_, T>,
    target: MatRef<'_, T>,
    k: usize,
    source_radii: &[T],
    target_radii: &[T],
    control: &Control,
) -> Result<(Selection<T>, Selection<T>)> {
    check(source, target, &[("k", k, source.rows().min(target.rows()))])?;
    check_radii(source, target, source_radii, target_radii)?;
    let radii = Radii { left: source_radii, right: target_radii };
    let scorer = scorer(source, target, Metric::Cosine, Some(radii), control)?;
    let (rows, columns) = both_select(&scorer, k, control)?;
    Ok((selection(&rows, k, "source")?, selection(&columns, k, "target")?))
}

type Best<T> = Vec<Option<Entry<T>>>;

fn scorer<'a, T: Element>(
    left: MatRef<'a, T>,
    right: MatRef<'a, T>,
    metric: Metric,
    radii: Option<Radii<'a, T>>,
    control: &Control,
) -> Result<Scorer<'a, T>> {
    let isa = Isa::chosen().map_err(Error::Isa)?;
    Ok(Scorer {
        isa,
        metric,
        left: Rows::new(isa, left, metric, control)?,
        right: Rows::new(isa, right, metric, control)?,
        radii,
    })
}

fn rows_select<T: Element>(
    scorer: &Scorer<'_, T>,
    k: usize,
    exclude_self: bool,
    control: &Control,
) -> Result<Selection<T>> {
    let prepared = &Prepared::new(scorer);
    let scan = Scan { scorer, prepared, exclude_self, control };
    let (n, m) = (scorer.left.len(), scorer.right.len());
    control.start(n as u64 * m as u64);
    let by_lists = (LIST_BYTES / Reservoirs::<T>::bytes_per_row(k)).max(1);
    let step = block_rows::<T>(n, scorer.left.cols(), T::TILE_ROWS)
        .min(by_lists.next_multiple_of(T::TILE_ROWS));
    let mut columns = ColumnBlocks::new(m, scorer.right.cols());
    let mut selection = Selection::with_capacity(n, k)?;
    for start in (0..n).step_by(step) {
        let end = (start + step).min(n);
        let mut rows = Reservoirs::new(end - start, k, T::TILE_ROWS)?;
        for i in start..end {
            close_known(&mut rows, i - start, i, scorer, Direction::Rows, |j| {
                !(exclude_self && i == j)
            });
        }
        scan.rows_select(start, end, &mut rows, &mut columns)?;
        let best =
            rows.finish(|i| prepared.left.affine[start + i], |i, j| scorer.score(start + i, j))?;
        selection.append(&best, k, start, "queries")?;
    }
    Ok(selection)
}

fn both_select<T: Element>(
    scorer: &Scorer<'_, T>,
    k: usize,
    control: &Control,
) -> Result<(Best<T>, Best<T>)> {
    let prepared = &Prepared::new(scorer);
    let scan = Scan { scorer, prepared, exclude_self: false, control };
    let (left, right) = (&scorer.left, &scorer.right);
    control.start(left.len() as u64 * right.len() as u64);
    let mut rows = Reservoirs::new(left.len(), k, T::TILE_ROWS)?;
    let mut columns = Reservoirs::new(right.len(), k, T::TILE_COLUMNS)?;
    for i in 0..left.len() {
        close_known(&mut rows, i, i, scorer, Direction::Rows, |_| true);
    }
    for j in 0..right.len() {
        close_known(&mut columns, j, j, scorer, Direction::Columns, |_| true);
    }
    scan.both_select(&mut rows, &mut columns)?;
    let rows = rows.finish(|i| prepared.left.affine[i], |i, j| scorer.score(i, j))?;
    let columns = columns.finish(|j| prepared.right.affine[j], |j, i| scorer.score(i, j))?;
    Ok((rows, columns))
}

/// Whose lists.
#[derive(Clone, Copy)]
enum Direction {
    Rows,
    Columns,
}

/// Close the list of row `i` of one side, kept at `at`, where the answer needs no pass: a row that is
/// not finite has none, and a zero row scores 0 with everything that `allowed` lets through, so that
/// every column would survive the filter.
fn close_known<T: Element>(
    lists: &mut Reservoirs<T>,
    at: usize,
    i: usize,
    scorer: &Scorer<'_, T>,
    direction: Direction,
    allowed: impl Fn(usize) -> bool,
) {
    let (own, other) = match direction {
        Direction::Rows => (&scorer.left, &scorer.right),
        Direction::Columns => (&scorer.right, &scorer.left),
    };
    if !own.sound(i) {
        lists.close(at, std::iter::empty());
    } else if scorer.zero_row_scores_zero() && own.is_zero(i) {
        let columns = (0..other.len()).filter(|&j| other.sound(j) && allowed(j));
        lists.close(at, columns.map(Entry::zero));
    }
}

fn check<T: Element>(
    left: MatRef<'_, T>,
    right: MatRef<'_, T>,
    counts: &[(&'static str, usize, usize)],
) -> Result<()> {
    if left.cols() != right.cols() || left.cols() == 0 {
        return Err(Error::Shape {
            argument: "columns",
            expected: "the same number, at least 1, on both sides".to_string(),
            got: format!("{} and {}", left.cols(), right.cols()),
        });
    }
    // One value of 32 bits is left for "none", as in the Python package.
    if left.rows().max(right.rows()) > u32::MAX as usize - 1 {
        return Err(Error::Shape {
            argument: "rows",
            expected: format!("at most {}", u32::MAX - 1),
            got: format!("{}", left.rows().max(right.rows())),
        });
    }
    for &(argument, value, largest) in counts {
        if !(1..=largest).contains(&value) {
            return Err(Error::Value {
                argument,
                expected: format!("1 to {largest}"),
                got: value.to_string(),
            });
        }
    }
    Ok(())
}

fn check_radii<T: Element>(
    source: MatRef<'_, T>,
    target: MatRef<'_, T>,
    source_radii: &[T],
    target_radii: &[T],
) -> Result<()> {
    for (argument, radii, rows) in [
        ("source_radii", source_radii, source.rows()),
        ("target_radii", target_radii, target.rows()),
    ] {
        if radii.len() != rows {
            return Err(Error::Shape {
                argument,
                expected: format!("{rows} radii"),
                got: format!("{}", radii.len()),
            });
        }
        if let Some(row) = radii.iter().position(|r| !r.finite()) {
            return Err(Error::NonFinite { argument, row });
        }
    }
    Ok(())
}

impl<T: Element> Selection<T> {
    fn with_capacity(n: usize, k: usize) -> Result<Self> {
        let len = n.saturating_mul(k);
        Ok(Self { scores: reserved(len)?, indices: reserved(len)? })
    }

    fn append(
        &mut self,
        best: &[Option<Entry<T>>],
        k: usize,
        start: usize,
        argument: &'static str,
    ) -> Result<()> {
        for (at, entry) in best.iter().enumerate() {
            let (score, index) = match entry {
                Some(entry) if !entry.value.finite() => {
                    let row = start + at / k;
                    return Err(Error::ScoreOverflow { argument, row, dtype: T::NAME });
                }
                Some(entry) => (entry.value, i64::from(entry.index)),
                None => (T::NEG_INFINITY, -1),
            };
            self.scores.push(score);
            self.indices.push(index);
        }
        Ok(())
    }
}

fn selection<T: Element>(
    best: &[Option<Entry<T>>],
    k: usize,
    argument: &'static str,
) -> Result<Selection<T>> {
    let mut selection = Selection::with_capacity(best.len() / k, k)?;
    selection.append(best, k, 0, argument)?;
    Ok(selection)
}

/// The mean of each row's scores, from the largest down, over those that exist.
fn means<T: Element>(best: &[Option<Entry<T>>], k: usize) -> Vec<T> {
    let mean = |row: &[Option<Entry<T>>]| {
        let scores = || row.iter().flatten().map(|entry| entry.value.to_f64());
        T::from_f64(scores().fold(0.0, |sum, score| sum + score) / scores().count().max(1) as f64)
    };
    best.chunks_exact(k).map(mean).collect()
}
