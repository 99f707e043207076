//! Eigenvalues and eigenvectors of a stack of symmetric matrices, certified.
//!
//! As in [`super::factor`]: the fast routine (tridiagonalisation, then inverse iteration in lanes, or
//! faer's divide and conquer or QR iteration), a step of Cholesky QR where its vectors need it,
//! Rayleigh quotients from A V, and the residual `A V - V L`, which sends a wrong answer to the next
//! method. The last one is Jacobi's.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{
    ComputeEigenvectors, SelfAdjointEvdParams, self_adjoint_evd, self_adjoint_evd_scratch,
};
use faer::linalg::matmul::matmul;
use faer::{Accum, Auto, Mat, Par, Spec};
use rayon::prelude::*;

use super::careful::{DIVIDE_FROM, GOOD, Method as Refuge, WRONG};
use super::load::tiles;
use super::orthonormal::{straighten, target};
use super::svd::in_stack;
use super::symmetric::Eigenvectors;
use super::{PowerOfTwo, Scalar, Stack, jacobi, load, zero_matrix, zeros};
use crate::runtime::Control;
use crate::{Error, Result};

/// Matrices up to this many values together are one task.
const TASK: usize = 4096;

/// From this size on inverse iteration is tried first.
const INVERSE_FROM: usize = 32;

/// What is tried, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    InverseIteration,
    Careful(Refuge),
}

const METHODS: [Method; 4] = [
    Method::InverseIteration,
    Method::Careful(Refuge::DivideAndConquer),
    Method::Careful(Refuge::QrIteration),
    Method::Careful(Refuge::Jacobi),
];

impl Method {
    /// The least size that it is tried at.
    const fn least(self) -> usize {
        match self {
            Self::InverseIteration => INVERSE_FROM,
            Self::Careful(Refuge::DivideAndConquer) => DIVIDE_FROM,
            Self::Careful(_) => 0,
        }
    }
}

/// `a = v * diag(values) * v'` for each matrix: values (count, d) ascending, vectors (count, d, d)
/// with the eigenvectors in columns, row-major.
#[derive(Clone, Debug, PartialEq)]
pub struct Eigh<T> {
    /// Eigenvalues, ascending.
    pub values: Vec<T>,
    /// Eigenvectors, in columns.
    pub vectors: Vec<T>,
}

/// The eigenvalues and eigenvectors of each matrix of `stack`, of which the lower triangle is read.
///
/// With `check_symmetric`, a matrix with `|A - A'| > sqrt(e) |A|` (Frobenius; e = eps of T) is an
/// error: far above what the rounding of a Gram or covariance matrix can leave.
///
/// `|V'V - I|` and `|A - V L V'| / |A|` are below 8 e sqrt(d) (A: the symmetric matrix that has this
/// lower triangle). Signs are as they are computed. O(count d^3) operations; memory beyond the
/// result: per thread about 9 d^2 numbers of float64.
///
/// # Errors
/// [`Error::Shape`] for matrices that are not square, [`Error::Value`] for one that is not
/// symmetric and for an eigenvalue that overflows T; else as for [`super::svd`].
pub fn eigh<T: Scalar + Default>(
    stack: Stack<'_, T>,
    check_symmetric: bool,
    control: &Control,
) -> Result<Eigh<T>> {
    let d = stack.cols;
    if stack.rows != d {
        return Err(Error::Shape {
            argument: "a",
            expected: "square matrices".to_string(),
            got: format!("{} x {d}", stack.rows),
        });
    }
    let what = "the decomposition";
    let mut result =
        Eigh { values: zeros(stack.count * d, what)?, vectors: zeros(stack.count * d * d, what)? };
    if stack.count == 0 || d == 0 {
        return Ok(result);
    }
    control.start(stack.count as u64);
    let together = (TASK / (d * d)).max(1);
    let outputs = (result.values.par_chunks_mut(together * d))
        .zip(result.vectors.par_chunks_mut(together * d * d));
    outputs.enumerate().try_for_each_init(
        || Eigen::new(d),
        |eigen, (task, (values, vectors))| {
            let eigen = eigen.as_mut().map_err(|error| error.clone())?;
            let pairs = values.chunks_exact_mut(d).zip(vectors.chunks_exact_mut(d * d));
            for (offset, (values, vectors)) in pairs.enumerate() {
                control.check()?;
                let index = task * together + offset;
                let matrix = stack.get(index);
                let asymmetry = eigen.load(matrix).map_err(|error| in_stack(error, index, d))?;
                if check_symmetric && asymmetry > T::EPSILON.sqrt() {
                    return Err(asymmetric(asymmetry, index));
                }
                eigen.factorise::<T>().map_err(|error| in_stack(error, index, d))?;
                eigen.write(values, vectors)?;
                control.advance(1);
            }
            Ok(())
        },
    )?;
    Ok(result)
}

fn asymmetric(asymmetry: f64, index: usize) -> Error {
    Error::Value {
        argument: "a",
        expected: "symmetric matrices (check_symmetric=False reads the lower triangle of any)"
            .to_string(),
        got: format!("|A - A'| = {asymmetry:.2e} |A| in matrix {index} of the stack"),
    }
}

/// The eigenvalues and vectors of one matrix after another, and the memory that this takes.
struct Eigen {
    /// The scaled matrix, both triangles.
    a: Mat<f64>,
    values: Vec<f64>,
    /// In columns.
    vectors: Mat<f64>,
    /// The columns of `vectors` in the order of ascending values.
    order: Vec<usize>,
    unscale: PowerOfTwo,
    gram: Mat<f64>,
    scratch: Mat<f64>,
    inverse: Option<Eigenvectors<f64>>,
    memory: MemBuffer,
}

impl Eigen {
    fn new(d: usize) -> Result<Self> {
        let too_large = || Error::Memory {
            what: "the eigenvectors",
            needed: 8 * 9 * (d as u128).pow(2),
            hint: "reduce the dimension first",
        };
        let matrix = || zero_matrix(d, d).ok_or_else(too_large);
        let request =
            requirement(d, Refuge::DivideAndConquer).or(requirement(d, Refuge::QrIteration));
        Ok(Self {
            a: matrix()?,
            values: vec![0.0; d],
            vectors: matrix()?,
            order: (0..d).collect(),
            unscale: PowerOfTwo::new(0),
            gram: matrix()?,
            scratch: matrix()?,
            inverse: if d < INVERSE_FROM { None } else { Some(Eigenvectors::new(d)?) },
            memory: MemBuffer::try_new(request).map_err(|_| too_large())?,
        })
    }

    /// Mirror the lower triangle, scaled so that the largest entry is in [1, 2); gives
    /// `|A - A'| / |A|` of the matrix as it came.
    fn load<T: Scalar>(&mut self, values: &[T]) -> Result<f64> {
        let d = self.a.nrows();
        let scale = PowerOfTwo::normalising(load::largest(values, d, "a")?);
        self.unscale = scale.inverse();
        let a = &mut self.a;
        let (mut squares, mut differences) = (0.0, 0.0);
        tiles(d, d, |i, j| {
            let x = scale.apply(values[i * d + j].widen());
            squares += x * x;
            if j <= i {
                let mirrored = scale.apply(values[j * d + i].widen());
                differences += 2.0 * (x - mirrored) * (x - mirrored);
                a[(i, j)] = x;
                a[(j, i)] = x;
            }
        });
        Ok(if differences == 0.0 { 0.0 } else { (differences / squares).sqrt() })
    }

    fn factorise<T: Scalar>(&mut self) -> Result<()> {
        if self.a.norm_max() == 0.0 {
            self.values.fill(0.0);
            self.vectors.as_mut().fill(0.0);
            self.vectors.as_mut().diagonal_mut().fill(1.0);
            self.sort();
            return Ok(());
        }
        let d = self.values.len();
        // What float64 leaves is far below float32's rounding.
        let good = if T::EPSILON > f64::EPSILON { WRONG } else { GOOD };
        let mut best: Option<(f64, Method)> = None;
        for method in METHODS {
            if d < method.least() {
                continue;
            }
            let residual = self.answer::<T>(method);
            if residual <= good {
                self.sort();
                return Ok(());
            }
            if residual <= WRONG && best.is_none_or(|(least, _)| residual < least) {
                best = Some((residual, method));
            }
        }
        // The same steps once more give the same answer.
        if let Some((least, method)) = best
            && self.answer::<T>(method) <= least
        {
            self.sort();
            return Ok(());
        }
        Err(Error::NoConvergence { routine: "the symmetric eigenvalue decomposition", index: 0 })
    }

    /// The residual of a method's answer, as [`Eigen::refine`] gives it; infinite without an answer.
    fn answer<T: Scalar>(&mut self, method: Method) -> f64 {
        let k = self.values.len();
        // What float64 leaves is far below float32's rounding: no need to improve it there.
        let target = target::<f64>(k).max(target::<T>(k) / 64.0);
        if self.attempt(method)
            && straighten(self.vectors.as_mut(), &mut self.gram, &mut self.scratch, target)
        {
            self.refine()
        } else {
            f64::INFINITY
        }
    }

    fn attempt(&mut self, method: Method) -> bool {
        let refuge = match method {
            Method::InverseIteration => {
                let (a, vectors) = (self.a.as_ref(), self.vectors.as_mut().reverse_cols_mut());
                let inverse = self.inverse.as_mut();
                return inverse.is_some_and(|found| found.by_inverse_iteration(a, vectors));
            }
            Method::Careful(Refuge::Jacobi) => {
                self.scratch.copy_from(&self.a);
                return jacobi::symmetric(&mut self.scratch, &mut self.values, &mut self.vectors);
            }
            Method::Careful(refuge) => refuge,
        };
        let values = faer::ColMut::from_slice_mut(&mut self.values).as_diagonal_mut();
        self_adjoint_evd(
            self.a.as_ref(),
            values,
            Some(self.vectors.as_mut()),
            Par::Seq,
            MemStack::new(&mut self.memory),
            parameters(refuge),
        )
        .is_ok()
    }

    /// Replace eigenvalues by Rayleigh quotients, and give `|A V - V L|` in units of
    /// eps * sqrt(d) * |A|; NaN for an answer that is not finite.
    fn refine(&mut self) -> f64 {
        let (a, v) = (self.a.as_ref(), self.vectors.as_ref());
        matmul(self.scratch.as_mut(), Accum::Replace, a, v, 1.0, Par::Seq);
        let mut residual = 0.0;
        for (j, value) in self.values.iter_mut().enumerate() {
            let (x, v) = (self.scratch.col(j), self.vectors.col(j));
            *value = x.transpose() * v;
            residual += (x - v * faer::Scale(*value)).squared_norm_l2();
        }
        residual.sqrt() / (f64::EPSILON * (self.values.len() as f64).sqrt() * self.a.norm_l2())
    }

    fn sort(&mut self) {
        let values = &self.values;
        for (j, place) in self.order.iter_mut().enumerate() {
            *place = j;
        }
        if !values.is_sorted() {
            self.order.sort_by(|&i, &j| values[i].total_cmp(&values[j]));
        }
    }

    fn write<T: Scalar>(&self, values: &mut [T], vectors: &mut [T]) -> Result<()> {
        let d = self.values.len();
        tiles(d, d, |i, j| {
            vectors[i * d + j] = T::round(self.vectors[(i, self.order[j])]);
        });
        for (x, &j) in values.iter_mut().zip(&self.order) {
            *x = T::round(self.unscale.apply(self.values[j]));
            if !x.widen().is_finite() {
                return Err(Error::Value {
                    argument: "a",
                    expected: format!("a matrix whose eigenvalues fit {}", T::NAME),
                    got: "a larger one; scale it down".to_string(),
                });
            }
        }
        Ok(())
    }
}

fn parameters(refuge: Refuge) -> Spec<SelfAdjointEvdParams, f64> {
    let mut parameters = <SelfAdjointEvdParams as Auto<f64>>::auto();
    if refuge != Refuge::DivideAndConquer {
        parameters.recursion_threshold = usize::MAX;
    }
    Spec::new(parameters)
}

fn requirement(d: usize, refuge: Refuge) -> faer::dyn_stack::StackReq {
    let vectors = ComputeEigenvectors::Yes;
    self_adjoint_evd_scratch::<f64>(d, vectors, Par::Seq, parameters(refuge))
}

#[cfg(test)]
mod tests;
