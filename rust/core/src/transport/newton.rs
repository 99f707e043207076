//! Newton's method on the dual.
//!
//! With the row potentials made the best for g, the dual D(g) is concave. Its gradient is b - s, where
//! s are the column sums of the plan P, and its Hessian -(diag(s) - P' diag(1 / a) P): a graph's
//! Laplacian. Steps d solve ((1 + damping) diag(s) - Q' diag(1 / a) Q) d = b - s by conjugate
//! gradients, Q being what of P is more than a small part of its row: for a small reg that is little.

use super::part::Part;
use super::point::{Point, ROUNDING, Stage};
use crate::Result;
use crate::memory::filled;

/// Entries above this part of the error (as a part of the mass), times their row's mass, are in Q.
const KEPT: f64 = 1e-2;
const LEAST_KEPT: f64 = 1e-11;
/// Where that is too much the part is larger by this factor, so many times.
const LARGER: f64 = 10.0;
const LARGER_TIMES: usize = 4;
/// What Q may have: this many entries, or this many a row and column.
const ROOM: usize = 1 << 22;
const ROOM_A_LINE: usize = 256;
/// The damping, as a part of the error; steps that had to be shortened increase it.
const DAMPING: f64 = 1e-2;
const DAMPED_MORE: f64 = 4.0;
const LEAST_DAMPED: f64 = 1e-2;
/// How small the residual of the linear system has to become, and in how many steps at most.
const SOLVED: f64 = 0.1;
const LINEAR_STEPS: usize = 1000;
/// It need not be smaller than this part of the error at which to stop.
const ENOUGH: f64 = 0.2;
/// Steps are shortened by this until the dual rises by this part of what its slope says.
const SHORTENED: f64 = 0.25;
const RISEN: f64 = 0.1;
const SHORTEST: f64 = 1e-3;
/// Where a column has to change by more than exp of this, the plain step knows better.
const FAR: f64 = 2.0;
/// So many steps in a row that lead nowhere are enough.
const FAILURES: usize = 3;

/// Steps of Newton's method, each of which raises the dual, or halves the error.
#[derive(Default)]
pub(super) struct Newton {
    part: Part,
    found: Option<Point>,
    inverse: Vec<f64>,
    sums: Vec<f64>,
    damped: Vec<f64>,
    diagonal: Vec<f64>,
    direction: Vec<f64>,
    left: Vec<f64>,
    ahead: Vec<f64>,
    image: Vec<f64>,
    /// By how much larger entries have to be for what is kept to fit.
    larger: f64,
}

impl Newton {
    /// Step until the stage is over, or steps fail.
    pub fn repeat(&mut self, stage: &mut Stage<'_>, point: &mut Point) -> Result<()> {
        if self.sums.is_empty() {
            self.allocate(stage)?;
        }
        let (mut factor, mut failures, mut far) = (1.0, 0, false);
        while failures < FAILURES && !stage.over(point) {
            let farthest = point.residual.iter().fold(0.0, |most: f64, step| most.max(step.abs()));
            // Not twice in a row: a column may be far from what it needs, and near what others allow.
            far = !far && farthest > FAR;
            if far {
                plain(stage, point)?;
                continue;
            }
            if !self.find_direction(stage, point, factor)? {
                return Ok(());
            }
            match self.search(stage, point)? {
                Some(length) if length < 1.0 => (factor, failures) = (factor * DAMPED_MORE, 0),
                Some(_) => (factor, failures) = ((factor / DAMPED_MORE).max(LEAST_DAMPED), 0),
                None => (factor, failures) = (factor * DAMPED_MORE, failures + 1),
            }
        }
        Ok(())
    }

    fn allocate(&mut self, stage: &Stage<'_>) -> Result<()> {
        let (n, m) = stage.pass.shape();
        self.found = Some(Point::new(n, m)?);
        self.inverse = filled(0.0, n)?;
        for (inverse, mass) in self.inverse.iter_mut().zip(stage.rows.mass) {
            *inverse = if *mass > 0.0 { 1.0 / mass } else { 0.0 };
        }
        for vector in [
            &mut self.sums,
            &mut self.damped,
            &mut self.diagonal,
            &mut self.direction,
            &mut self.left,
            &mut self.ahead,
            &mut self.image,
        ] {
            *vector = filled(0.0, m)?;
        }
        self.larger = 1.0;
        Ok(())
    }

    /// Go along the direction as far as is good; the length, or none and a plain step instead.
    fn search(&mut self, stage: &mut Stage<'_>, point: &mut Point) -> Result<Option<f64>> {
        let Some(found) = &mut self.found else { return Ok(None) };
        let gradient = stage.columns.mass.iter().zip(&self.sums).map(|(mass, sum)| mass - sum);
        let slope: f64 = gradient.zip(&self.direction).map(|(one, other)| one * other).sum();
        let mut length = 1.0;
        while length > SHORTEST {
            for (j, step) in self.direction.iter().enumerate() {
                found.g[j] = point.g[j] + length * step;
            }
            stage.at(found)?;
            let good = is_good(stage, point, found, length * slope);
            if good || stage.over(found) {
                std::mem::swap(point, found);
                return Ok(Some(length));
            }
            length *= SHORTENED;
        }
        plain(stage, point)?;
        Ok(None)
    }

    /// Solve for the direction; none where what has to be held does not fit.
    fn find_direction(&mut self, stage: &Stage<'_>, point: &Point, factor: f64) -> Result<bool> {
        let columns = stage.columns.mass;
        let error = point.error.min(1.0);
        if !self.hold(stage, point, (KEPT * error).max(LEAST_KEPT))? {
            return Ok(false);
        }
        for (j, mass) in columns.iter().enumerate() {
            self.sums[j] = if *mass > 0.0 { point.sums[j] } else { 0.0 };
            self.damped[j] = self.sums[j] * (1.0 + DAMPING * error * factor);
            self.left[j] = mass - self.sums[j];
        }
        self.image.fill(0.0);
        self.part.add(None, &self.inverse, &mut self.image);
        for j in 0..columns.len() {
            let diagonal = (self.damped[j] - self.image[j]).max(1e-14 * self.sums[j]);
            self.diagonal[j] = if diagonal > 0.0 { diagonal } else { 1.0 };
            self.ahead[j] = self.left[j] / self.diagonal[j];
        }
        self.direction.fill(0.0);
        let needed = ENOUGH * stage.tol * columns.iter().sum::<f64>();
        let enough = (SOLVED.min(error) * l1(&self.left)).max(needed);
        let mut product = dot(&self.left, &self.ahead);
        for step in 0..LINEAR_STEPS {
            if step % 32 == 31 {
                stage.control.check()?;
            }
            self.image.fill(0.0);
            self.part.add(Some(&self.ahead), &self.inverse, &mut self.image);
            for j in 0..columns.len() {
                self.image[j] = self.damped[j] * self.ahead[j] - self.image[j];
            }
            let bent = dot(&self.ahead, &self.image);
            if bent.is_nan() || bent <= 0.0 {
                break;
            }
            let length = product / bent;
            for j in 0..columns.len() {
                self.direction[j] += length * self.ahead[j];
                self.left[j] -= length * self.image[j];
            }
            if l1(&self.left) <= enough {
                break;
            }
            // The residual in the metric of the diagonal.
            let before = product;
            product = (self.left.iter().zip(&self.diagonal)).map(|(x, by)| x * (x / by)).sum();
            let turn = product / before;
            for j in 0..columns.len() {
                self.ahead[j] = self.left[j] / self.diagonal[j] + turn * self.ahead[j];
            }
        }
        Ok(true)
    }

    /// Hold what of the plan is above `least`, or above more than that if it does not fit.
    fn hold(&mut self, stage: &Stage<'_>, point: &Point, least: f64) -> Result<bool> {
        let (n, m) = stage.pass.shape();
        let room = ROOM.max((n + m) * ROOM_A_LINE);
        for _ in 0..=LARGER_TIMES {
            let least = least * self.larger;
            if least >= 1.0 {
                return Ok(false);
            }
            let (mass, control) = (stage.rows.mass, stage.control);
            if self.part.fill(&*stage.pass, point, mass, least, room, control)? {
                return Ok(true);
            }
            self.larger *= LARGER;
        }
        Ok(false)
    }
}

/// Make a plain step, which raises the dual.
fn plain(stage: &mut Stage<'_>, point: &mut Point) -> Result<()> {
    for (g, step) in point.g.iter_mut().zip(&point.residual) {
        *g += step;
    }
    stage.at(point)
}

fn is_good(stage: &Stage<'_>, point: &Point, found: &Point, promised: f64) -> bool {
    let rise = found.dual - point.dual;
    // What the dual rises by near the solution is less than its rounding.
    let flat = rise.abs() < ROUNDING * point.size;
    rise >= RISEN * promised
        || found.error < 0.5 * stage.least
        || (flat && found.error < point.error)
}

fn dot(one: &[f64], other: &[f64]) -> f64 {
    one.iter().zip(other).map(|(x, y)| x * y).sum()
}

fn l1(values: &[f64]) -> f64 {
    values.iter().map(|value| value.abs()).sum()
}
