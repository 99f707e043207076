//! The operations of late interaction, on every instruction set of this CPU, against plain oracles.

use crate::{Isa, Late, Narrow, TILE_ROWS};

fn values<T: Late>(n: usize, seed: u64) -> Vec<T> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            let unit = (state >> 11) as f64 / (1u64 << 53) as f64 * 2.0 - 1.0;
            T::from_f64(unit * 2f64.powi((state >> 7) as i32 % 13 - 6))
        })
        .collect()
}

fn products_are_within_their_bound<T: Late>(isa: Isa) {
    for depth in [1, 2, 3, 7, 8, 9, 31, 128] {
        for count in [0, 1, 2, 3, 4, 5, 6, 7, 11, 12, 13] {
            for panel_count in [0, 1, 3] {
                let rows = values::<T>(count * depth, 1);
                let panels = values::<T>(panel_count * depth * T::PANEL, 2);
                let mut out = vec![T::INFINITY; count * panel_count * T::PANEL];
                let mut magnitudes = vec![T::default(); count.div_ceil(TILE_ROWS)];
                T::products(isa, &rows, depth, &panels, &mut out, &mut magnitudes);
                for (found, rows) in magnitudes.iter().zip(rows.chunks(TILE_ROWS * depth)) {
                    let largest = T::largest_magnitude(isa, rows);
                    assert_eq!(*found, if panel_count > 0 { largest } else { T::default() });
                }
                let kept = out.clone();
                T::products(isa, &rows, depth, &panels, &mut out, &mut []);
                assert_eq!(kept, out, "the magnitudes do not change the products");
                for (at, found) in out.iter().enumerate() {
                    let (p, r, i) = (at / (count * T::PANEL), at / T::PANEL % count, at % T::PANEL);
                    let (mut exact, mut size) = (0.0, 0.0);
                    for k in 0..depth {
                        let y = panels[(p * depth + k) * T::PANEL + i].to_f64();
                        exact += rows[r * depth + k].to_f64() * y;
                        size += (rows[r * depth + k].to_f64() * y).abs();
                    }
                    let du = depth as f64 * T::UNIT_ROUNDOFF;
                    let bound = du / (1.0 - du) * size * (1.0 + 1e-9) + 1e-15 * size;
                    assert!((found.to_f64() - exact).abs() <= bound, "{depth} {count} {at}");
                }
            }
        }
    }
}

fn scans_find_what_a_loop_finds<T: Late>(isa: Isa) {
    for count in [0, 1, 2, 5, 40] {
        let scores = values::<T>(count * T::PANEL, 3);
        let mut best = values::<T>(T::PANEL, 4);
        let expected: Vec<T> = (0..T::PANEL)
            .map(|i| {
                let column = scores.iter().skip(i).step_by(T::PANEL).copied();
                column.fold(best[i], |a, b| if b > a { b } else { a })
            })
            .collect();
        let mut found = Vec::new();
        T::for_each_at_least(isa, &scores, &best, |r, i| found.push((r, i)));
        let mut passing = Vec::new();
        for r in 0..count {
            for i in 0..T::PANEL {
                if scores[r * T::PANEL + i] >= best[i] {
                    passing.push((r, i));
                }
            }
        }
        assert_eq!(found, passing);
        T::raise_to_maxima(isa, &scores, &mut best);
        assert_eq!(best, expected);
        // Equality passes, for it may be the maximum.
        let mut equal = 0;
        T::for_each_at_least(isa, &best, &best, |_, _| equal += 1);
        assert_eq!(equal, T::PANEL);
    }
}

fn counts_are_those_of_a_loop<T: Late>(isa: Isa) {
    for count in [0, 1, 7, 300] {
        let mut scores = values::<T>(count * T::PANEL, 3);
        if count == 300 {
            scores[5 * T::PANEL + 1] = T::from_f64(f64::NAN);
        }
        let (low, high) = (vec![T::from_f64(-0.1); T::PANEL], vec![T::from_f64(0.2); T::PANEL]);
        let (mut above, mut unsure) = (vec![3; T::PANEL], Vec::new());
        T::count_above(isa, &scores, &low, &high, &mut above, |r, i| unsure.push((r, i)));
        let mut expected = Vec::new();
        for (at, score) in scores.iter().enumerate() {
            let score = score.to_f64();
            if score.is_nan() || score >= low[0].to_f64() && score <= high[0].to_f64() {
                expected.push((at / T::PANEL, at % T::PANEL));
            }
        }
        assert_eq!(unsure, expected);
        for (i, &above) in above.iter().enumerate() {
            let column = scores.iter().skip(i).step_by(T::PANEL);
            assert_eq!(above as usize, 3 + column.filter(|&&score| score > high[0]).count());
        }
    }
}

fn magnitudes_see_every_lane<T: Late>(isa: Isa) {
    assert_eq!(T::largest_magnitude(isa, &[]), T::default());
    for lane in 0..71 {
        let mut x = values::<T>(71, 5);
        for (value, expected) in
            [(-1e9, 1e9), (f64::NAN, f64::INFINITY), (f64::NEG_INFINITY, f64::INFINITY)]
        {
            x[lane] = T::from_f64(value);
            assert_eq!(T::largest_magnitude(isa, &x), T::from_f64(expected));
        }
    }
}

fn tile_magnitudes_see_every_value<T: Late>(isa: Isa) {
    for depth in [1, 5, 8, 13, 20] {
        let panel = values::<T>(depth * T::PANEL, 1);
        for at in 0..depth * 8 {
            for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
                let mut rows = values::<T>(depth * 8, 2);
                rows[at] = T::from_f64(value);
                let mut out = vec![T::default(); 8 * T::PANEL];
                let mut magnitudes = [T::default(); 2];
                T::products(isa, &rows, depth, &panel, &mut out, &mut magnitudes);
                let bad = at / (TILE_ROWS * depth);
                assert!(!magnitudes[bad].finite() && magnitudes[1 - bad].finite());
            }
        }
    }
}

fn narrow_values_widen_exactly<T: Late>(isa: Isa) {
    let bits: Vec<u16> = (0..=u16::MAX).collect();
    let mut out = vec![T::default(); bits.len()];
    T::widen(isa, Narrow::F16(&bits), &mut out);
    for (&bits, found) in bits.iter().zip(&out) {
        let (exponent, fraction) = (i32::from(bits >> 10 & 31), f64::from(bits & 1023));
        let sign = if bits >> 15 == 1 { -1.0 } else { 1.0 };
        let expected = match exponent {
            0 => fraction * 2f64.powi(-24),
            31 if fraction == 0.0 => f64::INFINITY,
            31 => f64::NAN,
            _ => (1.0 + fraction / 1024.0) * 2f64.powi(exponent - 15),
        };
        let found = found.to_f64();
        assert!(found.is_nan() && expected.is_nan() || found == sign * expected, "{bits:#x}");
        assert!(found.is_nan() || found.is_sign_negative() == (sign < 0.0));
    }
    T::widen(isa, Narrow::Bf16(&bits), &mut out);
    for (&bits, found) in bits.iter().zip(&out) {
        let expected = f64::from(f32::from_bits(u32::from(bits) << 16));
        assert!(found.to_f64() == expected || found.to_f64().is_nan() && expected.is_nan());
    }
    let integers: Vec<i8> = (i8::MIN..=i8::MAX).collect();
    let mut out = vec![T::default(); integers.len()];
    T::widen(isa, Narrow::I8(&integers), &mut out);
    assert!(out.iter().zip(&integers).all(|(x, &i)| x.to_f64() == f64::from(i)));
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

on_every_isa!(
    products_are_within_their_bound,
    scans_find_what_a_loop_finds,
    counts_are_those_of_a_loop,
    magnitudes_see_every_lane,
    tile_magnitudes_see_every_value,
    narrow_values_widen_exactly
);
