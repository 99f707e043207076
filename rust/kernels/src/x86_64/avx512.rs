//! Integer tiles on AVX-512 with VNNI.
//!
//! `dpbusd` multiplies 64 unsigned bytes by 64 signed ones and adds four neighbours to 32 bits, in
//! one instruction: a register of columns, or two, against 8 broadcast rows.

use std::arch::x86_64::*;

use crate::integer::{CODE_COLUMNS, CODE_GROUP, CODE_ROWS, CodeColumns, CodeRows};
use crate::tile::Hits;

/// Bytes of a register: one group of all columns.
const BYTES: usize = CODE_COLUMNS * CODE_GROUP;

/// See [`crate::code_tile`]; the caller has checked the lengths.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub fn tile<const N: usize, const BOTH: bool>(
    rows: &CodeRows<'_, N>,
    columns: &CodeColumns<'_, N>,
    hits: &mut Hits<f32>,
) -> bool {
    let mut sums = [_mm512_setzero_si512(); CODE_ROWS];
    let (x, _) = rows.codes.as_chunks::<{ CODE_ROWS * CODE_GROUP }>();
    let (y, _) = columns.codes.as_chunks::<BYTES>();
    for (x, y) in x.iter().zip(y) {
        let y = bytes(y);
        for (sum, x) in sums.iter_mut().zip(x.as_chunks::<CODE_GROUP>().0) {
            let x = _mm512_set1_epi32(i32::from_le_bytes(*x));
            *sum = _mm512_dpbusd_epi32(*sum, y, x);
        }
    }
    select::<N, BOTH>(sums, rows, columns, hits)
}

/// See [`crate::code_tiles`]; the caller has checked the lengths. 16 sums: one broadcast serves two
/// multiplications, and loads no longer bound the rate.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub fn tiles<const N: usize, const BOTH: bool>(
    rows: &CodeRows<'_, N>,
    [left, right]: &[CodeColumns<'_, N>; 2],
    [left_hits, right_hits]: &mut [Hits<f32>; 2],
) -> [bool; 2] {
    let mut left_sums = [_mm512_setzero_si512(); CODE_ROWS];
    let mut right_sums = [_mm512_setzero_si512(); CODE_ROWS];
    let (x, _) = rows.codes.as_chunks::<{ CODE_ROWS * CODE_GROUP }>();
    let (y, _) = left.codes.as_chunks::<BYTES>();
    let (z, _) = right.codes.as_chunks::<BYTES>();
    for ((x, y), z) in x.iter().zip(y).zip(z) {
        let (y, z) = (bytes(y), bytes(z));
        let (x, _) = x.as_chunks::<CODE_GROUP>();
        for ((left, right), x) in left_sums.iter_mut().zip(&mut right_sums).zip(x) {
            let x = _mm512_set1_epi32(i32::from_le_bytes(*x));
            *left = _mm512_dpbusd_epi32(*left, y, x);
            *right = _mm512_dpbusd_epi32(*right, z, x);
        }
    }
    [
        select::<N, BOTH>(left_sums, rows, left, left_hits),
        select::<N, BOTH>(right_sums, rows, right, right_hits),
    ]
}

/// The scores of a tile, and what passes.
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
#[inline]
fn select<const N: usize, const BOTH: bool>(
    sums: [__m512i; CODE_ROWS],
    rows: &CodeRows<'_, N>,
    columns: &CodeColumns<'_, N>,
    hits: &mut Hits<f32>,
) -> bool {
    let scale = load(columns.scale);
    let mut scores = [_mm512_setzero_ps(); CODE_ROWS];
    let mut any = 0;
    for r in 0..CODE_ROWS {
        let sum = _mm512_add_epi32(sums[r], _mm512_set1_epi32(rows.correction[r]));
        let value = _mm512_mul_ps(_mm512_cvtepi32_ps(sum), scale);
        scores[r] = _mm512_mul_ps(value, _mm512_set1_ps(rows.scale[r]));
        let (mut for_row, mut for_columns) = (0, 0);
        for (row, column) in rows.criteria.iter().zip(&columns.criteria) {
            let value = _mm512_add_ps(scores[r], load(column.bias));
            let threshold = _mm512_set1_ps(row.threshold[r]);
            for_row |= _mm512_cmp_ps_mask::<_CMP_GT_OQ>(value, threshold);
            if BOTH {
                let value = _mm512_add_ps(scores[r], _mm512_set1_ps(row.bias[r]));
                for_columns |= _mm512_cmp_ps_mask::<_CMP_GT_OQ>(value, load(column.threshold));
            }
        }
        hits.for_rows[r] = for_row;
        hits.for_columns[r] = for_columns;
        any |= for_row | for_columns;
    }
    if any == 0 {
        return false;
    }
    for (out, scores) in hits.scores.as_chunks_mut::<CODE_COLUMNS>().0.iter_mut().zip(scores) {
        // SAFETY: the array has exactly as many values as the register.
        unsafe { _mm512_storeu_ps(out.as_mut_ptr(), scores) };
    }
    true
}

#[target_feature(enable = "avx512f")]
#[inline]
fn bytes(values: &[u8; BYTES]) -> __m512i {
    // SAFETY: the array has exactly as many bytes as the register.
    unsafe { _mm512_loadu_si512(values.as_ptr().cast()) }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn load(values: &[f32]) -> __m512 {
    let values = &values[..CODE_COLUMNS];
    // SAFETY: the slice has as many values as the register.
    unsafe { _mm512_loadu_ps(values.as_ptr()) }
}
