//! One side, or both, select from all pairs: by integer codes where they pay, else by the
//! computing type. Both filters let the same answer through.

use std::marker::PhantomData;
use std::sync::atomic::AtomicU64;

use isomorph_kernels::{CODE_ROWS, CodeWidth, Element};

use super::codes::{Codes, Side};
use super::filter::{CodeFilter, Filter, FloatFilter, Meaning, codes_fit};
use super::index::Indexes;
use super::prepare::{Form, Prepared};
use super::reservoir::{Entry, Reservoirs};
use super::scan::{ColumnBlocks, Scan};
use super::score::{Direction, Scorer};
use super::selection::Selection;
use crate::runtime::Control;
use crate::{Error, Result};

/// Lists of the rows in work take at most this, where only rows select.
const LIST_BYTES: usize = 32 << 20;

/// The k best of each row of one side.
pub(super) type Best<T> = Vec<Option<Entry<T>>>;

/// Which filter a search uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FilterChoice {
    /// What is faster for the shape.
    #[default]
    Auto,
    /// The computing type.
    Float,
    /// Integer codes, where their sums fit.
    Integer,
}

impl FilterChoice {
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
}

/// How to search, without a say in the answer.
#[derive(Clone, Copy, Debug, Default)]
pub struct SearchOptions<'a> {
    /// Which filter.
    pub filter: FilterChoice,
    /// What is prepared already.
    pub indexes: Indexes<'a>,
}

/// Whether preparing codes of both sides costs less than they save: measured, on an integer tile
/// of 2 to 4 times the rate of the other; below 32 columns the codes are too coarse.
const fn pays(n: usize, m: usize, d: usize) -> bool {
    d >= 32 && n * m >= 384 * (n + m)
}

/// Rows of the queries that are searched first, to see whether the integer filter holds enough
/// back.
const PROBE_ROWS: usize = 64;

/// How many pairs of `rows` rows and `m` columns may pass for the integer filter to pay.
///
/// A pair that passes costs about a canonical score, 400 cycles; one that does not saves about
/// d / 30. Besides, every list takes in some multiples of `list` before it has a threshold.
pub(super) const fn allowed_to_pass(rows: usize, m: usize, d: usize, list: usize) -> u64 {
    (rows * (m * d / 12_000 + 6 * list)) as u64
}

/// The codes of both sides of a search.
pub(super) struct BothCodes<'a> {
    pub left: Codes<'a>,
    pub right: Codes<'a>,
    /// What the codes of the right side stand for, over the rows' form.
    ratio: f64,
}

impl<'a> BothCodes<'a> {
    /// Codes of both sides, those that an index holds as they are; `None` where the computing type
    /// serves better: for the shape, or because too many pairs would pass.
    pub(super) fn choose<T: Element>(
        scorer: &Scorer<'_, T>,
        prepared: &Prepared,
        (k, path): (usize, FilterChoice),
        indexes: &Indexes<'a>,
        control: &Control,
    ) -> Result<Option<Self>> {
        let Some(codes) = Self::made(scorer, prepared, path, indexes, control)? else {
            return Ok(None);
        };
        let holds =
            path == FilterChoice::Integer || codes.holds_back(scorer, prepared, k, control)?;
        Ok(holds.then_some(codes))
    }

    /// Codes of both sides, where they serve better for the shape.
    pub(super) fn made<T: Element>(
        scorer: &Scorer<'_, T>,
        prepared: &Prepared,
        path: FilterChoice,
        indexes: &Indexes<'a>,
        control: &Control,
    ) -> Result<Option<Self>> {
        let (n, m, d) = (scorer.left.len(), scorer.right.len(), scorer.left.cols());
        let prepared_already = match (indexes.left.is_some(), indexes.right.is_some()) {
            (true, true) => true,
            (false, true) => n < m,
            (true, false) => m < n,
            (false, false) => false,
        };
        let wanted = codes_fit(d)
            && match path {
                FilterChoice::Auto => {
                    scorer.isa.has_fast_codes() && (prepared_already || pays(n, m, d))
                }
                FilterChoice::Float => false,
                FilterChoice::Integer => true,
            };
        if !wanted {
            return Ok(None);
        }
        let stored = indexes.left.is_some() || indexes.right.is_some();
        let bits = if stored { CodeWidth::Seven } else { scorer.isa.code_width() };
        let new = |side, rows, form: &Form| {
            Codes::new((side, bits), rows, form.centre.as_deref(), &form.scale, control)
        };
        Ok(Some(Self {
            left: match indexes.left {
                Some(index) => index.codes(d, n).as_rows()?,
                None => new(Side::Rows, &scorer.left, &prepared.left)?,
            },
            right: match indexes.right {
                Some(index) => index.codes(d, m),
                None => new(Side::Columns, &scorer.right, &prepared.right)?,
            },
            ratio: indexes.right.map_or(1.0, |index| index.ratio(prepared)),
        }))
    }

    /// Whether few enough pairs of the first rows pass.
    fn holds_back<T: Element>(
        &self,
        scorer: &Scorer<'_, T>,
        prepared: &Prepared,
        k: usize,
        control: &Control,
    ) -> Result<bool> {
        let (n, m, d) = (scorer.left.len(), scorer.right.len(), scorer.left.cols());
        let rows = (n / 16).clamp(1, PROBE_ROWS);
        let filter = self.filter(scorer, prepared)?;
        let scan = scan(
            &filter,
            |side, i, entries: &mut [_]| scorer.rescore(side, i, entries),
            false,
            control,
        );
        let mut lists = Reservoirs::<T, f32>::new(rows, k, CODE_ROWS)?;
        for i in 0..rows {
            close_known(&mut lists, i, i, scorer, Direction::Rows, |_| true);
        }
        scan.rows_select(0, rows, &mut lists, &mut ColumnBlocks::new::<T, _, 1>(&filter))?;
        Ok(scan.passed.into_inner() <= allowed_to_pass(rows, m, d, k + PROBE_ROWS))
    }

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
            self.ratio,
            prepared.largest_bias,
        )
    }
}

/// The k best columns of each row.
pub(super) fn rows_select<T: Element>(
    scorer: &Scorer<'_, T>,
    k: usize,
    exclude_self: bool,
    how: &SearchOptions<'_>,
    control: &Control,
) -> Result<Selection<T>> {
    let prepared = how.indexes.prepared(scorer);
    let most = (k, how.filter);
    if let Some(codes) = BothCodes::choose(scorer, &prepared, most, &how.indexes, control)? {
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
    let scan = scan(
        filter,
        |side, i, entries: &mut [_]| scorer.rescore(side, i, entries),
        exclude_self,
        control,
    );
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
        let best = rows.finish(
            |i| filter.row_affine(start + i),
            |i, entries| scorer.rescore(Direction::Rows, start + i, entries),
        )?;
        selection.append(&best, k, start, "queries")?;
    }
    Ok(selection)
}

/// The k best columns of each row and the k best rows of each column.
pub(super) fn both_select<T: Element>(
    scorer: &Scorer<'_, T>,
    k: usize,
    how: &SearchOptions<'_>,
    control: &Control,
) -> Result<(Best<T>, Best<T>)> {
    let prepared = how.indexes.prepared(scorer);
    let most = (k, how.filter);
    if let Some(codes) = BothCodes::choose(scorer, &prepared, most, &how.indexes, control)? {
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
    let scan =
        scan(filter, |side, i, entries: &mut [_]| scorer.rescore(side, i, entries), false, control);
    let (n, m) = (scorer.left.len(), scorer.right.len());
    control.start(n as u64 * m as u64);
    let mut rows = Reservoirs::<T, F::Lane>::new(n, k, F::HEIGHT)?;
    let mut columns = Reservoirs::<T, F::Lane>::new(m, k, F::WIDTH)?;
    close_all_known(&mut rows, scorer, Direction::Rows);
    close_all_known(&mut columns, scorer, Direction::Columns);
    scan.both_select(&mut rows, &mut columns)?;
    let rows = rows.finish(
        |i| filter.row_affine(i),
        |i, entries| scorer.rescore(Direction::Rows, i, entries),
    )?;
    let columns = columns.finish(
        |j| filter.column_affine(j),
        |j, entries| scorer.rescore(Direction::Columns, j, entries),
    )?;
    Ok((rows, columns))
}

/// A scan of all rows and columns in order.
pub(super) const fn scan<'s, T, F, S, const N: usize>(
    filter: &'s F,
    rescore: S,
    exclude_self: bool,
    control: &'s Control,
) -> Scan<'s, T, F, S, N> {
    Scan {
        filter,
        rescore,
        row_numbers: None,
        column_numbers: None,
        exclude_self,
        control,
        passed: AtomicU64::new(0),
        element: PhantomData,
    }
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
