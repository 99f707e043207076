//! Eigenvalues of a symmetric tridiagonal matrix, and its eigenvectors, many at a time: one a lane.

use crate::isa::Isa;
#[cfg(target_arch = "x86_64")]
use crate::isa::Level;
use crate::lanes::{Array, Lanes};

/// A symmetric tridiagonal matrix.
#[derive(Clone, Copy, Debug)]
pub struct Tridiagonal<'a> {
    /// n values, at least one.
    pub diagonal: &'a [f64],
    /// n - 1 values beside it.
    pub beside: &'a [f64],
}

/// The most lanes of a group.
const MAX_LANES: usize = 16;

/// Cells of a group for each row: the inverse pivot, two values right of it, the multiplier of the
/// row below and whether it was exchanged, and the vector.
const CELLS: usize = 6;

/// Values of working memory for a matrix of `n` rows.
#[must_use]
pub fn workspace(n: usize) -> usize {
    CELLS * n * MAX_LANES + n + MAX_LANES * n.div_ceil(MAX_LANES)
}

impl Tridiagonal<'_> {
    /// All eigenvalues, ascending, into `values`; `squares` is working memory, of as many numbers.
    /// False if they do not converge. The error of each is some eps of the largest.
    ///
    /// QL sweeps without square roots, those of Pal, Walker and Kahan: Parlett, The Symmetric
    /// Eigenvalue Problem (SIAM, 1998), section 8.15.
    ///
    /// # Panics
    /// When the lengths do not fit.
    pub fn eigenvalues(self, values: &mut [f64], squares: &mut [f64]) -> bool {
        let n = self.diagonal.len();
        assert!(self.beside.len() + 1 == n && values.len() == n && squares.len() == n);
        values.copy_from_slice(self.diagonal);
        for (square, x) in squares.iter_mut().zip(self.beside) {
            *square = x * x;
        }
        squares[n - 1] = 0.0;
        // The sweeps go up, and find what is small at the top first.
        if values[0].abs() > values[n - 1].abs() {
            values.reverse();
            squares[..n - 1].reverse();
        }
        let mut left = 40 * n;
        for low in 0..n {
            let mut tries = 0;
            loop {
                let splits = |i: &usize| {
                    let scale = values[*i].abs() * values[i + 1].abs();
                    squares[*i] <= f64::EPSILON * f64::EPSILON * scale || squares[*i] == 0.0
                };
                let high = (low..n - 1).find(splits).unwrap_or(n - 1);
                if high < n - 1 {
                    squares[high] = 0.0;
                }
                if high == low {
                    break;
                }
                if left == 0 {
                    return false;
                }
                left -= 1;
                // Pairs of shifts can go round in a circle; the better one alone does not.
                let alone = tries % 4 == 3;
                tries += 1;
                sweeps(&mut values[low..=high], &mut squares[low..=high], alone);
            }
        }
        values.sort_by(f64::total_cmp);
        values.iter().all(|x| x.is_finite())
    }
}

/// Two QL sweeps over an unreduced matrix of at least two rows, of which the second follows the first
/// two rows behind: each step waits for the one before, so that two sweeps take the time of one. The
/// shifts are the eigenvalues of the first two rows; only one sweep where that is the whole matrix.
fn sweeps(d: &mut [f64], squares: &mut [f64], alone: bool) {
    let m = d.len() - 1;
    let root = squares[0].sqrt();
    let half = (d[1] - d[0]) / (2.0 * root);
    let quotient = half + half.hypot(1.0).copysign(half);
    let (near, far) = (d[0] - root / quotient, d[0] + root * quotient);
    let mut first = Sweep::new(d[m], near);
    first.step(d, squares, m - 1);
    if m == 1 || alone {
        (0..m - 1).rev().for_each(|i| first.step(d, squares, i));
        return first.finish(d, squares);
    }
    first.step(d, squares, m - 2);
    let mut second = Sweep::new(d[m], far);
    for i in (0..m - 2).rev() {
        first.step(d, squares, i);
        second.step(d, squares, i + 2);
    }
    first.finish(d, squares);
    second.step(d, squares, 1);
    second.step(d, squares, 0);
    second.finish(d, squares);
}

/// A sweep in progress.
struct Sweep {
    shift: f64,
    cosine: f64,
    sine: f64,
    gamma: f64,
    p: f64,
}

impl Sweep {
    fn new(last: f64, shift: f64) -> Self {
        let gamma = last - shift;
        Self { shift, cosine: 1.0, sine: 0.0, gamma, p: gamma * gamma }
    }

    #[inline(always)]
    fn step(&mut self, d: &mut [f64], squares: &mut [f64], i: usize) {
        let square = squares[i];
        let r = self.p + square;
        squares[i + 1] = self.sine * r;
        let before = (self.cosine, self.gamma);
        if r == 0.0 {
            // The sweep ahead has split the matrix here, and the shift is an eigenvalue of the rest.
            d[i + 1] = before.1 + self.shift;
            *self = Self::new(d[i], self.shift);
            return;
        }
        // The quotient that the next p needs does not wait for the first one.
        let inverse = r / self.p;
        self.cosine = self.p / r;
        self.sine = square / r;
        self.gamma = self.cosine * (d[i] - self.shift) - self.sine * before.1;
        d[i + 1] = before.1 + (d[i] - self.gamma);
        let usual = self.gamma * self.gamma * inverse;
        self.p = if self.cosine == 0.0 { before.0 * square } else { usual };
    }

    fn finish(self, d: &mut [f64], squares: &mut [f64]) {
        squares[0] = self.sine * self.p;
        d[0] = self.shift + self.gamma;
    }
}

/// Eigenvectors for `values`, by two steps of inverse iteration: vector j, of norm 1, into
/// `vectors[j * n..]`.
///
/// The start is noise, another one for each value, so that to a multiple eigenvalue come vectors
/// that span its space. Vectors of close eigenvalues are *not* orthogonal: their product is about
/// eps |T| over the difference. The largest value of the matrix is between 1e-100 and 1e100, or zero:
/// else a vector may hold NaN.
///
/// # Panics
/// When the lengths do not fit; `work` has [`workspace`]`(n)` values.
pub fn inverse_iteration(
    isa: Isa,
    matrix: Tridiagonal<'_>,
    values: &[f64],
    work: &mut [f64],
    vectors: &mut [f64],
) {
    let n = matrix.diagonal.len();
    assert!(matrix.beside.len() + 1 == n && values.len() <= n, "a matrix of another size");
    assert!(work.len() == workspace(n) && vectors.len() == n * values.len(), "too little memory");
    match isa.level() {
        // SAFETY: the CPU has what the level says.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe {
            crate::x86_64::tridiagonal::avx512(matrix, values, work, vectors);
        },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { crate::x86_64::tridiagonal::avx2(matrix, values, work, vectors) },
        _ => plain::<Array<f64, 4>, 4>(matrix, values, work, vectors),
    }
}

/// See [`inverse_iteration`].
#[inline(always)]
pub fn plain<V: Lanes<f64, L>, const L: usize>(
    matrix: Tridiagonal<'_>,
    values: &[f64],
    work: &mut [f64],
    vectors: &mut [f64],
) {
    let n = matrix.diagonal.len();
    let (noise, cells) = work.split_at_mut(n + MAX_LANES * n.div_ceil(MAX_LANES));
    make_noise(noise);
    let (cells, _) = cells.as_chunks_mut::<L>();
    let size = matrix.diagonal.iter().chain(matrix.beside).fold(0.0, |m, x| f64::max(m, x.abs()));
    let smallest = V::splat(if size > 0.0 { f64::EPSILON * size } else { 1.0 });
    let (mut first, mut rest) = (0, values);
    for vectors in vectors.chunks_mut(L * n) {
        let count = rest.len().min(L);
        let mut group = [rest[count - 1]; L];
        group[..count].copy_from_slice(&rest[..count]);
        let mut factors = Factors::<L>::new(&mut cells[..CELLS * n], n);
        factors.factorise::<V>(matrix, V::load(&group), smallest);
        for (i, x) in factors.x.iter_mut().enumerate() {
            x.copy_from_slice(&noise[first + i..][..L]);
        }
        factors.solve_upper::<V>();
        factors.normalise::<V>();
        factors.solve_lower::<V>();
        factors.solve_upper::<V>();
        factors.normalise::<V>();
        for (l, vector) in vectors.chunks_exact_mut(n).enumerate() {
            for (to, from) in vector.iter_mut().zip(factors.x.iter()) {
                *to = from[l];
            }
        }
        first += count;
        rest = &rest[count..];
    }
}

/// Values in [-1, 1) without a pattern, always the same (a linear congruential generator, Knuth's).
fn make_noise(noise: &mut [f64]) {
    let mut state = 1u64;
    for x in noise {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        *x = (state >> 11) as f64 / (1u64 << 52) as f64 - 1.0;
    }
}

/// `T - λ = P L U` by elimination with row exchanges, for another λ in each lane; and a vector.
struct Factors<'a, const L: usize> {
    /// The inverse of the diagonal of U.
    inverse: &'a mut [[f64; L]],
    /// U right of the diagonal, one and two places.
    next: &'a mut [[f64; L]],
    after: &'a mut [[f64; L]],
    /// What was taken of each row from the one below it.
    multiplier: &'a mut [[f64; L]],
    /// 1 where the row below came first.
    exchanged: &'a mut [[f64; L]],
    x: &'a mut [[f64; L]],
}

impl<'a, const L: usize> Factors<'a, L> {
    #[inline(always)]
    fn new(cells: &'a mut [[f64; L]], n: usize) -> Self {
        let (inverse, cells) = cells.split_at_mut(n);
        let (next, cells) = cells.split_at_mut(n);
        let (after, cells) = cells.split_at_mut(n);
        let (multiplier, cells) = cells.split_at_mut(n);
        let (exchanged, x) = cells.split_at_mut(n);
        Self { inverse, next, after, multiplier, exchanged, x }
    }

    #[inline(always)]
    fn factorise<V: Lanes<f64, L>>(&mut self, matrix: Tridiagonal<'_>, value: V, smallest: V) {
        let n = matrix.diagonal.len();
        let (zero, one) = (V::splat(0.0), V::splat(1.0));
        let invert =
            |pivot: V| one.over(V::select(pivot.magnitude().below(smallest), smallest, pivot));
        // The row in hand: its diagonal, and the value right of it.
        let mut pivot = V::splat(matrix.diagonal[0]).minus(value);
        let mut right = V::splat(matrix.beside.first().copied().unwrap_or(0.0));
        for i in 0..n - 1 {
            let below = V::splat(matrix.beside[i]);
            let diagonal = V::splat(matrix.diagonal[i + 1]).minus(value);
            let beyond = V::splat(matrix.beside.get(i + 1).copied().unwrap_or(0.0));
            let exchange = pivot.magnitude().below(below.magnitude());
            let inverse = invert(V::select(exchange, below, pivot));
            let multiplier = V::select(exchange, pivot, below).times(inverse);
            let next = V::select(exchange, diagonal, right);
            inverse.store(&mut self.inverse[i]);
            next.store(&mut self.next[i]);
            V::select(exchange, beyond, zero).store(&mut self.after[i]);
            multiplier.store(&mut self.multiplier[i]);
            V::select(exchange, one, zero).store(&mut self.exchanged[i]);
            pivot = V::select(exchange, right, diagonal).minus_times(multiplier, next);
            right = V::select(exchange, zero.minus_times(multiplier, beyond), beyond);
        }
        invert(pivot).store(&mut self.inverse[n - 1]);
    }

    /// x <- L^-1 P' x.
    #[inline(always)]
    fn solve_lower<V: Lanes<f64, L>>(&mut self) {
        let n = self.x.len();
        let half = V::splat(0.5);
        let mut first = V::load(&self.x[0]);
        for i in 0..n - 1 {
            let second = V::load(&self.x[i + 1]);
            let exchange = half.below(V::load(&self.exchanged[i]));
            let kept = V::select(exchange, second, first);
            let other = V::select(exchange, first, second);
            kept.store(&mut self.x[i]);
            first = other.minus_times(V::load(&self.multiplier[i]), kept);
        }
        first.store(&mut self.x[n - 1]);
    }

    /// x <- U^-1 x.
    #[inline(always)]
    fn solve_upper<V: Lanes<f64, L>>(&mut self) {
        let n = self.x.len();
        let mut above = V::splat(0.0);
        let mut last = V::load(&self.x[n - 1]).times(V::load(&self.inverse[n - 1]));
        last.store(&mut self.x[n - 1]);
        for i in (0..n - 1).rev() {
            let rest = V::load(&self.x[i]).minus_times(V::load(&self.after[i]), above);
            let rest = rest.minus_times(V::load(&self.next[i]), last);
            (above, last) = (last, rest.times(V::load(&self.inverse[i])));
            last.store(&mut self.x[i]);
        }
    }

    #[inline(always)]
    fn normalise<V: Lanes<f64, L>>(&mut self) {
        let mut sums = [V::splat(0.0); 4];
        for (i, x) in self.x.iter().enumerate() {
            let x = V::load(x);
            sums[i % 4] = x.times_plus(x, sums[i % 4]);
        }
        let square = sums[0].plus(sums[1]).plus(sums[2].plus(sums[3]));
        let factor = V::splat(1.0).over(square.root());
        for x in self.x.iter_mut() {
            V::load(x).times(factor).store(x);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A matrix in all its glory.
    struct Owned {
        diagonal: Vec<f64>,
        beside: Vec<f64>,
    }

    impl Owned {
        fn new(n: usize, mut value: impl FnMut(usize, bool) -> f64) -> Self {
            let diagonal = (0..n).map(|i| value(i, true)).collect();
            Self { diagonal, beside: (1..n).map(|i| value(i, false)).collect() }
        }

        fn view(&self) -> Tridiagonal<'_> {
            Tridiagonal { diagonal: &self.diagonal, beside: &self.beside }
        }

        fn size(&self) -> f64 {
            self.diagonal.iter().chain(&self.beside).fold(0.0, |m, x| m.max(x.abs()))
        }

        /// How many eigenvalues are below `x` (Sturm).
        fn below(&self, x: f64) -> usize {
            let (mut count, mut pivot) = (0, 1.0);
            for (i, d) in self.diagonal.iter().enumerate() {
                let e = if i > 0 { self.beside[i - 1] } else { 0.0 };
                pivot = d - x - e * e / pivot;
                if pivot == 0.0 {
                    pivot = f64::MIN_POSITIVE;
                }
                count += usize::from(pivot < 0.0);
            }
            count
        }
    }

    fn cases() -> Vec<(&'static str, Owned)> {
        let mut noise = vec![0.0; 4000];
        make_noise(&mut noise);
        let mut next = noise.into_iter();
        let mut all = Vec::new();
        for n in [1, 2, 3, 7, 16, 17, 64, 100] {
            all.push(("noise", Owned::new(n, |_, _| next.next().unwrap())));
            all.push(("second difference", Owned::new(n, |_, d| if d { 2.0 } else { -1.0 })));
            all.push(("zero", Owned::new(n, |_, _| 0.0)));
            all.push(("identity", Owned::new(n, |_, d| f64::from(u8::from(d)))));
            all.push(("graded", Owned::new(n, |i, _| 10f64.powf(-(i as f64) / 4.0))));
            all.push(("graded up", Owned::new(n, |i, _| 10f64.powf(i as f64 / 4.0 - 10.0))));
            // Pairs of eigenvalues that agree to rounding.
            let middle = n as f64 / 2.0;
            let wilkinson = |i: usize, d: bool| if d { (i as f64 - middle).abs() } else { 1.0 };
            all.push(("Wilkinson", Owned::new(n, wilkinson)));
            all.push(("blocks", Owned::new(n, |i, d| f64::from(u8::from(d || i % 3 != 0)))));
        }
        all
    }

    #[test]
    fn eigenvalues_agree_with_sturm_counts() {
        for (name, matrix) in cases() {
            let n = matrix.diagonal.len();
            let (mut values, mut squares) = (vec![0.0; n], vec![0.0; n]);
            assert!(matrix.view().eigenvalues(&mut values, &mut squares), "{name} {n}");
            let slack = 8.0 * f64::EPSILON * (n as f64).sqrt() * matrix.size() + 1e-300;
            for (j, &value) in values.iter().enumerate() {
                let label = format!("{name} {n}: {j} {value}");
                assert!(matrix.below(value - slack) <= j, "{label}");
                assert!(matrix.below(value + slack) > j, "{label}");
            }
        }
    }

    #[test]
    fn vectors_are_eigenvectors_and_span_the_space() {
        for isa in Isa::available() {
            for (name, matrix) in cases() {
                let n = matrix.diagonal.len();
                let (mut values, mut squares) = (vec![0.0; n], vec![0.0; n]);
                assert!(matrix.view().eigenvalues(&mut values, &mut squares));
                let (mut memory, mut vectors) = (vec![0.0; workspace(n)], vec![0.0; n * n]);
                inverse_iteration(isa, matrix.view(), &values, &mut memory, &mut vectors);
                let bound = 1e-14 * n as f64 * matrix.size().max(1e-300);
                for (z, value) in vectors.chunks_exact(n).zip(&values) {
                    let norm: f64 = z.iter().map(|x| x * x).sum();
                    assert!((norm - 1.0).abs() < 1e-13, "{isa:?} {name} {n} {norm}");
                    for i in 0..n {
                        let mut residual = (matrix.diagonal[i] - value) * z[i];
                        if i > 0 {
                            residual += matrix.beside[i - 1] * z[i - 1];
                        }
                        if i + 1 < n {
                            residual += matrix.beside[i] * z[i + 1];
                        }
                        assert!(residual.abs() <= bound, "{isa:?} {name} {n} {residual}");
                    }
                }
                // Far eigenvalues have orthogonal vectors.
                for i in 0..n {
                    for j in 0..i {
                        let gap = (values[i] - values[j]) / matrix.size();
                        let (x, y) = (&vectors[i * n..][..n], &vectors[j * n..][..n]);
                        let dot: f64 = x.iter().zip(y).map(|(x, y)| x * y).sum();
                        if gap > 1e-10 {
                            assert!(dot.abs() < 1e-13 * n as f64 / gap, "{name} {n} {dot} {gap}");
                        } else {
                            assert!(dot.abs() < 1.0 - 1e-9, "{isa:?} {name} {n} {dot}");
                        }
                    }
                }
            }
        }
    }
}
