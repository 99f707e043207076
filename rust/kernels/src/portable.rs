//! Plain Rust in fixed-size chunks: the reference of every other instruction set, fast enough to
//! use where there is none.

use crate::Element;
use crate::tile::{Hits, Side};

/// Lanes of the canonical sums.
pub const LANES: usize = 8;

/// Arithmetic of the type itself, which `Element` keeps to itself.
pub trait Arithmetic:
    Element + std::ops::Add<Output = Self> + std::ops::Mul<Output = Self>
{
}
impl Arithmetic for f32 {}
impl Arithmetic for f64 {}

/// See [`Element::tile`].
pub fn tile<T: Arithmetic, const ROWS: usize, const COLUMNS: usize>(
    rows: &Side<'_, T>,
    columns: &Side<'_, T>,
    both: bool,
    hits: &mut Hits<T>,
) -> bool {
    let mut scores = [[T::default(); COLUMNS]; ROWS];
    let (x, _) = rows.packed.as_chunks::<ROWS>();
    let (y, _) = columns.packed.as_chunks::<COLUMNS>();
    for (x, y) in x.iter().zip(y) {
        for (line, &x) in scores.iter_mut().zip(x) {
            for (score, &y) in line.iter_mut().zip(y) {
                *score = *score + x * y;
            }
        }
    }
    let mut any = 0;
    for (i, line) in scores.iter().enumerate() {
        let (mut for_row, mut for_columns) = (0u16, 0u16);
        for (j, &score) in line.iter().enumerate() {
            for_row |= u16::from(score + columns.bias[j] > rows.threshold[i]) << j;
            for_columns |= u16::from(both && score + rows.bias[i] > columns.threshold[j]) << j;
        }
        hits.for_rows[i] = for_row;
        hits.for_columns[i] = for_columns;
        any |= for_row | for_columns;
    }
    for (out, line) in hits.scores.as_chunks_mut::<COLUMNS>().0.iter_mut().zip(&scores) {
        *out = *line;
    }
    any != 0
}

/// See [`Element::dot`].
pub fn dot<T: Element>(x: &[T], y: &[T]) -> f64 {
    lanes(x, y, |x, y| x * y)
}

/// See [`Element::squared_distance`].
pub fn squared_distance<T: Element>(x: &[T], y: &[T]) -> f64 {
    lanes(x, y, |x, y| (x - y) * (x - y))
}

fn lanes<T: Element>(x: &[T], y: &[T], term: impl Fn(f64, f64) -> f64) -> f64 {
    let mut sums = [0.0; LANES];
    let (x_chunks, x_rest) = x.as_chunks::<LANES>();
    let (y_chunks, y_rest) = y.as_chunks::<LANES>();
    for (x, y) in x_chunks.iter().zip(y_chunks) {
        for lane in 0..LANES {
            sums[lane] += term(x[lane].to_f64(), y[lane].to_f64());
        }
    }
    for (sum, (x, y)) in sums.iter_mut().zip(x_rest.iter().zip(y_rest)) {
        *sum += term(x.to_f64(), y.to_f64());
    }
    sum_of_lanes(sums)
}

/// The one order in which lanes are added.
pub fn sum_of_lanes(s: [f64; LANES]) -> f64 {
    ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))
}
