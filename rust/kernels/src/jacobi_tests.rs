//! The decompositions of every instruction set against a product in `f64`, and against each other.

use crate::jacobi::Real;
use crate::{Isa, Jacobi, Shape};

fn uniform(seed: &mut u64) -> f64 {
    *seed ^= *seed >> 12;
    *seed ^= *seed << 25;
    *seed ^= *seed >> 27;
    (seed.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1u64 << 52) as f64 - 1.0
}

/// One lane of the factors: U, V (columns), S, and which steps succeeded.
struct Factors<T> {
    u: Vec<T>,
    v: Vec<T>,
    s: Vec<T>,
    r: Vec<T>,
    h: Vec<T>,
    sound: bool,
}

/// Each matrix decomposed, in groups of `lanes`.
fn decompose<T: Jacobi>(
    isa: Isa,
    lanes: usize,
    shape: Shape,
    matrices: &[T],
    with_right: bool,
) -> Vec<Factors<T>> {
    let (n, d, size) = (shape.long(), shape.short(), shape.size());
    let cells = |count: usize| vec![T::default(); count * lanes];
    let mut all = Vec::new();
    for group in matrices.chunks(lanes * size) {
        let (mut a, mut x, mut s, mut gram) =
            (cells(size), cells((n + d) * d), cells(d), cells(d * d));
        let (mut r, mut h, mut largest) = (cells(size), cells(shape.cols.pow(2)), cells(1));
        let scale = vec![T::from_f64(1.0); 2 * lanes];
        T::interleave(isa, lanes, shape, group, &mut a, &mut largest);
        let mut sound = T::decompose(isa, lanes, shape, &scale, &mut a, &mut x, &mut s, with_right);
        if !with_right {
            T::right(isa, lanes, shape, &a, &mut x);
        }
        sound &= T::certify(isa, lanes, shape, &a, &mut x, &s, &mut gram);
        sound &= T::polar(isa, lanes, shape, &a, &x, &s, &mut r, &mut h);
        for (lane, matrix) in group.chunks(size).enumerate() {
            let most = matrix.iter().fold(0.0, |most: f64, x| most.max(x.to_f64().abs()));
            assert_eq!(largest[lane].to_f64(), most);
            let of = |x: &[T]| x.iter().skip(lane).step_by(lanes).copied().collect::<Vec<_>>();
            let mut u = of(&x);
            let v = u.split_off(n * d);
            let sound = sound >> lane & 1 == 1;
            all.push(Factors { u, v, s: of(&s), r: of(&r), h: of(&h), sound });
        }
    }
    all
}

/// |X'X - I| in units of eps sqrt(columns), for columns of `height`.
fn skew<T: Real>(x: &[T], height: usize) -> f64 {
    let count = x.len() / height;
    let mut error = 0.0;
    for (i, x_i) in x.chunks(height).enumerate() {
        for (j, x_j) in x.chunks(height).enumerate() {
            let dot: f64 = x_i.iter().zip(x_j).map(|(a, b)| a.to_f64() * b.to_f64()).sum();
            error += (dot - f64::from(u8::from(i == j))).powi(2);
        }
    }
    error.sqrt() / (T::EPSILON * (count as f64).sqrt())
}

fn check<T: Jacobi + Real>(shape: Shape) {
    for with_right in [false, true] {
        check_way::<T>(shape, with_right);
    }
}

fn check_way<T: Jacobi + Real>(shape: Shape, with_right: bool) {
    let (n, d, wide) = (shape.long(), shape.short(), shape.rows < shape.cols);
    let mut seed = 7 + shape.rows as u64 * 64 + shape.cols as u64;
    let count = 37;
    let matrices: Vec<T> =
        (0..count * shape.size()).map(|_| T::from_f64(uniform(&mut seed))).collect();
    let mut fused: Option<Vec<Factors<T>>> = None;
    for isa in Isa::available() {
        let widest = T::lanes(isa, shape);
        let all = decompose(isa, widest, shape, &matrices, with_right);
        for (factors, matrix) in all.iter().zip(matrices.chunks(shape.size())) {
            let Factors { u, v, s, r, h, sound } = factors;
            assert!(sound, "{} {shape:?}", isa.name());
            assert!(skew(u, n) <= 8.0 && skew(v, d) <= 8.0 && skew(r, n) <= 8.0, "{shape:?}");
            let (mut error, mut stretched, mut size) = (0.0, 0.0, 0.0);
            for (place, a) in matrix.iter().enumerate() {
                let (row, col) = (place / shape.cols, place % shape.cols);
                let (i, j) = if wide { (col, row) } else { (row, col) };
                let sum: f64 = (0..d)
                    .map(|k| u[k * n + i].to_f64() * s[k].to_f64() * v[k * d + j].to_f64())
                    .sum();
                let product: f64 = (0..shape.cols)
                    .map(|k| {
                        let r = if wide { r[row * n + k] } else { r[k * n + row] };
                        r.to_f64() * h[k * shape.cols + col].to_f64()
                    })
                    .sum();
                error += (sum - a.to_f64()).powi(2);
                stretched += (product - a.to_f64()).powi(2);
                size += a.to_f64().powi(2);
            }
            let unit = T::EPSILON * (n as f64).sqrt() * size.sqrt();
            assert!(error.sqrt() <= 8.0 * unit && stretched.sqrt() <= 8.0 * unit, "{shape:?}");
        }
        if isa.name().starts_with("avx") {
            // The same operations in lanes of any width: the same bits.
            let same = |x: &[T], y: &[T]| x.iter().zip(y).all(|(x, y)| x == y);
            for (x, y) in fused.iter().flatten().zip(&all) {
                assert!(same(&x.u, &y.u) && same(&x.v, &y.v) && same(&x.s, &y.s), "{shape:?}");
                assert!(same(&x.r, &y.r) && same(&x.h, &y.h), "{shape:?}");
            }
            fused = Some(all);
        }
    }
}

#[test]
fn every_instruction_set_decomposes_within_the_bounds() {
    for (rows, cols) in
        [(1, 1), (2, 2), (3, 3), (4, 4), (1, 9), (9, 1), (7, 3), (3, 7), (8, 8), (13, 21), (32, 32)]
    {
        check::<f32>(Shape { rows, cols });
        check::<f64>(Shape { rows, cols });
    }
    check::<f32>(Shape { rows: 100, cols: 20 });
    check::<f64>(Shape { rows: 17, cols: 64 });
}

#[test]
fn a_value_that_is_not_finite_is_found_in_its_lane() {
    for isa in Isa::available() {
        let shape = Shape { rows: 3, cols: 2 };
        let lanes = f32::lanes(isa, shape);
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            let mut matrices = vec![1.0; lanes * 6];
            matrices[2 * 6 + 4] = bad;
            let (mut a, mut largest) = (vec![0.0; 6 * lanes], vec![0.0; lanes]);
            f32::interleave(isa, lanes, shape, &matrices, &mut a, &mut largest);
            for (lane, largest) in largest.iter().enumerate() {
                assert_eq!(largest.is_finite(), lane != 2);
            }
        }
    }
}

#[test]
#[should_panic(expected = "another size")]
fn lengths_that_do_not_fit_are_refused() {
    let shape = Shape { rows: 3, cols: 2 };
    f32::interleave(Isa::portable(), 8, shape, &[1.0; 6], &mut [0.0; 47], &mut [0.0; 8]);
}
