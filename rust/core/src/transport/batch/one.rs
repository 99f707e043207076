//! A problem that is too large to share the second-level cache: its rows in the lanes.

use isomorph_kernels::{BALANCE_PASSES, Evaluate, Isa, Place, Spread};

use super::problem::{Answer, Item, Next, Round, State};
use super::{Cost, Limits};
use crate::Result;
use crate::memory::{Aligned, filled};
use crate::runtime::Control;

/// Solve a problem.
pub(super) fn solve<T: Cost>(
    isa: Isa,
    item: &Item<'_, T>,
    limits: &Limits,
    control: &Control,
) -> Result<Answer> {
    let mut state = State::new(item);
    let n = item.cost.rows().next_multiple_of(T::PARTS);
    let m = item.cost.cols().next_multiple_of(T::PARTS);
    let mut kernel = Aligned::new(n * m)?;
    let (mut a, mut b, mut v) = (Aligned::new(n)?, Aligned::new(m)?, Aligned::new(m)?);
    let mut sums = Aligned::new(m * T::PARTS)?;
    let mut room = filled(0.0, <T as Evaluate>::room(m))?;
    let (rows, columns) = state.shares();
    a.values().iter_mut().zip(rows).for_each(|(to, from)| *to = from);
    b.values().iter_mut().zip(columns).for_each(|(to, from)| *to = from);
    let mut next = Next::Absorb;
    loop {
        control.check()?;
        match next {
            Next::Done(answer) => {
                control.advance(1);
                return Ok(answer);
            }
            Next::Absorb => {
                for row in 0..item.cost.rows() {
                    let (block, first) = (row / T::PARTS, row % T::PARTS);
                    let values = &mut kernel.values()[block * m * T::PARTS..][..m * T::PARTS];
                    let mut place = Place { values, width: m, stride: T::PARTS, first };
                    state.absorb_row(isa, row, &mut room, &mut place);
                }
                for (v, b) in v.values().iter_mut().zip(b.values()) {
                    *v = T::from(u8::from(*b > T::default()));
                }
            }
            Next::Go => {}
        }
        let mut one = Spread {
            kernel: kernel.values(),
            a: a.values(),
            b: b.values(),
            v: v.values(),
            sums: sums.values(),
            goal: T::from_f64(limits.tol),
            allowed: state.allowed(limits, BALANCE_PASSES),
        };
        let (taken, error, moved) = T::balance_one(isa, &mut one);
        let round = Round { taken, error: error.to_f64(), moved: moved.to_f64() };
        let moves = v.values().iter().copied();
        next = state.settle(isa, round, moves, limits, &mut room);
    }
}
