//! Stacks of small matrices: several at a time in the lanes of the CPU's registers, by one-sided
//! Jacobi, in the type of the input.
//!
//! One-sided Jacobi finds small singular values to high relative accuracy where the columns differ
//! in size only (A = B D, B well-conditioned, D diagonal): their error is that of B. Each answer is
//! certified; a matrix whose answer is not gets one from slower rotations, and at last from the
//! routine for one matrix.

use isomorph_kernels::{Isa, MAX_COLUMNS, Shape};
use rayon::prelude::*;

use super::polar::{self, Polar};
use super::svd::{self, Svd, in_stack, representable};
use super::{PowerOfTwo, Scalar, Stack, zeros};
use crate::runtime::Control;
use crate::{Error, Result};

mod group;

use group::Group;

/// The longest rows or columns: beyond, the lanes of a group would leave the second-level cache.
const LONGEST: usize = 128;

/// About how many values a task has.
const TASK: usize = 16_384;

/// Whether the matrices are of the sizes that this is for.
pub(super) fn fits<T>(stack: &Stack<'_, T>) -> bool {
    let (short, long) = (stack.rows.min(stack.cols), stack.rows.max(stack.cols));
    stack.count > 0 && (1..=MAX_COLUMNS).contains(&short) && long <= LONGEST
}

/// See [`super::svd`].
pub(super) fn svd<T: Scalar + Default>(stack: Stack<'_, T>, control: &Control) -> Result<Svd<T>> {
    let shape = Shape { rows: stack.rows, cols: stack.cols };
    let (n, d, k) = (shape.rows, shape.cols, shape.short());
    let what = "the decomposition";
    let mut result = Svd {
        u: zeros(stack.count * n * k, what)?,
        s: zeros(stack.count * k, what)?,
        vt: zeros(stack.count * k * d, what)?,
    };
    let plan = Plan::new::<T>(shape)?;
    control.start(stack.count as u64);
    let per_task = plan.per_task();
    let outputs = (result.u.par_chunks_mut(per_task * n * k))
        .zip(result.s.par_chunks_mut(per_task * k))
        .zip(result.vt.par_chunks_mut(per_task * k * d));
    let inputs = stack.data.par_chunks(per_task * n * d);
    inputs.zip(outputs).enumerate().try_for_each_init(
        || Group::new(plan.isa, shape, plan.lanes),
        |group, (task, (values, ((u, s), vt)))| {
            let group = group.as_mut().map_err(|error| error.clone())?;
            let groups = (u.chunks_mut(plan.lanes * n * k))
                .zip(s.chunks_mut(plan.lanes * k))
                .zip(vt.chunks_mut(plan.lanes * k * d));
            for (number, (values, ((u, s), vt))) in
                values.chunks(plan.lanes * n * d).zip(groups).enumerate()
            {
                control.check()?;
                let first = task * per_task + number * plan.lanes;
                let certified = plan.factorise(group, values, first)?;
                let count = values.len() / (n * d);
                control.advance(count as u64);
                if certified.trailing_ones() as usize >= count && group.in_order() {
                    group.all_factors(u, s, vt)?;
                    continue;
                }
                let matrices = values.chunks_exact(n * d);
                let outputs = u
                    .chunks_exact_mut(n * k)
                    .zip(s.chunks_exact_mut(k))
                    .zip(vt.chunks_exact_mut(k * d));
                for (lane, (values, ((u, s), vt))) in matrices.zip(outputs).enumerate() {
                    if certified >> lane & 1 == 1 {
                        group.factors(lane, u, s, vt)?;
                    } else {
                        let one = plan.alone(values, first + lane, svd::one_by_one)?;
                        u.copy_from_slice(&one.u);
                        s.copy_from_slice(&one.s);
                        vt.copy_from_slice(&one.vt);
                    }
                }
            }
            Ok(())
        },
    )?;
    Ok(result)
}

/// See [`super::polar`].
pub(super) fn polar<T: Scalar + Default>(
    stack: Stack<'_, T>,
    control: &Control,
) -> Result<Polar<T>> {
    let shape = Shape { rows: stack.rows, cols: stack.cols };
    let (n, d) = (shape.rows, shape.cols);
    let what = "the decomposition";
    let mut result =
        Polar { r: zeros(stack.count * n * d, what)?, h: zeros(stack.count * d * d, what)? };
    let plan = Plan::new::<T>(shape)?;
    control.start(stack.count as u64);
    let per_task = plan.per_task();
    let outputs =
        (result.r.par_chunks_mut(per_task * n * d)).zip(result.h.par_chunks_mut(per_task * d * d));
    let inputs = stack.data.par_chunks(per_task * n * d);
    inputs.zip(outputs).enumerate().try_for_each_init(
        || Group::new(plan.isa, shape, plan.lanes),
        |group, (task, (values, (r, h)))| {
            let group = group.as_mut().map_err(|error| error.clone())?;
            let groups = r.chunks_mut(plan.lanes * n * d).zip(h.chunks_mut(plan.lanes * d * d));
            for (number, (values, (r, h))) in
                values.chunks(plan.lanes * n * d).zip(groups).enumerate()
            {
                control.check()?;
                let first = task * per_task + number * plan.lanes;
                let mut certified = plan.factorise(group, values, first)?;
                certified &= group.polar()?;
                let matrices = values.chunks_exact(n * d);
                let outputs = r.chunks_exact_mut(n * d).zip(h.chunks_exact_mut(d * d));
                for (lane, (values, (r, h))) in matrices.zip(outputs).enumerate() {
                    if certified >> lane & 1 == 1 {
                        group.polar_factors(lane, r, h)?;
                    } else {
                        let one = plan.alone(values, first + lane, polar::one_by_one)?;
                        r.copy_from_slice(&one.r);
                        h.copy_from_slice(&one.h);
                    }
                }
                control.advance((values.len() / (n * d)) as u64);
            }
            Ok(())
        },
    )?;
    Ok(result)
}

/// How a stack is divided.
#[derive(Clone, Copy)]
struct Plan {
    isa: Isa,
    shape: Shape,
    /// Matrices of a group.
    lanes: usize,
}

impl Plan {
    fn new<T: Scalar>(shape: Shape) -> Result<Self> {
        let isa = Isa::chosen().map_err(Error::Isa)?;
        Ok(Self { isa, shape, lanes: T::lanes(isa, shape) })
    }

    /// Factorise matrices, the first of which is number `first` of the stack; a bit for each one
    /// that is certified.
    fn factorise<T: Scalar + Default>(
        &self,
        group: &mut Group<T>,
        matrices: &[T],
        first: usize,
    ) -> Result<u32> {
        let Shape { rows, cols } = self.shape;
        group
            .factorise(matrices)?
            .map_err(|bad| Error::NonFinite { argument: "a", row: first * rows + bad / cols })
    }

    /// What the routine for any size makes of one matrix.
    fn alone<'a, T: Scalar, R>(
        &self,
        values: &'a [T],
        index: usize,
        routine: impl Fn(Stack<'a, T>, &Control) -> Result<R>,
    ) -> Result<R> {
        let Shape { rows, cols } = self.shape;
        let stack = Stack { data: values, count: 1, rows, cols };
        routine(stack, &Control::default()).map_err(|error| in_stack(error, index, rows))
    }

    /// Matrices of a task: whole groups.
    fn per_task(&self) -> usize {
        self.lanes * (TASK / (self.lanes * self.shape.size())).max(1)
    }
}

#[cfg(test)]
mod tests;
