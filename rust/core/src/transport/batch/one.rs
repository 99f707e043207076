//! A problem that is too large to share the second-level cache: on its own, row after row.

use isomorph_kernels::{BALANCE_PASSES, Evaluate, Isa, Place, Single};

use super::problem::{Answer, Item, Next, Round, State};
use super::{Cost, Limits};
use crate::Result;
use crate::memory::{Aligned, filled};
use crate::runtime::Control;

/// The memory of a problem, kept for those that follow.
#[derive(Debug, Default)]
pub(super) struct Room<T> {
    kernel: Aligned<T>,
    /// Masses of the columns, their scalings, and their sums.
    columns: [Aligned<T>; 3],
    row: Vec<f64>,
}

impl<T: Cost> Room<T> {
    /// Make room for a problem of so many rows and padded columns; what it holds has no meaning.
    fn fit(&mut self, n: usize, m: usize) -> Result<()> {
        if self.kernel.len() < n * m {
            self.kernel = Aligned::new(n * m)?;
        }
        if self.row.len() < <T as Evaluate>::room(m) {
            self.columns = [Aligned::new(m)?, Aligned::new(m)?, Aligned::new(m)?];
            self.row = filled(0.0, <T as Evaluate>::room(m))?;
        }
        Ok(())
    }
}

/// Solve a problem.
pub(super) fn solve<T: Cost>(
    isa: Isa,
    item: &Item<'_, T>,
    limits: &Limits,
    control: &Control,
    room: &mut Room<T>,
) -> Result<Answer> {
    let mut state = State::new(item);
    let (n, m) = (item.cost.rows(), item.cost.cols().next_multiple_of(T::PARTS));
    room.fit(n, m)?;
    let Room { kernel, columns: [b, v, sums], row } = room;
    let kernel = &mut kernel.values()[..n * m];
    let (b, v, sums) = (&mut b.values()[..m], &mut v.values()[..m], &mut sums.values()[..m]);
    let (rows, columns) = state.shares();
    let a: Vec<T> = rows.collect();
    b.fill(T::default());
    b.iter_mut().zip(columns).for_each(|(to, from)| *to = from);
    for line in kernel.chunks_exact_mut(m) {
        line[item.cost.cols()..].fill(T::default());
    }
    let mut next = Next::Absorb;
    loop {
        control.check()?;
        match next {
            Next::Done(answer) => {
                control.advance(1);
                return Ok(answer);
            }
            Next::Absorb => {
                let mut place = Place { values: kernel, width: m, stride: 1, first: 0 };
                state.absorb(isa, row, &mut place);
                for (v, b) in v.iter_mut().zip(b.iter()) {
                    *v = T::from(u8::from(*b > T::default()));
                }
            }
            Next::Go => {}
        }
        let mut one = Single {
            kernel,
            a: &a,
            b,
            v,
            sums,
            goal: T::from_f64(limits.tol),
            allowed: state.allowed(limits, BALANCE_PASSES),
        };
        let (taken, error, moved) = T::balance_one(isa, &mut one);
        let round = Round { taken, error: error.to_f64(), moved: moved.to_f64() };
        next = state.settle(isa, round, v.iter().copied(), limits, row);
    }
}
