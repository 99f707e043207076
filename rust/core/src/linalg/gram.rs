//! Singular value decompositions by way of A'A: half the work of bidiagonalisation.
//!
//! A'A, formed in float64, and its eigenvectors V give `W = A V`, whose columns are orthogonal up to
//! some `eps σ_1² / (σ_i σ_j)`, with the singular values as their norms. Where that is not enough,
//! the answer is refined, as Ogita and Aishima refine eigenvectors ("Iterative refinement for
//! symmetric eigenvalue decomposition", Japan J. Indust. Appl. Math. 35 (2018), algorithm 1), but
//! with W'W instead of V'(A'A)V, so that small singular values stay as accurate as large ones:
//! with `N = (W'W)_ij / (σ_i σ_j)` and `R = I - V'V`,
//!
//! ```text
//! F_ij = (σ_i σ_j N_ij + σ_j² R_ij) / (σ_j² - σ_i²),  F_ii = R_ii / 2,  V <- V + V F,  W <- W + W F
//! ```
//!
//! is one Jacobi rotation of every pair of columns at once, to first order, and makes V orthonormal
//! on the way. Columns whose σ is rounding of σ_1 are completed by any orthonormal ones.
//!
//! It is no way for every matrix: what A'A has lost (columns with σ below some 1e-7 σ_1 that are not
//! zero, clusters of small singular values) is noticed, and the caller takes another method.

use faer::dyn_stack::{MemBuffer, MemStack, StackReq};
use faer::linalg::evd::{
    ComputeEigenvectors, SelfAdjointEvdParams, self_adjoint_evd, self_adjoint_evd_scratch,
};
use faer::linalg::householder::{
    apply_block_householder_sequence_on_the_left_in_place_scratch as apply_scratch,
    apply_block_householder_sequence_on_the_left_in_place_with_conj as apply,
};
use faer::linalg::matmul::matmul;
use faer::linalg::matmul::triangular::{self, BlockStructure};
use faer::reborrow::Reborrow;
use faer::{Accum, Auto, ColMut, Conj, Mat, MatMut, MatRef, Par, Spec};

use super::Scalar;
use super::factor::{Factor, pairwise_square, target, tiles};

/// Steps of refinement; each squares the error.
const STEPS: usize = 3;
/// A correction with a larger norm is not one of first order.
const LARGEST: f64 = 1e-2;
/// The share of the goal that a step of refinement may leave without a test of what it left.
const LEFT_OVER: f64 = 0.1;
/// A cluster that straightening brings to rounding.
const CROOKED: f64 = 1e-4;
/// Two singular values whose squares differ by less than this part are a cluster: their vectors are
/// not told apart.
const CLUSTER: f64 = 1e-6;

/// How an attempt ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The factors are orthonormal to `target`, and the residual is rounding: W is A V by its
    /// making, and both were refined alike.
    Certified,
    /// Left vectors of equal singular values are not orthogonal enough: straighten them, and test
    /// the residual.
    Unsure,
    /// This matrix needs another method.
    Failed,
}

impl Factor {
    /// Factorise the loaded matrix.
    pub(super) fn attempt_gram<T: Scalar>(&mut self) -> Outcome {
        let wide = self.a.nrows() < self.a.ncols();
        let a = if wide { self.a.transpose() } else { self.a.as_ref() };
        let (long, short) =
            if wide { (&mut self.v, &mut self.u) } else { (&mut self.u, &mut self.v) };
        let k = short.ncols();
        lower_product(self.gram.as_mut(), a);
        let s = ColMut::from_slice_mut(&mut self.s).as_diagonal_mut();
        let memory = MemStack::new(&mut self.memory);
        // Ascending; the largest shall come first.
        let vectors = Some(short.as_mut().reverse_cols_mut());
        if self_adjoint_evd(self.gram.as_ref(), s, vectors, Par::Seq, memory, parameters()).is_err()
        {
            return Outcome::Failed;
        }
        product(long.as_mut(), Accum::Replace, a, short.as_ref());

        // What float32 cannot tell from zero need not be resolved for it.
        let negligible = if T::EPSILON > f64::EPSILON {
            T::EPSILON / 2.0
        } else {
            4.0 * f64::EPSILON * (a.nrows() as f64).sqrt()
        };
        let goal = target::<T>(k);
        for step in 0..=STEPS {
            let floor = negligible * norms(long, &mut self.s);
            let overlap = self.scratch.as_mut().submatrix_mut(0, 0, k, k);
            lower_product(overlap, short.as_ref());
            lower_product(self.gram.as_mut(), long.as_ref());
            let mut overlap = self.scratch.as_mut().submatrix_mut(0, 0, k, k);
            for j in 0..k {
                // Equal entries round alike in a plain sum: it is off by up to k eps / 2.
                overlap[(j, j)] = pairwise_square(short.col_as_slice(j));
            }
            let off = errors(self.gram.as_ref(), overlap.rb(), &self.s, floor);
            if off.right.max(off.left) <= goal {
                normalise(long, &self.s, floor);
                return match off.clustered {
                    clustered if clustered <= goal => Outcome::Certified,
                    clustered if clustered <= CROOKED => Outcome::Unsure,
                    _ => Outcome::Failed,
                };
            }
            let size = correction(self.gram.as_mut(), overlap.rb(), &self.s, floor);
            let sound = (off.right + off.left + off.clustered + size).is_finite();
            if step == STEPS || !sound || size > LARGEST {
                return Outcome::Failed;
            }
            for q in [&mut *long, &mut *short] {
                let mut old = self.scratch.as_mut().submatrix_mut(0, 0, q.nrows(), k);
                old.copy_from(&*q);
                product(q.as_mut(), Accum::Add, old.as_ref(), self.gram.as_ref());
            }
            // The step squares the error.
            let rest = off.right.max(off.left).max(size).powi(2);
            if rest <= LEFT_OVER * goal && off.clustered <= goal {
                let floor = negligible * norms(long, &mut self.s);
                normalise(long, &self.s, floor);
                return Outcome::Certified;
            }
        }
        Outcome::Failed
    }
}

/// How far the factors are off, in the Frobenius norm.
struct Errors {
    /// `|V'V - I|`.
    right: f64,
    /// `|U'U - I|` over pairs that rotations make orthogonal, and over those of clusters.
    left: f64,
    clustered: f64,
}

/// Whether columns with these squared norms are no cluster.
fn apart(a: f64, b: f64) -> bool {
    (a - b).abs() > CLUSTER * a.max(b)
}

/// The errors, given the lower triangles of W'W and V'V, and the norms of W.
fn errors(gram: MatRef<'_, f64>, overlap: MatRef<'_, f64>, s: &[f64], floor: f64) -> Errors {
    let squares: Vec<f64> = s.iter().map(|s| s * s).collect();
    // What is completed later has no error.
    let inverses: Vec<f64> = s.iter().map(|&s| if s > floor { 1.0 / s } else { 0.0 }).collect();
    let (mut right, mut left, mut all) = (0.0, 0.0, 0.0);
    for j in 0..s.len() {
        let below = j + 1..s.len();
        let (products, cosines) = (column(gram, j), column(overlap, j));
        let r = 1.0 - cosines[j];
        right += r * r / 2.0;
        for i in below {
            right += cosines[i] * cosines[i];
            let cosine = products[i] * inverses[i] * inverses[j];
            all += cosine * cosine;
            left += if apart(squares[i], squares[j]) { cosine * cosine } else { 0.0 };
        }
    }
    let norm = |half: f64| (2.0 * half).sqrt();
    Errors { right: norm(right), left: norm(left), clustered: norm((all - left).max(0.0)) }
}

/// Make of W'W (its lower triangle, in `gram`) the matrix F of the module's head; its norm.
fn correction(mut gram: MatMut<'_, f64>, overlap: MatRef<'_, f64>, s: &[f64], floor: f64) -> f64 {
    let mut square = 0.0;
    for j in 0..s.len() {
        let square_j = s[j] * s[j];
        gram[(j, j)] = (1.0 - overlap[(j, j)]) / 2.0;
        for i in j + 1..s.len() {
            let (r, square_i) = (-overlap[(i, j)], s[i] * s[i]);
            let turned = if s[i] > floor && s[j] > floor && apart(square_i, square_j) {
                (gram[(i, j)] + square_j * r) / (square_j - square_i)
            } else {
                r / 2.0
            };
            gram[(i, j)] = turned;
            square += turned * turned + (r - turned) * (r - turned);
        }
    }
    tiles(s.len(), s.len(), |i, j| {
        if i < j {
            // F + F' = R.
            gram[(i, j)] = -overlap[(j, i)] - gram[(j, i)];
        }
    });
    f64::sqrt(square)
}

fn column(m: MatRef<'_, f64>, j: usize) -> &[f64] {
    m.col(j).try_as_col_major().map_or(&[], |column| column.as_slice())
}

/// The norms of the columns, and the largest.
fn norms(w: &Mat<f64>, s: &mut [f64]) -> f64 {
    for (j, s) in s.iter_mut().enumerate() {
        *s = pairwise_square(w.col_as_slice(j)).sqrt();
    }
    s.iter().copied().fold(0.0, f64::max)
}

/// Divide the columns of W by their norms; where these are at most `floor`, complete the others.
fn normalise(w: &mut Mat<f64>, s: &[f64], floor: f64) {
    let rank = s.iter().filter(|s| **s > floor).count();
    for (j, &s) in s.iter().enumerate() {
        w.as_mut().col_mut(j).iter_mut().for_each(|x| *x /= s);
    }
    if rank == s.len() {
        return;
    }
    let kept: Vec<usize> = (0..s.len()).filter(|&j| s[j] > floor).collect();
    let basis = Mat::from_fn(w.nrows(), rank, |i, j| w[(i, kept[j])]);
    let rest = complement(basis, s.len() - rank);
    for (from, j) in (0..s.len()).filter(|&j| s[j] <= floor).enumerate() {
        w.as_mut().col_mut(j).copy_from(rest.col(from));
    }
}

/// Some `count` orthonormal vectors that are orthogonal to the orthonormal columns of `basis`.
fn complement(basis: Mat<f64>, count: usize) -> Mat<f64> {
    let (n, rank) = basis.shape();
    let mut rest = Mat::zeros(n, count);
    rest.as_mut().subrows_mut(rank, count).diagonal_mut().fill(1.0);
    if rank > 0 {
        let qr = basis.qr();
        let block = qr.Q_coeff().nrows();
        let mut memory = MemBuffer::new(apply_scratch::<f64>(n, block, count));
        let memory = MemStack::new(&mut memory);
        apply(qr.Q_basis(), qr.Q_coeff(), Conj::No, rest.as_mut(), Par::Seq, memory);
    }
    rest
}

/// Columns of a product that one task computes: a matrix alone is spread over the cores, too. The
/// cuts do not depend on the number of threads, so neither do the bytes.
const BLOCK: usize = 128;

/// `dst (+)= lhs rhs`.
fn product(dst: MatMut<'_, f64>, accumulate: Accum, lhs: MatRef<'_, f64>, rhs: MatRef<'_, f64>) {
    if dst.ncols() <= BLOCK {
        return matmul(dst, accumulate, lhs, rhs, 1.0, Par::Seq);
    }
    let cut = halfway(dst.ncols());
    let (left, right) = dst.split_at_col_mut(cut);
    let (rhs_left, rhs_right) = rhs.split_at_col(cut);
    rayon::join(
        || product(left, accumulate, lhs, rhs_left),
        || product(right, accumulate, lhs, rhs_right),
    );
}

/// The lower triangle of `x' x`.
fn lower_product(dst: MatMut<'_, f64>, x: MatRef<'_, f64>) {
    if dst.ncols() <= BLOCK {
        let (lower, full) = (BlockStructure::TriangularLower, BlockStructure::Rectangular);
        let (new, all) = (Accum::Replace, Par::Seq);
        return triangular::matmul(dst, lower, new, x.transpose(), full, x, full, 1.0, all);
    }
    let cut = halfway(dst.ncols());
    let (top, _, bottom, corner) = dst.split_at_mut(cut, cut);
    let (left, right) = x.split_at_col(cut);
    rayon::join(
        || product(bottom, Accum::Replace, right.transpose(), left),
        || rayon::join(|| lower_product(top, left), || lower_product(corner, right)),
    );
}

fn halfway(columns: usize) -> usize {
    (columns / 2).next_multiple_of(BLOCK / 2)
}

fn parameters() -> Spec<SelfAdjointEvdParams, f64> {
    <SelfAdjointEvdParams as Auto<f64>>::auto().into()
}

/// Memory of the eigenvalue decomposition of `k` columns.
pub(super) fn requirement(k: usize) -> StackReq {
    self_adjoint_evd_scratch::<f64>(k, ComputeEigenvectors::Yes, Par::Seq, parameters())
}
