//! Integer tiles on AVX2.
//!
//! `maddubs` multiplies 32 unsigned bytes by 32 signed ones and adds neighbours in 16 bits; two
//! such sums are added before `madd` adds neighbours again, into 32 bits: three multiplications for
//! 64 products. Half a tile at a time, 4 rows by 2 registers of columns: 8 accumulators, 4
//! registers of columns, 2 of rows and one of ones are 15 of the 16.

use std::arch::x86_64::*;

use crate::integer::{CODE_COLUMNS, CODE_ROWS, CodeColumns, CodeRows};
use crate::tile::Hits;

/// Rows that are worked on at a time.
const HALF: usize = CODE_ROWS / 2;
/// Bytes of a register.
const BYTES: usize = 32;
/// Values of a register.
const LANES: usize = 8;

/// See [`crate::code_tile`]; the caller has checked the lengths.
#[target_feature(enable = "avx2")]
pub fn tile<const N: usize, const BOTH: bool>(
    rows: &CodeRows<'_, N>,
    columns: &CodeColumns<'_, N>,
    hits: &mut Hits<f32>,
) -> bool {
    let low = half::<N, BOTH>(rows, columns, 0, hits);
    let high = half::<N, BOTH>(rows, columns, HALF, hits);
    low | high
}

/// Rows `first..first + 4`; their part of `hits` is always filled, with masks of zero where
/// nothing passed.
#[target_feature(enable = "avx2")]
#[inline]
fn half<const N: usize, const BOTH: bool>(
    rows: &CodeRows<'_, N>,
    columns: &CodeColumns<'_, N>,
    first: usize,
    hits: &mut Hits<f32>,
) -> bool {
    let sums = products(rows.codes, columns.codes, first);
    let mut any = _mm256_setzero_ps();
    let mut scores = [[_mm256_setzero_ps(); 2]; HALF];
    let scale = [load(&columns.scale[..LANES]), load(&columns.scale[LANES..])];
    for (r, sums) in sums.iter().enumerate() {
        let correction = _mm256_set1_epi32(rows.correction[first + r]);
        let row_scale = _mm256_set1_ps(rows.scale[first + r]);
        for h in 0..2 {
            let value = _mm256_cvtepi32_ps(_mm256_add_epi32(sums[h], correction));
            scores[r][h] = _mm256_mul_ps(_mm256_mul_ps(value, scale[h]), row_scale);
            let (row, column) = passes::<N, BOTH>(rows, columns, first + r, h, scores[r][h]);
            any = _mm256_or_ps(any, _mm256_or_ps(row, column));
        }
    }
    let found = _mm256_movemask_ps(any) != 0;
    for (r, scores) in scores.iter().enumerate() {
        let (mut for_row, mut for_columns) = (0, 0);
        if found {
            for (h, &score) in scores.iter().enumerate() {
                let (row, column) = passes::<N, BOTH>(rows, columns, first + r, h, score);
                for_row |= _mm256_movemask_ps(row) << (h * LANES);
                for_columns |= _mm256_movemask_ps(column) << (h * LANES);
                store(&mut hits.scores[(first + r) * CODE_COLUMNS + h * LANES..], score);
            }
        }
        // At most 16 bits are set: one a column.
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        {
            hits.for_rows[first + r] = for_row as u16;
            hits.for_columns[first + r] = for_columns as u16;
        }
    }
    found
}

/// Sums of products of rows `first..first + 4`, without the correction.
#[target_feature(enable = "avx2")]
#[inline]
fn products(rows: &[u8], columns: &[u8], first: usize) -> [[__m256i; 2]; HALF] {
    const STEP: usize = 2 * BYTES;
    let mut acc = [[_mm256_setzero_si256(); 2]; HALF];
    let ones = _mm256_set1_epi16(1);
    // Two groups of four values at a time: 64 bytes of rows, 128 of columns.
    let (x, _) = rows.as_chunks::<STEP>();
    let (y, _) = columns.as_chunks::<{ 2 * STEP }>();
    for (x, y) in x.iter().zip(y) {
        let (y, _) = y.as_chunks::<BYTES>();
        let y = [[bytes(&y[0]), bytes(&y[1])], [bytes(&y[2]), bytes(&y[3])]];
        for (r, acc) in acc.iter_mut().enumerate() {
            let x = [four(x, 4 * (first + r)), four(x, BYTES + 4 * (first + r))];
            for h in 0..2 {
                let pairs = _mm256_add_epi16(
                    _mm256_maddubs_epi16(y[0][h], x[0]),
                    _mm256_maddubs_epi16(y[1][h], x[1]),
                );
                acc[h] = _mm256_add_epi32(acc[h], _mm256_madd_epi16(pairs, ones));
            }
        }
    }
    acc
}

/// What passes for row `i`, and for the columns of register `h`.
#[target_feature(enable = "avx2")]
#[inline]
fn passes<const N: usize, const BOTH: bool>(
    rows: &CodeRows<'_, N>,
    columns: &CodeColumns<'_, N>,
    i: usize,
    h: usize,
    score: __m256,
) -> (__m256, __m256) {
    let (mut for_row, mut for_columns) = (_mm256_setzero_ps(), _mm256_setzero_ps());
    for (row, column) in rows.criteria.iter().zip(&columns.criteria) {
        let value = _mm256_add_ps(score, load(&column.bias[h * LANES..]));
        let threshold = _mm256_set1_ps(row.threshold[i]);
        for_row = _mm256_or_ps(for_row, _mm256_cmp_ps::<_CMP_GT_OQ>(value, threshold));
        if BOTH {
            let value = _mm256_add_ps(score, _mm256_set1_ps(row.bias[i]));
            let threshold = load(&column.threshold[h * LANES..]);
            for_columns = _mm256_or_ps(for_columns, _mm256_cmp_ps::<_CMP_GT_OQ>(value, threshold));
        }
    }
    (for_row, for_columns)
}

#[target_feature(enable = "avx2")]
#[inline]
fn bytes(values: &[u8; BYTES]) -> __m256i {
    // SAFETY: the array has exactly as many bytes as the register.
    unsafe { _mm256_loadu_si256(values.as_ptr().cast()) }
}

/// Four codes, in every lane of 32 bits.
#[target_feature(enable = "avx2")]
#[inline]
fn four(values: &[u8; 2 * BYTES], at: usize) -> __m256i {
    let four = [values[at], values[at + 1], values[at + 2], values[at + 3]];
    _mm256_set1_epi32(i32::from_le_bytes(four))
}

#[target_feature(enable = "avx2")]
#[inline]
fn load(values: &[f32]) -> __m256 {
    let values = &values[..LANES];
    // SAFETY: the slice has as many values as the register.
    unsafe { _mm256_loadu_ps(values.as_ptr()) }
}

#[target_feature(enable = "avx2")]
#[inline]
fn store(values: &mut [f32], vector: __m256) {
    let values = &mut values[..LANES];
    // SAFETY: the slice has as many values as the register.
    unsafe { _mm256_storeu_ps(values.as_mut_ptr(), vector) }
}
