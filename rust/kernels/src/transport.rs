//! Entropic transport: what passes over a cost or a kernel matrix do with a few rows at a time.
//!
//! Values are positive wherever they are summed, so that a sum has the relative error of its terms
//! and of at most [`TERMS`] additions in a lane, and then of `f64`.

use crate::exp::{Exponential, exp2_below_range};
use crate::isa::Isa;
#[cfg(target_arch = "x86_64")]
use crate::isa::Level;
use crate::lanes::{Array, Lanes};

/// The most rows of a group: so many share each load of a vector, and of the sums.
pub const GROUP: usize = 8;
/// Terms that are added in one lane, in the type itself.
const TERMS: usize = 256;
/// Steps between which what comes next is asked for.
const STEPS: usize = 8;
/// Bytes that memory is fetched by.
const LINE: usize = 64;

/// A row of exponents (f + g - cost / reg) / ln 2, as what it is made of.
///
/// Each number is given in two parts. The high parts of f and g are multiples of one power of 2, so
/// that their sum is exact; both parts of 1 / (reg ln 2) are positive, so that an infinite cost times
/// one is infinite. The exponent then has no error but its own rounding.
#[derive(Clone, Copy, Debug)]
pub struct Exponents<'a, T> {
    /// Costs; +inf for what is forbidden.
    pub cost: &'a [T],
    /// 1 / (reg ln 2).
    pub scale: [T; 2],
    /// The column potentials, as many as costs; -inf (and 0) for what has no mass.
    pub g: [&'a [T]; 2],
    /// The row potential.
    pub f: [T; 2],
}

impl<T> Exponents<'_, T> {
    fn check(&self) {
        let length = self.cost.len();
        assert!(self.g[0].len() == length && self.g[1].len() == length, "lengths do not fit");
    }
}

/// The operations of transport, for `f32` and `f64`. All of them panic when lengths do not fit.
///
/// `ahead` is memory that is needed soon: it is asked for, evenly over the work, and not read.
pub trait Transport: Exponential {
    /// Exponents are cut off here, that of the square root of the upper end of the range: a sum of such
    /// numbers is finite.
    const HIGHEST_EXPONENT: Self;

    /// The products of up to [`GROUP`] rows, one after the other, with `v`.
    fn dots_with(isa: Isa, rows: &[Self], v: &[Self], sums: &mut [f64]);

    /// Add to `to` the rows, one after the other, up to [`GROUP`], times their weights.
    fn add_rows(isa: Isa, rows: &[Self], weights: &[Self], ahead: &[Self], to: &mut [Self]);

    /// 2 to the exponents; gives their sum. What would be subnormal is 0.
    fn exponentials(
        isa: Isa,
        exponents: &Exponents<'_, Self>,
        ahead: &[Self],
        out: &mut [Self],
    ) -> f64;

    /// The largest exponent, but for rounding errors of some units of the largest number in it; -inf if
    /// there is none.
    fn largest_exponent(isa: Isa, exponents: &Exponents<'_, Self>) -> Self;

    /// The sum of many values: the least that reading them takes.
    fn sum(isa: Isa, values: &[Self]) -> f64;
}

/// Memory that is asked for step by step.
struct Ahead<'a, T> {
    rest: &'a [T],
    share: usize,
}

impl<'a, T> Ahead<'a, T> {
    /// For work of `length` values in lanes of `lanes`.
    #[inline(always)]
    fn new(values: &'a [T], length: usize, lanes: usize) -> Self {
        let calls = (length / (STEPS * lanes)).max(1);
        let line = LINE / size_of::<T>();
        Self { rest: values, share: values.len().div_ceil(calls).next_multiple_of(line) }
    }

    #[inline(always)]
    fn ask(&mut self) {
        let now = self.share.min(self.rest.len());
        let (asked, rest) = self.rest.split_at(now);
        self.rest = rest;
        let mut at = 0;
        while at < asked.len() {
            prefetch(&asked[at]);
            at += LINE / size_of::<T>();
        }
    }
}

#[inline(always)]
fn prefetch<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: SSE is part of x86-64, and nothing is read.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(std::ptr::from_ref(value).cast()) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}

/// The sum of all lanes, in `f64`.
#[inline(always)]
fn across<T: Transport, V: Lanes<T, L>, const L: usize>(lanes: V) -> f64 {
    let mut values = [T::default(); L];
    lanes.store(&mut values);
    let mut sum = 0.0;
    for value in values {
        sum += value.to_f64();
    }
    sum
}

/// In any lanes.
pub mod plain {
    use super::*;

    /// Call `$of` with 8, 4, 2, 1 rows from `$first` on, as long as there are `$count`.
    macro_rules! in_groups {
        ($count:expr, |$first:ident| $of:ident::<$type:ident, $lane:ident, $l:ident>($($argument:expr),*)) => {
            let mut $first = 0;
            while $first < $count {
                $first += match $count - $first {
                    8.. => $of::<$type, $lane, $l, 8>($($argument),*),
                    4.. => $of::<$type, $lane, $l, 4>($($argument),*),
                    2.. => $of::<$type, $lane, $l, 2>($($argument),*),
                    _ => $of::<$type, $lane, $l, 1>($($argument),*),
                };
            }
        };
    }

    /// See [`Transport::dots_with`].
    #[inline(always)]
    pub fn dots_with<T: Transport, V: Lanes<T, L>, const L: usize>(
        rows: &[T],
        v: &[T],
        sums: &mut [f64],
    ) {
        let m = v.len();
        in_groups!(sums.len(), |first| dots_of::<T, V, L>(
            &rows[first * m..],
            v,
            &mut sums[first..]
        ));
    }

    /// See [`Transport::add_rows`].
    #[inline(always)]
    pub fn add_rows<T: Transport, V: Lanes<T, L>, const L: usize>(
        rows: &[T],
        weights: &[T],
        ahead: &[T],
        to: &mut [T],
    ) {
        let m = to.len();
        let mut ahead = Ahead::new(ahead, m, L);
        in_groups!(weights.len(), |first| add_of::<T, V, L>(
            &rows[first * m..],
            &weights[first..],
            &mut ahead,
            to
        ));
    }

    /// The products of R rows; gives R.
    #[inline(always)]
    fn dots_of<T: Transport, V: Lanes<T, L>, const L: usize, const R: usize>(
        rows: &[T],
        v: &[T],
        sums: &mut [f64],
    ) -> usize {
        let m = v.len();
        let rows = each::<T, R>(rows, m);
        let sums = &mut sums[..R];
        sums.fill(0.0);
        let whole = m / L * L;
        let mut start = 0;
        while start < whole {
            let end = whole.min(start + TERMS * L);
            let rows = part::<T, L, R>(&rows, start, end);
            let v = v[start..end].as_chunks::<L>().0;
            let mut sum = [V::splat(T::default()); R];
            for k in 0..v.len() {
                let v = V::load(&v[k]);
                for r in 0..R {
                    sum[r] = V::load(&rows[r][k]).times_plus(v, sum[r]);
                }
            }
            for r in 0..R {
                sums[r] += across::<T, V, L>(sum[r]);
            }
            start = end;
        }
        for k in whole..m {
            for r in 0..R {
                sums[r] += rows[r][k].to_f64() * v[k].to_f64();
            }
        }
        R
    }

    /// Adds R rows; gives R.
    #[inline(always)]
    fn add_of<T: Transport, V: Lanes<T, L>, const L: usize, const R: usize>(
        rows: &[T],
        weights: &[T],
        ahead: &mut Ahead<'_, T>,
        to: &mut [T],
    ) -> usize {
        let m = to.len();
        let rows = each::<T, R>(rows, m);
        let mut weight = [V::splat(T::default()); R];
        for r in 0..R {
            weight[r] = V::splat(weights[r]);
        }
        let whole = m / L * L;
        let mut start = 0;
        while start < whole {
            ahead.ask();
            let end = whole.min(start + STEPS * L);
            let rows = part::<T, L, R>(&rows, start, end);
            let to = to[start..end].as_chunks_mut::<L>().0;
            for (k, to) in to.iter_mut().enumerate() {
                added::<T, V, L, R>(&rows, k, &weight).plus(V::load(to)).store(to);
            }
            start = end;
        }
        if whole < m {
            let mut last = [[T::default(); L]; R];
            let mut padded: [&[[T; L]]; R] = [&[]; R];
            for r in 0..R {
                last[r][..m - whole].copy_from_slice(&rows[r][whole..]);
            }
            for r in 0..R {
                padded[r] = std::slice::from_ref(&last[r]);
            }
            let mut sum = [T::default(); L];
            sum[..m - whole].copy_from_slice(&to[whole..]);
            let more = added::<T, V, L, R>(&padded, 0, &weight);
            more.plus(V::load(&sum)).store(&mut sum);
            to[whole..].copy_from_slice(&sum[..m - whole]);
        }
        R
    }

    /// The sum of one register of each row times its weight; in two chains, so that errors are fewer.
    #[inline(always)]
    fn added<T: Transport, V: Lanes<T, L>, const L: usize, const R: usize>(
        rows: &[&[[T; L]]; R],
        k: usize,
        weight: &[V; R],
    ) -> V {
        let mut sums = [V::splat(T::default()); 2];
        for r in 0..R {
            let row = V::load(&rows[r][k]);
            let sum = &mut sums[r % 2];
            *sum = if r < 2 { row.times(weight[r]) } else { row.times_plus(weight[r], *sum) };
        }
        if R > 1 { sums[0].plus(sums[1]) } else { sums[0] }
    }

    /// Rows of `m` values, apart.
    #[inline(always)]
    fn each<T, const R: usize>(rows: &[T], m: usize) -> [&[T]; R] {
        let mut each: [&[T]; R] = [&[]; R];
        for (r, row) in each.iter_mut().enumerate() {
            *row = &rows[r * m..][..m];
        }
        each
    }

    /// Some columns of them, in registers.
    #[inline(always)]
    fn part<'a, T, const L: usize, const R: usize>(
        rows: &[&'a [T]; R],
        start: usize,
        end: usize,
    ) -> [&'a [[T; L]]; R] {
        let mut parts: [&[[T; L]]; R] = [&[]; R];
        for r in 0..R {
            parts[r] = rows[r][start..end].as_chunks::<L>().0;
        }
        parts
    }

    /// The exponents of one register.
    #[inline(always)]
    fn exponent<T: Transport, V: Lanes<T, L>, const L: usize>(
        cost: &[T; L],
        g: [&[T; L]; 2],
        scale: [V; 2],
        f: [V; 2],
    ) -> V {
        let cost = V::load(cost);
        let high = V::load(g[0]).plus(f[0]).minus_times(cost, scale[0]);
        high.plus(V::load(g[1]).plus(f[1]).minus_times(cost, scale[1]))
    }

    /// See [`Transport::exponentials`].
    #[inline(always)]
    pub fn exponentials<T: Transport, V: Lanes<T, L>, const L: usize>(
        of: &Exponents<'_, T>,
        ahead: &[T],
        out: &mut [T],
    ) -> f64 {
        let m = of.cost.len();
        let mut ahead = Ahead::new(ahead, m, L);
        let (scale, f) = (both::<T, V, L>(of.scale), both::<T, V, L>(of.f));
        let highest = V::splat(T::HIGHEST_EXPONENT);
        let (mut total, mut start) = (0.0, 0);
        while start < m / L * L {
            let end = (m / L * L).min(start + TERMS * L);
            let mut sum = V::splat(T::default());
            let mut at = start;
            while at < end {
                ahead.ask();
                let until = end.min(at + STEPS * L);
                let cost = of.cost[at..until].as_chunks::<L>().0;
                let high = of.g[0][at..until].as_chunks::<L>().0;
                let low = of.g[1][at..until].as_chunks::<L>().0;
                let out = out[at..until].as_chunks_mut::<L>().0;
                for k in 0..cost.len().min(high.len()).min(low.len()).min(out.len()) {
                    let t = exponent::<T, V, L>(&cost[k], [&high[k], &low[k]], scale, f);
                    let value = exp2_below_range::<T, V, L>(t.smaller(highest));
                    sum = sum.plus(value);
                    value.store(&mut out[k]);
                }
                at = until;
            }
            total += across::<T, V, L>(sum);
            start = end;
        }
        let rest = m - start;
        if rest > 0 {
            let (cost, high, low) = last::<T, L>(of, start);
            let t = exponent::<T, V, L>(&cost, [&high, &low], scale, f);
            let value = exp2_below_range::<T, V, L>(t.smaller(highest));
            let mut last = [T::default(); L];
            value.store(&mut last);
            out[start..].copy_from_slice(&last[..rest]);
            total += across::<T, V, L>(value);
        }
        total
    }

    /// See [`Transport::largest_exponent`].
    #[inline(always)]
    pub fn largest_exponent<T: Transport, V: Lanes<T, L>, const L: usize>(
        of: &Exponents<'_, T>,
    ) -> T {
        let (scale, f) = (both::<T, V, L>(of.scale), both::<T, V, L>(of.f));
        let cost = of.cost.as_chunks::<L>().0;
        let (high, low) = (of.g[0].as_chunks::<L>().0, of.g[1].as_chunks::<L>().0);
        let mut most = V::splat(T::NEG_INFINITY);
        for k in 0..cost.len().min(high.len()).min(low.len()) {
            most = exponent::<T, V, L>(&cost[k], [&high[k], &low[k]], scale, f).larger(most);
        }
        let (cost, high, low) = last::<T, L>(of, cost.len() * L);
        most = exponent::<T, V, L>(&cost, [&high, &low], scale, f).larger(most);
        let mut lanes = [T::default(); L];
        most.store(&mut lanes);
        let mut most = T::NEG_INFINITY;
        for value in lanes {
            if value > most {
                most = value;
            }
        }
        most
    }

    #[inline(always)]
    fn both<T: Transport, V: Lanes<T, L>, const L: usize>(parts: [T; 2]) -> [V; 2] {
        [V::splat(parts[0]), V::splat(parts[1])]
    }

    /// What does not fill a register, filled up with columns of no mass.
    #[inline(always)]
    fn last<T: Transport, const L: usize>(
        of: &Exponents<'_, T>,
        start: usize,
    ) -> ([T; L], [T; L], [T; L]) {
        let (mut cost, mut low) = ([T::default(); L], [T::default(); L]);
        let mut high = [T::NEG_INFINITY; L];
        let rest = of.cost.len() - start;
        cost[..rest].copy_from_slice(&of.cost[start..]);
        high[..rest].copy_from_slice(&of.g[0][start..]);
        low[..rest].copy_from_slice(&of.g[1][start..]);
        (cost, high, low)
    }

    /// See [`Transport::sum`].
    #[inline(always)]
    pub fn sum<T: Transport, V: Lanes<T, L>, const L: usize>(values: &[T]) -> f64 {
        let mut total = 0.0;
        for block in values.chunks(4 * TERMS * L) {
            let (fours, rest) = block.as_chunks::<L>().0.as_chunks::<4>();
            let mut sums = [V::splat(T::default()); 4];
            for four in fours {
                for (sum, values) in sums.iter_mut().zip(four) {
                    *sum = sum.plus(V::load(values));
                }
            }
            for values in rest {
                sums[0] = sums[0].plus(V::load(values));
            }
            for sum in sums {
                total += across::<T, V, L>(sum);
            }
            for value in block.as_chunks::<L>().1 {
                total += value.to_f64();
            }
        }
        total
    }
}

/// The function of that name in the lanes of the level.
macro_rules! dispatch {
    ($isa:ident, $avx2:ident, $avx512:ident, $type:ident, $function:ident($($argument:expr),*)) => {
        match $isa.level() {
            // SAFETY: the CPU has what the level says.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { crate::x86_64::transport::$avx512::$function($($argument),*) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { crate::x86_64::transport::$avx2::$function($($argument),*) },
            _ => plain::$function::<$type, Array<$type, 4>, 4>($($argument),*),
        }
    };
}

macro_rules! transport {
    ($type:ident, $avx2:ident, $avx512:ident, $highest:literal) => {
        impl Transport for $type {
            const HIGHEST_EXPONENT: Self = $highest;

            fn dots_with(isa: Isa, rows: &[Self], v: &[Self], sums: &mut [f64]) {
                assert!((1..=GROUP).contains(&sums.len()) && rows.len() == sums.len() * v.len());
                dispatch!(isa, $avx2, $avx512, $type, dots_with(rows, v, sums));
            }

            fn add_rows(
                isa: Isa,
                rows: &[Self],
                weights: &[Self],
                ahead: &[Self],
                to: &mut [Self],
            ) {
                assert!((1..=GROUP).contains(&weights.len()));
                assert_eq!(rows.len(), weights.len() * to.len(), "rows do not fit");
                dispatch!(isa, $avx2, $avx512, $type, add_rows(rows, weights, ahead, to));
            }

            fn exponentials(
                isa: Isa,
                exponents: &Exponents<'_, Self>,
                ahead: &[Self],
                out: &mut [Self],
            ) -> f64 {
                exponents.check();
                assert_eq!(out.len(), exponents.cost.len(), "lengths do not fit");
                dispatch!(isa, $avx2, $avx512, $type, exponentials(exponents, ahead, out))
            }

            fn largest_exponent(isa: Isa, exponents: &Exponents<'_, Self>) -> Self {
                exponents.check();
                dispatch!(isa, $avx2, $avx512, $type, largest_exponent(exponents))
            }

            fn sum(isa: Isa, values: &[Self]) -> f64 {
                dispatch!(isa, $avx2, $avx512, $type, sum(values))
            }
        }
    };
}

transport!(f32, f32x8, f32x16, 64.0);
transport!(f64, f64x4, f64x8, 512.0);
