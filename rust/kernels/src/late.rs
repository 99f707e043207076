//! Late interaction: the products of many rows with a few panels of packed vectors, kept rather
//! than selected from, and the scans over them.
//!
//! The rows are read as they lie; only the panels are packed, so that a collection of documents
//! streams through once. Like the tiles, the products are a filter with the error of recursive
//! summation, `γ_d Σ|x||y|`, fused or not; the answer comes from [`Element::dot`].

use crate::Element;
use crate::isa::Isa;
#[cfg(target_arch = "x86_64")]
use crate::isa::Level;

/// Values of a type that is stored but not computed with.
#[derive(Clone, Copy, Debug)]
pub enum Narrow<'a> {
    /// IEEE half precision, as its bits.
    F16(&'a [u16]),
    /// bfloat16, as its bits.
    Bf16(&'a [u16]),
    /// Integers.
    I8(&'a [i8]),
}

/// Rows that have one magnitude together.
pub const TILE_ROWS: usize = 6;

/// Vectors of the widest panel.
pub const MAX_PANEL: usize = 16;

/// The operations of late interaction, for `f32` and `f64`.
pub trait Late: Element {
    /// Vectors of a panel. Value `k` of vector `i` stands at `k * PANEL + i`.
    const PANEL: usize;

    /// The dot products of every row with every vector of every panel.
    ///
    /// `rows` holds rows of `depth` values, `panels` panels of `depth * PANEL`. The product of row
    /// `r` with vector `i` of panel `p` goes to `out[(p * rows + r) * PANEL + i]`.
    ///
    /// Every [`TILE_ROWS`] rows have an entry in `magnitudes`, unless it is empty: their largest
    /// magnitude, infinity or NaN if a value is NaN or infinite. It stays what it was without panels.
    ///
    /// Accumulator: the type itself, in the order of `k`. Panics when the lengths do not fit.
    fn products(
        isa: Isa,
        rows: &[Self],
        depth: usize,
        panels: &[Self],
        out: &mut [Self],
        magnitudes: &mut [Self],
    );

    /// Raise `best[i]` to the largest `scores[r * PANEL + i]`. No value may be NaN.
    ///
    /// Panics unless `best` has `PANEL` values.
    fn raise_to_maxima(isa: Isa, scores: &[Self], best: &mut [Self]);

    /// Call `found(r, i)` for every `scores[r * PANEL + i] >= bars[i]`, in the order of `r`, then `i`.
    ///
    /// Panics unless `bars` has `PANEL` values.
    fn for_each_at_least(isa: Isa, scores: &[Self], bars: &[Self], found: impl FnMut(usize, usize));

    /// Count `scores[r * PANEL + i] > high[i]` in `above[i]`, and call `unsure(r, i)` for every one
    /// that is neither above `high[i]` nor below `low[i]`, NaN included.
    ///
    /// Panics unless `low`, `high` and `above` have `PANEL` values.
    fn count_above(
        isa: Isa,
        scores: &[Self],
        low: &[Self],
        high: &[Self],
        above: &mut [u32],
        unsure: impl FnMut(usize, usize),
    );

    /// The largest magnitude; infinity if any value is NaN or infinite, 0 if there is none.
    fn largest_magnitude(isa: Isa, values: &[Self]) -> Self;

    /// Each value as one of this type, exactly. Panics when the lengths differ.
    fn widen(isa: Isa, values: Narrow<'_>, out: &mut [Self]);

    /// Exact.
    fn from_f32(value: f32) -> Self;

    /// The product, rounded to nearest.
    fn times(self, other: Self) -> Self;

    /// The absolute value; infinity for NaN.
    fn magnitude(self) -> Self;
}

/// Panics unless rows, panels and products fit together; gives the number of rows.
///
/// The SIMD kernel relies on it.
fn check<T>(
    rows: &[T],
    depth: usize,
    panels: &[T],
    width: usize,
    out: &[T],
    magnitudes: &[T],
) -> usize {
    assert!(depth > 0, "vectors without values");
    let (count, panel_count) = (rows.len() / depth, panels.len() / (depth * width));
    assert!(
        rows.len() == count * depth
            && panels.len() == panel_count * depth * width
            && out.len() == count * panel_count * width
            && (magnitudes.is_empty() || magnitudes.len() == count.div_ceil(TILE_ROWS)),
        "rows, panels and products do not fit"
    );
    count
}

/// Calls the function of that name: the one compiled for AVX2 where the CPU has it.
macro_rules! dispatch {
    ($isa:expr, $function:ident::<$($parameter:tt),*>($($argument:expr),*)) => {{
        #[cfg(target_arch = "x86_64")]
        if $isa.level() != Level::Portable {
            // SAFETY: every set above the portable one has AVX2 and FMA.
            return unsafe {
                crate::x86_64::late::$function::<$($parameter),*>($($argument),*)
            };
        }
        let _ = $isa;
        plain::$function::<$($parameter),*>($($argument),*)
    }};
}

macro_rules! late {
    ($type:ident, $panel:literal) => {
        impl Late for $type {
            const PANEL: usize = $panel;

            fn products(
                isa: Isa,
                rows: &[Self],
                depth: usize,
                panels: &[Self],
                out: &mut [Self],
                magnitudes: &mut [Self],
            ) {
                let count = check(rows, depth, panels, $panel, out, magnitudes);
                match isa.level() {
                    // SAFETY: the CPU has what the level says, and the lengths fit.
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx512 => unsafe {
                        let products = crate::x86_64::late::avx512::$type::products;
                        products(rows, depth, count, panels, out, magnitudes);
                    },
                    // SAFETY: as above.
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx2 => unsafe {
                        let products = crate::x86_64::late::avx2::$type::products;
                        products(rows, depth, count, panels, out, magnitudes);
                    },
                    _ => {
                        plain::products::<Self, $panel>(rows, depth, count, panels, out, magnitudes)
                    }
                }
            }

            fn raise_to_maxima(isa: Isa, scores: &[Self], best: &mut [Self]) {
                dispatch!(isa, raise_to_maxima::<Self, $panel>(scores, best))
            }

            fn for_each_at_least(
                isa: Isa,
                scores: &[Self],
                bars: &[Self],
                found: impl FnMut(usize, usize),
            ) {
                dispatch!(isa, for_each_at_least::<Self, _, $panel>(scores, bars, found))
            }

            fn count_above(
                isa: Isa,
                scores: &[Self],
                low: &[Self],
                high: &[Self],
                above: &mut [u32],
                unsure: impl FnMut(usize, usize),
            ) {
                dispatch!(isa, count_above::<Self, _, $panel>(scores, low, high, above, unsure))
            }

            fn largest_magnitude(isa: Isa, values: &[Self]) -> Self {
                dispatch!(isa, largest_magnitude::<Self>(values))
            }

            fn widen(isa: Isa, values: Narrow<'_>, out: &mut [Self]) {
                dispatch!(isa, widen::<Self>(values, out))
            }

            fn from_f32(value: f32) -> Self {
                Self::from(value)
            }

            fn times(self, other: Self) -> Self {
                self * other
            }

            fn magnitude(self) -> Self {
                if self.is_finite() { self.abs() } else { Self::INFINITY }
            }
        }
    };
}

late!(f32, 16);
late!(f64, 8);

/// The operations in plain Rust, which the compiler also makes AVX2 of; only the products have
/// a kernel of their own there.
pub mod plain {
    use super::{Late, Narrow, TILE_ROWS};
    use crate::portable::Arithmetic;

    /// Rows that share each load of a panel.
    const TILE: usize = 4;

    /// See [`Late::products`].
    pub fn products<T: Late + Arithmetic + Magnitude, const WIDTH: usize>(
        rows: &[T],
        depth: usize,
        count: usize,
        panels: &[T],
        out: &mut [T],
        magnitudes: &mut [T],
    ) {
        if !panels.is_empty() {
            for (largest, rows) in magnitudes.iter_mut().zip(rows.chunks(TILE_ROWS * depth)) {
                *largest = largest_magnitude(rows);
            }
        }
        let panels = panels.chunks_exact(depth * WIDTH);
        for (panel, out) in panels.zip(out.chunks_exact_mut((count * WIDTH).max(1))) {
            let (panel, _) = panel.as_chunks::<WIDTH>();
            let tiles = rows.chunks(TILE * depth).zip(out.chunks_mut(TILE * WIDTH));
            for (rows, out) in tiles {
                if rows.len() == TILE * depth {
                    tile::<T, TILE, WIDTH>(rows, panel, out);
                } else {
                    for (row, out) in rows.chunks(depth).zip(out.chunks_mut(WIDTH)) {
                        tile::<T, 1, WIDTH>(row, panel, out);
                    }
                }
            }
        }
    }

    fn tile<T: Late + Arithmetic, const ROWS: usize, const WIDTH: usize>(
        rows: &[T],
        panel: &[[T; WIDTH]],
        out: &mut [T],
    ) {
        let mut sums = [[T::default(); WIDTH]; ROWS];
        for (k, vectors) in panel.iter().enumerate() {
            for (r, sums) in sums.iter_mut().enumerate() {
                let x = rows[r * panel.len() + k];
                for (sum, &y) in sums.iter_mut().zip(vectors) {
                    *sum = *sum + x * y;
                }
            }
        }
        out.copy_from_slice(sums.as_flattened());
    }

    /// See [`Late::raise_to_maxima`].
    #[inline(always)]
    pub fn raise_to_maxima<T: Late, const WIDTH: usize>(scores: &[T], best: &mut [T]) {
        let mut highest = [T::NEG_INFINITY; WIDTH];
        highest.copy_from_slice(best);
        for line in scores.as_chunks::<WIDTH>().0 {
            for (highest, &score) in highest.iter_mut().zip(line) {
                *highest = if score > *highest { score } else { *highest };
            }
        }
        best.copy_from_slice(&highest);
    }

    /// See [`Late::for_each_at_least`].
    #[inline(always)]
    pub fn for_each_at_least<T: Late, F: FnMut(usize, usize), const WIDTH: usize>(
        scores: &[T],
        bars: &[T],
        mut found: F,
    ) {
        let mut bar = [T::INFINITY; WIDTH];
        bar.copy_from_slice(bars);
        for (row, line) in scores.as_chunks::<WIDTH>().0.iter().enumerate() {
            // `|` instead of `||` keeps the scan free of branches, so that it vectorises.
            if line.iter().zip(&bar).fold(false, |any, (score, bar)| any | (score >= bar)) {
                for (i, (score, bar)) in line.iter().zip(&bar).enumerate() {
                    if score >= bar {
                        found(row, i);
                    }
                }
            }
        }
    }

    /// See [`Late::count_above`]. NaN is neither above nor below: `<=` would not do.
    #[inline(always)]
    #[allow(clippy::neg_cmp_op_on_partial_ord)]
    pub fn count_above<T: Late, F: FnMut(usize, usize), const WIDTH: usize>(
        scores: &[T],
        lows: &[T],
        highs: &[T],
        above: &mut [u32],
        mut unsure: F,
    ) {
        let (mut low, mut high) = ([T::INFINITY; WIDTH], [T::INFINITY; WIDTH]);
        low.copy_from_slice(lows);
        high.copy_from_slice(highs);
        let mut counts = [0u32; WIDTH];
        for (row, line) in scores.as_chunks::<WIDTH>().0.iter().enumerate() {
            let mut any = false;
            for i in 0..WIDTH {
                counts[i] += u32::from(line[i] > high[i]);
                any |= !(line[i] > high[i]) & !(line[i] < low[i]);
            }
            if any {
                for i in 0..WIDTH {
                    if !(line[i] > high[i]) & !(line[i] < low[i]) {
                        unsure(row, i);
                    }
                }
            }
        }
        for (above, count) in above.iter_mut().zip(counts) {
            *above += count;
        }
    }

    /// The magnitude of a value as an integer, in the same order: NaN above infinity above the rest.
    pub trait Magnitude: Copy {
        /// As wide as the value.
        type Bits: Ord + Copy + Default;
        /// Without the sign.
        fn bits(self) -> Self::Bits;
        /// The magnitude back.
        fn from_bits(bits: Self::Bits) -> Self;
    }

    impl Magnitude for f32 {
        type Bits = i32;

        #[inline(always)]
        fn bits(self) -> i32 {
            self.to_bits().cast_signed() & i32::MAX
        }

        #[inline(always)]
        fn from_bits(bits: i32) -> Self {
            Self::from_bits(bits.cast_unsigned())
        }
    }

    impl Magnitude for f64 {
        type Bits = i64;

        #[inline(always)]
        fn bits(self) -> i64 {
            self.to_bits().cast_signed() & i64::MAX
        }

        #[inline(always)]
        fn from_bits(bits: i64) -> Self {
            Self::from_bits(bits.cast_unsigned())
        }
    }

    /// See [`Late::largest_magnitude`].
    #[inline(always)]
    pub fn largest_magnitude<T: Late + Magnitude>(values: &[T]) -> T {
        let largest = values.iter().fold(T::Bits::default(), |largest, x| largest.max(x.bits()));
        <T as Magnitude>::from_bits(largest).magnitude()
    }

    /// See [`Late::widen`].
    #[inline(always)]
    pub fn widen<T: Late>(values: Narrow<'_>, out: &mut [T]) {
        match values {
            Narrow::F16(bits) => each(bits, out, |b| T::from_f32(half(b))),
            Narrow::Bf16(bits) => {
                each(bits, out, |b| T::from_f32(f32::from_bits(u32::from(b) << 16)));
            }
            Narrow::I8(values) => each(values, out, |v| T::from_f32(f32::from(v))),
        }
    }

    // One plain loop over two slices: the compiler makes vectors of it, as it does not of arrays.
    #[inline(always)]
    fn each<S: Copy, T: Copy>(values: &[S], out: &mut [T], convert: impl Fn(S) -> T) {
        assert_eq!(values.len(), out.len(), "values and room for them differ");
        for (out, &value) in out.iter_mut().zip(values) {
            *out = convert(value);
        }
    }

    /// Half precision: exponent and fraction moved to where a float has them, then multiplied by
    /// 2^112, the difference of the biases; that is exact and makes subnormals normal.
    #[inline(always)]
    fn half(bits: u16) -> f32 {
        const BIASES: f32 = f32::from_bits((127 + 112) << 23);
        let magnitude = u32::from(bits & 0x7fff);
        let finite = (f32::from_bits(magnitude << 13) * BIASES).to_bits();
        let special = if magnitude >= 0x7c00 { 0x7f80_0000 } else { 0 };
        f32::from_bits(finite | special | u32::from(bits & 0x8000) << 16)
    }
}
