//! Tiles of integer dot products: several times the rate of the floating-point tile, and a filter
//! as it is.
//!
//! A row `x` is given as codes `q`, integers of 7 or 8 bits, and a scale `s`: `x ≈ s q`.
//! The tile computes `I = Σ q_x q_y` exactly and the value `(I as f32 * s_y) * s_x`, each step
//! rounded to nearest: the same bits on every instruction set, and `portable` is their definition.
//!
//! Columns are stored as unsigned bytes, `q + 64` or `q + 128`, because the instructions multiply an
//! unsigned byte by a signed one; what that adds, `64 Σ q_x`, is a constant of the row. The sum of
//! two products of 127 and 63 is 16,002: two such pairs are added in the 16 bits of AVX2 without
//! saturation, three are not. AVX-512 adds in 32 bits, which may wrap, since what the constant
//! takes off again brings the sum back: there codes have all 8 bits.

use crate::isa::{Isa, Level};
use crate::portable;
use crate::tile::Hits;

/// Rows of an integer tile.
pub const CODE_ROWS: usize = 8;
/// Columns of an integer tile.
pub const CODE_COLUMNS: usize = 16;
/// Consecutive values of a vector that lie side by side: what one instruction adds up.
pub const CODE_GROUP: usize = 4;
/// The values of a vector are filled with codes of zero to a multiple of this.
pub const CODE_DEPTH: usize = 2 * CODE_GROUP;
/// Depth up to which no sum of products leaves 32 bits.
pub const CODE_MAX_DEPTH: usize = 1 << 17;

/// How many bits codes have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodeWidth {
    /// On every instruction set.
    Seven,
    /// Half the error, where sums of products do not saturate; see [`Isa::code_width`].
    Eight,
}

impl CodeWidth {
    /// The largest code.
    #[must_use]
    pub const fn largest(self) -> i8 {
        match self {
            Self::Seven => 63,
            Self::Eight => 127,
        }
    }

    /// What is added to the codes of columns.
    #[must_use]
    pub const fn offset(self) -> u8 {
        match self {
            Self::Seven => 64,
            Self::Eight => 128,
        }
    }
}

/// One way to select: a score passes when `score + other side's bias > threshold`.
#[derive(Clone, Copy, Debug)]
pub struct Criterion<'a> {
    /// Added to the scores before the *other* side's vectors compare them.
    pub bias: &'a [f32],
    /// What a score must exceed to be selected for this side's vector.
    pub threshold: &'a [f32],
}

/// The rows of an integer tile, with `N` ways to select.
#[derive(Clone, Copy, Debug)]
pub struct CodeRows<'a, const N: usize> {
    /// Group after group: [`CODE_GROUP`] codes of each of the [`CODE_ROWS`] rows, signed, as bytes.
    pub codes: &'a [u8],
    /// Of the codes of both sides.
    pub width: CodeWidth,
    /// Minus the offset of the columns, times `Σ q` of each row.
    pub correction: &'a [i32],
    /// `s` of each row.
    pub scale: &'a [f32],
    /// By which a pair is selected.
    pub criteria: [Criterion<'a>; N],
}

/// The columns of an integer tile, with `N` ways to select.
#[derive(Clone, Copy, Debug)]
pub struct CodeColumns<'a, const N: usize> {
    /// Group after group: [`CODE_GROUP`] codes, plus their offset, of each of the [`CODE_COLUMNS`] columns.
    pub codes: &'a [u8],
    /// `s` of each column.
    pub scale: &'a [f32],
    /// By which a pair is selected.
    pub criteria: [Criterion<'a>; N],
}

/// The values of one tile and which of them passed, by one way or another, as
/// [`Element::tile`](crate::Element::tile) does it. The scores are without any bias.
///
/// With `BOTH` the columns select, too. Panics when the sides do not fit, or for wider codes than
/// those of the set ([`Isa::code_width`]); the portable set takes all.
pub fn code_tile<const N: usize, const BOTH: bool>(
    isa: Isa,
    rows: &CodeRows<'_, N>,
    columns: &CodeColumns<'_, N>,
    hits: &mut Hits<f32>,
) -> bool {
    check(isa, rows, columns);
    match isa.level() {
        Level::Portable => portable::code_tile::<N, BOTH>(rows, columns, hits),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the Isa value proves that the CPU has AVX2.
        Level::Avx2 => unsafe { crate::x86_64::avx2_codes::tile::<N, BOTH>(rows, columns, hits) },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: the Isa value proves that the CPU has AVX-512 F, BW and VNNI.
        Level::Avx512 => unsafe { crate::x86_64::avx512::tile::<N, BOTH>(rows, columns, hits) },
        #[cfg(target_arch = "aarch64")]
        // SAFETY: the Isa value proves that the CPU has NEON with the dot product instructions.
        Level::Neon => unsafe { crate::aarch64::neon::tile::<N, BOTH>(rows, columns, hits) },
    }
}

/// [`code_tile`] of the same rows with two panels of columns, and which of the two had something that
/// passed: what is read of the rows serves both.
///
/// Panics as [`code_tile`] does.
pub fn code_tiles<const N: usize, const BOTH: bool>(
    isa: Isa,
    rows: &CodeRows<'_, N>,
    columns: &[CodeColumns<'_, N>; 2],
    hits: &mut [Hits<f32>; 2],
) -> [bool; 2] {
    #[cfg(target_arch = "x86_64")]
    if isa.level() == Level::Avx512 {
        check(isa, rows, &columns[0]);
        check(isa, rows, &columns[1]);
        // SAFETY: the Isa value proves that the CPU has AVX-512 F, BW and VNNI.
        return unsafe { crate::x86_64::avx512::tiles::<N, BOTH>(rows, columns, hits) };
    }
    let [first, second] = hits;
    [
        code_tile::<N, BOTH>(isa, rows, &columns[0], first),
        code_tile::<N, BOTH>(isa, rows, &columns[1], second),
    ]
}

/// Panics unless the slices of both sides fit one tile: the SIMD kernels rely on it.
fn check<const N: usize>(isa: Isa, rows: &CodeRows<'_, N>, columns: &CodeColumns<'_, N>) {
    let fits = |criterion: &Criterion<'_>, count| {
        criterion.bias.len() == count && criterion.threshold.len() == count
    };
    assert!(
        rows.width == CodeWidth::Seven
            || isa.code_width() == CodeWidth::Eight
            || isa == Isa::portable(),
        "codes of 8 bits on an instruction set for 7"
    );
    let depth = rows.codes.len() / CODE_ROWS;
    assert!(
        depth.is_multiple_of(CODE_DEPTH)
            && depth <= CODE_MAX_DEPTH
            && rows.codes.len() == depth * CODE_ROWS
            && columns.codes.len() == depth * CODE_COLUMNS
            && rows.correction.len() == CODE_ROWS
            && rows.scale.len() == CODE_ROWS
            && columns.scale.len() == CODE_COLUMNS
            && rows.criteria.iter().all(|criterion| fits(criterion, CODE_ROWS))
            && columns.criteria.iter().all(|criterion| fits(criterion, CODE_COLUMNS)),
        "the sides of an integer tile do not fit"
    );
}
