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
use faer::{Accum, Auto, ColMut, Conj, Mat, MatMut, MatRef, Par, Spec};

use super::Scalar;
use super::factor::{Factor, pairwise_square, target};

/// Steps of refinement; each squares the error.
const STEPS: usize = 3;
/// A larger correction is not one of first order.
const LARGEST: f64 = 1e-2;
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
        matmul(long.as_mut(), Accum::Replace, a, short.as_ref(), 1.0, Par::Seq);

        // What float32 cannot tell from zero need not be resolved for it.
        let negligible = if T::EPSILON > f64::EPSILON {
            T::EPSILON / 2.0
        } else {
            4.0 * f64::EPSILON * (a.nrows() as f64).sqrt()
        };
        let goal = target::<T>(k);
        for step in 0..=STEPS {
            for (j, s) in self.s.iter_mut().enumerate() {
                *s = pairwise_square(long.col_as_slice(j)).sqrt();
            }
            let floor = negligible * self.s.iter().copied().fold(0.0, f64::max);
            let mut overlap = self.scratch.as_mut().submatrix_mut(0, 0, k, k);
            lower_product(overlap.as_mut(), short.as_ref());
            lower_product(self.gram.as_mut(), long.as_ref());
            let off = correction(self.gram.as_mut(), overlap.as_ref(), &self.s, floor);
            if off.right.max(off.left) <= goal {
                normalise(long, &self.s, floor);
                return match off.clustered {
                    clustered if clustered <= goal => Outcome::Certified,
                    // What straightening brings to rounding.
                    clustered if clustered <= 1e-4 => Outcome::Unsure,
                    _ => Outcome::Failed,
                };
            }
            // Also where anything is NaN.
            if step == STEPS || !(off.largest <= LARGEST) {
                return Outcome::Failed;
            }
            for q in [&mut *long, &mut *short] {
                let mut old = self.scratch.as_mut().submatrix_mut(0, 0, q.nrows(), k);
                old.copy_from(&*q);
                matmul(q.as_mut(), Accum::Add, old.as_ref(), self.gram.as_ref(), 1.0, Par::Seq);
            }
        }
        Outcome::Failed
    }
}

/// How far the factors are off, in the Frobenius norm, and the largest entry of what corrects them.
struct Off {
    /// `|V'V - I|`.
    right: f64,
    /// `|U'U - I|` over pairs that rotations make orthogonal, and over those of clusters.
    left: f64,
    clustered: f64,
    largest: f64,
}

/// Make of W'W (its lower triangle, in `gram`) the matrix F of the module's head.
fn correction(
    mut gram: MatMut<'_, f64>,
    overlap: MatRef<'_, f64>,
    s: &[f64],
    floor: f64,
) -> Off {
    let mut off = Off { right: 0.0, left: 0.0, clustered: 0.0, largest: 0.0 };
    for j in 0..s.len() {
        let r = 1.0 - overlap[(j, j)];
        off.right += r * r;
        gram[(j, j)] = r / 2.0;
        for i in j + 1..s.len() {
            let r = -overlap[(i, j)];
            off.right += 2.0 * r * r;
            let product = gram[(i, j)];
            // What is completed later needs no rotation.
            let counts = s[i] > floor && s[j] > floor;
            let cosine = if counts { product / (s[i] * s[j]) } else { 0.0 };
            let (square_i, square_j) = (s[i] * s[i], s[j] * s[j]);
            let gap = square_j - square_i;
            let (down, up) = if counts && gap.abs() > CLUSTER * square_i.max(square_j) {
                off.left += 2.0 * cosine * cosine;
                ((product + square_j * r) / gap, (product + square_i * r) / -gap)
            } else {
                off.clustered += 2.0 * cosine * cosine;
                (r / 2.0, r / 2.0)
            };
            gram[(i, j)] = down;
            gram[(j, i)] = up;
            off.largest = off.largest.max(down.abs()).max(up.abs());
        }
    }
    let sum = off.right + off.left + off.clustered;
    off.largest = if sum.is_finite() { off.largest } else { f64::NAN };
    for norm in [&mut off.right, &mut off.left, &mut off.clustered] {
        *norm = norm.sqrt();
    }
    off
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

/// The lower triangle of `x' x`.
fn lower_product(dst: MatMut<'_, f64>, x: MatRef<'_, f64>) {
    let (lower, full) = (BlockStructure::TriangularLower, BlockStructure::Rectangular);
    triangular::matmul(dst, lower, Accum::Replace, x.transpose(), full, x, full, 1.0, Par::Seq);
}

fn parameters() -> Spec<SelfAdjointEvdParams, f64> {
    <SelfAdjointEvdParams as Auto<f64>>::auto().into()
}

/// Memory of the eigenvalue decomposition of `k` columns.
pub(super) fn requirement(k: usize) -> StackReq {
    self_adjoint_evd_scratch::<f64>(k, ComputeEigenvectors::Yes, Par::Seq, parameters())
}
