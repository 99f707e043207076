//! Entropic transport between points: what passes do with tiles of products, of which costs are made
//! and which are never held together.
//!
//! A tile has the products of some rows with a panel of columns, as [`Late::products`] leaves them: row
//! after row, [`Late::PANEL`] values each; the tiles of several panels follow one another. Sums over the
//! columns are made lane by lane, so that no operation looks across.

use crate::exp::exp2_below_range;
use crate::isa::Isa;
#[cfg(target_arch = "x86_64")]
use crate::isa::Level;
use crate::lanes::{Array, Lanes};
use crate::late::Late;
use crate::transport::Transport;

/// What is to be made of products: the exponents f + g + scale * product, in base 2.
///
/// Each number is given in two parts. The high parts of f and g are multiples of one power of 2, so
/// that their sum is exact: an exponent has no error but that of its product and its own rounding.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a, T> {
    /// Both parts of what a row adds.
    pub f: &'a [[T; 2]],
    /// What a column adds, a panel's after the other; -inf (and 0) for what has no mass.
    pub g: [&'a [T]; 2],
    /// What a product counts, positive.
    pub scale: [T; 2],
}

/// The operations, for `f32` and `f64`. All of them panic when lengths do not fit.
pub trait Points: Transport + Late {
    /// Make the products 2 to their exponents, or 0 where that is subnormal, and add them to the
    /// `sums`, one for each row and lane; to `spent`, unless it is empty, what they are times their
    /// products.
    fn raise(
        isa: Isa,
        terms: &Terms<'_, Self>,
        tiles: &mut [Self],
        sums: &mut [Self],
        spent: &mut [Self],
    );

    /// Raise `tops`, one for each row and lane, to the largest exponents.
    fn raise_tops(isa: Isa, terms: &Terms<'_, Self>, tiles: &[Self], tops: &mut [Self]);

    /// For each column, the sum of its values times the weights of their rows.
    fn weigh_columns(isa: Isa, tiles: &[Self], weights: &[Self], sums: &mut [Self]);
}

/// Sums of a column that do not wait for one another.
const CHAINS: usize = 4;

/// In any lanes.
pub mod plain {
    use super::*;

    /// What a register of columns adds, and the scale.
    #[derive(Clone, Copy)]
    struct Common<V> {
        g: [V; 2],
        scale: [V; 2],
    }

    impl<V: Copy> Common<V> {
        #[inline(always)]
        fn new<T: Points, const L: usize>(of: &Terms<'_, T>, column: usize) -> Self
        where
            V: Lanes<T, L>,
        {
            let scale = [V::splat(of.scale[0]), V::splat(of.scale[1])];
            let at = column / L;
            let high = V::load(&of.g[0].as_chunks::<L>().0[at]);
            let low = V::load(&of.g[1].as_chunks::<L>().0[at]);
            Self { g: [high, low], scale }
        }

        #[inline(always)]
        fn exponent<T: Points, const L: usize>(self, f: [T; 2], product: V) -> V
        where
            V: Lanes<T, L>,
        {
            let high = product.times_plus(self.scale[0], V::splat(f[0]).plus(self.g[0]));
            high.plus(product.times_plus(self.scale[1], V::splat(f[1]).plus(self.g[1])))
        }
    }

    /// See [`Points::raise`].
    #[inline(always)]
    pub fn raise<T: Points, V: Lanes<T, L>, const L: usize>(
        of: &Terms<'_, T>,
        tiles: &mut [T],
        sums: &mut [T],
        spent: &mut [T],
    ) {
        if spent.is_empty() {
            raise_all::<T, V, L, false>(of, tiles, sums, spent);
        } else {
            raise_all::<T, V, L, true>(of, tiles, sums, spent);
        }
    }

    #[inline(always)]
    fn raise_all<T: Points, V: Lanes<T, L>, const L: usize, const SPENT: bool>(
        of: &Terms<'_, T>,
        tiles: &mut [T],
        sums: &mut [T],
        spent: &mut [T],
    ) {
        let (width, rows) = (T::PANEL / L, of.f.len());
        let highest = V::splat(T::HIGHEST_EXPONENT);
        let sums = sums.as_chunks_mut::<L>().0;
        let spent = spent.as_chunks_mut::<L>().0;
        for (panel, tile) in tiles.chunks_exact_mut(rows * T::PANEL).enumerate() {
            let tile = tile.as_chunks_mut::<L>().0;
            for part in 0..width {
                let common = Common::<V>::new(of, panel * T::PANEL + part * L);
                for (r, f) in of.f.iter().enumerate() {
                    let at = r * width + part;
                    let product = V::load(&tile[at]);
                    let exponent = common.exponent(*f, product).smaller(highest);
                    let value = exp2_below_range::<T, V, L>(exponent);
                    value.store(&mut tile[at]);
                    V::load(&sums[at]).plus(value).store(&mut sums[at]);
                    if SPENT {
                        value.times_plus(product, V::load(&spent[at])).store(&mut spent[at]);
                    }
                }
            }
        }
    }

    /// See [`Points::raise_tops`].
    #[inline(always)]
    pub fn raise_tops<T: Points, V: Lanes<T, L>, const L: usize>(
        of: &Terms<'_, T>,
        tiles: &[T],
        tops: &mut [T],
    ) {
        let (width, rows) = (T::PANEL / L, of.f.len());
        let tops = tops.as_chunks_mut::<L>().0;
        for (panel, tile) in tiles.chunks_exact(rows * T::PANEL).enumerate() {
            let tile = tile.as_chunks::<L>().0;
            for part in 0..width {
                let common = Common::<V>::new(of, panel * T::PANEL + part * L);
                for (r, f) in of.f.iter().enumerate() {
                    let at = r * width + part;
                    let exponent = common.exponent(*f, V::load(&tile[at]));
                    exponent.larger(V::load(&tops[at])).store(&mut tops[at]);
                }
            }
        }
    }

    /// See [`Points::weigh_columns`].
    #[inline(always)]
    pub fn weigh_columns<T: Points, V: Lanes<T, L>, const L: usize>(
        tiles: &[T],
        weights: &[T],
        sums: &mut [T],
    ) {
        let (width, rows) = (T::PANEL / L, weights.len());
        let sums = sums.as_chunks_mut::<L>().0;
        for (panel, tile) in tiles.chunks_exact(rows * T::PANEL).enumerate() {
            let tile = tile.as_chunks::<L>().0;
            for part in 0..width {
                let mut chains = [V::splat(T::default()); CHAINS];
                for (r, weight) in weights.iter().enumerate() {
                    let chain = &mut chains[r % CHAINS];
                    *chain = V::load(&tile[r * width + part]).times_plus(V::splat(*weight), *chain);
                }
                let sum = chains[0].plus(chains[1]).plus(chains[2].plus(chains[3]));
                sum.store(&mut sums[panel * width + part]);
            }
        }
    }
}

/// The function of that name in the lanes of the level.
macro_rules! dispatch {
    ($isa:ident, $avx2:ident, $avx512:ident, $type:ident, $function:ident($($argument:expr),*)) => {
        match $isa.level() {
            // SAFETY: the CPU has what the level says.
            #[cfg(target_arch = "x86_64")]
            Level::Avx512 => unsafe { crate::x86_64::points::$avx512::$function($($argument),*) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Level::Avx2 => unsafe { crate::x86_64::points::$avx2::$function($($argument),*) },
            _ => plain::$function::<$type, Array<$type, 4>, 4>($($argument),*),
        }
    };
}

/// Panics unless the parts fit together.
fn check<T: Points>(terms: &Terms<'_, T>, tiles: &[T], lanes: usize) {
    let (rows, columns) = (terms.f.len(), terms.g[0].len());
    assert!(
        rows > 0
            && terms.g[1].len() == columns
            && columns.is_multiple_of(T::PANEL)
            && tiles.len() == rows * columns
            && lanes == rows * T::PANEL,
        "tiles do not fit"
    );
}

macro_rules! points {
    ($type:ident, $avx2:ident, $avx512:ident) => {
        impl Points for $type {
            fn raise(
                isa: Isa,
                terms: &Terms<'_, Self>,
                tiles: &mut [Self],
                sums: &mut [Self],
                spent: &mut [Self],
            ) {
                check(terms, tiles, sums.len());
                assert!(spent.is_empty() || spent.len() == sums.len(), "tiles do not fit");
                dispatch!(isa, $avx2, $avx512, $type, raise(terms, tiles, sums, spent));
            }

            fn raise_tops(isa: Isa, terms: &Terms<'_, Self>, tiles: &[Self], tops: &mut [Self]) {
                check(terms, tiles, tops.len());
                dispatch!(isa, $avx2, $avx512, $type, raise_tops(terms, tiles, tops));
            }

            fn weigh_columns(isa: Isa, tiles: &[Self], weights: &[Self], sums: &mut [Self]) {
                assert!(
                    !weights.is_empty()
                        && sums.len().is_multiple_of(Self::PANEL)
                        && tiles.len() == weights.len() * sums.len(),
                    "tiles do not fit"
                );
                dispatch!(isa, $avx2, $avx512, $type, weigh_columns(tiles, weights, sums));
            }
        }
    };
}

points!(f32, f32x8, f32x16);
points!(f64, f64x4, f64x8);
