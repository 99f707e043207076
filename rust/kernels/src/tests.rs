//! Every operation, on every instruction set of this CPU, against plain oracles.

use crate::portable::sum_of_lanes;
use crate::{
    CodeColumns, CodeRows, CodeWidth, Criterion, Element, Hits, Isa, MAX_SLIVERS, SLIVER, Side,
    add_outer_products, code_tile, code_tiles,
};

/// Deterministic values in (-1, 1), of many magnitudes and both signs.
fn values<T: Element>(n: usize, seed: u64) -> Vec<T> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..n)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            let unit = (state >> 11) as f64 / (1u64 << 53) as f64 * 2.0 - 1.0;
            T::from_f64(unit * 2f64.powi((state % 13) as i32 - 6))
        })
        .collect()
}

fn column<T: Element>(packed: &[T], width: usize, i: usize) -> Vec<T> {
    packed.chunks_exact(width).map(|chunk| chunk[i]).collect()
}

const DEPTHS: [usize; 15] = [0, 1, 2, 3, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 300];

fn tile_matches<T: Element>(isa: Isa) {
    let (height, width) = (T::TILE_ROWS, T::TILE_COLUMNS);
    for depth in DEPTHS {
        let x = values::<T>(depth * height, 1 + depth as u64);
        let y = values::<T>(depth * width, 99 + depth as u64);
        let (row_bias, column_bias) = (values::<T>(height, 3), values::<T>(width, 4));
        let (row_bar, column_bar) = (values::<T>(height, 5), values::<T>(width, 6));
        let rows = Side { packed: &x, bias: &row_bias, threshold: &row_bar };
        let columns = Side { packed: &y, bias: &column_bias, threshold: &column_bar };
        for both in [false, true] {
            let mut hits = Hits::default();
            let any = T::tile(isa, &rows, &columns, both, &mut hits);
            assert!(any, "depth {depth}: with thresholds around zero something passes");
            for i in 0..height {
                for j in 0..width {
                    let (xi, yj) = (column(&x, height, i), column(&y, width, j));
                    let exact: f64 = xi.iter().zip(&yj).map(|(a, b)| a.to_f64() * b.to_f64()).sum();
                    let size: f64 =
                        xi.iter().zip(&yj).map(|(a, b)| (a.to_f64() * b.to_f64()).abs()).sum();
                    let du = (depth.max(1)) as f64 * T::UNIT_ROUNDOFF;
                    let bound = du / (1.0 - du) * size * (1.0 + 1e-9) + 1e-15 * size;
                    let score = hits.scores[i * width + j];
                    assert!((score.to_f64() - exact).abs() <= bound, "{i} {j} {depth}");
                    let row_passes = score.plus(column_bias[j]) > row_bar[i];
                    assert_eq!(hits.for_rows[i] >> j & 1 == 1, row_passes);
                    let column_passes = both && score.plus(row_bias[i]) > column_bar[j];
                    assert_eq!(hits.for_columns[i] >> j & 1 == 1, column_passes);
                }
            }
        }
    }
}

fn nothing_passes_where_it_must_not<T: Element>(isa: Isa) {
    let (height, width) = (T::TILE_ROWS, T::TILE_COLUMNS);
    let ones = vec![T::from_f64(1.0); 5 * width];
    let nan = vec![T::from_f64(f64::NAN); 5 * height];
    let zeros = vec![T::default(); width];
    let (low, high) = (vec![T::NEG_INFINITY; width], vec![T::INFINITY; width]);
    let check = |x: &[T], row_bar: &[T], column_bias: &[T]| {
        let rows = Side { packed: x, bias: &low[..height], threshold: &row_bar[..height] };
        let columns = Side { packed: &ones, bias: column_bias, threshold: &low };
        // The row bias of -inf keeps the columns from selecting, whatever their threshold.
        assert!(!T::tile(isa, &rows, &columns, true, &mut Hits::default()));
    };
    check(&ones[..5 * height], &high, &zeros);
    check(&ones[..5 * height], &low, &low);
    check(&nan, &low, &zeros);
}

fn canonical_sums_are_the_same_bits<T: Element>(isa: Isa) {
    for depth in DEPTHS {
        let (x, y) = (values::<T>(depth, 7), values::<T>(depth, 8));
        let (mut dot, mut distance) = ([0.0; 8], [0.0; 8]);
        for k in 0..depth {
            let (a, b) = (x[k].to_f64(), y[k].to_f64());
            dot[k % 8] += a * b;
            distance[k % 8] += (a - b) * (a - b);
        }
        assert_eq!(T::dot(isa, &x, &y).to_bits(), sum_of_lanes(dot).to_bits());
        assert_eq!(T::dot(isa, &y, &x).to_bits(), sum_of_lanes(dot).to_bits());
        let got = T::squared_distance(isa, &x, &y);
        assert_eq!(got.to_bits(), sum_of_lanes(distance).to_bits());
    }
}

macro_rules! on_every_isa {
    ($($name:ident),*) => {$(
        mod $name {
            use crate::Isa;

            #[test]
            fn f32() {
                for isa in Isa::available() {
                    super::$name::<f32>(isa);
                }
            }

            #[test]
            fn f64() {
                for isa in Isa::available() {
                    super::$name::<f64>(isa);
                }
            }
        }
    )*};
}

on_every_isa!(tile_matches, nothing_passes_where_it_must_not, canonical_sums_are_the_same_bits);

/// Codes of one side in panels, and their sums.
fn codes(n: usize, width: CodeWidth, seed: u64, extreme: bool) -> Vec<i8> {
    let (values, largest) = (values::<f64>(n, seed), f64::from(width.largest()));
    let code = |x: f64| if extreme { largest.copysign(x) } else { (x * 1e6) % largest };
    values.into_iter().map(|x| code(x) as i8).collect()
}

/// Everything of an integer tile, against the definition written out.
fn code_tile_matches<const N: usize, const BOTH: bool>(isa: Isa, bits: CodeWidth) {
    use crate::{CODE_COLUMNS as WIDTH, CODE_GROUP as GROUP, CODE_ROWS as HEIGHT};
    let cases = [0, 8, 16, 24, 64, 304].into_iter().flat_map(|d| [(d, false), (d, true)]);
    // Under Miri the largest would take hours.
    let largest = if cfg!(miri) { 1 << 9 } else { 1 << 17 };
    for (number, (depth, extreme)) in cases.chain([(largest, true)]).enumerate() {
        let seed = 10 * number as u64 + 1;
        // All products positive drive every partial sum to its extreme; the last case overflows
        // first, should anything.
        let positive = extreme && number % 4 == 3 || depth == largest;
        let sign = |q: i8| if positive { bits.largest() } else { q };
        let side = |n, seed| codes(n, bits, seed, extreme).into_iter().map(sign).collect();
        let (x, y): (Vec<i8>, Vec<i8>) =
            (side(depth * HEIGHT, seed), side(depth * WIDTH, seed + 1));
        let at = |k: usize, i: usize, width: usize| (k / GROUP * width + i) * GROUP + k % GROUP;
        let shifted: Vec<u8> = y.iter().map(|&q| (q as u8).wrapping_add(bits.offset())).collect();
        let correction: Vec<i32> = (0..HEIGHT)
            .map(|i| (0..depth).map(|k| i32::from(x[at(k, i, HEIGHT)])).sum::<i32>())
            .map(|sum| -i32::from(bits.offset()) * sum)
            .collect();
        let positive_values = |n, seed| -> Vec<f32> {
            values::<f32>(n, seed).into_iter().map(|x| x.abs() * 1e-3).collect()
        };
        let (row_scale, column_scale) = (positive_values(HEIGHT, 3), positive_values(WIDTH, 4));
        let row_values: Vec<Vec<f32>> = (0..2 * N).map(|s| values(HEIGHT, 50 + s as u64)).collect();
        let column_values: Vec<Vec<f32>> =
            (0..2 * N).map(|s| values(WIDTH, 70 + s as u64)).collect();
        fn criteria<const N: usize>(values: &[Vec<f32>]) -> [Criterion<'_>; N] {
            std::array::from_fn(|c| Criterion {
                bias: &values[2 * c],
                threshold: &values[2 * c + 1],
            })
        }
        let x_bytes: Vec<u8> = x.iter().map(|&q| q as u8).collect();
        let rows = CodeRows {
            codes: &x_bytes,
            width: bits,
            correction: &correction,
            scale: &row_scale,
            criteria: criteria::<N>(&row_values),
        };
        let columns = CodeColumns {
            codes: &shifted,
            scale: &column_scale,
            criteria: criteria::<N>(&column_values),
        };
        let mut hits = Hits::default();
        let any = code_tile::<N, BOTH>(isa, &rows, &columns, &mut hits);
        assert!(any, "depth {depth}: with thresholds around zero something passes");
        for i in 0..HEIGHT {
            for j in 0..WIDTH {
                let sum: i32 = (0..depth)
                    .map(|k| i32::from(x[at(k, i, HEIGHT)]) * i32::from(y[at(k, j, WIDTH)]))
                    .sum();
                let score = (sum as f32 * column_scale[j]) * row_scale[i];
                assert_eq!(hits.scores[i * WIDTH + j].to_bits(), score.to_bits(), "{i} {j}");
                let (mut for_row, mut for_column) = (false, false);
                for c in 0..N {
                    for_row |= score + column_values[2 * c][j] > row_values[2 * c + 1][i];
                    for_column |= score + row_values[2 * c][i] > column_values[2 * c + 1][j];
                }
                assert_eq!(hits.for_rows[i] >> j & 1 == 1, for_row, "{i} {j} depth {depth}");
                assert_eq!(hits.for_columns[i] >> j & 1 == 1, BOTH && for_column);
            }
        }
    }
}

#[test]
fn integer_tiles_are_the_same_bits() {
    for isa in Isa::available() {
        let both = isa == Isa::portable() || isa.code_width() == CodeWidth::Eight;
        for bits in [CodeWidth::Seven, CodeWidth::Eight].into_iter().take(1 + usize::from(both)) {
            code_tile_matches::<1, false>(isa, bits);
            code_tile_matches::<1, true>(isa, bits);
            code_tile_matches::<2, true>(isa, bits);
        }
    }
}

/// Two panels at once, the second of which has other codes, scales and thresholds.
#[test]
fn integer_tiles_of_two_panels_are_two_tiles() {
    for isa in Isa::available() {
        let width = isa.code_width();
        for depth in [0, 8, 24, 304] {
            let bytes = |n: usize, seed| -> Vec<u8> {
                codes(n, width, seed, false).into_iter().map(|q| q as u8).collect()
            };
            let panels = [1, 2].map(|seed| -> Vec<u8> {
                let signed = bytes(16 * depth, seed);
                signed.into_iter().map(|q| q.wrapping_add(width.offset())).collect()
            });
            let (x, bias, own) = (bytes(8 * depth, 3), values::<f32>(16, 4), values::<f32>(16, 5));
            let bars = [values::<f32>(16, 6), vec![f32::INFINITY; 16]];
            let rows = CodeRows {
                codes: &x,
                width,
                correction: &[-7; 8],
                scale: &own[..8],
                criteria: [Criterion { bias: &bias[..8], threshold: &own[8..] }],
            };
            let columns: [CodeColumns<'_, 1>; 2] = std::array::from_fn(|p| CodeColumns {
                codes: &panels[p],
                scale: if p == 0 { &bias } else { &own },
                criteria: [Criterion { bias: &own, threshold: &bars[p] }],
            });
            let mut found = [Hits::default(), Hits::default()];
            let any = code_tiles::<1, true>(isa, &rows, &columns, &mut found);
            for ((any, found), columns) in any.into_iter().zip(&found).zip(&columns) {
                let mut expected = Hits::default();
                assert_eq!(any, code_tile::<1, true>(isa, &rows, columns, &mut expected));
                assert_eq!(found.scores.map(f32::to_bits), expected.scores.map(f32::to_bits));
                assert_eq!(found.for_rows, expected.for_rows);
                assert_eq!(found.for_columns, expected.for_columns);
            }
        }
    }
}

#[test]
fn nothing_passes_an_integer_tile_where_it_must_not() {
    let (low, high, zero) = ([f32::NEG_INFINITY; 16], [f32::INFINITY; 16], [0.0f32; 16]);
    let nan = [f32::NAN; 16];
    for isa in Isa::available() {
        for (row_bar, column_bias) in [(&high, &zero), (&low, &low), (&nan, &zero), (&low, &nan)] {
            let rows = CodeRows {
                codes: &[1; 64],
                width: CodeWidth::Seven,
                correction: &[-512; 8],
                scale: &[1.0; 8],
                criteria: [Criterion { bias: &low[..8], threshold: &row_bar[..8] }],
            };
            let columns = CodeColumns {
                codes: &[65; 128],
                scale: &[1.0; 16],
                criteria: [Criterion { bias: column_bias, threshold: &low }],
            };
            assert!(!code_tile::<1, true>(isa, &rows, &columns, &mut Hits::default()));
        }
    }
}

#[test]
fn the_peak_counts_what_it_runs() {
    for isa in Isa::available() {
        let (operations, value) = crate::fma_chains(isa, 1000);
        assert!(operations >= 1000 * 12 * 8 && value.is_finite(), "{}", isa.name());
    }
}

#[test]
fn outer_products_add_up() {
    for isa in Isa::available() {
        for depth in [0, 1, 2, 7, 64, 257] {
            for slivers in 1..=MAX_SLIVERS {
                let left = values::<f64>(depth * SLIVER, 3 + depth as u64);
                let right: Vec<Vec<f64>> = (0..slivers)
                    .map(|s| values::<f64>(depth * SLIVER, 77 + (depth * 3 + s) as u64))
                    .collect();
                let right: Vec<&[f64]> = right.iter().map(Vec::as_slice).collect();
                let (columns, stride) = (slivers * SLIVER, slivers * SLIVER + 3);
                let before = values::<f64>((SLIVER - 1) * stride + columns, 5);
                let mut after = before.clone();
                add_outer_products(isa, &left, &right, &mut after, stride);
                for (place, (new, old)) in after.iter().zip(&before).enumerate() {
                    let (i, j) = (place / stride, place % stride);
                    if j >= columns {
                        assert_eq!(new, old, "what lies between rows is nobody's");
                        continue;
                    }
                    let pairs = (0..depth)
                        .map(|k| left[k * SLIVER + i] * right[j / SLIVER][k * SLIVER + j % SLIVER]);
                    let (sum, size) = pairs.fold((0.0, 0.0), |(s, a), p| (s + p, a + p.abs()));
                    let bound = 2.0 * (depth + 2) as f64 * f64::EPSILON * (size + old.abs());
                    assert!((new - old - sum).abs() <= bound, "{depth} {slivers} {i} {j}");
                }
            }
        }
    }
}

#[test]
fn fused_outer_products_have_the_same_bits() {
    let depth = 300;
    let left = values::<f64>(depth * SLIVER, 1);
    let right: Vec<Vec<f64>> = (0..3).map(|s| values::<f64>(depth * SLIVER, 10 + s)).collect();
    let right: Vec<&[f64]> = right.iter().map(Vec::as_slice).collect();
    let sums: Vec<Vec<u64>> = [Isa::avx2(), Isa::avx512()]
        .into_iter()
        .flatten()
        .map(|isa| {
            let mut to = vec![0.0; SLIVER * 3 * SLIVER];
            add_outer_products(isa, &left, &right, &mut to, 3 * SLIVER);
            to.iter().map(|x| x.to_bits()).collect()
        })
        .collect();
    assert!(sums.windows(2).all(|pair| pair[0] == pair[1]));
}
