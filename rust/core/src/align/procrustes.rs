//! The orthogonal Procrustes problem: weighted, scaled, translated, rectangular, in stacks.

use faer::{Accum, Mat};
use rayon::prelude::*;

use super::determinant;
use super::moments::{CrossMoments, Pairs, SideMoments, cross_moments, projected_square};
use crate::linalg::factor::Factor;
use crate::linalg::orthonormal;
use crate::linalg::products::product;
use crate::linalg::{PowerOfTwo, Scalar, Stack};
use crate::matrix::MatRef;
use crate::runtime::Control;
use crate::{Error, Result};

/// What may be fitted besides the orthonormal matrix.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// A factor, not negative.
    pub scale: bool,
    /// The two weighted means.
    pub translate: bool,
    /// For d = e: forbid det R = -1.
    pub rotation_only: bool,
}

/// The answer: x -> scale (x - `source_mean`) `matrix` + `target_mean`.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// d x e, row-major: orthonormal columns for d >= e, orthonormal rows for d <= e.
    pub matrix: Vec<f64>,
    /// Zeros unless translation was asked for.
    pub source_mean: Vec<f64>,
    /// Zeros unless translation was asked for.
    pub target_mean: Vec<f64>,
    /// 1 unless scaling was asked for.
    pub scale: f64,
    /// Singular values of sum w x y', divided by sqrt(sum w |x|^2 sum w |y|^2).
    pub singular_values: Vec<f64>,
    /// trace(R' sum w x y') divided by the same.
    pub correlation: f64,
    /// sqrt(sum w |scale (x - mx) R - (y - my)|^2 / sum w |y - my|^2).
    pub residual: f64,
    /// Sign of det R for d = e, else 0.
    pub determinant: f64,
    /// Numerical rank of sum w x y'.
    pub rank: usize,
}

/// Solve max over R of trace(R' M), M = sum w (x - mx) (y - my)', for each problem of the stack.
///
/// For d <= e (R R' = I) this minimises sum w |s (x - mx) R - (y - my)|^2. For d > e (R'R = I) it
/// minimises the residual of the way back, sum w |(x - mx) - (y - my) R'|^2; the forward problem has
/// no closed solution. `scale` then minimises the forward residual for that R.
///
/// Where M leaves directions free (its rank is below min(d, e)), R is the nearest to the identity
/// of all that maximise, and of two equally near square ones the rotation.
///
/// # Errors
/// As for [`cross_moments`], and [`Error::Value`] when the scale leaves float64's range.
pub fn procrustes<T: Scalar>(
    source: Stack<'_, T>,
    target: Stack<'_, T>,
    weights: Option<&[f64]>,
    options: Options,
    control: &Control,
) -> Result<Vec<Fit>> {
    let (count, n) = (source.count, source.rows);
    if target.count != count {
        return Err(Error::Shape {
            argument: "target",
            expected: format!("{count} matrices as in source"),
            got: format!("{}", target.count),
        });
    }
    if source.cols == 0 || target.cols == 0 || n == 0 {
        return Err(Error::Shape {
            argument: "source, target",
            expected: "at least one row and one column".to_string(),
            got: format!("{n} x {} and {} x {}", source.cols, target.rows, target.cols),
        });
    }
    if let Some(weights) = weights.filter(|w| w.len() != count * n) {
        return Err(Error::Shape {
            argument: "weights",
            expected: format!("{} values, one for each row", count * n),
            got: format!("{} values", weights.len()),
        });
    }
    control.start((count * n.div_ceil(super::BLOCK)) as u64);
    (0..count)
        .into_par_iter()
        .map(|index| {
            let pairs = Pairs {
                source: MatRef::new(source.get(index), n, source.cols)?,
                target: MatRef::new(target.get(index), target.rows, target.cols)?,
                weights: weights.map(|w| &w[index * n..(index + 1) * n]),
            };
            fit(pairs, options, control).map_err(|error| match error {
                Error::NonFinite { argument, row } => {
                    Error::NonFinite { argument, row: index * n + row }
                }
                other => other,
            })
        })
        .collect()
}

fn fit<T: Scalar>(pairs: Pairs<'_, T>, options: Options, control: &Control) -> Result<Fit> {
    let moments = cross_moments(pairs, options.translate, control)?;
    control.check()?;
    solve(&moments, options, |r| projected_square(pairs, &moments.source, r.as_ref(), control))
}

/// Sums of squares that a fit from moments needs, of values multiplied by `scales`.
#[derive(Clone, Copy, Debug)]
pub struct Squares<'a> {
    /// sum w |x|^2 and sum w |y|^2.
    pub totals: [f64; 2],
    /// d x d: sum w x x', needed for d > e.
    pub source: Option<MatRef<'a, f64>>,
    /// The powers of two that x and y were multiplied by.
    pub scales: [PowerOfTwo; 2],
}

/// [`procrustes`] of pairs of which only the moments are left: `cross` = sum w x y', d x e.
///
/// Means are the caller's: those of the answer are zeros.
///
/// # Errors
/// As [`procrustes`], and [`Error::Shape`] where parts do not fit or are missing.
pub fn procrustes_from_moments(
    cross: MatRef<'_, f64>,
    squares: Squares<'_>,
    options: Options,
) -> Result<Fit> {
    let (d, e) = (cross.rows(), cross.cols());
    let whole = |m: MatRef<'_, f64>| m.rows() == d && m.cols() == d;
    if d == 0 || e == 0 || (d > e && squares.source.is_none()) || !squares.source.is_none_or(whole)
    {
        return Err(Error::Shape {
            argument: "moments",
            expected: format!("{d} x {d} sums of squares of the source"),
            got: "none, or others".to_string(),
        });
    }
    let side = |i: usize| SideMoments {
        scale: squares.scales[i],
        mean: vec![0.0; [d, e][i]],
        square: squares.totals[i],
    };
    let moments = CrossMoments {
        cross: Mat::from_fn(d, e, |i, j| cross.row(i)[j]),
        source: side(0),
        target: side(1),
        weight: 1.0,
    };
    solve(&moments, options, |r| {
        let mut image = Mat::<f64>::zeros(d, e);
        if let Some(source) = squares.source {
            let source = faer::MatRef::from_row_major_slice(source.data(), d, d);
            product(image.as_mut(), Accum::Replace, source, r.as_ref(), 1.0);
        }
        // trace(R' X'X R)
        let column = |j: usize| -> f64 { (0..d).map(|i| image[(i, j)] * r[(i, j)]).sum() };
        Ok((0..e).map(column).sum::<f64>().max(0.0))
    })
}

/// The answer from the moments; `projected` gives sum w |x R|^2, asked for only if d > e.
pub(super) fn solve(
    moments: &CrossMoments,
    options: Options,
    projected: impl FnOnce(&Mat<f64>) -> Result<f64>,
) -> Result<Fit> {
    let (d, e) = moments.cross.shape();
    let rows: Vec<f64> = (0..d * e).map(|p| moments.cross[(p / e, p % e)]).collect();
    let mut factor = Factor::new(d, e)?;
    factor.factorise(&rows, "source or target")?;
    let values: Vec<f64> = (factor.s.iter().map(|s| factor.unscale.apply(*s))).collect();

    // Scaled, so that the squares keep to the range.
    let size = factor.s.iter().map(|s| s * s).sum::<f64>().sqrt();
    let threshold = size * rounding(d.max(e));
    let rank = factor.s.iter().filter(|s| **s > threshold).count();
    // Of a zero matrix the factors are unit vectors: the identity comes out.
    let tied = rank > 0 && rank < values.len() && nearest_to_identity(&mut factor, rank)?;
    let mut r = polar_factor(&mut factor, d < e);
    let mut sign = if d == e { determinant::sign(&r) } else { 0.0 };
    let mut trace: f64 = values.iter().sum();
    if (options.rotation_only || tied) && sign < 0.0 {
        // The cheapest reflection to undo is along the smallest singular value, and of equal ones
        // along that which takes least from the identity.
        let last = values.len() - 1;
        factor.u.as_mut().col_mut(last).iter_mut().for_each(|x| *x = -*x);
        r = polar_factor(&mut factor, false);
        trace -= 2.0 * values[last];
        sign = 1.0;
    }
    let image =
        if d > e && moments.source.square > 0.0 { projected(&r)? } else { moments.source.square };
    let size = (moments.source.square * moments.target.square).sqrt();
    let over = |x: f64| if size > 0.0 { x / size } else { 0.0 };
    let (scale, residual) = scale_and_residual(moments, trace, image, options.scale)?;
    Ok(Fit {
        matrix: (0..d * e).map(|p| r[(p / e, p % e)]).collect(),
        source_mean: unscaled(&moments.source.mean, moments.source.scale),
        target_mean: unscaled(&moments.target.mean, moments.target.scale),
        scale,
        singular_values: values.iter().map(|s| over(*s)).collect(),
        correlation: over(trace),
        residual,
        determinant: sign,
        rank,
    })
}

/// Choose the singular vectors that the matrix leaves free, all but the first `rank`, so that the
/// answer is the nearest to the identity E among all optimal ones; tell whether two are equally near.
///
/// Every optimal answer is U1 V1' + U0 Q V0', with bases U0, V0 of what is orthogonal to U1 and V1.
/// The distance to E is least where trace(Q' U0' E V0) is largest: Q is the polar factor.
fn nearest_to_identity(factor: &mut Factor<f64>, rank: usize) -> Result<bool> {
    let (d, e, k) = (factor.u.nrows(), factor.v.nrows(), factor.s.len());
    let (u0, v0) = (complement(&factor.u, rank)?, complement(&factor.v, rank)?);
    let mut overlap = Mat::zeros(d - rank, e - rank);
    let (top, other_top) = (u0.as_ref().subrows(0, k), v0.as_ref().subrows(0, k));
    product(overlap.as_mut(), Accum::Replace, top.transpose(), other_top, 1.0);
    let rows: Vec<f64> =
        (0..(d - rank) * (e - rank)).map(|p| overlap[(p / (e - rank), p % (e - rank))]).collect();
    let mut inner = Factor::new(d - rank, e - rank)?;
    inner.factorise(&rows, "source or target")?;
    for (outer, basis, turn) in [(&mut factor.u, &u0, &inner.u), (&mut factor.v, &v0, &inner.v)] {
        let mut chosen = Mat::zeros(outer.nrows(), k - rank);
        product(chosen.as_mut(), Accum::Replace, basis.as_ref(), turn.as_ref(), 1.0);
        outer.as_mut().subcols_mut(rank, k - rank).copy_from(&chosen);
    }
    let size = inner.s.iter().map(|s| s * s).sum::<f64>().sqrt();
    let least = inner.s[k - rank - 1];
    // Where the bases hardly overlap, it is their own rounding that is left.
    Ok(least <= rounding(d.max(e)) * size.max(inner.unscale.inverse().apply(1.0)))
}

/// How large a singular value of a matrix of size 1 (Frobenius), with n rows or columns at most, may
/// come out by rounding alone: what the factorisation promises, and n eps for the products before.
fn rounding(n: usize) -> f64 {
    let n = n as f64;
    f64::EPSILON * n.max(8.0 * n.sqrt())
}

/// An orthonormal basis of what is orthogonal to the first `rank` columns of `q`, themselves
/// orthonormal.
fn complement(q: &Mat<f64>, rank: usize) -> Result<Mat<f64>> {
    let n = q.nrows();
    if q.ncols() == n {
        return Ok(q.as_ref().subcols(rank, n - rank).to_owned());
    }
    let basis = q.as_ref().subcols(0, rank);
    orthonormal::complement(basis, n - rank).ok_or(Error::Memory {
        what: "a basis of the directions without evidence",
        needed: 24 * (n as u128).pow(2),
        hint: "reduce the dimension first",
    })
}

fn polar_factor(factor: &mut Factor<f64>, wide: bool) -> Mat<f64> {
    let r = factor.orthonormal_part();
    if wide { r.transpose().to_owned() } else { r }
}

fn unscaled(values: &[f64], scale: PowerOfTwo) -> Vec<f64> {
    values.iter().map(|x| scale.inverse().apply(*x)).collect()
}

/// The factor, and the relative residual with it.
fn scale_and_residual(
    moments: &CrossMoments,
    trace: f64,
    image: f64,
    fitted: bool,
) -> Result<(f64, f64)> {
    // Moments are of a x and b y with powers of two a, b: a factor s between x and y is s b / a
    // between them.
    let to_scaled = (moments.target.scale).times(moments.source.scale.inverse());
    let (scale, scaled) = if !fitted {
        (1.0, to_scaled.apply(1.0))
    } else if image > 0.0 {
        // A negative factor would be a reflection through the origin.
        let scaled = (trace / image).max(0.0);
        (to_scaled.inverse().apply(scaled), scaled)
    } else {
        // No spread in the source: every factor fits equally well.
        (1.0, to_scaled.apply(1.0))
    };
    if !scale.is_finite() {
        return Err(Error::Value {
            argument: "source, target",
            expected: "sizes whose ratio fits float64".to_string(),
            got: "a scale that overflows".to_string(),
        });
    }
    let total = moments.target.square;
    if total == 0.0 {
        let zero = image == 0.0 || scaled == 0.0;
        return Ok((scale, if zero { 0.0 } else { f64::INFINITY }));
    }
    let square = 1.0 - 2.0 * scaled * (trace / total) + scaled * scaled * (image / total);
    // Overflow of the square: sizes that differ by more than 1e150.
    let residual = if square.is_finite() { square.max(0.0).sqrt() } else { f64::INFINITY };
    Ok((scale, residual))
}
