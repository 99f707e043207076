//! The scaling iteration in lanes, on every instruction set, against sums in float64.

use crate::{BALANCE_PASSES, Balance, Evaluate, Group, Isa, Place, Potentials, Single};

/// Numbers in (0, 1], by a linear congruence.
fn draw(count: usize, seed: u64) -> Vec<f64> {
    let mut state = seed;
    (0..count)
        .map(|_| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_041);
            ((state >> 11) + 1) as f64 / (1u64 << 53) as f64
        })
        .collect()
}

/// Columns' scalings after some passes, and the error of the last.
fn oracle(kernel: &[f64], a: &[f64], b: &[f64], passes: usize) -> (Vec<f64>, f64) {
    let m = b.len();
    let mut v = vec![1.0; m];
    let mut error = 0.0;
    for pass in 0..passes {
        let mut sums = vec![0.0; m];
        for (row, a) in kernel.chunks(m).zip(a) {
            let s: f64 = row.iter().zip(&v).map(|(k, v)| k * v).sum();
            row.iter().zip(&mut sums).for_each(|(k, sum)| *sum += k * a / s);
        }
        error = sums.iter().zip(&v).zip(b).map(|((s, v), b)| (s * v - b).abs()).sum();
        if pass + 1 < passes {
            v = b.iter().zip(&sums).map(|(b, s)| b / s).collect();
        }
    }
    (v, error)
}

/// All lanes have a problem of their own.
fn group<T: Balance + From<u8>>(isa: Isa, n: usize, m: usize, passes: usize) -> Vec<(Vec<T>, T)> {
    let lanes = T::balance_lanes(isa);
    let mut kernel = vec![T::default(); n * m * lanes];
    for lane in 0..lanes {
        for (cell, k) in kernel.chunks_mut(lanes).zip(draw(n * m, lane as u64)) {
            cell[lane] = T::from_f64(k);
        }
    }
    let a = vec![T::from_f64(1.0 / n as f64); n * lanes];
    let b = vec![T::from_f64(1.0 / m as f64); m * lanes];
    let (mut v, mut sums) = (vec![T::from(1); m * lanes], vec![T::default(); m * lanes]);
    let one = || vec![T::default(); lanes];
    let (mut taken, mut error, mut moved) = (one(), one(), one());
    T::balance(
        isa,
        &mut Group {
            kernel: &kernel,
            a: &a,
            b: &b,
            v: &mut v,
            sums: &mut sums,
            // Nothing meets it.
            goal: &vec![T::from_f64(-1.0); lanes],
            allowed: &vec![T::from_f64(passes as f64); lanes],
            taken: &mut taken,
            error: &mut error,
            moved: &mut moved,
        },
    );
    assert!(taken.iter().all(|taken| *taken == T::from_f64(passes as f64)));
    (0..lanes)
        .map(|lane| (v.iter().skip(lane).step_by(lanes).copied().collect(), error[lane]))
        .collect()
}

fn agrees<T: Balance + From<u8>>(v: &[T], error: T, n: usize, seed: u64, passes: usize) {
    let m = v.len();
    let kernel: Vec<f64> = draw(n * m, seed).into_iter().map(|k| T::from_f64(k).to_f64()).collect();
    let (a, b) = (vec![1.0 / n as f64; n], vec![1.0 / m as f64; m]);
    let (expected, missed) = oracle(&kernel, &a, &b, passes);
    // Each pass divides two sums of positive numbers.
    let bound = (passes * (n + m + 8)) as f64 * T::UNIT_ROUNDOFF;
    for (v, expected) in v.iter().zip(&expected) {
        assert!((v.to_f64() / expected - 1.0).abs() <= bound, "{v:?} {expected}");
    }
    assert!((error.to_f64() - missed).abs() <= bound, "{error:?} {missed}");
}

fn lanes_are_right<T: Balance + From<u8>>() {
    for isa in Isa::available() {
        for (n, m) in [(1, 1), (1, 5), (5, 1), (3, 4), (4, 9), (8, 8), (13, 7), (23, 17)] {
            for passes in [1, 2, BALANCE_PASSES] {
                for (lane, (v, error)) in group::<T>(isa, n, m, passes).iter().enumerate() {
                    agrees(v, *error, n, lane as u64, passes);
                }
            }
        }
    }
}

#[test]
fn every_lane_has_the_answer_of_its_problem() {
    lanes_are_right::<f32>();
    lanes_are_right::<f64>();
}

#[test]
fn instruction_sets_with_fused_operations_agree_to_the_last_bit() {
    let fused: Vec<_> =
        Isa::available().into_iter().filter(|isa| *isa != Isa::portable()).collect();
    for pair in fused.windows(2) {
        let (one, other) = (group::<f32>(pair[0], 11, 6, 5), group::<f32>(pair[1], 11, 6, 5));
        assert!(one.iter().zip(&other).all(|(one, other)| one == other));
        let (one, other) = (group::<f64>(pair[0], 11, 6, 5), group::<f64>(pair[1], 11, 6, 5));
        assert!(one.iter().zip(&other).all(|(one, other)| one == other));
        assert_eq!(single::<f32>(pair[0], 40, 21, 5), single::<f32>(pair[1], 40, 21, 5));
        assert_eq!(single::<f64>(pair[0], 40, 21, 5), single::<f64>(pair[1], 40, 21, 5));
    }
}

/// The same, of one problem in all lanes.
fn single<T: Balance + From<u8>>(isa: Isa, n: usize, m: usize, passes: usize) -> (Vec<T>, T) {
    let cols = m.next_multiple_of(T::PARTS);
    let mut kernel = vec![T::default(); n * cols];
    for (row, k) in kernel.chunks_mut(cols).zip(draw(n * m, 3).chunks(m)) {
        row.iter_mut().zip(k).for_each(|(to, from)| *to = T::from_f64(*from));
    }
    let padded = |count: usize, padded: usize, value: f64| {
        let mut values = vec![T::from_f64(value); count];
        values.resize(padded, T::default());
        values
    };
    let mut v = padded(m, cols, 1.0);
    let (taken, error, moved) = T::balance_one(
        isa,
        &mut Single {
            kernel: &kernel,
            a: &padded(n, n, 1.0 / n as f64),
            b: &padded(m, cols, 1.0 / m as f64),
            v: &mut v,
            sums: &mut vec![T::default(); cols],
            goal: T::from_f64(-1.0),
            allowed: passes,
        },
    );
    assert_eq!(taken, passes);
    let most = v[..m].iter().map(|v| v.to_f64().max(1.0 / v.to_f64())).fold(1.0, f64::max);
    assert!((moved.to_f64() / most - 1.0).abs() < 1e-6);
    assert!(v[m..].iter().all(|v| *v == T::default()));
    v.truncate(m);
    (v, error)
}

#[test]
fn a_problem_in_all_lanes_has_the_same_answer() {
    for isa in Isa::available() {
        for (n, m) in [(1, 1), (16, 16), (17, 15), (40, 70), (150, 33), (9, 130)] {
            for passes in [1, 3, BALANCE_PASSES] {
                let (v, error) = single::<f32>(isa, n, m, passes);
                agrees(&v, error, n, 3, passes);
                let (v, error) = single::<f64>(isa, n, m, passes);
                agrees(&v, error, n, 3, passes);
            }
        }
    }
}

#[test]
fn what_is_evaluated_is_the_plan() {
    for isa in Isa::available() {
        for (n, m) in [(1, 1), (3, 8), (4, 9), (5, 23)] {
            let mut cost = draw(n * m, 5);
            cost[n * m / 2] = if m > 1 { f64::INFINITY } else { 0.5 };
            let (mut a, mut g) = (draw(n, 6), draw(m, 7));
            if n > 2 {
                (a[1], g[2]) = (0.0, f64::NEG_INFINITY);
            }
            let at = Potentials { cost: &cost, inverse_reg: 7.0, a: &a, g: &g };
            let mut room = vec![0.0; f64::room(m)];
            let (mut f, mut sums) = (vec![0.0; n], vec![0.0; m]);
            let value = f64::evaluate(isa, &at, &mut room, &mut f, &mut sums);
            let plan = |i: usize, j: usize| (f[i] + (g[j] - 7.0 * cost[i * m + j])).exp();
            let mut expected = 0.0;
            for i in 0..n {
                let row: f64 = (0..m).map(|j| plan(i, j)).sum();
                assert!((row - a[i]).abs() < 1e-13, "{row} {}", a[i]);
                let held = (0..m).filter(|j| plan(i, *j) > 0.0);
                expected += held.map(|j| plan(i, j) * cost[i * m + j]).sum::<f64>();
            }
            assert!((value - expected).abs() < 1e-13);
            for (j, sum) in sums.iter().enumerate() {
                let column: f64 = (0..n).map(|i| plan(i, j)).sum();
                assert!((column - sum).abs() < 1e-13, "{column} {sum}");
            }
            // The kernel's rows have sum 1, its values those proportions.
            let mut kernel = vec![9.0; n * (m + 2) * 3];
            let mut place = Place { values: &mut kernel, width: m + 2, stride: 3, first: 1 };
            f64::absorb(isa, &at, &mut room, &mut place);
            for i in (0..n).filter(|i| a[*i] > 0.0) {
                for j in 0..m {
                    let k = kernel[(i * (m + 2) + j) * 3 + 1];
                    assert!((k - plan(i, j) / a[i]).abs() < 1e-13);
                }
            }
            assert_eq!(kernel[0], 9.0);
        }
    }
}
