//! Singular values of a stack, without vectors.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::linalg::qr::no_pivoting::factor as qr;
use faer::linalg::svd::bidiag;
use faer::{Accum, Mat, Par, Spec};
use rayon::prelude::*;

use super::factor::Factor;
use super::load::tiles;
use super::svd::{in_stack, representable};
use super::{PowerOfTwo, Scalar, Stack, load, small, zero_matrix, zeros};
use crate::runtime::Control;
use crate::{Error, Result};

mod bidiagonal;

use bidiagonal::Bidiagonal;

/// Matrices up to this many values together are one task.
const TASK: usize = 4096;

/// Sums of powers of the singular values of A and B may differ by this many eps sqrt(max(n, d)).
const WRONG: f64 = 64.0;

/// How far a value may be from that of B, in eps sqrt(max(n, d)) |A|.
const PROVED: f64 = 4.0;

/// Matrices this many times as long as wide are reduced to their triangle first.
const TALL: usize = 2;

/// The singular values of each matrix of `stack`, (count, k), descending; k = min(n, d).
///
/// Bidiagonalisation and the implicit QR iteration in float64. That the values are those of the
/// bidiagonal matrix B is proved by counts of sign changes; that B has those of A, which follows
/// from its making, is tested by `|B| = |A|` and `|B'B| = |A'A|`. What fails is given to the
/// certified decomposition of [`super::svd`]. So values are off by at most
/// 8 e sqrt(max(n, d)) |A| (Frobenius). Small matrices go the way of [`super::svd`], whose relative
/// accuracy is worth the vectors. O(count n d k) operations; memory beyond the result, per thread:
/// n d + k^2 numbers of float64, about (small ones: the vectors of the stack).
///
/// # Errors
/// As for [`super::svd`].
pub fn svdvals<T: Scalar + Default>(stack: Stack<'_, T>, control: &Control) -> Result<Vec<T>> {
    let (n, d) = (stack.rows, stack.cols);
    let k = n.min(d);
    if small::fits(&stack) {
        return Ok(small::svd(stack, control)?.s);
    }
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
    /// The scaled matrix, transposed if it is wide; used up.
    a: Mat<f64>,
    /// A'A, then the triangle of a tall matrix.
    square: Mat<f64>,
    /// What the reductions keep of their reflections.
    reflections: [Mat<f64>; 3],
    bidiagonal: Bidiagonal,
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
            needed: 8 * (rows as u128 * cols as u128 + (k as u128).pow(2)),
            hint: "reduce the dimension first",
        };
        let matrix = |n, m| zero_matrix(n, m).ok_or_else(too_large);
        let block = qr::recommended_block_size::<f64>(long, k);
        let request = bidiag::bidiag_in_place_scratch::<f64>(long, k, Par::Seq, Spec::default())
            .or(qr::qr_in_place_scratch::<f64>(long, k, block, Par::Seq, Spec::default()));
        Ok(Self {
            a: matrix(long, k)?,
            square: matrix(k, k)?,
            reflections: [matrix(block, k)?, matrix(1, k)?, matrix(1, k - 1)?],
            bidiagonal: Bidiagonal { diagonal: vec![0.0; k], above: vec![0.0; k - 1] },
            s: vec![0.0; k],
            unscale: PowerOfTwo::new(0),
            memory: MemBuffer::try_new(request).map_err(|_| too_large())?,
            shape: (rows, cols),
        })
    }

    fn compute<T: Scalar>(&mut self, values: &[T]) -> Result<()> {
        let (n, d) = self.shape;
        let largest = load::largest(values, d, "a")?;
        if largest == 0.0 {
            self.s.fill(0.0);
            return Ok(());
        }
        let scale = PowerOfTwo::normalising(largest);
        self.unscale = scale.inverse();
        let a = &mut self.a;
        let wide = n < d;
        tiles(n, d, |i, j| {
            let place = if wide { (j, i) } else { (i, j) };
            a[place] = scale.apply(values[i * d + j].widen());
        });
        let sums = self.sums();
        self.reduce();
        if self.agrees(sums) && self.bidiagonal.values(&mut self.s) && self.proved(sums.0) {
            return Ok(());
        }
        let mut factor = Factor::new(n, d)?;
        factor.factorise(values, "a")?;
        for (to, from) in self.s.iter_mut().zip(&factor.s) {
            *to = from.widen();
        }
        self.unscale = factor.unscale;
        Ok(())
    }

    /// `|A|^2` and `|A'A|^2`.
    fn sums(&mut self) -> (f64, f64) {
        triangular::matmul(
            self.square.as_mut(),
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
        for (j, column) in self.square.col_iter().enumerate() {
            squares += column[j];
            let below = column.subrows(j, column.nrows() - j);
            fourth += 2.0 * below.squared_norm_l2() - column[j] * column[j];
        }
        (squares, fourth)
    }

    /// Make A bidiagonal.
    fn reduce(&mut self) {
        let (long, k) = self.a.shape();
        let [block, left, right] = &mut self.reflections;
        let stack = MemStack::new(&mut self.memory);
        let matrix = if long >= TALL * k {
            let params = Spec::default();
            qr::qr_in_place(self.a.as_mut(), block.as_mut(), Par::Seq, stack, params);
            self.square.as_mut().fill(0.0);
            self.square.copy_from_triangular_upper(self.a.as_ref().subrows(0, k));
            &mut self.square
        } else {
            &mut self.a
        };
        let (left, right) = (left.as_mut(), right.as_mut());
        let stack = MemStack::new(&mut self.memory);
        bidiag::bidiag_in_place(matrix.as_mut(), left, right, Par::Seq, stack, Spec::default());
        let Bidiagonal { diagonal, above } = &mut self.bidiagonal;
        for j in 0..k {
            diagonal[j] = matrix[(j, j)];
            if j + 1 < k {
                above[j] = matrix[(j, j + 1)];
            }
        }
    }

    /// In what rounding may leave: eps sqrt(max(n, d)).
    fn unit(&self) -> f64 {
        f64::EPSILON * (self.a.nrows() as f64).sqrt()
    }

    fn agrees(&self, (squares, fourth): (f64, f64)) -> bool {
        let (found_squares, found_fourth) = self.bidiagonal.sums();
        let tolerance = WRONG * self.unit();
        (found_squares - squares).abs() <= tolerance * squares
            && (found_fourth - fourth).abs() <= tolerance * fourth
    }

    fn proved(&self, squares: f64) -> bool {
        self.bidiagonal.proves(&self.s, PROVED * self.unit() * squares.sqrt())
    }
}

#[cfg(test)]
mod tests;
