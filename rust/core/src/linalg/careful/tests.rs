use super::*;
use crate::linalg::tests::{Random, hard_cases};

/// Every routine, also those that are only a refuge, on every hard matrix: what passes the
/// certificate is right (the callers' tests say so), and the refuges always pass.
#[test]
fn the_refuges_never_fail() {
    let mut random = Random::new(11);
    for n in [1, 2, 5, 17, 40] {
        for case in hard_cases(n, &mut random) {
            let mut factor = Careful::new(case.rows, case.cols).unwrap();
            for method in [Method::QrIteration, Method::Jacobi] {
                if factor.load(&case.values, "a").unwrap() == 0.0 {
                    continue;
                }
                let label = format!("{} {n} {method:?}", case.name);
                assert!(factor.attempt(method), "{label}");
                assert!(factor.refine() <= WRONG, "{label}");
                assert!(factor.straighten::<f64>(), "{label}");
            }
        }
    }
}

/// The reason for the certificate: faer 0.24's divide and conquer on a rank-deficient matrix.
/// When this test fails because the answer has become right, the certificate stays all the same.
#[test]
fn a_wrong_answer_is_noticed_and_replaced() {
    let mut random = Random::new(13);
    let mut noticed = 0;
    for case in hard_cases(128, &mut random) {
        let mut factor = Careful::new(case.rows, case.cols).unwrap();
        if factor.load(&case.values, "a").unwrap() == 0.0 || factor.s.len() < DIVIDE_FROM {
            continue;
        }
        let passed = factor.attempt(Method::DivideAndConquer) && factor.refine() <= WRONG;
        noticed += usize::from(!passed);
        factor.factorise(&case.values, "a").unwrap();
        assert!(factor.refine() <= WRONG, "{}", case.name);
    }
    assert!(noticed > 0, "no wrong answer in the collection any more");
}

#[test]
fn a_spoilt_answer_is_noticed() {
    let mut random = Random::new(17);
    let values: Vec<f64> = (0..40 * 30).map(|_| random.normal()).collect();
    let spoil: [fn(&mut Careful); 3] =
        [|f| f.u[(2, 1)] += 1e-10, |f| f.v[(3, 3)] = f64::NAN, |f| f.v[(1, 0)] -= 1e-10];
    for change in spoil {
        let mut factor = Careful::new(40, 30).unwrap();
        factor.factorise(&values, "a").unwrap();
        assert!(factor.refine() <= WRONG);
        change(&mut factor);
        let residual = factor.refine();
        assert!(residual.is_nan() || residual > WRONG);
    }
    // Values are recomputed from the vectors.
    let mut factor = Careful::new(40, 30).unwrap();
    factor.factorise(&values, "a").unwrap();
    let s = factor.s.clone();
    factor.s[3] *= 2.0;
    assert!(factor.refine() <= WRONG);
    assert!((factor.s[3] / s[3] - 1.0).abs() < 1e-14);
}

#[test]
fn vectors_far_from_orthonormal_are_refused_and_near_ones_repaired() {
    let mut random = Random::new(19);
    let values: Vec<f64> = (0..30 * 30).map(|_| random.normal()).collect();
    let mut factor = Careful::new(30, 30).unwrap();
    factor.factorise(&values, "a").unwrap();
    factor.u[(0, 0)] += 1e-4;
    assert!(factor.straighten::<f64>());
    assert!(factor.straighten::<f64>());
    factor.u.as_mut().col_mut(0).fill(0.0);
    assert!(!factor.straighten::<f64>());
    factor.u.as_mut().col_mut(0).fill(f64::NAN);
    assert!(!factor.straighten::<f64>());
}

type Part<'a> = Box<dyn FnMut(&mut Careful) -> bool + 'a>;

#[test]
#[ignore = "a measurement"]
fn time_the_parts() {
    let mut random = Random::new(1);
    for n in [16, 64, 300] {
        let a: Vec<f64> = (0..n * n).map(|_| random.normal()).collect();
        let mut factor = Careful::new(n, n).unwrap();
        let method = if n < DIVIDE_FROM { Method::QrIteration } else { Method::DivideAndConquer };
        let mut best = [f64::INFINITY; 4];
        for _ in 0..30 {
            let mut parts: [Part<'_>; 4] = [
                Box::new(|f| f.load(&a, "a").is_ok()),
                Box::new(|f| f.attempt(method)),
                Box::new(|f| f.straighten::<f64>()),
                Box::new(|f| f.refine() <= WRONG),
            ];
            for (part, best) in parts.iter_mut().zip(&mut best) {
                let start = std::time::Instant::now();
                assert!(part(&mut factor));
                *best = best.min(start.elapsed().as_secs_f64() * 1e6);
            }
        }
        println!("{n}: load, factorise, straighten, certify: {best:.1?} us");
    }
}
