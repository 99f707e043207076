//! The orthogonal map of pairs that are given by row numbers, as self-learning fits it each step.
//!
//! A row of the source that is in several pairs enters once, with the sum of its partners: the
//! cross-moment is the same, and costs as many products as there are rows, not pairs.

use faer::linalg::matmul::matmul;
use faer::{Accum, Mat, MatRef as Dense, Par};
use rayon::prelude::*;

use super::moments::{CrossMoments, SideMoments, range_scale};
use super::procrustes::{Options, solve};
use crate::linalg::{PowerOfTwo, Scalar};
use crate::matrix::MatRef;
use crate::runtime::Control;
use crate::{Error, Result};

/// Distinct sources of one task: a few tasks at the sizes at which a run spends its time.
const BLOCK: usize = 1024;
/// Rows that are widened at a time.
const PANEL: usize = 256;

/// The matrix, d x e and row-major, of [`super::procrustes`] for the rows `source` of `x` with the
/// rows `target` of `z`.
///
/// Sums are `f64`, over blocks of 1,024 distinct sources in ascending order, added in block order: no
/// byte depends on the number of threads or on the order of the pairs of different sources. O(p e +
/// r d e) for p pairs of r sources; memory: a d x e matrix and two panels of 256 rows a thread.
///
/// # Errors
/// [`Error::Shape`] for sides of different length, or none; [`Error::Value`] for a row that is not
/// there; [`Error::NonFinite`] (`f64` only), [`Error::Cancelled`].
pub fn procrustes_of_rows<T: Scalar>(
    (x, z): (MatRef<'_, T>, MatRef<'_, T>),
    (source, target): (&[i64], &[i64]),
    control: &Control,
) -> Result<Vec<f64>> {
    let (d, e) = (x.cols(), z.cols());
    if source.len() != target.len() || source.is_empty() || d == 0 || e == 0 {
        return Err(Error::Shape {
            argument: "pairs",
            expected: "as many sources as targets, at least one, of rows with values".to_string(),
            got: format!("{} and {}, of {d} and {e} columns", source.len(), target.len()),
        });
    }
    let grouped = Grouped::new((source, x.rows()), (target, z.rows()))?;
    let scales =
        (range_scale(x, None, "source", control)?, range_scale(z, None, "target", control)?);
    let mut cross = Mat::zeros(d, e);
    // A wave bounds the memory: its blocks run side by side, then are added in order.
    let wave = BLOCK * rayon::current_num_threads().max(1);
    for rows in grouped.rows.chunks(wave) {
        let blocks: Vec<Mat<f64>> = rows
            .par_chunks(BLOCK)
            .map(|rows| {
                control.check()?;
                Ok(grouped.cross(rows, (x, z), scales))
            })
            .collect::<Result<_>>()?;
        for block in &blocks {
            cross += block;
        }
    }
    // Sums of squares are for what a fit says of itself; nobody asks here.
    let side = |scale, columns| SideMoments { scale, mean: vec![0.0; columns], square: 0.0 };
    let moments = CrossMoments {
        cross,
        source: side(scales.0, d),
        target: side(scales.1, e),
        weight: source.len() as f64,
    };
    Ok(solve(&moments, Options::default(), |_| Ok(0.0))?.matrix)
}

/// Pairs by source.
struct Grouped {
    /// The distinct sources, ascending.
    rows: Vec<usize>,
    /// Where the partners of each source of all begin, and, last, where they end.
    starts: Vec<usize>,
    /// In the order of the pairs, source after source.
    partners: Vec<usize>,
}

impl Grouped {
    fn new((source, n): (&[i64], usize), (target, m): (&[i64], usize)) -> Result<Self> {
        let row = |value: i64, rows: usize, argument| {
            usize::try_from(value).ok().filter(|&row| row < rows).ok_or_else(|| Error::Value {
                argument,
                expected: format!("rows below {rows}"),
                got: value.to_string(),
            })
        };
        let mut starts = vec![0; n + 1];
        for &value in source {
            starts[row(value, n, "source")? + 1] += 1;
        }
        let rows = (0..n).filter(|&i| starts[i + 1] > 0).collect();
        for i in 0..n {
            starts[i + 1] += starts[i];
        }
        let (mut next, mut partners) = (starts.clone(), vec![0; source.len()]);
        for (&value, &partner) in source.iter().zip(target) {
            let place = &mut next[row(value, n, "source")?];
            partners[*place] = row(partner, m, "target")?;
            *place += 1;
        }
        Ok(Self { rows, starts, partners })
    }

    /// Sum of x z' over the pairs of some sources.
    fn cross<T: Scalar>(
        &self,
        rows: &[usize],
        (x, z): (MatRef<'_, T>, MatRef<'_, T>),
        scales: (PowerOfTwo, PowerOfTwo),
    ) -> Mat<f64> {
        let (d, e) = (x.cols(), z.cols());
        let mut cross = Mat::zeros(d, e);
        let panel = PANEL.min(rows.len());
        let (mut own, mut sums) = (vec![0.0; panel * d], vec![0.0; panel * e]);
        for rows in rows.chunks(PANEL) {
            let lines = own.chunks_exact_mut(d).zip(sums.chunks_exact_mut(e));
            for (&i, (own, sums)) in rows.iter().zip(lines) {
                own.iter_mut().zip(x.row(i)).for_each(|(to, x)| *to = scales.0.apply(x.widen()));
                sums.fill(0.0);
                for &j in &self.partners[self.starts[i]..self.starts[i + 1]] {
                    for (sum, z) in sums.iter_mut().zip(z.row(j)) {
                        *sum += scales.1.apply(z.widen());
                    }
                }
            }
            matmul(
                cross.as_mut(),
                Accum::Add,
                Dense::from_row_major_slice(&own[..rows.len() * d], rows.len(), d).transpose(),
                Dense::from_row_major_slice(&sums[..rows.len() * e], rows.len(), e),
                1.0,
                Par::Seq,
            );
        }
        cross
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Options, procrustes};
    use super::*;
    use crate::linalg::Stack;

    fn values(n: usize, seed: u64) -> Vec<f64> {
        let mut state = seed;
        let mut next = || {
            state =
                state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963);
            (state >> 11) as f64 / (1u64 << 53) as f64 - 0.5
        };
        (0..n).map(|_| next()).collect()
    }

    /// Sources in many pairs, in one, in none; of more blocks than one.
    #[test]
    fn equals_the_fit_of_gathered_rows() {
        for (n, m, d, e, pairs) in
            [(40, 30, 5, 5, 200), (2500, 900, 7, 4, 6000), (30, 30, 4, 7, 12), (9, 9, 6, 6, 2)]
        {
            let (x, z) = (values(n * d, 1), values(m * e, 2));
            let source: Vec<i64> = (0..pairs).map(|p| (p * p % n as i64 * 7) % n as i64).collect();
            let target: Vec<i64> = (0..pairs).map(|p| (p * 13 + 5) % m as i64).collect();
            let sides = (MatRef::new(&x, n, d).unwrap(), MatRef::new(&z, m, e).unwrap());
            let control = Control::default();
            let found = procrustes_of_rows(sides, (&source, &target), &control).unwrap();
            let gather = |side: MatRef<'_, f64>, rows: &[i64]| -> Vec<f64> {
                rows.iter().flat_map(|&i| side.row(i as usize).to_vec()).collect()
            };
            let (left, right) = (gather(sides.0, &source), gather(sides.1, &target));
            let count = source.len();
            let stack = |data, cols| Stack::new(data, 1, count, cols).unwrap();
            let options = Options::default();
            let expected =
                procrustes(stack(&left, d), stack(&right, e), None, options, &control).unwrap();
            for (found, expected) in found.iter().zip(&expected[0].matrix) {
                assert!((found - expected).abs() < 1e-9, "{n} {d} {e}: {found} {expected}");
            }
        }
    }

    #[test]
    fn refuses_what_is_no_row() {
        let x = values(6, 1);
        let x = MatRef::new(&x, 3, 2).unwrap();
        let control = Control::default();
        for (source, target) in [(&[3][..], &[0][..]), (&[0], &[-1]), (&[0, 1], &[0]), (&[], &[])] {
            assert!(procrustes_of_rows((x, x), (source, target), &control).is_err());
        }
    }
}
