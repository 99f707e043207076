//! Rows prepared once and searched often: their codes and all else that a search needs to know of
//! them without reading them again.

use isomorph_kernels::{CodeWidth, Element, Isa};

use super::codes::{Codes, LANES, Norms, Side, depth};
use super::prepare::{Known, Prepared, inverse, known, maximum};
use super::score::{Metric, Rows, Scorer};
use crate::matrix::MatRef;
use crate::runtime::Control;
use crate::{Error, Result};

/// What [`prepare`] computes and an index stores.
#[derive(Clone, Debug)]
pub struct IndexParts {
    /// Codes in panels of columns, of 7 bits: every machine can search them.
    pub codes: Vec<u8>,
    /// Scale and error of each row's codes, to a multiple of 16 rows.
    pub scale: Vec<f32>,
    /// See `scale`.
    pub error: Vec<f32>,
    /// Canonical norms; empty where searches must compute them from rescaled rows.
    pub norms: Vec<f64>,
    /// Norms of the rows around `centre`; empty for cosines.
    pub sizes: Vec<f64>,
    /// What the codes are shifted by, for l2.
    pub centre: Vec<f64>,
    /// The largest norms.
    pub largest: Norms,
}

/// Prepare `vectors` for searches by `metric`.
///
/// # Errors
/// [`Error::Shape`] for empty or too wide rows, [`Error::Memory`], [`Error::Cancelled`].
pub fn prepare<T: Element>(
    vectors: MatRef<'_, T>,
    metric: Metric,
    control: &Control,
) -> Result<IndexParts> {
    let isa = Isa::chosen().map_err(Error::Isa)?;
    if vectors.rows() == 0 || !super::filter::codes_fit(vectors.cols()) || vectors.cols() == 0 {
        return Err(Error::Shape {
            argument: "vectors",
            expected: "at least one row, and 1 to 131,072 columns".to_string(),
            got: format!("({}, {})", vectors.rows(), vectors.cols()),
        });
    }
    control.start(2);
    let rows = Rows::new(isa, vectors, metric, control)?;
    control.advance(1);
    let (scale, Known { centre, sizes }) = match metric {
        Metric::Cosine => {
            (rows.norms.iter().map(|&norm| inverse(norm)).collect(), Known::default())
        }
        Metric::Dot | Metric::L2 => {
            let known = known(&rows, metric);
            (vec![inverse(maximum(&known.sizes)); rows.len()], known)
        }
    };
    let shift = centre.as_deref().filter(|_| maximum(&sizes).is_finite());
    let codes = Codes::new((Side::Columns, CodeWidth::Seven), &rows, shift, &scale, control)?;
    control.advance(1);
    let (codes, scale, error, largest) = codes.into_parts();
    let norms = if rows.rescaled() { Vec::new() } else { rows.norms };
    Ok(IndexParts {
        codes,
        scale,
        error,
        norms,
        sizes,
        centre: centre.unwrap_or_default(),
        largest,
    })
}

/// Stored parts of one side, checked.
#[derive(Clone, Copy, Debug)]
pub struct Index<'a> {
    metric: Metric,
    codes: &'a [u8],
    scale: &'a [f32],
    error: &'a [f32],
    norms: &'a [f64],
    sizes: &'a [f64],
    centre: &'a [f64],
    largest: Norms,
}

impl<'a> Index<'a> {
    /// The parts of an index of `rows` rows of `cols` values.
    ///
    /// # Errors
    /// [`Error::Shape`] where their lengths do not fit, [`Error::Value`] where the norms are none.
    #[allow(clippy::too_many_arguments)]
    pub fn new(
        (rows, cols): (usize, usize),
        metric: Metric,
        codes: &'a [u8],
        (scale, error): (&'a [f32], &'a [f32]),
        (norms, sizes, centre): (&'a [f64], &'a [f64], &'a [f64]),
        largest: Norms,
    ) -> Result<Self> {
        let count = rows.next_multiple_of(LANES);
        let expected_sizes = if metric == Metric::Cosine { 0 } else { rows };
        let expected_centre = if metric == Metric::L2 { cols } else { 0 };
        for (name, got, fits) in [
            ("codes", codes.len(), codes.len() == count * depth(cols)),
            ("scale", scale.len(), scale.len() == count),
            ("error", error.len(), error.len() == count),
            ("norms", norms.len(), norms.is_empty() || norms.len() == rows),
            ("sizes", sizes.len(), sizes.len() == expected_sizes),
            ("centre", centre.len(), centre.len() == expected_centre),
        ] {
            if !fits {
                return Err(Error::Shape {
                    argument: "index",
                    expected: format!("{name} for {rows} rows of {cols} values"),
                    got: format!("{got} values"),
                });
            }
        }
        if [largest.row, largest.code].iter().any(|norm| !norm.is_finite() || *norm < 0.0) {
            return Err(Error::Value {
                argument: "index",
                expected: "finite norms, not negative".to_string(),
                got: format!("{} and {}", largest.row, largest.code),
            });
        }
        Ok(Self { metric, codes, scale, error, norms, sizes, centre, largest })
    }

    /// The codes, for the side of the columns.
    pub(super) fn codes(&self, cols: usize, rows: usize) -> Codes<'a> {
        Codes::stored(rows, depth(cols), self.codes, self.scale, self.error, self.largest)
    }

    /// What the codes stand for over the rows' form of a search.
    pub(super) fn ratio(&self, prepared: &Prepared) -> f64 {
        match self.metric {
            Metric::Cosine | Metric::Dot => 1.0,
            Metric::L2 => {
                let largest = maximum(self.sizes);
                let scale = prepared.right.scale.first().copied().unwrap_or(0.0);
                if largest.is_finite() { scale * largest } else { 0.0 }
            }
        }
    }

    fn known(&self) -> Known {
        let centre = (!self.centre.is_empty()).then(|| self.centre.to_vec());
        Known { centre, sizes: self.sizes.to_vec() }
    }
}

/// The indexes that a search was given, by side.
#[derive(Clone, Copy, Debug, Default)]
pub struct Indexes<'a> {
    /// Of the queries or sources, for cosines.
    pub left: Option<&'a Index<'a>>,
    /// Of the corpus or targets.
    pub right: Option<&'a Index<'a>>,
}

impl Indexes<'_> {
    pub(super) fn check(&self, metric: Metric) -> Result<()> {
        for index in [self.left, self.right].into_iter().flatten() {
            if index.metric != metric || self.left.is_some() && metric != Metric::Cosine {
                return Err(Error::Value {
                    argument: "metric",
                    expected: format!("that of the index, {}", index.metric.name()),
                    got: metric.name().to_string(),
                });
            }
        }
        Ok(())
    }

    pub(super) fn rows<'m, T: Element>(
        index: Option<&Index<'_>>,
        isa: Isa,
        matrix: MatRef<'m, T>,
        metric: Metric,
        control: &Control,
    ) -> Result<Rows<'m, T>> {
        match index {
            Some(index) if index.norms.len() == matrix.rows() => {
                Ok(Rows::with_norms(matrix, index.norms.to_vec()))
            }
            _ => Rows::new(isa, matrix, metric, control),
        }
    }

    pub(super) fn prepared<T: Element>(&self, scorer: &Scorer<'_, T>) -> Prepared {
        match self.right {
            Some(index) if scorer.metric != Metric::Cosine => Prepared::with(scorer, index.known()),
            _ => Prepared::new(scorer),
        }
    }
}
