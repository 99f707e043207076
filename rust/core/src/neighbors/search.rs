//! The searches that the bindings call.

use isomorph_kernels::{Element, Isa};

use super::candidates::Mask;
use super::index::Indexes;
use super::one_pass;
use super::score::{Metric, Radii, Scorer};
use super::select::{BothCodes, FilterChoice, SearchOptions, both_select, rows_select};
use super::selection::{Selection, largest, means, selection};
use crate::matrix::MatRef;
use crate::runtime::Control;
use crate::{Error, Result};

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
    how: &SearchOptions<'_>,
    control: &Control,
) -> Result<Selection<T>> {
    let available = corpus.rows().saturating_sub(usize::from(exclude_self));
    check(queries, corpus, &[("k", k, available)])?;
    let scorer = scorer(queries, corpus, metric, None, how, control)?;
    rows_select(&scorer, k, exclude_self, how, control)
}

/// Mean of the `neighborhood` largest cosines of each row of both sides, in one pass.
///
/// # Errors
/// As [`topk`].
pub fn csls_radii<T: Element>(
    source: MatRef<'_, T>,
    target: MatRef<'_, T>,
    neighborhood: usize,
    how: &SearchOptions<'_>,
    control: &Control,
) -> Result<(Vec<T>, Vec<T>)> {
    let fewest = source.rows().min(target.rows());
    check(source, target, &[("neighborhood", neighborhood, fewest)])?;
    let scorer = scorer(source, target, Metric::Cosine, None, how, control)?;
    let (rows, columns) = both_select(&scorer, neighborhood, how, control)?;
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
    how: &SearchOptions<'_>,
    control: &Control,
) -> Result<Selection<T>> {
    check(source, target, &[("k", k, target.rows())])?;
    check_radii(source, target, source_radii, target_radii)?;
    let radii = Radii { left: source_radii, right: target_radii };
    let scorer = scorer(source, target, Metric::Cosine, Some(radii), how, control)?;
    rows_select(&scorer, k, false, how, control)
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
    how: &SearchOptions<'_>,
    control: &Control,
) -> Result<(Selection<T>, Selection<T>)> {
    check(source, target, &[("k", k, source.rows().min(target.rows()))])?;
    check_radii(source, target, source_radii, target_radii)?;
    let radii = Radii { left: source_radii, right: target_radii };
    let scorer = scorer(source, target, Metric::Cosine, Some(radii), how, control)?;
    let (rows, columns) = both_select(&scorer, k, how, control)?;
    Ok((selection(&rows, k, "source")?, selection(&columns, k, "target")?))
}

/// CSLS with the radii that it rests on.
#[derive(Clone, Debug, PartialEq)]
pub struct CslsAnswer<T> {
    /// Of each source.
    pub forward: Selection<T>,
    /// Of each target, where it was asked for.
    pub backward: Option<Selection<T>>,
    /// Of the sources and the targets.
    pub radii: (Vec<T>, Vec<T>),
    /// The largest cosine of each source and of each target.
    pub largest: (Vec<T>, Vec<T>),
    /// The shares of sources and targets whose answer one pass proved, where there was only one;
    /// the share of targets is 0 where they were not asked for.
    pub proved: Option<(f64, f64)>,
}

/// The radii over `neighborhood` rows, and [`csls`] or [`csls_both`] with them: in one pass where
/// both sides are large, else in two.
///
/// # Errors
/// As [`topk`].
pub fn csls_from_rows<T: Element>(
    source: MatRef<'_, T>,
    target: MatRef<'_, T>,
    k: usize,
    neighborhood: usize,
    both: bool,
    how: &SearchOptions<'_>,
    control: &Control,
) -> Result<CslsAnswer<T>> {
    let (n, m) = (source.rows(), target.rows());
    let most = if both { n.min(m) } else { m };
    check(source, target, &[("k", k, most), ("neighborhood", neighborhood, n.min(m))])?;
    let mut scorer = scorer(source, target, Metric::Cosine, None, how, control)?;
    let ways = (k, neighborhood, both);
    if let Some(answer) = in_one_pass(&scorer, ways, [None; 2], how, control)? {
        return Ok(answer);
    }
    // What did not pay for one pass pays for neither of two.
    let applies = one_pass::applies(n, m, k, neighborhood);
    let how = &if applies { SearchOptions { filter: FilterChoice::Float, ..*how } } else { *how };
    let (rows, columns) = both_select(&scorer, neighborhood, how, control)?;
    let radii = (means(&rows, neighborhood), means(&columns, neighborhood));
    let largest = (largest(&rows, neighborhood), largest(&columns, neighborhood));
    drop((rows, columns));
    scorer.radii = Some(Radii { left: &radii.0, right: &radii.1 });
    let (forward, backward) = if both {
        let (rows, columns) = both_select(&scorer, k, how, control)?;
        (selection(&rows, k, "source")?, Some(selection(&columns, k, "target")?))
    } else {
        (rows_select(&scorer, k, false, how, control)?, None)
    };
    drop(scorer);
    Ok(CslsAnswer { forward, backward, radii, largest, proved: None })
}

/// [`csls_from_rows`] among those pairs that the masks of rows and columns let through, where one
/// pass over large sides can tell.
pub(super) fn masked<T: Element>(
    source: MatRef<'_, T>,
    target: MatRef<'_, T>,
    ways: (usize, usize, bool),
    masks: [Option<Mask<'_>>; 2],
    how: &SearchOptions<'_>,
    control: &Control,
) -> Result<Option<CslsAnswer<T>>> {
    let (k, neighborhood, _) = ways;
    let fewest = source.rows().min(target.rows());
    check(source, target, &[("k", k, fewest), ("neighborhood", neighborhood, fewest)])?;
    let scorer = scorer(source, target, Metric::Cosine, None, how, control)?;
    in_one_pass(&scorer, ways, masks, how, control)
}

/// CSLS from one pass, `(k, neighborhood, both)`; `None` where that does not pay.
fn in_one_pass<T: Element>(
    scorer: &Scorer<'_, T>,
    (k, neighborhood, both): (usize, usize, bool),
    masks: [Option<Mask<'_>>; 2],
    how: &SearchOptions<'_>,
    control: &Control,
) -> Result<Option<CslsAnswer<T>>> {
    let (n, m) = (scorer.left.len(), scorer.right.len());
    if !one_pass::applies(n, m, k, neighborhood) {
        return Ok(None);
    }
    let prepared = how.indexes.prepared(scorer);
    let most = (neighborhood, how.filter);
    let Some(codes) = BothCodes::choose(scorer, &prepared, most, &how.indexes, control)? else {
        return Ok(None);
    };
    let ways = (k, neighborhood, both);
    let found = one_pass::one_pass(scorer, &prepared, &codes, ways, masks, control)?;
    let share = |proved: usize, rows: usize| proved as f64 / rows as f64;
    let backward = found.backward.as_ref();
    Ok(Some(CslsAnswer {
        forward: selection(&found.forward.best, k, "source")?,
        backward: backward.map(|found| selection(&found.best, k, "target")).transpose()?,
        radii: (found.source_radii, found.target_radii),
        largest: found.largest,
        proved: Some((
            share(found.forward.proved, n),
            share(backward.map_or(0, |found| found.proved), m),
        )),
    }))
}

fn scorer<'a, T: Element>(
    left: MatRef<'a, T>,
    right: MatRef<'a, T>,
    metric: Metric,
    radii: Option<Radii<'a, T>>,
    how: &SearchOptions<'_>,
    control: &Control,
) -> Result<Scorer<'a, T>> {
    let isa = Isa::chosen().map_err(Error::Isa)?;
    how.indexes.check(metric)?;
    Ok(Scorer {
        isa,
        metric,
        left: Indexes::rows(how.indexes.left, isa, left, metric, control)?,
        right: Indexes::rows(how.indexes.right, isa, right, metric, control)?,
        radii,
    })
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
