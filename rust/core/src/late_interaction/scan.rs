//! The scan: a run of documents against a block of queries.
//!
//! The error of the filter, with u the unit roundoff of the computing type and d the columns: a
//! tile's product differs from the canonical one by at most `e = 2 γ_{d+4} Σ|q_k| max|x|`, plus what
//! underflows, at most the smallest positive value a step. (`γ_d Σ|q_k||x_k|` bounds recursive
//! summation, Higham 2002, section 3.1; the scale of integers rounds twice more; the factor 2
//! covers the canonical product's own error in `f64`.) If m is the largest product of a token in a
//! document, the canonical maximum is at least m - e, so its product is at least m - 2e: what is
//! below cannot be the maximum.

use std::ops::Range;

use isomorph_kernels::{Isa, Late, MAX_PANEL, TILE_ROWS};

use super::queries::Block;
use super::{Collection, Queries};
use crate::memory::reserved;
use crate::runtime::Control;
use crate::{Error, Result};

/// Rows that are multiplied at once: short documents together, a long one in parts.
const SHORT_ROWS: usize = 128;
const LONG_ROWS: usize = 1024;
/// Panels that are multiplied at once, so that the rows are read from memory for all of them.
const PANELS: usize = 2;
/// Maxima of the documents in work, at most (or of one document).
const MAXIMA: usize = 1 << 16;

/// What does not change during a scan.
#[derive(Clone, Copy)]
pub(super) struct Scan<'a, T> {
    pub isa: Isa,
    pub queries: &'a Queries<'a, T>,
    pub documents: &'a Collection<'a, T>,
    /// Whether a value that is not finite is an error.
    pub check_finite: bool,
    pub control: &'a Control,
}

/// The documents in work.
struct Work<T> {
    documents: Range<usize>,
    /// Rows in the computing type, where they are stored in another.
    widened: Vec<T>,
    /// Panel after panel, row after row.
    products: Vec<T>,
    /// The largest magnitude of every [`TILE_ROWS`] rows.
    magnitudes: Vec<T>,
    /// One a document.
    filters: Vec<Filter>,
    /// The canonical maxima so far, document after document, one a token of the padded block. NaN
    /// where a product overflows `f64`.
    best: Vec<f64>,
    /// Whether the document has a row that is finite.
    sound: Vec<bool>,
}

/// The rows in work, some documents' or a part of one's.
struct Part<'a, T> {
    values: &'a [T],
    start: usize,
    end: usize,
}

impl<T> Part<'_, T> {
    /// Those of the given rows that are in the part, counted from its start.
    fn rows_of(&self, rows: Range<usize>) -> Range<usize> {
        let inside = |row: usize| row.clamp(self.start, self.end) - self.start;
        inside(rows.start)..inside(rows.end)
    }
}

/// How far a document's tile products can be from the canonical ones.
enum Filter {
    /// By `relative * Σ|q_k| + absolute`.
    Within { relative: f64, absolute: f64 },
    /// Nobody knows: some product may overflow.
    Useless,
}

impl<T: Late> Scan<'_, T> {
    /// The scores of those documents: document after document, one for each query of the block.
    pub(super) fn run(&self, block: &Block<T>, documents: Range<usize>) -> Result<Vec<T>> {
        let offsets = self.documents.offsets;
        let mut scores = reserved(documents.len() * block.queries.len())?;
        let most = (MAXIMA / block.sizes.len().max(1)).max(1);
        let mut work = Work {
            documents: 0..0,
            widened: Vec::new(),
            products: Vec::new(),
            magnitudes: Vec::new(),
            filters: Vec::new(),
            best: Vec::new(),
            sound: Vec::new(),
        };
        let mut first = documents.start;
        while first < documents.end {
            self.control.check()?;
            let start = offsets.start(first);
            let short = |i: &usize| offsets.start(i + 1) - start <= SHORT_ROWS;
            let more = (first + 1..documents.end).take(most - 1).take_while(short).count();
            work.documents = first..first + 1 + more;
            work.best.clear();
            work.best.resize(work.documents.len() * block.sizes.len(), f64::NEG_INFINITY);
            work.sound.clear();
            work.sound.resize(work.documents.len(), false);
            let end = offsets.start(work.documents.end);
            for part in (start..end).step_by(LONG_ROWS) {
                self.control.check()?;
                self.part(block, &mut work, part..(part + LONG_ROWS).min(end))?;
            }
            for (i, &sound) in work.sound.iter().enumerate() {
                let best = &work.best[i * block.sizes.len()..][..block.sizes.len()];
                self.sum(block, best, sound, &mut scores)?;
            }
            self.control.advance(work.documents.len() as u64);
            first = work.documents.end;
        }
        Ok(scores)
    }

    /// Raise the maxima by some rows: those of several documents, or a part of one.
    fn part(&self, block: &Block<T>, work: &mut Work<T>, rows: Range<usize>) -> Result<()> {
        let depth = self.documents.cols;
        let mut widened = std::mem::take(&mut work.widened);
        let values = self.documents.widened(self.isa, &rows, &mut widened);
        let part = Part { values, start: rows.start, end: rows.end };
        work.magnitudes.clear();
        work.magnitudes.resize(rows.len().div_ceil(TILE_ROWS), T::default());
        if block.panel_count() == 0 {
            let tiles = values.chunks(TILE_ROWS * depth);
            for (largest, rows) in work.magnitudes.iter_mut().zip(tiles) {
                *largest = T::largest_magnitude(self.isa, rows);
            }
            self.look(block, work, &part)?;
        }
        for first in (0..block.panel_count()).step_by(PANELS) {
            let panels = first..(first + PANELS).min(block.panel_count());
            work.products.resize(panels.len() * rows.len() * T::PANEL, T::default());
            let packed = block.panels(panels.clone(), depth);
            // The first panels find the magnitudes, on the way.
            let magnitudes = if first == 0 { &mut work.magnitudes[..] } else { &mut [] };
            T::products(self.isa, values, depth, packed, &mut work.products, magnitudes);
            if first == 0 {
                self.look(block, work, &part)?;
            }
            self.apply_scales(work, &part);
            for (at, panel) in panels.enumerate() {
                self.maxima(block, work, &part, at, panel);
            }
        }
        work.widened = widened;
        Ok(())
    }

    /// How good the filter is for each document, from the magnitudes of its rows.
    fn look(&self, block: &Block<T>, work: &mut Work<T>, part: &Part<'_, T>) -> Result<()> {
        work.filters.clear();
        for (i, document) in work.documents.clone().enumerate() {
            let own = part.rows_of(self.documents.offsets.rows(document));
            // The tiles at the ends may have rows of other documents, too: a larger bound.
            let tiles = own.start / TILE_ROWS..own.end.div_ceil(TILE_ROWS);
            let tiles = if own.is_empty() { &[][..] } else { &work.magnitudes[tiles] };
            let largest = tiles.iter().fold(0.0, |a: f64, b| a.max(b.magnitude().to_f64()));
            let bad = |row: &usize| !self.row(part, *row).iter().all(|x| x.finite());
            if T::from_f64(largest).finite() {
                work.sound[i] |= !own.is_empty();
            } else if let Some(row) = own.clone().find(bad) {
                if self.check_finite {
                    let (argument, row) = ("documents", part.start + row);
                    return Err(Error::NonFinite { argument, row });
                }
                work.sound[i] |= !own.clone().all(|row| bad(&row));
            } else {
                work.sound[i] |= !own.is_empty();
            }
            let scale = self.largest_scale(document, &own, part.start);
            work.filters.push(self.filter(block, largest, scale));
        }
        Ok(())
    }

    fn row<'b>(&self, part: &Part<'b, T>, row: usize) -> &'b [T] {
        &part.values[row * self.documents.cols..][..self.documents.cols]
    }

    /// Raise the maxima of one panel's tokens, whose products stand at `at`.
    fn maxima(
        &self,
        block: &Block<T>,
        work: &mut Work<T>,
        part: &Part<'_, T>,
        at: usize,
        panel: usize,
    ) {
        let lanes = panel * T::PANEL..(panel + 1) * T::PANEL;
        let sizes = &block.sizes[lanes.clone()];
        let count = part.end - part.start;
        let products = &work.products[at * count * T::PANEL..][..count * T::PANEL];
        for (i, document) in work.documents.clone().enumerate() {
            let best = &mut work.best[i * block.sizes.len()..][lanes.clone()];
            let own = part.rows_of(self.documents.offsets.rows(document));
            let mut score = |row: usize, lane: usize| {
                let row = own.start + row;
                let token = self.queries.tokens.row(block.tokens.start + lanes.start + lane);
                let product = T::dot(self.isa, token, self.row(part, row));
                let scale = self.documents.scale(document, part.start + row);
                let score = scale.map_or(product, |scale| product * scale);
                if !score.is_finite() {
                    best[lane] = f64::NAN;
                } else if score > best[lane] {
                    best[lane] = score;
                }
            };
            if let Filter::Within { relative, absolute } = work.filters[i] {
                let products = &products[own.start * T::PANEL..own.end * T::PANEL];
                let error = |size: f64| relative * size + absolute;
                self.score_what_passes(products, sizes, error, score);
                continue;
            }
            for row in 0..own.len() {
                if self.row(part, own.start + row).iter().all(|x| x.finite()) {
                    for lane in (0..sizes.len()).filter(|&lane| sizes[lane].is_some()) {
                        score(row, lane);
                    }
                }
            }
        }
    }

    /// Call `score(row, lane)` for every product that can be its lane's maximum.
    fn score_what_passes(
        &self,
        products: &[T],
        sizes: &[Option<f64>],
        error: impl Fn(f64) -> f64,
        score: impl FnMut(usize, usize),
    ) {
        if products.is_empty() {
            return;
        }
        let mut bars = [T::NEG_INFINITY; MAX_PANEL];
        let bars = &mut bars[..T::PANEL];
        T::raise_to_maxima(self.isa, products, bars);
        for (bar, size) in bars.iter_mut().zip(sizes) {
            *bar = size.map_or(T::INFINITY, |size| {
                T::from_f64(bar.to_f64() - 2.0 * error(size)).next_down()
            });
        }
        T::for_each_at_least(self.isa, products, bars, score);
    }

    /// Multiply the products by the scales of their rows.
    fn apply_scales(&self, work: &mut Work<T>, part: &Part<'_, T>) {
        let rows = part.end - part.start;
        for document in work.documents.clone() {
            for row in part.rows_of(self.documents.offsets.rows(document)) {
                let Some(scale) = self.documents.scale(document, part.start + row) else {
                    return;
                };
                for panel in work.products.chunks_exact_mut(rows * T::PANEL) {
                    for product in &mut panel[row * T::PANEL..][..T::PANEL] {
                        *product = product.times(T::from_f64(scale));
                    }
                }
            }
        }
    }

    /// The largest scale of those rows, but at least 1.
    fn largest_scale(&self, document: usize, own: &Range<usize>, start: usize) -> f64 {
        let scales = own.clone().filter_map(|row| self.documents.scale(document, start + row));
        scales.fold(1.0, |largest: f64, scale| largest.max(scale.abs()))
    }

    /// The bound of the module's head for a document with that largest value.
    fn filter(&self, block: &Block<T>, largest: f64, scale: f64) -> Filter {
        let steps = self.documents.cols as f64 + 4.0;
        let du = steps * T::UNIT_ROUNDOFF;
        let size = block.sizes.iter().flatten().fold(0.0, |a: f64, &b| a.max(b));
        if du < 0.25 && T::from_f64(4.0 * size * largest * scale).finite() {
            let relative = 2.0 * du / (1.0 - du) * largest * scale;
            Filter::Within { relative, absolute: steps * T::SMALLEST * scale }
        } else {
            Filter::Useless
        }
    }

    /// Add the maxima of each query, in the order of its tokens.
    fn sum(&self, block: &Block<T>, best: &[f64], sound: bool, scores: &mut Vec<T>) -> Result<()> {
        for query in block.queries.clone() {
            if !sound {
                scores.push(T::NEG_INFINITY);
                continue;
            }
            let tokens = self.queries.offsets.rows(query);
            let own = tokens.start - block.tokens.start..tokens.end - block.tokens.start;
            let counted = own.filter(|&i| block.sizes[i].is_some());
            let total = counted.fold(0.0, |total, i| total + best[i]);
            // Adding zero leaves one zero: equal scores have equal bytes.
            let score = T::from_f64(total).plus(T::default());
            if !score.finite() {
                let (argument, row) = ("queries", query);
                return Err(Error::ScoreOverflow { argument, row, dtype: T::NAME });
            }
            scores.push(score);
        }
        Ok(())
    }
}
