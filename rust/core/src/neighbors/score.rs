//! Canonical scores: what a pair of rows scores, in one fixed order of operations.

use std::borrow::Cow;

use isomorph_kernels::{DOTS, Element, Isa, dots};
use rayon::prelude::*;

use super::reservoir::Entry;
use crate::matrix::MatRef;
use crate::runtime::Control;
use crate::{Error, Result};

/// What a score is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// `<x, y> / (|x| |y|)`, 0 where a row is zero.
    Cosine,
    /// `<x, y>`.
    Dot,
    /// `-|x - y|^2`.
    L2,
}

impl Metric {
    /// Its public name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cosine => "cosine",
            Self::Dot => "dot",
            Self::L2 => "l2",
        }
    }

    /// The metric of that public name.
    ///
    /// # Errors
    /// [`Error::Value`] for any other name.
    pub fn named(name: &str) -> Result<Self> {
        match name {
            "cosine" => Ok(Self::Cosine),
            "dot" => Ok(Self::Dot),
            "l2" => Ok(Self::L2),
            _ => Err(Error::Value {
                argument: "metric",
                expected: "cosine, dot or l2".to_string(),
                got: name.to_string(),
            }),
        }
    }
}

/// Squared norms outside these bounds are recomputed from rows scaled by a power of two, so that
/// no `f64` cosine is lost to overflow or underflow. Part of the definition: scaling changes the
/// digits of values that become subnormal.
const SAFE_SQUARES: std::ops::RangeInclusive<f64> = power_of_two(-900)..=power_of_two(900);

/// 2^`exponent`, from -1022 to 1023.
const fn power_of_two(exponent: i64) -> f64 {
    f64::from_bits(((exponent + 1023) as u64) << 52)
}

/// The rows of one side, with the norms that cosines divide by.
pub(super) struct Rows<'a, T: Element> {
    values: Cow<'a, [T]>,
    rows: usize,
    cols: usize,
    /// Canonical norms of `values`; NaN marks a row that is not finite.
    pub norms: Vec<f64>,
}

impl<'a, T: Element> Rows<'a, T> {
    pub(super) fn new(
        isa: Isa,
        matrix: MatRef<'a, T>,
        metric: Metric,
        control: &Control,
    ) -> Result<Self> {
        let (rows, cols) = (matrix.rows(), matrix.cols());
        let mut side = Self { values: Cow::Borrowed(matrix.data()), rows, cols, norms: Vec::new() };
        let squares = side.squares(isa, control)?;
        let unsafe_square = |(i, &square): (usize, &f64)| {
            !SAFE_SQUARES.contains(&square) && {
                let largest = largest(side.row(i));
                largest.is_finite() && largest > 0.0
            }
        };
        // An f32 value squared is always safe in f64; what remains is f64 with a metric that
        // divides by norms.
        let rescale = metric == Metric::Cosine && squares.iter().enumerate().any(unsafe_square);
        side.norms = if rescale {
            let mut scaled = matrix.data().to_vec();
            scaled.par_chunks_mut(cols).for_each(scale_to_unit_exponent);
            side.values = Cow::Owned(scaled);
            side.squares(isa, control)?
        } else {
            squares
        };
        side.norms.iter_mut().for_each(|square| *square = square.sqrt());
        side.mark_unsound_rows();
        Ok(side)
    }

    /// Rows whose canonical norms are known, and which need no rescaling.
    pub(super) fn with_norms(matrix: MatRef<'a, T>, norms: Vec<f64>) -> Self {
        let (rows, cols) = (matrix.rows(), matrix.cols());
        Self { values: Cow::Borrowed(matrix.data()), rows, cols, norms }
    }

    /// Whether the norms are those of rescaled rows.
    pub(super) const fn rescaled(&self) -> bool {
        matches!(self.values, Cow::Owned(_))
    }

    fn squares(&self, isa: Isa, control: &Control) -> Result<Vec<f64>> {
        const BLOCK: usize = 1024;
        let mut squares = vec![0.0; self.rows];
        squares.par_chunks_mut(BLOCK).enumerate().try_for_each(|(block, squares)| {
            control.check()?;
            for (i, square) in squares.iter_mut().enumerate() {
                let row = self.row(block * BLOCK + i);
                *square = T::dot(isa, row, row);
            }
            Ok(())
        })?;
        Ok(squares)
    }

    /// A norm that is not finite may still be an `f64` row whose square overflows, for a metric
    /// that needs no norm: only the values decide.
    fn mark_unsound_rows(&mut self) {
        let (values, cols) = (&self.values, self.cols);
        self.norms.par_iter_mut().enumerate().for_each(|(i, norm)| {
            if !norm.is_finite() {
                let row = &values[i * cols..(i + 1) * cols];
                *norm = if row.iter().all(|x| x.finite()) { f64::INFINITY } else { f64::NAN };
            }
        });
    }

    pub(super) fn row(&self, i: usize) -> &[T] {
        &self.values[i * self.cols..(i + 1) * self.cols]
    }

    pub(super) const fn len(&self) -> usize {
        self.rows
    }

    pub(super) const fn cols(&self) -> usize {
        self.cols
    }

    /// Whether every value of row `i` is zero.
    pub(super) fn is_zero(&self, i: usize) -> bool {
        self.norms[i] == 0.0 && largest(self.row(i)) == 0.0
    }

    /// Whether row `i` is finite; the others never select and are never selected.
    pub(super) fn sound(&self, i: usize) -> bool {
        !self.norms[i].is_nan()
    }
}

/// The largest absolute value.
pub(super) fn largest<T: Element>(row: &[T]) -> f64 {
    row.iter().fold(0.0, |largest: f64, x| {
        let x = x.to_f64().abs();
        if x > largest || x.is_nan() { x } else { largest }
    })
}

fn scale_to_unit_exponent<T: Element>(row: &mut [T]) {
    let largest = largest(row);
    if !largest.is_finite() || largest == 0.0 {
        return;
    }
    let exponent = exponent_of(largest);
    // In two steps, since 2^1074 is no f64.
    let half = exponent.div_euclid(2);
    for part in [half, exponent - half] {
        let factor = power_of_two(-part);
        for x in row.iter_mut() {
            *x = T::from_f64(x.to_f64() * factor);
        }
    }
}

/// floor(log2(x)) of a positive number, by its bits: `log2` rounds 1 - 2^-53 up to 0.
fn exponent_of(x: f64) -> i64 {
    // 2^54 lifts every subnormal number into the normal range.
    let (x, lift) = if x < f64::MIN_POSITIVE { (x * power_of_two(54), 54) } else { (x, 0) };
    ((x.to_bits() >> 52) & 0x7ff) as i64 - 1023 - lift
}

/// Whose rows select.
#[derive(Clone, Copy)]
pub(super) enum Direction {
    Rows,
    Columns,
}

/// The radii of CSLS, of both sides.
#[derive(Clone, Copy)]
pub(super) struct Radii<'a, T> {
    pub left: &'a [T],
    pub right: &'a [T],
}

/// Canonical scores of the pairs of two sides.
pub(super) struct Scorer<'a, T: Element> {
    pub isa: Isa,
    pub metric: Metric,
    pub left: Rows<'a, T>,
    pub right: Rows<'a, T>,
    /// With radii the score is `2 cos - r_left - r_right`.
    pub radii: Option<Radii<'a, T>>,
}

impl<T: Element> Scorer<'_, T> {
    /// Whether a zero row scores 0 with everything.
    pub(super) fn zero_row_scores_zero(&self) -> bool {
        self.metric != Metric::L2 && self.radii.is_none()
    }

    /// The score of left row `i` and right row `j`, rounded once to the output type.
    pub(super) fn score(&self, i: usize, j: usize) -> T {
        let (x, y) = (self.left.row(i), self.right.row(j));
        match self.metric {
            Metric::L2 => rounded(-T::squared_distance(self.isa, x, y)),
            Metric::Dot | Metric::Cosine => self.score_of(T::dot(self.isa, x, y), i, j),
        }
    }

    /// Give the entries of row `i` of one side their scores, four at a time where that is possible:
    /// one product alone waits for its own additions.
    pub(super) fn rescore(&self, direction: Direction, i: usize, entries: &mut [Entry<T>]) {
        let (own, other) = match direction {
            Direction::Rows => (&self.left, &self.right),
            Direction::Columns => (&self.right, &self.left),
        };
        let pair = |j: u32| match direction {
            Direction::Rows => (i, j as usize),
            Direction::Columns => (j as usize, i),
        };
        let batches = if self.metric == Metric::L2 { 0 } else { entries.len() / DOTS };
        let (batched, rest) = entries.split_at_mut(batches * DOTS);
        for batch in batched.as_chunks_mut::<DOTS>().0 {
            let rows = batch.each_ref().map(|entry| other.row(entry.index as usize));
            let products = dots(self.isa, own.row(i), rows);
            for (entry, product) in batch.iter_mut().zip(products) {
                let (left, right) = pair(entry.index);
                entry.value = self.score_of(product, left, right);
            }
        }
        for entry in rest {
            let (left, right) = pair(entry.index);
            entry.value = self.score(left, right);
        }
    }

    /// The score of left row `i` and right row `j` from their canonical product.
    fn score_of(&self, product: f64, i: usize, j: usize) -> T {
        let value = if self.metric == Metric::Cosine {
            let norms = self.left.norms[i] * self.right.norms[j];
            if norms == 0.0 { 0.0 } else { product / norms }
        } else {
            product
        };
        let Some(radii) = self.radii else { return rounded(value) };
        // The cosine is rounded first: CSLS is defined on the cosines that users see.
        Self::csls(rounded(value), radii.left[i], radii.right[j])
    }

    /// The score from the cosine and the radii of a left and a right row.
    pub(super) fn csls(cosine: T, left: T, right: T) -> T {
        rounded((2.0 * cosine.to_f64() - left.to_f64()) - right.to_f64())
    }
}

/// Rounded to nearest; adding zero leaves one zero, so that equal scores have equal bytes.
fn rounded<T: Element>(value: f64) -> T {
    T::from_f64(value).plus(T::default())
}
