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

/// Rows whose exponentials are made together, so that the largest and the sum of one are found while
/// others are under way.
pub const EVALUATED_ROWS: usize = 4;

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
        (EVALUATED_ROWS + 2) * cols.next_multiple_of(PARTS)
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

    type Part = [f64; PARTS];

    /// What stands in the room.
    struct Held<'a> {
        /// The potentials of the columns, -inf after the last.
        g: &'a mut [Part],
        /// Sums of the columns.
        sums: &'a mut [Part],
        /// Exponentials: one part of each row, then the next part of each.
        rows: &'a mut [Part],
    }

    #[inline(always)]
    fn held<'a>(room: &'a mut [f64], g: &[f64]) -> Held<'a> {
        let padded = g.len().next_multiple_of(PARTS);
        assert!(room.len() >= (EVALUATED_ROWS + 2) * padded, "too little room");
        let (known, rest) = room.split_at_mut(padded);
        let (sums, rest) = rest.split_at_mut(padded);
        known[..g.len()].copy_from_slice(g);
        known[g.len()..].fill(f64::NEG_INFINITY);
        Held {
            g: known.as_chunks_mut().0,
            sums: sums.as_chunks_mut().0,
            rows: rest[..EVALUATED_ROWS * padded].as_chunks_mut().0,
        }
    }

    /// Part `at` of a row, zeros after its end.
    #[inline(always)]
    fn part<T: Exponential>(row: &[T], at: usize) -> Part {
        let (parts, rest) = row.as_chunks::<PARTS>();
        if let Some(part) = parts.get(at) {
            return part.map(T::to_f64);
        }
        let mut part = [0.0; PARTS];
        part.iter_mut().zip(rest).for_each(|(to, from)| *to = from.to_f64());
        part
    }

    #[inline(always)]
    fn total(parts: Part) -> f64 {
        let [a, b, c, d, e, f, g, h] = parts;
        ((a + e) + (c + g)) + ((b + f) + (d + h))
    }

    #[inline(always)]
    fn largest(parts: Part) -> f64 {
        let larger = |x: f64, y: f64| if x > y { x } else { y };
        let [a, b, c, d, e, f, g, h] = parts;
        larger(larger(larger(a, e), larger(c, g)), larger(larger(b, f), larger(d, h)))
    }

    /// Make `R` rows exp(g - C / reg - top), top being the largest exponent of each; give these and
    /// the sums.
    #[inline(always)]
    fn exponentials<T: Exponential, V: Lanes<f64, PARTS>, const R: usize>(
        costs: &[&[T]; R],
        inverse_reg: f64,
        g: &[Part],
        rows: &mut [[Part; R]],
    ) -> ([f64; R], [f64; R]) {
        let inverse_reg = V::splat(inverse_reg);
        let mut tops = [V::splat(f64::NEG_INFINITY); R];
        for (at, (parts, g)) in rows.iter_mut().zip(g).enumerate() {
            let g = V::load(g);
            for r in 0..R {
                let t = g.minus(V::load(&part(costs[r], at)).times(inverse_reg));
                t.store(&mut parts[r]);
                tops[r] = tops[r].larger(t);
            }
        }
        let (mut top, mut shift) = ([0.0; R], [V::splat(0.0); R]);
        for r in 0..R {
            let mut parts = [0.0; PARTS];
            tops[r].store(&mut parts);
            top[r] = largest(parts);
            shift[r] = V::splat(if top[r] > f64::NEG_INFINITY { top[r] } else { 0.0 });
        }
        let mut sums = [V::splat(0.0); R];
        for parts in rows.iter_mut() {
            for r in 0..R {
                let t = V::load(&parts[r]).minus(shift[r]);
                let e = exp_below_range::<f64, V, PARTS>(t);
                e.store(&mut parts[r]);
                sums[r] = sums[r].plus(e);
            }
        }
        let mut sum = [0.0; R];
        for r in 0..R {
            let mut parts = [0.0; PARTS];
            sums[r].store(&mut parts);
            sum[r] = total(parts);
        }
        (top, sum)
    }

    #[inline(always)]
    fn check<T>(at: &Potentials<'_, T>) -> (usize, usize) {
        let (n, m) = (at.a.len(), at.g.len());
        assert!(n > 0 && m > 0 && at.cost.len() == n * m, "a cost of another size");
        (n, m)
    }

    /// `R` rows of `m` values.
    #[inline(always)]
    fn lines<T, const R: usize>(values: &[T], m: usize) -> [&[T]; R] {
        let mut lines = [&values[..m]; R];
        for (line, chunk) in lines.iter_mut().zip(values.chunks_exact(m)) {
            *line = chunk;
        }
        lines
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
        let mut held = held(room, at.g);
        held.sums.fill([0.0; PARTS]);
        let whole = n / EVALUATED_ROWS * EVALUATED_ROWS;
        let (mut value, mut row) = (0.0, 0);
        while row < n {
            let cost = &at.cost[row * m..];
            let a = &at.a[row..];
            let f = &mut f[row..];
            if row < whole {
                value += some::<T, V, EVALUATED_ROWS>(cost, a, at.inverse_reg, &mut held, m, f);
                row += EVALUATED_ROWS;
            } else {
                value += some::<T, V, 1>(cost, a, at.inverse_reg, &mut held, m, f);
                row += 1;
            }
        }
        sums.copy_from_slice(&held.sums.as_flattened()[..m]);
        value
    }

    /// What `R` rows cost, after `f` and the sums of the columns.
    #[inline(always)]
    fn some<T: Exponential, V: Lanes<f64, PARTS>, const R: usize>(
        cost: &[T],
        a: &[f64],
        inverse_reg: f64,
        held: &mut Held<'_>,
        m: usize,
        f: &mut [f64],
    ) -> f64 {
        let costs = lines::<T, R>(cost, m);
        let rows = &mut held.rows.as_chunks_mut::<R>().0[..held.g.len()];
        let (top, sum) = exponentials::<T, V, R>(&costs, inverse_reg, held.g, rows);
        let (mut shares, zero) = ([0.0; R], V::splat(0.0));
        for r in 0..R {
            let goes = a[r] > 0.0 && sum[r] > 0.0;
            shares[r] = if goes { a[r] / sum[r] } else { 0.0 };
            f[r] = if goes { shares[r].ln() - top[r] } else { f64::NEG_INFINITY };
        }
        let mut spent = [zero; R];
        for (at, (parts, sums)) in rows.iter().zip(held.sums.iter_mut()).enumerate() {
            let mut all = V::load(sums);
            for r in 0..R {
                let e = V::load(&parts[r]);
                all = all.plus(V::splat(shares[r]).times(e));
                // Nothing times +inf is nothing.
                let cost = V::select(zero.below(e), V::load(&part(costs[r], at)), zero);
                spent[r] = e.times_plus(cost, spent[r]);
            }
            all.store(sums);
        }
        let mut value = 0.0;
        for r in 0..R {
            let mut parts = [0.0; PARTS];
            spent[r].store(&mut parts);
            value += shares[r] * total(parts);
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
        let Place { values, width, stride, first } = place;
        assert!(
            *stride > 0 && *first < *stride && *width >= m && values.len() >= n * *width * *stride,
            "a kernel of another size"
        );
        let held = held(room, at.g);
        let line = *width * *stride;
        let whole = n / EVALUATED_ROWS * EVALUATED_ROWS;
        let mut row = 0;
        while row < n {
            let cost = &at.cost[row * m..];
            let out = &mut values[row * line..];
            let way = (line, *stride, *first);
            if row < whole {
                write::<T, V, EVALUATED_ROWS>(cost, at.inverse_reg, held.g, held.rows, m, out, way);
                row += EVALUATED_ROWS;
            } else {
                write::<T, V, 1>(cost, at.inverse_reg, held.g, held.rows, m, out, way);
                row += 1;
            }
        }
    }

    /// Write `R` rows of the kernel to lines of `out`, with a stride, from the first on.
    #[inline(always)]
    fn write<T: Exponential, V: Lanes<f64, PARTS>, const R: usize>(
        cost: &[T],
        inverse_reg: f64,
        g: &[Part],
        rows: &mut [Part],
        m: usize,
        out: &mut [T],
        (line, stride, first): (usize, usize, usize),
    ) {
        let rows = &mut rows.as_chunks_mut::<R>().0[..g.len()];
        let (_, sum) = exponentials::<T, V, R>(&lines(cost, m), inverse_reg, g, rows);
        for (r, out) in out.chunks_exact_mut(line).take(R).enumerate() {
            let share = if sum[r] > 0.0 { 1.0 / sum[r] } else { 0.0 };
            let made = |parts: &[Part; R]| {
                let mut made = [0.0; PARTS];
                V::load(&parts[r]).times(V::splat(share)).store(&mut made);
                made.map(T::from_f64)
            };
            if stride == 1 {
                let (whole, rest) = out[..m].as_chunks_mut::<PARTS>();
                for (to, parts) in whole.iter_mut().zip(rows.iter()) {
                    *to = made(parts);
                }
                if let Some(parts) = rows.get(whole.len()) {
                    rest.iter_mut().zip(made(parts)).for_each(|(to, from)| *to = from);
                }
                continue;
            }
            let mut to = out[first..].iter_mut().step_by(stride);
            for parts in rows.iter() {
                let made = made(parts);
                for (made, to) in made.iter().zip(&mut to) {
                    *to = *made;
                }
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
