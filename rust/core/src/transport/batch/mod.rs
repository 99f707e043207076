//! Many problems in one call: small ones side by side in the lanes of the CPU's registers, larger
//! ones one a core, by the scaling iteration about a kernel that is made anew when potentials have
//! moved far from it.
//!
//! The iteration works in the type of the cost, with potentials kept in float64 outside; what is given
//! is evaluated in float64 from these. No problem sees another: it has the same answer, to the last
//! bit, alone and in any company, on any number of threads.

mod lanes;
mod one;
mod problem;
mod scan;

pub use scan::{Extent, scan};

use isomorph_kernels::{Balance, Evaluate, Isa};
use rayon::prelude::*;

use crate::matrix::MatRef;
use crate::memory::filled;
use crate::runtime::Control;
use crate::{Error, Result};
use problem::{Answer, Item, State, Way};

/// Problems of a task, in groups.
const GROUPS: usize = 8;

/// The types of a cost, as batches need them.
pub trait Cost: Balance + Evaluate + From<u8> {
    /// How far potentials may move, in units of reg, before a kernel is made of them anew. Its
    /// entries are right to a rounding, whatever their exponents; those that vanished when it was
    /// made, below the smallest normal number, are still less than a rounding of their rows when
    /// both potentials of a pair have moved so far.
    const ABSORBED: f64;
    /// The least part of the mass that a row or a column may have: products stay normal numbers.
    const LEAST: f64;
}

impl Cost for f32 {
    const ABSORBED: f64 = 30.0;
    const LEAST: f64 = 1e-20;
}

impl Cost for f64 {
    const ABSORBED: f64 = 300.0;
    const LEAST: f64 = 1e-200;
}

/// Problems, one after another: flat arrays have the values of the first, then those of the second...
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a, T> {
    /// Numbers, or +inf for a forbidden pair.
    pub costs: &'a [MatRef<'a, T>],
    /// Masses of the rows.
    pub a: &'a [f64],
    /// Masses of the columns.
    pub b: &'a [f64],
    /// The weight of the entropy of each.
    pub regs: &'a [f64],
    /// What is to be taken off the costs of each.
    pub commons: &'a [f64],
    /// Column potentials to start from, in the units of the cost.
    pub starts: &'a [f64],
}

/// When to stop.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// The L1 error of the columns, as a part of the mass.
    pub tol: f64,
    /// Passes at most.
    pub max_iter: usize,
    /// Passes after which a problem is left to others, who know how to need fewer.
    pub patience: usize,
}

/// The answers, as flat as the problems; in the units of the cost, what was taken off not added.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Answers {
    /// Potentials of the rows, -inf where there is no mass.
    pub f: Vec<f64>,
    /// Potentials of the columns.
    pub g: Vec<f64>,
    /// What each plan costs.
    pub value: Vec<f64>,
    /// The L1 norm of what its columns lack; its rows are right.
    pub error: Vec<f64>,
    /// The L2 norm of the same.
    pub error_l2: Vec<f64>,
    /// Passes.
    pub iterations: Vec<i64>,
    /// Whether the problem is left to others, to be continued from `g`.
    pub left: Vec<bool>,
}

/// Solve all of them.
///
/// # Errors
/// Lengths that do not fit, memory, and cancellation.
pub fn solve<T: Cost>(batch: &Batch<'_, T>, limits: &Limits, control: &Control) -> Result<Answers> {
    let isa = Isa::chosen().map_err(Error::Isa)?;
    let items = items(batch)?;
    let tasks = tasks(&items, T::balance_lanes(isa) * GROUPS);
    control.start(items.len() as u64);
    let found: Vec<Vec<(usize, Answer)>> = tasks
        .par_iter()
        .map_init(one::Room::default, |room, task| {
            let mut answers = Vec::with_capacity(task.places.len());
            match task.way {
                Way::Lanes(n, m) => {
                    let side = (isa, (n, m));
                    lanes::solve(side, &items, &task.places, limits, control, &mut answers)?;
                }
                Way::One => {
                    for place in &task.places {
                        let answer = one::solve(isa, &items[*place], limits, control, room)?;
                        answers.push((*place, answer));
                    }
                }
                Way::Leave => {
                    for place in &task.places {
                        answers.push((*place, State::new(&items[*place]).leave()));
                    }
                }
            }
            Ok(answers)
        })
        .collect::<Result<_>>()?;
    let mut answers = Answers {
        f: filled(f64::NEG_INFINITY, batch.a.len())?,
        g: filled(f64::NEG_INFINITY, batch.b.len())?,
        value: filled(0.0, items.len())?,
        error: filled(0.0, items.len())?,
        error_l2: filled(0.0, items.len())?,
        iterations: filled(0, items.len())?,
        left: filled(false, items.len())?,
    };
    for (place, answer) in found.into_iter().flatten() {
        let item = &items[place];
        for (to, from) in answers.f[item.first.0..].iter_mut().zip(&answer.f) {
            *to = from * item.reg;
        }
        for (to, from) in answers.g[item.first.1..].iter_mut().zip(&answer.g) {
            *to = from * item.reg;
        }
        answers.value[place] = answer.value;
        answers.error[place] = answer.error;
        answers.error_l2[place] = answer.error_l2;
        answers.iterations[place] = answer.iterations as i64;
        answers.left[place] = answer.left;
    }
    Ok(answers)
}

/// Problems that one thread solves.
#[derive(Debug)]
struct Task {
    way: Way,
    places: Vec<usize>,
}

/// Divide the problems, the largest first. What task a problem is in changes nothing of its answer.
fn tasks<T: Cost>(items: &[Item<'_, T>], together: usize) -> Vec<Task> {
    let mut order: Vec<_> = (0..items.len())
        .map(|place| (items[place].way(), std::cmp::Reverse(items[place].cost.data().len()), place))
        .collect();
    order.sort_unstable();
    let mut tasks: Vec<Task> = Vec::new();
    for (way, _, place) in order {
        let most = if matches!(way, Way::Lanes(..)) { together } else { 1 };
        match tasks.last_mut() {
            Some(task) if task.way == way && task.places.len() < most => task.places.push(place),
            _ => tasks.push(Task { way, places: vec![place] }),
        }
    }
    tasks
}

fn items<'a, T: Cost>(batch: &Batch<'a, T>) -> Result<Vec<Item<'a, T>>> {
    let count = batch.costs.len();
    let rows: usize = batch.costs.iter().map(MatRef::rows).sum();
    let cols: usize = batch.costs.iter().map(MatRef::cols).sum();
    for (argument, got, expected) in [
        ("a", batch.a.len(), rows),
        ("b", batch.b.len(), cols),
        ("initial", batch.starts.len(), cols),
        ("reg", batch.regs.len(), count),
        ("cost", batch.commons.len(), count),
    ] {
        if got != expected {
            return Err(Error::Shape {
                argument,
                expected: format!("{expected} values"),
                got: format!("{got} values"),
            });
        }
    }
    let mut first = (0, 0);
    let mut items = Vec::with_capacity(count);
    for (place, cost) in batch.costs.iter().enumerate() {
        let (n, m) = (cost.rows(), cost.cols());
        if n == 0 || m == 0 {
            return Err(Error::Shape {
                argument: "cost",
                expected: "at least one row and one column".into(),
                got: format!("{n} x {m}"),
            });
        }
        items.push(Item {
            cost: *cost,
            common: batch.commons[place],
            reg: batch.regs[place],
            a: &batch.a[first.0..][..n],
            b: &batch.b[first.1..][..m],
            start: &batch.starts[first.1..][..m],
            first,
        });
        first = (first.0 + n, first.1 + m);
    }
    Ok(items)
}

#[cfg(test)]
mod tests;
