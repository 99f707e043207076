//! Every form of a pass against the naive one, in both types, on problems of many shapes.

use super::*;
use crate::matrix::MatRef;
use crate::runtime::{Control, pool};
use crate::transport::{Marginal, Pass, Problem, Rule};

struct Draws(u64);

impl Draws {
    fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 11) as f64 + 0.5) / (1u64 << 53) as f64
    }

    fn many(&mut self, count: usize) -> Vec<f64> {
        (0..count).map(|_| self.uniform()).collect()
    }
}

/// A pass, by name.
fn passes<'a, T: Cost>(problem: &Problem<'a, T>) -> Vec<(&'static str, Box<dyn Pass + 'a>)> {
    vec![
        ("log", Box::new(Logs::new(problem).unwrap())),
        ("scaling", Box::new(Kernel::new(problem, false).unwrap())),
        ("stabilized", Box::new(Kernel::new(problem, true).unwrap())),
    ]
}

/// How much exp(got) may differ from exp(expected), relatively.
fn near(got: &[f64], expected: &[f64], bound: f64, what: &str) {
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        assert!(
            got == expected || (got - expected).abs() <= bound,
            "{what}: {i}: {got} {expected}"
        );
    }
}

struct Case {
    n: usize,
    m: usize,
    range: f64,
    steps: f64,
    rules: Rule,
    forbidden: f64,
}

fn against_the_naive_pass<T: Cost>(case: &Case, seed: u64) {
    let Case { n, m, range, steps, rules, forbidden } = *case;
    let mut draws = Draws(seed);
    let cost: Vec<T> = (0..n * m)
        .map(|at| {
            let closed = draws.uniform() < forbidden && at % m != at / m % m;
            T::from_f64(if closed { f64::INFINITY } else { 2.0 * draws.uniform() - 0.7 })
        })
        .collect();
    let mut a = draws.many(n);
    let b = draws.many(m);
    if n > 2 {
        a[n / 2] = 0.0;
    }
    let problem = Problem {
        cost: MatRef::new(&cost, n, m).unwrap(),
        rows: Marginal { mass: &a, rule: rules },
        columns: Marginal { mass: &b, rule: Rule::Exact },
        reg: 2.0 / range,
    };
    let control = Control::default();
    let mut naive = Naive::new(&problem);
    let (mut f, mut logs) = (vec![0.0; n], vec![0.0; m]);
    let (mut f_known, mut logs_known) = (vec![0.0; n], vec![0.0; m]);
    for (name, mut pass) in passes(&problem) {
        let mut g: Vec<f64> = (0..m).map(|_| steps * (draws.uniform() - 0.5)).collect();
        if m > 2 {
            g[m - 1] = f64::NEG_INFINITY;
        }
        let mut draws = Draws(seed + 1);
        for step in 0..6 {
            if step == 4 {
                pass.set_reg(4.0 / range);
                naive.set_reg(4.0 / range);
            }
            pass.run(&g, &mut f, &mut logs, &control).unwrap();
            naive.run(&g, &mut f_known, &mut logs_known, &control).unwrap();
            // Exponents are up to the logarithm of the smallest share that matters.
            let bound = T::UNIT_ROUNDOFF * (100.0 + 4.0 * steps) + 1e-15 * range;
            let what = format!(
                "{name}, step {step} of {steps}, {n} x {m}, {range}, {rules:?}, {forbidden}"
            );
            near(&f, &f_known, bound, &format!("rows: {what}"));
            near(&logs, &logs_known, 2.0 * bound, &format!("columns: {what}"));
            for g in &mut g {
                *g += steps * (draws.uniform() - 0.5);
            }
        }
        naive.set_reg(problem.reg);
    }
}

fn in_both_types(case: &Case, seed: u64) {
    against_the_naive_pass::<f32>(case, seed);
    against_the_naive_pass::<f64>(case, seed);
}

#[test]
fn every_form_is_the_naive_one() {
    let exact = Rule::Exact;
    let shapes =
        [(1, 1), (1, 7), (9, 1), (2, 3), (4, 16), (5, 17), (33, 64), (140, 131), (3, 1200)];
    for (seed, (n, m)) in (1..).zip(shapes) {
        for (range, steps) in [(1.0, 0.5), (40.0, 3.0), (1000.0, 10.0), (1000.0, 400.0)] {
            for rules in [exact, Rule::Relaxed { share: 0.6 }, Rule::AtMost] {
                for forbidden in [0.0, 0.4] {
                    in_both_types(&Case { n, m, range, steps, rules, forbidden }, seed);
                }
            }
        }
    }
}

fn entries_above_a_level_are_those_of_the_plan<T: Cost>() {
    let (n, m, reg) = (9, 1100, 0.03);
    let mut draws = Draws(5);
    let cost: Vec<T> = draws.many(n * m).into_iter().map(T::from_f64).collect();
    let (a, b, mut g) = (draws.many(n), draws.many(m), draws.many(m));
    g[m - 1] = f64::NEG_INFINITY;
    let problem = Problem {
        cost: MatRef::new(&cost, n, m).unwrap(),
        rows: Marginal { mass: &a, rule: Rule::Exact },
        columns: Marginal { mass: &b, rule: Rule::Exact },
        reg,
    };
    let (mut f, mut logs) = (vec![0.0; n], vec![0.0; m]);
    let mut pass = Kernel::new(&problem, true).unwrap();
    let (mut columns, mut values) = (Vec::new(), Vec::new());
    assert!(!pass.above(0, 0.0, 0.0, &mut columns, &mut values), "there is no last run");
    // K is made, used, and made anew.
    for moved in [0.0, 0.5, 100.0] {
        for g in &mut g {
            *g += moved * draws.uniform();
        }
        pass.run(&g, &mut f, &mut logs, &Control::default()).unwrap();
        for i in 0..n {
            let entry = |j: usize| (f[i] + g[j] - cost[i * m + j].to_f64() / reg).exp();
            // Between two entries, so that rounding decides nothing.
            let mut sorted: Vec<f64> = (0..m).map(entry).collect();
            sorted.sort_by(f64::total_cmp);
            let level = 0.5 * (sorted[m - 300] + sorted[m - 301]);
            columns.clear();
            values.clear();
            assert!(pass.above(i, f[i], level, &mut columns, &mut values));
            let expected: Vec<u32> = (0..m as u32).filter(|j| entry(*j as usize) > level).collect();
            assert_eq!(columns, expected);
            for (j, value) in columns.iter().zip(&values) {
                let bound = T::UNIT_ROUNDOFF * 100.0 + 1e-12;
                assert!((value / entry(*j as usize) - 1.0).abs() < bound, "{i} {j}");
            }
        }
    }
    pass.set_reg(1.0);
    assert!(!pass.above(0, 0.0, 0.0, &mut columns, &mut values), "there is no last run");
}

#[test]
fn entries_above_a_level() {
    entries_above_a_level_are_those_of_the_plan::<f32>();
    entries_above_a_level_are_those_of_the_plan::<f64>();
}

#[test]
fn bytes_do_not_depend_on_the_threads() {
    let (n, m) = (301, 77);
    let mut draws = Draws(3);
    let cost: Vec<f32> = draws.many(n * m).iter().map(|x| *x as f32).collect();
    let (a, b) = (draws.many(n), draws.many(m));
    let problem = Problem {
        cost: MatRef::new(&cost, n, m).unwrap(),
        rows: Marginal { mass: &a, rule: Rule::Exact },
        columns: Marginal { mass: &b, rule: Rule::Exact },
        reg: 0.02,
    };
    let g = draws.many(m);
    for which in 0..3 {
        let of = |threads: usize| {
            pool(threads).unwrap().install(|| {
                let (_, mut pass) = passes(&problem).swap_remove(which);
                let (mut f, mut logs) = (vec![0.0; n], vec![0.0; m]);
                for _ in 0..3 {
                    pass.run(&g, &mut f, &mut logs, &Control::default()).unwrap();
                }
                (f, logs)
            })
        };
        assert_eq!(of(1), of(3));
    }
}

#[test]
fn a_pass_that_is_cancelled_says_so() {
    let cost = [0.5f32; 12];
    let problem = Problem {
        cost: MatRef::new(&cost, 3, 4).unwrap(),
        rows: Marginal { mass: &[1.0; 3], rule: Rule::Exact },
        columns: Marginal { mass: &[0.75; 4], rule: Rule::Exact },
        reg: 1.0,
    };
    let control = Control::default();
    control.cancel();
    for (_, mut pass) in passes(&problem) {
        let stopped = pass.run(&[0.0; 4], &mut [0.0; 3], &mut [0.0; 4], &control);
        assert_eq!(stopped, Err(crate::Error::Cancelled));
    }
}

#[test]
fn nothing_panics_on_numbers_that_make_no_sense() {
    let nan = f64::NAN;
    for bad in [nan, f64::NEG_INFINITY, f64::INFINITY, 3e38, -3e38] {
        for g in [[0.0, 0.0, nan], [1e300, 0.0, -1e300], [f64::INFINITY; 3], [f64::NEG_INFINITY; 3]]
        {
            let cost = [bad as f32, 1.0, 2.0, 0.0, bad as f32, 1.0];
            let problem = Problem {
                cost: MatRef::new(&cost, 2, 3).unwrap(),
                rows: Marginal { mass: &[1e300, 1e-300], rule: Rule::Exact },
                columns: Marginal { mass: &[1.0; 3], rule: Rule::Exact },
                reg: 1.0,
            };
            for (_, mut pass) in passes(&problem) {
                for _ in 0..2 {
                    pass.run(&g, &mut [0.0; 2], &mut [0.0; 3], &Control::default()).unwrap();
                }
            }
        }
    }
}
