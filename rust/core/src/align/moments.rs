//! Weighted sums over pairs of rows, accumulated in float64.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef as Dense, Par};
use rayon::prelude::*;

use super::BLOCK;
use crate::linalg::{PowerOfTwo, Scalar};
use crate::matrix::MatRef;
use crate::runtime::Control;
use crate::{Error, Result};

/// Rows that are widened at a time: two buffers of them stay in the second-level cache.
const PANEL: usize = 512;

/// Rows that belong together, row i of `source` to row i of `target`, and how much each pair counts.
#[derive(Clone, Copy, Debug)]
pub struct Pairs<'a, T> {
    /// n x d.
    pub source: MatRef<'a, T>,
    /// n x e.
    pub target: MatRef<'a, T>,
    /// n weights, none negative; all 1 if absent.
    pub weights: Option<&'a [f64]>,
}

/// One side of the moments, of values multiplied by `scale`.
#[derive(Clone, Debug)]
pub struct SideMoments {
    /// The power of two that keeps squares in range.
    pub scale: PowerOfTwo,
    /// What was subtracted from each row: the weighted mean, or zeros. Scaled.
    pub mean: Vec<f64>,
    /// Weighted sum of squares of the scaled values, after the mean.
    pub square: f64,
}

/// `cross` = sum of w x y' of the scaled, perhaps centred values.
#[derive(Clone, Debug)]
pub struct CrossMoments {
    /// d x e.
    pub cross: Mat<f64>,
    /// The left side.
    pub source: SideMoments,
    /// The right side.
    pub target: SideMoments,
    /// Sum of the weights, which are scaled, too: the largest is in [1, 2).
    pub weight: f64,
}

/// The sums of one block.
struct Block {
    cross: Mat<f64>,
    source: Sums,
    target: Sums,
}

/// Column sums of w x and of w x^2.
struct Sums {
    linear: Vec<f64>,
    square: Vec<f64>,
}

impl Sums {
    fn new(columns: usize) -> Self {
        Self { linear: vec![0.0; columns], square: vec![0.0; columns] }
    }

    fn add(&mut self, other: &Self) {
        add(&mut self.linear, &other.linear);
        add(&mut self.square, &other.square);
    }
}

fn add(to: &mut [f64], from: &[f64]) {
    to.iter_mut().zip(from).for_each(|(a, b)| *a += b);
}

/// The moments of `pairs`; `centre` subtracts the weighted means first.
///
/// Two passes, so that a large common offset costs no digits; what rounding leaves of the mean is
/// taken out at the end (the corrected two-pass formula). O(n d e) operations; memory: two panels of
/// 512 rows and three d x e matrices per thread.
///
/// # Errors
/// [`Error::Shape`] when rows and weights do not fit, [`Error::Value`] for weights that are
/// negative, not finite or all zero, [`Error::NonFinite`] (float64 only), [`Error::Cancelled`].
pub fn cross_moments<T: Scalar>(
    pairs: Pairs<'_, T>,
    centre: bool,
    control: &Control,
) -> Result<CrossMoments> {
    let (n, d, e) = (pairs.source.rows(), pairs.source.cols(), pairs.target.cols());
    if pairs.target.rows() != n {
        return Err(Error::Shape {
            argument: "target",
            expected: format!("{n} rows, one for each row of source"),
            got: format!("{} rows", pairs.target.rows()),
        });
    }
    let weights = scaled_weights(pairs.weights, n)?;
    let weights = weights.as_deref();
    let weight = sum_in_blocks(n, weights);
    let side = |matrix, name| prepare_side(matrix, weights, weight, centre, name, control);
    let mut source = side(pairs.source, "source")?;
    let mut target = side(pairs.target, "target")?;

    let mut total = Block { cross: Mat::zeros(d, e), source: Sums::new(d), target: Sums::new(e) };
    let blocks = n.div_ceil(BLOCK);
    // A wave bounds the memory: its blocks run side by side, then are added in order.
    let wave = rayon::current_num_threads().max(1);
    for start in (0..blocks).step_by(wave) {
        let done: Vec<Block> = (start..(start + wave).min(blocks))
            .into_par_iter()
            .map(|block| {
                control.check()?;
                let sums = block_moments(pairs, weights, &source, &target, block);
                control.advance(1);
                Ok(sums)
            })
            .collect::<Result<_>>()?;
        for block in &done {
            total.cross += &block.cross;
            total.source.add(&block.source);
            total.target.add(&block.target);
        }
    }
    if centre {
        for i in 0..d {
            for j in 0..e {
                total.cross[(i, j)] -= total.source.linear[i] * total.target.linear[j] / weight;
            }
        }
        let source_spreads = finish_side(&mut source, &total.source, weight);
        let target_spreads = finish_side(&mut target, &total.target, weight);
        if !(source_spreads && target_spreads) {
            total.cross.fill(0.0);
        }
    } else {
        source.square = total.source.square.iter().sum();
        target.square = total.target.square.iter().sum();
    }
    Ok(CrossMoments { cross: total.cross, source, target, weight })
}

/// Deviations from the mean up to this part of it are rounding, not spread.
const EQUAL_ROWS: f64 = 16.0 * f64::EPSILON;

/// Correct mean and squares; `false` if all rows are equal but for rounding.
fn finish_side(side: &mut SideMoments, sums: &Sums, weight: f64) -> bool {
    side.square = 0.0;
    for (j, mean) in side.mean.iter_mut().enumerate() {
        side.square += (sums.square[j] - sums.linear[j] * sums.linear[j] / weight).max(0.0);
        *mean += sums.linear[j] / weight;
    }
    let level = side.mean.iter().map(|m| m * m).sum::<f64>() * weight;
    let spreads = side.square > EQUAL_ROWS * EQUAL_ROWS * level;
    if !spreads {
        side.square = 0.0;
    }
    spreads
}

/// Weights times a power of two, checked.
fn scaled_weights(weights: Option<&[f64]>, n: usize) -> Result<Option<Vec<f64>>> {
    let Some(weights) = weights else {
        return Ok(None);
    };
    if weights.len() != n {
        return Err(Error::Shape {
            argument: "weights",
            expected: format!("{n} values, one for each row"),
            got: format!("{} values", weights.len()),
        });
    }
    let bad = weights.iter().position(|w| !(w.is_finite() && *w >= 0.0));
    let largest = weights.iter().fold(0.0f64, |m, w| m.max(*w));
    if let Some(row) = bad {
        return Err(Error::Value {
            argument: "weights",
            expected: "finite values, none negative".to_string(),
            got: format!("{} at row {row}", weights[row]),
        });
    }
    if largest == 0.0 {
        return Err(Error::Value {
            argument: "weights",
            expected: "a positive one".to_string(),
            got: "zeros only".to_string(),
        });
    }
    let scale = PowerOfTwo::normalising(largest);
    Ok(Some(weights.iter().map(|w| scale.apply(*w)).collect()))
}

fn sum_in_blocks(n: usize, weights: Option<&[f64]>) -> f64 {
    weights.map_or(n as f64, |weights| weights.chunks(BLOCK).map(|b| b.iter().sum::<f64>()).sum())
}

fn prepare_side<T: Scalar>(
    matrix: MatRef<'_, T>,
    weights: Option<&[f64]>,
    weight: f64,
    centre: bool,
    name: &'static str,
    control: &Control,
) -> Result<SideMoments> {
    let scale = range_scale(matrix, weights, name, control)?;
    let mean = if centre {
        let mut mean = column_sums(matrix, scale, weights, |x| x, control)?;
        mean.iter_mut().for_each(|x| *x /= weight);
        mean
    } else {
        vec![0.0; matrix.cols()]
    };
    Ok(SideMoments { scale, mean, square: 0.0 })
}

/// The power of two that keeps squares of the values in range; float32's squares fit float64 as
/// they are. Rows of weight 0 do not count: an outlier there must not push the others below range.
pub(super) fn range_scale<T: Scalar>(
    matrix: MatRef<'_, T>,
    weights: Option<&[f64]>,
    name: &'static str,
    control: &Control,
) -> Result<PowerOfTwo> {
    if T::EPSILON > f64::EPSILON {
        return Ok(PowerOfTwo::new(0));
    }
    let largest = (0..matrix.rows().div_ceil(BLOCK))
        .into_par_iter()
        .map(|block| {
            control.check()?;
            let mut largest = 0.0f64;
            let mut sound = true;
            for i in block * BLOCK..((block + 1) * BLOCK).min(matrix.rows()) {
                let counts = weights.is_none_or(|w| w[i] > 0.0);
                for x in matrix.row(i) {
                    let x = x.widen();
                    largest = largest.max(if counts { x.abs() } else { 0.0 });
                    sound &= x.is_finite();
                }
            }
            Ok(if sound { largest } else { f64::INFINITY })
        })
        .try_reduce(|| 0.0, |a, b| Ok(f64::max(a, b)))?;
    if largest.is_finite() {
        return Ok(PowerOfTwo::normalising(largest));
    }
    let bad = matrix.data().iter().position(|x| !x.widen().is_finite());
    Err(Error::NonFinite { argument: name, row: bad.unwrap_or(0) / matrix.cols().max(1) })
}

/// Weighted column sums of `f` of the scaled values.
fn column_sums<T: Scalar>(
    matrix: MatRef<'_, T>,
    scale: PowerOfTwo,
    weights: Option<&[f64]>,
    f: impl Fn(f64) -> f64 + Sync,
    control: &Control,
) -> Result<Vec<f64>> {
    let (n, d) = (matrix.rows(), matrix.cols());
    let blocks: Vec<Vec<f64>> = (0..n.div_ceil(BLOCK))
        .into_par_iter()
        .map(|block| {
            control.check()?;
            let mut sums = vec![0.0; d];
            for i in block * BLOCK..((block + 1) * BLOCK).min(n) {
                let w = weights.map_or(1.0, |w| w[i]);
                if w == 0.0 {
                    continue;
                }
                for (sum, x) in sums.iter_mut().zip(matrix.row(i)) {
                    *sum += w * f(scale.apply(x.widen()));
                }
            }
            Ok(sums)
        })
        .collect::<Result<_>>()?;
    let mut total = vec![0.0; d];
    blocks.iter().for_each(|sums| add(&mut total, sums));
    Ok(total)
}

/// The mean of each column, in float64. O(n d), one read.
///
/// # Errors
/// [`Error::NonFinite`] named `name` (float64 only), [`Error::Cancelled`].
pub fn column_means<T: Scalar>(
    matrix: MatRef<'_, T>,
    name: &'static str,
    control: &Control,
) -> Result<Vec<f64>> {
    // Only against overflow of the sum: a column may be far smaller than the largest one.
    let large = range_scale(matrix, None, name, control)?.apply(2f64.powi(900)) <= 1.0;
    let scale = PowerOfTwo::new(if large { -64 } else { 0 });
    let sums = column_sums(matrix, scale, None, |x| x, control)?;
    let (n, back) = (matrix.rows().max(1) as f64, scale.inverse());
    Ok(sums.iter().map(|x| back.apply(x / n)).collect())
}

/// The Euclidean norm of each column, in float64. O(n d), one read.
///
/// # Errors
/// [`Error::NonFinite`] named `name` (float64 only), [`Error::Cancelled`].
pub fn column_norms<T: Scalar>(
    matrix: MatRef<'_, T>,
    name: &'static str,
    control: &Control,
) -> Result<Vec<f64>> {
    let scale = range_scale(matrix, None, name, control)?;
    let sums = column_sums(matrix, scale, None, |x| x * x, control)?;
    let back = scale.inverse();
    let norm = |(j, square): (usize, &f64)| {
        if *square < SMALL_SQUARE { column_norm(matrix, j) } else { back.apply(square.sqrt()) }
    };
    Ok(sums.iter().enumerate().map(norm).collect())
}

/// Squares of columns this much smaller than the largest one have lost digits to underflow.
const SMALL_SQUARE: f64 = 1e-280;

/// The norm of column `j`, scaled on its own.
fn column_norm<T: Scalar>(matrix: MatRef<'_, T>, j: usize) -> f64 {
    let column = || (0..matrix.rows()).map(|i| matrix.row(i)[j].widen());
    let scale = PowerOfTwo::normalising(column().fold(0.0, |m, x| f64::max(m, x.abs())));
    let square: f64 = column().map(|x| scale.apply(x).powi(2)).sum();
    scale.inverse().apply(square.sqrt())
}

fn block_moments<T: Scalar>(
    pairs: Pairs<'_, T>,
    weights: Option<&[f64]>,
    source: &SideMoments,
    target: &SideMoments,
    block: usize,
) -> Block {
    let (n, d, e) = (pairs.source.rows(), pairs.source.cols(), pairs.target.cols());
    let mut sums = Block { cross: Mat::zeros(d, e), source: Sums::new(d), target: Sums::new(e) };
    let (start, end) = (block * BLOCK, ((block + 1) * BLOCK).min(n));
    let panel = PANEL.min(end - start);
    let (mut x, mut y) = (vec![0.0; panel * d], vec![0.0; panel * e]);
    for first in (start..end).step_by(PANEL) {
        let rows = first..(first + PANEL).min(end);
        let count = rows.len();
        for (slot, i) in rows.enumerate() {
            let w = weights.map_or(1.0, |w| w[i]);
            let xs = &mut x[slot * d..(slot + 1) * d];
            let ys = &mut y[slot * e..(slot + 1) * e];
            if w == 0.0 {
                // Not 0 times the row: its values may be out of range.
                xs.fill(0.0);
                ys.fill(0.0);
                continue;
            }
            load_row(pairs.source.row(i), source, w, xs, &mut sums.source);
            // The weight is needed once in the product.
            xs.iter_mut().for_each(|x| *x *= w);
            load_row(pairs.target.row(i), target, w, ys, &mut sums.target);
        }
        matmul(
            sums.cross.as_mut(),
            Accum::Add,
            Dense::from_row_major_slice(&x[..count * d], count, d).transpose(),
            Dense::from_row_major_slice(&y[..count * e], count, e),
            1.0,
            Par::Seq,
        );
    }
    sums
}

/// One row, widened, scaled, centred, and its part of the column sums.
fn load_row<T: Scalar>(row: &[T], side: &SideMoments, w: f64, to: &mut [f64], sums: &mut Sums) {
    let columns = (sums.linear.iter_mut().zip(&mut sums.square)).zip(&side.mean);
    for ((x, value), ((linear, square), mean)) in row.iter().zip(to).zip(columns) {
        let centred = side.scale.apply(x.widen()) - mean;
        *value = centred;
        *linear += w * centred;
        *square += w * centred * centred;
    }
}

/// Weighted sum of |(x - mean) r|^2 over the rows of `pairs.source`, scaled as `side` says.
pub(super) fn projected_square<T: Scalar>(
    pairs: Pairs<'_, T>,
    side: &SideMoments,
    r: Dense<'_, f64>,
    control: &Control,
) -> Result<f64> {
    let (n, d, e) = (pairs.source.rows(), r.nrows(), r.ncols());
    let weights = scaled_weights(pairs.weights, n)?;
    let blocks: Vec<f64> = (0..n.div_ceil(PANEL))
        .into_par_iter()
        .map(|panel| {
            control.check()?;
            let rows = panel * PANEL..((panel + 1) * PANEL).min(n);
            let count = rows.len();
            let mut x = vec![0.0; count * d];
            for (i, to) in rows.clone().zip(x.chunks_exact_mut(d)) {
                if weights.as_ref().is_some_and(|w| w[i] == 0.0) {
                    continue;
                }
                for ((x, value), mean) in pairs.source.row(i).iter().zip(to).zip(&side.mean) {
                    *value = side.scale.apply(x.widen()) - mean;
                }
            }
            let mut image = Mat::zeros(e, count);
            let x = Dense::from_column_major_slice(&x, d, count);
            matmul(image.as_mut(), Accum::Replace, r.transpose(), x, 1.0, Par::Seq);
            let squares = (0..count).map(|j| image.col(j).squared_norm_l2());
            let weights = weights.as_ref().map(|w| &w[rows]);
            Ok(squares.enumerate().map(|(j, s)| weights.map_or(s, |w| w[j] * s)).sum())
        })
        .collect::<Result<_>>()?;
    Ok(blocks.iter().sum())
}
