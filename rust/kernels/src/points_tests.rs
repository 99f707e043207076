//! Tiles of products turned into exponentials and sums, on every instruction set, against float64.

use crate::Isa;
use crate::points::{Points, Terms};

/// Numbers in (0, 1).
fn uniform(state: &mut u64) -> f64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    ((*state >> 11) as f64 + 0.5) / (1u64 << 53) as f64
}

struct Case<T> {
    f: Vec<[T; 2]>,
    high: Vec<T>,
    low: Vec<T>,
    tiles: Vec<T>,
    scale: [T; 2],
}

impl<T: Points> Case<T> {
    fn new(rows: usize, panels: usize, state: &mut u64) -> Self {
        let columns = panels * T::PANEL;
        let mut part = |size: f64| T::from_f64(size * (uniform(state) - 0.5));
        let mut high: Vec<T> = (0..columns).map(|_| part(8.0)).collect();
        high[columns - 1] = T::NEG_INFINITY;
        Self {
            f: (0..rows).map(|_| [part(6.0), part(1e-7)]).collect(),
            low: (0..columns).map(|_| part(1e-7)).collect(),
            tiles: (0..rows * columns).map(|_| part(2.0)).collect(),
            scale: [T::from_f64(40.0), T::from_f64(1e-6)],
            high,
        }
    }

    fn terms(&self) -> Terms<'_, T> {
        Terms { f: &self.f, g: [&self.high, &self.low], scale: self.scale }
    }

    /// Where a row and column stand, and the exponent, in float64.
    fn each(&self, mut found: impl FnMut(usize, usize, usize, f64)) {
        let rows = self.f.len();
        for j in 0..self.high.len() {
            for r in 0..rows {
                let at = (j / T::PANEL * rows + r) * T::PANEL + j % T::PANEL;
                let product = self.tiles[at].to_f64();
                let sum = |part: usize| {
                    let g = [self.high[j], self.low[j]][part].to_f64();
                    self.f[r][part].to_f64() + g + product * self.scale[part].to_f64()
                };
                found(r, j, at, sum(0) + sum(1));
            }
        }
    }
}

fn tiles_are_raised_and_summed<T: Points>() {
    let mut state = 11;
    for (rows, panels) in [(1, 1), (2, 3), (5, 2), (12, 4), (31, 1)] {
        let case = Case::<T>::new(rows, panels, &mut state);
        let weights: Vec<T> = (0..rows).map(|_| T::from_f64(uniform(&mut state))).collect();
        let bound = 64.0 * T::UNIT_ROUNDOFF;
        for isa in Isa::available() {
            let lanes = vec![T::default(); rows * T::PANEL];
            let (mut tiles, mut sums, mut spent) = (case.tiles.clone(), lanes.clone(), lanes);
            let mut tops = vec![T::NEG_INFINITY; rows * T::PANEL];
            T::raise_tops(isa, &case.terms(), &tiles, &mut tops);
            let mut columns = vec![T::default(); panels * T::PANEL];
            T::raise(isa, &case.terms(), &mut tiles, &mut sums, &mut spent);
            T::weigh_columns(isa, &tiles, &weights, &mut columns);
            let zeros = || vec![0.0; rows * T::PANEL];
            let (mut by_row, mut cost, mut top) = (zeros(), zeros(), zeros());
            top.fill(f64::NEG_INFINITY);
            let (mut by_column, mut size) = (vec![0.0; panels * T::PANEL], zeros());
            case.each(|r, j, at, exponent| {
                let (lane, value) = (r * T::PANEL + j % T::PANEL, exponent.exp2());
                assert!((tiles[at].to_f64() - value).abs() <= bound * value, "{exponent}");
                by_row[lane] += value;
                cost[lane] += value * case.tiles[at].to_f64();
                size[lane] += value * case.tiles[at].to_f64().abs();
                top[lane] = top[lane].max(exponent);
                by_column[j] += value * weights[r].to_f64();
            });
            for lane in 0..rows * T::PANEL {
                assert!((sums[lane].to_f64() - by_row[lane]).abs() <= bound * by_row[lane]);
                assert!((spent[lane].to_f64() - cost[lane]).abs() <= bound * size[lane]);
                let near = (tops[lane].to_f64() - top[lane]).abs() <= bound * 60.0;
                assert!(near || tops[lane].to_f64() == top[lane], "{lane}");
            }
            for (sum, expected) in columns.iter().zip(&by_column) {
                assert!((sum.to_f64() - expected).abs() <= bound * expected);
            }
        }
    }
}

#[test]
fn tiles_become_exponentials_and_sums() {
    tiles_are_raised_and_summed::<f32>();
    tiles_are_raised_and_summed::<f64>();
}

#[test]
fn lengths_are_checked() {
    let mut state = 3;
    let case = Case::<f32>::new(2, 1, &mut state);
    let wrong = std::panic::catch_unwind(|| {
        let mut tiles = case.tiles.clone();
        f32::raise(Isa::portable(), &case.terms(), &mut tiles[1..], &mut [0.0; 32], &mut []);
    });
    assert!(wrong.is_err());
}
