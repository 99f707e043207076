//! Singular value decompositions of small matrices, one a lane, by one-sided Jacobi.
//!
//! Everything is computed in the type of the input. A lane never sees another, and nothing is
//! rounded in a lane that has converged while others have not: so a matrix has the same factors in
//! whatever company. AVX2 and AVX-512 do the same operations in the same order; the portable
//! version differs from them in what it rounds, having no fused multiply-add.
//!
//! In memory, value (i, j) of lane l of a matrix stands at `(j * rows + i) * lanes + l`. A wide
//! matrix is decomposed transposed: it then has `long` rows and `short` columns.

mod certify;
mod decompose;
mod polar;
mod products;
mod right;

use crate::Element;
use crate::isa::Isa;
#[cfg(target_arch = "x86_64")]
use crate::isa::Level;
use crate::lanes::Array;

/// The operations in any lanes.
pub mod plain {
    pub use super::certify::certify;
    pub use super::decompose::{decompose, interleave};
    pub use super::polar::polar;
    pub use super::right::right;
}

/// The most columns, of a transposed matrix if it is wide.
pub const MAX_COLUMNS: usize = 32;

/// Values of a matrix up to which a group fills two registers.
const TINY: usize = 36;

/// The size of a matrix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Rows, at least 1.
    pub rows: usize,
    /// Columns, at least 1.
    pub cols: usize,
}

impl Shape {
    /// The larger dimension.
    #[must_use]
    #[inline(always)]
    pub fn long(self) -> usize {
        self.rows.max(self.cols)
    }

    /// The smaller dimension, at most [`MAX_COLUMNS`].
    #[must_use]
    #[inline(always)]
    pub fn short(self) -> usize {
        self.rows.min(self.cols)
    }

    /// Values of a matrix.
    #[must_use]
    #[inline(always)]
    pub fn size(self) -> usize {
        self.rows * self.cols
    }
}

/// A computing type as the decomposition needs it.
pub trait Real: Element + std::ops::Add<Output = Self> {
    /// The distance from 1 to the next larger number.
    const EPSILON: f64;
    /// The squared norm of a column that counts as zero, where the largest entry is next to 1: the
    /// products of two larger ones do not underflow.
    const NEGLIGIBLE: f64;
}

impl Real for f32 {
    const EPSILON: f64 = f32::EPSILON as f64;
    const NEGLIGIBLE: f64 = 1.0 / (1u128 << 100) as f64;
}

impl Real for f64 {
    const EPSILON: f64 = f64::EPSILON;
    // 2^-900.
    const NEGLIGIBLE: f64 = f64::from_bits((1023 - 900) << 52);
}

/// Decompositions of a group of matrices, for `f32` and `f64`. The steps, in order, are
/// `interleave`, `decompose`, completing the zero columns of U, perhaps `right`, `certify`, and perhaps
/// `polar`.
///
/// `lanes` is what [`Jacobi::lanes`] gave for the same `isa` and `shape`. All of them panic when the
/// lengths do not fit.
pub trait Jacobi: Element {
    /// Matrices of a group: at most 32.
    fn lanes(isa: Isa, shape: Shape) -> usize;

    /// Lay row-major `matrices`, one after the other, side by side into `a` (long * short cells of
    /// `lanes` values). Lanes without a matrix are zero.
    ///
    /// `largest` (`lanes` values) becomes each lane's largest magnitude, NaN where a value is
    /// infinite or NaN.
    fn interleave(
        isa: Isa,
        lanes: usize,
        shape: Shape,
        matrices: &[Self],
        a: &mut [Self],
        largest: &mut [Self],
    );

    /// Multiply each lane of `a` by the product of its two factors in `scale` (first all first
    /// factors), which brings its largest entry into [1, 2); and factorise it.
    ///
    /// `x` ((long + short) * short cells) becomes the columns of U and, `with_right`, after them
    /// those of V; `s` (short cells) the singular values, in about descending order. A singular
    /// value that is negligible, and its column of U, are zero. U and V are orthonormal but for
    /// accumulated rounding errors.
    ///
    /// The result has a bit for each lane that converged.
    #[allow(clippy::too_many_arguments)]
    fn decompose(
        isa: Isa,
        lanes: usize,
        shape: Shape,
        scale: &[Self],
        a: &mut [Self],
        x: &mut [Self],
        s: &mut [Self],
        with_right: bool,
    ) -> u32;

    /// The columns of V from those of U: half the work of turning them along. `A'u = s v` then holds
    /// to eps |A|, not to eps s; and where A'u vanishes, the column is zero.
    fn right(isa: Isa, lanes: usize, shape: Shape, a: &[Self], x: &mut [Self]);

    /// Make the columns of U and of V orthonormal to working precision, and test them and
    /// `A - U S V'`; `gram` has short * short cells. The result has a bit for each lane within the
    /// bounds: 8 eps sqrt(short) for orthogonality, 8 eps sqrt(long) |A| for the residual.
    fn certify(
        isa: Isa,
        lanes: usize,
        shape: Shape,
        a: &[Self],
        x: &mut [Self],
        s: &[Self],
        gram: &mut [Self],
    ) -> u32;

    /// The polar factors: `r` = U V' (long * short cells), and `h` = V S V', or U S U' for wide
    /// matrices (cols * cols cells in both cases), exactly symmetric. The result has a bit for each
    /// lane in which `r` is orthonormal, and the residual small, within the bounds of `certify`.
    #[allow(clippy::too_many_arguments)]
    fn polar(
        isa: Isa,
        lanes: usize,
        shape: Shape,
        a: &[Self],
        x: &[Self],
        s: &[Self],
        r: &mut [Self],
        h: &mut [Self],
    ) -> u32;
}

/// Panics unless the slice has so many cells; gives them.
#[inline(always)]
fn cells<T, const L: usize>(values: &[T], count: usize) -> &[[T; L]] {
    let (cells, rest) = values.as_chunks();
    assert!(cells.len() == count && rest.is_empty(), "a group of matrices has another size");
    cells
}

/// Panics unless the slice has so many cells; gives them.
#[inline(always)]
fn cells_mut<T, const L: usize>(values: &mut [T], count: usize) -> &mut [[T; L]] {
    let (cells, rest) = values.as_chunks_mut();
    assert!(cells.len() == count && rest.is_empty(), "a group of matrices has another size");
    cells
}

/// Panics unless the shape can be decomposed.
fn check(shape: Shape) -> (usize, usize) {
    let (n, d) = (shape.long(), shape.short());
    assert!((1..=MAX_COLUMNS).contains(&d), "{d} columns");
    (n, d)
}

/// Calls the operation of that name for the width and the instruction set.
macro_rules! dispatch {
    (
        $isa:ident, $lanes:ident, $type:ident, [$one:literal, $two:literal, $four:literal],
        [$small:ident, $small_pair:ident, $large:ident, $large_pair:ident],
        $operation:ident($($argument:expr),*)
    ) => {
        match ($isa.level(), $lanes) {
            // SAFETY: the CPU has what the level says.
            #[cfg(target_arch = "x86_64")]
            (Level::Avx512, $four) => unsafe {
                crate::x86_64::jacobi::$large_pair::$operation($($argument),*)
            },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            (Level::Avx512, $two) => unsafe {
                crate::x86_64::jacobi::$large::$operation($($argument),*)
            },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            (Level::Avx2, $two) => unsafe {
                crate::x86_64::jacobi::$small_pair::$operation($($argument),*)
            },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            (Level::Avx2, $one) => unsafe {
                crate::x86_64::jacobi::$small::$operation($($argument),*)
            },
            (_, $one) => plain::$operation::<$type, Array<$type, $one>, $one>($($argument),*),
            _ => panic!("{} lanes are not a width of this instruction set", $lanes),
        }
    };
}

macro_rules! jacobi {
    ($type:ident, [$($width:literal),*], [$($module:ident),*]) => {
        impl Jacobi for $type {
            fn lanes(isa: Isa, shape: Shape) -> usize {
                let widths = [$($width),*];
                // Where a rotation takes longer to find than to apply, two registers take turns.
                let tiny = usize::from(shape.size() <= TINY);
                match isa.level() {
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx512 => widths[1 + tiny],
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx2 => widths[tiny],
                    _ => {
                        let _ = tiny;
                        widths[0]
                    }
                }
            }

            fn interleave(
                isa: Isa,
                lanes: usize,
                shape: Shape,
                matrices: &[Self],
                a: &mut [Self],
                largest: &mut [Self],
            ) {
                check(shape);
                let size = shape.size();
                let count = matrices.len() / size;
                assert!(count <= lanes && matrices.len() == count * size, "too many matrices");
                dispatch!(
                    isa, lanes, $type, [$($width),*], [$($module),*],
                    interleave(matrices, shape, cells_mut(a, size), &mut cells_mut(largest, 1)[0])
                )
            }

            fn decompose(
                isa: Isa,
                lanes: usize,
                shape: Shape,
                scale: &[Self],
                a: &mut [Self],
                x: &mut [Self],
                s: &mut [Self],
                with_right: bool,
            ) -> u32 {
                let (n, d) = check(shape);
                dispatch!(
                    isa, lanes, $type, [$($width),*], [$($module),*],
                    decompose(
                        shape,
                        &cells(scale, 2).as_chunks().0[0],
                        cells_mut(a, n * d),
                        cells_mut(x, (n + d) * d),
                        cells_mut(s, d),
                        with_right
                    )
                )
            }

            fn right(isa: Isa, lanes: usize, shape: Shape, a: &[Self], x: &mut [Self]) {
                let (n, d) = check(shape);
                dispatch!(
                    isa, lanes, $type, [$($width),*], [$($module),*],
                    right(shape, cells(a, n * d), cells_mut(x, (n + d) * d))
                )
            }

            fn certify(
                isa: Isa,
                lanes: usize,
                shape: Shape,
                a: &[Self],
                x: &mut [Self],
                s: &[Self],
                gram: &mut [Self],
            ) -> u32 {
                let (n, d) = check(shape);
                dispatch!(
                    isa, lanes, $type, [$($width),*], [$($module),*],
                    certify(
                        shape,
                        cells(a, n * d),
                        cells_mut(x, (n + d) * d),
                        cells(s, d),
                        cells_mut(gram, d * d)
                    )
                )
            }

            fn polar(
                isa: Isa,
                lanes: usize,
                shape: Shape,
                a: &[Self],
                x: &[Self],
                s: &[Self],
                r: &mut [Self],
                h: &mut [Self],
            ) -> u32 {
                let (n, d) = check(shape);
                dispatch!(
                    isa, lanes, $type, [$($width),*], [$($module),*],
                    polar(
                        shape,
                        cells(a, n * d),
                        cells(x, (n + d) * d),
                        cells(s, d),
                        cells_mut(r, n * d),
                        cells_mut(h, shape.cols * shape.cols)
                    )
                )
            }
        }
    };
}

jacobi!(f32, [8, 16, 32], [f32x8, f32x8x2, f32x16, f32x16x2]);
jacobi!(f64, [4, 8, 16], [f64x4, f64x4x2, f64x8, f64x8x2]);
