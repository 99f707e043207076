//! Against the definition, computed with loops.

use isomorph_kernels::{Element, Isa, Late};

use super::{Collection, Queries, Values, scores, topk};
use crate::Error;
use crate::matrix::MatRef;
use crate::runtime::Control;

fn values<T: Late>(n: usize, seed: u64) -> Vec<T> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    (0..n)
        .map(|_| {
            state = state.wrapping_mul(0x5851_f42d_4c95_7f2d).wrapping_add(0x1405_7b7e_f767_814f);
            T::from_f64((state >> 11) as f64 / (1u64 << 53) as f64 * 2.0 - 1.0)
        })
        .collect()
}

/// The definition, with every product canonical.
fn defined<T: Late>(
    (queries, query_starts): (&[T], &[i64]),
    (rows, document_starts): (&[T], &[i64]),
    d: usize,
    scale: impl Fn(usize, usize) -> f64,
) -> Vec<T> {
    let mut scores = Vec::new();
    for query in query_starts.windows(2) {
        for (document, span) in document_starts.windows(2).enumerate() {
            let tokens = query[0] as usize..query[1] as usize;
            let total = tokens.fold(0.0, |total, token| {
                let products = (span[0] as usize..span[1] as usize).map(|row| {
                    let (x, y) = (&queries[token * d..][..d], &rows[row * d..][..d]);
                    T::dot(Isa::portable(), x, y) * scale(document, row)
                });
                total + products.fold(f64::NEG_INFINITY, f64::max)
            });
            let empty = span[0] == span[1];
            scores.push(if empty { T::NEG_INFINITY } else { T::from_f64(total) });
        }
    }
    scores
}

fn starts(lengths: &[usize]) -> Vec<i64> {
    let mut starts = vec![0];
    for &length in lengths {
        starts.push(starts[starts.len() - 1] + length as i64);
    }
    starts
}

fn same_as_the_definition<T: Late>() {
    let many = vec![2; 300];
    for d in [1, 7, 8, 33] {
        for query_lengths in [&[1][..], &[3, 0, 20], &[300, 5, 16, 260], &[0]] {
            for lengths in [&[1][..], &[5, 0, 6, 7, 1, 130], &[2100, 3], &many] {
                let (query_starts, document_starts) = (starts(query_lengths), starts(lengths));
                let tokens = *query_starts.last().unwrap() as usize;
                let rows = *document_starts.last().unwrap() as usize;
                let (x, mut y) = (values::<T>(tokens * d, 1), values::<T>(rows * d, 2));
                // Equal rows, so that maxima are reached more than once.
                y.copy_within(0..d, (rows - 1) * d);
                let queries =
                    Queries::new(MatRef::new(&x, tokens, d).unwrap(), &query_starts).unwrap();
                let documents = Collection::new(Values::Same(&y), d, &document_starts).unwrap();
                let found = scores(&queries, &documents, true, &Control::default()).unwrap();
                let sides = ((&x[..], &query_starts[..]), (&y[..], &document_starts[..]));
                assert_eq!(found, defined(sides.0, sides.1, d, |_, _| 1.0));
                let k = lengths.len().min(3);
                let best = topk(&queries, &documents, k, true, &Control::default()).unwrap();
                for (i, row) in found.chunks(lengths.len()).enumerate() {
                    let mut order: Vec<usize> = (0..row.len()).collect();
                    order.sort_by(|&a, &b| row[b].partial_cmp(&row[a]).unwrap());
                    for (at, &document) in order[..k].iter().enumerate() {
                        let none = lengths[document] == 0;
                        let index = if none { -1 } else { document as i64 };
                        assert_eq!(best.indices[i * k + at], index);
                        assert_eq!(best.scores[i * k + at], row[document]);
                    }
                }
            }
        }
    }
}

#[test]
fn f32_scores_are_as_defined() {
    same_as_the_definition::<f32>();
}

#[test]
fn f64_scores_are_as_defined() {
    same_as_the_definition::<f64>();
}

#[test]
fn narrow_documents_are_as_their_widened_values() {
    let (d, document_starts, query_starts) = (20, starts(&[4, 90, 200]), starts(&[7, 12]));
    let x = values::<f32>(19 * d, 3);
    let queries = Queries::new(MatRef::new(&x, 19, d).unwrap(), &query_starts).unwrap();
    let exact = values::<f32>(294 * d, 4);
    let bits: Vec<u16> = exact.iter().map(|x| (x.to_bits() >> 16) as u16).collect();
    let wide: Vec<f32> = bits.iter().map(|&b| f32::from_bits(u32::from(b) << 16)).collect();
    let documents = Collection::new(Values::Bf16(&bits), d, &document_starts).unwrap();
    let found = scores(&queries, &documents, true, &Control::default()).unwrap();
    let sides = ((&x[..], &query_starts[..]), (&wide[..], &document_starts[..]));
    assert_eq!(found, defined(sides.0, sides.1, d, |_, _| 1.0));

    let integers: Vec<i8> = exact.iter().map(|x| (x * 127.0) as i8).collect();
    let wide: Vec<f32> = integers.iter().map(|&i| f32::from(i)).collect();
    let sides = ((&x[..], &query_starts[..]), (&wide[..], &document_starts[..]));
    for per_row in [false, true] {
        let scales = values::<f64>(if per_row { 294 } else { 3 }, 5);
        let documents = Collection::new(Values::I8(&integers, &scales), d, &document_starts);
        let found = scores(&queries, &documents.unwrap(), true, &Control::default()).unwrap();
        let scale = |document: usize, row: usize| scales[if per_row { row } else { document }];
        assert_eq!(found, defined(sides.0, sides.1, d, scale));
    }
}

#[test]
fn huge_and_tiny_values_leave_the_filter_and_stay_exact() {
    let (d, document_starts, query_starts) = (9, starts(&[3, 40, 7]), starts(&[5]));
    for (query_scale, scale) in [(1e25, 1e12), (1e-30, 1e-14), (1e-38, 1e30), (1.0, 1e-44)] {
        let scaled = |n, seed, factor: f64| -> Vec<f32> {
            values::<f64>(n, seed).iter().map(|x| (x * factor) as f32).collect()
        };
        let (x, y) = (scaled(5 * d, 1, query_scale), scaled(50 * d, 2, scale));
        let queries = Queries::new(MatRef::new(&x, 5, d).unwrap(), &query_starts).unwrap();
        let documents = Collection::new(Values::Same(&y), d, &document_starts).unwrap();
        let found = scores(&queries, &documents, true, &Control::default()).unwrap();
        let sides = ((&x[..], &query_starts[..]), (&y[..], &document_starts[..]));
        assert_eq!(found, defined(sides.0, sides.1, d, |_, _| 1.0));
    }
    let (x, y) = (vec![1e30f32; 5 * d], vec![1e30f32; 50 * d]);
    let queries = Queries::new(MatRef::new(&x, 5, d).unwrap(), &query_starts).unwrap();
    let documents = Collection::new(Values::Same(&y), d, &document_starts).unwrap();
    let error = scores(&queries, &documents, true, &Control::default()).unwrap_err();
    assert!(matches!(error, Error::ScoreOverflow { row: 0, .. }), "{error}");
}

#[test]
fn rows_that_are_not_finite_are_named_or_left_out() {
    let d = 8;
    let document_starts = starts(&[5, 1, 2000, 30]);
    let x = values::<f32>(4 * d, 1);
    let query_starts = starts(&[4]);
    let queries = Queries::new(MatRef::new(&x, 4, d).unwrap(), &query_starts).unwrap();
    for row in [0, 4, 5, 6, 1999, 2006, 2035] {
        let mut y = values::<f32>(2036 * d, 2);
        y[row * d + row % d] = f32::NAN;
        y[2035 * d] = f32::INFINITY;
        let documents = Collection::new(Values::Same(&y), d, &document_starts).unwrap();
        let error = scores(&queries, &documents, true, &Control::default()).unwrap_err();
        assert_eq!(error, Error::NonFinite { argument: "documents", row });
        let found = scores(&queries, &documents, false, &Control::default()).unwrap();
        let mut kept = Vec::new();
        let mut lengths = [0; 4];
        for i in 0..2036 {
            if i != row && i != 2035 {
                kept.extend_from_slice(&y[i * d..][..d]);
                lengths[document_starts[1..].iter().filter(|&&s| s <= i as i64).count()] += 1;
            }
        }
        let kept_starts = starts(&lengths);
        let sides = ((&x[..], &query_starts[..]), (&kept[..], &kept_starts[..]));
        assert_eq!(found, defined(sides.0, sides.1, d, |_, _| 1.0));
    }
}

#[test]
fn offsets_and_scales_that_do_not_fit_are_refused() {
    let y = [0.0f32; 12];
    for bad in [&[][..], &[0], &[1, 4], &[0, 3], &[0, 3, 2, 4], &[-1, 4], &[0, 5], &[0, 9, 4]] {
        assert!(Collection::new(Values::Same(&y), 3, bad).is_err(), "{bad:?}");
    }
    assert!(Collection::new(Values::Same(&y), 5, &[0, 2]).is_err());
    assert!(Collection::new(Values::Same(&y), 0, &[0, 0]).is_err());
    let (integers, starts) = ([1i8; 12], [0, 1, 4]);
    let with = |scales| Collection::<f32>::new(Values::I8(&integers, scales), 3, &starts);
    assert!(with(&[1.0, 2.0]).is_ok() && with(&[1.0; 4]).is_ok());
    for bad in [&[1.0; 3][..], &[f64::NAN, 1.0], &[1e300, 1.0]] {
        assert!(with(bad).is_err());
    }
    assert_eq!(f32::NAME, "float32");
}
