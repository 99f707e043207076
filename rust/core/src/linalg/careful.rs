//! One thin singular value decomposition in float64, by bidiagonalisation (faer, with divide and
//! conquer), certified.
//!
//! The routine returns singular vectors that are not orthogonal to working precision (some 20 eps
//! sqrt(d) and, on bad days, 90), and on some rank-deficient matrices an answer that is wrong in the
//! third digit. So each answer is tested and repaired:
//!
//! 1. `|U'U - I|` and `|V'V - I|` are computed; where they are too large, steps of Cholesky QR
//!    bring them to the rounding error of one product (see [`super::orthonormal`]);
//! 2. `A V` is computed: it gives the singular values once more, as Rayleigh quotients `u' A v`,
//!    whose error is of second order in that of the vectors, and the residual `A V - U S`; if that
//!    is not small, the implicit QR iteration is used instead, and one-sided Jacobi if that fails;
//! 3. singular values are sorted, with their vectors.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::svd::{ComputeSvdVectors, SvdParams, svd, svd_scratch};
use faer::reborrow::{Reborrow, ReborrowMut};
use faer::{Accum, Auto, Mat, Par, Spec};

use super::load::{largest, tiles};
use super::orthonormal::{complete, straighten, target};
use super::products::product;
use super::{PowerOfTwo, Scalar, jacobi, zero_matrix};
use crate::{Error, Result};

/// A residual above this many eps * sqrt(max(n, d)) * |A| (Frobenius) is a wrong answer.
pub(super) const WRONG: f64 = 64.0;

/// A residual up to this many is promised. The QR iteration leaves up to 50 on some graded spectra
/// (1 to 1e-18 in 16 columns): then the other methods are asked, and the best answer is taken.
pub(super) const GOOD: f64 = 6.0;

/// Jacobi is asked for a better answer, not only for a right one, up to this size.
const JACOBI_UP_TO: usize = 256;

/// Which routine factorises the bidiagonal matrix, or of a symmetric one the tridiagonal matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    DivideAndConquer,
    QrIteration,
    Jacobi,
}

/// From this size on divide and conquer is tried first; below, the QR iteration is as fast.
pub(super) const DIVIDE_FROM: usize = 128;

/// Divide and conquer stops dividing at this size.
const LEAF: usize = 48;

/// The factors of one matrix after another, and the memory that this takes:
/// 4 n d + 6 k^2 numbers, about, k = min(n, d).
pub(super) struct Careful {
    /// The matrix, scaled as by [`PowerOfTwo::normalising`].
    a: Mat<f64>,
    /// Left singular vectors, n x k.
    pub(super) u: Mat<f64>,
    /// Singular values of the scaled matrix.
    pub(super) s: Vec<f64>,
    /// Right singular vectors, d x k.
    pub(super) v: Mat<f64>,
    gram: Mat<f64>,
    scratch: Mat<f64>,
    memory: MemBuffer,
}

impl Careful {
    /// Memory for matrices of `rows` x `cols`, both at least 1.
    ///
    /// # Errors
    /// [`Error::Memory`] when it cannot be had.
    pub(super) fn new(rows: usize, cols: usize) -> Result<Self> {
        let k = rows.min(cols);
        let too_large = || Error::Memory {
            what: "the factorisation",
            needed: 8 * (4 * rows as u128 * cols as u128 + 6 * (k as u128).pow(2)),
            hint: "reduce the dimension first",
        };
        let matrix = |n, m| zero_matrix(n, m).ok_or_else(too_large);
        let request = requirement(rows, cols, Method::DivideAndConquer).or(requirement(
            rows,
            cols,
            Method::QrIteration,
        ));
        Ok(Self {
            a: matrix(rows, cols)?,
            u: matrix(rows, k)?,
            s: vec![0.0; k],
            v: matrix(cols, k)?,
            gram: matrix(k, k)?,
            scratch: matrix(rows.max(cols), k)?,
            memory: MemBuffer::try_new(request).map_err(|_| too_large())?,
        })
    }

    /// Factorise one row-major matrix, not zero, of the size given to [`Careful::new`].
    ///
    /// # Errors
    /// [`Error::NonFinite`], named `argument`, for a NaN or an infinity;
    /// [`Error::NoConvergence`] if three methods fail.
    pub(super) fn factorise<T: Scalar>(
        &mut self,
        values: &[T],
        argument: &'static str,
    ) -> Result<()> {
        self.load(values, argument)?;
        // What float64 leaves is far below float32's rounding.
        let good = if T::EPSILON > f64::EPSILON { WRONG } else { GOOD };
        let mut best: Option<(f64, Method)> = None;
        for method in [Method::DivideAndConquer, Method::QrIteration, Method::Jacobi] {
            let k = self.s.len();
            if method == Method::DivideAndConquer && k < DIVIDE_FROM
                || method == Method::Jacobi && k > JACOBI_UP_TO && best.is_some()
            {
                continue;
            }
            if !(self.attempt(method) && self.straighten::<T>()) {
                continue;
            }
            let residual = self.refine();
            if residual <= good {
                self.sort();
                return Ok(());
            }
            if residual <= WRONG && best.is_none_or(|(least, _)| residual < least) {
                best = Some((residual, method));
            }
        }
        // The same steps once more give the same answer.
        if let Some((_, method)) = best
            && self.attempt(method)
            && self.straighten::<T>()
        {
            self.refine();
            self.sort();
            return Ok(());
        }
        Err(Error::NoConvergence { routine: "the singular value decomposition", index: 0 })
    }

    /// Copy the matrix, column-major, scaled. Gives the largest magnitude.
    fn load<T: Scalar>(&mut self, values: &[T], argument: &'static str) -> Result<f64> {
        let d = self.a.ncols();
        let largest = largest(values, d, argument)?;
        let scale = PowerOfTwo::normalising(largest);
        let a = &mut self.a;
        tiles(values.len() / d, d, |i, j| a[(i, j)] = scale.apply(values[i * d + j].widen()));
        Ok(largest)
    }

    fn attempt(&mut self, method: Method) -> bool {
        if method == Method::Jacobi {
            return self.attempt_jacobi();
        }
        let s = faer::ColMut::from_slice_mut(&mut self.s).as_diagonal_mut();
        svd(
            self.a.as_ref(),
            s,
            Some(self.u.as_mut()),
            Some(self.v.as_mut()),
            Par::Seq,
            MemStack::new(&mut self.memory),
            parameters(method),
        )
        .is_ok()
    }

    fn attempt_jacobi(&mut self) -> bool {
        let wide = self.a.nrows() < self.a.ncols();
        let (long, short) =
            if wide { (&mut self.v, &mut self.u) } else { (&mut self.u, &mut self.v) };
        if wide {
            long.copy_from(self.a.transpose());
        } else {
            long.copy_from(&self.a);
        }
        let converged = jacobi::factorise(long, &mut self.s, short);
        converged && complete(long, &self.s).is_some()
    }

    /// Replace singular values by Rayleigh quotients, and give `|A - U S V'|` in units of
    /// eps * sqrt(max(n, d)) * |A|; NaN for an answer that is not finite.
    ///
    /// For n >= d, V is square, so `|A - U S V'| = |A V - U S|`; for n < d it is U.
    fn refine(&mut self) -> f64 {
        let (n, d) = self.a.shape();
        let (a, long, short) = if n < d {
            (self.a.transpose(), &self.v, &self.u)
        } else {
            (self.a.as_ref(), &self.u, &self.v)
        };
        let mut image = self.scratch.as_mut();
        product(image.rb_mut(), Accum::Replace, a, short.as_ref(), 1.0);
        let mut residual = 0.0;
        for (j, s) in self.s.iter_mut().enumerate() {
            let (x, u) = (image.rb().col(j), long.col(j));
            *s = x.transpose() * u;
            residual += (x - u * faer::Scale(*s)).squared_norm_l2();
        }
        residual.sqrt() / (f64::EPSILON * (n.max(d) as f64).sqrt() * self.a.norm_l2())
    }

    /// Bring U and V to orthonormality; `false` if they are too far from it.
    fn straighten<T: Scalar>(&mut self) -> bool {
        let k = self.s.len();
        // What float64 leaves is far below float32's rounding: no need to improve it there.
        let target = target::<f64>(k).max(target::<T>(k) / 64.0);
        [&mut self.u, &mut self.v]
            .into_iter()
            .all(|q| straighten(q.as_mut(), &mut self.gram, &mut self.scratch, target))
    }

    /// Singular values in descending order, vectors with them.
    fn sort(&mut self) {
        // Rounding may leave a tiny negative value.
        for j in 0..self.s.len() {
            if self.s[j] < 0.0 {
                self.s[j] = -self.s[j];
                self.u.as_mut().col_mut(j).iter_mut().for_each(|x| *x = -*x);
            }
        }
        if self.s.is_sorted_by(|a, b| a >= b) {
            return;
        }
        let mut order: Vec<usize> = (0..self.s.len()).collect();
        order.sort_by(|&i, &j| self.s[j].total_cmp(&self.s[i]));
        self.s = order.iter().map(|&j| self.s[j]).collect();
        for m in [&mut self.u, &mut self.v] {
            let rows = m.nrows();
            *m = Mat::from_fn(rows, order.len(), |i, j| m[(i, order[j])]);
        }
    }
}

fn parameters(method: Method) -> Spec<SvdParams, f64> {
    let mut parameters = <SvdParams as Auto<f64>>::auto();
    parameters.recursion_threshold = match method {
        Method::DivideAndConquer => LEAF,
        Method::QrIteration | Method::Jacobi => usize::MAX,
    };
    Spec::new(parameters)
}

fn requirement(rows: usize, cols: usize, method: Method) -> faer::dyn_stack::StackReq {
    let thin = ComputeSvdVectors::Thin;
    svd_scratch::<f64>(rows, cols, thin, thin, Par::Seq, parameters(method))
}

#[cfg(test)]
mod tests;
