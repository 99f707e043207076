//! One side, or both, select from all pairs: by integer codes where they pay, else by the
//! computing type. Both filters let the same answer through.

use std::marker::PhantomData;

use isomorph_kernels::Element;

use super::codes::{Codes, Side};
use super::filter::{CodeFilter, Filter, FloatFilter, Meaning, codes_fit};
use super::prepare::Prepared;
use super::reservoir::{Entry, Reservoirs};
use super::scan::{ColumnBlocks, Scan};
use super::score::Scorer;
use super::selection::Selection;
use crate::runtime::Control;
use crate::{Error, Result};

/// Lists of the rows in work take at most this, where only rows select.
const LIST_BYTES: usize = 32 << 20;

/// The k best of each row of one side.
pub(super) type Best<T> = Vec<Option<Entry<T>>>;

/// Which filter a search uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Path {
    /// What is faster for the shape.
    #[default]
    Auto,
    /// The computing type.
    Float,
    /// Integer codes, where their sums fit.
    Integer,
}

impl Path {
    /// The filter of that name: auto, float or integer.
    ///
    /// # Errors
    /// [`Error::Value`] for any other name.
    pub fn named(name: &str) -> Result<Self> {
        match name {
            "auto" => Ok(Self::Auto),
            "float" => Ok(Self::Float),
            "integer" => Ok(Self::Integer),
            _ => Err(Error::Value {
                argument: "ISOMORPH_FILTER",
                expected: "auto, float or integer".to_string(),
                got: name.to_string(),
            }),
        }
    }

    /// Whether to use integer codes for `n` rows against `m` columns of dimension `d`.
    pub(super) const fn integer(self, n: usize, m: usize, d: usize) -> bool {
        codes_fit(d)
            && match self {
                Self::Auto => pays(n, m, d),
                Self::Float => false,
                Self::Integer => true,
            }
    }
}

/// Whether preparing codes of both sides costs less than they save.
const fn pays(n: usize, m: usize, d: usize) -> bool {
    d >= 32 && n >= 256 && m >= 256
}

/// The codes of both sides of a search.
pub(super) struct BothCodes<'a> {
    pub left: Codes<'a>,
    pub right: Codes<'a>,
}

impl BothCodes<'static> {
    pub(super) fn new<T: Element>(
        scorer: &Scorer<'_, T>,
        prepared: &Prepared,
        control: &Control,
    ) -> Result<Self> {
        let new = |side, rows, form: &super::prepare::Form| {
            Codes::new(side, rows, form.centre.as_deref(), &form.scale, control)
        };
        Ok(Self {
            left: new(Side::Rows, &scorer.left, &prepared.left)?,
            right: new(Side::Columns, &scorer.right, &prepared.right)?,
        })
    }
}

impl BothCodes<'_> {
    pub(super) fn filter<T: Element>(
        &self,
        scorer: &Scorer<'_, T>,
        prepared: &Prepared,
    ) -> Result<CodeFilter<'_, 1>> {
        let (left_bias, right_bias) =
            (|i: usize| prepared.left.bias[i], |j: usize| prepared.right.bias[j]);
        CodeFilter::new(
            scorer.isa,
            (&self.left, Meaning { bias: [&left_bias], affine: &prepared.left.affine }),
            (&self.right, Meaning { bias: [&right_bias], affine: &prepared.right.affine }),
            1.0,
            prepared.largest_bias,
        )
    }
}

/// The k best columns of each row.
pub(super) fn rows_select<T: Element>(
    scorer: &Scorer<'_, T>,
    k: usize,
    exclude_self: bool,
    path: Path,
    control: &Control,
) -> Result<Selection<T>> {
    let prepared = Prepared::new(scorer);
    if path.integer(scorer.left.len(), scorer.right.len(), scorer.left.cols()) {
        let codes = BothCodes::new(scorer, &prepared, control)?;
        let filter = codes.filter(scorer, &prepared)?;
        return rows_select_by(&filter, scorer, k, exclude_self, control);
    }
    let filter = FloatFilter::new(scorer, &prepared);
    rows_select_by(&filter, scorer, k, exclude_self, control)
}

fn rows_select_by<T: Element, F: Filter<T, 1>>(
    filter: &F,
    scorer: &Scorer<'_, T>,
    k: usize,
    exclude_self: bool,
    control: &Control,
) -> Result<Selection<T>> {
    let scan = scan(filter, |i, j| scorer.score(i, j), exclude_self, control);
    let (n, m) = (scorer.left.len(), scorer.right.len());
    control.start(n as u64 * m as u64);
    let by_lists = (LIST_BYTES / Reservoirs::<T, F::Lane>::bytes_per_row(k)).max(1);
    let step = filter.row_step().min(by_lists.next_multiple_of(F::HEIGHT));
    let mut columns = ColumnBlocks::new(filter);
    let mut selection = Selection::with_capacity(n, k)?;
    for start in (0..n).step_by(step) {
        let end = (start + step).min(n);
        let mut rows = Reservoirs::<T, F::Lane>::new(end - start, k, F::HEIGHT)?;
        for i in start..end {
            close_known(&mut rows, i - start, i, scorer, Direction::Rows, |j| {
                !(exclude_self && i == j)
            });
        }
        scan.rows_select(start, end, &mut rows, &mut columns)?;
        let best =
            rows.finish(|i| filter.row_affine(start + i), |i, j| scorer.score(start + i, j))?;
        selection.append(&best, k, start, "queries")?;
    }
    Ok(selection)
}

/// The k best columns of each row and the k best rows of each column.
pub(super) fn both_select<T: Element>(
    scorer: &Scorer<'_, T>,
    k: usize,
    path: Path,
    control: &Control,
) -> Result<(Best<T>, Best<T>)> {
    let prepared = Prepared::new(scorer);
    if path.integer(scorer.left.len(), scorer.right.len(), scorer.left.cols()) {
        let codes = BothCodes::new(scorer, &prepared, control)?;
        return both_select_by(&codes.filter(scorer, &prepared)?, scorer, k, control);
    }
    both_select_by(&FloatFilter::new(scorer, &prepared), scorer, k, control)
}

fn both_select_by<T: Element, F: Filter<T, 1>>(
    filter: &F,
    scorer: &Scorer<'_, T>,
    k: usize,
    control: &Control,
) -> Result<(Best<T>, Best<T>)> {
    let scan = scan(filter, |i, j| scorer.score(i, j), false, control);
    let (n, m) = (scorer.left.len(), scorer.right.len());
    control.start(n as u64 * m as u64);
    let mut rows = Reservoirs::<T, F::Lane>::new(n, k, F::HEIGHT)?;
    let mut columns = Reservoirs::<T, F::Lane>::new(m, k, F::WIDTH)?;
    close_all_known(&mut rows, scorer, Direction::Rows);
    close_all_known(&mut columns, scorer, Direction::Columns);
    scan.both_select(&mut rows, &mut columns)?;
    let rows = rows.finish(|i| filter.row_affine(i), |i, j| scorer.score(i, j))?;
    let columns = columns.finish(|j| filter.column_affine(j), |j, i| scorer.score(i, j))?;
    Ok((rows, columns))
}

/// A scan of all rows and columns in order.
pub(super) const fn scan<'s, T, F, S, const N: usize>(
    filter: &'s F,
    score: S,
    exclude_self: bool,
    control: &'s Control,
) -> Scan<'s, T, F, S, N> {
    let (row_numbers, column_numbers) = (None, None);
    Scan { filter, score, row_numbers, column_numbers, exclude_self, control, element: PhantomData }
}

/// Whose lists.
#[derive(Clone, Copy)]
pub(super) enum Direction {
    Rows,
    Columns,
}

/// [`close_known`] for every row of one side.
pub(super) fn close_all_known<T: Element, L: Element>(
    lists: &mut Reservoirs<T, L>,
    scorer: &Scorer<'_, T>,
    direction: Direction,
) {
    let rows = match direction {
        Direction::Rows => scorer.left.len(),
        Direction::Columns => scorer.right.len(),
    };
    for i in 0..rows {
        close_known(lists, i, i, scorer, direction, |_| true);
    }
}

/// Close the list of row `i` of one side, kept at `at`, where the answer needs no pass: a row that is
/// not finite has none, and a zero row scores 0 with everything that `allowed` lets through, so that
/// every column would survive the filter.
fn close_known<T: Element, L: Element>(
    lists: &mut Reservoirs<T, L>,
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
