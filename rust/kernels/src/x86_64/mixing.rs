//! [`crate::add_weighted`] in registers. No FMA: it would round once where the others round twice.

use crate::late::Late;
use crate::mixing::plain;

/// See [`crate::set_weighted`].
#[target_feature(enable = "avx2")]
pub fn set_weighted<T: Late>(weight: T, row: &[T], to: &mut [T]) {
    plain::set_weighted(weight, row, to);
}

/// See [`crate::add_weighted`].
#[target_feature(enable = "avx2")]
pub fn add_weighted<T: Late>(weight: T, row: &[T], to: &mut [T]) {
    plain::add_weighted(weight, row, to);
}

/// See [`crate::add_four`].
#[target_feature(enable = "avx2")]
pub fn add_four<T: Late>(weights: [T; 4], rows: [&[T]; 4], to: &mut [T]) {
    plain::add_four(weights, rows, to);
}
