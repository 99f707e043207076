//! What a search returns.

use isomorph_kernels::Element;

use super::reservoir::Entry;
use crate::memory::reserved;
use crate::{Error, Result};

/// The best `k` of each row: scores and the other side's rows, row after row. Where fewer than `k`
/// exist (rows that are not finite), the score is `-inf` and the index -1.
#[derive(Clone, Debug, PartialEq)]
pub struct Selection<T> {
    /// n x k
    pub scores: Vec<T>,
    /// n x k
    pub indices: Vec<i64>,
}

impl<T: Element> Selection<T> {
    pub(super) fn with_capacity(n: usize, k: usize) -> Result<Self> {
        let len = n.saturating_mul(k);
        Ok(Self { scores: reserved(len)?, indices: reserved(len)? })
    }

    pub(super) fn append(
        &mut self,
        best: &[Option<Entry<T>>],
        k: usize,
        start: usize,
        argument: &'static str,
    ) -> Result<()> {
        for (at, entry) in best.iter().enumerate() {
            let (score, index) = match entry {
                Some(entry) if !entry.value.finite() => {
                    let row = start + at / k;
                    return Err(Error::ScoreOverflow { argument, row, dtype: T::NAME });
                }
                Some(entry) => (entry.value, i64::from(entry.index)),
                None => (T::NEG_INFINITY, -1),
            };
            self.scores.push(score);
            self.indices.push(index);
        }
        Ok(())
    }
}

pub(super) fn selection<T: Element>(
    best: &[Option<Entry<T>>],
    k: usize,
    argument: &'static str,
) -> Result<Selection<T>> {
    let mut selection = Selection::with_capacity(best.len() / k, k)?;
    selection.append(best, k, 0, argument)?;
    Ok(selection)
}

/// Each row's largest score; `-inf` where there is none.
pub(super) fn largest<T: Element>(best: &[Option<Entry<T>>], k: usize) -> Vec<T> {
    best.chunks_exact(k).map(|row| row[0].map_or(T::NEG_INFINITY, |entry| entry.value)).collect()
}

/// The mean of each row's scores, from the largest down, over those that exist.
pub(super) fn means<T: Element>(best: &[Option<Entry<T>>], k: usize) -> Vec<T> {
    let mean = |row: &[Option<Entry<T>>]| {
        let scores = || row.iter().flatten().map(|entry| entry.value.to_f64());
        T::from_f64(scores().fold(0.0, |sum, score| sum + score) / scores().count().max(1) as f64)
    };
    best.chunks_exact(k).map(mean).collect()
}
