//! Query tokens in the kernel's form.

use std::ops::Range;

use isomorph_kernels::Late;

use super::Offsets;
use crate::Result;
use crate::matrix::MatRef;
use crate::memory::filled;

/// Tokens of a block of queries: enough to be limited by arithmetic, few enough that the best of a
/// document stay in the cache.
const BLOCK_TOKENS: usize = 256;

/// Queries: token vectors and where each query begins.
#[derive(Clone, Copy, Debug)]
pub struct Queries<'a, T> {
    pub(super) tokens: MatRef<'a, T>,
    pub(super) offsets: Offsets<'a>,
}

impl<'a, T: Late> Queries<'a, T> {
    /// Query `i` is the rows `starts[i]..starts[i + 1]` of `tokens`.
    ///
    /// # Errors
    /// [`Error::Value`] for offsets that do not fit.
    pub fn new(tokens: MatRef<'a, T>, starts: &'a [i64]) -> Result<Self> {
        Ok(Self { tokens, offsets: Offsets::new(starts, tokens.rows(), "query_offsets")? })
    }

    /// How many queries.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.offsets.count()
    }

    /// Blocks of whole queries, packed.
    pub(super) fn blocks(&self) -> Result<Vec<Block<T>>> {
        let mut blocks = Vec::new();
        let mut first = 0;
        while first < self.count() {
            let start = self.offsets.start(first);
            let fits = |i: &usize| self.offsets.start(i + 1) - start <= BLOCK_TOKENS;
            let more = (first + 1..self.count()).take_while(fits).count();
            blocks.push(Block::new(self, first..first + 1 + more)?);
            first += 1 + more;
        }
        Ok(blocks)
    }
}

/// Some queries, packed.
pub(super) struct Block<T> {
    /// Which.
    pub queries: Range<usize>,
    /// Their tokens, as rows of all tokens.
    pub tokens: Range<usize>,
    /// Panels of [`Late::PANEL`] tokens, the last filled with zeros; tokens that are not finite are
    /// zeros, too.
    storage: Vec<T>,
    /// Where the first panel begins, so that it begins a cache line.
    offset: usize,
    /// `Σ|q_k|` of each token, rounded up a little; None for tokens that are not finite, and for what
    /// fills the last panel.
    pub sizes: Vec<Option<f64>>,
}

/// Bytes of a cache line: a load of a register must not cross two.
const CACHE_LINE: usize = 64;

impl<T: Late> Block<T> {
    fn new(all: &Queries<'_, T>, queries: Range<usize>) -> Result<Self> {
        let tokens = all.offsets.start(queries.start)..all.offsets.start(queries.end);
        let depth = all.tokens.cols();
        let panels = tokens.len().div_ceil(T::PANEL);
        let slack = CACHE_LINE / size_of::<T>();
        let mut storage = filled(T::default(), panels * T::PANEL * depth + slack)?;
        let offset = storage.as_ptr().align_offset(CACHE_LINE).min(slack);
        let mut sizes = vec![None; panels * T::PANEL];
        let values = &mut storage[offset..];
        for (i, token) in tokens.clone().enumerate() {
            let row = all.tokens.row(token);
            if !row.iter().all(|x| x.finite()) {
                continue;
            }
            let size: f64 = row.iter().map(|x| x.to_f64().abs()).sum();
            sizes[i] = Some(size * (1.0 + 1e-9));
            let lane = &mut values[i / T::PANEL * T::PANEL * depth + i % T::PANEL..];
            for (out, &x) in lane.iter_mut().step_by(T::PANEL).zip(row) {
                *out = x;
            }
        }
        Ok(Self { queries, tokens, storage, offset, sizes })
    }

    /// The panels of that range, one after the other.
    pub(super) fn panels(&self, range: Range<usize>, depth: usize) -> &[T] {
        let length = T::PANEL * depth;
        &self.storage[self.offset..][range.start * length..range.end * length]
    }

    pub(super) const fn panel_count(&self) -> usize {
        self.sizes.len() / T::PANEL
    }
}
