//! Sums of outer products: what X'Y is made of, in `f64`.

use crate::isa::Isa;
#[cfg(target_arch = "x86_64")]
use crate::isa::Level;
use crate::lanes::{Array, Lanes};

/// Columns of a sliver.
pub const SLIVER: usize = 8;

/// Most slivers on the right of one product.
pub const MAX_SLIVERS: usize = 3;

/// `to[i][j] += sum_k left[k][i] right[k][j]`, for the 8 columns of `left` and those of all of `right`.
///
/// A sliver is 8 columns of a matrix, row after row: value k of its column i at `8 k + i`. `right` has
/// one to three of them, as deep as `left`. Row i of the result stands at `to[i * stride..]`, as many
/// values as `right` has columns. Each value is one chain over k, from the first to the last, added to
/// what was there: where multiplications are fused, its bits do not depend on the instruction set.
///
/// # Panics
/// When the lengths do not fit.
pub fn add_outer_products(isa: Isa, left: &[f64], right: &[&[f64]], to: &mut [f64], stride: usize) {
    let columns = right.len() * SLIVER;
    assert!(
        (1..=MAX_SLIVERS).contains(&right.len())
            && left.len().is_multiple_of(SLIVER)
            && right.iter().all(|sliver| sliver.len() == left.len())
            && stride >= columns
            && to.len() >= (SLIVER - 1) * stride + columns,
        "slivers do not fit"
    );
    match isa.level() {
        // SAFETY: the CPU has what the level says.
        #[cfg(target_arch = "x86_64")]
        Level::Avx512 => unsafe { crate::x86_64::outer::avx512(left, right, to, stride) },
        // SAFETY: as above.
        #[cfg(target_arch = "x86_64")]
        Level::Avx2 => unsafe { crate::x86_64::outer::avx2(left, right, to, stride) },
        _ => each::<Array<f64, SLIVER>, 4>(left, right, to, stride),
    }
}

/// One sliver of the right after the other, `R` rows of the result at a time.
#[inline(always)]
pub fn each<V: Lanes<f64, SLIVER>, const R: usize>(
    left: &[f64],
    right: &[&[f64]],
    to: &mut [f64],
    stride: usize,
) {
    for (n, sliver) in right.iter().enumerate() {
        plain::<V, 1, R>(left, [sliver], &mut to[n * SLIVER..], stride);
    }
}

/// All slivers of the right at once, `R` rows of the result at a time.
#[inline(always)]
pub fn plain<V: Lanes<f64, SLIVER>, const N: usize, const R: usize>(
    left: &[f64],
    right: [&[f64]; N],
    to: &mut [f64],
    stride: usize,
) {
    let (left, _) = left.as_chunks::<SLIVER>();
    let depth = left.len();
    let right = right.map(|sliver| &sliver.as_chunks::<SLIVER>().0[..depth]);
    for first in (0..SLIVER).step_by(R) {
        let mut sums = [[V::splat(0.0); N]; R];
        for k in 0..depth {
            // No closures: they would not be made for the instruction set.
            let mut y = [V::splat(0.0); N];
            for (y, sliver) in y.iter_mut().zip(&right) {
                *y = V::load(&sliver[k]);
            }
            for (sums, x) in sums.iter_mut().zip(&left[k][first..first + R]) {
                let x = V::splat(*x);
                for (sum, y) in sums.iter_mut().zip(y) {
                    *sum = x.times_plus(y, *sum);
                }
            }
        }
        for (r, sums) in sums.iter().enumerate() {
            let row = &mut to[(first + r) * stride..][..N * SLIVER];
            for (to, sum) in row.as_chunks_mut().0.iter_mut().zip(sums) {
                V::load(to).plus(*sum).store(to);
            }
        }
    }
}
