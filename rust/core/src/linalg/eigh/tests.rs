use super::*;
use crate::linalg::tests::{Case, Random, hard_cases};

const BOUND: f64 = 8.0;

/// (A + A') / 2 of the square ones.
fn symmetric_cases(n: usize, random: &mut Random) -> Vec<Case> {
    let mut cases = hard_cases(n, random);
    cases.retain(|case| case.rows == case.cols);
    for case in &mut cases {
        let values = case.values.clone();
        for i in 0..n {
            for j in 0..n {
                case.values[i * n + j] = 0.5 * values[i * n + j] + 0.5 * values[j * n + i];
            }
        }
    }
    cases
}

fn check<T: Scalar + Default>(case: &Case) {
    let n = case.rows;
    let input: Vec<T> = case.values.iter().map(|x| T::round(*x)).collect();
    let stack = Stack::new(&input, 1, n, n).unwrap();
    let result = eigh(stack, true, &Control::default()).unwrap();
    assert!(result.values.is_sorted_by(|x, y| x <= y), "{}", case.name);
    let scale =
        PowerOfTwo::normalising(input.iter().fold(0.0, |m, x| f64::max(m, x.widen().abs())));
    let mat = |values: &[T]| Mat::from_fn(n, n, |i, j| values[i * n + j].widen());
    let a = Mat::from_fn(n, n, |i, j| scale.apply(input[i * n + j].widen()));
    let v = mat(&result.vectors);
    let unit = T::EPSILON * (n as f64).sqrt();
    let skew = (v.transpose() * &v - Mat::<f64>::identity(n, n)).norm_l2() / unit;
    let scaled = Mat::from_fn(n, n, |i, j| v[(i, j)] * scale.apply(result.values[j].widen()));
    let size = if a.norm_max() == 0.0 { 1.0 } else { a.norm_l2() };
    let residual = (&a - scaled * v.transpose()).norm_l2() / (unit * size);
    assert!(skew <= BOUND && residual <= BOUND, "{} {n}: {skew} {residual}", case.name);
}

#[test]
fn hard_matrices_are_factorised_within_the_bounds() {
    let mut random = Random::new(37);
    for n in [1, 2, 3, 5, 16, 33, 64, 128, 150] {
        for case in symmetric_cases(n, &mut random) {
            check::<f64>(&case);
            check::<f32>(&case);
        }
    }
}

#[test]
fn the_refuges_never_fail() {
    let mut random = Random::new(41);
    for n in [1, 2, 5, 17, 40] {
        for case in symmetric_cases(n, &mut random) {
            let mut eigen = Eigen::new(n).unwrap();
            assert_eq!(eigen.load(&case.values), Ok(0.0));
            if eigen.a.norm_max() == 0.0 {
                continue;
            }
            for method in [Refuge::QrIteration, Refuge::Jacobi].map(Method::Careful) {
                assert!(eigen.answer::<f64>(method) <= WRONG, "{} {n} {method:?}", case.name);
            }
        }
    }
}

#[test]
fn a_spoilt_answer_is_noticed() {
    let mut random = Random::new(47);
    let cases = symmetric_cases(40, &mut random);
    let normal = cases.iter().find(|case| case.name == "normal").unwrap();
    let spoil: [fn(&mut Eigen); 2] =
        [|e| e.vectors[(2, 1)] += 1e-10, |e| e.vectors[(3, 3)] = f64::NAN];
    for change in spoil {
        let mut eigen = Eigen::new(40).unwrap();
        eigen.load(&normal.values).unwrap();
        eigen.factorise::<f64>().unwrap();
        assert!(eigen.refine() <= GOOD);
        change(&mut eigen);
        let residual = eigen.refine();
        assert!(residual.is_nan() || residual > WRONG);
    }
}

#[test]
fn only_the_lower_triangle_is_read() {
    let lower = [2.0, 0.0, 1.0, 3.0];
    let run = |check| {
        let stack = Stack::new(&lower, 1, 2, 2).unwrap();
        eigh(stack, check, &Control::default())
    };
    let error = run(true).unwrap_err();
    assert!(matches!(&error, Error::Value { argument: "a", .. }), "{error}");
    let found = run(false).unwrap();
    let root = 5f64.sqrt();
    for (x, y) in found.values.iter().zip([(5.0 - root) / 2.0, (5.0 + root) / 2.0]) {
        assert!((x - y).abs() < 1e-15);
    }
}

#[test]
fn the_ends_of_the_range_and_errors() {
    for factor in [1e300, 1e-300, 1e-310] {
        let a = [2.0 * factor, factor, factor, 2.0 * factor];
        let stack = Stack::new(&a, 1, 2, 2).unwrap();
        let found = eigh(stack, true, &Control::default()).unwrap();
        assert!((found.values[0] / factor - 1.0f64).abs() < 1e-12);
        assert!((found.values[1] / factor - 3.0f64).abs() < 1e-12);
    }
    let huge = [f32::MAX; 4];
    let found = eigh(Stack::new(&huge, 1, 2, 2).unwrap(), true, &Control::default());
    assert!(matches!(found, Err(Error::Value { .. })));
    let oblong = eigh(Stack::new(&[1.0; 6], 1, 2, 3).unwrap(), true, &Control::default());
    assert!(matches!(oblong, Err(Error::Shape { .. })));
    let nan = [1.0, 0.0, 0.0, 1.0, f64::NAN, 0.0, 0.0, 1.0];
    let found = eigh(Stack::new(&nan, 2, 2, 2).unwrap(), true, &Control::default());
    assert_eq!(found, Err(Error::NonFinite { argument: "a", row: 2 }));
    let control = Control::default();
    control.cancel();
    assert_eq!(eigh(Stack::new(&[1.0], 1, 1, 1).unwrap(), true, &control), Err(Error::Cancelled));
}

#[test]
fn bytes_do_not_depend_on_threads() {
    let mut random = Random::new(43);
    for (count, d) in [(500, 3), (7, 40)] {
        let mut values: Vec<f64> = (0..count * d * d).map(|_| random.normal()).collect();
        for a in values.chunks_exact_mut(d * d) {
            for i in 0..d {
                for j in 0..i {
                    a[j * d + i] = a[i * d + j];
                }
            }
        }
        let stack = Stack::new(&values, count, d, d).unwrap();
        let run = |threads: usize| {
            let pool = crate::runtime::pool(threads).unwrap();
            pool.install(|| eigh(stack, true, &Control::default())).unwrap()
        };
        let one = run(1);
        assert_eq!(run(2), one);
        assert_eq!(run(5), one);
        let alone = Stack::new(stack.get(count - 1), 1, d, d).unwrap();
        let alone = eigh(alone, true, &Control::default()).unwrap();
        assert_eq!(alone.vectors, one.vectors[(count - 1) * d * d..]);
    }
}
