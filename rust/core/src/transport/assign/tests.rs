//! Against the procedure step by step in float64 logarithms, and its own promises.

use isomorph_kernels::Assignment;

use super::{Assigner, Codes, PriorRule, assign, score_maxima};
use crate::matrix::MatRef;
use crate::runtime::{Control, pool};

fn log_sum(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let top = values.clone().fold(f64::NEG_INFINITY, f64::max);
    if top.is_finite() { top + values.map(|x| (x - top).exp()).sum::<f64>().ln() } else { top }
}

/// Codes by logarithms, of exponents rounded as the type rounds them.
fn by_logs<T: Assignment>(scores: &[T], masses: &[f64], how: &Assigner) -> Vec<f64> {
    let m = masses.len();
    let reg = T::from_f64(how.reg).to_f64();
    let mut t: Vec<f64> = scores.iter().map(|s| T::from_f64(s.to_f64() / reg).to_f64()).collect();
    for _ in 0..how.iterations {
        for (j, mass) in masses.iter().enumerate() {
            let sum = log_sum(t.iter().skip(j).step_by(m).copied());
            let sum = if how.rule == PriorRule::Multiplied { 0.0 } else { sum };
            let step = if *mass > 0.0 { mass.ln() - sum } else { f64::NEG_INFINITY };
            t.iter_mut().skip(j).step_by(m).for_each(|x| *x += step);
        }
        for row in t.chunks_mut(m) {
            let sum = log_sum(row.iter().copied());
            row.iter_mut().for_each(|x| *x -= sum);
        }
    }
    t.iter().map(|x| x.exp()).collect()
}

fn scores<T: Assignment>(n: usize, m: usize, spread: f64) -> Vec<T> {
    let value = |i: usize| (i as f64 * 0.73 + (i * i % 97) as f64).sin() * spread;
    (0..n * m).map(|i| T::from_f64(value(i))).collect()
}

fn masses(m: usize) -> Vec<f64> {
    let raw: Vec<f64> = (0..m).map(|j| 1.0 + (j as f64).sin() * 0.9).collect();
    let total: f64 = raw.iter().sum();
    raw.iter().map(|mass| mass / total).collect()
}

fn codes<T: Assignment>(scores: &[T], masses: &[f64], how: &Assigner) -> (Vec<T>, Option<f64>) {
    let (m, control) = (masses.len(), Control::default());
    let matrix = MatRef::new(scores, scores.len() / m, m).unwrap();
    let (_, maxima) = score_maxima(matrix, &control).unwrap();
    let mut out = vec![T::default(); scores.len()];
    let error = assign(matrix, &maxima, masses, how, Codes::Whole(&mut out), &control).unwrap();
    (out, error)
}

fn assert_near<T: Assignment>(got: &[T], expected: &[f64], bound: f64) {
    for (got, expected) in got.iter().zip(expected) {
        let got = got.to_f64();
        // What may be dropped as nothing: see `reach`.
        let least = (T::RANGE_2.0.to_f64() * 0.6 + 2.0).exp2();
        if *expected < least {
            assert!(got <= 2.0 * least, "{got:e} {expected:e}");
        } else {
            let error = (got / expected - 1.0).abs() / T::UNIT_ROUNDOFF;
            assert!(error < bound, "{got:e} {expected:e}: {error}");
        }
    }
}

fn agrees_with_logs<T: Assignment>(units: f64) {
    let rules = [PriorRule::Marginal, PriorRule::Multiplied];
    for (n, m) in [(1, 1), (1, 9), (9, 1), (40, 33), (150, 5000)] {
        for (reg, rule, iterations) in
            [(1.0, 0, 1), (0.05, 0, 3), (0.01, 0, 3), (0.01, 1, 3), (0.004, 0, 60)]
        {
            if n * m > 10_000 && iterations > 3 {
                continue;
            }
            let how = Assigner { reg, iterations, rule: rules[rule], tol: None };
            let (s, masses) = (scores::<T>(n, m, 0.95), masses(m));
            let expected = by_logs(&s, &masses, &how);
            // What the logarithms themselves are wrong by, in float64.
            let bound =
                units + 16.0 * (0.95 / reg + 5.0) * f64::from(u8::from(T::NAME == "float64"));
            assert_near(&codes(&s, &masses, &how).0, &expected, bound * (1.0 + iterations as f64));
        }
    }
}

#[test]
fn codes_are_those_of_logarithms() {
    agrees_with_logs::<f32>(12.0);
    agrees_with_logs::<f64>(12.0);
}

/// All rows like one column so much that the others vanish beside it.
#[test]
fn what_vanishes_at_first_comes_back() {
    let mut s = scores::<f32>(12, 10, 0.05);
    for row in s.chunks_mut(10) {
        row.iter_mut().for_each(|x| *x -= 0.94);
        row[3] = 0.95;
    }
    for iterations in [1, 3, 50] {
        let how = Assigner { reg: 0.01, iterations, rule: PriorRule::Marginal, tol: None };
        let masses = vec![0.1; 10];
        let expected = by_logs(&s, &masses, &how);
        assert_near(&codes(&s, &masses, &how).0, &expected, 20.0 * (1.0 + iterations as f64));
    }
}

/// Weights move out of reach again and again, so that entries are made anew.
#[test]
fn weights_may_go_far() {
    // The matching that is best for all is not the one that any row or column likes best.
    let n = 12;
    let s: Vec<f32> =
        (0..n * n).map(|at| -(((at / n) as f32 - (at % n) as f32 - 1.0).abs())).collect();
    let how = Assigner { reg: 0.02, iterations: 300, rule: PriorRule::Marginal, tol: None };
    let masses = vec![1.0 / n as f64; n];
    let expected = by_logs(&s, &masses, &how);
    assert_near(&codes(&s, &masses, &how).0, &expected, 3000.0);
}

#[test]
fn columns_without_a_share_do_not_count() {
    for rule in [PriorRule::Marginal, PriorRule::Multiplied] {
        let how = Assigner { reg: 0.01, iterations: 3, rule, tol: None };
        let s = [0.95f32, -0.3, -0.9, 0.9, -0.8, -0.1];
        let masses = [0.0, 0.5, 0.5];
        assert_near(&codes(&s, &masses, &how).0, &by_logs(&s, &masses, &how), 50.0);
        let forbidden = [f32::NEG_INFINITY, -0.3, -0.9, f32::NEG_INFINITY, -0.8, -0.1];
        let expected = by_logs(&forbidden, &masses, &how);
        assert_near(&codes(&forbidden, &masses, &how).0, &expected, 50.0);
    }
}

#[test]
fn a_tolerance_stops_and_tells_the_error() {
    let (s, masses) = (scores::<f64>(50, 20, 0.5), masses(20));
    let how = |iterations, tol| Assigner { reg: 0.05, iterations, rule: PriorRule::Marginal, tol };
    let (stopped, error) = codes(&s, &masses, &how(400, Some(1e-3)));
    let error = error.unwrap();
    assert!(error <= 1e-3);
    let missed: f64 = (0..20)
        .map(|j| stopped.iter().skip(j).step_by(20).sum::<f64>() / 50.0 - masses[j])
        .map(f64::abs)
        .sum();
    assert!((missed - error).abs() < 1e-13, "{missed} {error}");
    let count = (1..400).find(|count| {
        let error = codes(&s, &masses, &how(*count, Some(1e-9))).1.unwrap();
        error <= 1e-3
    });
    let (counted, none) = codes(&s, &masses, &how(count.unwrap(), None));
    assert_eq!((counted, none), (stopped, None));
}

fn top_and_threads<T: Assignment>() {
    for (n, m) in [(300, 200), (9, 5000)] {
        let (s, masses) = (scores::<T>(n, m, 0.9), masses(m));
        let how = Assigner { reg: 0.05, iterations: 3, rule: PriorRule::Marginal, tol: None };
        let whole = codes(&s, &masses, &how).0;
        for threads in [1, 3] {
            pool(threads).unwrap().install(|| {
                assert_eq!(codes(&s, &masses, &how).0, whole);
                for k in [1, 7, m] {
                    let control = Control::default();
                    let matrix = MatRef::new(&s, n, m).unwrap();
                    let (_, maxima) = score_maxima(matrix, &control).unwrap();
                    let (mut weights, mut columns) = (vec![T::default(); n * k], vec![0; n * k]);
                    let top = Codes::Top { k, weights: &mut weights, columns: &mut columns };
                    assign(matrix, &maxima, &masses, &how, top, &control).unwrap();
                    for i in 0..n {
                        let row = &whole[i * m..][..m];
                        let mut order: Vec<usize> = (0..m).collect();
                        order.sort_by(|a, b| row[*b].partial_cmp(&row[*a]).unwrap());
                        for (place, j) in order[..k].iter().enumerate() {
                            assert_eq!(columns[i * k + place], *j as i64);
                            assert_eq!(weights[i * k + place], row[*j]);
                        }
                    }
                }
            });
        }
    }
}

#[test]
fn the_largest_are_those_of_all_whatever_the_threads() {
    top_and_threads::<f32>();
    top_and_threads::<f64>();
}

#[test]
fn maxima_are_of_rows_and_columns() {
    let s = [1.0f32, f32::NAN, -2.0, 3.0, f32::NEG_INFINITY, -5.0];
    let matrix = MatRef::new(&s, 3, 2).unwrap();
    let (rows, columns) = score_maxima(matrix, &Control::default()).unwrap();
    assert!(rows[0].is_nan());
    assert_eq!((rows[1], rows[2], columns[0]), (3.0, -5.0, 1.0));
}

#[test]
fn a_cancelled_job_ends_and_lengths_must_fit() {
    let (s, control) = ([0.0f32; 6], Control::default());
    let matrix = MatRef::new(&s, 2, 3).unwrap();
    let how = Assigner { reg: 1.0, iterations: 3, rule: PriorRule::Marginal, tol: None };
    let mut out = [0.0; 6];
    let refused = assign(matrix, &[0.0; 3], &[0.5; 2], &how, Codes::Whole(&mut out), &control);
    assert!(matches!(refused, Err(crate::Error::Shape { argument: "prior", .. })));
    control.cancel();
    let ended = assign(matrix, &[0.0; 3], &[0.3; 3], &how, Codes::Whole(&mut out), &control);
    assert_eq!(ended, Err(crate::Error::Cancelled));
}
