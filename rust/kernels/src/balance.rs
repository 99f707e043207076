//! Many small transport problems side by side, one a lane: the scaling iteration of Sinkhorn.
//!
//! Value (i, j) of lane l of a kernel stands at `(i * cols + j) * lanes + l`; vectors likewise. No
//! lane sees another, sums are in the order of the rows and of the columns, and what is added for
//! padding (zeros in the kernel and in the masses) changes no bit: so a problem has the same answer
//! in whatever company, and at whatever padded size. AVX2 and AVX-512 do the same operations in the
//! same order; the portable version rounds otherwise, having no fused multiply-add.
//!
//! Accumulator: the type itself. A sum of m terms, none negative, is right to m units of roundoff.

use crate::element::Element;
use crate::isa::Isa;
#[cfg(target_arch = "x86_64")]
use crate::isa::Level;
use crate::lanes::{Array, Lanes};

/// Rows of a group that are read together; three times as many stay in the first-level cache.
const ROWS: usize = 4;

/// Passes of a round, after which lanes are looked at.
pub const BALANCE_PASSES: usize = 8;

/// A group of problems under way. Lengths are in cells, of one value a lane.
#[derive(Debug)]
pub struct Group<'a, T> {
    /// The kernel: rows * cols cells.
    pub kernel: &'a [T],
    /// Masses of the rows.
    pub a: &'a [T],
    /// Masses of the columns.
    pub b: &'a [T],
    /// Scalings of the columns, 0 where there is no mass.
    pub v: &'a mut [T],
    /// Room for as many cells.
    pub sums: &'a mut [T],
    /// Of each lane, the error at which it stops: one cell, as the following.
    pub goal: &'a [T],
    /// How many passes it may take; 0 for one that rests.
    pub allowed: &'a [T],
    /// How many it took.
    pub taken: &'a mut [T],
    /// The L1 norm of what the columns lacked in its last pass; NaN for what left the range.
    pub error: &'a mut [T],
    /// The largest of v and 1 / v, where there is mass.
    pub moved: &'a mut [T],
}

/// One problem: row after row, each padded with zeros to a multiple of [`Balance::PARTS`] columns.
#[derive(Debug)]
pub struct Single<'a, T> {
    /// The kernel: rows * padded columns.
    pub kernel: &'a [T],
    /// Masses of the rows.
    pub a: &'a [T],
    /// Masses of the padded columns.
    pub b: &'a [T],
    /// Scalings of the columns, 0 where there is no mass.
    pub v: &'a mut [T],
    /// Room for as many values.
    pub sums: &'a mut [T],
    /// The error at which it stops.
    pub goal: T,
    /// How many passes it may take.
    pub allowed: usize,
}

/// The iteration, for `f32` and `f64`.
pub trait Balance: Element {
    /// Problems of a group.
    fn balance_lanes(isa: Isa) -> usize;

    /// Take up to [`BALANCE_PASSES`] passes in each lane.
    ///
    /// A pass makes rows right, `u = a / (K v)`, and compares the columns `v K'u` with `b`. Where their
    /// error is at most the goal, or no more passes are allowed, `v` stays as it is; elsewhere
    /// it becomes `b / K'u`.
    ///
    /// Panics when the lengths do not fit.
    fn balance(isa: Isa, group: &mut Group<'_, Self>);

    /// Parts in which the rows of a [`Single`] problem are summed, on every instruction set.
    const PARTS: usize;

    /// The same for one problem: passes taken, the error of the last, and the largest of v and 1 / v.
    ///
    /// Panics when the lengths do not fit.
    fn balance_one(isa: Isa, one: &mut Single<'_, Self>) -> (usize, Self, Self);
}

/// In any lanes.
pub mod plain {
    use super::*;

    /// See [`Balance::balance`].
    #[inline(always)]
    pub fn balance<T: Element + From<u8>, V: Lanes<T, L>, const L: usize>(
        group: &mut Group<'_, T>,
    ) {
        let (kernel, a, b) = (cells(group.kernel), cells(group.a), cells(group.b));
        let sums = cells_mut(group.sums);
        let (goal, allowed) = (cells(group.goal), cells(group.allowed));
        let (goal, allowed) = (V::load(&goal[0]), V::load(&allowed[0]));
        let (n, m) = (a.len(), b.len());
        assert!(
            kernel.len() == n * m && group.v.len() == m * L && sums.len() == m,
            "a group of problems has another size"
        );
        let (zero, one) = (V::splat(T::default()), V::splat(T::from(1)));
        let (mut taken, mut error) = (zero, zero);
        let mut active = zero.below(allowed);
        for _ in 0..BALANCE_PASSES {
            pass::<T, V, L>(kernel, a, cells(group.v), sums);
            let v = cells_mut(group.v);
            let mut missed = zero;
            for ((sum, v), b) in sums.iter().zip(v.iter()).zip(b) {
                let gap = V::load(sum).times(V::load(v)).minus(V::load(b));
                missed = missed.plus(gap.magnitude());
            }
            taken = V::select(active, taken.plus(one), taken);
            error = V::select(active, missed, error);
            // False for NaN: such a lane stops.
            let goes = V::both(goal.below(missed), taken.below(allowed));
            active = V::both(active, goes);
            if V::bits(active) == 0 {
                break;
            }
            for ((sum, v), b) in sums.iter().zip(v.iter_mut()).zip(b) {
                let b = V::load(b);
                let moves = V::both(active, zero.below(b));
                V::select(moves, b.over(V::load(sum)), V::load(v)).store(v);
            }
        }
        let mut moved = one;
        for (v, b) in cells(group.v).iter().zip(b) {
            let held = zero.below(V::load(b));
            let v = V::select(held, V::load(v), one);
            moved = moved.larger(v.larger(one.over(v)));
        }
        taken.store(&mut cells_mut(group.taken)[0]);
        error.store(&mut cells_mut(group.error)[0]);
        moved.store(&mut cells_mut(group.moved)[0]);
    }

    /// See [`Balance::balance_one`].
    #[inline(always)]
    pub fn balance_one<T: Element + From<u8>, V: Lanes<T, L>, const L: usize, const ROWS: usize>(
        one: &mut Single<'_, T>,
    ) -> (usize, T, T) {
        let (kernel, b) = (cells::<T, L>(one.kernel), cells::<T, L>(one.b));
        let (v, sums) = (cells_mut::<T, L>(one.v), cells_mut::<T, L>(one.sums));
        let (m, zero, unit) = (b.len(), V::splat(T::default()), V::splat(T::from(1)));
        assert!(
            kernel.len() == one.a.len() * m && v.len() == m && sums.len() == m,
            "a problem of another size"
        );
        let (whole, last) = one.a.as_chunks::<ROWS>();
        let (mut taken, mut error) = (0, T::default());
        while taken < one.allowed.min(BALANCE_PASSES) {
            sums.fill([T::default(); L]);
            let (first, rest) = kernel.split_at(whole.len() * ROWS * m);
            sweep(first, v, sums, |at, s| across::<T, V, L, ROWS>(&whole[at], s));
            sweep(rest, v, sums, |at, s| across::<T, V, L, 1>(&[last[at]], s));
            let mut missed = zero;
            for ((sum, v), b) in sums.iter().zip(v.iter()).zip(b) {
                let gap = V::load(sum).times(V::load(v)).minus(V::load(b));
                missed = missed.plus(gap.magnitude());
            }
            let mut each = [T::default(); L];
            missed.store(&mut each);
            (taken, error) = (taken + 1, total(&each));
            // Not for NaN, either.
            if !(error > one.goal && taken < one.allowed) {
                break;
            }
            for ((sum, v), b) in sums.iter().zip(v.iter_mut()).zip(b) {
                let b = V::load(b);
                V::select(zero.below(b), b.over(V::load(sum)), zero).store(v);
            }
        }
        let mut moved = unit;
        for (v, b) in v.iter().zip(b) {
            let v = V::select(zero.below(V::load(b)), V::load(v), unit);
            moved = moved.larger(v.larger(unit.over(v)));
        }
        let mut each = [T::default(); L];
        moved.store(&mut each);
        let mut most = each[0];
        for moved in each {
            if moved > most || !moved.finite() {
                most = moved;
            }
        }
        (taken, error, most)
    }

    /// The scalings `u = a / (K v)` of `R` rows of one problem, in all lanes.
    #[inline(always)]
    fn across<T: Element, V: Lanes<T, L>, const L: usize, const R: usize>(
        a: &[T; R],
        s: [V; R],
    ) -> [V; R] {
        const { assert!(R <= L) };
        // One division for all rows.
        let (mut u, mut masses) = ([T::default(); L], [T::default(); L]);
        masses[..R].copy_from_slice(a);
        for r in 0..R {
            let mut parts = [T::default(); L];
            s[r].store(&mut parts);
            u[r] = total(&parts);
        }
        let (masses, zero) = (V::load(&masses), V::splat(T::default()));
        V::select(zero.below(masses), masses.over(V::load(&u)), zero).store(&mut u);
        let mut weights = [zero; R];
        for r in 0..R {
            weights[r] = V::splat(u[r]);
        }
        weights
    }

    /// The sum of the lanes, in a fixed order: four strided parts first.
    #[inline(always)]
    fn total<T: Element, const L: usize>(lanes: &[T; L]) -> T {
        let mut parts = [T::default(); 4];
        for four in lanes.as_chunks::<4>().0 {
            for (part, value) in parts.iter_mut().zip(four) {
                *part = part.plus(*value);
            }
        }
        let [a, b, c, d] = parts;
        a.plus(c).plus(b.plus(d))
    }

    /// The sums `K'u` of the columns for `u = a / (K v)`, of a problem a lane.
    #[inline(always)]
    fn pass<T: Element, V: Lanes<T, L>, const L: usize>(
        kernel: &[[T; L]],
        a: &[[T; L]],
        v: &[[T; L]],
        sums: &mut [[T; L]],
    ) {
        sums.fill([T::default(); L]);
        let (whole, last) = a.as_chunks::<ROWS>();
        let (first, rest) = kernel.split_at(whole.len() * ROWS * sums.len());
        sweep(first, v, sums, |at, s| down::<T, V, L, ROWS>(&whole[at], s));
        sweep(rest, v, sums, |at, s| down::<T, V, L, 1>(&[last[at]], s));
    }

    /// The scalings `u = a / (K v)` of `R` rows of a problem a lane.
    #[inline(always)]
    fn down<T: Element, V: Lanes<T, L>, const L: usize, const R: usize>(
        a: &[[T; L]; R],
        s: [V; R],
    ) -> [V; R] {
        let (mut u, zero) = (s, V::splat(T::default()));
        for r in 0..R {
            let a = V::load(&a[r]);
            u[r] = V::select(zero.below(a), a.over(s[r]), zero);
        }
        u
    }

    /// Add to the sums `K'u` of the columns what rows give, `R` of a block together: one read of the
    /// kernel from beyond the first-level cache.
    ///
    /// `scale` makes the scalings u of a block of its products K v. While it does, the products of
    /// the block after are under way, together with what the block before adds: nothing waits for a
    /// division.
    #[inline(always)]
    fn sweep<T: Element, V: Lanes<T, L>, const L: usize, const R: usize>(
        kernel: &[[T; L]],
        v: &[[T; L]],
        sums: &mut [[T; L]],
        scale: impl Fn(usize, [V; R]) -> [V; R],
    ) {
        let (m, zero) = (sums.len(), V::splat(T::default()));
        let count = kernel.len() / (R * m);
        let block = |at: usize| {
            let rows = &kernel[at * R * m..][..R * m];
            let mut lines = [&rows[..m]; R];
            for (line, chunk) in lines.iter_mut().zip(rows.chunks_exact(m)) {
                *line = &chunk[..m];
            }
            lines
        };
        let v = &v[..m];
        let (mut products, mut waiting) = ([zero; R], [zero; R]);
        for step in 0..count + 2 {
            let scaled = waiting;
            if (1..=count).contains(&step) {
                waiting = scale(step - 1, products);
            }
            let mut s = [zero; R];
            if step < 2 && step < count {
                let lines = block(step);
                for j in 0..m {
                    let v = V::load(&v[j]);
                    for r in 0..R {
                        s[r] = V::load(&lines[r][j]).times_plus(v, s[r]);
                    }
                }
            } else if (2..count).contains(&step) {
                let (lines, before) = (block(step), block(step - 2));
                for (j, sum) in sums.iter_mut().enumerate() {
                    let v = V::load(&v[j]);
                    let mut all = V::load(sum);
                    for r in 0..R {
                        s[r] = V::load(&lines[r][j]).times_plus(v, s[r]);
                        all = V::load(&before[r][j]).times_plus(scaled[r], all);
                    }
                    all.store(sum);
                }
            } else if step >= 2 {
                let before = block(step - 2);
                for (j, sum) in sums.iter_mut().enumerate() {
                    let mut all = V::load(sum);
                    for r in 0..R {
                        all = V::load(&before[r][j]).times_plus(scaled[r], all);
                    }
                    all.store(sum);
                }
            }
            products = s;
        }
    }

    #[inline(always)]
    fn cells<T, const L: usize>(values: &[T]) -> &[[T; L]] {
        let (cells, rest) = values.as_chunks();
        assert!(rest.is_empty() && !cells.is_empty(), "a group of problems has another size");
        cells
    }

    #[inline(always)]
    fn cells_mut<T, const L: usize>(values: &mut [T]) -> &mut [[T; L]] {
        let (cells, rest) = values.as_chunks_mut();
        assert!(rest.is_empty() && !cells.is_empty(), "a group of problems has another size");
        cells
    }
}

macro_rules! balance {
    (
        $type:ident, $small:literal, $large:literal,
        [$group2:ident, $group512:ident], [$one2:ident, $one512:ident]
    ) => {
        impl Balance for $type {
            const PARTS: usize = $large;

            fn balance_lanes(isa: Isa) -> usize {
                match isa.level() {
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx512 => $large,
                    _ => $small,
                }
            }

            fn balance(isa: Isa, group: &mut Group<'_, Self>) {
                match isa.level() {
                    // SAFETY: the CPU has what the level says.
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx512 => unsafe { crate::x86_64::balance::$group512(group) },
                    // SAFETY: as above.
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx2 => unsafe { crate::x86_64::balance::$group2(group) },
                    _ => plain::balance::<Self, Array<Self, $small>, $small>(group),
                }
            }

            fn balance_one(isa: Isa, one: &mut Single<'_, Self>) -> (usize, Self, Self) {
                match isa.level() {
                    // SAFETY: the CPU has what the level says.
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx512 => unsafe { crate::x86_64::balance::$one512(one) },
                    // SAFETY: as above.
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx2 => unsafe { crate::x86_64::balance::$one2(one) },
                    _ => plain::balance_one::<Self, Array<Self, $large>, $large, 4>(one),
                }
            }
        }
    };
}

balance!(f32, 8, 16, [group_f32x8, group_f32x16], [one_f32x8x2, one_f32x16]);
balance!(f64, 4, 8, [group_f64x4, group_f64x8], [one_f64x4x2, one_f64x8]);
