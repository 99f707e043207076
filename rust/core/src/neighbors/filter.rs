//! The two filters: a tile of the computing type, and one of integer codes.
//!
//! A filter holds both sides of a search in the tile's terms. For every criterion it has biases of
//! both sides; a tile value plus the other side's bias is, up to the error of [`Affine`], at least
//! `slope * score + offset` of the pair.

use isomorph_kernels::{
    CODE_COLUMNS, CODE_MAX_DEPTH, CODE_ROWS, CodeColumns, CodeRows, Criterion, Element, Hits, Isa,
    Side, code_tile, code_tiles,
};

use super::codes::{Codes, depth, up};
use super::prepare::{Affine, Packed, Prepared};
use super::score::Scorer;
use crate::Result;
use crate::memory::filled;

/// Slices of one panel, one a criterion.
pub(super) type PerCriterion<'p, L, const N: usize> = [&'p [L]; N];

/// Of each of two panels of columns, where columns select.
pub(super) type OfTwo<'p, L, const N: usize> = [Option<PerCriterion<'p, L, N>>; 2];

/// Both sides of a search, ready for tiles, with `N` criteria.
pub(super) trait Filter<T: Element, const N: usize>: Sync {
    /// The type of the tile's values.
    type Lane: Element;
    /// A packed block of rows or columns.
    type Rows: Sync;
    type Columns: Sync;
    /// Rows and columns of a tile.
    const HEIGHT: usize;
    const WIDTH: usize;
    /// Rows, and columns, that are worked on together, a part of the L2 cache each.
    const CHUNK_ROWS: usize;
    const CHUNK_COLUMNS: usize;

    fn rows(&self) -> usize;
    fn columns(&self) -> usize;
    /// Rows, and columns, of a block, in whole panels.
    fn row_step(&self) -> usize;
    fn column_step(&self) -> usize;
    fn pack_rows(&self, start: usize, end: usize) -> Self::Rows;
    fn pack_columns(&self, start: usize, end: usize) -> Self::Columns;
    /// By the first criterion.
    fn row_affine(&self, i: usize) -> Affine;
    fn column_affine(&self, j: usize) -> Affine;
    /// The biases of one panel.
    fn row_bias<'b>(&'b self, rows: &'b Self::Rows, panel: usize) -> [&'b [Self::Lane]; N];
    fn column_bias<'b>(&'b self, columns: &'b Self::Columns, panel: usize)
    -> [&'b [Self::Lane]; N];
    /// One panel of rows against one of columns; without thresholds of the columns, only rows
    /// select. See [`Element::tile`].
    fn tile(
        &self,
        rows: (&Self::Rows, usize, PerCriterion<'_, Self::Lane, N>),
        columns: (&Self::Columns, usize, Option<PerCriterion<'_, Self::Lane, N>>),
        hits: &mut Hits<Self::Lane>,
    ) -> bool;
    /// [`Filter::tile`] with a panel of columns and the one behind it; whether each has something.
    fn tiles(
        &self,
        rows: (&Self::Rows, usize, PerCriterion<'_, Self::Lane, N>),
        (columns, panel, [first, second]): (&Self::Columns, usize, OfTwo<'_, Self::Lane, N>),
        hits: &mut [Hits<Self::Lane>; 2],
    ) -> [bool; 2] {
        [
            self.tile(rows, (columns, panel, first), &mut hits[0]),
            self.tile(rows, (columns, panel + 1, second), &mut hits[1]),
        ]
    }
}

/// The largest packed block of one side.
const BLOCK_BYTES: usize = 32 << 20;

/// Rows of a block: all of them, or an even share that fits [`BLOCK_BYTES`], in whole panels.
fn block_rows(rows: usize, bytes_per_row: usize, width: usize) -> usize {
    let blocks = (rows * bytes_per_row).div_ceil(BLOCK_BYTES).max(1);
    rows.div_ceil(blocks).next_multiple_of(width)
}

/// Tiles of the computing type; blocks are packed when they are asked for.
pub(super) struct FloatFilter<'s, 'a, T: Element> {
    scorer: &'s Scorer<'a, T>,
    prepared: &'s Prepared,
}

impl<'s, 'a, T: Element> FloatFilter<'s, 'a, T> {
    pub(super) const fn new(scorer: &'s Scorer<'a, T>, prepared: &'s Prepared) -> Self {
        Self { scorer, prepared }
    }
}

impl<T: Element> Filter<T, 1> for FloatFilter<'_, '_, T> {
    type Lane = T;
    type Rows = Packed<T>;
    type Columns = Packed<T>;
    const HEIGHT: usize = T::TILE_ROWS;
    const WIDTH: usize = T::TILE_COLUMNS;
    /// 230 KiB at 300 columns of f32.
    const CHUNK_ROWS: usize = 192;
    /// 600 KiB at 300 columns of f32.
    const CHUNK_COLUMNS: usize = 512;

    fn rows(&self) -> usize {
        self.scorer.left.len()
    }

    fn columns(&self) -> usize {
        self.scorer.right.len()
    }

    fn row_step(&self) -> usize {
        block_rows(self.rows(), self.scorer.left.cols() * size_of::<T>(), Self::HEIGHT)
    }

    fn column_step(&self) -> usize {
        block_rows(self.columns(), self.scorer.left.cols() * size_of::<T>(), Self::WIDTH)
    }

    fn pack_rows(&self, start: usize, end: usize) -> Packed<T> {
        self.prepared.left.pack(&self.scorer.left, start, end, Self::HEIGHT)
    }

    fn pack_columns(&self, start: usize, end: usize) -> Packed<T> {
        self.prepared.right.pack(&self.scorer.right, start, end, Self::WIDTH)
    }

    fn row_affine(&self, i: usize) -> Affine {
        self.prepared.left.affine[i]
    }

    fn column_affine(&self, j: usize) -> Affine {
        self.prepared.right.affine[j]
    }

    fn row_bias<'b>(&'b self, rows: &'b Packed<T>, panel: usize) -> [&'b [T]; 1] {
        [&rows.bias[panel * Self::HEIGHT..][..Self::HEIGHT]]
    }

    fn column_bias<'b>(&'b self, columns: &'b Packed<T>, panel: usize) -> [&'b [T]; 1] {
        [&columns.bias[panel * Self::WIDTH..][..Self::WIDTH]]
    }

    fn tile(
        &self,
        (rows, row_panel, [row_threshold]): (&Packed<T>, usize, [&[T]; 1]),
        (columns, column_panel, column_thresholds): (
            &Packed<T>,
            usize,
            Option<PerCriterion<'_, T, 1>>,
        ),
        hits: &mut Hits<T>,
    ) -> bool {
        let depth = self.scorer.left.cols();
        let [row_bias] = self.row_bias(rows, row_panel);
        let [column_bias] = self.column_bias(columns, column_panel);
        let both = column_thresholds.is_some();
        let [column_threshold] = column_thresholds.unwrap_or([&T::INFINITIES[..Self::WIDTH]]);
        let rows = Side {
            packed: rows.panel(row_panel, Self::HEIGHT * depth),
            bias: row_bias,
            threshold: row_threshold,
        };
        let columns = Side {
            packed: columns.panel(column_panel, Self::WIDTH * depth),
            bias: column_bias,
            threshold: column_threshold,
        };
        T::tile(self.scorer.isa, &rows, &columns, both, hits)
    }
}

/// Tiles of codes; both sides are packed already.
pub(super) struct CodeFilter<'s, const N: usize> {
    isa: Isa,
    left: &'s Codes<'s>,
    right: &'s Codes<'s>,
    left_scale: Vec<f32>,
    left_bias: [Vec<f32>; N],
    right_bias: [Vec<f32>; N],
    left_affine: Vec<Affine>,
    right_affine: Vec<Affine>,
}

/// What one side means beside its codes.
pub(super) struct Meaning<'s, const N: usize> {
    /// Added before the other side compares, by each criterion; `-inf` for rows never selected.
    pub bias: [&'s (dyn Fn(usize) -> f64 + Sync); N],
    /// Slope and offset by the first criterion; empty where this side does not select.
    pub affine: &'s [Affine],
}

impl<'s, const N: usize> CodeFilter<'s, N> {
    /// `ratio` multiplies what the codes of the columns stand for.
    pub(super) fn new(
        isa: Isa,
        (left, left_meaning): (&'s Codes<'s>, Meaning<'_, N>),
        (right, right_meaning): (&'s Codes<'s>, Meaning<'_, N>),
        ratio: f64,
        largest_bias: f64,
    ) -> Result<Self> {
        // |x . y - tile| <= row_norm E_y + code_norm E_x, and the roundings of the tile, in f32: up to
        // four of a value (its conversion, two scales, one of them rounded) and of its sum with a
        // bias. A code can be nearly twice its coordinate, so values reach 4 in many dimensions.
        let (row_norm, code_norm) = (left.largest.row, right.largest.code * ratio);
        let roundings = f64::from(f32::EPSILON) / 2.0 * (32.0 + 8.0 * largest_bias);
        let (n, m) = (left.scale.len(), right.scale.len());
        #[allow(clippy::cast_possible_truncation)]
        let scaled = |s: &f32| (f64::from(*s) * ratio) as f32;
        let left_error = |i: usize| code_norm * f64::from(left.error[i]);
        let right_error = |j: usize| row_norm * f64::from(right.error[j]) * ratio;
        let biases =
            |codes: &Codes<'_>, count, meaning: &Meaning<'_, N>, error: &dyn Fn(usize) -> f64| {
                let mut all: [Vec<f32>; N] = std::array::from_fn(|_| Vec::new());
                for (out, bias) in all.iter_mut().zip(meaning.bias) {
                    *out = filled(f32::NEG_INFINITY, count)?;
                    for (i, out) in out[..codes.len()].iter_mut().enumerate() {
                        *out = up(error(i) + bias(i));
                    }
                }
                Ok::<_, crate::Error>(all)
            };
        let affine = |given: &[Affine], error: &dyn Fn(usize) -> f64| {
            let with = |(i, affine): (usize, &Affine)| Affine {
                error: affine.error + error(i) + roundings,
                ..*affine
            };
            given.iter().enumerate().map(with).collect()
        };
        Ok(Self {
            isa,
            left,
            right,
            left_scale: left.scale.iter().map(scaled).collect(),
            left_bias: biases(left, n, &left_meaning, &left_error)?,
            right_bias: biases(right, m, &right_meaning, &right_error)?,
            left_affine: affine(left_meaning.affine, &left_error),
            right_affine: affine(right_meaning.affine, &right_error),
        })
    }

    fn side<const WIDTH: usize>(biases: &[Vec<f32>; N], panel: usize) -> [&[f32]; N] {
        std::array::from_fn(|c| &biases[c][panel * WIDTH..][..WIDTH])
    }

    #[inline]
    fn row_side<'b>(&'b self, at: usize, thresholds: PerCriterion<'b, f32, N>) -> CodeRows<'b, N> {
        CodeRows {
            codes: self.left.panel(at),
            width: self.left.bits(),
            correction: &self.left.correction[at * CODE_ROWS..][..CODE_ROWS],
            scale: &self.left_scale[at * CODE_ROWS..][..CODE_ROWS],
            criteria: criteria(Self::side::<CODE_ROWS>(&self.left_bias, at), thresholds),
        }
    }

    #[inline]
    fn column_side<'b>(
        &'b self,
        at: usize,
        thresholds: Option<PerCriterion<'b, f32, N>>,
    ) -> CodeColumns<'b, N> {
        let bias = Self::side::<CODE_COLUMNS>(&self.right_bias, at);
        CodeColumns {
            codes: self.right.panel(at),
            scale: &self.right.scale[at * CODE_COLUMNS..][..CODE_COLUMNS],
            criteria: criteria(bias, thresholds.unwrap_or([&f32::INFINITIES[..]; N])),
        }
    }
}

fn criteria<'b, const N: usize>(
    bias: [&'b [f32]; N],
    threshold: [&'b [f32]; N],
) -> [Criterion<'b>; N] {
    std::array::from_fn(|c| Criterion { bias: bias[c], threshold: threshold[c] })
}

/// A block of codes is where it begins, in panels.
type FirstPanel = usize;

impl<T: Element, const N: usize> Filter<T, N> for CodeFilter<'_, N> {
    type Lane = f32;
    type Rows = FirstPanel;
    type Columns = FirstPanel;
    const HEIGHT: usize = CODE_ROWS;
    const WIDTH: usize = CODE_COLUMNS;
    /// 233 KiB at 300 columns. Every list that a pass touches is fetched once a chunk of the other
    /// side: fewer rows cost more than they leave room for.
    const CHUNK_ROWS: usize = 768;
    /// 311 KiB at 300 columns.
    const CHUNK_COLUMNS: usize = 1024;

    fn rows(&self) -> usize {
        self.left.len()
    }

    fn columns(&self) -> usize {
        self.right.len()
    }

    fn row_step(&self) -> usize {
        self.left.len().next_multiple_of(CODE_ROWS)
    }

    fn column_step(&self) -> usize {
        self.right.len().next_multiple_of(CODE_COLUMNS)
    }

    fn pack_rows(&self, start: usize, _: usize) -> FirstPanel {
        start / CODE_ROWS
    }

    fn pack_columns(&self, start: usize, _: usize) -> FirstPanel {
        start / CODE_COLUMNS
    }

    fn row_affine(&self, i: usize) -> Affine {
        self.left_affine[i]
    }

    fn column_affine(&self, j: usize) -> Affine {
        self.right_affine[j]
    }

    fn row_bias<'b>(&'b self, rows: &'b FirstPanel, panel: usize) -> [&'b [f32]; N] {
        Self::side::<CODE_ROWS>(&self.left_bias, rows + panel)
    }

    fn column_bias<'b>(&'b self, columns: &'b FirstPanel, panel: usize) -> [&'b [f32]; N] {
        Self::side::<CODE_COLUMNS>(&self.right_bias, columns + panel)
    }

    fn tile(
        &self,
        (rows, row_panel, row_thresholds): (&FirstPanel, usize, [&[f32]; N]),
        (columns, column_panel, thresholds): (&FirstPanel, usize, Option<PerCriterion<'_, f32, N>>),
        hits: &mut Hits<f32>,
    ) -> bool {
        let row_side = self.row_side(rows + row_panel, row_thresholds);
        let column_side = self.column_side(columns + column_panel, thresholds);
        if thresholds.is_some() {
            code_tile::<N, true>(self.isa, &row_side, &column_side, hits)
        } else {
            code_tile::<N, false>(self.isa, &row_side, &column_side, hits)
        }
    }

    fn tiles(
        &self,
        (rows, row_panel, row_thresholds): (&FirstPanel, usize, [&[f32]; N]),
        (columns, column_panel, [first, second]): (&FirstPanel, usize, OfTwo<'_, f32, N>),
        hits: &mut [Hits<f32>; 2],
    ) -> [bool; 2] {
        let at = columns + column_panel;
        let row_side = self.row_side(rows + row_panel, row_thresholds);
        let column_sides = [self.column_side(at, first), self.column_side(at + 1, second)];
        if first.is_some() || second.is_some() {
            code_tiles::<N, true>(self.isa, &row_side, &column_sides, hits)
        } else {
            code_tiles::<N, false>(self.isa, &row_side, &column_sides, hits)
        }
    }
}

/// Whether integer sums of rows of that many values fit.
pub(super) const fn codes_fit(cols: usize) -> bool {
    depth(cols) <= CODE_MAX_DEPTH
}
