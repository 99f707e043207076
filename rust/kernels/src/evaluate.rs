//! A transport problem at given column potentials, in float64 whatever the cost is: row potentials,
//! column sums, what the plan costs, and the kernel about these potentials.
//!
//! Exponentials are right to a unit in the last place, their arguments to some units of |C / reg|; sums
//! are of eight strided parts, in the order of rows and columns, the same on every instruction set but
//! for the portable one, which has no fused multiply-add.

use crate::exp::{Exponential, exp_below_range};
use crate::isa::Isa;
#[cfg(target_arch = "x86_64")]
use crate::isa::Level;
use crate::lanes::{Array, Lanes};

/// Parts of a sum.
const PARTS: usize = 8;

/// A problem and column potentials, in units of reg.
#[derive(Clone, Copy, Debug)]
pub struct Potentials<'a, T> {
    /// The cost, row after row: numbers or +inf.
    pub cost: &'a [T],
    /// One over reg.
    pub inverse_reg: f64,
    /// Masses of the rows.
    pub a: &'a [f64],
    /// Potentials of the columns, -inf where there is no mass.
    pub g: &'a [f64],
}

/// Where a kernel is written to: value (i, j) at `(i * width + j) * stride + first`.
#[derive(Debug)]
pub struct Place<'a, T> {
    /// Of this.
    pub values: &'a mut [T],
    /// Columns of it, at least those of the cost.
    pub width: usize,
    /// From one value to the next.
    pub stride: usize,
    /// That of the first value.
    pub first: usize,
}

/// What is computed, for costs of `f32` and `f64`.
pub trait Evaluate: Exponential {
    /// How much room [`Evaluate::evaluate`] needs for so many columns.
    #[must_use]
    fn room(cols: usize) -> usize {
        2 * cols.next_multiple_of(PARTS)
    }

    /// Give the cost of the plan exp(f + g - C / reg), whose rows `f` makes right; also `f` (-inf
    /// where a row has no mass) and the `sums` of its columns.
    ///
    /// Panics when the lengths do not fit.
    fn evaluate(
        isa: Isa,
        at: &Potentials<'_, Self>,
        room: &mut [f64],
        f: &mut [f64],
        sums: &mut [f64],
    ) -> f64;

    /// Write the kernel exp(g - C / reg), its rows divided by their sums; a row without a way is 0.
    ///
    /// Panics when the lengths do not fit.
    fn absorb(isa: Isa, at: &Potentials<'_, Self>, room: &mut [f64], place: &mut Place<'_, Self>);
}

/// In any lanes.
pub mod plain {
    use super::*;

    /// Room for a padded row, and the rest.
    #[inline(always)]
    fn split(room: &mut [f64], cols: usize) -> (&mut [[f64; PARTS]], &mut [f64]) {
        let padded = cols.next_multiple_of(PARTS);
        assert!(room.len() >= padded, "too little room");
        let (row, rest) = room.split_at_mut(padded);
        (row.as_chunks_mut().0, rest)
    }

    #[inline(always)]
    fn total(parts: [f64; PARTS]) -> f64 {
        let [a, b, c, d, e, f, g, h] = parts;
        ((a + e) + (c + g)) + ((b + f) + (d + h))
    }

    /// Make `row` exp(g - C / reg - top), top being the largest exponent; give top and the sum.
    #[inline(always)]
    fn exponentials<T: Exponential, V: Lanes<f64, PARTS>>(
        cost: &[T],
        inverse_reg: f64,
        g: &[f64],
        row: &mut [[f64; PARTS]],
    ) -> (f64, f64) {
        let flat = row.as_flattened_mut();
        for ((t, cost), g) in flat.iter_mut().zip(cost).zip(g) {
            *t = g - cost.to_f64() * inverse_reg;
        }
        flat[g.len()..].fill(f64::NEG_INFINITY);
        let mut tops = V::splat(f64::NEG_INFINITY);
        for t in row.iter() {
            tops = tops.larger(V::load(t));
        }
        let mut parts = [0.0; PARTS];
        tops.store(&mut parts);
        let mut top = f64::NEG_INFINITY;
        for part in parts {
            if part > top {
                top = part;
            }
        }
        let shift = V::splat(if top > f64::NEG_INFINITY { top } else { 0.0 });
        let mut sum = V::splat(0.0);
        for t in row.iter_mut() {
            let e = exp_below_range::<f64, V, PARTS>(V::load(t).minus(shift));
            e.store(t);
            sum = sum.plus(e);
        }
        sum.store(&mut parts);
        (top, total(parts))
    }

    #[inline(always)]
    fn check<T>(at: &Potentials<'_, T>) -> (usize, usize) {
        let (n, m) = (at.a.len(), at.g.len());
        assert!(n > 0 && m > 0 && at.cost.len() == n * m, "a cost of another size");
        (n, m)
    }

    /// See [`Evaluate::evaluate`].
    #[inline(always)]
    pub fn evaluate<T: Exponential, V: Lanes<f64, PARTS>>(
        at: &Potentials<'_, T>,
        room: &mut [f64],
        f: &mut [f64],
        sums: &mut [f64],
    ) -> f64 {
        let (n, m) = check(at);
        assert!(f.len() == n && sums.len() == m, "potentials of another size");
        let (row, rest) = split(room, m);
        let (costs, _) = split(rest, m);
        costs.fill([0.0; PARTS]);
        sums.fill(0.0);
        let mut value = 0.0;
        for ((cost, a), f) in at.cost.chunks_exact(m).zip(at.a).zip(f) {
            *f = f64::NEG_INFINITY;
            if *a <= 0.0 {
                continue;
            }
            let (top, sum) = exponentials::<T, V>(cost, at.inverse_reg, at.g, row);
            if sum == 0.0 {
                continue;
            }
            *f = (a / sum).ln() - top;
            let share = a / sum;
            for (held, cost) in costs.as_flattened_mut().iter_mut().zip(cost) {
                *held = cost.to_f64();
            }
            let (zero, mut spent) = (V::splat(0.0), V::splat(0.0));
            for (e, cost) in row.iter().zip(costs.iter()) {
                let e = V::load(e);
                // Nothing times +inf is nothing.
                let cost = V::select(zero.below(e), V::load(cost), zero);
                spent = e.times_plus(cost, spent);
            }
            let mut parts = [0.0; PARTS];
            spent.store(&mut parts);
            value += share * total(parts);
            for (sum, e) in sums.iter_mut().zip(row.as_flattened()) {
                *sum += share * e;
            }
        }
        value
    }

    /// See [`Evaluate::absorb`].
    #[inline(always)]
    pub fn absorb<T: Exponential, V: Lanes<f64, PARTS>>(
        at: &Potentials<'_, T>,
        room: &mut [f64],
        place: &mut Place<'_, T>,
    ) {
        let (n, m) = check(at);
        let (row, _) = split(room, m);
        let Place { values, width, stride, first } = place;
        assert!(
            *stride > 0 && *first < *stride && *width >= m && values.len() >= n * *width * *stride,
            "a kernel of another size"
        );
        let line = *width * *stride;
        for (cost, out) in at.cost.chunks_exact(m).zip(values.chunks_exact_mut(line)) {
            let (_, sum) = exponentials::<T, V>(cost, at.inverse_reg, at.g, row);
            let share = if sum > 0.0 { 1.0 / sum } else { 0.0 };
            if *stride == 1 {
                for (to, e) in out.iter_mut().zip(&row.as_flattened()[..m]) {
                    *to = T::from_f64(e * share);
                }
                continue;
            }
            let cells = out.chunks_exact_mut(*stride);
            for (cell, e) in cells.zip(row.as_flattened()).take(m) {
                cell[*first] = T::from_f64(e * share);
            }
        }
    }
}

macro_rules! evaluate {
    ($type:ident) => {
        impl Evaluate for $type {
            fn evaluate(
                isa: Isa,
                at: &Potentials<'_, Self>,
                room: &mut [f64],
                f: &mut [f64],
                sums: &mut [f64],
            ) -> f64 {
                match isa.level() {
                    // SAFETY: the CPU has what the level says.
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx512 => unsafe {
                        crate::x86_64::evaluate::avx512::evaluate(at, room, f, sums)
                    },
                    // SAFETY: as above.
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx2 => unsafe {
                        crate::x86_64::evaluate::avx2::evaluate(at, room, f, sums)
                    },
                    _ => plain::evaluate::<Self, Array<f64, PARTS>>(at, room, f, sums),
                }
            }

            fn absorb(
                isa: Isa,
                at: &Potentials<'_, Self>,
                room: &mut [f64],
                place: &mut Place<'_, Self>,
            ) {
                match isa.level() {
                    // SAFETY: the CPU has what the level says.
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx512 => unsafe {
                        crate::x86_64::evaluate::avx512::absorb(at, room, place)
                    },
                    // SAFETY: as above.
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx2 => unsafe {
                        crate::x86_64::evaluate::avx2::absorb(at, room, place)
                    },
                    _ => plain::absorb::<Self, Array<f64, PARTS>>(at, room, place),
                }
            }
        }
    };
}

evaluate!(f32);
evaluate!(f64);
