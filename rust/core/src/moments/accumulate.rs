//! Rows in.

use faer::{Accum, MatMut, MatRef as Dense};
use rayon::prelude::*;

use super::{BLOCK, Sums, higher, move_mean};
use crate::linalg::products::accumulate_lower;
use crate::linalg::{PowerOfTwo, Scalar};
use crate::matrix::MatRef;
use crate::runtime::Control;
use crate::{Error, Result};

/// Rows that are widened at a time.
const PANEL: usize = 512;

/// Numbers between two rows of a panel: a stride that is a power of two would bring a column's
/// values into few sets of the cache.
const GAP: usize = 8;

/// Columns of the product that one task computes: as many as pay for what it packs, and no more than
/// leave the cores enough tasks. From the shape alone, as bytes are.
fn columns_of_a_task(width: usize) -> usize {
    (width / 4).clamp(128, 512)
}

/// Rows of a panel that one task widens.
const ROWS: usize = 16;

/// Pairs of rows to be added.
#[derive(Clone, Copy, Debug)]
pub struct Rows<'a, T> {
    /// n x d.
    pub x: MatRef<'a, T>,
    /// n x e.
    pub y: MatRef<'a, T>,
    /// n weights, finite and none negative, near enough to 1 that products keep to the range.
    pub weights: Option<&'a [f64]>,
    /// Which rows, in this order; all of them if absent.
    pub order: Option<&'a [i64]>,
    /// Powers of two that bring x and y where fourth powers keep to the range.
    pub scales: [PowerOfTwo; 2],
}

impl<T: Scalar> Rows<'_, T> {
    fn count(&self) -> usize {
        self.order.map_or(self.x.rows(), <[i64]>::len)
    }

    /// The number of the row at `place`; checked before.
    fn at(&self, place: usize) -> usize {
        self.order.map_or(place, |order| usize::try_from(order[place]).unwrap_or(0))
    }

    fn weight(&self, row: usize) -> f64 {
        self.weights.map_or(1.0, |w| w[row])
    }

    fn check(&self, sums: &Sums<'_>) -> Result<()> {
        let (n, d, e) = (self.x.rows(), self.x.cols(), self.y.cols());
        let wrong =
            |argument, expected: String, got: String| Err(Error::Shape { argument, expected, got });
        if d != sums.split || d + e != sums.width() {
            let wanted = format!("{} and {} columns", sums.split, sums.width() - sums.split);
            return wrong("x, y", wanted, format!("{d} and {e}"));
        }
        if self.y.rows() != n {
            return wrong("y", format!("{n} rows as in x"), format!("{}", self.y.rows()));
        }
        if let Some(weights) = self.weights.filter(|w| w.len() != n) {
            return wrong("weights", format!("{n} values"), format!("{}", weights.len()));
        }
        let within = |row: &i64| usize::try_from(*row).is_ok_and(|row| row < n);
        if self.order.is_some_and(|order| !order.iter().all(within)) {
            return wrong("rows", format!("row numbers below {n}"), "others".to_string());
        }
        Ok(())
    }
}

/// Add `rows` to `sums`. O(n D^2): n D (D + 1) operations of the half of a symmetric product.
/// Memory: a panel of 512 x D float64.
///
/// Cut into several calls at multiples of 4,096 rows the bytes are the same.
///
/// # Errors
/// [`Error::Shape`] when sizes do not fit; [`Error::NonFinite`] and [`Error::Cancelled`], which leave
/// `sums` half done.
pub fn accumulate<T: Scalar>(
    sums: &mut Sums<'_>,
    rows: Rows<'_, T>,
    control: &Control,
) -> Result<()> {
    sums.check()?;
    rows.check(sums)?;
    let (n, width) = (rows.count(), sums.width());
    control.start(n.div_ceil(BLOCK) as u64);
    let mut panel = vec![0.0; (PANEL + 1) * (width + GAP)];
    for start in (0..n).step_by(BLOCK) {
        block(sums, &rows, start..(start + BLOCK).min(n), &mut panel, control)?;
        control.advance(1);
    }
    // A sum of squares is finite only if every value is.
    let sound = sums.second.iter().step_by(width + 1).all(|square| square.is_finite());
    if sound { Ok(()) } else { Err(first_bad(&rows)) }
}

fn block<T: Scalar>(
    sums: &mut Sums<'_>,
    rows: &Rows<'_, T>,
    places: std::ops::Range<usize>,
    panel: &mut [f64],
    control: &Control,
) -> Result<()> {
    let (width, stride) = (sums.width(), sums.width() + GAP);
    let weight: f64 = places.clone().map(|place| rows.weight(rows.at(place))).sum();
    if weight == 0.0 {
        return Ok(());
    }
    let before = sums.weight[0];
    if before == 0.0 {
        // The rounding of a first mean is taken out by a second one.
        let first = offsets(sums, rows, places.clone(), weight);
        move_mean(sums.mean, &first);
    }
    let mut offset = offsets(sums, rows, places.clone(), weight);
    sums.weight[0] += weight;
    let share = weight / sums.weight[0];
    offset.iter_mut().for_each(|x| *x *= share);
    move_mean(sums.mean, &offset);
    // What was there before lies off the new mean by as much.
    offset.iter_mut().for_each(|x| *x = -*x);
    if before > 0.0 && !sums.norms.is_empty() {
        higher::shift(sums, before, &offset);
    }
    let mut kept = 0;
    if before > 0.0 {
        let root = before.sqrt();
        panel.iter_mut().zip(&offset).for_each(|(to, x)| *to = root * x);
        kept = 1;
    }
    for first in places.clone().step_by(PANEL) {
        control.check()?;
        let count = PANEL.min(places.end - first);
        let loaded = kept * stride..(kept + count) * stride;
        load(sums, rows, first, &mut panel[loaded.clone()]);
        if !sums.norms.is_empty() {
            let weights: Vec<f64> =
                (first..first + count).map(|place| rows.weight(rows.at(place))).collect();
            higher::add(sums, &panel[loaded], stride, &weights);
        }
        accumulate_lower(
            columns_of_a_task(width),
            // The upper triangle of what is row-major is the lower one of what is column-major.
            MatMut::from_column_major_slice_mut(sums.second, width, width),
            Accum::Add,
            Dense::from_row_major_slice_with_stride(panel, kept + count, width, stride),
        );
        kept = 0;
    }
    Ok(())
}

/// Weighted means of the rows' offsets from the mean in `sums`: sums over panels of rows, which are
/// read from end to end, added in the order of the panels.
fn offsets<T: Scalar>(
    sums: &Sums<'_>,
    rows: &Rows<'_, T>,
    places: std::ops::Range<usize>,
    weight: f64,
) -> Vec<f64> {
    let (width, split) = (sums.width(), sums.split);
    let (high, low) = sums.mean.split_at(width);
    let panels: Vec<Vec<f64>> = (0..places.len().div_ceil(PANEL))
        .into_par_iter()
        .map(|panel| {
            let mut total = vec![0.0; width];
            let first = places.start + panel * PANEL;
            for place in first..(first + PANEL).min(places.end) {
                let row = rows.at(place);
                let w = rows.weight(row);
                if w == 0.0 {
                    // Not 0 times the row: its values may be out of range.
                    continue;
                }
                let (left, right) = total.split_at_mut(split);
                let sides = [(left, rows.x.row(row), 0), (right, rows.y.row(row), split)];
                for (scale, (total, values, begin)) in rows.scales.iter().zip(sides) {
                    let means = high[begin..].iter().zip(&low[begin..]);
                    for ((sum, x), (high, low)) in total.iter_mut().zip(values).zip(means) {
                        *sum += w * ((scale.apply(x.widen()) - high) - low);
                    }
                }
            }
            total
        })
        .collect();
    let mut result = vec![0.0; width];
    for panel in &panels {
        result.iter_mut().zip(panel).for_each(|(sum, part)| *sum += part);
    }
    result.iter_mut().for_each(|sum| *sum /= weight);
    result
}

/// Rows from place `first` on, widened, scaled, about the mean, times the roots of their weights;
/// each followed by a gap.
fn load<T: Scalar>(sums: &Sums<'_>, rows: &Rows<'_, T>, first: usize, panel: &mut [f64]) {
    let (width, split) = (sums.width(), sums.split);
    let (high, low) = sums.mean.split_at(width);
    let stride = width + GAP;
    panel.par_chunks_mut(ROWS * stride).enumerate().for_each(|(chunk, panel)| {
        for (offset, to) in panel.chunks_exact_mut(stride).enumerate() {
            let to = &mut to[..width];
            let row = rows.at(first + chunk * ROWS + offset);
            let w = rows.weight(row);
            if w == 0.0 {
                to.fill(0.0);
                continue;
            }
            let root = w.sqrt();
            let (left, right) = to.split_at_mut(split);
            let sides = [(left, rows.x.row(row), 0), (right, rows.y.row(row), split)];
            for (scale, (to, values, begin)) in rows.scales.iter().zip(sides) {
                let means = high[begin..].iter().zip(&low[begin..]);
                for ((to, x), (high, low)) in to.iter_mut().zip(values).zip(means) {
                    *to = root * ((scale.apply(x.widen()) - high) - low);
                }
            }
        }
    });
}

/// The first row with a value that is not finite.
fn first_bad<T: Scalar>(rows: &Rows<'_, T>) -> Error {
    for (argument, matrix) in [("x", rows.x), ("y", rows.y)] {
        let bad = (0..rows.count()).map(|place| rows.at(place)).find(|&row| {
            rows.weight(row) > 0.0 && matrix.row(row).iter().any(|x| !x.widen().is_finite())
        });
        if let Some(row) = bad {
            return Error::NonFinite { argument, row };
        }
    }
    Error::Value {
        argument: "x, y",
        expected: "values whose sums of squares fit float64".to_string(),
        got: "larger ones".to_string(),
    }
}
