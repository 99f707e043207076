//! [`crate::subtract_four`] and [`crate::dot_wide`] in registers. No FMA: it would round once where
//! the others round twice.

use crate::Element;
use crate::residual::plain;

/// See [`crate::subtract_four`].
#[target_feature(enable = "avx2")]
pub fn subtract_avx2<T: Element>(w: [f64; 4], rows: [&[T]; 4], from: &mut [f64]) {
    plain::subtract_four(w, rows, from);
}

/// See [`crate::subtract_four`].
#[target_feature(enable = "avx512f,avx2")]
pub fn subtract_avx512<T: Element>(w: [f64; 4], rows: [&[T]; 4], from: &mut [f64]) {
    plain::subtract_four(w, rows, from);
}

/// See [`crate::dot_wide`].
#[target_feature(enable = "avx2")]
pub fn dot_avx2<T: Element>(x: &[T], y: &[f64]) -> f64 {
    plain::dot_wide(x, y)
}

/// See [`crate::dot_wide`].
#[target_feature(enable = "avx512f,avx2")]
pub fn dot_avx512<T: Element>(x: &[T], y: &[f64]) -> f64 {
    plain::dot_wide(x, y)
}
