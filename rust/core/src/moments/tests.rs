use super::*;
use crate::linalg::PowerOfTwo;
use crate::linalg::tests::Random;
use crate::matrix::MatRef;
use crate::runtime::{Control, pool};

/// Owned sums of d and e columns.
#[derive(Clone, Debug, PartialEq)]
struct Owned(usize, [Vec<f64>; 4]);

impl Owned {
    fn new(d: usize, e: usize) -> Self {
        let width = d + e;
        Self(d, [1, 2 * width, width * width, 2 * width + 3].map(|n| vec![0.0; n]))
    }

    fn sums(&mut self) -> Sums<'_> {
        let Self(split, [weight, mean, second, norms]) = self;
        Sums { split: *split, weight, mean, second, norms }
    }

    fn add(&mut self, x: &[f64], y: &[f64], n: usize, weights: Option<&[f64]>) {
        let rows = Rows {
            x: MatRef::new(x, n, x.len() / n).unwrap(),
            y: MatRef::new(y, n, y.len() / n).unwrap(),
            weights,
            order: None,
            scales: [PowerOfTwo::new(0); 2],
        };
        accumulate(&mut self.sums(), rows, &Control::default()).unwrap();
    }
}

/// The sums by their definitions, in two passes.
fn naive(x: &[f64], y: &[f64], n: usize, weights: &[f64]) -> Owned {
    let (d, e) = (x.len() / n, y.len() / n);
    let width = d + e;
    let mut owned = Owned::new(d, e);
    let z = |i: usize, j: usize| if j < d { x[i * d + j] } else { y[i * e + j - d] };
    let total: f64 = weights.iter().sum();
    let mean: Vec<f64> =
        (0..width).map(|j| (0..n).map(|i| weights[i] * z(i, j)).sum::<f64>() / total).collect();
    let [weight, means, second, norms] = &mut owned.1;
    weight[0] = total;
    means[..width].copy_from_slice(&mean);
    for (i, &w) in weights.iter().enumerate() {
        let row: Vec<f64> = (0..width).map(|j| z(i, j) - mean[j]).collect();
        let size = |part: &[f64]| part.iter().map(|x| x * x).sum::<f64>();
        let (a, b) = (size(&row[..d]), size(&row[d..]));
        for j in 0..width {
            (j..width).for_each(|k| second[j * width + k] += w * row[j] * row[k]);
            norms[j] += w * a * row[j];
            norms[width + j] += w * b * row[j];
        }
        for (slot, product) in [a * a, a * b, b * b].into_iter().enumerate() {
            norms[2 * width + slot] += w * product;
        }
    }
    owned
}

fn assert_close(found: &Owned, expected: &Owned) {
    let width = found.1[1].len() / 2;
    for (part, (a, b)) in found.1.iter().zip(&expected.1).enumerate() {
        let (a, b) = if part == 1 { (&a[..width], &b[..width]) } else { (&a[..], &b[..]) };
        let size = b.iter().fold(1.0, |m, x| f64::max(m, x.abs()));
        for (i, (x, y)) in a.iter().zip(b).enumerate() {
            assert!((x - y).abs() <= 1e-12 * size, "part {part}, entry {i}: {x:e} and {y:e}");
        }
    }
}

fn rows(random: &mut Random, n: usize, d: usize) -> Vec<f64> {
    (0..n * d).map(|_| random.normal() + 0.5).collect()
}

#[test]
fn every_sum_is_what_its_definition_says() {
    let mut random = Random::new(1);
    for (n, d, e) in [(1, 1, 1), (5, 3, 2), (700, 2, 4), (4096, 3, 3), (9000, 2, 3)] {
        let (x, y) = (rows(&mut random, n, d), rows(&mut random, n, e));
        let mut plain = Owned::new(d, e);
        plain.add(&x, &y, n, None);
        assert_close(&plain, &naive(&x, &y, n, &vec![1.0; n]));
        let weights: Vec<f64> = (0..n).map(|i| [0.5, 0.0, 2.0, 1.25][i % 4]).collect();
        let mut weighted = Owned::new(d, e);
        weighted.add(&x, &y, n, Some(&weights));
        assert_close(&weighted, &naive(&x, &y, n, &weights));
    }
}

#[test]
fn merged_parts_are_the_whole_and_a_multiple_is_a_repetition() {
    let mut random = Random::new(2);
    let (n, d, e) = (300, 3, 4);
    let (x, y) = (rows(&mut random, n, d), rows(&mut random, n, e));
    let (mut a, mut b) = (Owned::new(d, e), Owned::new(d, e));
    a.add(&x[..100 * d], &y[..100 * e], 100, None);
    b.add(&x[100 * d..], &y[100 * e..], 200, None);
    merge(&mut a.sums(), &mut b.clone().sums(), 3.0).unwrap();
    let weights: Vec<f64> = (0..n).map(|i| if i < 100 { 1.0 } else { 3.0 }).collect();
    assert_close(&a, &naive(&x, &y, n, &weights));
    let mut empty = Owned::new(d, e);
    merge(&mut empty.sums(), &mut b.clone().sums(), 1.0).unwrap();
    assert_eq!(empty, b);
    merge(&mut empty.sums(), &mut Owned::new(d, e).sums(), 1.0).unwrap();
    assert_eq!(empty, b);
}

#[test]
fn no_byte_depends_on_threads_or_on_cuts_between_blocks() {
    let mut random = Random::new(3);
    let (n, d, e) = (9000, 150, 130);
    let (x, y) = (rows(&mut random, n, d), rows(&mut random, n, e));
    let all = |threads: usize| {
        pool(threads).unwrap().install(|| {
            let mut owned = Owned::new(d, e);
            owned.add(&x, &y, n, None);
            owned
        })
    };
    let whole = all(1);
    assert_eq!(whole, all(3));
    let mut parts = Owned::new(d, e);
    parts.add(&x[..2 * BLOCK * d], &y[..2 * BLOCK * e], 2 * BLOCK, None);
    parts.add(&x[2 * BLOCK * d..], &y[2 * BLOCK * e..], n - 2 * BLOCK, None);
    assert_eq!(whole, parts);
}

#[test]
fn an_offset_costs_no_digits() {
    let (n, far) = (10_000, 1e15);
    // Deviations that float64 holds exactly beside the offset.
    let x: Vec<f64> = (0..n).map(|i| far + (i % 5) as f64).collect();
    let mut owned = Owned::new(1, 1);
    owned.add(&x, &x, n, None);
    let [_, mean, second, _] = &owned.1;
    assert_eq!(mean[0], far + 2.0);
    assert!(mean[2].abs() < 1e-15);
    assert!((second[0] / (2.0 * n as f64) - 1.0).abs() < 1e-13, "{}", second[0]);
}

#[test]
fn what_does_not_fit_or_is_not_finite_is_refused() {
    let rows = |x: &'static [f64], order: Option<&'static [i64]>| Rows {
        x: MatRef::new(x, x.len(), 1).unwrap(),
        y: MatRef::new(x, x.len(), 1).unwrap(),
        weights: None,
        order,
        scales: [PowerOfTwo::new(0); 2],
    };
    let go = |rows| accumulate(&mut Owned::new(1, 1).sums(), rows, &Control::default());
    let bad = go(rows(&[1.0, 2.0, f64::NAN], None));
    assert_eq!(bad, Err(Error::NonFinite { argument: "x", row: 2 }));
    assert_eq!(go(rows(&[1.0, 2.0, f64::NAN], Some(&[1, 0]))), Ok(()));
    assert!(matches!(go(rows(&[1.0], Some(&[1]))), Err(Error::Shape { .. })));
    assert!(matches!(go(rows(&[1.0], Some(&[-1]))), Err(Error::Shape { .. })));
    assert!(matches!(go(rows(&[1e200, -1e200], None)), Err(Error::Value { .. })));
    let mut wide = Owned::new(2, 1);
    assert!(merge(&mut Owned::new(1, 2).sums(), &mut wide.sums(), 1.0).is_err());
    wide.1[0].pop();
    assert!(wide.sums().check().is_err());
}
