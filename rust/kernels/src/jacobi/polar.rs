//! Polar factors from certified singular vectors.

use super::certify::{small, straighten};
use super::products::{Columns, blocks, left_and_right, product};
use super::{MAX_COLUMNS, Real, Shape};
use crate::lanes::Lanes;

/// See [`super::Jacobi::polar`].
///
/// `a` is n x d as decomposed, n >= d, so transposed where the matrix is wide.
#[inline(always)]
pub fn polar<T: Real, V: Lanes<T, L>, const L: usize>(
    shape: Shape,
    a: &[[T; L]],
    x: &[[T; L]],
    s: &[[T; L]],
    r: &mut [[T; L]],
    h: &mut [[T; L]],
) -> u32 {
    let (n, d, wide) = (shape.long(), shape.short(), shape.rows < shape.cols);
    let (left, right) = left_and_right(n, d);
    let zero = V::splat(T::default());
    for j in 0..d {
        let v = &x[right.from + j..];
        blocks!(n, |i, C| {
            let sums = product::<T, V, L, C>(&x[i..], n, v, d, d);
            for (sum, cell) in sums.iter().zip(&mut r[j * n + i..][..C]) {
                sum.store(cell);
            }
        });
    }
    // The errors of U and V add up. `h` is not yet in use.
    let columns = Columns { from: 0, height: n, count: d };
    let sound = straighten::<T, V, L>(columns, r, h);
    for cell in r.iter_mut() {
        V::load(cell).plus(zero).store(cell);
    }

    // H = V S V', or U S U' for the transposed matrix.
    let side = if wide { left } else { right };
    let p = side.height;
    for j in 0..p {
        let mut scaled = [[T::default(); L]; MAX_COLUMNS];
        for (k, s) in s.iter().enumerate() {
            V::load(s).times(V::load(&side.of(x, k)[j])).store(&mut scaled[k]);
        }
        blocks!(j + 1, |i, C| {
            let sums = product::<T, V, L, C>(&x[side.from + i..], p, &scaled, 1, d);
            for (c, sum) in sums.iter().enumerate() {
                sum.store(&mut h[j * p + i + c]);
                sum.store(&mut h[(i + c) * p + j]);
            }
        });
    }

    // A - R H, or A' - H R'.
    let (mut error, mut size) = (zero, zero);
    for j in 0..d {
        blocks!(n, |i, C| {
            let sums = if wide {
                product::<T, V, L, C>(&h[i..], n, &r[j * n..], 1, n)
            } else {
                product::<T, V, L, C>(&r[i..], n, &h[j * d..], 1, d)
            };
            for (sum, a) in sums.iter().zip(&a[j * n + i..]) {
                let a = V::load(a);
                let difference = a.minus(*sum);
                error = difference.times_plus(difference, error);
                size = a.times_plus(a, size);
            }
        });
    }
    sound & small::<T, V, L>(error, size, n)
}
