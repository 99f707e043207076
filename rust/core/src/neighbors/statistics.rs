//! Sums and counts over *all* pairs of rows, for the hubness reductions that need them.
//!
//! A search filters; a sum cannot. So every cosine is computed canonically, and used at once. The
//! pairs are visited in stripes of [`STRIPE`] rows and blocks of [`BLOCK`] columns, a grid that
//! depends on the shape only. A block of columns belongs to one task, which goes through the rows
//! in order; what a row gets from the blocks is added in their order: the same bytes on every
//! number of threads.

use std::cmp::Ordering;
use std::f64::consts::SQRT_2;

use isomorph_kernels::{DOTS, Element, Isa, dots};
use rayon::prelude::*;

use super::score::{Metric, Rows};
use crate::matrix::MatRef;
use crate::memory::filled;
use crate::runtime::Control;
use crate::{Error, Result};

/// Rows of a stripe.
const STRIPE: usize = 4096;
/// Columns of a block: 600 KiB at 300 columns of f32.
const BLOCK: usize = 512;
/// Rows between two looks at the cancel flag: 65,536 pairs.
const WATCHED: usize = 128;

/// Mean and standard deviation (population form) of each row's distances.
#[derive(Clone, Debug, PartialEq)]
pub struct Moments {
    /// One a row.
    pub mean: Vec<f64>,
    /// One a row.
    pub deviation: Vec<f64>,
}

/// Values to count below, column by column, ascending within a column.
#[derive(Clone, Copy, Debug)]
pub struct Thresholds<'a, T> {
    /// Those of column j are `values[offsets[j]..offsets[j + 1]]`.
    pub offsets: &'a [i64],
    /// Cosines.
    pub values: &'a [T],
}

/// Both sides, with what cosines need.
struct Sides<'a, T: Element> {
    isa: Isa,
    left: Rows<'a, T>,
    right: Rows<'a, T>,
}

impl<'a, T: Element> Sides<'a, T> {
    fn new(source: MatRef<'a, T>, target: MatRef<'a, T>, control: &Control) -> Result<Self> {
        if source.cols() != target.cols() {
            return Err(Error::Shape {
                argument: "target",
                expected: format!("{} columns", source.cols()),
                got: format!("{}", target.cols()),
            });
        }
        let isa = Isa::chosen().map_err(Error::Isa)?;
        let side = |matrix| Rows::new(isa, matrix, Metric::Cosine, control);
        Ok(Self { isa, left: side(source)?, right: side(target)? })
    }

    fn cosine(&self, dot: f64, i: usize, j: usize) -> T {
        let norms = self.left.norms[i] * self.right.norms[j];
        // A row that is not finite has a norm of NaN. Adding zero leaves one zero.
        T::from_f64(if norms == 0.0 { 0.0 } else { dot / norms }).plus(T::default())
    }

    /// The cosines of row `i` with columns `start..`, as many as `out` holds.
    fn cosines(&self, i: usize, start: usize, out: &mut [T]) {
        let x = self.left.row(i);
        for (group, out) in out.chunks_mut(DOTS).enumerate() {
            let first = start + group * DOTS;
            let last = first + out.len() - 1;
            // The last group repeats its last column.
            let ys: [&[T]; DOTS] = std::array::from_fn(|c| self.right.row((first + c).min(last)));
            let found = dots(self.isa, x, ys);
            for (c, out) in out.iter_mut().enumerate() {
                *out = self.cosine(found[c], i, first + c);
            }
        }
    }

    /// Go through all rows of `stripe` in each block of columns: `visit(state, row, cosines)`.
    fn stripe<S: Send>(
        &self,
        stripe: std::ops::Range<usize>,
        states: &mut [S],
        control: &Control,
        visit: impl Fn(&mut S, usize, &[T]) + Sync,
    ) -> Result<()> {
        states.par_iter_mut().enumerate().with_max_len(1).try_for_each(|(block, state)| {
            let start = block * BLOCK;
            let mut cosines = vec![T::default(); BLOCK.min(self.right.len() - start)];
            for i in stripe.clone() {
                if i % WATCHED == 0 {
                    control.check()?;
                }
                self.cosines(i, start, &mut cosines);
                visit(state, i, &cosines);
            }
            control.advance((stripe.len() * cosines.len()) as u64);
            Ok(())
        })
    }

    /// All stripes, one after the other.
    fn stripes(&self) -> impl Iterator<Item = std::ops::Range<usize>> + use<T> {
        let n = self.left.len();
        (0..n).step_by(STRIPE).map(move |start| start..(start + STRIPE).min(n))
    }

    fn pairs(&self) -> u64 {
        self.left.len() as u64 * self.right.len() as u64
    }

    fn blocks(&self) -> usize {
        self.right.len().div_ceil(BLOCK)
    }
}

/// `log Σ_i exp(beta cos(x_i, y_j))` for each target row j, in `f64`; `-inf` for rows that are not
/// finite. O(n m d).
///
/// # Errors
/// [`Error::Shape`], [`Error::Cancelled`].
pub fn log_sums<T: Element>(
    source: MatRef<'_, T>,
    target: MatRef<'_, T>,
    beta: f64,
    control: &Control,
) -> Result<Vec<f64>> {
    let sides = Sides::new(source, target, control)?;
    control.start(sides.pairs());
    // The largest exponent so far, and the sum of the exponentials relative to it.
    let empty = (f64::NEG_INFINITY, 0.0);
    let mut states = vec![[empty; BLOCK]; sides.blocks()];
    for stripe in sides.stripes() {
        sides.stripe(stripe, &mut states, control, |state, _, cosines| {
            for ((largest, sum), c) in state.iter_mut().zip(cosines) {
                let exponent = beta * c.to_f64();
                if exponent > *largest {
                    *sum = *sum * (*largest - exponent).exp() + 1.0;
                    *largest = exponent;
                } else if exponent.is_finite() {
                    *sum += (exponent - *largest).exp();
                }
            }
        })?;
    }
    let logs = states.iter().flatten().map(|(largest, sum)| largest + sum.ln());
    Ok(logs.take(sides.right.len()).map(|log| if log.is_nan() { empty.0 } else { log }).collect())
}

/// Sums of `d - sqrt(2)` and of its square, and how many.
#[derive(Clone, Copy, Default)]
struct Sums {
    first: f64,
    second: f64,
    count: u64,
}

impl Sums {
    fn add(&mut self, other: Self) {
        self.first += other.first;
        self.second += other.second;
        self.count += other.count;
    }

    fn moments(all: &[Self]) -> Moments {
        let mean = |s: &Self| s.first / (s.count.max(1) as f64);
        let variance = |s: &Self| s.second / (s.count.max(1) as f64) - mean(s) * mean(s);
        Moments {
            mean: all.iter().map(|s| SQRT_2 + mean(s)).collect(),
            deviation: all.iter().map(|s| variance(s).max(0.0).sqrt()).collect(),
        }
    }
}

/// Mean and deviation of the distances `sqrt(2 - 2 cos)` of each row to all rows of the other
/// side, for both sides. O(n m d).
///
/// # Errors
/// [`Error::Shape`], [`Error::Cancelled`], [`Error::Memory`].
pub fn distance_moments<T: Element>(
    source: MatRef<'_, T>,
    target: MatRef<'_, T>,
    control: &Control,
) -> Result<(Moments, Moments)> {
    struct State {
        columns: Vec<Sums>,
        rows: Vec<Sums>,
    }
    let sides = Sides::new(source, target, control)?;
    control.start(sides.pairs());
    let mut states = Vec::new();
    for _ in 0..sides.blocks() {
        let rows = filled(Sums::default(), STRIPE.min(sides.left.len()))?;
        states.push(State { columns: vec![Sums::default(); BLOCK], rows });
    }
    let mut rows = filled(Sums::default(), sides.left.len())?;
    for stripe in sides.stripes() {
        let first = stripe.start;
        sides.stripe(stripe.clone(), &mut states, control, |state, i, cosines| {
            let mut own = Sums::default();
            for (column, c) in state.columns.iter_mut().zip(cosines) {
                let c = c.to_f64();
                if c.is_finite() {
                    let d = (2.0 - 2.0 * c).max(0.0).sqrt() - SQRT_2;
                    let one = Sums { first: d, second: d * d, count: 1 };
                    own.add(one);
                    column.add(one);
                }
            }
            state.rows[i - first] = own;
        })?;
        for state in &states {
            for (row, part) in rows[stripe.clone()].iter_mut().zip(&state.rows) {
                row.add(*part);
            }
        }
    }
    let columns: Vec<Sums> = states.into_iter().flat_map(|state| state.columns).collect();
    Ok((Sums::moments(&rows), Sums::moments(&columns[..sides.right.len()])))
}

/// For each threshold of column j, how many source rows have a cosine with it strictly below.
/// O(n m d + n m log(thresholds of a column)).
///
/// # Errors
/// [`Error::Shape`], [`Error::Cancelled`].
pub fn count_below<T: Element>(
    source: MatRef<'_, T>,
    target: MatRef<'_, T>,
    thresholds: Thresholds<'_, T>,
    control: &Control,
) -> Result<Vec<i64>> {
    struct State<'a, T> {
        /// The thresholds of each column of the block, and its counts.
        columns: Vec<(&'a [T], &'a mut [i64])>,
    }
    let sides = Sides::new(source, target, control)?;
    control.start(sides.pairs());
    let mut counts = filled(0i64, thresholds.values.len())?;
    let mut columns = Vec::with_capacity(sides.right.len());
    let (mut values, mut rest) = (thresholds.values, counts.as_mut_slice());
    let broken = || Error::Shape {
        argument: "offsets",
        expected: "one more than the rows of target, ascending from 0 to the thresholds".into(),
        got: "others".into(),
    };
    if thresholds.offsets.len() != sides.right.len() + 1 {
        return Err(broken());
    }
    for pair in thresholds.offsets.windows(2) {
        let length = usize::try_from(pair[1] - pair[0]).map_err(|_| broken())?;
        let (Some((own, others)), true) = (values.split_at_checked(length), length <= rest.len())
        else {
            return Err(broken());
        };
        let (own_counts, other_counts) = rest.split_at_mut(length);
        columns.push((own, own_counts));
        (values, rest) = (others, other_counts);
    }
    let mut states = Vec::with_capacity(sides.blocks());
    while !columns.is_empty() {
        let others = columns.split_off(columns.len().min(BLOCK));
        states.push(State { columns });
        columns = others;
    }
    for stripe in sides.stripes() {
        sides.stripe(stripe, &mut states, control, |state, _, cosines| {
            for ((values, counts), c) in state.columns.iter_mut().zip(cosines) {
                // NaN is below nothing.
                let above =
                    values.partition_point(|value| c.partial_cmp(value) != Some(Ordering::Less));
                if let Some(count) = counts.get_mut(above) {
                    *count += 1;
                }
            }
        })?;
    }
    // A cosine was counted at the first threshold above it; it is below all further ones, too.
    for (_, counts) in states.iter_mut().flat_map(|state| &mut state.columns) {
        let mut below = 0;
        for count in counts.iter_mut() {
            below += *count;
            *count = below;
        }
    }
    Ok(counts)
}

/// The cosine of each source row with the target rows `indices[i * k..]`; NaN for an index that is
/// no row.
///
/// # Errors
/// [`Error::Shape`], [`Error::Cancelled`], [`Error::Memory`].
pub fn pair_cosines<T: Element>(
    source: MatRef<'_, T>,
    target: MatRef<'_, T>,
    indices: &[i64],
    k: usize,
    control: &Control,
) -> Result<Vec<T>> {
    let sides = Sides::new(source, target, control)?;
    if Some(indices.len()) != sides.left.len().checked_mul(k) {
        return Err(Error::Shape {
            argument: "indices",
            expected: format!("{} x {k}", sides.left.len()),
            got: format!("{} values", indices.len()),
        });
    }
    let mut cosines = filled(T::default(), indices.len())?;
    control.start(indices.len() as u64);
    let rows = cosines.par_chunks_mut(k.max(1)).zip(indices.par_chunks(k.max(1)));
    rows.enumerate().try_for_each(|(i, (out, indices))| {
        control.check()?;
        let x = sides.left.row(i);
        for (out, &index) in out.iter_mut().zip(indices) {
            let j = usize::try_from(index).ok().filter(|&j| j < sides.right.len());
            *out = j.map_or(T::from_f64(f64::NAN), |j| {
                sides.cosine(T::dot(sides.isa, x, sides.right.row(j)), i, j)
            });
        }
        control.advance(indices.len() as u64);
        Ok(())
    })?;
    Ok(cosines)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(rows: usize, cols: usize, seed: usize) -> Vec<f32> {
        let value = |i: usize| ((i * 2_654_435_761 + seed * 97) % 1009) as f32 / 97.0 - 5.0;
        (0..rows * cols).map(value).collect()
    }

    #[test]
    fn sums_and_counts_are_those_of_the_whole_matrix() {
        let (n, m, d) = (37, 601, 11);
        let (x, y) = (values(n, d, 1), values(m, d, 2));
        let (x, y) = (MatRef::new(&x, n, d).unwrap(), MatRef::new(&y, m, d).unwrap());
        let control = Control::default();
        let all: Vec<i64> = (0..n).flat_map(|_| 0..m as i64).collect();
        let cosines = pair_cosines(x, y, &all, m, &control).unwrap();
        let column = |j: usize| (0..n).map(move |i| i * m + j).map(|at| cosines[at]);
        let sums = log_sums(x, y, 20.0, &control).unwrap();
        let (rows, columns) = distance_moments(x, y, &control).unwrap();
        let distance = |c: f32| (2.0 - 2.0 * f64::from(c)).max(0.0).sqrt();
        for (j, &sum) in sums.iter().enumerate() {
            let expected = column(j).map(|c| (20.0 * f64::from(c)).exp()).sum::<f64>().ln();
            assert!((sum - expected).abs() < 1e-12);
            let mean = column(j).map(distance).sum::<f64>() / n as f64;
            assert!((columns.mean[j] - mean).abs() < 1e-12);
        }
        let first = cosines[..m].iter().map(|&c| distance(c));
        let mean = first.clone().sum::<f64>() / m as f64;
        let variance = first.map(|d| (d - mean) * (d - mean)).sum::<f64>() / m as f64;
        assert!((rows.mean[0] - mean).abs() < 1e-12);
        assert!((rows.deviation[0] - variance.sqrt()).abs() < 1e-12);
        // Two thresholds a column, one of them a cosine itself: strictly below counts.
        let offsets: Vec<i64> = (0..=m as i64).map(|j| 2 * j).collect();
        let thresholds: Vec<f32> = (0..m).flat_map(|j| [cosines[j].min(0.5), 0.5]).collect();
        let given = Thresholds { offsets: &offsets, values: &thresholds };
        let counts = count_below(x, y, given, &control).unwrap();
        for (at, &count) in counts.iter().enumerate() {
            let expected = column(at / 2).filter(|&c| c < thresholds[at]).count();
            assert_eq!(count, expected as i64);
        }
    }

    #[test]
    fn a_cancelled_pass_stops() {
        let x = values(3, 2, 1);
        let x = MatRef::new(&x, 3, 2).unwrap();
        let control = Control::default();
        control.cancel();
        assert_eq!(log_sums(x, x, 1.0, &control), Err(Error::Cancelled));
    }
}
