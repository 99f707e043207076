//! Successive over-relaxation of both sides' potentials, the rows' being eliminated.
//!
//! With f <- f + w (right f - f), then g <- g + w (right g - g), and f linear in g near the solution,
//! what remains of both is
//!
//! g_next = g + w² r + (w - 1)² (g - g_before),   r = the plain step from g.
//!
//! If the plain iteration contracts by the rate q, the best factor is w = 2 / (1 + sqrt(1 - q)), and
//! contracts by w - 1 (Young 1954). With a smaller w the rate p that is seen tells q:
//! (p + w - 1)² = q w² p.

use super::iterate::Mixing;
use crate::Result;
use crate::memory::filled;

/// After how many steps the rate is estimated anew.
const OBSERVED: usize = 5;
/// The largest rate of the plain iteration that is reckoned with.
const FASTEST: f64 = 1.0 - 1e-8;

/// Steps that are longer by what is known of the rate.
pub(super) struct Relaxation {
    before: Vec<f64>,
    began: bool,
    rate: f64,
    /// The error when the present factor was chosen, and how many steps ago that was.
    first: f64,
    steps: usize,
}

impl Relaxation {
    pub fn new(m: usize) -> Result<Self> {
        Ok(Self { before: filled(0.0, m)?, began: false, rate: 0.0, first: 0.0, steps: 0 })
    }

    fn factor(&self) -> f64 {
        2.0 / (1.0 + (1.0 - self.rate).sqrt())
    }
}

impl Mixing for Relaxation {
    /// Begin anew, with a smaller factor: its rate is twice as far from 1.
    fn forget(&mut self) {
        self.began = false;
        self.rate = (2.0 * self.rate - 1.0).max(0.0);
        self.steps = 0;
    }

    fn next(&mut self, g: &[f64], residual: &[f64], error: f64, out: &mut [f64]) -> bool {
        if self.steps == 0 {
            self.first = error;
        }
        self.steps += 1;
        if self.steps > OBSERVED {
            let (factor, seen) = (self.factor(), (error / self.first).powf(1.0 / OBSERVED as f64));
            if factor - 1.0 < seen {
                let seen = seen.min(1.0);
                let rate = (seen + factor - 1.0).powi(2) / (factor * factor * seen);
                self.rate = self.rate.max(rate).min(FASTEST);
            }
            (self.first, self.steps) = (error, 1);
        }
        let factor = self.factor();
        let (ahead, momentum) = (factor * factor, (factor - 1.0) * (factor - 1.0));
        for j in 0..g.len() {
            let point = if g[j].is_finite() { g[j] } else { 0.0 };
            let moved = if self.began { point - self.before[j] } else { 0.0 };
            out[j] = g[j] + ahead * residual[j] + momentum * moved;
            self.before[j] = point;
        }
        self.began = true;
        factor > 1.0
    }
}
