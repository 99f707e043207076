//! What is particular to small matrices; that they are within the bounds is tested with all others.

use super::super::tests::{Random, check_case, hard_cases};
use super::super::{polar, svd};
use super::*;

#[test]
fn every_small_size_is_within_the_bounds() {
    let mut random = Random::new(11);
    for n in 1..=MAX_COLUMNS {
        for case in hard_cases(n, &mut random) {
            check_case::<f64>(&case);
            check_case::<f32>(&case);
        }
    }
}

/// Matrices of all kinds, of one size.
fn mixed<T: Scalar>(n: usize, d: usize) -> (usize, Vec<T>) {
    let mut random = Random::new(5);
    let size = n.max(d);
    let cases: Vec<_> = hard_cases(size, &mut random)
        .into_iter()
        .filter(|case| (case.rows, case.cols) == (size, size))
        .collect();
    let values = cases
        .iter()
        .flat_map(|case| (0..n * d).map(|p| T::round(case.values[(p / d) * size + p % d])));
    (cases.len(), values.collect())
}

fn company_does_not_matter<T: Scalar + Default + PartialEq>() {
    for (n, d) in [(1, 1), (2, 2), (3, 3), (4, 4), (5, 3), (3, 7), (16, 16), (20, 9)] {
        let (count, values) = mixed::<T>(n, d);
        let bytes = |x: &[T]| x.iter().map(|x| x.widen().to_bits()).collect::<Vec<_>>();
        let run = |values: &[T]| {
            let stack = Stack::new(values, values.len() / (n * d), n, d).unwrap();
            let control = Control::default();
            (svd(stack, &control).unwrap(), polar(stack, &control).unwrap())
        };
        let all = run(&values);
        let reversed: Vec<T> = values.chunks(n * d).rev().flatten().copied().collect();
        let reversed = run(&reversed);
        let k = n.min(d);
        for i in 0..count {
            let alone = run(&values[i * n * d..][..n * d]);
            for (of, place) in [(&all, i), (&reversed, count - 1 - i)] {
                let part = |x: &[T], size: usize| bytes(&x[place * size..][..size]);
                assert_eq!(part(&of.0.u, n * k), bytes(&alone.0.u), "{n} x {d}, {i}");
                assert_eq!(part(&of.0.s, k), bytes(&alone.0.s), "{n} x {d}, {i}");
                assert_eq!(part(&of.0.vt, k * d), bytes(&alone.0.vt), "{n} x {d}, {i}");
                assert_eq!(part(&of.1.r, n * d), bytes(&alone.1.r), "{n} x {d}, {i}");
                assert_eq!(part(&of.1.h, d * d), bytes(&alone.1.h), "{n} x {d}, {i}");
            }
        }
    }
}

#[test]
fn a_matrix_has_the_same_factors_in_any_company() {
    company_does_not_matter::<f32>();
    company_does_not_matter::<f64>();
}

/// The fraction of the hard matrices that needs the other routine.
fn uncertified<T: Scalar + Default>(n: usize) -> (usize, usize) {
    let (count, values) = mixed::<T>(n, n);
    let plan = Plan::new::<T>(Shape { rows: n, cols: n }).unwrap();
    let mut group = Group::new(plan.isa, plan.shape, plan.lanes).unwrap();
    let missed = values.chunks(n * n).map(|matrix| {
        let certified = plan.factorise(&mut group, matrix, 0).unwrap();
        let polar = group.polar().unwrap();
        usize::from(certified & polar & 1 == 0)
    });
    (missed.sum(), count)
}

#[test]
fn hardly_a_matrix_is_left_to_the_other_routine() {
    for n in 1..=MAX_COLUMNS {
        assert_eq!(uncertified::<f64>(n).0, 0, "{n}, float64");
        assert_eq!(uncertified::<f32>(n).0, 0, "{n}, float32");
    }
}

#[test]
fn turning_right_vectors_along_is_for_few() {
    let (mut again, mut all) = (0, 0);
    for n in [5, 8, 16, 32] {
        let (count, values) = mixed::<f64>(n, n);
        let plan = Plan::new::<f64>(Shape { rows: n, cols: n }).unwrap();
        let mut group = Group::new(plan.isa, plan.shape, plan.lanes).unwrap();
        for matrix in values.chunks(n * n) {
            again += usize::from(group.attempt(matrix, false).unwrap() & 1 == 0);
        }
        all += count;
    }
    // Some, so that the other tests are of both ways.
    assert!((1..all / 2).contains(&again), "{again} of {all}");
}

#[test]
fn small_singular_values_of_graded_columns_have_relative_accuracy() {
    // A = Q D with Q orthogonal times a well-conditioned triangle, D from 1 to 1e-12.
    let mut random = Random::new(17);
    for n in [2, 3, 4, 8, 16, 32] {
        let base: Vec<f64> = (0..n * n).map(|_| random.normal()).collect();
        let grade = |j: usize| 10f64.powf(-12.0 * j as f64 / n as f64);
        let b =
            faer::Mat::from_fn(n, n, |i, j| base[i * n + j] + f64::from(u8::from(i == j)) * 8.0);
        // In float32 as rounded, against float64; in float64 scaled columns against scaled rows.
        let rounded: Vec<f32> =
            (0..n * n).map(|p| (b[(p / n, p % n)] * grade(p % n)) as f32).collect();
        let wide: Vec<f64> = rounded.iter().map(|&x| f64::from(x)).collect();
        let control = Control::default();
        let single = svd(Stack::new(&rounded, 1, n, n).unwrap(), &control).unwrap();
        let double = svd(Stack::new(&wide, 1, n, n).unwrap(), &control).unwrap();
        for (x, y) in single.s.iter().zip(&double.s) {
            let error = (f64::from(*x) - y).abs() / y;
            assert!(error < 64.0 * f64::from(f32::EPSILON), "{n}: {x:e} {y:e} {error:e}");
        }
    }
}

#[test]
fn clusters_of_small_singular_values_have_relative_accuracy() {
    // B = 1 beside I + 2^-30 G with the integers G, D = 1 beside 2^-25: all of it exact.
    let g = [[4, 5, -3, -2], [5, 2, 1, 1], [-3, 1, 0, 1], [-2, 1, 1, 0]].map(|r| r.map(f64::from));
    let small = 0.5f64.powi(25);
    let mut values = vec![0.0; 25];
    values[0] = 1.0;
    for (i, row) in g.iter().enumerate() {
        for (j, g) in row.iter().enumerate() {
            let one = f64::from(u8::from(i == j));
            values[(i + 1) * 5 + j + 1] = small * (one + g * 0.5f64.powi(30));
        }
    }
    // Those of I + 2^-30 G, a symmetric matrix, are 1 + 2^-30 times the eigenvalues of G.
    let mut exact = faer::Mat::from_fn(4, 4, |i, j| g[i][j])
        .self_adjoint_eigenvalues(faer::Side::Lower)
        .unwrap();
    exact.reverse();
    let found = svd(Stack::new(&values, 1, 5, 5).unwrap(), &Control::default()).unwrap();
    for (s, g) in found.s[1..].iter().zip(exact) {
        let error = s / small - (1.0 + g * 0.5f64.powi(30));
        assert!(error.abs() < 18.0 * f64::EPSILON, "{s:e}: {error:e}");
    }
}

#[test]
fn a_nan_is_named_with_its_row_whatever_its_group() {
    for bad in [0, 17, 40, 99] {
        let mut values = vec![1.0f32; 100 * 6];
        values[bad * 6 + 5] = f32::INFINITY;
        let stack = Stack::new(&values, 100, 3, 2).unwrap();
        let expected = Error::NonFinite { argument: "a", row: bad * 3 + 2 };
        assert_eq!(svd(stack, &Control::default()), Err(expected.clone()));
        assert_eq!(polar(stack, &Control::default()), Err(expected));
    }
}
