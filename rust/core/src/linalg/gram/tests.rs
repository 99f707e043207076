use super::*;
use crate::linalg::tests::{Random, hard_cases};

/// What is asserted of the factors, in eps sqrt(n) (Frobenius): 8 is promised.
const BOUND: f64 = 7.0;

/// In float64, the worst of |U'U - I|, |V'V - I| and |A - U S V'| / |A|, in eps sqrt(n).
fn errors<T: Scalar>(factor: &Factor<T>) -> [f64; 3] {
    let wide = |m: MatRef<'_, T>| Mat::from_fn(m.nrows(), m.ncols(), |i, j| m[(i, j)].widen());
    let (a, u, v) = (wide(factor.a.transpose()), wide(factor.u.as_ref()), wide(factor.v.as_ref()));
    let skew = |q: &Mat<f64>| {
        let k = q.ncols();
        let mut gram = q.transpose() * q;
        for j in 0..k {
            // A plain sum of equal entries is itself off by more than the bound.
            gram[(j, j)] = pairwise_square(q.col_as_slice(j));
        }
        (gram - Mat::<f64>::identity(k, k)).norm_l2() / (T::EPSILON * (k as f64).sqrt())
    };
    let scaled = Mat::from_fn(u.nrows(), u.ncols(), |i, j| u[(i, j)] * factor.s[j].widen());
    let residual = (&a - scaled * v.transpose()).norm_l2() / a.norm_l2();
    let longest = a.nrows().max(a.ncols()) as f64;
    [skew(&u), skew(&v), residual / (T::EPSILON * longest.sqrt())]
}

/// What the way by A'A gives is right, and it takes what it is for.
fn check<T: Scalar>() {
    let usual =
        ["normal", "tall", "wide", "orthogonal", "repeated", "half rank", "rank one", "ones"];
    let mut random = Random::new(19);
    for n in [1, 2, 5, 17, 40, 150] {
        for case in hard_cases(n, &mut random) {
            let values: Vec<T> = case.values.iter().map(|x| T::round(*x)).collect();
            let mut factor = Factor::new(case.rows, case.cols).unwrap();
            if factor.load(&values, "a").unwrap() == 0.0 {
                continue;
            }
            let label = format!("{} {n}", case.name);
            if factor.attempt_gram() {
                let errors = errors(&factor);
                assert!(errors.iter().all(|e| *e <= BOUND), "{label}: {errors:?}");
            } else {
                assert!(!usual.contains(&case.name), "{label}");
            }
        }
    }
}

#[test]
fn what_it_gives_is_right_in_float32() {
    check::<f32>();
}

#[test]
fn what_it_gives_is_right_in_float64() {
    check::<f64>();
}

/// Eigenvectors of equal eigenvalues, as inverse iteration gives them, are not orthogonal: the other
/// way is taken.
#[test]
fn equal_eigenvalues_take_the_other_way() {
    let n = 40;
    let mut random = Random::new(23);
    let mut basis = Mat::from_fn(n, n, |_, _| random.normal());
    basis = basis.qr().compute_Q();
    let a = Mat::from_fn(n, n, |i, j| (0..n / 2).map(|k| basis[(i, k)] * basis[(j, k)]).sum());
    let mut gram = zero_matrix::<f64>(n, n).unwrap();
    lower_product(gram.as_mut(), a.as_ref());
    let (mut q, mut scratch) = (zero_matrix(n, n).unwrap(), zero_matrix(n, n).unwrap());
    let mut eigenvectors = Eigenvectors::new(n).unwrap();
    let mut straight = |found: bool, q: &mut Mat<f64>| {
        found && straighten(q.as_mut(), &mut gram.clone(), &mut scratch, target::<f64>(n))
    };
    let found = eigenvectors.by_inverse_iteration(gram.as_ref(), q.as_mut());
    assert!(!straight(found, &mut q));
    let found = eigenvectors.by_divide_and_conquer(gram.as_ref(), q.as_mut());
    assert!(straight(found, &mut q));
    let (mut memory, mut other) = (gram.clone(), zero_matrix(n, n).unwrap());
    assert!(eigenvectors_of_products(
        a.as_ref(),
        other.as_mut(),
        &mut memory,
        &mut scratch,
        &mut eigenvectors
    ));
}
