//! Late interaction with AVX2 and AVX-512.
//!
//! The tile is 6 rows by two registers, as that of the neighbours, but the rows are read as they
//! lie: one broadcast a row and step, from six streams of the document, beside two loads of packed
//! panels. A step is 12 fused multiply-adds and 8 loads, so the FMA ports are the limit.

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

/// The products of one type with one set of instructions.
///
/// A tile is some rows by two registers. They are the halves of a panel where a register holds half
/// of one, and else two panels, of which the last may be alone.
macro_rules! products {
    (
        $scalar:ident, $feature:literal, $width:literal, $zero:ident, $load:ident, $store:ident,
        $splat:ident, $fma:ident
    ) => {
        use super::*;

        const PANEL: usize = <$scalar as Late>::PANEL;
        const ROWS: usize = TILE_ROWS;
        /// Panels of a tile.
        const TOGETHER: usize = 2 * $width / PANEL;
        /// Steps that share the computation of addresses, and the fetch of what comes next.
        const STEPS: usize = 4;

        /// See [`Late::products`].
        ///
        /// # Safety
        /// `rows` has `count` rows of `depth` values, `panels` a whole number of panels of
        /// `depth * PANEL`, `out` room for `count * PANEL` values of each panel, and
        /// `magnitudes` either for one value of each tile or for none.
        #[target_feature(enable = $feature)]
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
                    let tile = Tile { x, depth, y: panels.as_ptr(), out, count };
                    match height {
                        6 => tile.with_panels::<6>(panel_count, largest),
                        5 => tile.with_panels::<5>(panel_count, largest),
                        4 => tile.with_panels::<4>(panel_count, largest),
                        3 => tile.with_panels::<3>(panel_count, largest),
                        2 => tile.with_panels::<2>(panel_count, largest),
                        _ => tile.with_panels::<1>(panel_count, largest),
                    }
                }
            }
        }

        /// Some of `count` rows, and the panels from `y` on.
        #[derive(Clone, Copy)]
        struct Tile {
            x: *const $scalar,
            depth: usize,
            y: *const $scalar,
            out: *mut $scalar,
            count: usize,
        }

        impl Tile {
            /// The products with every panel. Before the first, while the rows come into the
            /// cache, find their largest magnitude, if asked.
            ///
            /// # Safety
            /// `x` points to `HEIGHT` rows of `depth` values, `y` to `panels` panels of
            /// `depth * PANEL`, `out` to room for `HEIGHT * PANEL` values in every one of
            /// `panels` blocks of `count * PANEL`.
            #[target_feature(enable = $feature)]
            unsafe fn with_panels<const HEIGHT: usize>(
                self,
                panels: usize,
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
                for p in (0..panels).step_by(TOGETHER) {
                    // SAFETY: panel p exists, and so does the place of its products; and the next
                    // one, where two registers are taken from two panels.
                    unsafe {
                        let y = self.y.add(p * self.depth * PANEL);
                        let out = self.out.add(p * self.count * PANEL);
                        let tile = Self { y, out, ..self };
                        match (p == 0, p + TOGETHER > panels) {
                            (true, false) => tile.products::<HEIGHT, 2, true>(),
                            (true, true) => tile.products::<HEIGHT, 1, true>(),
                            (false, false) => tile.products::<HEIGHT, 2, false>(),
                            (false, true) => tile.products::<HEIGHT, 1, false>(),
                        }
                    }
                }
            }

            /// The products with `WIDTH` registers from `y` on; with `FETCH`, ask for the next
            /// rows on the way, so that they are there when this tile is done.
            ///
            /// # Safety
            /// As [`Tile::with_panels`], for `WIDTH * $width / PANEL` panels.
            #[target_feature(enable = $feature)]
            unsafe fn products<const HEIGHT: usize, const WIDTH: usize, const FETCH: bool>(self) {
                let Self { x, depth, y, out, count } = self;
                // From a register to the next.
                let (across, below) = match TOGETHER {
                    1 => ($width, $width),
                    _ => (depth * PANEL, count * PANEL),
                };
                let mut sums = [[$zero(); WIDTH]; HEIGHT];
                let mut step = |k: usize| {
                    // SAFETY: k < depth, so each address is within what the caller promised.
                    unsafe {
                        let y = y.add(k * PANEL);
                        let y: [_; WIDTH] = std::array::from_fn(|w| $load(y.add(w * across)));
                        for (r, sums) in sums.iter_mut().enumerate() {
                            let x = $splat(*x.add(r * depth + k));
                            for (sum, y) in sums.iter_mut().zip(y) {
                                *sum = $fma(x, y, *sum);
                            }
                        }
                    }
                };
                let next = x.wrapping_add(HEIGHT * depth);
                for start in (0..depth - depth % STEPS).step_by(STEPS) {
                    if FETCH {
                        // As many bytes as these steps take. What is prefetched need not exist.
                        let bytes = HEIGHT * STEPS * size_of::<$scalar>();
                        for line in 0..bytes.div_ceil(64) {
                            let at = next.wrapping_add(start * HEIGHT).wrapping_byte_add(64 * line);
                            _mm_prefetch::<_MM_HINT_T0>(at.cast());
                        }
                    }
                    for k in 0..STEPS {
                        step(start + k);
                    }
                }
                for k in depth - depth % STEPS..depth {
                    step(k);
                }
                for (r, sums) in sums.iter().enumerate() {
                    for (w, &sum) in sums.iter().enumerate() {
                        // SAFETY: r < HEIGHT, and w < WIDTH.
                        unsafe { $store(out.add(r * PANEL + w * below), sum) };
                    }
                }
            }
        }
    };
}

/// AVX2 with FMA.
pub mod avx2 {
    use super::*;

    pub mod f32 {
        products!(
            f32,
            "avx2,fma",
            8,
            _mm256_setzero_ps,
            _mm256_loadu_ps,
            _mm256_storeu_ps,
            _mm256_set1_ps,
            _mm256_fmadd_ps
        );
    }
    pub mod f64 {
        products!(
            f64,
            "avx2,fma",
            4,
            _mm256_setzero_pd,
            _mm256_loadu_pd,
            _mm256_storeu_pd,
            _mm256_set1_pd,
            _mm256_fmadd_pd
        );
    }
}

/// AVX-512: no faster a multiplication everywhere, but half the instructions for it.
pub mod avx512 {
    use super::*;

    pub mod f32 {
        products!(
            f32,
            "avx2,fma,avx512f",
            16,
            _mm512_setzero_ps,
            _mm512_loadu_ps,
            _mm512_storeu_ps,
            _mm512_set1_ps,
            _mm512_fmadd_ps
        );
    }
    pub mod f64 {
        products!(
            f64,
            "avx2,fma,avx512f",
            8,
            _mm512_setzero_pd,
            _mm512_loadu_pd,
            _mm512_storeu_pd,
            _mm512_set1_pd,
            _mm512_fmadd_pd
        );
    }
}
