use super::*;
use crate::Error;
use crate::linalg::Stack;
use crate::linalg::tests::Random;
use crate::matrix::MatRef;
use crate::runtime::{Control, pool};

fn normal(random: &mut Random, count: usize) -> Vec<f64> {
    (0..count).map(|_| random.normal()).collect()
}

/// Row-major product of n x d and d x e.
fn product(x: &[f64], w: &[f64], d: usize, e: usize) -> Vec<f64> {
    x.chunks(d)
        .flat_map(|row| {
            (0..e).map(move |j| row.iter().enumerate().map(|(i, x)| x * w[i * e + j]).sum())
        })
        .collect()
}

/// A random d x e matrix with orthonormal rows or columns.
fn orthonormal(random: &mut Random, d: usize, e: usize) -> Vec<f64> {
    let n = d.max(e);
    let q = faer::Mat::from_fn(n, n, |_, _| random.normal()).qr().compute_Q();
    (0..d * e).map(|p| q[(p / e, p % e)]).collect()
}

fn fit(x: &[f64], y: &[f64], n: usize, weights: Option<&[f64]>, options: Options) -> Fit {
    let source = Stack::new(x, 1, n, x.len() / n).unwrap();
    let target = Stack::new(y, 1, n, y.len() / n).unwrap();
    procrustes(source, target, weights, options, &Control::default()).unwrap().remove(0)
}

fn assert_close(a: &[f64], b: &[f64], tolerance: f64) {
    assert_eq!(a.len(), b.len());
    for (i, (x, y)) in a.iter().zip(b).enumerate() {
        assert!((x - y).abs() <= tolerance, "entry {i}: {x:e} and {y:e}");
    }
}

#[test]
fn a_planted_map_is_found_across_blocks_offsets_and_sizes() {
    let mut random = Random::new(1);
    let n = BLOCK * 2 + 77;
    for (d, e) in [(7, 7), (5, 9), (1, 1), (1, 4)] {
        let planted = orthonormal(&mut random, d, e);
        let x = normal(&mut random, n * d);
        for (offset, size) in [(0.0, 1.0), (1e6, 1.0), (0.0, 1e200), (1e-150, 1e-150)] {
            let source: Vec<f64> = x.iter().map(|x| x * size + offset).collect();
            let target: Vec<f64> =
                (product(&x, &planted, d, e).iter()).map(|y| 3.0 * y - 1e3).collect();
            let options = Options { scale: true, translate: true, ..Options::default() };
            let found = fit(&source, &target, n, None, options);
            let tolerance = if offset == 1e6 { 1e-8 } else { 1e-12 };
            assert_close(&found.matrix, &planted, tolerance);
            assert!((found.scale * size / 3.0 - 1.0).abs() < tolerance, "{}", found.scale);
            assert_close(&found.target_mean, &column_mean_of(&target, e), 1e-9);
            assert!(found.residual < 1e-7 && (found.correlation - 1.0).abs() < 1e-12);
            assert_eq!(found.rank, d);
        }
    }
}

fn column_mean_of(x: &[f64], d: usize) -> Vec<f64> {
    let n = (x.len() / d) as f64;
    (0..d).map(|j| x.iter().skip(j).step_by(d).sum::<f64>() / n).collect()
}

#[test]
fn fewer_dimensions_on_the_right_maximise_the_trace() {
    let mut random = Random::new(2);
    let (n, d, e) = (600, 8, 3);
    let planted = orthonormal(&mut random, d, e);
    let back: Vec<f64> = (0..e * d).map(|p| planted[(p % d) * e + p / d]).collect();
    let y = normal(&mut random, n * e);
    // The way back is exact, so R is recovered.
    let x = product(&y, &back, e, d);
    let options = Options { scale: true, ..Options::default() };
    let found = fit(&x, &y, n, None, options);
    assert_close(&found.matrix, &planted, 1e-12);
    assert!((found.scale - 1.0).abs() < 1e-12 && found.residual < 1e-7);
    assert_eq!((found.determinant, found.rank), (0.0, e));
}

#[test]
fn weights_are_repetitions_and_zero_weights_are_absence() {
    let mut random = Random::new(3);
    let (n, d) = (40, 4);
    let (x, y) = (normal(&mut random, n * d), normal(&mut random, n * d));
    let counts: Vec<usize> = (0..n).map(|i| i % 4).collect();
    let weights: Vec<f64> = counts.iter().map(|c| *c as f64).collect();
    let repeat = |values: &[f64]| -> Vec<f64> {
        let rows = values.chunks(d).zip(&counts);
        rows.flat_map(|(row, c)| row.repeat(*c)).collect()
    };
    for (scale, translate, rotation_only) in
        [(false, false, false), (true, true, false), (true, false, true), (false, true, true)]
    {
        let options = Options { scale, translate, rotation_only };
        let weighted = fit(&x, &y, n, Some(&weights), options);
        let (rx, ry) = (repeat(&x), repeat(&y));
        let repeated = fit(&rx, &ry, rx.len() / d, None, options);
        assert_close(&weighted.matrix, &repeated.matrix, 1e-11);
        assert!((weighted.scale - repeated.scale).abs() < 1e-12);
        assert!((weighted.residual - repeated.residual).abs() < 1e-12);
    }
    let large: Vec<f64> = weights.iter().map(|w| w * 1e300).collect();
    let options = Options::default();
    assert_close(
        &fit(&x, &y, n, Some(&large), options).matrix,
        &fit(&x, &y, n, Some(&weights), options).matrix,
        1e-13,
    );
}

#[test]
fn a_rotation_is_a_rotation_also_without_evidence() {
    let mut random = Random::new(4);
    let options = Options { scale: true, translate: false, rotation_only: true };
    for d in [1, 2, 3, 10, 65] {
        for n in [1, 2, d, 3 * d] {
            let (x, y) = (normal(&mut random, n * d), normal(&mut random, n * d));
            let free = fit(&x, &y, n, None, Options { rotation_only: false, ..options });
            let found = fit(&x, &y, n, None, options);
            assert_eq!(found.determinant, 1.0);
            assert!(found.scale >= 0.0 && found.correlation <= free.correlation + 1e-12);
            if free.determinant > 0.0 {
                assert_eq!(found, free);
            }
        }
    }
    // One dimension, opposite signs: the best rotation is R = 1, and the best factor for it 0.
    let found = fit(&[1.0, 2.0], &[-1.0, -2.0], 2, None, options);
    assert_eq!((found.matrix[0], found.scale, found.residual), (1.0, 0.0, 1.0));
}

#[test]
fn degenerate_input_has_an_answer() {
    let all = Options { scale: true, translate: true, rotation_only: true };
    for options in [Options::default(), all] {
        for (n, d, e) in [(1, 3, 3), (4, 3, 3), (2, 3, 5), (2, 5, 3), (1, 1, 1)] {
            for (x, y) in [(0.0, 0.0), (0.0, 1.0), (1.0, 0.0), (2.0, 3.0)] {
                let found = fit(&vec![x; n * d], &vec![y; n * e], n, None, options);
                let numbers = found.matrix.iter().chain(&found.source_mean);
                assert!(numbers.chain(&found.target_mean).all(|x| x.is_finite()));
                assert!(found.scale.is_finite() && !found.residual.is_nan());
                let k = d.min(e);
                let trace: f64 = found.matrix.iter().map(|x| x * x).sum();
                assert!((trace - k as f64).abs() < 1e-12, "{trace}");
            }
        }
    }
    // Equal rows whose mean is rounded: no spread, not a spread of rounding errors.
    let (equal, other) = ([0.1; 21], [0.3; 21]);
    let found = fit(&equal, &other, 7, Some(&[0.7; 7]), all);
    assert_eq!((found.scale, found.residual, found.rank), (1.0, 0.0, 0));
    let zero = fit(&[0.0; 6], &[0.0; 6], 2, None, all);
    assert_eq!(zero.matrix, [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]);
}

#[test]
fn what_cannot_be_fitted_is_named() {
    let stack = |values, n, d| Stack::new(values, 1, n, d).unwrap();
    let run =
        |x: Stack<'_, f64>, y, w| procrustes(x, y, w, Options::default(), &Control::default());
    let (a, b) = ([1.0; 6], [1.0; 6]);
    let x = stack(&a, 3, 2);
    assert!(matches!(run(x, stack(&b, 2, 3), None), Err(Error::Shape { .. })));
    assert!(matches!(run(x, x, Some(&[1.0])), Err(Error::Shape { .. })));
    let refused = [[0.0; 3], [1.0, -1.0, 1.0], [1.0, f64::NAN, 1.0]];
    for weights in &refused {
        assert!(matches!(run(x, x, Some(weights)), Err(Error::Value { .. })));
    }
    let mut bad = b;
    bad[3] = f64::INFINITY;
    let error = run(x, stack(&bad, 3, 2), None).unwrap_err();
    assert_eq!(error, Error::NonFinite { argument: "target", row: 1 });
    let control = Control::default();
    control.cancel();
    assert_eq!(procrustes(x, x, None, Options::default(), &control), Err(Error::Cancelled));
    let (tiny, huge) = ([1e-300; 6], [1e300; 6]);
    let options = Options { scale: true, ..Options::default() };
    let (t, h) = (stack(&tiny, 3, 2), stack(&huge, 3, 2));
    let control = Control::default();
    assert!(matches!(procrustes(t, h, None, options, &control), Err(Error::Value { .. })));
    assert_eq!(procrustes(h, t, None, options, &control).unwrap()[0].scale, 0.0);
}

#[test]
fn bytes_do_not_depend_on_threads_or_on_the_stack() {
    let mut random = Random::new(6);
    let (count, n, d, e) = (3, BLOCK * 3 + 5, 6, 4);
    let x: Vec<f32> = normal(&mut random, count * n * d).iter().map(|x| *x as f32).collect();
    let y: Vec<f32> = normal(&mut random, count * n * e).iter().map(|x| *x as f32).collect();
    let w: Vec<f64> = (0..count * n).map(|_| random.uniform()).collect();
    let options = Options { scale: true, translate: true, rotation_only: true };
    let (xs, ys) = (Stack::new(&x, count, n, d).unwrap(), Stack::new(&y, count, n, e).unwrap());
    let all = |threads| {
        let control = Control::default();
        pool(threads).unwrap().install(|| {
            let fits = procrustes(xs, ys, Some(&w), options, &control).unwrap();
            let mut image = vec![0.0f32; count * n * e];
            let matrix: Vec<f32> = fits.iter().flat_map(|f| &f.matrix).map(|x| *x as f32).collect();
            let means: Vec<f64> = fits.iter().flat_map(|f| f.source_mean.clone()).collect();
            let targets: Vec<f64> = fits.iter().flat_map(|f| f.target_mean.clone()).collect();
            let map = Affine {
                matrix: Stack::new(&matrix, count, d, e).unwrap(),
                source_mean: Some(&means),
                target_mean: Some(&targets),
                scale: &[1.5, 1.0, 0.5],
            };
            apply_affine(xs, map, &mut image, &control).unwrap();
            let rows = MatRef::new(&x, count * n, d).unwrap();
            let columns = column_means(rows, "x", &control).unwrap();
            (fits, image, columns)
        })
    };
    let one = all(1);
    for threads in [2, 3, 7] {
        assert_eq!(all(threads), one);
    }
    for i in 0..count {
        let single = procrustes(
            Stack::new(xs.get(i), 1, n, d).unwrap(),
            Stack::new(ys.get(i), 1, n, e).unwrap(),
            Some(&w[i * n..(i + 1) * n]),
            options,
            &Control::default(),
        );
        assert_eq!(single.unwrap()[0], one.0[i]);
    }
}

#[test]
fn maps_are_applied_as_the_formula_says() {
    let mut random = Random::new(7);
    for n in [0, 1, 5, 1024, 2500] {
        let (d, e) = (6, 3);
        let (x, w) = (normal(&mut random, n * d), normal(&mut random, d * e));
        let (m, t) = (normal(&mut random, d), normal(&mut random, e));
        let map = Affine {
            matrix: Stack::new(&w, 1, d, e).unwrap(),
            source_mean: Some(&m),
            target_mean: Some(&t),
            scale: &[-2.5],
        };
        let mut out = vec![f64::NAN; n * e];
        let stack = Stack::new(&x, 1, n, d).unwrap();
        apply_affine(stack, map, &mut out, &Control::default()).unwrap();
        let moved: Vec<f64> = x.iter().enumerate().map(|(p, x)| -2.5 * (x - m[p % d])).collect();
        let expected: Vec<f64> =
            (product(&moved, &w, d, e).iter().enumerate()).map(|(p, y)| y + t[p % e]).collect();
        assert_close(&out, &expected, 1e-13);
        let plain = Affine { source_mean: None, target_mean: None, scale: &[1.0], ..map };
        apply_affine(stack, plain, &mut out, &Control::default()).unwrap();
        assert_close(&out, &product(&x, &w, d, e), 1e-13);
        let wrong = &mut out[..(n * e).saturating_sub(1)];
        if n > 0 {
            assert!(apply_affine(stack, plain, wrong, &Control::default()).is_err());
        }
    }
}

#[test]
fn a_row_has_the_same_bytes_whatever_is_beside_it() {
    let mut random = Random::new(11);
    for (d, e) in [(3, 5), (19, 1), (1, 19), (64, 48)] {
        let n = 1025;
        let (x, w) = (normal(&mut random, n * d), normal(&mut random, d * e));
        let (m, t) = (normal(&mut random, d), normal(&mut random, e));
        let map = Affine {
            matrix: Stack::new(&w, 1, d, e).unwrap(),
            source_mean: Some(&m),
            target_mean: Some(&t),
            scale: &[0.7],
        };
        let applied = |first: usize, count: usize| {
            let mut out = vec![f64::NAN; count * e];
            let rows = Stack::new(&x[first * d..(first + count) * d], 1, count, d).unwrap();
            apply_affine(rows, map, &mut out, &Control::default()).unwrap();
            out
        };
        let all = applied(0, n);
        for (first, count) in [(0, 1), (5, 1), (1024, 1), (3, 2), (0, 1024), (7, 1001)] {
            assert_eq!(applied(first, count), all[first * e..(first + count) * e], "{d} x {e}");
        }
    }
}

#[test]
fn rows_become_unit_at_every_size() {
    let x = [3.0, 4.0, 0.0, 0.0, 3e300, 4e300, 3e-320, 4e-320, -1e-200, 0.0];
    let mut out = [f64::NAN; 10];
    let rows = MatRef::new(&x, 5, 2).unwrap();
    transform_rows(rows, RowOperation::Unit, &mut out, &Control::default()).unwrap();
    assert_close(&out, &[0.6, 0.8, 0.0, 0.0, 0.6, 0.8, 0.6, 0.8, -1.0, 0.0], 1e-4);
    assert_close(&out[..6], &[0.6, 0.8, 0.0, 0.0, 0.6, 0.8], 1e-15);
}

#[test]
fn the_other_row_operations() {
    let x = [1.0f32, 2.0, 3.0, 4.0, 5.0, 9.0];
    let rows = MatRef::new(&x, 2, 3).unwrap();
    let run = |operation| {
        let mut out = [0.0f32; 6];
        transform_rows(rows, operation, &mut out, &Control::default()).map(|()| out)
    };
    let control = Control::default();
    let means = column_means(rows, "x", &control).unwrap();
    assert_eq!(means, [2.5, 3.5, 6.0]);
    assert_eq!(run(RowOperation::Subtract(&means)).unwrap(), [-1.5, -1.5, -3.0, 1.5, 1.5, 3.0]);
    assert_eq!(run(RowOperation::CentreRow).unwrap(), [-1.0, 0.0, 1.0, -2.0, -1.0, 3.0]);
    assert_eq!(
        run(RowOperation::Divide(&[2.0, 0.0, 3.0])).unwrap(),
        [0.5, 2.0, 1.0, 2.0, 5.0, 3.0]
    );
    assert!(run(RowOperation::Divide(&[2.0])).is_err());
    let norms = column_norms(rows, "x", &control).unwrap();
    assert_close(&norms, &[17f64.sqrt(), 29f64.sqrt(), 90f64.sqrt()], 1e-15);
    let huge = [1e308, 1e308, -1e308, 1e308];
    let rows = MatRef::new(&huge, 2, 2).unwrap();
    assert_eq!(column_means(rows, "x", &control).unwrap(), [0.0, 1e308]);
    assert!((column_norms(rows, "x", &control).unwrap()[0] / 1e308 - 2f64.sqrt()).abs() < 1e-15);
}

#[test]
fn rows_of_weight_zero_are_absent_at_any_size() {
    let mut random = Random::new(8);
    let (n, d, e) = (30, 4, 3);
    let (mut x, mut y) = (normal(&mut random, n * d), normal(&mut random, n * e));
    let weights: Vec<f64> = (0..n).map(|i| if i == 7 { 0.0 } else { 1.0 }).collect();
    for translate in [false, true] {
        let options = Options { scale: true, translate, ..Options::default() };
        let expected = fit(&x, &y, n, Some(&weights), options);
        let (old_x, old_y) = (x.clone(), y.clone());
        x[7 * d..8 * d].fill(1e300);
        y[7 * e..8 * e].fill(-1e300);
        assert_eq!(fit(&x, &y, n, Some(&weights), options), expected);
        x.iter_mut().chain(&mut y).for_each(|x| *x *= 1e-200);
        assert_close(&fit(&x, &y, n, Some(&weights), options).matrix, &expected.matrix, 1e-12);
        (x, y) = (old_x, old_y);
    }
}

#[test]
fn small_columns_beside_large_ones_keep_their_means_and_norms() {
    let values = [3e200, 3e-200, 3e-10, 4e200, 4e-200, 5e-10];
    let rows = MatRef::new(&values, 2, 3).unwrap();
    let control = Control::default();
    let norms = column_norms(rows, "x", &control).unwrap();
    assert!((norms[0] / 5e200 - 1.0).abs() < 1e-15 && (norms[1] / 5e-200 - 1.0).abs() < 1e-15);
    let values = [1e305, 3e-200, 3e-10, 1e305, 4e-200, 5e-10];
    let means = column_means(MatRef::new(&values, 2, 3).unwrap(), "x", &control).unwrap();
    assert!((means[1] / 3.5e-200 - 1.0).abs() < 1e-15 && (means[2] / 4e-10 - 1.0).abs() < 1e-15);
}
