//! The engine against a plain sort of canonical scores.

use isomorph_kernels::Element;

use super::*;
use crate::matrix::MatRef;
use crate::runtime::{Control, pool};

fn values<T: Element>(n: usize, seed: u64) -> Vec<T> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..n)
        .map(|_| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            T::from_f64((state >> 40) as f64 / (1u64 << 24) as f64 - 0.5)
        })
        .collect()
}

fn score<T: Element>(x: &[T], y: &[T], metric: Metric) -> T {
    let sum = |f: &dyn Fn(f64, f64) -> f64| {
        let mut lanes = [0.0; 8];
        for (k, (x, y)) in x.iter().zip(y).enumerate() {
            lanes[k % 8] += f(x.to_f64(), y.to_f64());
        }
        let [a, b, c, d, e, f, g, h] = lanes;
        ((a + e) + (c + g)) + ((b + f) + (d + h))
    };
    let dot = |x: &[T], y: &[T]| {
        let mut lanes = [0.0; 8];
        for (k, (x, y)) in x.iter().zip(y).enumerate() {
            lanes[k % 8] += x.to_f64() * y.to_f64();
        }
        let [a, b, c, d, e, f, g, h] = lanes;
        ((a + e) + (c + g)) + ((b + f) + (d + h))
    };
    T::from_f64(match metric {
        Metric::Dot => dot(x, y),
        Metric::L2 => 0.0 - sum(&|x, y| (x - y) * (x - y)),
        Metric::Cosine => {
            let norms = dot(x, x).sqrt() * dot(y, y).sqrt();
            if norms == 0.0 { 0.0 } else { dot(x, y) / norms }
        }
    })
}

fn oracle<T: Element>(
    queries: MatRef<'_, T>,
    corpus: MatRef<'_, T>,
    k: usize,
    metric: Metric,
    exclude_self: bool,
) -> Selection<T> {
    let mut selection = Selection { scores: Vec::new(), indices: Vec::new() };
    for i in 0..queries.rows() {
        let mut all: Vec<_> = (0..corpus.rows())
            .filter(|&j| !(exclude_self && i == j))
            .map(|j| (score(queries.row(i), corpus.row(j), metric), j as i64))
            .collect();
        all.sort_by(|a, b| b.0.partial_cmp(&a.0).unwrap().then(a.1.cmp(&b.1)));
        for (score, index) in all.into_iter().take(k) {
            selection.scores.push(score);
            selection.indices.push(index);
        }
    }
    selection
}

const fn by(path: FilterChoice) -> SearchOptions<'static> {
    SearchOptions { filter: path, indexes: Indexes { left: None, right: None } }
}

const RUNS: [(usize, FilterChoice); 4] = [
    (1, FilterChoice::Float),
    (3, FilterChoice::Float),
    (1, FilterChoice::Integer),
    (3, FilterChoice::Integer),
];

fn matches<T: Element>(x: &[T], y: &[T], d: usize, k: usize) {
    let (n, m) = (x.len() / d, y.len() / d);
    let (x, y) = (MatRef::new(x, n, d).unwrap(), MatRef::new(y, m, d).unwrap());
    let control = Control::default();
    for metric in [Metric::Cosine, Metric::Dot, Metric::L2] {
        for exclude_self in [false, true] {
            if exclude_self && (n != m || k == m) {
                continue;
            }
            let expected = oracle(x, y, k, metric, exclude_self);
            for (threads, path) in RUNS {
                let got = pool(threads)
                    .unwrap()
                    .install(|| topk(x, y, k, metric, exclude_self, &by(path), &control).unwrap());
                assert!(got == expected, "{metric:?} n={n} m={m} d={d} k={k} {exclude_self}");
            }
        }
    }
    if k <= n.min(m) {
        let means = |a: MatRef<'_, T>, b: MatRef<'_, T>| -> Vec<T> {
            let best = oracle(a, b, k, Metric::Cosine, false).scores;
            best.chunks(k)
                .map(|row| row.iter().fold(0.0, |sum, s| sum + s.to_f64()) / k as f64)
                .map(T::from_f64)
                .collect()
        };
        for (threads, path) in RUNS {
            let got = pool(threads)
                .unwrap()
                .install(|| csls_radii(x, y, k, &by(path), &control).unwrap());
            assert!(got == (means(x, y), means(y, x)), "radii n={n} m={m} d={d} k={k}");
        }
    }
}

fn shapes<T: Element>() {
    for (n, m, d, k) in [
        (1, 1, 1, 1),
        (1, 40, 3, 40),
        (7, 17, 8, 5),
        (13, 33, 31, 10),
        (70, 70, 5, 3),
        (500, 900, 20, 10),
        (40, 700, 9, 300),
    ] {
        matches::<T>(&values(n * d, 1), &values(m * d, 2), d, k);
    }
}

#[test]
fn equals_a_sort_of_canonical_scores_f32() {
    shapes::<f32>();
}

#[test]
fn equals_a_sort_of_canonical_scores_f64() {
    shapes::<f64>();
}

#[test]
fn ties_duplicates_and_zero_rows_are_settled_by_index() {
    // Thousands of equal rows: everything survives the filter and is rescored.
    let d = 6;
    let mut corpus = vec![0.25f32; 3000 * d];
    corpus[17 * d..18 * d].fill(0.0);
    corpus[2999 * d] = 0.26;
    let mut queries = values::<f32>(20 * d, 5);
    queries[3 * d..4 * d].fill(0.0);
    matches(&queries, &corpus, d, 10);
    matches(&corpus[..600 * d], &corpus, d, 70);
    // One-hot rows: the scores are 0 and 1.
    let hot: Vec<f64> =
        (0..200 * 16).map(|at| f64::from(u8::from(at % 16 == at / 16 % 16))).collect();
    matches(&hot, &hot, 16, 20);
}

#[test]
fn extreme_scales_lose_nothing() {
    let d = 12;
    for scale in [1e-44, 1e-30, 1e-20, 1e18] {
        let x: Vec<f32> = values::<f32>(50 * d, 3).iter().map(|x| x * scale).collect();
        let y: Vec<f32> = values::<f32>(300 * d, 4).iter().map(|x| x * scale).collect();
        matches(&x, &y, d, 10);
    }
    // Norms from tiny to huge in one set, far from the origin.
    let y: Vec<f32> = values::<f32>(300 * d, 4)
        .iter()
        .enumerate()
        .map(|(at, x)| x * 10f32.powi((at / d % 20) as i32 - 10) + 1000.0)
        .collect();
    matches(&values::<f32>(40 * d, 9), &y, d, 10);
}

#[test]
fn cosines_of_huge_and_tiny_doubles_equal_those_of_the_unscaled_rows() {
    let d = 10;
    let (x, y) = (values::<f64>(30 * d, 1), values::<f64>(200 * d, 2));
    let control = Control::default();
    let run = |x: &[f64], y: &[f64], path| {
        let (x, y) = (MatRef::new(x, 30, d).unwrap(), MatRef::new(y, 200, d).unwrap());
        topk(x, y, 7, Metric::Cosine, false, &by(path), &control).unwrap()
    };
    let plain = run(&x, &y, FilterChoice::Auto);
    for exponent in [-1000, -600, 600, 1000] {
        let scaled: Vec<f64> = y.iter().map(|v| v * 2f64.powi(exponent)).collect();
        for path in [FilterChoice::Float, FilterChoice::Integer] {
            assert!(run(&x, &scaled, path) == plain, "2^{exponent}");
        }
    }
}

#[test]
fn overflow_is_an_error_and_rows_that_are_not_finite_are_left_out() {
    let x = [1e30f32, 1e30, 1.0, 1.0];
    let view = MatRef::new(&x, 2, 2).unwrap();
    let control = Control::default();
    let error =
        topk(view, view, 1, Metric::Dot, false, &by(FilterChoice::Auto), &control).unwrap_err();
    assert!(matches!(error, crate::Error::ScoreOverflow { row: 0, .. }), "{error}");

    let mut y = values::<f32>(40 * 3, 1);
    y[5 * 3 + 1] = f32::NAN;
    y[9 * 3] = f32::INFINITY;
    let y = MatRef::new(&y, 40, 3).unwrap();
    let metrics = [Metric::Cosine, Metric::Dot, Metric::L2];
    for (metric, (_, path)) in metrics.into_iter().flat_map(|m| RUNS.map(|run| (m, run))) {
        let got = topk(y, y, 40, metric, false, &by(path), &control).unwrap();
        for (i, row) in got.indices.chunks(40).enumerate() {
            let found = row.iter().filter(|&&j| j >= 0).count();
            assert_eq!(found, if i == 5 || i == 9 { 0 } else { 38 });
            assert!(!row.contains(&5) && !row.contains(&9));
        }
    }
}

#[test]
fn csls_equals_its_formula_in_both_directions() {
    let (n, m, d, k) = (150, 700, 12, 4);
    let (x, y) = (values::<f32>(n * d, 1), values::<f32>(m * d, 2));
    let (x, y) = (MatRef::new(&x, n, d).unwrap(), MatRef::new(&y, m, d).unwrap());
    let control = Control::default();
    let (r, s) = csls_radii(x, y, 10, &by(FilterChoice::Float), &control).unwrap();
    let (forward, backward) =
        csls_both(x, y, k, &r, &s, &by(FilterChoice::Float), &control).unwrap();
    for path in [FilterChoice::Float, FilterChoice::Integer] {
        assert!(forward == csls(x, y, k, &r, &s, &by(path), &control).unwrap());
        let both = csls_both(x, y, k, &r, &s, &by(path), &control).unwrap();
        assert!(both == (forward.clone(), backward.clone()));
    }
    let value = |i: usize, j: usize| {
        let c = f64::from(score(x.row(i), y.row(j), Metric::Cosine));
        ((2.0 * c - f64::from(r[i])) - f64::from(s[j])) as f32
    };
    let best = |mut all: Vec<(f32, i64)>| {
        all.sort_by(|a, b| b.0.partial_cmp(&a.0).unwrap().then(a.1.cmp(&b.1)));
        all.truncate(k);
        all
    };
    for i in 0..n {
        let all = best((0..m).map(|j| (value(i, j), j as i64)).collect());
        let got: Vec<_> =
            (i * k..(i + 1) * k).map(|at| (forward.scores[at], forward.indices[at])).collect();
        assert_eq!(got, all);
    }
    for j in 0..m {
        let all = best((0..n).map(|i| (value(i, j), i as i64)).collect());
        let got: Vec<_> =
            (j * k..(j + 1) * k).map(|at| (backward.scores[at], backward.indices[at])).collect();
        assert_eq!(got, all);
    }
}

#[test]
fn a_cancelled_search_stops() {
    let x = values::<f32>(100 * 4, 1);
    let x = MatRef::new(&x, 100, 4).unwrap();
    let control = Control::default();
    control.cancel();
    let error = topk(x, x, 1, Metric::Dot, false, &by(FilterChoice::Auto), &control).unwrap_err();
    assert_eq!(error, crate::Error::Cancelled);
}

/// Rows around a few centres, with decaying coordinates.
fn clustered<T: Element>(n: usize, d: usize, spread: f64, seed: u64) -> Vec<T> {
    let centres = values::<f64>(20 * d, 77);
    let noise = values::<f64>(n * d, seed);
    let at = |i: usize, k: usize| {
        let weight = 1.0 / (1.0 + k as f64).sqrt();
        (centres[(i * 7919 + seed as usize) % 20 * d + k] + spread * noise[i * d + k]) * weight
    };
    (0..n * d).map(|p| T::from_f64(at(p / d, p % d))).collect()
}

fn one_pass_equals_two<T: Element>(x: &[T], y: &[T], d: usize, k: usize, neighborhood: usize) {
    let x = MatRef::new(x, x.len() / d, d).unwrap();
    let y = MatRef::new(y, y.len() / d, d).unwrap();
    let control = Control::default();
    let run = |both, path, threads| {
        let search = || csls_from_rows(x, y, k, neighborhood, both, &by(path), &control).unwrap();
        pool(threads).unwrap().install(search)
    };
    let expected = run(true, FilterChoice::Float, 3);
    assert!(expected.proved.is_none());
    for threads in [1, 3] {
        let got = run(true, FilterChoice::Integer, threads);
        assert!(got.proved.is_some(), "the shape must be one for a single pass");
        assert!(got.radii == expected.radii, "d={d} k={k} {neighborhood}");
        assert!(got.forward == expected.forward, "d={d} k={k} {neighborhood} {:?}", got.proved);
        assert!(got.backward == expected.backward, "d={d} k={k} {neighborhood} {:?}", got.proved);
    }
    let one_way = run(false, FilterChoice::Integer, 3);
    assert!(one_way.forward == expected.forward && one_way.backward.is_none());
    assert!(one_way.radii == expected.radii);
}

#[test]
fn one_pass_of_csls_equals_two() {
    let d = 40;
    for (k, neighborhood) in [(1, 10), (10, 10), (30, 3), (100, 60)] {
        let (x, y) = (clustered::<f32>(1500, d, 0.3, 1), clustered::<f32>(2100, d, 0.3, 2));
        one_pass_equals_two(&x, &y, d, k, neighborhood);
    }
    let (x, y) = (clustered::<f64>(1300, d, 1.0, 1), clustered::<f64>(1400, d, 1.0, 2));
    one_pass_equals_two(&x, &y, d, 3, 5);
    one_pass_equals_two(&values::<f32>(1300 * 9, 1), &values::<f32>(1400 * 9, 2), 9, 2, 10);
}

#[test]
fn one_pass_of_csls_survives_what_is_degenerate() {
    let d = 33;
    let (mut x, mut y) = (clustered::<f32>(1400, d, 0.2, 1), clustered::<f32>(1600, d, 0.2, 2));
    // A thousand equal rows, zero rows, and rows that are not finite.
    for i in 0..1000 {
        y.copy_within(1500 * d..1501 * d, i * d);
    }
    x[5 * d..9 * d].fill(0.0);
    y[1300 * d..1310 * d].fill(0.0);
    x[20 * d] = f32::NAN;
    y[1200 * d + 3] = f32::INFINITY;
    one_pass_equals_two(&x, &y, d, 1, 10);
    one_pass_equals_two(&x, &y, d, 7, 10);
    // All scores are equal: nothing is proved, everything is rescanned.
    one_pass_equals_two(&vec![0.5f32; 1300 * d], &vec![0.25f32; 1400 * d], d, 3, 10);
    // Fewer finite rows than the neighbourhood asks for.
    let mut few = vec![f32::NAN; 1300 * d];
    few[..7 * d].copy_from_slice(&y[1400 * d..1407 * d]);
    one_pass_equals_two(&few, &y, d, 2, 10);
}

#[test]
fn an_index_changes_nothing() {
    let (n, m, d, k) = (1400, 1601, 35, 7);
    let (x, y) = (clustered::<f32>(n, d, 0.4, 1), clustered::<f32>(m, d, 0.4, 2));
    let (x, y) = (MatRef::new(&x, n, d).unwrap(), MatRef::new(&y, m, d).unwrap());
    let control = Control::default();
    let stored = |vectors, metric| prepare_index(vectors, metric, &control).unwrap();
    fn index<'a>(parts: &'a IndexParts, shape: (usize, usize), metric: Metric) -> Index<'a> {
        let rows = (&parts.scale[..], &parts.error[..]);
        let norms = (&parts.norms[..], &parts.sizes[..], &parts.centre[..]);
        Index::new(shape, metric, &parts.codes, rows, norms, parts.largest).unwrap()
    }
    for metric in [Metric::Cosine, Metric::Dot, Metric::L2] {
        let parts = stored(y, metric);
        let right = index(&parts, (m, d), metric);
        let expected = topk(x, y, k, metric, false, &by(FilterChoice::Float), &control).unwrap();
        for path in [FilterChoice::Auto, FilterChoice::Integer, FilterChoice::Float] {
            let how = SearchOptions {
                filter: path,
                indexes: Indexes { left: None, right: Some(&right) },
            };
            assert!(topk(x, y, k, metric, false, &how, &control).unwrap() == expected);
        }
        // A few queries of another scale: for l2 the codes then stand for another unit.
        let few: Vec<f32> = x.data()[..3 * d].iter().map(|v| v * 40.0).collect();
        let few = MatRef::new(&few, 3, d).unwrap();
        let expected = topk(few, y, k, metric, false, &by(FilterChoice::Float), &control).unwrap();
        let how = SearchOptions {
            filter: FilterChoice::Auto,
            indexes: Indexes { left: None, right: Some(&right) },
        };
        assert!(topk(few, y, k, metric, false, &how, &control).unwrap() == expected);
        let wrong = if metric == Metric::Dot { Metric::L2 } else { Metric::Dot };
        assert!(topk(x, y, k, wrong, false, &how, &control).is_err());
    }
    let (left, right) = (stored(x, Metric::Cosine), stored(y, Metric::Cosine));
    let (left, right) =
        (index(&left, (n, d), Metric::Cosine), index(&right, (m, d), Metric::Cosine));
    let expected = csls_from_rows(x, y, k, 10, true, &by(FilterChoice::Float), &control).unwrap();
    let indexes = Indexes { left: Some(&left), right: Some(&right) };
    let how = SearchOptions { filter: FilterChoice::Integer, indexes };
    let got = csls_from_rows(x, y, k, 10, true, &how, &control).unwrap();
    assert!(got.proved.is_some() && got.forward == expected.forward);
    assert!(got.backward == expected.backward && got.radii == expected.radii);
}

#[test]
fn rows_that_no_radius_lets_win_are_not_searched_again() {
    let (x, y) = (clustered::<f32>(1300, 4, 2.0, 5), clustered::<f32>(1300, 4, 2.0, 6));
    for (k, neighborhood) in [(1, 1), (1, 10), (2, 1), (40, 1)] {
        one_pass_equals_two(&x, &y, 4, k, neighborhood);
    }
}
