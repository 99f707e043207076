//! Products of matrices in lanes.

use super::Real;
use crate::lanes::Lanes;

/// Columns of `[[T; L]]`, one after the other, the first at `from`.
#[derive(Clone, Copy)]
pub struct Columns {
    pub from: usize,
    pub height: usize,
    pub count: usize,
}

/// Where the columns of U are, and after them those of V.
#[inline(always)]
pub fn left_and_right(n: usize, d: usize) -> (Columns, Columns) {
    let left = Columns { from: 0, height: n, count: d };
    (left, Columns { from: n * d, height: d, count: d })
}

impl Columns {
    #[inline(always)]
    pub fn of<C>(self, x: &[C], j: usize) -> &[C] {
        &x[self.from + j * self.height..][..self.height]
    }
}

/// The dot product of two columns, four partial sums.
#[inline(always)]
pub fn dot<T: Real, V: Lanes<T, L>, const L: usize>(x: &[[T; L]], y: &[[T; L]]) -> V {
    let zero = V::splat(T::default());
    let mut sums = [zero; 4];
    let ((x, x_rest), (y, y_rest)) = (x.as_chunks::<4>(), y.as_chunks::<4>());
    for (x, y) in x.iter().zip(y) {
        for (sum, (x, y)) in sums.iter_mut().zip(x.iter().zip(y)) {
            *sum = V::load(x).times_plus(V::load(y), *sum);
        }
    }
    for (sum, (x, y)) in sums.iter_mut().zip(x_rest.iter().zip(y_rest)) {
        *sum = V::load(x).times_plus(V::load(y), *sum);
    }
    sums[0].plus(sums[2]).plus(sums[1].plus(sums[3]))
}

/// A column times a number.
#[inline(always)]
pub fn scale<T: Real, V: Lanes<T, L>, const L: usize>(column: &mut [[T; L]], factor: V) {
    for cell in column {
        V::load(cell).times(factor).store(cell);
    }
}

/// `body` for each block of rows, with the height of the block as the constant `$height`. Not a
/// function of a closure: that would be compiled without the instruction set of its caller.
macro_rules! blocks {
    ($rows:expr, |$i:ident, $height:ident| $body:block) => {{
        let rows = $rows;
        let mut next = 0;
        while next + 8 <= rows {
            const $height: usize = 8;
            let $i = next;
            $body
            next += 8;
        }
        if next + 4 <= rows {
            const $height: usize = 4;
            let $i = next;
            $body
            next += 4;
        }
        while next < rows {
            const $height: usize = 1;
            let $i = next;
            $body
            next += 1;
        }
    }};
}

/// Rows of a matrix times a vector: `sum over k of columns[k * stride + c] * weights[k * step]` for
/// c below `C`.
#[inline(always)]
pub fn product<T: Real, V: Lanes<T, L>, const L: usize, const C: usize>(
    columns: &[[T; L]],
    stride: usize,
    weights: &[[T; L]],
    step: usize,
    count: usize,
) -> [V; C] {
    let mut sums = [V::splat(T::default()); C];
    for k in 0..count {
        let weight = V::load(&weights[k * step]);
        let cells = &columns[k * stride..][..C];
        for c in 0..C {
            sums[c] = V::load(&cells[c]).times_plus(weight, sums[c]);
        }
    }
    sums
}

/// The dot products of `C` columns with one.
#[inline(always)]
pub fn dots<T: Real, V: Lanes<T, L>, const L: usize, const C: usize>(
    columns: &[[T; L]],
    stride: usize,
    y: &[[T; L]],
) -> [V; C] {
    let columns: [_; C] = std::array::from_fn(|c| &columns[c * stride..][..y.len()]);
    let mut sums = [V::splat(T::default()); C];
    for (i, y) in y.iter().enumerate() {
        let y = V::load(y);
        for c in 0..C {
            sums[c] = V::load(&columns[c][i]).times_plus(y, sums[c]);
        }
    }
    sums
}

pub(super) use blocks;
