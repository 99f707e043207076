//! Batches against the naive pass, and that problems do not see each other.

use super::*;
use crate::transport::{Acceleration, Marginal, Method, Problem, Rule, Solver, sinkhorn};

/// Numbers in [0, 1), by a linear congruence.
struct Random(u64);

impl Random {
    fn uniform(&mut self) -> f64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }
}

struct Drawn<T> {
    shapes: Vec<(usize, usize)>,
    costs: Vec<Vec<T>>,
    a: Vec<f64>,
    b: Vec<f64>,
    regs: Vec<f64>,
    starts: Vec<f64>,
}

fn draw<T: Cost>(shapes: &[(usize, usize)], reg: f64) -> Drawn<T> {
    let mut random = Random(7);
    let mut masses = |count: usize| {
        let masses: Vec<f64> = (0..count).map(|_| random.uniform() + 0.1).collect();
        let sum: f64 = masses.iter().sum();
        masses.into_iter().map(move |mass| mass / sum)
    };
    let a: Vec<f64> = shapes.iter().flat_map(|(n, _)| masses(*n)).collect();
    let b: Vec<f64> = shapes.iter().flat_map(|(_, m)| masses(*m)).collect();
    let regs: Vec<f64> = (0..shapes.len()).map(|i| reg * (1.0 + i as f64 * 0.01)).collect();
    let mut random = Random(11);
    let costs = shapes
        .iter()
        .map(|(n, m)| (0..n * m).map(|_| T::from_f64(random.uniform())).collect())
        .collect();
    let mut starts = Vec::new();
    for ((_, m), reg) in shapes.iter().zip(&regs) {
        for _ in 0..*m {
            starts.push(reg * b[starts.len()].ln());
        }
    }
    Drawn { shapes: shapes.to_vec(), costs, a, b, regs, starts }
}

fn run<T: Cost>(drawn: &Drawn<T>, only: &[usize], limits: &Limits) -> Answers {
    let pick = |flat: &[f64], length: &dyn Fn(&(usize, usize)) -> usize| -> Vec<f64> {
        let mut first = vec![0];
        for shape in &drawn.shapes {
            first.push(first[first.len() - 1] + length(shape));
        }
        only.iter().flat_map(|i| flat[first[*i]..first[i + 1]].to_vec()).collect()
    };
    let costs: Vec<_> = only
        .iter()
        .map(|i| MatRef::new(&drawn.costs[*i], drawn.shapes[*i].0, drawn.shapes[*i].1).unwrap())
        .collect();
    let regs: Vec<f64> = only.iter().map(|i| drawn.regs[*i]).collect();
    let batch = Batch {
        costs: &costs,
        a: &pick(&drawn.a, &|shape| shape.0),
        b: &pick(&drawn.b, &|shape| shape.1),
        regs: &regs,
        commons: &vec![0.0; only.len()],
        starts: &pick(&drawn.starts, &|shape| shape.1),
    };
    solve(&batch, limits, &Control::default()).unwrap()
}

const SHAPES: [(usize, usize); 24] = [
    (5, 6),
    (1, 1),
    (4, 4),
    (7, 3),
    (5, 6),
    (8, 6),
    (6, 5),
    (1, 9),
    (9, 1),
    (16, 16),
    (17, 15),
    (32, 32),
    (31, 33),
    (64, 64),
    (5, 6),
    (5, 6),
    (5, 7),
    (63, 2),
    (4, 4),
    (3, 3),
    (2, 2),
    (65, 80),
    (100, 30),
    (128, 200),
];

fn each_is_as_if_alone<T: Cost>(reg: f64) {
    let drawn = draw::<T>(&SHAPES, reg);
    let limits = Limits { tol: 1e-6, max_iter: 2000, patience: 2000 };
    let all: Vec<usize> = (0..SHAPES.len()).collect();
    let together = run(&drawn, &all, &limits);
    let (mut row, mut column) = (0, 0);
    for (i, (n, m)) in SHAPES.iter().enumerate() {
        let alone = run(&drawn, &[i], &limits);
        assert_eq!(alone.f, together.f[row..row + n], "{i}");
        assert_eq!(alone.g, together.g[column..column + m], "{i}");
        assert_eq!(alone.iterations[0], together.iterations[i], "{i}");
        assert!(!alone.left[0], "{i}: {alone:?}");
        assert!(alone.error[0] <= 1e-6, "{i}: {alone:?}");
        row += n;
        column += m;
    }
}

#[test]
fn a_problem_has_the_same_answer_in_any_company() {
    for reg in [1.0, 0.1, 0.02] {
        each_is_as_if_alone::<f32>(reg);
        each_is_as_if_alone::<f64>(reg);
    }
}

#[test]
fn passes_are_those_of_the_plain_iteration() {
    let drawn = draw::<f64>(&[(12, 17)], 0.05);
    for passes in [1, 2, 7, 8, 9, 16, 100] {
        let limits = Limits { tol: 1e-300, max_iter: passes, patience: passes };
        let found = run(&drawn, &[0], &limits);
        assert_eq!(found.iterations, [passes as i64]);
        let problem = Problem {
            cost: MatRef::new(&drawn.costs[0], 12, 17).unwrap(),
            rows: Marginal { mass: &drawn.a, rule: Rule::Exact },
            columns: Marginal { mass: &drawn.b, rule: Rule::Exact },
            reg: drawn.regs[0],
        };
        let start: Vec<f64> = drawn.starts.iter().map(|g| g / drawn.regs[0]).collect();
        let solver = Solver {
            method: Method::Log,
            acceleration: Acceleration::None,
            annealing: Some(false),
            max_iter: passes,
            tol: 1e-300,
        };
        let expected = sinkhorn(&problem, &start, &solver, &Control::default()).unwrap();
        for (found, expected) in found.g.iter().zip(&expected.0.g) {
            assert!((found / drawn.regs[0] - expected).abs() < 1e-11, "{found} {expected}");
        }
        assert!((found.error[0] - expected.0.error).abs() < 1e-13);
    }
}

#[test]
fn costs_are_looked_at() {
    let extent = |costs: &[f64]| {
        let cost = MatRef::new(costs, 1, costs.len()).unwrap();
        scan(&[cost], &Control::default()).unwrap()[0]
    };
    assert_eq!(extent(&[1.0, -2.0, 0.5]), Extent { least: -2.0, most: 1.0, finite: true });
    let forbidden = extent(&[1.0, f64::INFINITY, 0.5]);
    assert_eq!(forbidden, Extent { least: 0.5, most: 1.0, finite: false });
    assert!(!extent(&[1.0, f64::NAN, 0.5]).finite);
    assert!(!extent(&[1.0, f64::NEG_INFINITY]).finite);
    // In every part, whole or not; sums that overflow are of numbers.
    for place in 0..40 {
        let mut costs: Vec<f64> = (0..40).map(f64::from).collect();
        costs[place] = f64::NAN;
        assert!(!extent(&costs).finite, "{place}");
        costs[place] = -3.0;
        assert_eq!(extent(&costs).least, -3.0, "{place}");
        costs[place] = f64::INFINITY;
        let most = if place == 39 { 38.0 } else { 39.0 };
        let found = extent(&costs);
        assert!(!found.finite && found.most == most, "{place}: {found:?}");
    }
    assert_eq!(extent(&[f64::MAX; 40]), Extent { least: f64::MAX, most: f64::MAX, finite: true });
}
