//! The loop over the naive pass.

use super::*;

fn solve(cost: &[f64], n: usize, m: usize, reg: f64) -> (Solved, Vec<f64>) {
    let (a, b) = (vec![1.0 / n as f64; n], vec![1.0 / m as f64; m]);
    let problem = Problem {
        cost: MatRef::new(cost, n, m).unwrap(),
        rows: Marginal { mass: &a, rule: Rule::Exact },
        columns: Marginal { mass: &b, rule: Rule::Exact },
        reg,
    };
    let solver = Solver {
        method: Method::Log,
        acceleration: Acceleration::Auto,
        annealing: None,
        max_iter: 10_000,
        tol: 1e-12,
    };
    let (solved, _) = sinkhorn(&problem, &vec![0.0; m], &solver, &Control::default()).unwrap();
    let plan =
        (0..n * m).map(|at| (solved.f[at / m] + solved.g[at % m] - cost[at] / reg).exp()).collect();
    (solved, plan)
}

#[test]
fn the_plan_of_two_by_two_is_known() {
    // By symmetry P = [[p, 1/2 - p], [1/2 - p, p]], p / (1/2 - p) = exp(1 / reg).
    let (solved, plan) = solve(&[0.0, 1.0, 1.0, 0.0], 2, 2, 0.5);
    let p = 0.5 / (1.0 + (-1.0f64 / 0.5).exp());
    assert!(solved.converged && (plan[0] - p).abs() < 1e-14 && (plan[1] + p - 0.5).abs() < 1e-14);
}

#[test]
fn marginals_are_met() {
    let cost: Vec<f64> = (0..35).map(|i| f64::from(i * i % 17) / 17.0).collect();
    let (solved, plan) = solve(&cost, 5, 7, 0.05);
    assert!(solved.converged && solved.error <= 1e-12);
    for i in 0..5 {
        assert!((plan[i * 7..][..7].iter().sum::<f64>() - 0.2).abs() < 1e-12);
    }
}

#[test]
fn lengths_that_do_not_fit_are_refused() {
    let problem = Problem {
        cost: MatRef::new(&[0.0; 6], 2, 3).unwrap(),
        rows: Marginal { mass: &[1.0; 3], rule: Rule::Exact },
        columns: Marginal { mass: &[1.0; 3], rule: Rule::Exact },
        reg: 1.0,
    };
    let solver = Solver {
        method: Method::Log,
        acceleration: Acceleration::None,
        annealing: None,
        max_iter: 1,
        tol: 1.0,
    };
    let refused = sinkhorn(&problem, &[0.0; 3], &solver, &Control::default());
    assert!(matches!(refused, Err(Error::Shape { argument: "a", .. })));
}

/// Costs that need thousands of plain steps: two sets of points in the plane, by a counter's digits.
fn plane(n: usize) -> Vec<f64> {
    let digit = |i: usize, by: f64| (i as f64 * by).fract();
    let point =
        |i: usize, side: f64| (digit(i + 1, 0.754_877 + side), digit(i + 1, 0.569_84 - side));
    let distance = |i, j| {
        let ((x, y), (u, v)): ((f64, f64), (f64, f64)) = (point(i, 0.0), point(j, 0.1));
        (x - u).powi(2) + (y - v).powi(2)
    };
    (0..n * n).map(|at| distance(at / n, at % n)).collect()
}

fn with(
    cost: &[f64],
    n: usize,
    reg: f64,
    acceleration: Acceleration,
    annealing: Option<bool>,
    max_iter: usize,
) -> Solved {
    let mass = vec![1.0 / n as f64; n];
    let side = Marginal { mass: &mass, rule: Rule::Exact };
    let cost = MatRef::new(cost, n, n).unwrap();
    let problem = Problem { cost, rows: side, columns: side, reg };
    let solver = Solver { method: Method::Log, acceleration, annealing, max_iter, tol: 1e-6 };
    sinkhorn(&problem, &vec![0.0; n], &solver, &Control::default()).unwrap().0
}

#[test]
fn every_acceleration_finds_the_same() {
    let cost = plane(40);
    let expected = with(&cost, 40, 2e-3, Acceleration::None, None, 100_000);
    assert!(expected.converged && expected.iterations > 400, "{}", expected.iterations);
    for (acceleration, annealing, most) in [
        (Acceleration::Auto, None, 25),
        (Acceleration::Newton, Some(false), 60),
        (Acceleration::Anderson, None, 200),
        (Acceleration::Overrelaxation, None, 200),
        (Acceleration::Overrelaxation, Some(true), 200),
    ] {
        let found = with(&cost, 40, 2e-3, acceleration, annealing, 1000);
        let passes = found.iterations;
        assert!(found.converged && passes <= most, "{acceleration:?} {passes} {}", found.error);
        assert_eq!(found.history.len(), found.iterations);
        assert_eq!(found.history[found.iterations - 1].1, 2e-3);
        for (at, cost) in cost.iter().enumerate() {
            let plan = |one: &Solved| (one.f[at / 40] + one.g[at % 40] - cost / 2e-3).exp();
            assert!((plan(&found) - plan(&expected)).abs() < 1e-6);
        }
    }
}

#[test]
fn a_pass_is_left_for_the_reg_that_was_asked_for() {
    let cost = plane(30);
    for most in 1..30 {
        let found = with(&cost, 30, 1e-4, Acceleration::Auto, None, most);
        assert!(found.iterations <= most);
        assert_eq!(found.history[found.iterations - 1].1, 1e-4);
        assert!(found.error.is_finite());
    }
}

#[test]
fn small_regs_end_quickly() {
    for n in [60, 200] {
        let cost = plane(n);
        for (reg, most) in [(1e-2, 25), (1e-3, 30), (1e-4, 60), (1e-5, 100)] {
            let found = with(&cost, n, reg, Acceleration::Auto, None, 1000);
            assert!(found.converged && found.iterations <= most, "{reg} {}", found.iterations);
        }
    }
}
