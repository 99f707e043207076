//! The largest entries of a row.

use std::cmp::Ordering;

use isomorph_kernels::Assignment;

use crate::Result;
use crate::memory::reserved;

/// Room beyond the k best, so that a cut pays for itself.
const SLACK: usize = 64;

/// The best of a row so far, and some that may be among them.
pub(super) struct Best<T> {
    k: usize,
    entries: Vec<(T, usize)>,
}

/// Values descending, then columns ascending; NaN first.
fn order<T: Assignment>(a: &(T, usize), b: &(T, usize)) -> Ordering {
    b.0.to_f64().total_cmp(&a.0.to_f64()).then(a.1.cmp(&b.1))
}

impl<T: Assignment> Best<T> {
    pub(super) fn new(k: usize) -> Result<Self> {
        Ok(Self { k, entries: reserved(2 * k + SLACK)? })
    }

    /// Give the k largest of the values, which are at least as many, and their columns.
    pub(super) fn select(&mut self, values: &[T], weights: &mut [T], columns: &mut [i64]) {
        self.entries.clear();
        let mut threshold = T::NEG_INFINITY;
        for (column, value) in values.iter().enumerate() {
            // What equals the worst of the best comes after it.
            if *value <= threshold {
                continue;
            }
            self.entries.push((*value, column));
            if self.entries.len() == 2 * self.k + SLACK {
                threshold = self.cut();
            }
        }
        self.cut();
        self.entries.sort_unstable_by(order);
        for (i, (value, column)) in self.entries.iter().enumerate() {
            (weights[i], columns[i]) = (*value, *column as i64);
        }
    }

    /// Keep the k best, and give the worst of them.
    fn cut(&mut self) -> T {
        let (_, worst, _) = self.entries.select_nth_unstable_by(self.k - 1, order);
        let worst = worst.0;
        self.entries.truncate(self.k);
        worst
    }
}
