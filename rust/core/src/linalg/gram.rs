//! Singular value decompositions by way of A'A: nearly all of it products, unlike bidiagonalisation.
//!
//! The eigenvectors V of A'A give `W = A V`, whose columns are the left singular vectors times the
//! singular values, but for rounding: with e the error of the eigenvectors, some eps `σ_1²`, columns
//! i and j have the product `e_ij`, so a cosine of `e_ij / (σ_i σ_j)`. That is little between long
//! columns, and much between short ones. So we go by levels:
//!
//! 1. The eigenvectors of `W'W`, made orthonormal to working precision, turn W and V; at first
//!    W = A.
//! 2. Of the new columns of W the first h are kept: as many as are orthogonal up to first order. Each
//!    is made orthogonal to those before it, and so are all later columns to them. This takes
//!    `e_ij / σ_i` from column j: the residual `|A V - U S|` that comes of it is added up, and it
//!    bounds h.
//! 3. What is left has shorter columns, and is a problem of its own scale: back to 1. Or it is
//!    rounding of `|A|`; then its left vectors are any orthonormal ones.
//!
//! Gaps between singular values do not matter: vectors of a cluster need only be orthogonal.
//!
//! The orthogonality of the result is measured. Of the residual only this share is: the rounding of
//! the products, and what |V'V - I| leaves of A, are not, and were 4.5 eps sqrt(n) |A| with it in the
//! worst of some 30,000 hard matrices (8 are promised).

use faer::reborrow::{Reborrow, ReborrowMut};
use faer::{Accum, Mat, MatMut, MatRef};

use super::factor::Factor;
use super::orthonormal::{
    column, complement, nearly, pairwise_square, squares, straighten, target,
};
use super::products::{lower_product, product, subtract_upper};
use super::symmetric::Eigenvectors;
use super::{Scalar, zero_matrix};

/// Each level takes what is left down by about the fourth root of eps, so four reach rounding.
const LEVELS: usize = 6;

/// The residual that the levels together may leave, in eps sqrt(n) |A| (Frobenius); 8 is promised.
const RESIDUAL: f64 = 4.0;

/// The part of it for what is left out as rounding of `|A|`.
const NEGLIGIBLE: f64 = 1.0;

impl<T: Scalar> Factor<T> {
    /// Factorise the loaded matrix; false for one that needs another method.
    pub(super) fn attempt_gram(&mut self) -> bool {
        let Self { a, u, s, v, gram, scratch, eigenvectors, .. } = self;
        let size: f64 = (0..a.ncols()).map(|i| squares(column(a.as_ref(), i))).sum();
        let wide = a.nrows() > a.ncols();
        let a = if wide { a.as_ref() } else { a.transpose() };
        let (long, short) = if wide { (v, u) } else { (u, v) };
        let (n, k) = a.shape();
        let unit = (T::EPSILON * (n as f64).sqrt()).powi(2) * size;
        let mut choice = Choice {
            residual: RESIDUAL.powi(2) * unit,
            negligible: NEGLIGIBLE.powi(2) * unit,
            skew: nearly::<T>(k).powi(2),
        };
        let mut done = 0;
        for level in 0..LEVELS {
            let m = k - done;
            let mut tail = long.as_mut().subcols_mut(done, m);
            // 1. The eigenvectors, and what they make of the columns.
            if level == 0 {
                if !eigenvectors_of_products(a, short.as_mut(), gram, scratch, eigenvectors) {
                    return false;
                }
                product(tail.rb_mut(), Accum::Replace, a, short.as_ref(), 1.0);
            } else {
                let Some(mut q) = zero_matrix(m, m) else { return false };
                if !eigenvectors_of_products(tail.rb(), q.as_mut(), gram, scratch, eigenvectors) {
                    return false;
                }
                turn_columns(tail.rb_mut(), q.as_ref(), scratch);
                turn_columns(short.as_mut().subcols_mut(done, m), q.as_ref(), scratch);
            }

            // 2. The columns that are kept.
            for (j, s) in s[done..].iter_mut().enumerate() {
                *s = T::round(pairwise_square(column(tail.rb(), j)).sqrt());
            }
            let mut square = gram.as_mut().submatrix_mut(0, 0, m, m);
            lower_product(square.rb_mut(), tail.rb());
            let kept = choice.kept(square.rb(), &s[done..]);
            let negligible = choice.is_negligible(&s[done + kept..]);
            if kept == 0 && !negligible {
                return false;
            }
            let (mut head, rest) = tail.split_at_col_mut(kept);
            normalise(head.rb_mut(), square.rb_mut(), &s[done..][..kept], scratch);
            done += kept;

            // 3. What is left.
            if !negligible {
                let mut shares = square.submatrix_mut(0, kept, kept, m - kept);
                product(shares.rb_mut(), Accum::Replace, head.rb().transpose(), rest.rb(), 1.0);
                product(rest, Accum::Add, head.rb(), shares.rb(), -1.0);
                continue;
            }
            if done < k {
                let Some(filling) = complement(long.as_ref().subcols(0, done), k - done) else {
                    return false;
                };
                long.as_mut().subcols_mut(done, k - done).copy_from(&filling);
            } else if level == 0 {
                return true;
            }
            // Long columns are corrected by short ones: hardly anything of A V is touched.
            return straighten(long.as_mut(), gram, scratch, target::<T>(k))
                && straighten(short.as_mut().reverse_cols_mut(), gram, scratch, target::<T>(k));
        }
        false
    }
}

/// What may still be done to the decomposition, all squared.
struct Choice {
    /// The residual that is left to spend.
    residual: f64,
    /// Columns with norms of this size altogether are rounding.
    negligible: f64,
    /// |U'U - I| that one step of first order corrects.
    skew: f64,
}

impl Choice {
    fn is_negligible<T: Scalar>(&self, norms: &[T]) -> bool {
        squares(norms) <= self.negligible
    }

    /// How many columns to keep, given the lower triangle of their products and their norms; the
    /// residual that this costs is taken from what is left.
    fn kept<T: Scalar>(&mut self, gram: MatRef<'_, T>, norms: &[T]) -> usize {
        let m = norms.len();
        let inverses = inverses(norms);
        // |U'U - I|^2 that column j adds to that of those before it.
        let mut skews = vec![T::zero(); m];
        let mut skew = 0.0;
        for i in 0..m {
            skew += 2.0 * skews[i].widen();
            let below = &column(gram, i)[i + 1..];
            for ((product, inverse), skew) in
                below.iter().zip(&inverses[i + 1..]).zip(&mut skews[i + 1..])
            {
                let cosine = *product * inverses[i] * *inverse;
                *skew += cosine * cosine;
            }
            let cost = squares(below) * inverses[i].widen().powi(2);
            // Not so for NaN.
            let affordable = skew <= self.skew && cost <= self.residual;
            if self.is_negligible(&norms[i..]) || !affordable {
                return i;
            }
            self.residual -= cost;
        }
        m
    }
}

/// The eigenvectors of `x' x`, in columns of `q`, the largest eigenvalue first, orthonormal to working
/// precision; false if there are none.
fn eigenvectors_of_products<T: Scalar>(
    x: MatRef<'_, T>,
    mut q: MatMut<'_, T>,
    gram: &mut Mat<T>,
    scratch: &mut Mat<T>,
    eigenvectors: &mut Eigenvectors<T>,
) -> bool {
    let m = x.ncols();
    let close = target::<T>(m);
    lower_product(gram.as_mut().submatrix_mut(0, 0, m, m), x);
    if eigenvectors.by_inverse_iteration(gram.as_ref().submatrix(0, 0, m, m), q.rb_mut())
        && straighten(q.rb_mut(), gram, scratch, close)
    {
        return true;
    }
    // Straightening has written over them.
    lower_product(gram.as_mut().submatrix_mut(0, 0, m, m), x);
    eigenvectors.by_divide_and_conquer(gram.as_ref().submatrix(0, 0, m, m), q.rb_mut())
        && straighten(q, gram, scratch, close)
}

/// `x <- x q`.
fn turn_columns<T: Scalar>(x: MatMut<'_, T>, q: MatRef<'_, T>, scratch: &mut Mat<T>) {
    let mut old = scratch.as_mut().submatrix_mut(0, 0, x.nrows(), x.ncols());
    old.copy_from(x.rb());
    product(x, Accum::Replace, old.rb(), q, 1.0);
}

fn inverses<T: Scalar>(norms: &[T]) -> Vec<T> {
    norms.iter().map(|s| T::round(1.0 / s.widen())).collect()
}

/// Divide columns by their norms, and make each orthogonal to those before it, to first order, given
/// the lower triangle of their products.
fn normalise<T: Scalar>(
    mut x: MatMut<'_, T>,
    mut gram: MatMut<'_, T>,
    norms: &[T],
    scratch: &mut Mat<T>,
) {
    let (n, k) = x.shape();
    let inverses = inverses(norms);
    let mut old = scratch.as_mut().submatrix_mut(0, 0, n, k);
    for (j, &inverse) in inverses.iter().enumerate() {
        for (new, x) in old.rb_mut().col_mut(j).iter_mut().zip(x.rb_mut().col_mut(j).iter_mut()) {
            *x *= inverse;
            *new = *x;
        }
        gram[(j, j)] = T::zero();
        let below = gram.rb_mut().col_mut(j).subrows_mut(j + 1, k - j - 1);
        for (cosine, other) in below.iter_mut().zip(&inverses[j + 1..]) {
            *cosine *= inverse * *other;
        }
    }
    subtract_upper(x, old.rb(), gram.rb().submatrix(0, 0, k, k));
}

#[cfg(test)]
mod tests;
