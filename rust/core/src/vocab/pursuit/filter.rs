//! Which atoms may be the next of a pursuit: a filter, in two forms.

use isomorph_kernels::Element;
use rayon::prelude::*;

use super::Path;
use crate::Result;
use crate::linalg::Scalar;
use crate::matrix::MatRef;
use crate::memory::{filled, reserved};
use crate::neighbors::{Correlations, Wanted};
use crate::runtime::Control;
use crate::vocab::mixture::products;

/// Atoms of a block of products.
const COLUMNS: usize = 512;
/// Part of the atoms that codes may leave to be compared.
const LEFT: usize = 32;

/// Finds the atoms whose correlation with a residual may be the largest.
pub(super) struct Filter<'f, T> {
    pub codes: Option<Correlations>,
    /// Of the products in the computing type.
    pub error: f64,
    pub atoms: MatRef<'f, T>,
    pub control: &'f Control,
}

/// Atoms, each with a bound of its correlation with a residual of norm 1.
pub(super) type Bounds = Vec<(f64, u32)>;

impl<T: Element + Scalar> Filter<'_, T> {
    /// For each path, the atoms that may be the next.
    pub(super) fn candidates(&mut self, paths: &[&mut Path<'_, T>]) -> Result<Vec<Bounds>> {
        let Some(codes) = &self.codes else { return self.by_products(paths) };
        let mut units: Vec<f32> = reserved(paths.len() * self.atoms.cols())?;
        for path in paths {
            #[allow(clippy::cast_possible_truncation)]
            units.extend(path.residual.iter().map(|r| (r / path.residual_norm) as f32));
        }
        let wanted: Vec<Wanted<'_>> =
            paths.iter().map(|path| Wanted { floor: path.floor, without: &path.support }).collect();
        let found = codes.candidates(&units, &wanted, self.control)?;
        let left: usize = found.iter().map(Vec::len).sum();
        if left > paths.len() * self.atoms.rows().div_ceil(LEFT) {
            // Too many atoms are alike for codes to tell them apart.
            self.codes = None;
        }
        Ok(found)
    }

    fn by_products(&self, paths: &[&mut Path<'_, T>]) -> Result<Vec<Bounds>> {
        let depth = self.atoms.cols();
        let mut units: Vec<T> = reserved(paths.len() * depth)?;
        for path in paths {
            units.extend(path.residual.iter().map(|r| T::round(r / path.residual_norm)));
        }
        // What each block has of each path, as good as the block's own best can tell.
        let blocks: Result<Vec<Block<T>>> = (self.atoms.data().par_chunks(COLUMNS * depth))
            .enumerate()
            .with_max_len(1)
            .map(|(number, columns)| {
                self.control.check()?;
                let width = columns.len() / depth;
                let mut block = filled(T::default(), paths.len() * width)?;
                products(&mut block, &units, columns, depth);
                let own = paths.iter().zip(block.chunks_exact_mut(width));
                let first = number * COLUMNS;
                Ok(own.map(|(path, scores)| best(scores, first, path, self.error)).collect())
            })
            .collect();
        let blocks = blocks?;
        let joined = (0..paths.len()).into_par_iter().map(|i| {
            let entries = || blocks.iter().flat_map(|block| &block[i]);
            let bar = bar(entries().map(|entry| entry.0), self.error);
            let left = entries().filter(|entry| entry.0 >= bar);
            left.map(|&(score, j)| (score.widen() + self.error, j)).collect()
        });
        Ok(joined.collect())
    }
}

/// What a block of atoms has of each path: correlations and atoms.
type Block<T> = Vec<Vec<(T, u32)>>;

/// What is within twice the error of the largest may be the largest.
fn bar<T: Element + Scalar>(scores: impl Iterator<Item = T>, error: f64) -> T {
    let largest = scores.fold(T::NEG_INFINITY, |a, b| if b > a { b } else { a });
    T::from_f64(largest.widen() - 2.0 * error).next_down()
}

/// The largest correlations of a block, without those of atoms that were chosen before.
#[allow(clippy::cast_possible_truncation)] // Rows have numbers of 32 bits.
fn best<T: Element + Scalar>(
    scores: &mut [T],
    first: usize,
    path: &Path<'_, T>,
    error: f64,
) -> Vec<(T, u32)> {
    for score in scores.iter_mut() {
        *score = if *score < T::default() { -*score } else { *score };
    }
    for &chosen in &path.support {
        if let Some(score) = (chosen as usize).checked_sub(first).and_then(|at| scores.get_mut(at))
        {
            *score = T::NEG_INFINITY;
        }
    }
    let bar = bar(scores.iter().copied(), error);
    let entries = scores.iter().enumerate().filter(|(_, score)| **score >= bar && score.finite());
    entries.map(|(at, score)| (*score, (first + at) as u32)).collect()
}
