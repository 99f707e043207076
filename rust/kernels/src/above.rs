//! The entries that matter of rows of which most do not.

use crate::isa::Isa;
#[cfg(target_arch = "x86_64")]
use crate::isa::Level;
use crate::lanes::{Array, Lanes};

/// The selection of products, for `f32` and `f64`.
pub trait Above: Copy {
    /// Write to `places` the `k`, in order, for which the product `row[k] * v[k]` is above `level`; gives how
    /// many there are. Panics when the lengths differ, `places`'s included.
    fn above(isa: Isa, row: &[Self], v: &[Self], level: Self, places: &mut [u32]) -> usize;
}

/// In any lanes.
pub mod plain {
    use super::Lanes;

    /// Products that are looked at together: a bit each says whether it is above.
    const TOGETHER: usize = 64;

    /// See [`super::Above::above`].
    #[inline(always)]
    pub fn above<T: Copy + Default, V: Lanes<T, L>, const L: usize>(
        row: &[T],
        v: &[T],
        level: T,
        places: &mut [u32],
    ) -> usize {
        let (mut count, mut start) = (0, 0);
        let ((rows, rest), (vs, last)) = (row.as_chunks::<TOGETHER>(), v.as_chunks::<TOGETHER>());
        for (row, v) in rows.iter().zip(vs) {
            count = listed(start, passed::<T, V, L>(row, v, level), places, count);
            start += TOGETHER as u32;
        }
        if !rest.is_empty() {
            let (mut row, mut v) = ([T::default(); TOGETHER], [T::default(); TOGETHER]);
            row[..rest.len()].copy_from_slice(rest);
            v[..rest.len()].copy_from_slice(last);
            let known = (1 << rest.len()) - 1;
            count = listed(start, passed::<T, V, L>(&row, &v, level) & known, places, count);
        }
        count
    }

    /// Product `k` as bit `k`.
    #[inline(always)]
    fn passed<T: Copy, V: Lanes<T, L>, const L: usize>(
        row: &[T; TOGETHER],
        v: &[T; TOGETHER],
        level: T,
    ) -> u64 {
        let bar = V::splat(level);
        let (row, v) = (row.as_chunks::<L>().0, v.as_chunks::<L>().0);
        let mut bits = 0;
        for (k, (row, v)) in row.iter().zip(v).enumerate() {
            let product = V::load(row).times(V::load(v));
            bits |= u64::from(V::bits(bar.below(product))) << (k * L);
        }
        bits
    }

    /// Write down the places of bits, from `count` on; gives how many there are then.
    #[inline(always)]
    fn listed(start: u32, mut bits: u64, places: &mut [u32], mut count: usize) -> usize {
        while bits != 0 {
            places[count] = start + bits.trailing_zeros();
            count += 1;
            bits &= bits - 1;
        }
        count
    }
}

macro_rules! above {
    ($type:ident, $avx2:ident, $avx512:ident) => {
        impl Above for $type {
            fn above(isa: Isa, row: &[Self], v: &[Self], level: Self, places: &mut [u32]) -> usize {
                assert_eq!(row.len(), v.len(), "lengths do not fit");
                assert_eq!(row.len(), places.len(), "lengths do not fit");
                match isa.level() {
                    // SAFETY: the CPU has what the level says.
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx512 => unsafe {
                        crate::x86_64::above::$avx512::above(row, v, level, places)
                    },
                    // SAFETY: as above.
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx2 => unsafe {
                        crate::x86_64::above::$avx2::above(row, v, level, places)
                    },
                    _ => plain::above::<Self, Array<Self, 4>, 4>(row, v, level, places),
                }
            }
        }
    };
}

above!(f32, f32x8, f32x16);
above!(f64, f64x4, f64x8);

#[cfg(test)]
mod tests {
    use super::*;

    fn all_are_found<T: Above + From<f32> + PartialEq + std::fmt::Debug>() {
        for length in [0usize, 1, 3, 4, 7, 8, 15, 16, 17, 33, 100, 1001] {
            let entry = |k: usize| ((k * 7919) % 101) as f32 - 3.0;
            let factor = |k: usize| 0.5 + (k % 3) as f32;
            let row: Vec<T> = (0..length).map(|k| T::from(entry(k))).collect();
            let v: Vec<T> = (0..length).map(|k| T::from(factor(k))).collect();
            for level in [-10.0, -1.0, 0.0, 50.0, 240.0, 1e9, f32::NAN] {
                let expected: Vec<u32> = (0..length as u32)
                    .filter(|k| entry(*k as usize) * factor(*k as usize) > level)
                    .collect();
                for isa in Isa::available() {
                    let mut places = vec![0; length];
                    let count = T::above(isa, &row, &v, T::from(level), &mut places);
                    let found = &places[..count];
                    assert_eq!(found, expected, "{length} {level:?} {}", isa.name());
                }
            }
        }
    }

    #[test]
    fn products_above_a_level_are_found() {
        all_are_found::<f32>();
        all_are_found::<f64>();
    }
}
