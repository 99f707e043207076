//! One thin singular value decomposition of any size.
//!
//! Most matrices go by way of A'A (see [`super::gram`]), in the type of the input; the others by
//! bidiagonalisation in float64 (see [`super::careful`]).
//!
//! The polar factor is made of these. An iteration made of products would have to beat them:
//! scaled Newton takes 9 to 10 steps on cross-covariances of word vectors (300 columns, condition
//! 1e5 to 2e6), each an inversion, which takes longer than the whole decomposition; QDWH has about
//! twice as many operations.

use faer::{Accum, Mat};

use super::careful::Careful;
use super::load::largest;
use super::orthonormal::{straighten, target};
use super::products::product;
use super::symmetric::Eigenvectors;
use super::{PowerOfTwo, Scalar, zero_matrix};
use crate::{Error, Result};

/// The factors of one matrix after another, and the memory that this takes:
/// 4 n d + 7 k^2 numbers, about, k = min(n, d).
pub struct Factor<T> {
    /// The scaled matrix, transposed: its rows are contiguous.
    pub(super) a: Mat<T>,
    /// Left singular vectors, n x k.
    pub u: Mat<T>,
    /// Singular values of the *scaled* matrix; [`Factor::unscale`] brings them back.
    pub s: Vec<T>,
    /// Right singular vectors, d x k.
    pub v: Mat<T>,
    /// Brings the scaled matrix back to the size it had.
    pub unscale: PowerOfTwo,
    pub(super) gram: Mat<T>,
    pub(super) scratch: Mat<T>,
    pub(super) eigenvectors: Eigenvectors<T>,
    /// For what the way by A'A cannot do; made when it is needed.
    careful: Option<Careful>,
}

impl<T: Scalar> Factor<T> {
    /// Memory for matrices of `rows` x `cols`, both at least 1.
    ///
    /// # Errors
    /// [`Error::Memory`] when it cannot be had.
    pub fn new(rows: usize, cols: usize) -> Result<Self> {
        let k = rows.min(cols);
        let too_large = || Error::Memory {
            what: "the factorisation",
            needed: size_of::<T>() as u128
                * (4 * rows as u128 * cols as u128 + 7 * (k as u128).pow(2)),
            hint: "reduce the dimension first",
        };
        let matrix = |n, m| zero_matrix(n, m).ok_or_else(too_large);
        Ok(Self {
            a: matrix(cols, rows)?,
            u: matrix(rows, k)?,
            s: vec![T::zero(); k],
            v: matrix(cols, k)?,
            unscale: PowerOfTwo::new(0),
            gram: matrix(k, k)?,
            scratch: matrix(rows.max(cols), k)?,
            eigenvectors: Eigenvectors::new(k)?,
            careful: None,
        })
    }

    /// Factorise one row-major matrix of the size given to [`Factor::new`].
    ///
    /// # Errors
    /// [`Error::NonFinite`], named `argument`, for a NaN or an infinity; [`Error::Memory`];
    /// [`Error::NoConvergence`] if all methods fail.
    pub fn factorise(&mut self, values: &[T], argument: &'static str) -> Result<()> {
        let largest = self.load(values, argument)?;
        if largest == 0.0 {
            self.answer_for_zero();
        } else if self.attempt_gram() {
            self.sort();
        } else {
            self.fall_back(values, argument)?;
        }
        Ok(())
    }

    /// Copy the matrix, scaled by a power of two so that its largest entry is in [1, 2): squares then
    /// neither overflow nor vanish. Gives the largest magnitude.
    pub(super) fn load(&mut self, values: &[T], argument: &'static str) -> Result<f64> {
        let d = self.a.nrows();
        let largest = largest(values, d, argument)?;
        let scale = PowerOfTwo::normalising(largest);
        self.unscale = scale.inverse();
        let [half, rest] = scale.factors().map(T::round);
        for (row, values) in self.a.col_iter_mut().zip(values.chunks_exact(d)) {
            for (to, from) in row.iter_mut().zip(values) {
                *to = *from * half * rest;
            }
        }
        Ok(largest)
    }

    /// The zero matrix: s = 0, and the first unit vectors.
    fn answer_for_zero(&mut self) {
        self.s.fill(T::zero());
        for m in [&mut self.u, &mut self.v] {
            m.as_mut().fill(T::zero());
            m.as_mut().diagonal_mut().fill(T::one());
        }
    }

    fn fall_back(&mut self, values: &[T], argument: &'static str) -> Result<()> {
        let careful = match &mut self.careful {
            Some(careful) => careful,
            none => none.insert(Careful::new(self.u.nrows(), self.v.nrows())?),
        };
        careful.factorise(values, argument)?;
        let (u, v) = (&mut self.u, &mut self.v);
        for (to, from) in [(u, &careful.u), (v, &careful.v)] {
            faer::zip!(to.as_mut(), from).for_each(|faer::unzip!(to, from)| *to = T::round(*from));
        }
        for (to, from) in self.s.iter_mut().zip(&careful.s) {
            *to = T::round(*from);
        }
        Ok(())
    }

    /// The orthonormal polar factor U V' of the factorised matrix, transposed if it is wide, so that
    /// its columns are orthonormal.
    pub fn orthonormal_part(&mut self) -> Mat<T> {
        let (n, d) = (self.u.nrows(), self.v.nrows());
        let (left, right) = if n < d { (&self.v, &self.u) } else { (&self.u, &self.v) };
        let mut r = Mat::zeros(n.max(d), self.s.len());
        product(r.as_mut(), Accum::Replace, left.as_ref(), right.transpose(), 1.0);
        // The errors of U and V add up; `false` cannot come from factors that passed their test.
        let target = target::<T>(self.s.len());
        straighten(r.as_mut(), &mut self.gram, &mut self.scratch, target);
        r
    }

    /// Singular values in descending order, vectors with them.
    fn sort(&mut self) {
        if self.s.is_sorted_by(|a, b| a >= b) {
            return;
        }
        let mut order: Vec<usize> = (0..self.s.len()).collect();
        order.sort_by(|&i, &j| self.s[j].widen().total_cmp(&self.s[i].widen()));
        self.s = order.iter().map(|&j| self.s[j]).collect();
        for m in [&mut self.u, &mut self.v] {
            let rows = m.nrows();
            *m = Mat::from_fn(rows, order.len(), |i, j| m[(i, order[j])]);
        }
    }
}
