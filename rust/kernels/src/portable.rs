//! Plain Rust in fixed-size chunks: the reference of every other instruction set, fast enough to
//! use where there is none.

use crate::Element;
use crate::integer::{CODE_COLUMNS, CODE_GROUP, CODE_ROWS, CodeColumns, CodeRows};
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

/// See [`crate::code_tile`]: the definition of what it computes.
pub fn code_tile<const N: usize, const BOTH: bool>(
    rows: &CodeRows<'_, N>,
    columns: &CodeColumns<'_, N>,
    hits: &mut Hits<f32>,
) -> bool {
    let offset = i32::from(rows.width.offset());
    let mut sums = [[0i32; CODE_COLUMNS]; CODE_ROWS];
    let (x, _) = rows.codes.as_chunks::<{ CODE_ROWS * CODE_GROUP }>();
    let (y, _) = columns.codes.as_chunks::<{ CODE_COLUMNS * CODE_GROUP }>();
    for (x, y) in x.iter().zip(y) {
        for (line, x) in sums.iter_mut().zip(x.as_chunks::<CODE_GROUP>().0) {
            for (sum, y) in line.iter_mut().zip(y.as_chunks::<CODE_GROUP>().0) {
                for (&x, &y) in x.iter().zip(y) {
                    *sum += i32::from(x.cast_signed()) * (i32::from(y) - offset);
                }
            }
        }
    }
    let mut any = 0;
    for (i, line) in sums.iter().enumerate() {
        let (mut for_row, mut for_columns) = (0u16, 0u16);
        for (j, &sum) in line.iter().enumerate() {
            #[allow(clippy::cast_precision_loss)] // Part of the definition.
            let score = (sum as f32 * columns.scale[j]) * rows.scale[i];
            hits.scores[i * CODE_COLUMNS + j] = score;
            for (row, column) in rows.criteria.iter().zip(&columns.criteria) {
                for_row |= u16::from(score + column.bias[j] > row.threshold[i]) << j;
                for_columns |= u16::from(BOTH && score + row.bias[i] > column.threshold[j]) << j;
            }
        }
        hits.for_rows[i] = for_row;
        hits.for_columns[i] = for_columns;
        any |= for_row | for_columns;
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
