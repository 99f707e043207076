//! Some rows at a time in slivers, as [`isomorph_kernels::add_outer_products`] wants them.

use isomorph_kernels::{Isa, MAX_SLIVERS, SLIVER, add_outer_products};
use rayon::prelude::*;

use super::Sums;
use super::accumulate::Rows;
use crate::linalg::{Scalar, zeros};
use crate::{Error, Result};

/// Rows of a panel. A sliver of them fits the first-level cache.
pub const PANEL: usize = 256;

/// With one more row that stands for what came before; an odd number of cache lines, so that one row
/// of many slivers does not fall into few sets of the cache.
const CAPACITY: usize = PANEL + 1;

/// Numbers of a sliver.
const LENGTH: usize = CAPACITY * SLIVER;

/// Slivers that one task fills: a few cache lines of a row at a time.
const FILLED: usize = 8;

/// Slivers whose rows of the sums one task adds to.
const TASK: usize = 8;

/// Slivers that stay in the second-level cache while all of a task's go by.
const RIGHT: usize = 48;

/// Columns of the sums that a sliver holds; the rest of it is zero.
#[derive(Clone, Copy, Debug)]
struct Columns {
    first: usize,
    count: usize,
}

/// Rows about the mean, times the roots of their weights. No sliver has columns of both x and y.
pub struct Panel {
    isa: Isa,
    columns: Vec<Columns>,
    /// Slivers of x.
    split: usize,
    values: Vec<f64>,
    rows: usize,
}

impl Panel {
    /// Memory for rows of `split` and `width - split` columns.
    ///
    /// # Errors
    /// [`Error::Memory`] when it cannot be had.
    pub fn new(split: usize, width: usize) -> Result<Self> {
        let slivers = |from: usize, to: usize| {
            let first = (from..to).step_by(SLIVER);
            first.map(move |first| Columns { first, count: SLIVER.min(to - first) })
        };
        let columns: Vec<Columns> = slivers(0, split).chain(slivers(split, width)).collect();
        Ok(Self {
            isa: Isa::chosen().map_err(Error::Isa)?,
            values: zeros(columns.len() * LENGTH, "a panel of rows")?,
            split: split.div_ceil(SLIVER),
            columns,
            rows: 0,
        })
    }

    /// Begin anew, with `factor` times `row` if that is given.
    pub fn restart(&mut self, row: Option<(f64, &[f64])>) {
        self.rows = usize::from(row.is_some());
        let Some((factor, row)) = row else { return };
        for (sliver, columns) in self.values.chunks_exact_mut(LENGTH).zip(&self.columns) {
            for (to, x) in sliver.iter_mut().zip(&row[columns.first..][..columns.count]) {
                *to = factor * x;
            }
        }
    }

    /// Add the rows from place `first` on, widened, scaled, about the mean, times the roots of their
    /// weights.
    pub fn load<T: Scalar>(
        &mut self,
        sums: &Sums<'_>,
        rows: &Rows<'_, T>,
        first: usize,
        count: usize,
    ) {
        let (width, split) = (sums.width(), sums.split);
        let (high, low) = sums.mean.split_at(width);
        let begin = self.rows * SLIVER;
        self.rows += count;
        self.values.par_chunks_mut(FILLED * LENGTH).zip(self.columns.par_chunks(FILLED)).for_each(
            |(slivers, columns)| {
                for k in 0..count {
                    let row = rows.at(first + k);
                    let w = rows.weight(row);
                    let root = w.sqrt();
                    for (sliver, columns) in slivers.chunks_exact_mut(LENGTH).zip(columns) {
                        let to = &mut sliver[begin + k * SLIVER..][..columns.count];
                        if w == 0.0 {
                            // Not 0 times the row: its values may be out of range.
                            to.fill(0.0);
                            continue;
                        }
                        let place = columns.first;
                        let (values, scale) = if place < split {
                            (&rows.x.row(row)[place..], rows.scales[0])
                        } else {
                            (&rows.y.row(row)[place - split..], rows.scales[1])
                        };
                        let means = high[place..].iter().zip(&low[place..]);
                        for ((to, x), (high, low)) in to.iter_mut().zip(values).zip(means) {
                            *to = root * ((scale.apply(x.widen()) - high) - low);
                        }
                    }
                }
            },
        );
    }

    /// The squared lengths of the parts of x and of y of the last `count` rows.
    pub fn squares(&self, count: usize) -> Vec<[f64; 2]> {
        let begin = (self.rows - count) * SLIVER;
        let (x, y) = self.values.split_at(self.split * LENGTH);
        let mut squares = vec![[0.0; 2]; count];
        squares.par_chunks_mut(SLIVER).enumerate().for_each(|(chunk, squares)| {
            let from = begin + chunk * SLIVER * SLIVER;
            for (side, slivers) in [x, y].into_iter().enumerate() {
                let mut sums = [[0.0; SLIVER]; SLIVER];
                for sliver in slivers.chunks_exact(LENGTH) {
                    let rows = sliver[from..][..squares.len() * SLIVER].as_chunks::<SLIVER>().0;
                    for (sums, row) in sums.iter_mut().zip(rows) {
                        sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += x * x);
                    }
                }
                for (square, sums) in squares.iter_mut().zip(&sums) {
                    square[side] = sums.iter().sum();
                }
            }
        });
        squares
    }

    /// Add `factors[k]` times row k of the last rows to `to`, which has a value for each column.
    pub fn add_weighted(&self, factors: &[f64], to: &mut [f64]) {
        let begin = (self.rows - factors.len()) * SLIVER;
        let sums = self.values.par_chunks_exact(LENGTH).map(|sliver| {
            let rows = sliver[begin..].as_chunks::<SLIVER>().0;
            rows.iter().zip(factors).fold([0.0; SLIVER], |mut sums, (row, factor)| {
                sums.iter_mut().zip(row).for_each(|(sum, x)| *sum += factor * x);
                sums
            })
        });
        let sums: Vec<[f64; SLIVER]> = sums.collect();
        for (sums, columns) in sums.iter().zip(&self.columns) {
            let to = &mut to[columns.first..][..columns.count];
            to.iter_mut().zip(sums).for_each(|(to, sum)| *to += sum);
        }
    }

    /// Add the products of all columns with those from them on to the upper triangle of `second`.
    pub fn add_products(&self, second: &mut [f64]) {
        let width = self.columns.last().map_or(0, |last| last.first + last.count);
        let mut tasks = Vec::new();
        let mut rest = second;
        for (number, columns) in self.columns.chunks(TASK).enumerate() {
            let rows: usize = columns.iter().map(|columns| columns.count).sum();
            let (own, others) = rest.split_at_mut(rows * width);
            tasks.push((number * TASK, own));
            rest = others;
        }
        // The first ones are the longest.
        tasks.into_par_iter().with_max_len(1).for_each(|(first, rows)| {
            self.add_to_rows(first..(first + TASK).min(self.columns.len()), rows, width);
        });
    }

    /// As [`Panel::add_products`], of the columns of the slivers `left`, whose rows are given.
    fn add_to_rows(&self, left: std::ops::Range<usize>, rows: &mut [f64], width: usize) {
        let top = self.columns[left.start].first;
        for from in (left.start..self.columns.len()).step_by(RIGHT) {
            let to = (from + RIGHT).min(self.columns.len());
            for i in left.clone() {
                let rows = &mut rows[(self.columns[i].first - top) * width..];
                let mut j = from.max(i);
                while j < to {
                    let many = if j == i { 1 } else { MAX_SLIVERS.min(to - j) };
                    self.add_tile(i, j..j + many, rows, width);
                    j += many;
                }
            }
        }
    }

    fn add_tile(&self, i: usize, right: std::ops::Range<usize>, rows: &mut [f64], width: usize) {
        let own = self.columns[i];
        let slivers: [&[f64]; MAX_SLIVERS] =
            std::array::from_fn(|n| self.sliver((right.start + n).min(right.end - 1)));
        let (left, slivers) = (self.sliver(i), &slivers[..right.len()]);
        let whole = |columns: &Columns| columns.count == SLIVER;
        if own.count == SLIVER && right.start > i && self.columns[right.clone()].iter().all(whole) {
            let to = &mut rows[self.columns[right.start].first..];
            add_outer_products(self.isa, left, slivers, to, width);
            return;
        }
        const STRIDE: usize = MAX_SLIVERS * SLIVER;
        let mut tile = [0.0; SLIVER * STRIDE];
        add_outer_products(self.isa, left, slivers, &mut tile, STRIDE);
        for (r, (tile, row)) in
            tile.chunks_exact(STRIDE).zip(rows.chunks_mut(width)).take(own.count).enumerate()
        {
            for (columns, sums) in self.columns[right.clone()].iter().zip(tile.chunks(SLIVER)) {
                let skipped = (own.first + r).saturating_sub(columns.first).min(columns.count);
                let to = &mut row[columns.first..][skipped..columns.count];
                to.iter_mut().zip(&sums[skipped..]).for_each(|(to, sum)| *to += sum);
            }
        }
    }

    /// The filled part of a sliver.
    fn sliver(&self, s: usize) -> &[f64] {
        &self.values[s * LENGTH..][..self.rows * SLIVER]
    }
}
