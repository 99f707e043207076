//! Late interaction with AVX2 and FMA.
//!
//! The tile is 6 rows by two registers, as that of the neighbours, but the rows are read as they
//! lie: one broadcast a row and step, from six streams of the document, beside two loads of the
//! packed panel. A step is 12 fused multiply-adds and 8 loads, so the two FMA ports are the limit.

use std::arch::x86_64::*;

use crate::late::{Late, Narrow, TILE_ROWS, plain};

/// See [`Late::raise_to_maxima`].
#[target_feature(enable = "avx2,fma")]
pub fn raise_to_maxima<T: Late, const WIDTH: usize>(scores: &[T], best: &mut [T]) {
    plain::raise_to_maxima::<T, WIDTH>(scores, best);
}

/// See [`Late::for_each_at_least`].
#[target_feature(enable = "avx2,fma")]
pub fn for_each_at_least<T: Late, F: FnMut(usize, usize), const WIDTH: usize>(
    scores: &[T],
    bars: &[T],
    found: F,
) {
    plain::for_each_at_least::<T, F, WIDTH>(scores, bars, found);
}

/// See [`Late::count_above`].
#[target_feature(enable = "avx2,fma")]
pub fn count_above<T: Late, F: FnMut(usize, usize), const WIDTH: usize>(
    scores: &[T],
    low: &[T],
    high: &[T],
    above: &mut [u32],
    unsure: F,
) {
    plain::count_above::<T, F, WIDTH>(scores, low, high, above, unsure);
}

/// See [`Late::largest_magnitude`].
#[target_feature(enable = "avx2,fma")]
pub fn largest_magnitude<T: Late + plain::Magnitude>(values: &[T]) -> T {
    plain::largest_magnitude(values)
}

/// See [`Late::widen`].
#[target_feature(enable = "avx2,fma")]
pub fn widen<T: Late>(values: Narrow<'_>, out: &mut [T]) {
    plain::widen(values, out);
}

macro_rules! products {
    (
        $scalar:ident, $width:literal, $zero:ident, $load:ident, $store:ident, $splat:ident,
        $fma:ident
    ) => {
        /// The products of one type.
        pub mod $scalar {
            use super::*;

            const PANEL: usize = 2 * $width;
            const ROWS: usize = TILE_ROWS;

            /// See [`Late::products`].
            ///
            /// # Safety
            /// `rows` has `count` rows of `depth` values, `panels` a whole number of panels of
            /// `depth * PANEL`, `out` room for `count * PANEL` values of each panel, and
            /// `magnitudes` either for one value of each tile or for none.
            #[target_feature(enable = "avx2,fma")]
            pub unsafe fn products(
                rows: &[$scalar],
                depth: usize,
                count: usize,
                panels: &[$scalar],
                out: &mut [$scalar],
                magnitudes: &mut [$scalar],
            ) {
                let panel_count = panels.len() / (depth * PANEL);
                for (number, row) in (0..count).step_by(ROWS).enumerate() {
                    let height = ROWS.min(count - row);
                    let largest = magnitudes.get_mut(number);
                    // SAFETY: `height` rows follow from `row`, the panels exist, and so do the
                    // places of their products.
                    unsafe {
                        let x = rows.as_ptr().add(row * depth);
                        let out = out.as_mut_ptr().add(row * PANEL);
                        let tile = Tile { x, depth, y: panels.as_ptr(), out };
                        match height {
                            6 => tile.with_panels::<6>(panel_count, count, largest),
                            5 => tile.with_panels::<5>(panel_count, count, largest),
                            4 => tile.with_panels::<4>(panel_count, count, largest),
                            3 => tile.with_panels::<3>(panel_count, count, largest),
                            2 => tile.with_panels::<2>(panel_count, count, largest),
                            _ => tile.with_panels::<1>(panel_count, count, largest),
                        }
                    }
                }
            }

            /// Some rows and a panel.
            #[derive(Clone, Copy)]
            struct Tile {
                x: *const $scalar,
                depth: usize,
                y: *const $scalar,
                out: *mut $scalar,
            }

            impl Tile {
                /// The products with every panel. Before the first, while the rows come into the cache,
                /// find their largest magnitude, if asked.
                ///
                /// # Safety
                /// `x` points to `HEIGHT` rows of `depth` values, `y` to `panels` panels of
                /// `depth * PANEL`, `out` to room for `HEIGHT * PANEL` values in every one of
                /// `panels` blocks of `count * PANEL`.
                #[target_feature(enable = "avx2,fma")]
                unsafe fn with_panels<const HEIGHT: usize>(
                    self,
                    panels: usize,
                    count: usize,
                    largest: Option<&mut $scalar>,
                ) {
                    if let Some(largest) = largest
                        && panels > 0
                    {
                        let length = HEIGHT * self.depth;
                        // SAFETY: the rows are there.
                        let rows = unsafe { std::slice::from_raw_parts(self.x, length) };
                        *largest = plain::largest_magnitude(rows);
                    }
                    for p in 0..panels {
                        // SAFETY: panel p exists, and so does the place of its products.
                        unsafe {
                            let y = self.y.add(p * self.depth * PANEL);
                            let out = self.out.add(p * count * PANEL);
                            let tile = Self { y, out, ..self };
                            if p == 0 {
                                tile.products::<HEIGHT, true>();
                            } else {
                                tile.products::<HEIGHT, false>();
                            }
                        }
                    }
                }

                /// The products with the panel at `y`; with `FETCH`, ask for the next rows on the
                /// way, so that they are there when this tile is done.
                ///
                /// # Safety
                /// As [`Tile::with_panels`], for one panel.
                #[target_feature(enable = "avx2,fma")]
                unsafe fn products<const HEIGHT: usize, const FETCH: bool>(self) {
                    let Self { x, depth, y, out } = self;
                    let mut sums = [[$zero(); 2]; HEIGHT];
                    let next = x.wrapping_add(HEIGHT * depth);
                    for k in 0..depth {
                        if FETCH {
                            // What is prefetched need not exist.
                            _mm_prefetch::<_MM_HINT_T0>(next.wrapping_add(k * HEIGHT).cast());
                        }
                        // SAFETY: k < depth, so each address is within what the caller promised.
                        unsafe {
                            let y = y.add(k * PANEL);
                            let y = [$load(y), $load(y.add($width))];
                            for (r, sums) in sums.iter_mut().enumerate() {
                                let x = $splat(*x.add(r * depth + k));
                                sums[0] = $fma(x, y[0], sums[0]);
                                sums[1] = $fma(x, y[1], sums[1]);
                            }
                        }
                    }
                    for (r, sums) in sums.iter().enumerate() {
                        // SAFETY: r < HEIGHT.
                        unsafe {
                            $store(out.add(r * PANEL), sums[0]);
                            $store(out.add(r * PANEL + $width), sums[1]);
                        }
                    }
                }
            }
        }
    };
}

products!(
    f32,
    8,
    _mm256_setzero_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_set1_ps,
    _mm256_fmadd_ps
);
products!(
    f64,
    4,
    _mm256_setzero_pd,
    _mm256_loadu_pd,
    _mm256_storeu_pd,
    _mm256_set1_pd,
    _mm256_fmadd_pd
);
