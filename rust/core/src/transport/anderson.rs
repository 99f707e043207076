//! Anderson's extrapolation of a fixed-point iteration, in the metric of the masses.
//!
//! From the last points x and residuals r, the step is that of the combination of them, with weights
//! of sum 1, that would have the smallest residual if the iteration were linear (type II of Walker and
//! Ni 2011): least squares over at most [`MEMORY`] differences, by their normal equations.

use super::iterate::Mixing;
use crate::Result;
use crate::memory::filled;

/// How many steps are looked back.
pub(super) const MEMORY: usize = 10;
/// The normal equations are conditioned by this part of their trace.
const RIDGE: f64 = 1e-12;

/// The last differences of points and residuals, in a ring.
pub(super) struct Anderson<'a> {
    mass: &'a [f64],
    point: Vec<f64>,
    residual: Vec<f64>,
    /// Of residuals; and of points plus residuals, which is where plain steps led.
    turns: Vec<f64>,
    led: Vec<f64>,
    gram: [[f64; MEMORY]; MEMORY],
    /// How many steps were seen since it began, and how many of their differences are held.
    seen: usize,
    held: usize,
}

impl<'a> Anderson<'a> {
    pub fn new(mass: &'a [f64]) -> Result<Self> {
        let m = mass.len();
        Ok(Self {
            mass,
            point: filled(0.0, m)?,
            residual: filled(0.0, m)?,
            turns: filled(0.0, MEMORY * m)?,
            led: filled(0.0, MEMORY * m)?,
            gram: [[0.0; MEMORY]; MEMORY],
            seen: 0,
            held: 0,
        })
    }

    fn weighted(&self, one: &[f64], other: &[f64]) -> f64 {
        (self.mass.iter().zip(one)).zip(other).map(|((mass, x), y)| mass * x * y).sum()
    }

    /// Take up a point and its residual.
    fn push(&mut self, g: &[f64], residual: &[f64]) {
        let m = self.mass.len();
        let slot = if self.seen == 0 { None } else { Some((self.seen - 1) % MEMORY) };
        for j in 0..m {
            let point = if g[j].is_finite() { g[j] } else { 0.0 };
            if let Some(slot) = slot {
                let turn = residual[j] - self.residual[j];
                self.turns[slot * m + j] = turn;
                self.led[slot * m + j] = (point - self.point[j]) + turn;
            }
            (self.point[j], self.residual[j]) = (point, residual[j]);
        }
        self.seen += 1;
        if let Some(slot) = slot {
            self.held = self.held.max(slot + 1);
            for other in 0..self.held {
                let turns = |k: usize| &self.turns[k * m..][..m];
                let product = self.weighted(turns(slot), turns(other));
                self.gram[slot][other] = product;
                self.gram[other][slot] = product;
            }
        }
    }
}

impl Mixing for Anderson<'_> {
    fn forget(&mut self) {
        (self.seen, self.held) = (0, 0);
    }

    fn next(&mut self, g: &[f64], residual: &[f64], _error: f64, out: &mut [f64]) -> bool {
        let m = self.mass.len();
        self.push(g, residual);
        for j in 0..m {
            out[j] = g[j] + residual[j];
        }
        let held = self.held;
        let ridge = RIDGE * (0..held).map(|k| self.gram[k][k]).sum::<f64>();
        if ridge.is_nan() || ridge <= 0.0 {
            return false;
        }
        let mut gram = self.gram;
        let mut weights = [0.0; MEMORY];
        for k in 0..held {
            gram[k][k] += ridge;
            weights[k] = self.weighted(&self.turns[k * m..][..m], residual);
        }
        if !solve(&mut gram, &mut weights, held) {
            return false;
        }
        for (k, weight) in weights[..held].iter().enumerate() {
            for (out, led) in out.iter_mut().zip(&self.led[k * m..][..m]) {
                *out -= weight * led;
            }
        }
        true
    }
}

/// Solve a positive definite system of `size` unknowns in place, by its Cholesky factor.
///
/// Whether it was positive definite.
fn solve(matrix: &mut [[f64; MEMORY]; MEMORY], right: &mut [f64; MEMORY], size: usize) -> bool {
    for i in 0..size {
        for j in 0..=i {
            let above = matrix[i][..j].iter().zip(&matrix[j][..j]);
            let left = matrix[i][j] - above.map(|(x, y)| x * y).sum::<f64>();
            if i != j {
                matrix[i][j] = left / matrix[j][j];
            } else if left > 0.0 {
                matrix[i][i] = left.sqrt();
            } else {
                return false;
            }
        }
    }
    for i in 0..size {
        for k in 0..i {
            right[i] -= matrix[i][k] * right[k];
        }
        right[i] /= matrix[i][i];
    }
    for i in (0..size).rev() {
        for k in i + 1..size {
            right[i] -= matrix[k][i] * right[k];
        }
        right[i] /= matrix[i][i];
    }
    right[..size].iter().all(|weight| weight.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_is_solved() {
        let (mut matrix, mut right) = ([[0.0; MEMORY]; MEMORY], [0.0; MEMORY]);
        for i in 0..4 {
            for (j, entry) in matrix[i][..4].iter_mut().enumerate() {
                *entry = 1.0 / (1.0 + (i + j) as f64) + if i == j { 1.0 } else { 0.0 };
            }
            // The sums of the rows: all unknowns are 1.
            right[i] = matrix[i].iter().sum();
        }
        assert!(solve(&mut matrix, &mut right, 4));
        assert!(right[..4].iter().all(|x| (x - 1.0).abs() < 1e-14), "{right:?}");
        assert!(!solve(&mut [[1.0; MEMORY]; MEMORY], &mut [1.0; MEMORY], 2));
    }

    /// x <- A x + c with eigenvalues below 1: as many steps as unknowns, and one.
    #[test]
    fn a_linear_iteration_ends() {
        let rates = [0.99, 0.9, 0.5, -0.3, 0.999];
        let goal = [1.0, -2.0, 3.0, 0.5, 10.0];
        let mass = [0.2; 5];
        let mut mixing = Anderson::new(&mass).unwrap();
        let (mut x, mut next) = ([0.0; 5], [0.0; 5]);
        for _ in 0..8 {
            let mut residual = [0.0; 5];
            for k in 0..5 {
                residual[k] = (1.0 - rates[k]) * (goal[k] - x[k]);
            }
            mixing.next(&x, &residual, 1.0, &mut next);
            x = next;
        }
        assert!(x.iter().zip(goal).all(|(x, goal)| (x - goal).abs() < 1e-3), "{x:?}");
    }
}
