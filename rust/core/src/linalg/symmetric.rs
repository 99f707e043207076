//! Eigenvectors of a symmetric matrix, fast: orthonormal where eigenvalues are apart.
//!
//! The matrix is made tridiagonal, its eigenvalues are found without vectors, and the vectors by
//! inverse iteration, which costs n^2 operations instead of the n^3 of divide and conquer and the
//! 3 n^3 of QR sweeps. What it does not give are orthogonal vectors of close eigenvalues: the caller
//! tests, straightens what is nearly orthogonal, and where eigenvalues are as good as equal takes the
//! other way, divide and conquer.

use faer::dyn_stack::{MemBuffer, MemStack};
use faer::linalg::evd::{
    ComputeEigenvectors, SelfAdjointEvdParams, self_adjoint_evd, self_adjoint_evd_scratch,
};
use faer::linalg::householder::{
    apply_block_householder_sequence_on_the_left_in_place_scratch as apply_scratch,
    apply_block_householder_sequence_on_the_left_in_place_with_conj as apply,
};
use faer::linalg::matmul::triangular::{BlockStructure, matmul};
use faer::linalg::qr::no_pivoting::factor::recommended_block_size;
use faer::reborrow::{Reborrow, ReborrowMut};
use faer::{Accum, Auto, ColMut, Conj, Mat, MatMut, MatRef, Par, Spec};
use isomorph_kernels::{Isa, ROWS_MULTIPLE, Tridiagonal, inverse_iteration, workspace};

use super::{PowerOfTwo, Scalar, orthonormal, zero_matrix, zeros};
use crate::{Error, Result};

/// Columns whose values of one row are copied together: so many cache lines are at hand at once.
const TILE: usize = 16;

/// The memory of one decomposition after another, of up to k columns: about 3 k^2 numbers.
pub(super) struct Eigenvectors<T> {
    isa: Isa,
    /// Below its diagonal the reflections.
    reduced: Vec<T>,
    columns: Vec<T>,
    taus: Vec<T>,
    factors: Mat<T>,
    diagonal: Vec<f64>,
    beside: Vec<f64>,
    values: Vec<f64>,
    squares: Vec<f64>,
    work: Vec<f64>,
    vectors: Vec<f64>,
    memory: MemBuffer,
}

impl<T: Scalar> Eigenvectors<T> {
    /// Memory for matrices of up to `k` >= 1 columns.
    ///
    /// # Errors
    /// [`Error::Memory`] when it cannot be had.
    pub(super) fn new(k: usize) -> Result<Self> {
        let what = "the factorisation";
        let too_large = || Error::Memory {
            what,
            needed: 3 * size_of::<f64>() as u128 * (k as u128).pow(2),
            hint: "reduce the dimension first",
        };
        let height = k.next_multiple_of(ROWS_MULTIPLE);
        let block = recommended_block_size::<T>(k, k);
        let request = apply_scratch::<T>(k, block, k);
        Ok(Self {
            isa: Isa::chosen().map_err(Error::Isa)?,
            reduced: zeros(k * height, what)?,
            columns: zeros(4 * height, what)?,
            taus: vec![T::zero(); k],
            factors: zero_matrix(block, k).ok_or_else(too_large)?,
            diagonal: vec![0.0; k],
            beside: vec![0.0; k],
            values: vec![0.0; k],
            squares: vec![0.0; k],
            work: zeros(workspace(k), what)?,
            vectors: zeros(k * k, what)?,
            memory: MemBuffer::try_new(request).map_err(|_| too_large())?,
        })
    }

    /// The eigenvectors of the matrix whose lower triangle is given, into the columns of `q`, the
    /// largest eigenvalue first; false if they are not found.
    pub(super) fn by_inverse_iteration(
        &mut self,
        lower: MatRef<'_, T>,
        mut q: MatMut<'_, T>,
    ) -> bool {
        let n = lower.nrows();
        let height = n.next_multiple_of(ROWS_MULTIPLE);
        let reduced = &mut self.reduced[..n * height];
        copy_whole(lower, reduced, height);
        let (diagonal, beside) = (&mut self.diagonal[..n], &mut self.beside[..n - 1]);
        let (taus, columns) = (&mut self.taus[..n - 1], &mut self.columns[..4 * height]);
        T::tridiagonalise(self.isa, reduced, diagonal, beside, taus, columns);

        let tridiagonal = Tridiagonal { diagonal, beside };
        let values = &mut self.values[..n];
        if !tridiagonal.eigenvalues(values, &mut self.squares[..n]) {
            return false;
        }
        values.reverse();
        let vectors = &mut self.vectors[..n * n];
        inverse_iteration(self.isa, tridiagonal, values, &mut self.work[..workspace(n)], vectors);
        for (j, vector) in vectors.chunks_exact(n).enumerate() {
            for (to, from) in q.rb_mut().col_mut(j).iter_mut().zip(vector) {
                *to = T::round(*from);
            }
        }
        if n > 1 {
            let reduced = MatRef::from_column_major_slice_with_stride(reduced, n, n, height);
            let reflections = reduced.submatrix(1, 0, n - 1, n - 1);
            let block = recommended_block_size::<T>(n, n);
            let mut factors = self.factors.as_mut().submatrix_mut(0, 0, block, n - 1);
            block_factors(reflections, taus, factors.rb_mut());
            let below = q.subrows_mut(1, n - 1);
            let stack = MemStack::new(&mut self.memory);
            apply(reflections, factors.rb(), Conj::No, below, Par::Seq, stack);
        }
        true
    }

    /// As [`Eigenvectors::by_inverse_iteration`], but orthonormal up to some 20 eps sqrt(n) for every matrix of which no
    /// square leaves the range.
    pub(super) fn by_divide_and_conquer(
        &mut self,
        lower: MatRef<'_, T>,
        mut q: MatMut<'_, T>,
    ) -> bool {
        let n = lower.nrows();
        let parameters = self::parameters();
        let vectors = ComputeEigenvectors::Yes;
        let request = self_adjoint_evd_scratch::<T>(n, vectors, Par::Seq, parameters);
        let Ok(mut memory) = MemBuffer::try_new(request) else { return false };
        let mut values = vec![T::zero(); n];
        let values = ColMut::from_slice_mut(&mut values).as_diagonal_mut();
        // They come in ascending order.
        let vectors = Some(q.rb_mut().reverse_cols_mut());
        let stack = MemStack::new(&mut memory);
        self_adjoint_evd(lower, values, vectors, Par::Seq, stack, parameters).is_ok()
    }
}

/// Both triangles of the matrix whose lower one is given, scaled by the power of two that brings its
/// largest value next to 1, in columns of `height` values.
fn copy_whole<T: Scalar>(lower: MatRef<'_, T>, to: &mut [T], height: usize) {
    let n = lower.nrows();
    let largest = (0..n)
        .flat_map(|j| &orthonormal::column(lower, j)[j..])
        .fold(0.0, |m, x| f64::max(m, x.widen().abs()));
    let [half, rest] = PowerOfTwo::normalising(largest).factors().map(T::round);
    for (j, column) in to.chunks_exact_mut(height).enumerate() {
        for (to, from) in column[j..].iter_mut().zip(&orthonormal::column(lower, j)[j..]) {
            *to = *from * half * rest;
        }
        column[n..].fill(T::zero());
    }
    // In tiles of rows, each of which is read whole.
    for from in (0..n).step_by(TILE) {
        let count = TILE.min(n - from);
        for i in from + 1..n {
            let mut row = [T::zero(); TILE];
            let count = count.min(i - from);
            for (j, value) in row[..count].iter_mut().enumerate() {
                *value = to[(from + j) * height + i];
            }
            to[i * height + from..][..count].copy_from_slice(&row[..count]);
        }
    }
}

/// The triangular factors of blocks of reflections, as faer wants them: with T + T' = V'V,
/// H_0 H_1 ... = I - V T^-1 V'. Its diagonal are the taus.
fn block_factors<T: Scalar>(vectors: MatRef<'_, T>, taus: &[T], mut factors: MatMut<'_, T>) {
    let (block, n) = factors.shape();
    for from in (0..n).step_by(block) {
        let count = block.min(n - from);
        let v = vectors.submatrix(from, from, n - from, count);
        let mut factor = factors.rb_mut().submatrix_mut(0, from, count, count);
        let (unit, above) =
            (BlockStructure::UnitTriangularLower, BlockStructure::StrictTriangularUpper);
        let (top, bottom) = v.split_at_row(count);
        let (new, more, full) = (Accum::Replace, Accum::Add, BlockStructure::Rectangular);
        let upper = unit.transpose();
        let (one, all) = (T::one(), Par::Seq);
        let mut to = factor.rb_mut();
        matmul(to.rb_mut(), above, new, top.transpose(), upper, top, unit, one, all);
        matmul(to.rb_mut(), above, more, bottom.transpose(), full, bottom, full, one, all);
        for (i, tau) in taus[from..from + count].iter().enumerate() {
            factor[(i, i)] = *tau;
        }
    }
}

fn parameters<T: Scalar>() -> Spec<SelfAdjointEvdParams, T> {
    <SelfAdjointEvdParams as Auto<T>>::auto().into()
}
