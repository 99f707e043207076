//! Integer tiles on NEON with the dot product instructions.
//!
//! `sdot` multiplies 16 signed bytes by one lane of 4, four times, and adds neighbours to 32 bits.
//! Columns are codes plus 64, at most 127: signed bytes as they are. Half a tile at a time, 4 rows
//! by 4 registers of columns: 16 accumulators, 4 registers of columns and one of rows.

use std::arch::aarch64::*;

use crate::integer::{CODE_COLUMNS, CODE_GROUP, CODE_ROWS, CodeColumns, CodeRows};
use crate::tile::Hits;

/// Rows that are worked on at a time.
const HALF: usize = CODE_ROWS / 2;
/// Values of a register, and registers of a row of the tile.
const LANES: usize = 4;
/// Bytes of a register.
const BYTES: usize = 16;

/// See [`crate::code_tile`]; the caller has checked the lengths.
#[target_feature(enable = "neon,dotprod")]
pub fn tile<const N: usize, const BOTH: bool>(
    rows: &CodeRows<'_, N>,
    columns: &CodeColumns<'_, N>,
    hits: &mut Hits<f32>,
) -> bool {
    let low = half::<N, BOTH>(rows, columns, 0, hits);
    let high = half::<N, BOTH>(rows, columns, HALF, hits);
    low | high
}

#[target_feature(enable = "neon,dotprod")]
#[inline]
fn half<const N: usize, const BOTH: bool>(
    rows: &CodeRows<'_, N>,
    columns: &CodeColumns<'_, N>,
    first: usize,
    hits: &mut Hits<f32>,
) -> bool {
    let sums = products(rows.codes, columns.codes, first);
    let mut any = 0;
    for (r, sums) in sums.iter().enumerate() {
        let i = first + r;
        let correction = vdupq_n_s32(rows.correction[i]);
        let (mut for_row, mut for_columns) = (0, 0);
        for (c, &sum) in sums.iter().enumerate() {
            let value = vcvtq_f32_s32(vaddq_s32(sum, correction));
            let scale = load(&columns.scale[c * LANES..]);
            let score = vmulq_n_f32(vmulq_f32(value, scale), rows.scale[i]);
            for (row, column) in rows.criteria.iter().zip(&columns.criteria) {
                let biased = vaddq_f32(score, load(&column.bias[c * LANES..]));
                let passed = vcgtq_f32(biased, vdupq_n_f32(row.threshold[i]));
                for_row |= mask(passed) << (c * LANES);
                if BOTH {
                    let biased = vaddq_f32(score, vdupq_n_f32(row.bias[i]));
                    let passed = vcgtq_f32(biased, load(&column.threshold[c * LANES..]));
                    for_columns |= mask(passed) << (c * LANES);
                }
            }
            store(&mut hits.scores[i * CODE_COLUMNS + c * LANES..], score);
        }
        hits.for_rows[i] = for_row;
        hits.for_columns[i] = for_columns;
        any |= for_row | for_columns;
    }
    any != 0
}

/// Sums of products of rows `first..first + 4`, without the correction.
#[target_feature(enable = "neon,dotprod")]
#[inline]
fn products(rows: &[u8], columns: &[u8], first: usize) -> [[int32x4_t; LANES]; HALF] {
    let mut acc = [[vdupq_n_s32(0); LANES]; HALF];
    let (x, _) = rows.as_chunks::<{ CODE_ROWS * CODE_GROUP }>();
    let (y, _) = columns.as_chunks::<{ CODE_COLUMNS * CODE_GROUP }>();
    for (x, y) in x.iter().zip(y) {
        let x = bytes(&x[first * CODE_GROUP..]);
        for (c, y) in y.as_chunks::<BYTES>().0.iter().enumerate() {
            let y = bytes(y);
            acc[0][c] = dot::<0>(acc[0][c], y, x);
            acc[1][c] = dot::<1>(acc[1][c], y, x);
            acc[2][c] = dot::<2>(acc[2][c], y, x);
            acc[3][c] = dot::<3>(acc[3][c], y, x);
        }
    }
    acc
}

/// `acc` plus the products of each four bytes of `y` with the four bytes of lane `LANE` of `x`.
#[target_feature(enable = "neon,dotprod")]
#[inline]
fn dot<const LANE: i32>(mut acc: int32x4_t, y: int8x16_t, x: int8x16_t) -> int32x4_t {
    // As an instruction, because the intrinsic is not stable (rust-lang/rust#117224).
    // SAFETY: it reads and writes the named registers only, and the feature is enabled.
    unsafe {
        std::arch::asm!(
            "sdot {acc:v}.4s, {y:v}.16b, {x:v}.4b[{lane}]",
            acc = inout(vreg) acc,
            y = in(vreg) y,
            x = in(vreg) x,
            lane = const LANE,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    acc
}

/// One bit a lane.
#[target_feature(enable = "neon")]
#[inline]
fn mask(passed: uint32x4_t) -> u16 {
    let weights = [1, 2, 4, 8];
    // SAFETY: the array has exactly as many values as the register.
    let weights = unsafe { vld1q_u32(weights.as_ptr()) };
    // At most 15: one bit a lane.
    #[allow(clippy::cast_possible_truncation)]
    {
        vaddvq_u32(vandq_u32(passed, weights)) as u16
    }
}

#[target_feature(enable = "neon")]
#[inline]
fn bytes(values: &[u8]) -> int8x16_t {
    let values = &values[..BYTES];
    // SAFETY: the slice has exactly as many bytes as the register.
    vreinterpretq_s8_u8(unsafe { vld1q_u8(values.as_ptr()) })
}

#[target_feature(enable = "neon")]
#[inline]
fn load(values: &[f32]) -> float32x4_t {
    let values = &values[..LANES];
    // SAFETY: the slice has as many values as the register.
    unsafe { vld1q_f32(values.as_ptr()) }
}

#[target_feature(enable = "neon")]
#[inline]
fn store(values: &mut [f32], vector: float32x4_t) {
    let values = &mut values[..LANES];
    // SAFETY: the slice has as many values as the register.
    unsafe { vst1q_f32(values.as_mut_ptr(), vector) }
}
