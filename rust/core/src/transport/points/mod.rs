//! Transport between points: costs -scale <x, y>, made in tiles as they are needed, never held.

mod lost;
mod panels;
mod products;
mod sums;
mod tiles;

pub use products::Products;

use isomorph_kernels::Points;
use rayon::prelude::*;

use super::{Cost, Marginal, Solved, Solver, Sums, require_lengths, solve};
use crate::matrix::MatRef;
use crate::runtime::Control;
use crate::{Error, Result};

/// The types of points.
pub trait Coordinate: Cost + Points {}

impl Coordinate for f32 {}
impl Coordinate for f64 {}

/// The transport of points to points at the costs -scale <x, y>.
#[derive(Clone, Copy, Debug)]
pub struct Clouds<'a, T> {
    /// The points of the rows, finite, of any width but 0.
    pub x: MatRef<'a, T>,
    /// Those of the columns.
    pub y: MatRef<'a, T>,
    /// What a product counts, positive.
    pub scale: f64,
    /// The side of the rows.
    pub rows: Marginal<'a>,
    /// The side of the columns.
    pub columns: Marginal<'a>,
    /// The weight of the entropy.
    pub reg: f64,
}

impl<T: Coordinate> Clouds<'_, T> {
    /// No cost has a larger magnitude.
    fn largest(&self) -> f64 {
        let longest = |points: MatRef<'_, T>| {
            let squares = points
                .data()
                .par_chunks(points.cols())
                .map(|row| row.iter().map(|value| value.to_f64() * value.to_f64()).sum::<f64>());
            squares.reduce(|| 0.0, f64::max).sqrt()
        };
        self.scale * longest(self.x) * longest(self.y)
    }

    fn check(&self) -> Result<()> {
        if self.x.cols() == self.y.cols() && self.x.cols() > 0 {
            return Ok(());
        }
        Err(Error::Shape {
            argument: "y",
            expected: format!("{} columns, as x has, at least one", self.x.cols()),
            got: format!("{} columns", self.y.cols()),
        })
    }
}

/// Solve the problem from the column potentials `start`, in units of reg, as [`super::sinkhorn`] does
/// that of a dense cost.
///
/// # Errors
/// Lengths that do not fit, memory, and cancellation.
pub fn sinkhorn_points<T: Coordinate>(
    problem: &Clouds<'_, T>,
    start: &[f64],
    solver: &Solver,
    control: &Control,
) -> Result<(Solved, Sums)> {
    problem.check()?;
    require_lengths(problem.rows, problem.columns, start, (problem.x.rows(), problem.y.rows()))?;
    let mut pass = Products::new(problem)?;
    let settle =
        |f: &[f64], g: &[f64], right: &mut [f64]| sums::settle(problem, f, g, right, control);
    let sides = (&problem.rows, &problem.columns);
    solve(&mut pass, sides, problem.reg, start, solver, settle, control)
}

#[cfg(test)]
mod tests;
