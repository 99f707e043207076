//! Rows in.

use rayon::prelude::*;

use super::panel::{PANEL, Panel};
use super::{BLOCK, Sums, higher, move_mean};
use crate::linalg::{PowerOfTwo, Scalar};
use crate::matrix::MatRef;
use crate::runtime::Control;
use crate::{Error, Result};

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
    pub(super) fn at(&self, place: usize) -> usize {
        self.order.map_or(place, |order| usize::try_from(order[place]).unwrap_or(0))
    }

    pub(super) fn weight(&self, row: usize) -> f64 {
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
/// Memory: a panel of 256 x D float64.
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
    let mut panel = Panel::new(sums.split, width)?;
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
    panel: &mut Panel,
    control: &Control,
) -> Result<()> {
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
    // What was there before, as one more row.
    panel.restart((before > 0.0).then(|| (before.sqrt(), &*offset)));
    for first in places.clone().step_by(PANEL) {
        control.check()?;
        let count = PANEL.min(places.end - first);
        panel.load(sums, rows, first, count);
        if !sums.norms.is_empty() {
            let weights: Vec<f64> =
                (first..first + count).map(|place| rows.weight(rows.at(place))).collect();
            higher::add(sums, panel, &weights);
        }
        panel.add_products(sums.second);
        panel.restart(None);
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
