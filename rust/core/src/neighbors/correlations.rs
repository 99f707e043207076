//! Which rows may have the largest `|<a, r>|` with a vector r, by integer codes: what matching
//! pursuit filters by, step after step, with other vectors and the same rows.

use isomorph_kernels::{CODE_COLUMNS, CODE_ROWS, Element, Hits, Isa};
use rayon::prelude::*;

use super::codes::{Codes, Side};
use super::filter::{CodeFilter, Filter, Meaning, codes_fit};
use super::prepare::{Affine, inverse};
use super::score::Rows;
use crate::Result;
use crate::matrix::MatRef;
use crate::runtime::Control;

/// Rows (atoms) and columns below which codes do not pay.
const FEWEST: (usize, usize) = (256, 32);
/// Panels of atoms of a task: 512 atoms.
const PANELS: usize = 32;
/// Panels of vectors that meet a panel of atoms while it is in the cache.
const CHUNK: usize = 16;
/// Thresholds that everything passes.
const OPEN: [f32; CODE_ROWS] = [f32::NEG_INFINITY; CODE_ROWS];

/// A bound of `|<a, r>|`, never below it, and the number of a.
pub(crate) type Bound = (f64, u32);

/// Rows as codes.
pub(crate) struct Correlations {
    isa: Isa,
    codes: Codes<'static>,
    /// No row is longer; the codes are those of rows divided by it.
    longest: f64,
    /// Values of a row.
    depth: usize,
    sound: Vec<bool>,
}

/// A vector of norm 1 that rows are compared with.
#[derive(Clone, Copy)]
pub(crate) struct Wanted<'v> {
    /// Some row's `|<a, r>|` is at least this.
    pub floor: f64,
    /// Rows that are left out.
    pub without: &'v [u32],
}

impl Correlations {
    /// Codes of `rows`, whose norms are given; `None` where they do not pay.
    pub(crate) fn new<T: Element>(
        isa: Isa,
        rows: MatRef<'_, T>,
        norms: &[f64],
        control: &Control,
    ) -> Result<Option<Self>> {
        let (count, depth) = (rows.rows(), rows.cols());
        let pays = count >= FEWEST.0 && depth >= FEWEST.1;
        let longest = norms.iter().fold(0.0, |a: f64, &b| a.max(b));
        if !(pays && isa.has_fast_codes() && codes_fit(depth) && longest > 0.0) {
            return Ok(None);
        }
        let sound = norms.iter().map(|norm| norm.is_finite()).collect();
        let rows = Rows::with_norms(rows, norms.to_vec());
        let kind = (Side::Columns, isa.code_width());
        let codes = Codes::new(kind, &rows, None, &vec![inverse(longest); count], control)?;
        Ok(Some(Self { isa, codes, longest, depth, sound }))
    }

    /// For each vector of `units` the bounds of all rows that may be the largest.
    pub(crate) fn candidates(
        &self,
        units: &[f32],
        wanted: &[Wanted<'_>],
        control: &Control,
    ) -> Result<Vec<Vec<Bound>>> {
        let vectors = Rows::with_norms(
            MatRef::new(units, wanted.len(), self.depth)?,
            vec![1.0; wanted.len()],
        );
        let kind = (Side::Rows, self.codes.bits());
        let own = Codes::new(kind, &vectors, None, &vec![1.0; wanted.len()], control)?;
        // The rounding of the vector, and that of the product which decides.
        let error = 4.0 * f64::from(f32::EPSILON) + self.depth as f64 * f64::EPSILON;
        let affine = vec![Affine { slope: 1.0, offset: 0.0, error }; wanted.len()];
        let mask = |j: usize| if self.sound[j] { 0.0 } else { f64::NEG_INFINITY };
        let filter: CodeFilter<'_, 1> = CodeFilter::new(
            self.isa,
            (&own, Meaning { bias: [&|_| 0.0], affine: &affine }),
            (&self.codes, Meaning { bias: [&mask], affine: &[] }),
            1.0,
            0.0,
        )?;
        let errors: Vec<f64> =
            (0..wanted.len()).map(|i| Filter::<f32, 1>::row_affine(&filter, i).error).collect();
        let panels = self.codes.len().div_ceil(CODE_COLUMNS);
        let blocks: Result<Vec<Vec<Found>>> = (0..panels.div_ceil(PANELS))
            .into_par_iter()
            .with_max_len(1)
            .map(|block| {
                control.check()?;
                let panels = block * PANELS..((block + 1) * PANELS).min(panels);
                let start = |(wanted, error): (&Wanted<'_>, &f64)| {
                    Found::new(wanted.floor / self.longest, *error)
                };
                let mut found: Vec<Found> = wanted.iter().zip(&errors).map(start).collect();
                self.block(&filter, panels, wanted, &mut found);
                Ok(found)
            })
            .collect();
        let blocks = blocks?;
        let joined = |i: usize| {
            let bar = blocks.iter().fold(f32::NEG_INFINITY, |bar, block| bar.max(block[i].bar));
            let bounds = blocks.iter().flat_map(|block| &block[i].bounds);
            let bound =
                |&(value, j): &(f32, u32)| ((f64::from(value) + errors[i]) * self.longest, j);
            bounds.filter(|bound| bound.0 >= bar).map(bound).collect()
        };
        Ok((0..wanted.len()).into_par_iter().map(joined).collect())
    }

    /// All vectors against some panels of atoms.
    fn block(
        &self,
        filter: &CodeFilter<'_, 1>,
        panels: std::ops::Range<usize>,
        wanted: &[Wanted<'_>],
        found: &mut [Found],
    ) {
        let mut hits = [Hits::default(), Hits::default()];
        for (chunk, found) in found.chunks_mut(CHUNK * CODE_ROWS).enumerate() {
            for panel in panels.clone().step_by(2) {
                for (at, found) in found.chunks_mut(CODE_ROWS).enumerate() {
                    let row = chunk * CHUNK + at;
                    let rows = (&0, row, [&OPEN[..]]);
                    let any = if panel + 1 < panels.end {
                        Filter::<f32, 1>::tiles(filter, rows, (&0, panel, [None; 2]), &mut hits)
                    } else {
                        let column = (&0, panel, None);
                        [Filter::<f32, 1>::tile(filter, rows, column, &mut hits[0]), false]
                    };
                    for (panel, hits) in
                        (panel..).zip(&hits).zip(any).filter_map(|(x, any)| any.then_some(x))
                    {
                        let [bias] = Filter::<f32, 1>::column_bias(filter, &0, panel);
                        let Some(bias) = bias.first_chunk() else { continue };
                        let scores = hits.scores.as_chunks::<CODE_COLUMNS>().0;
                        for (r, (found, scores)) in found.iter_mut().zip(scores).enumerate() {
                            let without = wanted[row * CODE_ROWS + r].without;
                            found.offer(scores, bias, panel * CODE_COLUMNS, without);
                        }
                    }
                }
            }
        }
    }
}

/// What one vector has found, in the tile's terms.
struct Found {
    bounds: Vec<(f32, u32)>,
    /// What a bound must reach.
    bar: f32,
    /// How far a value with the row's own bound of the error is from the truth.
    error: f64,
}

/// Rounded to `f32`, and to the next number below.
#[allow(clippy::cast_possible_truncation)]
const fn down(x: f64) -> f32 {
    (x as f32).next_down()
}

impl Found {
    const fn new(floor: f64, error: f64) -> Self {
        Self { bounds: Vec::new(), bar: down(floor - error), error }
    }

    #[inline]
    fn offer(
        &mut self,
        scores: &[f32; CODE_COLUMNS],
        bias: &[f32; CODE_COLUMNS],
        first: usize,
        without: &[u32],
    ) {
        let mut bounds = [0.0f32; CODE_COLUMNS];
        let mut any = false;
        for ((bound, score), bias) in bounds.iter_mut().zip(scores).zip(bias) {
            *bound = score.abs() + bias;
            any |= *bound >= self.bar;
        }
        if !any {
            return;
        }
        for (c, bound) in bounds.into_iter().enumerate() {
            #[allow(clippy::cast_possible_truncation)] // Rows have numbers of 32 bits.
            let j = (first + c) as u32;
            if bound >= self.bar && bound.is_finite() && !without.contains(&j) {
                self.bounds.push((bound, j));
                // This row itself reaches as much.
                let low = f64::from(bound) - 2.0 * f64::from(bias[c]) - 2.0 * self.error;
                self.bar = self.bar.max(down(low));
            }
        }
    }
}
