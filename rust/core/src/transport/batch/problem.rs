//! One problem of a batch, and how far it has come.

use std::borrow::Cow;
use std::ops::Range;

use isomorph_kernels::{Isa, Place, Potentials};

use super::{Cost, Limits};
use crate::matrix::MatRef;

/// The longest side of a problem that is solved beside others: beyond, a group of kernels would leave
/// the second-level cache.
const LONGEST: usize = 64;

/// Sides of these are padded to multiples of it, so that problems of about one size go together.
const PADDED: usize = 4;

/// Entries of the largest problem that one core solves: of larger ones all cores take parts.
const LARGEST: usize = 1 << 20;

/// How often what the iteration took for an answer may turn out not to be one in float64.
const TRIES: usize = 3;

/// A problem as it was given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Item<'a, T> {
    pub cost: MatRef<'a, T>,
    pub common: f64,
    pub reg: f64,
    pub a: &'a [f64],
    pub b: &'a [f64],
    pub start: &'a [f64],
    /// Where its rows and columns begin in the flat arrays.
    pub first: (usize, usize),
}

impl<T: Cost> Item<'_, T> {
    /// How it is solved.
    pub fn way(&self) -> Way {
        let (n, m) = (self.cost.rows(), self.cost.cols());
        if !self.is_moderate() || n * m > LARGEST {
            Way::Leave
        } else if n.max(m) <= LONGEST {
            Way::Lanes(n.next_multiple_of(PADDED), m.next_multiple_of(PADDED))
        } else {
            Way::One
        }
    }

    /// Whether the masses stay in the range of T.
    fn is_moderate(&self) -> bool {
        let least = T::LEAST * self.mass();
        self.a.iter().chain(self.b).all(|mass| *mass == 0.0 || *mass >= least)
    }

    pub fn mass(&self) -> f64 {
        self.b.iter().sum()
    }
}

/// How a problem is solved; the quickest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Way {
    /// By others.
    Leave,
    /// On its own.
    One,
    /// Beside others of this padded size.
    Lanes(usize, usize),
}

/// An answer, in units of reg but for the value.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub f: Vec<f64>,
    pub g: Vec<f64>,
    pub value: f64,
    pub error: f64,
    pub error_l2: f64,
    pub iterations: usize,
    pub left: bool,
}

/// What is to be done with a problem after some passes.
#[derive(Debug)]
pub(super) enum Next {
    /// It is done.
    Done(Answer),
    /// Its kernel is to be made anew, about the potentials.
    Absorb,
    /// Further passes.
    Go,
}

/// What a round of passes told of a problem.
#[derive(Clone, Copy, Debug)]
pub(super) struct Round {
    /// Passes.
    pub taken: usize,
    /// The L1 error of the last of them, as a part of the mass.
    pub error: f64,
    /// The largest factor by which a column's potential has moved.
    pub moved: f64,
}

/// A problem under way.
#[derive(Debug)]
pub(super) struct State<'a, T: Clone> {
    item: Item<'a, T>,
    cost: Cow<'a, [T]>,
    inverse_reg: f64,
    mass: f64,
    /// About which the kernel is made, in units of reg.
    g: Vec<f64>,
    taken: usize,
    tries: usize,
}

impl<'a, T: Cost> State<'a, T> {
    pub fn new(item: &Item<'a, T>) -> Self {
        let mut cost = Cow::Borrowed(item.cost.data());
        if item.common != 0.0 {
            for cost in cost.to_mut() {
                *cost = T::from_f64(cost.to_f64() - item.common);
            }
        }
        let start = |(g, b): (&f64, &f64)| if *b > 0.0 { g / item.reg } else { f64::NEG_INFINITY };
        Self {
            item: *item,
            cost,
            inverse_reg: 1.0 / item.reg,
            mass: item.mass(),
            g: item.start.iter().zip(item.b).map(start).collect(),
            taken: 0,
            tries: 0,
        }
    }

    /// Its rows and columns.
    pub fn shape(&self) -> (usize, usize) {
        (self.item.a.len(), self.g.len())
    }

    fn potentials(&self) -> Potentials<'_, T> {
        Potentials { cost: &self.cost, inverse_reg: self.inverse_reg, a: self.item.a, g: &self.g }
    }

    /// Make the kernel about the potentials.
    pub fn absorb(&self, isa: Isa, room: &mut [f64], place: &mut Place<'_, T>) {
        T::absorb(isa, &self.potentials(), room, place);
    }

    /// Make the kernel of some rows, as far as there are any, about the potentials.
    pub fn absorb_rows(
        &self,
        isa: Isa,
        rows: Range<usize>,
        room: &mut [f64],
        place: &mut Place<'_, T>,
    ) {
        let m = self.g.len();
        let rows = rows.start..rows.end.min(self.item.a.len());
        let cost = &self.cost[rows.start * m..rows.end * m];
        T::absorb(
            isa,
            &Potentials { cost, a: &self.item.a[rows], ..self.potentials() },
            room,
            place,
        );
    }

    /// The masses of rows and columns, as parts of all.
    pub fn shares(&self) -> (impl Iterator<Item = T>, impl Iterator<Item = T>) {
        let share = move |mass: &f64| T::from_f64(mass / self.mass);
        (self.item.a.iter().map(share), self.item.b.iter().map(share))
    }

    /// How many passes it may still take, up to one more than `most`.
    pub fn allowed(&self, limits: &Limits, most: usize) -> usize {
        (limits.max_iter.min(limits.patience) - self.taken).min(most + 1)
    }

    /// Look at what a round gave; `v` are the factors by which the columns' potentials moved since
    /// the kernel was made.
    pub fn settle(
        &mut self,
        isa: Isa,
        round: Round,
        v: impl Iterator<Item = T>,
        limits: &Limits,
        room: &mut [f64],
    ) -> Next {
        self.taken += round.taken;
        let sound = round.error.is_finite() && round.moved.is_finite();
        if !sound {
            self.g.clear();
            self.g.extend(State::new(&self.item).g);
            return Next::Done(self.leave());
        }
        let last = self.taken >= limits.max_iter.min(limits.patience);
        let done = round.error <= limits.tol || last;
        if !done && round.moved < T::ABSORBED.exp() {
            return Next::Go;
        }
        for (g, v) in self.g.iter_mut().zip(v) {
            if *g > f64::NEG_INFINITY {
                *g += v.to_f64().ln();
            }
        }
        if !done {
            return Next::Absorb;
        }
        let (mut answer, sums) = self.evaluate(isa, room);
        if answer.error <= limits.tol * self.mass || self.taken >= limits.max_iter {
            return Next::Done(answer);
        }
        self.tries += 1;
        if last || self.tries > TRIES {
            answer.left = true;
            return Next::Done(answer);
        }
        // It was an answer for rounded numbers only. The step that follows is made in float64.
        for ((g, sum), b) in self.g.iter_mut().zip(&sums).zip(self.item.b) {
            if *b > 0.0 && *sum > 0.0 {
                *g += (b / sum).ln();
            }
        }
        Next::Absorb
    }

    /// Leave the problem to others.
    pub fn leave(&self) -> Answer {
        Answer {
            f: vec![f64::NEG_INFINITY; self.item.a.len()],
            g: self.g.clone(),
            value: f64::NAN,
            error: f64::INFINITY,
            error_l2: f64::INFINITY,
            iterations: self.taken,
            left: true,
        }
    }

    /// The answer at the potentials, and the sums of the columns.
    fn evaluate(&self, isa: Isa, room: &mut [f64]) -> (Answer, Vec<f64>) {
        let (mut f, mut sums) = (vec![0.0; self.item.a.len()], vec![0.0; self.g.len()]);
        let value = T::evaluate(isa, &self.potentials(), room, &mut f, &mut sums);
        let (mut error, mut squares) = (0.0, 0.0);
        for (sum, b) in sums.iter().zip(self.item.b) {
            let gap: f64 = sum - b;
            error += gap.abs();
            squares += gap * gap;
        }
        let answer = Answer {
            f,
            g: self.g.clone(),
            value,
            error,
            error_l2: squares.sqrt(),
            iterations: self.taken,
            left: false,
        };
        (answer, sums)
    }
}
