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
    let solver = Solver { method: Method::Log, acceleration: 0, max_iter: 10_000, tol: 1e-12 };
    let solved = sinkhorn(&problem, &vec![0.0; m], &solver, &Control::default()).unwrap();
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
    let solver = Solver { method: Method::Log, acceleration: 0, max_iter: 1, tol: 1.0 };
    let refused = sinkhorn(&problem, &[0.0; 3], &solver, &Control::default());
    assert!(matches!(refused, Err(Error::Shape { argument: "a", .. })));
}
