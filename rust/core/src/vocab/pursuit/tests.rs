use super::*;

fn values(count: usize, seed: u64) -> Vec<f32> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888);
        ((state >> 40) as f32) / 1e7 - 0.84
    };
    (0..count).map(|_| next()).collect()
}

fn mixed(atoms: &[f32], depth: usize, parts: &[(usize, f32)]) -> Vec<f32> {
    (0..depth).map(|t| parts.iter().map(|(j, c)| c * atoms[j * depth + t]).sum()).collect()
}

#[test]
fn a_sparse_combination_is_found_again() {
    let (m, d) = (700, 40);
    let atoms = values(m * d, 3);
    let targets =
        [mixed(&atoms, d, &[(3, 1.0), (699, -2.0)]), mixed(&atoms, d, &[(513, 0.5)]), vec![0.0; d]]
            .concat();
    let (x, y) = (MatRef::new(&targets, 3, d).unwrap(), MatRef::new(&atoms, m, d).unwrap());
    let found = pursue(x, y, 5, 1e-6, FilterChoice::Auto, &Control::default()).unwrap();
    assert_eq!(found.mixture.offsets[1..], [2, 3, 3]);
    assert_eq!(found.mixture.indices, [3, 699, 513]);
    for (weight, expected) in found.mixture.weights.iter().zip([1.0, -2.0, 0.5]) {
        assert!((weight - expected).abs() < 1e-5);
    }
    assert!(found.residuals.iter().all(|residual| *residual < 1e-6));
}

#[test]
fn equal_atoms_and_too_few_stop_early() {
    let d = 6;
    let some = values(2 * d, 5);
    let atoms = [&some[..], &some[..], &some[..d]].concat();
    let target = values(d, 9);
    let (x, y) = (MatRef::new(&target, 1, d).unwrap(), MatRef::new(&atoms, 5, d).unwrap());
    let found = pursue(x, y, 5, 0.0, FilterChoice::Auto, &Control::default()).unwrap();
    let mut indices = found.mixture.indices.clone();
    indices.sort_unstable();
    assert_eq!(indices, [0, 1]);
    let cancelled = Control::default();
    cancelled.cancel();
    assert_eq!(pursue(x, y, 5, 0.0, FilterChoice::Auto, &cancelled), Err(Error::Cancelled));
    assert!(
        pursue(x, MatRef::new(&atoms, 6, 5).unwrap(), 5, 0.0, FilterChoice::Auto, &cancelled)
            .is_err()
    );
}

/// As it is described: all correlations in `f64`, least squares by Gram-Schmidt.
fn oracle(target: &[f64], atoms: &[f64], depth: usize, most: usize) -> Vec<usize> {
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let (mut residual, mut basis, mut support) = (target.to_vec(), Vec::<Vec<f64>>::new(), vec![]);
    while support.len() < most {
        let size = |j: &usize| dot(&atoms[j * depth..][..depth], &residual).abs();
        // Of equal ones the first.
        let free = (0..atoms.len() / depth).rev().filter(|j| !support.contains(j));
        let Some(best) = free.max_by(|a, b| size(a).total_cmp(&size(b))) else { break };
        let mut own = atoms[best * depth..][..depth].to_vec();
        for _ in 0..2 {
            for q in &basis {
                let share = dot(q, &own);
                own.iter_mut().zip(q).for_each(|(x, q): (&mut f64, &f64)| *x -= share * q);
            }
        }
        let norm = dot(&own, &own).sqrt();
        own.iter_mut().for_each(|x| *x /= norm);
        let share = dot(&own, &residual);
        residual.iter_mut().zip(&own).for_each(|(r, q)| *r -= share * q);
        basis.push(own);
        support.push(best);
    }
    support.sort_unstable();
    support
}

const FILTERS: [FilterChoice; 3] = [FilterChoice::Auto, FilterChoice::Float, FilterChoice::Integer];

/// Whatever the filter, and however far norms are from each other.
#[test]
fn supports_are_those_of_comparing_everything() {
    let (n, m, d) = (21, 900, 48);
    let (x, mut y) = (values(n * d, 11), values(m * d, 12));
    for (j, atom) in y.chunks_mut(d).enumerate() {
        let length = if j % 5 == 0 { 0.25 } else { 1.0 + (j % 3) as f32 };
        atom.iter_mut().for_each(|value| *value *= length);
    }
    // Atoms that codes can hardly tell apart.
    for j in 0..40 {
        for t in 0..d {
            y[(j + 100) * d + t] = y[j * d + t] * (1.0 + 1e-4 * (j % 7) as f32);
        }
    }
    let wide = |values: &[f32]| values.iter().copied().map(f64::from).collect::<Vec<f64>>();
    let (wide_x, wide_y) = (wide(&x), wide(&y));
    for most in [1, 6, 20] {
        let mut found = Vec::new();
        for choice in FILTERS {
            let (left, right) = (MatRef::new(&x, n, d).unwrap(), MatRef::new(&y, m, d).unwrap());
            found.push(pursue(left, right, most, 0.0, choice, &Control::default()).unwrap());
            let (left, right) =
                (MatRef::new(&wide_x, n, d).unwrap(), MatRef::new(&wide_y, m, d).unwrap());
            found.push(pursue(left, right, most, 0.0, choice, &Control::default()).unwrap());
        }
        for (i, target) in wide_x.chunks(d).enumerate() {
            let expected = oracle(target, &wide_y, d, most);
            for found in &found {
                let range =
                    found.mixture.offsets[i] as usize..found.mixture.offsets[i + 1] as usize;
                let support: Vec<usize> =
                    found.mixture.indices[range].iter().map(|&j| j as usize).collect();
                assert_eq!(support, expected, "row {i}, {most}");
            }
        }
        assert!(found.iter().step_by(2).all(|one| one == &found[0]));
    }
}

/// Powers of two change nothing but the coefficients, by as much.
#[test]
fn norms_near_the_ends_of_the_range_are_taken_off_first() {
    let (n, m, d) = (4, 300, 33);
    let wide = |values: Vec<f32>| values.into_iter().map(f64::from).collect::<Vec<f64>>();
    let (x, y) = (wide(values(n * d, 21)), wide(values(m * d, 22)));
    let of = |x: &[f64], y: &[f64]| {
        let (left, right) = (MatRef::new(x, n, d).unwrap(), MatRef::new(y, m, d).unwrap());
        pursue(left, right, 5, 0.0, FilterChoice::Auto, &Control::default()).unwrap()
    };
    let expected = of(&x, &y);
    assert!(expected.residuals.iter().all(|residual| *residual < 0.9));
    for (of_x, of_y) in [(-700, 0), (0, -800), (900, 900), (-900, -900), (-300, 600)] {
        let scaled = |values: &[f64], exponent: i32| -> Vec<f64> {
            values.iter().map(|x| x * 2f64.powi(exponent)).collect()
        };
        let found = of(&scaled(&x, of_x), &scaled(&y, of_y));
        assert_eq!(found.mixture.indices, expected.mixture.indices);
        for (found, expected) in found.mixture.weights.iter().zip(&expected.mixture.weights) {
            assert_eq!(*found, expected * 2f64.powi(of_x - of_y));
        }
    }
    // In f32 what is multiplied and added up is as large as that.
    let narrow = |values: &[f64], power: i32| -> Vec<f32> {
        values.iter().map(|x| (x * 2f64.powi(power)) as f32).collect()
    };
    let (x, near, far) = (narrow(&x, 0), narrow(&y, 0), narrow(&y, 127));
    let of = |y: &[f32]| {
        let (left, right) = (MatRef::new(&x, n, d).unwrap(), MatRef::new(y, m, d).unwrap());
        pursue(left, right, 5, 0.0, FilterChoice::Float, &Control::default()).unwrap()
    };
    assert_eq!(of(&near).mixture.indices, of(&far).mixture.indices);
}
