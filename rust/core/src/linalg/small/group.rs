//! A group of matrices in lanes, and the way in and out.

use faer::Mat;
use isomorph_kernels::{Isa, Shape};

use super::{PowerOfTwo, representable};
use crate::Result;
use crate::linalg::Scalar;
use crate::linalg::orthonormal::complete;
use crate::memory::Aligned;

/// Columns up to which V is turned along.
const TINY: usize = 4;

/// The memory of one group.
pub(super) struct Group<T> {
    isa: Isa,
    shape: Shape,
    lanes: usize,
    /// Matrices of the group in hand.
    count: usize,
    a: Aligned<T>,
    /// The columns of U, then those of V.
    x: Aligned<T>,
    s: Aligned<T>,
    /// The factors of a first attempt, once there is a second one.
    first_x: Aligned<T>,
    first_s: Aligned<T>,
    gram: Aligned<T>,
    /// The polar factors, once they are asked for.
    r: Aligned<T>,
    h: Aligned<T>,
    largest: Aligned<T>,
    scale: Aligned<T>,
    unscale: Vec<PowerOfTwo>,
    /// The columns of the matrix in hand in descending order of its singular values.
    order: Vec<usize>,
}

impl<T: Scalar + Default> Group<T> {
    pub(super) fn new(isa: Isa, shape: Shape, lanes: usize) -> Result<Self> {
        let (n, d) = (shape.long(), shape.short());
        let cells = |count: usize| Aligned::new(count * lanes);
        Ok(Self {
            isa,
            shape,
            lanes,
            count: 0,
            a: cells(n * d)?,
            x: cells((n + d) * d)?,
            s: cells(d)?,
            first_x: cells(0)?,
            first_s: cells(0)?,
            gram: cells(d * d)?,
            r: cells(0)?,
            h: cells(0)?,
            largest: cells(1)?,
            scale: cells(2)?,
            unscale: vec![PowerOfTwo::new(0); lanes],
            order: Vec::with_capacity(d),
        })
    }

    /// Factorise up to `lanes` matrices; a bit for each one that is certified.
    ///
    /// Where finding a rotation takes longer than applying it, V is turned along with U. Else it is
    /// made from U, and turned along only if a matrix of the group fails the test, for which that
    /// answer is taken: so a matrix has the same factors in whatever company.
    pub(super) fn factorise(&mut self, matrices: &[T]) -> Result<std::result::Result<u32, usize>> {
        if self.shape.short() <= TINY {
            return Ok(self.attempt(matrices, true));
        }
        let certified = match self.attempt(matrices, false) {
            Ok(certified) => certified,
            bad => return Ok(bad),
        };
        if certified.trailing_ones() as usize >= self.count {
            return Ok(Ok(certified));
        }
        if self.first_x.len() == 0 {
            self.first_x = Aligned::new(self.x.len())?;
            self.first_s = Aligned::new(self.s.len())?;
        }
        std::mem::swap(&mut self.x, &mut self.first_x);
        std::mem::swap(&mut self.s, &mut self.first_s);
        let again = self.attempt(matrices, true);
        let lanes = self.lanes;
        for (now, first) in [(&mut self.x, &mut self.first_x), (&mut self.s, &mut self.first_s)] {
            let cells =
                now.values().chunks_exact_mut(lanes).zip(first.values().chunks_exact(lanes));
            for (now, first) in cells {
                for (lane, (now, first)) in now.iter_mut().zip(first).enumerate() {
                    if certified >> lane & 1 == 1 {
                        *now = *first;
                    }
                }
            }
        }
        Ok(again.map(|again| certified | again))
    }

    /// Factorise; a bit for each matrix that is certified, or the place of the first value that is
    /// not finite.
    pub(super) fn attempt(
        &mut self,
        matrices: &[T],
        turn_right: bool,
    ) -> std::result::Result<u32, usize> {
        let (isa, lanes, shape) = (self.isa, self.lanes, self.shape);
        self.count = matrices.len() / shape.size();
        let (a, x, s) = (self.a.values(), self.x.values(), self.s.values());
        let (largest, scale) = (self.largest.values(), self.scale.values());
        T::interleave(isa, lanes, shape, matrices, a, largest);
        for (lane, largest) in largest.iter().enumerate() {
            if !largest.widen().is_finite() {
                let bad = matrices.iter().position(|x| !x.widen().is_finite());
                return Err(bad.unwrap_or(0));
            }
            let power = PowerOfTwo::normalising(largest.widen());
            for (part, factor) in power.factors().into_iter().enumerate() {
                scale[part * lanes + lane] = T::round(factor);
            }
            self.unscale[lane] = power.inverse();
        }
        let converged = T::decompose(isa, lanes, shape, scale, a, x, s, turn_right);
        for lane in 0..self.count {
            if s.iter().skip(lane).step_by(lanes).any(|s| s.widen() == 0.0) {
                complete_lane(shape, lanes, lane, x, s);
            }
        }
        if !turn_right {
            T::right(isa, lanes, shape, a, x);
        }
        Ok(converged & T::certify(isa, lanes, shape, a, x, s, self.gram.values()))
    }

    /// Whether the singular values of every matrix are in descending order, as they nearly always are.
    pub(super) fn in_order(&mut self) -> bool {
        let (count, lanes) = (self.count, self.lanes);
        let values: &[T] = self.s.values();
        let pairs = values.chunks_exact(lanes).zip(values.chunks_exact(lanes).skip(1));
        pairs.flat_map(|(a, b)| a[..count].iter().zip(b)).all(|(a, b)| a >= b)
    }

    /// The factors of all matrices, in order, in the places of a result: value after value, each of
    /// all matrices.
    pub(super) fn all_factors(&mut self, u: &mut [T], s: &mut [T], vt: &mut [T]) -> Result<()> {
        let Shape { rows, cols } = self.shape;
        let (n, d, lanes) = (self.shape.long(), self.shape.short(), self.lanes);
        for (cell, j) in self.s.values().chunks_exact(lanes).zip(0..) {
            let places = s.chunks_exact_mut(d).zip(cell).zip(&self.unscale);
            for ((s, value), unscale) in places {
                s[j] = representable(unscale.apply(value.widen()))?;
            }
        }
        let (long, short) = self.x.values().split_at(n * d * lanes);
        let (left, right) = if rows < cols { (short, long) } else { (long, short) };
        for (j, column) in left.chunks_exact(rows * lanes).enumerate() {
            for (i, cell) in column.chunks_exact(lanes).enumerate() {
                scatter(cell, u, rows * d, i * d + j);
            }
        }
        for (place, cell) in right.chunks_exact(lanes).enumerate() {
            scatter(cell, vt, d * cols, place);
        }
        Ok(())
    }

    /// The factors of one matrix, in the places of a result.
    pub(super) fn factors(
        &mut self,
        lane: usize,
        u: &mut [T],
        s: &mut [T],
        vt: &mut [T],
    ) -> Result<()> {
        let (n, d, lanes) = (self.shape.long(), self.shape.short(), self.lanes);
        let wide = self.shape.rows < self.shape.cols;
        let values: &[T] = self.s.values();
        let value = |j: usize| values[j * lanes + lane];
        self.order.clear();
        self.order.extend(0..d);
        if !self.order.is_sorted_by(|&i, &j| value(i) >= value(j)) {
            self.order.sort_by(|&i, &j| value(j).widen().total_cmp(&value(i).widen()));
        }
        for (s, &j) in s.iter_mut().zip(&self.order) {
            *s = representable(self.unscale[lane].apply(value(j).widen()))?;
        }
        let (long, short) = self.x.values().split_at(n * d * lanes);
        let (left, right) = if wide { (short, long) } else { (long, short) };
        let (height, below) = (left.len() / (d * lanes), right.len() / (d * lanes));
        for (place, &j) in self.order.iter().enumerate() {
            for (i, row) in u.chunks_exact_mut(d).enumerate() {
                row[place] = left[(j * height + i) * lanes + lane];
            }
            for (i, out) in vt[place * below..][..below].iter_mut().enumerate() {
                *out = right[(j * below + i) * lanes + lane];
            }
        }
        Ok(())
    }

    /// The polar factors of the factorised matrices; a bit for each one that is certified.
    pub(super) fn polar(&mut self) -> Result<u32> {
        let Shape { rows, cols } = self.shape;
        if self.h.len() == 0 {
            self.r = Aligned::new(rows * cols * self.lanes)?;
            self.h = Aligned::new(cols * cols * self.lanes)?;
        }
        let (a, x, s) = (self.a.values(), self.x.values(), self.s.values());
        let (r, h) = (self.r.values(), self.h.values());
        Ok(T::polar(self.isa, self.lanes, self.shape, a, x, s, r, h))
    }

    /// The polar factors of one matrix, in the places of a result.
    pub(super) fn polar_factors(&mut self, lane: usize, r: &mut [T], h: &mut [T]) -> Result<()> {
        let Shape { rows, cols } = self.shape;
        let lanes = self.lanes;
        let in_lane = self.r.values().iter().skip(lane).step_by(lanes);
        if rows < cols {
            // The transposed matrix, column by column.
            r.iter_mut().zip(in_lane).for_each(|(out, &x)| *out = x);
        } else {
            for (place, &x) in in_lane.enumerate() {
                r[place % rows * cols + place / rows] = x;
            }
        }
        let unscale = self.unscale[lane];
        for (out, x) in h.iter_mut().zip(self.h.values().iter().skip(lane).step_by(lanes)) {
            *out = representable(unscale.apply(x.widen()))?;
        }
        Ok(())
    }
}

/// A value of each matrix to its place in matrices of `size` values.
#[inline(always)]
fn scatter<T: Copy>(cell: &[T], matrices: &mut [T], size: usize, place: usize) {
    for (matrix, value) in matrices.chunks_exact_mut(size).zip(cell) {
        matrix[place] = *value;
    }
}

/// Give orthonormal directions to the columns of U whose singular value is zero.
fn complete_lane<T: Scalar>(shape: Shape, lanes: usize, lane: usize, x: &mut [T], s: &[T]) {
    let (n, d) = (shape.long(), shape.short());
    let place = |i: usize, j: usize| (j * n + i) * lanes + lane;
    let mut u = Mat::from_fn(n, d, |i, j| x[place(i, j)].widen());
    let s: Vec<f64> = (0..d).map(|j| s[j * lanes + lane].widen()).collect();
    if complete(&mut u, &s).is_none() {
        // Zero columns, which are not certified.
        return;
    }
    for j in (0..d).filter(|&j| s[j] == 0.0) {
        for i in 0..n {
            x[place(i, j)] = T::round(u[(i, j)]);
        }
    }
}
