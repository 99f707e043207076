//! Rows in the tile's form, and how far a tile's value can be from the canonical score.
//!
//! A tile computes `f(i, j) = x'_i . y'_j + b_j` in the computing type, where `x'` and `y'` are the
//! rows shifted and scaled in `f64`, then rounded, so that no norm exceeds 1. For each row `i` it
//! is an increasing affine function of the canonical score `s`, up to a bounded error:
//!
//! `|f(i, j) - (a_i s(i, j) + c_i)| <= e_i`
//!
//! | score  | x'                 | b_j             | a_i             | c_i          |
//! |--------|--------------------|-----------------|-----------------|--------------|
//! | cosine | x / \|x\|          | 0               | 1               | 0            |
//! | dot    | x / \|x\|          | 0               | 1 / (\|x\| M)   | 0            |
//! | l2     | (x - mean) / M     | -\|y'\|^2 / 2   | 1 / (2 M^2)     | \|x'\|^2 / 2 |
//! | CSLS   | x / \|x\|          | -r_j / 2        | 1 / 2           | r_i / 2      |
//!
//! with M the largest norm (of the right rows for dot; of all shifted rows for l2). Seen from a
//! column, for the scores that are symmetric (cosine and CSLS), the same holds with `b_i`.
//!
//! The error, with u the unit roundoff and d the columns: rounding x' and y' costs 2u, recursive
//! summation `du / (1 - du)` (Higham 2002, section 3.1), bias, addition and the rounding of the
//! score itself a few u times the largest magnitude there; the canonical score's own error matters
//! only in `f64`, where it is at most 4du more. What underflows has an absolute error, of at most half
//! the smallest positive value: one such rounding of the score, and in `f64` one of each product.
//!
//! For l2 in `f64`, rows so far from each other that a shifted norm overflows get a scale of 0: all
//! tile values are then 0, and everything passes.

use isomorph_kernels::Element;
use rayon::prelude::*;

use super::score::{Metric, Rows, Scorer};

/// The affine map from canonical scores to tile values, for one row or column.
#[derive(Clone, Copy, Debug)]
pub(super) struct Affine {
    pub slope: f64,
    pub offset: f64,
    /// `e_i`.
    pub error: f64,
}

impl Affine {
    /// The largest value that the tile cannot exceed by a score under `score`: whatever scores
    /// at least `score` has a tile value strictly above it.
    pub(super) fn bar<T: Element, L: Element>(&self, score: T) -> L {
        let value = self.slope * score.to_f64() + self.offset - self.error;
        // A slope of 0 and a score that overflows, or the slope that overflows for the smallest rows
        // and a score of 0, say nothing.
        if value.is_nan() { L::NEG_INFINITY } else { L::from_f64(value).next_down() }
    }
}

/// One side in the tile's terms.
pub(super) struct Form {
    /// Subtracted from every row (l2 only).
    pub centre: Option<Vec<f64>>,
    /// Multiplies row `i`; 0 for rows that are not finite.
    pub scale: Vec<f64>,
    /// Added to the tile values of row `i` before the other side compares them; `-inf` for rows
    /// that are not finite.
    pub bias: Vec<f64>,
    pub affine: Vec<Affine>,
}

/// Both sides.
pub(super) struct Prepared {
    pub left: Form,
    pub right: Form,
    /// No bias exceeds it.
    pub largest_bias: f64,
}

/// What dot products and distances need to know of the right side, all of it.
#[derive(Default)]
pub(super) struct Known {
    /// For l2.
    pub centre: Option<Vec<f64>>,
    /// Norms of the rows around it.
    pub sizes: Vec<f64>,
}

pub(super) fn known<T: Element>(right: &Rows<'_, T>, metric: Metric) -> Known {
    // Any centre is right; this one keeps the norms, and with them the error, small for data far
    // from the origin.
    let centre = (metric == Metric::L2).then(|| approximate_mean(right));
    let sizes = sizes(right, centre.as_deref());
    Known { centre, sizes }
}

impl Prepared {
    pub(super) fn new<T: Element>(scorer: &Scorer<'_, T>) -> Self {
        match scorer.metric {
            Metric::Cosine => cosine(scorer),
            Metric::Dot | Metric::L2 => Self::with(scorer, known(&scorer.right, scorer.metric)),
        }
    }

    /// For dot products and distances, from what is known of the right side.
    pub(super) fn with<T: Element>(scorer: &Scorer<'_, T>, known: Known) -> Self {
        if scorer.metric == Metric::L2 { l2(scorer, known) } else { dot(scorer, &known) }
    }
}

fn dot<T: Element>(scorer: &Scorer<'_, T>, known: &Known) -> Prepared {
    let (left, right) = (&scorer.left, &scorer.right);
    let left_sizes = sizes(left, None);
    let scale = inverse(maximum(&known.sizes));
    let error = error::<T>(left.cols(), 0.0);
    let affine = left_sizes.iter().map(|&size| {
        let slope = inverse(size) * scale;
        Affine { slope, offset: 0.0, error: error + slope * underflow::<T>(left.cols()) }
    });
    Prepared {
        left: Form {
            centre: None,
            scale: left_sizes.iter().map(|&s| inverse(s)).collect(),
            bias: vec![0.0; left.len()],
            affine: affine.collect(),
        },
        right: Form {
            centre: None,
            scale: vec![scale; right.len()],
            bias: mask(right, |_| 0.0),
            affine: Vec::new(),
        },
        largest_bias: 0.0,
    }
}

fn cosine<T: Element>(scorer: &Scorer<'_, T>) -> Prepared {
    let form = |rows: &Rows<'_, T>, radii: Option<&[T]>, largest_bias: f64| {
        let half = |i: usize| radii.map_or(0.0, |radii| radii[i].to_f64() / 2.0);
        let slope = if radii.is_some() { 0.5 } else { 1.0 };
        let error = error::<T>(rows.cols(), largest_bias) + slope * underflow::<T>(rows.cols());
        Form {
            centre: None,
            scale: rows.norms.iter().map(|&norm| inverse(norm)).collect(),
            bias: mask(rows, |i| -half(i)),
            affine: (0..rows.len()).map(|i| Affine { slope, offset: half(i), error }).collect(),
        }
    };
    let (r_left, r_right) = (scorer.radii.map(|r| r.left), scorer.radii.map(|r| r.right));
    let largest_bias = [r_left, r_right]
        .into_iter()
        .flatten()
        .flatten()
        .fold(0.0, |largest: f64, r| largest.max(r.to_f64().abs() / 2.0));
    Prepared {
        left: form(&scorer.left, r_left, largest_bias),
        right: form(&scorer.right, r_right, largest_bias),
        largest_bias,
    }
}

fn l2<T: Element>(scorer: &Scorer<'_, T>, known: Known) -> Prepared {
    let (left, right) = (&scorer.left, &scorer.right);
    let Known { centre, sizes: right_sizes } = known;
    let left_sizes = sizes(left, centre.as_deref());
    let largest = maximum(&left_sizes).max(maximum(&right_sizes));
    let scale = inverse(largest);
    // Not centred where that overflows: infinity times 0 is NaN, which nothing selects.
    let centre = centre.filter(|_| largest.is_finite());
    let slope = scale * scale / 2.0;
    let error = error::<T>(left.cols(), 0.5) + slope * underflow::<T>(left.cols());
    let half_square =
        |size: f64| if scale == 0.0 { 0.0 } else { (size * scale) * (size * scale) / 2.0 };
    Prepared {
        left: Form {
            centre: centre.clone(),
            scale: vec![scale; left.len()],
            bias: vec![0.0; left.len()],
            affine: left_sizes
                .iter()
                .map(|&size| Affine { slope, offset: half_square(size), error })
                .collect(),
        },
        right: Form {
            centre,
            scale: vec![scale; right.len()],
            bias: mask(right, |j| -half_square(right_sizes[j])),
            affine: Vec::new(),
        },
        largest_bias: 0.5,
    }
}

/// The bound of the module's head; infinite (everything passes) where summation has none.
fn error<T: Element>(cols: usize, largest_bias: f64) -> f64 {
    let (u, d) = (T::UNIT_ROUNDOFF, cols as f64);
    if d * u >= 0.5 {
        return f64::INFINITY;
    }
    let own = if T::UNIT_ROUNDOFF < 1e-12 { 4.0 * d * u } else { 0.0 };
    1.01 * (d * u / (1.0 - d * u) + own + u * (16.0 + 8.0 * largest_bias))
}

/// What underflow may take from a canonical score: the products are exact in `f64` for `f32`.
fn underflow<T: Element>(cols: usize) -> f64 {
    let products = if T::UNIT_ROUNDOFF < 1e-12 { cols as f64 } else { 0.0 };
    T::SMALLEST * (1.0 + products)
}

/// 1 / size; a row of size 0 keeps any scale, and a subnormal size one that is still finite.
pub(super) fn inverse(size: f64) -> f64 {
    if size == 0.0 || size.is_nan() { 0.0 } else { (1.0 / size).min(1e300) }
}

pub(super) fn maximum(sizes: &[f64]) -> f64 {
    sizes.iter().fold(0.0, |largest: f64, &size| largest.max(size))
}

/// `value(i)` for rows that are finite, `-inf` for the others.
fn mask<T: Element>(rows: &Rows<'_, T>, value: impl Fn(usize) -> f64) -> Vec<f64> {
    let masked = |i| {
        if rows.sound(i) { value(i) } else { f64::NEG_INFINITY }
    };
    (0..rows.len()).map(masked).collect()
}

/// Norms of the rows around `centre`, safe from overflow and underflow; 0 for unsound rows.
fn sizes<T: Element>(rows: &Rows<'_, T>, centre: Option<&[f64]>) -> Vec<f64> {
    (0..rows.len())
        .into_par_iter()
        .map(|i| {
            if !rows.sound(i) {
                return 0.0;
            }
            let shifted = |k: usize, x: T| x.to_f64() - centre.map_or(0.0, |centre| centre[k]);
            let row = rows.row(i);
            let values = || row.iter().enumerate().map(|(k, &x)| shifted(k, x));
            let largest = values().fold(0.0, |largest: f64, x| largest.max(x.abs()));
            if largest == 0.0 {
                return 0.0;
            }
            values().map(|x| (x / largest) * (x / largest)).sum::<f64>().sqrt() * largest
        })
        .collect()
}

/// The mean of up to 1,024 rows, spread over the matrix.
fn approximate_mean<T: Element>(rows: &Rows<'_, T>) -> Vec<f64> {
    let step = rows.len().div_ceil(1024).max(1);
    let mut mean = vec![0.0; rows.cols()];
    let sample: Vec<usize> = (0..rows.len()).step_by(step).filter(|&i| rows.sound(i)).collect();
    for &i in &sample {
        for (mean, x) in mean.iter_mut().zip(rows.row(i)) {
            *mean += x.to_f64() / sample.len() as f64;
        }
    }
    mean
}

/// Panels of `width` rows, each interleaved as the tile reads it.
pub(super) struct Packed<T> {
    storage: Vec<T>,
    /// Where the first panel begins, so that it begins a cache line.
    offset: usize,
    /// One a row, those that fill the last panel included.
    pub bias: Vec<T>,
}

impl<T> Packed<T> {
    /// Panel `number`, of `length` values.
    pub(super) fn panel(&self, number: usize, length: usize) -> &[T] {
        &self.storage[self.offset + number * length..][..length]
    }
}

/// Bytes of a cache line: a load of a register must not cross two.
const CACHE_LINE: usize = 64;

impl Form {
    /// Pack rows `start..end` in panels of `width`. What fills the last panel is zero, with a
    /// bias of `-inf`, so that nothing selects it.
    pub(super) fn pack<T: Element>(
        &self,
        rows: &Rows<'_, T>,
        start: usize,
        end: usize,
        width: usize,
    ) -> Packed<T> {
        let depth = rows.cols();
        let panels = (end - start).div_ceil(width);
        let mut storage = vec![T::default(); panels * width * depth + CACHE_LINE / size_of::<T>()];
        let offset = storage.as_ptr().align_offset(CACHE_LINE).min(CACHE_LINE / size_of::<T>());
        let values = &mut storage[offset..][..panels * width * depth];
        values.par_chunks_mut(width * depth).enumerate().for_each(|(panel, out)| {
            let first = start + panel * width;
            for i in first..(first + width).min(end) {
                if rows.sound(i) {
                    self.interleave(rows.row(i), self.scale[i], out, i - first, width);
                }
            }
        });
        let mut bias = vec![T::NEG_INFINITY; panels * width];
        for (out, &bias) in bias.iter_mut().zip(&self.bias[start..end]) {
            *out = T::from_f64(bias);
        }
        Packed { storage, offset, bias }
    }

    fn interleave<T: Element>(
        &self,
        row: &[T],
        scale: f64,
        out: &mut [T],
        lane: usize,
        width: usize,
    ) {
        let out = out.iter_mut().skip(lane).step_by(width);
        match &self.centre {
            None => out.zip(row).for_each(|(out, x)| *out = T::from_f64(x.to_f64() * scale)),
            Some(centre) => out.zip(row.iter().zip(centre)).for_each(|(out, (x, mean))| {
                *out = T::from_f64((x.to_f64() - mean) * scale);
            }),
        }
    }
}
