//! The two computing types, and the choice of instruction set for each operation.

use crate::isa::{Isa, Level};
use crate::tile::{self, Hits, Side};
use crate::{portable, tile::MAX_TILE};

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

/// A computing type: `f32` or `f64`.
pub trait Element:
    sealed::Sealed + Copy + Default + PartialOrd + Send + Sync + std::fmt::Debug + 'static
{
    /// Rows of a tile.
    const TILE_ROWS: usize;
    /// Columns of a tile.
    const TILE_COLUMNS: usize;
    /// As NumPy calls it.
    const NAME: &'static str;
    /// Half the distance from 1 to the next value.
    const UNIT_ROUNDOFF: f64;
    /// The smallest positive value.
    const SMALLEST: f64;
    /// `-inf`.
    const NEG_INFINITY: Self;
    /// `+inf`.
    const INFINITY: Self;
    /// Thresholds that nothing passes, for a panel of either side.
    const INFINITIES: &'static [Self; 16];

    /// Exact.
    fn to_f64(self) -> f64;
    /// Rounded to nearest.
    fn from_f64(value: f64) -> Self;
    /// The next smaller value.
    fn next_down(self) -> Self;
    /// The sum, rounded to nearest.
    fn plus(self, other: Self) -> Self;
    /// Neither NaN nor infinite.
    fn finite(self) -> bool;

    /// The dot products of [`Element::TILE_ROWS`] rows and [`Element::TILE_COLUMNS`] columns, and
    /// which of them pass; `both` lets the columns select too. Returns whether any passed, and
    /// fills `hits` only then.
    ///
    /// Accumulator: the type itself, in the order of `k`.
    fn tile(
        isa: Isa,
        rows: &Side<'_, Self>,
        columns: &Side<'_, Self>,
        both: bool,
        hits: &mut Hits<Self>,
    ) -> bool;

    /// `Σ x y` in `f64`: value `k` goes to lane `k % 8`; the lanes are added as
    /// `((0+4)+(2+6)) + ((1+5)+(3+7))`. Products of `f32` are exact.
    ///
    /// Panics when the lengths differ.
    fn dot(isa: Isa, x: &[Self], y: &[Self]) -> f64;

    /// `Σ (x - y)^2` in `f64`, in the order of [`Element::dot`].
    ///
    /// Panics when the lengths differ.
    fn squared_distance(isa: Isa, x: &[Self], y: &[Self]) -> f64;
}

macro_rules! element {
    ($type:ident, $name:literal, $rows:literal, $columns:literal) => {
        impl Element for $type {
            const TILE_ROWS: usize = $rows;
            const TILE_COLUMNS: usize = $columns;
            const NAME: &'static str = $name;
            const UNIT_ROUNDOFF: f64 = $type::EPSILON as f64 / 2.0;
            const SMALLEST: f64 = $type::from_bits(1) as f64;
            const NEG_INFINITY: Self = $type::NEG_INFINITY;
            const INFINITY: Self = $type::INFINITY;
            const INFINITIES: &'static [Self; 16] = &[$type::INFINITY; 16];

            #[inline]
            fn to_f64(self) -> f64 {
                f64::from(self)
            }

            #[inline]
            #[allow(clippy::cast_possible_truncation)]
            fn from_f64(value: f64) -> Self {
                value as Self
            }

            #[inline]
            fn next_down(self) -> Self {
                $type::next_down(self)
            }

            #[inline]
            fn plus(self, other: Self) -> Self {
                self + other
            }

            #[inline]
            fn finite(self) -> bool {
                self.is_finite()
            }

            fn tile(
                isa: Isa,
                rows: &Side<'_, Self>,
                columns: &Side<'_, Self>,
                both: bool,
                hits: &mut Hits<Self>,
            ) -> bool {
                const { assert!($rows * $columns <= MAX_TILE) };
                tile::check(rows, columns, $rows, $columns);
                match isa.level() {
                    #[cfg(target_arch = "aarch64")]
                    Level::Neon => {
                        portable::tile::<$type, $rows, $columns>(rows, columns, both, hits)
                    }
                    Level::Portable => {
                        portable::tile::<$type, $rows, $columns>(rows, columns, both, hits)
                    }
                    #[cfg(target_arch = "x86_64")]
                    // SAFETY: the Isa value proves that the CPU has AVX2 and FMA.
                    Level::Avx2 | Level::Avx512 => unsafe {
                        crate::x86_64::avx2::$type::tile(rows, columns, both, hits)
                    },
                }
            }

            fn dot(isa: Isa, x: &[Self], y: &[Self]) -> f64 {
                assert_eq!(x.len(), y.len(), "vectors of different lengths");
                match isa.level() {
                    Level::Portable => portable::dot(x, y),
                    #[cfg(target_arch = "aarch64")]
                    Level::Neon => portable::dot(x, y),
                    #[cfg(target_arch = "x86_64")]
                    // SAFETY: the Isa value proves that the CPU has AVX2 and FMA.
                    Level::Avx2 | Level::Avx512 => unsafe { crate::x86_64::avx2::$type::dot(x, y) },
                }
            }

            fn squared_distance(isa: Isa, x: &[Self], y: &[Self]) -> f64 {
                assert_eq!(x.len(), y.len(), "vectors of different lengths");
                match isa.level() {
                    Level::Portable => portable::squared_distance(x, y),
                    #[cfg(target_arch = "aarch64")]
                    Level::Neon => portable::squared_distance(x, y),
                    #[cfg(target_arch = "x86_64")]
                    // SAFETY: the Isa value proves that the CPU has AVX2 and FMA.
                    Level::Avx2 | Level::Avx512 => unsafe {
                        crate::x86_64::avx2::$type::squared_distance(x, y)
                    },
                }
            }
        }
    };
}

element!(f32, "float32", 6, 16);
element!(f64, "float64", 6, 8);
