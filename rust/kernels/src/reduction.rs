//! A symmetric matrix made tridiagonal by reflections.

use crate::Element;
use crate::isa::Isa;
#[cfg(target_arch = "x86_64")]
use crate::isa::Level;
use crate::jacobi::Real;
use crate::lanes::{Array, Lanes};

/// Rows of a column, padding included, are a multiple of this many.
pub const ROWS_MULTIPLE: usize = 16;

/// Columns that are updated together: each value of the vectors is loaded once for all.
const TOGETHER: usize = 4;

/// Tridiagonal reduction, for `f32` and `f64`.
pub trait Reduction: Element {
    /// `Q' A Q = T`, tridiagonal, Q = H_0 H_1 ... with reflections `H_k = I - v v' / taus[k]`.
    ///
    /// `a` holds a symmetric matrix of n = `diagonal.len()` columns, both triangles, each column
    /// [`ROWS_MULTIPLE`] values times some number, zero beyond row n. It becomes the vectors v: that of
    /// column k is 1 in row k + 1 (which is not stored), and stored below. Where there is nothing to
    /// reflect, tau is infinite. `beside` and `taus` have n - 1 values, `work` four columns.
    ///
    /// A step updates the rest by the reflection before and multiplies it by the next vector, in one
    /// pass (Dongarra, Hammarling and Sorensen, "Block reduction of matrices to condensed forms",
    /// 1989, do so for several). 2 n^3 operations on n^3 / 3 values: of both triangles, so that columns
    /// are contiguous.
    ///
    /// # Panics
    /// When the lengths do not fit.
    fn tridiagonalise(
        isa: Isa,
        a: &mut [Self],
        diagonal: &mut [f64],
        beside: &mut [f64],
        taus: &mut [Self],
        work: &mut [Self],
    );
}

/// The arguments of [`Reduction::tridiagonalise`].
pub struct Problem<'a, T> {
    a: &'a mut [T],
    diagonal: &'a mut [f64],
    beside: &'a mut [f64],
    taus: &'a mut [T],
    work: &'a mut [T],
}

macro_rules! reduction {
    ($type:ident, $plain:literal, $avx2:ident, $avx512:ident) => {
        impl Reduction for $type {
            fn tridiagonalise(
                isa: Isa,
                a: &mut [Self],
                diagonal: &mut [f64],
                beside: &mut [f64],
                taus: &mut [Self],
                work: &mut [Self],
            ) {
                let n = diagonal.len();
                assert!(n > 0 && beside.len() + 1 == n && taus.len() + 1 == n, "other lengths");
                let column = a.len() / n;
                assert!(
                    column >= n && column.is_multiple_of(ROWS_MULTIPLE) && a.len() == column * n
                );
                assert!(work.len() == 4 * column, "four columns of memory");
                let problem = Problem { a, diagonal, beside, taus, work };
                match isa.level() {
                    // SAFETY: the CPU has what the level says.
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx512 => unsafe { crate::x86_64::reduction::$avx512(problem) },
                    // SAFETY: as above.
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx2 => unsafe { crate::x86_64::reduction::$avx2(problem) },
                    _ => plain::<$type, Array<$type, $plain>, $plain>(problem),
                }
            }
        }
    };
}

reduction!(f32, 4, avx2_f32, avx512_f32);
reduction!(f64, 4, avx2_f64, avx512_f64);

/// See [`Reduction::tridiagonalise`].
#[inline(always)]
pub fn plain<T: Real, V: Lanes<T, L>, const L: usize>(problem: Problem<'_, T>) {
    let Problem { a, diagonal, beside, taus, work } = problem;
    let n = diagonal.len();
    let height = a.len() / n;
    work.fill(T::default());
    let (mut v, rest) = work.split_at_mut(height);
    let (mut u, rest) = rest.split_at_mut(height);
    let (w, p) = rest.split_at_mut(height);
    for k in 0..n {
        // The column in hand, by the reflection before (A <- A - u w' - w u').
        let (done, rest) = a.split_at_mut((k + 1) * height);
        let x = &mut done[k * height..];
        update::<T, V, L>(x, k / L, [u, w], [u[k], w[k]]);
        diagonal[k] = x[k].to_f64();
        if k + 1 == n {
            return;
        }
        v.fill(T::default());
        v[k + 2..n].copy_from_slice(&x[k + 2..n]);
        let first = (k + 1) / L;
        let (head, square) = (x[k + 1].to_f64(), dot::<T, V, L>(v, v, first));
        if square == 0.0 {
            beside[k] = head;
            taus[k] = T::INFINITY;
        } else {
            let beta = -(head * head + square).sqrt().copysign(head);
            beside[k] = beta;
            let over = V::splat(T::from_f64(1.0 / (head - beta)));
            for cell in &mut v.as_chunks_mut::<L>().0[first..] {
                V::load(cell).times(over).store(cell);
            }
            x[k + 2..n].copy_from_slice(&v[k + 2..n]);
            v[k + 1] = T::from_f64(1.0);
            taus[k] = T::from_f64(dot::<T, V, L>(v, v, first) / 2.0);
        }
        // The rest of the matrix, and its product with the new vector.
        let mut blocks = rest.chunks_mut(TOGETHER * height);
        for (j, block) in (k + 1..n).step_by(TOGETHER).zip(&mut blocks) {
            let products = &mut p[j..(j + TOGETHER).min(n)];
            let mut columns = block.chunks_exact_mut(height);
            if products.len() == TOGETHER {
                let columns = std::array::from_fn(|_| columns.next().map_or(&mut [][..], |x| x));
                let factors = std::array::from_fn(|c| [u[j + c], w[j + c]]);
                products.copy_from_slice(&pass::<T, V, L, TOGETHER>(
                    columns,
                    first,
                    factors,
                    [u, w, v],
                ));
            } else {
                for (c, (column, product)) in columns.zip(products).enumerate() {
                    let factors = [[u[j + c], w[j + c]]];
                    [*product] = pass::<T, V, L, 1>([column], first, factors, [u, w, v]);
                }
            }
        }
        // The coming update: u = v, w = p / tau - v (v'p) / (2 tau^2); nothing if tau is infinite.
        let over = 1.0 / taus[k].to_f64();
        let along = dot::<T, V, L>(v, p, first) * over * over / 2.0;
        for ((w, p), v) in w[k + 1..n].iter_mut().zip(&p[k + 1..n]).zip(&v[k + 1..n]) {
            *w = T::from_f64(p.to_f64() * over - v.to_f64() * along);
        }
        std::mem::swap(&mut u, &mut v);
    }
}

/// `x' y`, from register `first` on.
#[inline(always)]
fn dot<T: Real, V: Lanes<T, L>, const L: usize>(x: &[T], y: &[T], first: usize) -> f64 {
    let mut sum = V::splat(T::default());
    for (x, y) in x.as_chunks::<L>().0[first..].iter().zip(&y.as_chunks::<L>().0[first..]) {
        sum = V::load(x).times_plus(V::load(y), sum);
    }
    let [total] = totals::<T, V, L, 1>([sum]);
    total.to_f64()
}

/// The sums over the lanes.
#[inline(always)]
fn totals<T: Real, V: Lanes<T, L>, const L: usize, const C: usize>(sums: [V; C]) -> [T; C] {
    let mut lanes = [[T::default(); L]; C];
    for (sum, lanes) in sums.into_iter().zip(&mut lanes) {
        sum.store(lanes);
    }
    let mut half = L / 2;
    while half > 0 {
        for lanes in &mut lanes {
            for i in 0..half {
                lanes[i] = lanes[i] + lanes[i + half];
            }
        }
        half /= 2;
    }
    lanes.map(|lanes| lanes[0])
}

/// `x <- x - u wk - w uk`, from register `first` on.
#[inline(always)]
fn update<T: Real, V: Lanes<T, L>, const L: usize>(
    x: &mut [T],
    first: usize,
    [u, w]: [&[T]; 2],
    [uk, wk]: [T; 2],
) {
    let (uk, wk) = (V::splat(uk), V::splat(wk));
    let (u, w) = (&u.as_chunks::<L>().0[first..], &w.as_chunks::<L>().0[first..]);
    for ((cell, u), w) in x.as_chunks_mut::<L>().0[first..].iter_mut().zip(u).zip(w) {
        V::load(cell).minus_times(V::load(u), wk).minus_times(V::load(w), uk).store(cell);
    }
}

/// Update some columns, from register `first` on, and multiply each by v.
#[inline(always)]
fn pass<T: Real, V: Lanes<T, L>, const L: usize, const C: usize>(
    columns: [&mut [T]; C],
    first: usize,
    factors: [[T; 2]; C],
    vectors: [&[T]; 3],
) -> [T; C] {
    let mut sums = [V::splat(T::default()); C];
    let factors = factors.map(|pair| pair.map(V::splat));
    let [u, w, v] = vectors.map(|x| &x.as_chunks::<L>().0[first..]);
    let cells = columns.map(|column| &mut column.as_chunks_mut::<L>().0[first..]);
    let count = u.len();
    assert!(w.len() == count && v.len() == count && cells.iter().all(|x| x.len() == count));
    for i in 0..count {
        let (u, w, v) = (V::load(&u[i]), V::load(&w[i]), V::load(&v[i]));
        for c in 0..C {
            let cell = &mut cells[c][i];
            let [uj, wj] = factors[c];
            let updated = V::load(cell).minus_times(u, wj).minus_times(w, uj);
            updated.store(cell);
            sums[c] = updated.times_plus(v, sums[c]);
        }
    }
    totals::<T, V, L, C>(sums)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A symmetric matrix, padded, and the same without padding.
    fn matrix<T: Reduction>(n: usize, value: impl Fn(usize, usize) -> f64) -> (Vec<T>, Vec<f64>) {
        let height = n.next_multiple_of(ROWS_MULTIPLE);
        let mut padded = vec![T::default(); n * height];
        let mut plain = vec![0.0; n * n];
        for j in 0..n {
            for i in 0..n {
                let x = T::from_f64(value(i.max(j), i.min(j)));
                padded[j * height + i] = x;
                plain[j * n + i] = x.to_f64();
            }
        }
        (padded, plain)
    }

    /// |A - Q T Q'| and |Q'Q - I|, in float64, in units of eps sqrt(n) |A| and eps sqrt(n).
    fn check<T: Reduction + Real>(label: &str, n: usize, value: impl Fn(usize, usize) -> f64) {
        for isa in Isa::available() {
            let (mut a, original) = matrix::<T>(n, &value);
            let height = a.len() / n;
            let (mut diagonal, mut beside) = (vec![0.0; n], vec![0.0; n - 1]);
            let (mut taus, mut work) = (vec![T::default(); n - 1], vec![T::default(); 4 * height]);
            T::tridiagonalise(isa, &mut a, &mut diagonal, &mut beside, &mut taus, &mut work);
            // From the last reflection to the first: T <- H T H.
            let mut back = vec![0.0; n * n];
            let mut q = vec![0.0; n * n];
            for i in 0..n {
                q[i * n + i] = 1.0;
                back[i * n + i] = diagonal[i];
                if i + 1 < n {
                    back[i * n + i + 1] = beside[i];
                    back[(i + 1) * n + i] = beside[i];
                }
            }
            for k in (0..n - 1).rev() {
                let mut v = vec![0.0; n];
                v[k + 1] = 1.0;
                for i in k + 2..n {
                    v[i] = a[k * height + i].to_f64();
                }
                let tau = taus[k].to_f64();
                let reflect = |m: &mut [f64], by_row: bool| {
                    for line in 0..n {
                        let at = |i: usize| if by_row { line * n + i } else { i * n + line };
                        let dot: f64 = (0..n).map(|i| v[i] * m[at(i)]).sum();
                        (0..n).for_each(|i| m[at(i)] -= v[i] * dot / tau);
                    }
                };
                reflect(&mut back, true);
                reflect(&mut back, false);
                reflect(&mut q, true);
            }
            let norm = |x: &[f64]| x.iter().map(|x| x * x).sum::<f64>().sqrt();
            let unit = T::EPSILON * (n as f64).sqrt();
            let difference: Vec<f64> = back.iter().zip(&original).map(|(a, b)| a - b).collect();
            let residual = norm(&difference) / unit / norm(&original).max(1e-30);
            let mut skew = 0.0;
            for i in 0..n {
                for j in 0..n {
                    let dot: f64 = (0..n).map(|k| q[i * n + k] * q[j * n + k]).sum();
                    skew += (dot - f64::from(u8::from(i == j))).powi(2);
                }
            }
            let skew = skew.sqrt() / unit;
            // n reflections, each orthogonal to some eps.
            let bound = 4.0 + (n as f64).sqrt();
            assert!(residual < 4.0 && skew < bound, "{label} {n} {isa:?}: {residual} {skew}");
        }
    }

    fn check_all<T: Reduction + Real>() {
        for n in [1, 2, 3, 4, 5, 15, 16, 17, 18, 33, 64, 70] {
            let noise =
                |i: usize, j: usize| ((i * 7919 + j * 104_729) as f64 * 0.618).fract() - 0.5;
            check::<T>("noise", n, noise);
            check::<T>("zero", n, |_, _| 0.0);
            check::<T>("ones", n, |_, _| 1.0);
            check::<T>("diagonal", n, |i, j| f64::from(u8::from(i == j)) * (i + 1) as f64);
            check::<T>("tridiagonal", n, |i, j| if i - j < 2 { noise(i, j) } else { 0.0 });
            check::<T>("graded", n, |i, j| noise(i, j) * 10f64.powf(-((i + j) as f64) / 8.0));
            check::<T>("arrow", n, |i, j| if j == 0 || i == j { 1.0 } else { 0.0 });
        }
    }

    #[test]
    fn it_is_an_orthogonal_similarity_float32() {
        check_all::<f32>();
    }

    #[test]
    fn it_is_an_orthogonal_similarity_float64() {
        check_all::<f64>();
    }
}
