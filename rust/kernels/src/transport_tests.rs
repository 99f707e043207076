//! The operations of transport, on every instruction set, against float64.

use crate::Isa;
use crate::transport::{Exponents, GROUP, Transport};

/// Numbers in (0, 1).
struct Draws(u64);

impl Draws {
    fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }
}

const LENGTHS: [usize; 14] = [1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 63, 64, 129, 5003];

fn numbers<T: Transport>(draws: &mut Draws, length: usize) -> Vec<T> {
    (0..length).map(|_| T::from_f64(draws.uniform())).collect()
}

fn products_and_sums<T: Transport>() {
    let mut draws = Draws::new(1);
    for m in LENGTHS {
        for count in 1..=GROUP {
            let rows: Vec<T> = numbers(&mut draws, count * m);
            let v: Vec<T> = numbers(&mut draws, m);
            let start: Vec<T> = numbers(&mut draws, m);
            let weights: Vec<T> = numbers(&mut draws, count);
            for isa in Isa::available() {
                let mut sums = vec![f64::NAN; count];
                T::dots_with(isa, &rows, &v, &mut sums);
                let mut to = start.clone();
                T::add_rows(isa, &rows, &weights, &rows, &mut to);
                for r in 0..count {
                    let expected: f64 =
                        (0..m).map(|k| rows[r * m + k].to_f64() * v[k].to_f64()).sum();
                    let bound = 300.0 * T::UNIT_ROUNDOFF * expected;
                    assert!((sums[r] - expected).abs() <= bound, "{m} {count} {}", isa.name());
                }
                for k in 0..m {
                    let expected = start[k].to_f64()
                        + (0..count)
                            .map(|r| rows[r * m + k].to_f64() * weights[r].to_f64())
                            .sum::<f64>();
                    let bound = 8.0 * T::UNIT_ROUNDOFF * expected;
                    assert!((to[k].to_f64() - expected).abs() <= bound, "{m} {count}");
                }
                let total: f64 = rows.iter().map(|x| x.to_f64()).sum();
                assert!((T::sum(isa, &rows) - total).abs() <= 300.0 * T::UNIT_ROUNDOFF * total);
            }
        }
    }
}

/// A number on the grid of `quantum`, and the rest of it.
fn parts<T: Transport>(value: f64, quantum: f64) -> [T; 2] {
    let high = (value / quantum).round() * quantum;
    [T::from_f64(high), T::from_f64(value - high)]
}

fn exponents_have_their_own_rounding_error_only<T: Transport>() {
    let mut draws = Draws::new(2);
    for m in LENGTHS {
        // Potentials and costs of some thousands that nearly cancel.
        let scale = 4000.0 * (1.0 + draws.uniform());
        let high = T::from_f64(scale).next_down().next_down();
        let scales = [high, T::from_f64(scale - high.to_f64())];
        let scale = scales[0].to_f64() + scales[1].to_f64();
        let cost: Vec<T> = numbers(&mut draws, m);
        let quantum = 1.0 / 256.0;
        let f = parts::<T>(-700.0 * draws.uniform(), quantum);
        let (mut high, mut low, mut expected) = (Vec::new(), Vec::new(), Vec::new());
        for c in &cost {
            let near = c.to_f64() * scale - f[0].to_f64() - 30.0 * draws.uniform();
            let g = parts::<T>(near, quantum);
            high.push(g[0]);
            low.push(g[1]);
            // In an order that loses nothing that matters in float64.
            let sum = (f[0].to_f64() + g[0].to_f64()) - c.to_f64() * scales[0].to_f64();
            expected
                .push(sum + ((f[1].to_f64() + g[1].to_f64()) - c.to_f64() * scales[1].to_f64()));
        }
        let of = Exponents { cost: &cost, scale: scales, g: [&high, &low], f };
        for isa in Isa::available() {
            let mut out = vec![T::default(); m];
            let sum = T::exponentials(isa, &of, &cost, &mut out);
            // Without fused multiplication the product is rounded, too.
            let product = if isa == Isa::portable() { 20_000.0 } else { 0.0 };
            let own = if T::UNIT_ROUNDOFF < 1e-10 { 20_000.0 } else { product };
            let mut exact = 0.0;
            for (got, t) in out.iter().zip(&expected) {
                let error = (got.to_f64() / t.exp2() - 1.0).abs();
                let bound = T::UNIT_ROUNDOFF * (2.0 * t.abs() + own + 4.0);
                assert!(error <= bound, "{}: {t}: {error:e} {bound:e}", isa.name());
                exact += got.to_f64();
            }
            assert!((sum - exact).abs() <= 300.0 * T::UNIT_ROUNDOFF * exact);
            let most = expected.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            let found = T::largest_exponent(isa, &of).to_f64();
            assert!((found - most).abs() <= T::UNIT_ROUNDOFF * (20_000.0 + 4.0 * most.abs()));
        }
    }
}

fn what_is_not_finite<T: Transport>() {
    let inf = T::INFINITY;
    let one = T::from_f64(1.0);
    let zero = T::default();
    let cost = [inf, zero, inf, one, one];
    let high = [zero, T::NEG_INFINITY, T::NEG_INFINITY, T::from_f64(1e6), zero];
    let of = Exponents { cost: &cost, scale: [one, one], g: [&high, &[zero; 5]], f: [zero; 2] };
    for isa in Isa::available() {
        let mut out = [T::INFINITY; 5];
        let sum = T::exponentials(isa, &of, &[], &mut out);
        assert!(out[..3] == [zero; 3] && out[4].to_f64() == 0.25, "{out:?}");
        assert!(out[3].finite() && sum > 1e15 && sum.is_finite(), "{out:?}");
        assert!(T::largest_exponent(isa, &of).to_f64() > 9e5);
        let nothing = Exponents { cost: &cost[..3], g: [&high[..3], &[zero; 3]], ..of };
        assert!(T::largest_exponent(isa, &nothing) == T::NEG_INFINITY);
        assert!(T::exponentials(isa, &nothing, &[], &mut out[..3]) == 0.0);
    }
}

macro_rules! of_both {
    ($($name:ident: $function:ident),*) => {
        $(
            #[test]
            fn $name() {
                $function::<f32>();
                $function::<f64>();
            }
        )*
    };
}

of_both!(
    products_and_sums_have_the_error_of_their_terms: products_and_sums,
    exponents_of_large_parts_that_cancel: exponents_have_their_own_rounding_error_only,
    infinite_costs_and_potentials: what_is_not_finite
);

#[test]
#[should_panic(expected = "rows do not fit")]
fn rows_of_another_length_are_refused() {
    f32::add_rows(Isa::portable(), &[0.0; 5], &[0.0; 2], &[], &mut [0.0; 3]);
}
