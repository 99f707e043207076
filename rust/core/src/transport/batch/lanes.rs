//! Small problems side by side, one a lane; a lane that is done takes the next problem.

use isomorph_kernels::{BALANCE_PASSES, EVALUATED_ROWS, Evaluate, Group, Isa, Place};

use super::problem::{Answer, Item, Next, Round, State};
use super::{Cost, Limits};
use crate::Result;
use crate::memory::Aligned;
use crate::runtime::Control;

/// The memory of a group, and the problems in its lanes.
struct Side<'a, T: Clone> {
    isa: Isa,
    /// Padded rows and columns.
    shape: (usize, usize),
    lanes: usize,
    held: Vec<Option<(usize, State<'a, T>)>>,
    /// Whose kernels are to be made.
    stale: Vec<bool>,
    kernel: Aligned<T>,
    a: Aligned<T>,
    b: Aligned<T>,
    v: Aligned<T>,
    sums: Aligned<T>,
    goal: Aligned<T>,
    allowed: Aligned<T>,
    taken: Aligned<T>,
    error: Aligned<T>,
    moved: Aligned<T>,
    room: Vec<f64>,
}

/// Solve the problems at `places`, all of one padded shape.
pub(super) fn solve<T: Cost>(
    (isa, shape): (Isa, (usize, usize)),
    items: &[Item<'_, T>],
    places: &[usize],
    limits: &Limits,
    control: &Control,
    answers: &mut Vec<(usize, Answer)>,
) -> Result<()> {
    let mut side = Side::new(isa, shape)?;
    let mut waiting = places.iter();
    loop {
        let mut busy = false;
        for lane in 0..side.lanes {
            if side.held[lane].is_none()
                && let Some(place) = waiting.next()
            {
                side.take(lane, *place, State::new(&items[*place]));
            }
            busy |= side.held[lane].is_some();
        }
        if !busy {
            return Ok(());
        }
        control.check()?;
        side.absorb();
        side.run(limits);
        for lane in 0..side.lanes {
            if let Some(answer) = side.look(lane, limits) {
                control.advance(1);
                answers.push(answer);
            }
        }
    }
}

impl<'a, T: Cost> Side<'a, T> {
    fn new(isa: Isa, shape: (usize, usize)) -> Result<Self> {
        let lanes = T::balance_lanes(isa);
        let cells = |count: usize| Aligned::new(count * lanes);
        let (n, m) = shape;
        Ok(Self {
            isa,
            shape,
            lanes,
            held: (0..lanes).map(|_| None).collect(),
            stale: vec![false; lanes],
            kernel: cells(n * m)?,
            a: cells(n)?,
            b: cells(m)?,
            v: cells(m)?,
            sums: cells(m)?,
            goal: cells(1)?,
            allowed: cells(1)?,
            taken: cells(1)?,
            error: cells(1)?,
            moved: cells(1)?,
            room: vec![0.0; <T as Evaluate>::room(m)],
        })
    }

    /// Put a problem into a lane.
    fn take(&mut self, lane: usize, place: usize, state: State<'a, T>) {
        if state.shape() != self.shape {
            // What the one before left where this one has no rows or columns.
            for value in lane_of(self.kernel.values(), self.lanes, lane) {
                *value = T::default();
            }
        }
        let (rows, columns) = state.shares();
        fill(self.a.values(), self.lanes, lane, rows);
        fill(self.b.values(), self.lanes, lane, columns);
        self.held[lane] = Some((place, state));
        self.stale[lane] = true;
    }

    /// Make the kernels that are to be made, about the potentials: some rows of all of them before
    /// the next, as they share cache lines.
    fn absorb(&mut self) {
        if !self.stale.contains(&true) {
            return;
        }
        let width = self.shape.1;
        let blocks = self.kernel.values().chunks_mut(EVALUATED_ROWS * width * self.lanes);
        for (block, values) in blocks.enumerate() {
            let rows = block * EVALUATED_ROWS..(block + 1) * EVALUATED_ROWS;
            for (first, held) in self.held.iter().enumerate() {
                if self.stale[first]
                    && let Some((_, state)) = held
                    && rows.start < state.shape().0
                {
                    let mut place = Place { values, width, stride: self.lanes, first };
                    state.absorb_rows(self.isa, rows.clone(), &mut self.room, &mut place);
                }
            }
        }
        for (lane, stale) in self.stale.iter_mut().enumerate() {
            if !std::mem::take(stale) {
                continue;
            }
            let b = self.b.values().iter().skip(lane).step_by(self.lanes);
            for (v, b) in lane_of(self.v.values(), self.lanes, lane).zip(b) {
                *v = T::from(u8::from(*b > T::default()));
            }
        }
    }

    /// A round of passes in all lanes.
    fn run(&mut self, limits: &Limits) {
        for (lane, held) in self.held.iter().enumerate() {
            let allowed =
                held.as_ref().map_or(0, |(_, state)| state.allowed(limits, BALANCE_PASSES));
            self.allowed.values()[lane] = T::from_f64(allowed as f64);
            self.goal.values()[lane] = T::from_f64(limits.tol);
        }
        T::balance(
            self.isa,
            &mut Group {
                kernel: self.kernel.values(),
                a: self.a.values(),
                b: self.b.values(),
                v: self.v.values(),
                sums: self.sums.values(),
                goal: self.goal.values(),
                allowed: self.allowed.values(),
                taken: self.taken.values(),
                error: self.error.values(),
                moved: self.moved.values(),
            },
        );
    }

    /// Look at a lane after a round; the answer, if its problem is done.
    fn look(&mut self, lane: usize, limits: &Limits) -> Option<(usize, Answer)> {
        let (place, state) = self.held[lane].as_mut()?;
        let round = Round {
            taken: self.taken.values()[lane].to_f64() as usize,
            error: self.error.values()[lane].to_f64(),
            moved: self.moved.values()[lane].to_f64(),
        };
        let v = self.v.values().iter().skip(lane).step_by(self.lanes).copied();
        match state.settle(self.isa, round, v, limits, &mut self.room) {
            Next::Go => None,
            Next::Absorb => {
                self.stale[lane] = true;
                None
            }
            Next::Done(answer) => {
                let place = *place;
                self.held[lane] = None;
                Some((place, answer))
            }
        }
    }
}

/// The values of a lane.
fn lane_of<T>(values: &mut [T], lanes: usize, lane: usize) -> impl Iterator<Item = &mut T> {
    values.iter_mut().skip(lane).step_by(lanes)
}

/// Fill a lane, with zeros after what there is.
fn fill<T: Cost>(values: &mut [T], lanes: usize, lane: usize, with: impl Iterator<Item = T>) {
    let with = with.chain(std::iter::repeat(T::default()));
    lane_of(values, lanes, lane).zip(with).for_each(|(value, with)| *value = with);
}
