use super::*;
use crate::linalg::svd as decomposition;
use crate::linalg::tests::{Random, hard_cases};

#[test]
fn values_are_those_of_the_decomposition() {
    let mut random = Random::new(23);
    for n in [1, 2, 3, 16, 33, 64, 130] {
        for case in hard_cases(n, &mut random) {
            let stack = Stack::new(&case.values, 1, case.rows, case.cols).unwrap();
            let expected = decomposition(stack, &Control::default()).unwrap().s;
            let found = svdvals(stack, &Control::default()).unwrap();
            assert!(found.is_sorted_by(|x, y| x >= y), "{}", case.name);
            let size = expected.iter().fold(0.0, |sum: f64, s| sum.hypot(*s));
            let longest = case.rows.max(case.cols) as f64;
            for (x, y) in found.iter().zip(&expected) {
                let error = (x - y).abs();
                assert!(error <= 16.0 * f64::EPSILON * longest.sqrt() * size, "{}", case.name);
            }
        }
    }
}

#[test]
fn the_first_method_is_never_refused_and_a_spoilt_answer_always() {
    let mut random = Random::new(29);
    for n in [1, 2, 5, 40, 130] {
        for case in hard_cases(n, &mut random) {
            let mut values = Values::new(case.rows, case.cols).unwrap();
            values.compute(&case.values).unwrap();
            if values.s[0] == 0.0 {
                continue;
            }
            let squares = values.bidiagonal.sums().0;
            assert!(values.bidiagonal.values(&mut values.s), "{}", case.name);
            assert!(values.proved(squares), "{} {n}", case.name);
            let wrong = 1e-12 * values.s[0] * (case.rows.max(case.cols) as f64).sqrt();
            for j in [0, values.s.len() / 2, values.s.len() - 1] {
                let right = values.s[j];
                values.s[j] = right + wrong * (squares.sqrt() / values.s[0]);
                assert!(!values.proved(squares), "{} {n}: {j} too large", case.name);
                values.s[j] = f64::NAN;
                assert!(!values.proved(squares), "{} {n}: {j} NaN", case.name);
                values.s[j] = right;
            }
            let right = values.s[0];
            values.s[0] -= wrong * (squares.sqrt() / right);
            assert!(!values.proved(squares), "{} {n}: too small", case.name);
            let before = values.bidiagonal.sums();
            let Bidiagonal { diagonal, above } = &mut values.bidiagonal;
            diagonal.iter_mut().chain(above).for_each(|x| *x *= 1.0 + 1e-9);
            assert!(!values.agrees(before), "{} {n}", case.name);
        }
    }
}

#[test]
fn bytes_do_not_depend_on_threads_and_errors_name_the_row() {
    let mut random = Random::new(31);
    let mut values: Vec<f32> = (0..700 * 12).map(|_| random.normal() as f32).collect();
    let run = |threads: usize, values: &[f32]| {
        let stack = Stack::new(values, 700, 4, 3).unwrap();
        crate::runtime::pool(threads).unwrap().install(|| svdvals(stack, &Control::default()))
    };
    let one = run(1, &values);
    assert_eq!(one.as_ref().unwrap().len(), 2100);
    for threads in [2, 5] {
        assert_eq!(run(threads, &values), one);
    }
    values[600 * 12 + 2 * 3] = f32::NAN;
    assert_eq!(run(2, &values), Err(Error::NonFinite { argument: "a", row: 2402 }));
    let huge = [f32::MAX; 16];
    let stack = Stack::new(&huge, 1, 4, 4).unwrap();
    assert!(matches!(svdvals(stack, &Control::default()), Err(Error::Value { .. })));
    let empty = Stack::<f64>::new(&[], 2, 0, 4).unwrap();
    assert!(svdvals(empty, &Control::default()).unwrap().is_empty());
}
