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

fn check<T: Scalar>(usual: &[&str]) -> usize {
    let mut random = Random::new(19);
    let mut refused = 0;
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
                println!("refused {label} {}", std::any::type_name::<T>());
                assert!(!usual.contains(&case.name), "{label}");
                refused += 1;
            }
        }
    }
    refused
}

/// What the way by A'A gives is right, and it takes what it is for.
#[test]
fn what_it_gives_is_right() {
    let usual =
        ["normal", "tall", "wide", "orthogonal", "repeated", "half rank", "rank one", "ones"];
    let refused = [check::<f32>(&usual), check::<f64>(&usual)];
    println!("refused: {refused:?}");
}

#[test]
#[ignore]
fn dbg_steps() {
    let mut random = Random::new(19);
    for n in [64usize, 300] {
        let values: Vec<f64> = (0..n * n).map(|_| random.normal()).collect();
        let v32: Vec<f32> = values.iter().map(|x| *x as f32).collect();
        let mut f = Factor::<f32>::new(n, n).unwrap();
        f.load(&v32, "a").unwrap();
        let mut q = zero_matrix::<f32>(n, n).unwrap();
        for _ in 0..3 {
            let t = std::time::Instant::now();
            lower_product(f.gram.as_mut(), f.a.transpose());
            let t1 = t.elapsed();
            let t = std::time::Instant::now();
            f.eigenvectors.find(f.gram.as_ref(), q.as_mut());
            let t2 = t.elapsed();
            let g = q.transpose() * &q - Mat::<f32>::identity(n, n);
            let t = std::time::Instant::now();
            straighten(q.as_mut(), &mut f.gram, &mut f.scratch, target::<f32>(n));
            let t3 = t.elapsed();
            let t = std::time::Instant::now();
            product(f.u.as_mut(), Accum::Replace, f.a.transpose(), q.as_ref(), 1.0);
            let t4 = t.elapsed();
            let t = std::time::Instant::now();
            f.attempt_gram();
            let t5 = t.elapsed();
            let t = std::time::Instant::now();
            f.load(&v32, "a").unwrap();
            let t6 = t.elapsed();
            println!(
                "{n} f32 |Q'Q-I| {:.2} eps sqrt k; gram {t1:?} find {t2:?} straighten {t3:?} W {t4:?} attempt {t5:?} load {t6:?}",
                g.norm_l2() as f64 / f32::EPSILON as f64 / (n as f64).sqrt()
            );
        }
        let mut f = Factor::<f64>::new(n, n).unwrap();
        f.load(&values, "a").unwrap();
        let mut q = zero_matrix::<f64>(n, n).unwrap();
        for _ in 0..3 {
            let t = std::time::Instant::now();
            lower_product(f.gram.as_mut(), f.a.transpose());
            let t1 = t.elapsed();
            let t = std::time::Instant::now();
            f.eigenvectors.find(f.gram.as_ref(), q.as_mut());
            let t2 = t.elapsed();
            let g = q.transpose() * &q - Mat::<f64>::identity(n, n);
            let t = std::time::Instant::now();
            straighten(q.as_mut(), &mut f.gram, &mut f.scratch, target::<f64>(n));
            let t3 = t.elapsed();
            let t = std::time::Instant::now();
            product(f.u.as_mut(), Accum::Replace, f.a.transpose(), q.as_ref(), 1.0);
            let t4 = t.elapsed();
            let t = std::time::Instant::now();
            f.attempt_gram();
            let t5 = t.elapsed();
            let t = std::time::Instant::now();
            f.load(&values, "a").unwrap();
            let t6 = t.elapsed();
            println!(
                "{n} f64 |Q'Q-I| {:.2} eps sqrt k; gram {t1:?} find {t2:?} straighten {t3:?} W {t4:?} attempt {t5:?} load {t6:?}",
                g.norm_l2() as f64 / f64::EPSILON as f64 / (n as f64).sqrt()
            );
        }
    }
}
