//! The pass over points against the naive one over the matrix of their costs, of many shapes.

use super::*;
use crate::runtime::pool;
use crate::transport::dense::Naive;
use crate::transport::{Acceleration, Method, Pass, Problem, Rule, sinkhorn};

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

    fn points<T: Coordinate>(&mut self, count: usize) -> Vec<T> {
        (0..count).map(|_| T::from_f64(2.0 * self.uniform() - 1.0)).collect()
    }
}

const SCALE: f64 = 0.5;

/// The costs, in float64.
fn costs<T: Coordinate>(x: &[T], y: &[T], depth: usize) -> Vec<f64> {
    let mut costs = Vec::new();
    for x in x.chunks(depth) {
        for y in y.chunks(depth) {
            let products = x.iter().zip(y).map(|(x, y)| x.to_f64() * y.to_f64());
            costs.push(-SCALE * products.sum::<f64>());
        }
    }
    costs
}

fn near(got: &[f64], expected: &[f64], bound: f64, what: &str) {
    for (i, (got, expected)) in got.iter().zip(expected).enumerate() {
        assert!(
            got == expected || (got - expected).abs() <= bound,
            "{what}: {i}: {got} {expected}"
        );
    }
}

fn against_the_naive_pass<T: Coordinate>(shape: (usize, usize, usize), reg: f64, rule: Rule) {
    let (n, m, depth) = shape;
    let mut draws = Draws(7 + n as u64 + m as u64);
    let (x, y) = (draws.points::<T>(n * depth), draws.points::<T>(m * depth));
    let cost = costs(&x, &y, depth);
    let (mut a, b) = (draws.many(n), draws.many(m));
    if n > 2 {
        a[n / 2] = 0.0;
    }
    let (rows, columns) = (Marginal { mass: &a, rule }, Marginal { mass: &b, rule: Rule::Exact });
    let clouds = Clouds {
        x: MatRef::new(&x, n, depth).unwrap(),
        y: MatRef::new(&y, m, depth).unwrap(),
        scale: SCALE,
        rows,
        columns,
        reg,
    };
    let matrix = MatRef::new(&cost, n, m).unwrap();
    let mut naive = Naive::new(&Problem { cost: matrix, rows, columns, reg });
    let mut pass = Products::new(&clouds).unwrap();
    let control = Control::default();
    let (mut f, mut logs) = (vec![0.0; n], vec![0.0; m]);
    let (mut f_known, mut logs_known) = (vec![0.0; n], vec![0.0; m]);
    // The costs' own error, in units of reg, and that of exponents and sums.
    let largest = clouds.largest() / reg;
    let bound = T::UNIT_ROUNDOFF * ((depth as f64 + 2.0) * largest + 300.0) + 1e-15 * largest;
    let mut g: Vec<f64> = draws.many(m);
    if m > 2 {
        g[m - 1] = f64::NEG_INFINITY;
    }
    for step in 0..5 {
        let factor = if step == 3 { 2.0 } else { 1.0 };
        pass.set_reg(reg * factor);
        naive.set_reg(reg * factor);
        pass.run(&g, &mut f, &mut logs, &control).unwrap();
        naive.run(&g, &mut f_known, &mut logs_known, &control).unwrap();
        let what = format!("{shape:?}, reg {reg}, step {step}, {rule:?}");
        near(&f, &f_known, bound, &format!("rows: {what}"));
        near(&logs, &logs_known, 2.0 * bound, &format!("columns: {what}"));
        let far = if step == 2 { 60.0 } else { 3.0 };
        g.iter_mut().for_each(|g| *g += far * (draws.uniform() - 0.5));
    }
    let mut made = vec![f64::NAN; n * m];
    pass.set_reg(reg);
    pass.costs(0..n, &mut made);
    for (made, cost) in made.iter().zip(&cost) {
        assert!((made - cost / reg).abs() <= bound, "{made} {cost}");
    }
}

#[test]
fn the_pass_is_the_naive_one() {
    let shapes = [
        (1, 1, 1),
        (1, 9, 3),
        (9, 1, 2),
        (2, 16, 4),
        (13, 17, 1),
        (33, 64, 5),
        (140, 131, 7),
        (800, 40, 3),
        (30, 900, 300),
    ];
    for shape in shapes {
        for reg in [3.0, 0.05, 1e-3] {
            for rule in [Rule::Exact, Rule::Relaxed { share: 0.6 }, Rule::AtMost] {
                against_the_naive_pass::<f32>(shape, reg, rule);
                against_the_naive_pass::<f64>(shape, reg, rule);
            }
        }
    }
}

fn solved_as_a_matrix<T: Coordinate>() {
    let (n, m, depth, reg) = (150, 90, 6, 0.05);
    let mut draws = Draws(5);
    let (x, y) = (draws.points::<T>(n * depth), draws.points::<T>(m * depth));
    let cost = costs(&x, &y, depth);
    let (mut a, mut b) = (draws.many(n), draws.many(m));
    (a[3], b[5]) = (0.0, 0.0);
    for mass in [&mut a, &mut b] {
        let total: f64 = mass.iter().sum();
        mass.iter_mut().for_each(|mass| *mass /= total);
    }
    let side = |mass| Marginal { mass, rule: Rule::Exact };
    let (rows, columns) = (side(&a), side(&b));
    let tol = 100.0 * T::UNIT_ROUNDOFF;
    let matrix = MatRef::new(&cost, n, m).unwrap();
    let problem = Problem { cost: matrix, rows, columns, reg };
    let (x, y) = (MatRef::new(&x, n, depth).unwrap(), MatRef::new(&y, m, depth).unwrap());
    let clouds = Clouds { x, y, scale: SCALE, rows, columns, reg };
    for acceleration in [
        Acceleration::Auto,
        Acceleration::Newton,
        Acceleration::Anderson,
        Acceleration::Overrelaxation,
        Acceleration::None,
    ] {
        let solver =
            Solver { method: Method::Log, acceleration, annealing: None, max_iter: 10_000, tol };
        let control = Control::default();
        let start = vec![0.0; m];
        let (found, sums) = sinkhorn_points(&clouds, &start, &solver, &control).unwrap();
        let exact = Solver { tol: 1e-13, ..solver };
        let (_, known) = sinkhorn(&problem, &start, &exact, &control).unwrap();
        assert!(found.converged && found.error <= tol, "{acceleration:?}: {}", found.error);
        assert!((sums.value - known.value).abs() <= 50.0 * tol, "{acceleration:?}");
        near(&sums.rows, &a, 1e-14, "rows");
        near(&sums.columns, &b, tol, "columns");
        assert_eq!((found.f[3], found.g[5]), (f64::NEG_INFINITY, f64::NEG_INFINITY));
    }
}

#[test]
fn problems_are_solved_as_those_of_the_matrix() {
    solved_as_a_matrix::<f32>();
    solved_as_a_matrix::<f64>();
}

#[test]
fn bytes_do_not_depend_on_the_threads() {
    let (n, m, depth) = (2000, 77, 3);
    let mut draws = Draws(3);
    let (x, y) = (draws.points::<f32>(n * depth), draws.points::<f32>(m * depth));
    let (a, b) = (vec![1.0 / n as f64; n], vec![1.0 / m as f64; m]);
    let side = |mass| Marginal { mass, rule: Rule::Exact };
    let clouds = Clouds {
        x: MatRef::new(&x, n, depth).unwrap(),
        y: MatRef::new(&y, m, depth).unwrap(),
        scale: 1.0,
        rows: side(&a),
        columns: side(&b),
        reg: 0.1,
    };
    let solver = Solver {
        method: Method::Log,
        acceleration: Acceleration::Auto,
        annealing: None,
        max_iter: 8,
        tol: 1e-9,
    };
    let of = |threads: usize| {
        let control = Control::default();
        let solve = || sinkhorn_points(&clouds, &vec![0.0; m], &solver, &control).unwrap();
        pool(threads).unwrap().install(solve)
    };
    assert_eq!(of(1), of(3));
}

#[test]
fn a_pass_that_is_cancelled_says_so_and_shapes_are_checked() {
    let side = |mass| Marginal { mass, rule: Rule::Exact };
    let points = MatRef::new(&[0.5f32, 1.0, 0.25], 3, 1).unwrap();
    let (rows, columns) = (side(&[1.0; 3][..]), side(&[1.0; 3][..]));
    let clouds = Clouds { x: points, y: points, scale: 1.0, rows, columns, reg: 1.0 };
    let control = Control::default();
    control.cancel();
    let mut pass = Products::new(&clouds).unwrap();
    let stopped = pass.run(&[0.0; 3], &mut [0.0; 3], &mut [0.0; 3], &control);
    assert_eq!(stopped, Err(crate::Error::Cancelled));
    let other = Clouds { y: MatRef::new(&[0.0; 6], 3, 2).unwrap(), ..clouds };
    let solver = Solver {
        method: Method::Log,
        acceleration: Acceleration::None,
        annealing: None,
        max_iter: 1,
        tol: 1.0,
    };
    let refused = sinkhorn_points(&other, &[0.0; 3], &solver, &control);
    assert!(matches!(refused, Err(Error::Shape { argument: "y", .. })));
}

#[test]
fn nothing_panics_on_potentials_that_make_no_sense() {
    let side = |mass| Marginal { mass, rule: Rule::Exact };
    let points = MatRef::new(&[3e38f32, -1.0, 0.0, 3e38, 1.0, 2.0], 3, 2).unwrap();
    let (rows, columns) = (side(&[1e300, 1e-300, 0.0][..]), side(&[1.0; 3][..]));
    for scale in [1.0, 1e300, 1e-300] {
        let clouds = Clouds { x: points, y: points, scale, rows, columns, reg: 1.0 };
        let mut pass = Products::new(&clouds).unwrap();
        for g in [[0.0, 0.0, f64::NAN], [1e300, 0.0, -1e300], [f64::NEG_INFINITY; 3]] {
            pass.run(&g, &mut [0.0; 3], &mut [0.0; 3], &Control::default()).unwrap();
        }
    }
}
