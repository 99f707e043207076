//! Matrices to test with.

/// xorshift64*: the tests need no more.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1u64 << 53) as f64
    }

    pub fn normal(&mut self) -> f64 {
        let (u, v) = (self.uniform().max(1e-300), self.uniform());
        (-2.0 * u.ln()).sqrt() * (std::f64::consts::TAU * v).cos()
    }
}

use super::{Scalar, Stack, polar, svd};
use crate::Error;
use crate::runtime::{Control, pool};

/// A named row-major matrix.
pub struct Case {
    pub name: &'static str,
    pub rows: usize,
    pub cols: usize,
    pub values: Vec<f64>,
}

fn case(name: &'static str, rows: usize, cols: usize, f: impl FnMut(usize, usize) -> f64) -> Case {
    let mut f = f;
    let values = (0..rows * cols).map(|p| f(p / cols, p % cols)).collect();
    Case { name, rows, cols, values }
}

fn orthonormal(n: usize, random: &mut Random) -> faer::Mat<f64> {
    faer::Mat::from_fn(n, n, |_, _| random.normal()).qr().compute_Q()
}

/// The matrices that break factorisations, n x n and some rectangular ones.
pub fn hard_cases(n: usize, random: &mut Random) -> Vec<Case> {
    let nf = n as f64;
    let (u, v) = (orthonormal(n, random), orthonormal(n, random));
    let with_spectrum = |name, s: &dyn Fn(usize) -> f64| {
        let us = faer::Mat::from_fn(n, n, |i, j| u[(i, j)] * s(j));
        let a = us * v.transpose();
        case(name, n, n, |i, j| a[(i, j)])
    };
    let power = |base: f64, x: f64| base.powf(x);
    let mut cases = vec![
        with_spectrum("orthogonal", &|_| 1.0),
        with_spectrum("repeated", &|j| [3.0, 1.0, 0.5][3 * j / n]),
        with_spectrum("clustered", &|j| 1.0 + 1e-14 * j as f64),
        with_spectrum("graded to 1e-12", &|j| power(10.0, -12.0 * j as f64 / nf)),
        with_spectrum("graded to 1e-30", &|j| power(10.0, -30.0 * j as f64 / nf)),
        with_spectrum("one large", &|j| if j == 0 { 1.0 } else { 1e-9 }),
        with_spectrum("one small", &|j| if j + 1 == n { 1e-12 } else { 1.0 }),
        case("zero", n, n, |_, _| 0.0),
        case("ones", n, n, |_, _| 1.0),
        case("identity", n, n, |i, j| f64::from(u8::from(i == j))),
        case("nilpotent", n, n, |i, j| f64::from(u8::from(i + 1 == j))),
        case("ascending diagonal", n, n, |i, j| if i == j { i as f64 } else { 0.0 }),
        case("small integers", n, n, |i, j| ((7 * i + 3 * j) % 5) as f64),
        case("Hilbert", n, n, |i, j| 1.0 / (i + j + 1) as f64),
        case("Kahan", n, n, |i, j| {
            let (s, c) = 1.2f64.sin_cos();
            let x = if i == j { 1.0 } else { -c };
            if j < i { 0.0 } else { s.powi(i as i32) * x }
        }),
        case("Wilkinson", n, n, |i, j| match j.wrapping_sub(i) {
            0 => (i as f64 - nf / 2.0).abs(),
            1 => 1.0,
            _ => 0.0,
        }),
    ];
    let mut normal = |name, rows, cols| case(name, rows, cols, |_, _| random.normal());
    cases.push(normal("normal", n, n));
    cases.push(normal("tall", 3 * n, n));
    cases.push(normal("tall, nearly square", n + n / 2 + 1, n));
    cases.push(normal("wide", n, 3 * n));
    cases.push(normal("one row", 1, n));
    cases.push(normal("one column", n, 1));
    let g = normal("", n, n).values;
    let half = (n / 2).max(1);
    cases.extend([
        case("signs", n, n, |i, j| g[i * n + j].signum()),
        case("half of the columns zero", n, n, |i, j| {
            g[i * n + j] * f64::from(u8::from(j % 2 == 0))
        }),
        case("columns twice", n, n, |i, j| g[i * n + j / 2]),
        case("rank one", n, n, |i, j| g[i] * g[j * n]),
        case("tall, rank one", 2 * n, n, |i, j| g[i % n] * g[j * n]),
        case("wide zero", n, 3 * n, |_, _| 0.0),
        case("half rank", n, n, |i, j| (0..half).map(|k| g[i * n + k] * g[k * n + j]).sum()),
        case("graded rows", n, n, |i, j| g[i * n + j] * power(10.0, -20.0 * i as f64 / nf)),
        case("graded columns", n, n, |i, j| g[i * n + j] * power(10.0, -20.0 * j as f64 / nf)),
        case("graded columns, ascending", n, n, |i, j| {
            g[i * n + j] * power(10.0, -20.0 * (n - j) as f64 / nf)
        }),
        // Demmel's: strongly graded from both sides.
        case("graded both ways", n, n, |i, j| {
            g[i * n + j] * power(10.0, -20.0 * (i + j) as f64 / nf)
        }),
        case("huge", n, n, |i, j| g[i * n + j] * 1e30),
        case("tiny", n, n, |i, j| g[i * n + j] * 1e-36),
        case("wide range", n, n, |i, j| {
            g[i * n + j] * power(10.0, f64::from((i * 31 % 61) as u8) - 30.0)
        }),
    ]);
    cases
}

/// Frobenius norm, safe for tiny and huge values.
fn norm(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = values.clone().fold(0.0, |m: f64, x| m.max(x.abs()));
    if largest == 0.0 || !largest.is_finite() {
        return largest;
    }
    largest * values.map(|x| (x / largest).powi(2)).sum::<f64>().sqrt()
}

fn matrix<T: Scalar>(values: &[T], rows: usize, cols: usize) -> faer::Mat<f64> {
    faer::Mat::from_fn(rows, cols, |i, j| values[i * cols + j].widen())
}

fn entries(m: &faer::Mat<f64>) -> impl Iterator<Item = f64> + Clone {
    (0..m.nrows() * m.ncols()).map(|p| m[(p % m.nrows(), p / m.nrows())])
}

/// |Q'Q - I| in units of eps sqrt(k).
fn skew<T: Scalar>(q: faer::MatRef<'_, f64>) -> f64 {
    let k = q.ncols();
    let mut error = q.transpose() * q;
    for j in 0..k {
        // Compensated: a plain sum of equal squares is off by more than what is measured.
        let (mut sum, mut rest) = (-1.0f64, 0.0);
        for x in q.col(j).iter() {
            let square = x * x;
            let next = sum + square;
            rest += x.mul_add(*x, -square) + (square - (next - sum));
            sum = next;
        }
        error[(j, j)] = sum + rest;
    }
    norm(entries(&error)) / (T::EPSILON * (k as f64).sqrt())
}

/// Residual of a product, relative to |a|, in units of eps sqrt(max(n, d)).
fn residual<T: Scalar>(a: &faer::Mat<f64>, product: &faer::Mat<f64>) -> f64 {
    let (size, scale) = (norm(entries(a)), T::EPSILON * (a.nrows().max(a.ncols()) as f64).sqrt());
    norm(entries(&(a - product))) / if size == 0.0 { 1.0 } else { size * scale }
}

const BOUND: f64 = 8.0;

pub fn check_case<T: Scalar + Default>(case: &Case) {
    let (n, d) = (case.rows, case.cols);
    let k = n.min(d);
    let values: Vec<T> = case.values.iter().map(|&x| T::round(x)).collect();
    let a = matrix(&values, n, d);
    let stack = Stack::new(&values, 1, n, d).unwrap();
    let label = format!("{} {n} x {d} {}", case.name, T::NAME);

    let result = svd(stack, &Control::default()).unwrap();
    let (u, vt) = (matrix(&result.u, n, k), matrix(&result.vt, k, d));
    assert!(result.s.is_sorted_by(|a, b| a >= b), "{label}");
    assert!(result.s.iter().all(|s| s.widen() >= 0.0), "{label}");
    let us = faer::Mat::from_fn(n, k, |i, j| u[(i, j)] * result.s[j].widen());
    let figures =
        [skew::<T>(u.as_ref()), skew::<T>(vt.transpose()), residual::<T>(&a, &(us * &vt))];
    assert!(figures.iter().all(|x| *x <= BOUND), "{label}: {figures:?}");

    let result = polar(stack, &Control::default()).unwrap();
    let (r, h) = (matrix(&result.r, n, d), matrix(&result.h, d, d));
    let orthonormal = if n < d { r.transpose() } else { r.as_ref() };
    let figures = [skew::<T>(orthonormal), residual::<T>(&a, &(&r * &h))];
    assert!(figures.iter().all(|x| *x <= BOUND), "{label}: polar {figures:?}");
    assert!((0..d).all(|i| (0..d).all(|j| h[(i, j)] == h[(j, i)])), "{label}");
}

#[test]
fn hard_matrices_are_factorised_within_the_bounds() {
    let mut random = Random::new(7);
    for n in [1, 2, 3, 5, 16, 33, 64, 127, 128, 130, 200] {
        for case in hard_cases(n, &mut random) {
            check_case::<f64>(&case);
            check_case::<f32>(&case);
        }
    }
}

#[test]
fn the_ends_of_the_range_are_scaled_away() {
    let mut random = Random::new(3);
    for factor in [1e300, 1e-300, 1e-310, 5e-324] {
        let mut a = case("range", 7, 5, |_, _| random.normal() * factor);
        a.values[3] = factor;
        let stack = Stack::new(&a.values, 1, 7, 5).unwrap();
        let result = svd(stack, &Control::default()).unwrap();
        let u = matrix(&result.u, 7, 5);
        assert!(skew::<f64>(u.as_ref()) < BOUND);
        assert!(result.s[0] >= factor, "{factor:e}: {:e}", result.s[0]);
    }
}

#[test]
fn a_singular_value_that_does_not_fit_is_an_error() {
    let values = vec![f32::MAX; 16];
    let stack = Stack::new(&values, 1, 4, 4).unwrap();
    assert!(matches!(svd(stack, &Control::default()), Err(Error::Value { .. })));
    let m = f32::MAX;
    let values = [m, m, m, -m];
    let stack = Stack::new(&values, 1, 2, 2).unwrap();
    assert!(matches!(polar(stack, &Control::default()), Err(Error::Value { .. })));
}

#[test]
fn empty_stacks_and_empty_matrices_have_empty_factors() {
    for (count, n, d) in [(0, 3, 4), (2, 0, 4), (2, 3, 0), (0, 0, 0)] {
        let stack = Stack::<f64>::new(&[], count, n, d).unwrap();
        let result = svd(stack, &Control::default()).unwrap();
        assert!(result.u.is_empty() && result.s.is_empty() && result.vt.is_empty());
        assert_eq!(polar(stack, &Control::default()).unwrap().h.len(), count * d * d);
    }
    assert!(Stack::<f64>::new(&[1.0], 2, 1, 1).is_err());
}

#[test]
fn a_nan_is_named_with_its_row_in_the_stack() {
    let mut values = vec![1.0; 3 * 4 * 2];
    values[2 * 8 + 3 * 2 + 1] = f64::NAN;
    let stack = Stack::new(&values, 3, 4, 2).unwrap();
    let error = svd(stack, &Control::default()).unwrap_err();
    assert_eq!(error, Error::NonFinite { argument: "a", row: 11 });
}

#[test]
fn bytes_do_not_depend_on_threads() {
    let mut random = Random::new(5);
    let (count, n, d) = (9, 40, 33);
    let values: Vec<f64> = (0..count * n * d).map(|_| random.normal()).collect();
    let stack = Stack::new(&values, count, n, d).unwrap();
    let run = |threads| {
        let pool = pool(threads).unwrap();
        pool.install(|| (svd(stack, &Control::default()), polar(stack, &Control::default())))
    };
    let one = run(1);
    for threads in [2, 3, 7] {
        assert_eq!(run(threads), one);
    }
    for (i, single) in values.chunks_exact(n * d).enumerate() {
        let alone = svd(Stack::new(single, 1, n, d).unwrap(), &Control::default()).unwrap();
        assert_eq!(alone.u, one.0.as_ref().unwrap().u[i * n * d..(i + 1) * n * d]);
    }
}

#[test]
fn a_cancelled_job_stops() {
    let control = Control::default();
    control.cancel();
    let values = [1.0; 8];
    let stack = Stack::new(&values, 2, 2, 2).unwrap();
    assert_eq!(svd(stack, &control), Err(Error::Cancelled));
    assert_eq!(polar(stack, &control), Err(Error::Cancelled));
}
