//! Sparsemax beside sorting all similarities.

use super::{FilterChoice, sparsemax};
use crate::matrix::MatRef;
use crate::runtime::Control;
use crate::vocab::Mixture;

const FILTERS: [FilterChoice; 3] = [FilterChoice::Auto, FilterChoice::Float, FilterChoice::Integer];

fn values(rows: usize, cols: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888);
        ((state >> 40) as f32) / 1e7 - 0.8
    };
    (0..rows * cols).map(|_| next()).collect()
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum()
}

/// By sorting all similarities in `f64`.
fn oracle(x: &[f32], atoms: &[f32], depth: usize) -> Vec<(u32, f64)> {
    let norm = |a: &[f32]| dot(a, a).sqrt();
    let z: Vec<f64> = atoms.chunks(depth).map(|a| dot(x, a) / (norm(x) * norm(a))).collect();
    let mut sorted = z.clone();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let (mut sum, mut threshold) = (0.0, 0.0);
    for (k, score) in sorted.iter().enumerate() {
        sum += score;
        if 1.0 + (k + 1) as f64 * score > sum {
            threshold = (sum - 1.0) / (k + 1) as f64;
        }
    }
    let weights = z.iter().enumerate().map(|(j, score)| (j as u32, score - threshold));
    weights.filter(|(_, weight)| *weight > 0.0).collect()
}

fn assert_right(found: &Mixture, targets: &[f32], atoms: &[f32], depth: usize) {
    for (i, x) in targets.chunks(depth).enumerate() {
        let range = found.offsets[i] as usize..found.offsets[i + 1] as usize;
        let expected = oracle(x, atoms, depth);
        assert_eq!(range.len(), expected.len(), "row {i}");
        for (at, (j, weight)) in range.clone().zip(expected) {
            assert_eq!(found.indices[at], i64::from(j));
            assert!((found.weights[at] - weight).abs() < 1e-12);
        }
        let sum: f64 = found.weights[range].iter().sum();
        assert!((sum - 1.0).abs() < 1e-12);
    }
}

#[test]
fn weights_are_those_of_sorting_everything_whatever_the_filter() {
    for (n, m, d) in [(131, 1500, 9), (70, 2000, 40), (3, 1, 5), (5, 17, 1)] {
        let (x, y) = (values(n, d, 1), values(m, d, 2));
        let (left, right) = (MatRef::new(&x, n, d).unwrap(), MatRef::new(&y, m, d).unwrap());
        let mut all = FILTERS.map(|choice| {
            let found = sparsemax(left, right, choice, &Control::default()).unwrap();
            assert_right(&found, &x, &y, d);
            found
        });
        all.sort_by_key(|found| found.indices.len());
        assert_eq!(all[0], all[2]);
    }
}

/// Atoms in clusters, all of whose members stand together or apart: samples are far from the truth.
#[test]
fn starts_that_a_sample_guessed_too_high_are_done_again() {
    let (n, m, d) = (40, 6400, 32);
    let (centres, noise) = (values(64, d, 3), values(m, d, 4));
    for stride in [1, 64] {
        let cluster = |j: usize| if stride == 1 { j % 64 } else { j / 100 };
        let y: Vec<f32> =
            (0..m * d).map(|at| centres[cluster(at / d) * d + at % d] + 0.05 * noise[at]).collect();
        let x: Vec<f32> =
            (0..n * d).map(|at| y[(at / d * 157 * d + at % d) % y.len()] * 1.5).collect();
        let (left, right) = (MatRef::new(&x, n, d).unwrap(), MatRef::new(&y, m, d).unwrap());
        let found = sparsemax(left, right, FilterChoice::Integer, &Control::default()).unwrap();
        assert_right(&found, &x, &y, d);
    }
}

#[test]
fn rows_of_zeros_equal_atoms_and_nothing_at_all() {
    let x = [0.0f32, 0.0, 1.0, 0.0];
    let y = [1.0f32, 0.0].repeat(6000);
    let (left, right) = (MatRef::new(&x, 2, 2).unwrap(), MatRef::new(&y, 6000, 2).unwrap());
    let none = MatRef::new(&[], 0, 2).unwrap();
    let narrow = MatRef::new(&y, 12_000, 1).unwrap();
    for choice in FILTERS {
        let found = sparsemax(left, right, choice, &Control::default()).unwrap();
        assert_eq!(found.offsets, [0, 0, 6000]);
        assert!(found.weights.iter().all(|weight| (weight - 1.0 / 6000.0).abs() < 1e-12));
        let empty = sparsemax::<f32>(left, none, choice, &Control::default()).unwrap();
        assert_eq!(empty.offsets, [0, 0, 0]);
        let no_targets = sparsemax(none, right, choice, &Control::default()).unwrap();
        assert_eq!(no_targets.offsets, [0]);
        assert!(sparsemax(left, narrow, choice, &Control::default()).is_err());
        let cancelled = Control::default();
        cancelled.cancel();
        assert!(sparsemax(left, right, choice, &cancelled).is_err());
    }
}

/// Cosines do not know of norms, however far these are from the range of their squares.
#[test]
fn norms_near_the_ends_of_the_range_do_not_count() {
    let (n, m, d) = (6, 90, 7);
    let wide = |values: Vec<f32>| values.into_iter().map(f64::from).collect::<Vec<f64>>();
    let (x, y) = (wide(values(n, d, 5)), wide(values(m, d, 6)));
    let of = |x: &[f64], y: &[f64], choice| {
        let (left, right) = (MatRef::new(x, n, d).unwrap(), MatRef::new(y, m, d).unwrap());
        sparsemax(left, right, choice, &Control::default()).unwrap()
    };
    let scaled = |values: &[f64], powers: [i32; 3]| -> Vec<f64> {
        let row = |(at, value): (usize, &f64)| value * 2f64.powi(powers[at / d % 3]);
        values.iter().enumerate().map(row).collect()
    };
    for choice in FILTERS {
        let expected = of(&x, &y, choice);
        assert!(expected.indices.len() > n);
        let (x, y) = (scaled(&x, [-900, 0, 1000]), scaled(&y, [1000, -950, 3]));
        let found = of(&x, &y, choice);
        assert_eq!(found.indices, expected.indices);
        for (found, expected) in found.weights.iter().zip(&expected.weights) {
            assert!((found - expected).abs() < 1e-14);
        }
    }
}
