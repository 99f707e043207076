//! Singular values of a stack, without vectors.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::linalg::svd::{ComputeSvdVectors, SvdParams, svd, svd_scratch};
use faer::{Accum, Auto, Mat, Par, Spec};
use rayon::prelude::*;

use super::factor::{Factor, tiles};
use super::svd::{in_stack, representable};
use super::{PowerOfTwo, Scalar, Stack, load, zeros};
use crate::runtime::Control;
use crate::{Error, Result};

/// Matrices up to this many values together are one task.
const TASK: usize = 4096;

/// Sums of powers of the singular values may be off by this many eps sqrt(max(n, d)).
const WRONG: f64 = 64.0;

/// The singular values of each matrix of `stack`, (count, k), descending; k = min(n, d).
///
/// Bidiagonalisation and the implicit QR iteration in float64. Vectors, which would prove the
/// answer, are not there; two sums must agree instead, those of the squares (with `|A|^2`) and of
/// the fourth powers (with `|A'A|^2`). Where one does not, the certified decomposition of
/// [`super::svd`] gives the values. So they are off by at most 8 e sqrt(max(n, d)) |A| (Frobenius).
/// O(count n d k) operations, about a quarter of those with vectors; memory beyond the result, per
/// thread: 2 n d + 2 k^2 numbers of float64, about.
///
/// # Errors
/// As for [`super::svd`].
pub fn svdvals<T: Scalar + Default>(stack: Stack<'_, T>, control: &Control) -> Result<Vec<T>> {
    let (n, d) = (stack.rows, stack.cols);
    let k = n.min(d);
    let mut result = zeros(stack.count * k, "the singular values")?;
    if stack.count == 0 || k == 0 {
        return Ok(result);
    }
    control.start(stack.count as u64);
    let together = (TASK / (n * d)).max(1);
    result.par_chunks_mut(together * k).enumerate().try_for_each_init(
        || Values::new(n, d),
        |values, (task, outputs)| {
            let values = values.as_mut().map_err(|error| error.clone())?;
            for (offset, output) in outputs.chunks_exact_mut(k).enumerate() {
                control.check()?;
                let index = task * together + offset;
                let matrix = stack.get(index);
                values.compute(matrix).map_err(|error| in_stack(error, index, n))?;
                for (x, value) in output.iter_mut().zip(&values.s) {
                    *x = representable(values.unscale.apply(*value))?;
                }
                control.advance(1);
            }
            Ok(())
        },
    )?;
    Ok(result)
}

/// The singular values of one matrix after another, and the memory that this takes.
struct Values {
    /// The scaled matrix, transposed if it is wide.
    a: Mat<f64>,
    gram: Mat<f64>,
    /// Descending.
    s: Vec<f64>,
    unscale: PowerOfTwo,
    memory: MemBuffer,
    /// The shape of the matrices as they come.
    shape: (usize, usize),
}

impl Values {
    fn new(rows: usize, cols: usize) -> Result<Self> {
        let (long, k) = (rows.max(cols), rows.min(cols));
        let too_large = || Error::Memory {
            what: "the singular values",
            needed: 8 * (2 * rows as u128 * cols as u128 + 2 * (k as u128).pow(2)),
            hint: "reduce the dimension first",
        };
        let matrix = |n, m| {
            let mut mat = Mat::new();
            mat.try_reserve(n, m).map_err(|_| too_large())?;
            mat.resize_with(n, m, |_, _| 0.0);
            Ok::<_, Error>(mat)
        };
        let none = ComputeSvdVectors::No;
        let request = svd_scratch::<f64>(long, k, none, none, Par::Seq, parameters());
        Ok(Self {
            a: matrix(long, k)?,
            gram: matrix(k, k)?,
            s: vec![0.0; k],
            unscale: PowerOfTwo::new(0),
            memory: MemBuffer::try_new(request).map_err(|_| too_large())?,
            shape: (rows, cols),
        })
    }

    fn compute<T: Scalar>(&mut self, values: &[T]) -> Result<()> {
        let (n, d) = self.shape;
        let scale = load::normalising(values, d, "a")?;
        self.unscale = scale.inverse();
        let a = &mut self.a;
        let wide = n < d;
        tiles(n, d, |i, j| {
            let place = if wide { (j, i) } else { (i, j) };
            a[place] = scale.apply(values[i * d + j].widen());
        });
        if self.a.norm_max() == 0.0 {
            self.s.fill(0.0);
            return Ok(());
        }
        if self.attempt() && self.sums_agree() {
            return Ok(());
        }
        let mut factor = Factor::new(n, d)?;
        factor.factorise(values, "a")?;
        self.s.copy_from_slice(&factor.s);
        self.unscale = factor.unscale;
        Ok(())
    }

    fn attempt(&mut self) -> bool {
        let s = faer::ColMut::from_slice_mut(&mut self.s).as_diagonal_mut();
        let stack = MemStack::new(&mut self.memory);
        if svd(self.a.as_ref(), s, None, None, Par::Seq, stack, parameters()).is_err() {
            return false;
        }
        for x in &mut self.s {
            *x = x.abs();
        }
        self.s.sort_by(|x, y| y.total_cmp(x));
        true
    }

    /// Whether the sums of second and fourth powers are those of the matrix.
    fn sums_agree(&mut self) -> bool {
        triangular::matmul(
            self.gram.as_mut(),
            BlockStructure::TriangularLower,
            Accum::Replace,
            self.a.transpose(),
            BlockStructure::Rectangular,
            self.a.as_ref(),
            BlockStructure::Rectangular,
            1.0,
            Par::Seq,
        );
        let (mut squares, mut fourth) = (0.0, 0.0);
        for (j, column) in self.gram.col_iter().enumerate() {
            squares += column[j];
            let below = column.subrows(j, column.nrows() - j);
            fourth += 2.0 * below.squared_norm_l2() - column[j] * column[j];
        }
        let tolerance = WRONG * f64::EPSILON * (self.a.nrows() as f64).sqrt();
        let agree = |sum: f64, power: i32| {
            let found: f64 = self.s.iter().map(|s| s.powi(power)).sum();
            (found - sum).abs() <= tolerance * sum
        };
        agree(squares, 2) && agree(fourth, 4)
    }
}

/// The QR iteration: without vectors it costs little, and divide and conquer has been wrong.
fn parameters() -> Spec<SvdParams, f64> {
    let mut parameters = <SvdParams as Auto<f64>>::auto();
    parameters.recursion_threshold = usize::MAX;
    Spec::new(parameters)
}

#[cfg(test)]
mod tests;
