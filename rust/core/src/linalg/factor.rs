//! One thin singular value decomposition, certified.
//!
//! Most matrices go by way of A'A (see [`super::gram`]), at half the cost of bidiagonalisation. The
//! others are bidiagonalised (faer, with divide and conquer), which returns singular vectors that
//! are not orthogonal to working precision (some 20 eps sqrt(d) and, on bad days, 90), and on some
//! rank-deficient matrices an answer that is wrong in the third digit. So each answer is tested and
//! repaired:
//!
//! 1. `|U'U - I|` and `|V'V - I|` are computed; where they exceed [`TARGET`], a step of Cholesky QR
//!    to first order, `U <- U - U T` with T upper triangular and `T + T' = U'U - I`, brings them to
//!    the rounding error of one product;
//! 2. `A V` is computed: it gives the singular values once more, as Rayleigh quotients `u' A v`,
//!    whose error is of second order in that of the vectors, and the residual `A V - U S`; if that
//!    is not small, the implicit QR iteration is used instead, and one-sided Jacobi if that fails;
//! 3. singular values are sorted, with their vectors.
//!
//! The polar factor is made of these. An iteration made of products would have to beat them:
//! scaled Newton takes 9 to 10 steps on cross-covariances of word vectors (300 columns, condition
//! 1e5 to 2e6), each an inversion, which is as much time as the whole decomposition; QDWH has about
//! twice as many operations.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::linalg::svd::{ComputeSvdVectors, SvdParams, svd, svd_scratch};
use faer::reborrow::{Reborrow, ReborrowMut};
use faer::{Accum, Auto, Mat, MatRef, Par, Spec};

use super::gram::Outcome;
use super::scaling::PowerOfTwo;
use super::{Scalar, gram, jacobi, load, zero_matrix};
use crate::{Error, Result};

/// A residual above this many eps * sqrt(max(n, d)) * |A| (Frobenius) is a wrong answer.
const WRONG: f64 = 64.0;

/// A residual up to this many is promised. The QR iteration leaves up to 50 on some graded spectra
/// (1 to 1e-18 in 16 columns): then the other methods are asked, and the best answer is taken.
const GOOD: f64 = 6.0;

/// Jacobi is asked for a better answer, not only for a right one, up to this size.
const JACOBI_UP_TO: usize = 256;

/// Orthogonality that is left alone, in eps * sqrt(k) (Frobenius); LAPACK's gesdd has 5 to 13.
const TARGET: f64 = 4.0;

/// Which routine factorises the bidiagonal matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    DivideAndConquer,
    QrIteration,
    Jacobi,
}

/// From this size on divide and conquer is tried first; below, the QR iteration is as fast.
const DIVIDE_FROM: usize = 128;

/// Divide and conquer stops dividing at this size.
const LEAF: usize = 48;

/// The factors of one matrix after another, and the memory that this takes:
/// 4 n d + 6 k^2 numbers, about, k = min(n, d).
pub struct Factor {
    /// The scaled matrix.
    pub(super) a: Mat<f64>,
    /// Left singular vectors, n x k.
    pub u: Mat<f64>,
    /// Singular values of the *scaled* matrix; [`Factor::unscale`] brings them back.
    pub s: Vec<f64>,
    /// Right singular vectors, d x k.
    pub v: Mat<f64>,
    /// Brings the scaled matrix back to the size it had.
    pub unscale: PowerOfTwo,
    pub(super) gram: Mat<f64>,
    pub(super) scratch: Mat<f64>,
    pub(super) memory: MemBuffer,
}

impl Factor {
    /// Memory for matrices of `rows` x `cols`, both at least 1.
    ///
    /// # Errors
    /// [`Error::Memory`] when it cannot be had.
    pub fn new(rows: usize, cols: usize) -> Result<Self> {
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
        let request = request.or(gram::requirement(k));
        Ok(Self {
            a: matrix(rows, cols)?,
            u: matrix(rows, k)?,
            s: vec![0.0; k],
            v: matrix(cols, k)?,
            unscale: PowerOfTwo::new(0),
            gram: matrix(k, k)?,
            scratch: matrix(rows.max(cols), k)?,
            memory: MemBuffer::try_new(request).map_err(|_| too_large())?,
        })
    }

    /// Factorise one row-major matrix of the size given to [`Factor::new`].
    ///
    /// # Errors
    /// [`Error::NonFinite`], named `argument`, for a NaN or an infinity;
    /// [`Error::NoConvergence`] if three methods fail.
    pub fn factorise<T: Scalar>(&mut self, values: &[T], argument: &'static str) -> Result<()> {
        let largest = self.load(values, argument)?;
        if largest == 0.0 {
            self.answer_for_zero();
            return Ok(());
        }
        match self.attempt_gram::<T>() {
            Outcome::Certified => {
                self.sort();
                return Ok(());
            }
            Outcome::Unsure if self.straighten::<T>() && self.refine() <= GOOD => {
                self.sort();
                return Ok(());
            }
            Outcome::Unsure | Outcome::Failed => {}
        }
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

    /// Copy the matrix, column-major, scaled by a power of two so that its largest entry is in
    /// [1, 2): squares then neither overflow nor vanish. Gives the largest magnitude.
    fn load<T: Scalar>(&mut self, values: &[T], argument: &'static str) -> Result<f64> {
        let d = self.a.ncols();
        let largest = load::largest(values, d, argument)?;
        let scale = PowerOfTwo::normalising(largest);
        self.unscale = scale.inverse();
        let a = &mut self.a;
        tiles(values.len() / d, d, |i, j| a[(i, j)] = scale.apply(values[i * d + j].widen()));
        Ok(largest)
    }

    /// The zero matrix: s = 0, and the first unit vectors.
    fn answer_for_zero(&mut self) {
        self.s.fill(0.0);
        for m in [&mut self.u, &mut self.v] {
            m.as_mut().fill(0.0);
            m.as_mut().diagonal_mut().fill(1.0);
        }
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
        complete(long, &self.s);
        converged
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
        matmul(image.rb_mut(), Accum::Replace, a, short.as_ref(), 1.0, Par::Seq);
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
        let target = target::<T>(self.s.len());
        [&mut self.u, &mut self.v]
            .into_iter()
            .all(|q| straighten(q, &mut self.gram, &mut self.scratch, target))
    }

    /// The orthonormal polar factor U V' of the factorised matrix, transposed if it is wide, so that
    /// its columns are orthonormal.
    pub fn orthonormal_part(&mut self) -> Mat<f64> {
        let (n, d) = self.a.shape();
        let (left, right) = if n < d { (&self.v, &self.u) } else { (&self.u, &self.v) };
        let mut r = Mat::zeros(n.max(d), self.s.len());
        multiply(&mut r, Accum::Replace, left.as_ref(), right.transpose(), 1.0);
        // The errors of U and V add up; `false` cannot come from factors that passed their test.
        let target = target::<f64>(self.s.len());
        straighten(&mut r, &mut self.gram, &mut self.scratch, target);
        r
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

/// What float64 leaves is far below float32's rounding: no need to improve it there.
pub(super) fn target<T: Scalar>(k: usize) -> f64 {
    TARGET * (k as f64).sqrt() * (T::EPSILON / 64.0).max(f64::EPSILON)
}

/// Steps of first-order Cholesky QR, until `|Q'Q - I|` is at most `target` or one product's rounding.
pub(super) fn straighten(
    q: &mut Mat<f64>,
    gram: &mut Mat<f64>,
    scratch: &mut Mat<f64>,
    target: f64,
) -> bool {
    let k = q.ncols();
    for _ in 0..4 {
        triangular::matmul(
            gram.as_mut(),
            BlockStructure::TriangularLower,
            Accum::Replace,
            q.transpose(),
            BlockStructure::Rectangular,
            q.as_ref(),
            BlockStructure::Rectangular,
            1.0,
            Par::Seq,
        );
        let mut error = 0.0;
        for j in 0..k {
            // Equal entries round alike in a plain sum: it is off by up to n eps / 2.
            let x = pairwise_square(q.col_as_slice(j)) - 1.0;
            error += x * x;
            gram[(j, j)] = 0.5 * x;
            for i in j + 1..k {
                let x = gram[(i, j)];
                error += 2.0 * x * x;
            }
        }
        let error: f64 = f64::sqrt(error);
        if error <= target {
            return true;
        }
        // Far from orthonormal (or NaN): the vectors are wrong, not merely inexact.
        if error.is_nan() || error > 0.1 {
            return false;
        }
        let mut old = scratch.as_mut().submatrix_mut(0, 0, q.nrows(), k);
        old.copy_from(&*q);
        // The transposed lower triangle is the upper one.
        triangular::matmul(
            q.as_mut(),
            BlockStructure::Rectangular,
            Accum::Add,
            old.as_ref(),
            BlockStructure::Rectangular,
            gram.transpose(),
            BlockStructure::TriangularUpper,
            -1.0,
            Par::Seq,
        );
        // The step squares the error: below this it is rounding that is left, nothing to test.
        if error < 1e-9 {
            return true;
        }
    }
    false
}

/// The sum of squares, halves first: its error grows with log n.
pub(super) fn pairwise_square(x: &[f64]) -> f64 {
    if x.len() <= 8 {
        return x.iter().map(|x| x * x).sum();
    }
    let (left, right) = x.split_at(x.len() / 2);
    pairwise_square(left) + pairwise_square(right)
}

/// Give orthonormal directions to the columns whose singular value is zero.
pub(super) fn complete(q: &mut Mat<f64>, s: &[f64]) {
    let (n, k) = q.shape();
    let mut candidate = 0;
    for j in 0..k {
        if s[j] > 0.0 {
            continue;
        }
        while candidate < n {
            let mut x = vec![0.0; n];
            x[candidate] = 1.0;
            candidate += 1;
            // Twice is enough (Kahan and Parlett).
            for _ in 0..2 {
                for other in (0..k).filter(|&other| other < j || s[other] > 0.0) {
                    let dot: f64 = x.iter().zip(q.col(other).iter()).map(|(a, b)| a * b).sum();
                    x.iter_mut().zip(q.col(other).iter()).for_each(|(a, b)| *a -= dot * b);
                }
            }
            let norm = x.iter().map(|a| a * a).sum::<f64>().sqrt();
            // Some unit vector keeps at least this much, since k - 1 < n directions are taken.
            if norm > 0.5 / (n as f64).sqrt() {
                x.iter().enumerate().for_each(|(i, a)| q[(i, j)] = a / norm);
                break;
            }
        }
    }
}

/// Visit all (i, j) in tiles, so that a transposed copy keeps to the first-level cache.
pub(super) fn tiles(rows: usize, cols: usize, mut visit: impl FnMut(usize, usize)) {
    const TILE: usize = 16;
    for i0 in (0..rows).step_by(TILE) {
        for j0 in (0..cols).step_by(TILE) {
            for i in i0..(i0 + TILE).min(rows) {
                for j in j0..(j0 + TILE).min(cols) {
                    visit(i, j);
                }
            }
        }
    }
}

/// `dst (+)= alpha * lhs * rhs`, on this thread.
pub(crate) fn multiply(
    dst: &mut Mat<f64>,
    accumulate: Accum,
    lhs: MatRef<'_, f64>,
    rhs: MatRef<'_, f64>,
    alpha: f64,
) {
    matmul(dst.as_mut(), accumulate, lhs, rhs, alpha, Par::Seq);
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
