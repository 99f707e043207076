//! The entries that matter of rows of which most do not.

use crate::isa::Isa;
#[cfg(target_arch = "x86_64")]
use crate::isa::Level;
use crate::lanes::{Array, Lanes};

/// By how much results may be written past what is found.
pub const SLACK: usize = 16;

/// The selection of products, for `f32` and `f64`.
pub trait Above: Copy {
    /// Write the products `row[k] * v[k]` that are above `level` to `values`, and their `k` to `places`, in
    /// the order of `k`; gives how many there are. What is behind these has no meaning.
    ///
    /// Panics when the lengths differ, or the results have not [`SLACK`] more.
    fn above(
        isa: Isa,
        row: &[Self],
        v: &[Self],
        level: Self,
        places: &mut [u32],
        values: &mut [Self],
    ) -> usize;
}

/// In any lanes.
pub mod plain {
    use super::Lanes;

    /// See [`super::Above::above`].
    #[inline(always)]
    pub fn above<T: Copy + Default, V: Lanes<T, L>, const L: usize>(
        row: &[T],
        v: &[T],
        level: T,
        places: &mut [u32],
        values: &mut [T],
    ) -> usize {
        let bar = V::splat(level);
        let mut count = 0;
        let ((rows, rest), (vs, last)) = (row.as_chunks::<L>(), v.as_chunks::<L>());
        for (number, (row, v)) in rows.iter().zip(vs).enumerate() {
            let product = V::load(row).times(V::load(v));
            let mut bits = V::bits(bar.below(product));
            if bits == 0 {
                continue;
            }
            let mut products = [T::default(); L];
            product.store(&mut products);
            while bits != 0 {
                let lane = bits.trailing_zeros() as usize % L;
                (places[count], values[count]) = ((number * L + lane) as u32, products[lane]);
                count += 1;
                bits &= bits - 1;
            }
        }
        if !rest.is_empty() {
            let (mut padded, mut by) = ([T::default(); L], [T::default(); L]);
            padded[..rest.len()].copy_from_slice(rest);
            by[..rest.len()].copy_from_slice(last);
            let product = V::load(&padded).times(V::load(&by));
            let bits = V::bits(bar.below(product));
            let mut products = [T::default(); L];
            product.store(&mut products);
            for (lane, product) in products[..rest.len()].iter().enumerate() {
                if bits >> lane & 1 == 1 {
                    (places[count], values[count]) = ((rows.len() * L + lane) as u32, *product);
                    count += 1;
                }
            }
        }
        count
    }
}

macro_rules! above {
    ($type:ident, $avx2:ident, $avx512:ident) => {
        impl Above for $type {
            fn above(
                isa: Isa,
                row: &[Self],
                v: &[Self],
                level: Self,
                places: &mut [u32],
                values: &mut [Self],
            ) -> usize {
                assert_eq!(row.len(), v.len(), "lengths do not fit");
                assert!(places.len().min(values.len()) >= row.len() + SLACK, "no room");
                match isa.level() {
                    // SAFETY: the CPU has what the level says, and there is room.
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx512 => unsafe {
                        crate::x86_64::above::$avx512::above(row, v, level, places, values)
                    },
                    // SAFETY: as above.
                    #[cfg(target_arch = "x86_64")]
                    Level::Avx2 => unsafe {
                        crate::x86_64::above::$avx2::above(row, v, level, places, values)
                    },
                    _ => plain::above::<Self, Array<Self, 4>, 4>(row, v, level, places, values),
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
                let expected: Vec<(u32, T)> = (0..length)
                    .filter(|k| entry(*k) * factor(*k) > level)
                    .map(|k| (k as u32, T::from(entry(k) * factor(k))))
                    .collect();
                for isa in Isa::available() {
                    let mut places = vec![0; length + SLACK];
                    let mut values = vec![T::from(0.0); length + SLACK];
                    let level = T::from(level);
                    let count = T::above(isa, &row, &v, level, &mut places, &mut values);
                    let found: Vec<_> = places.into_iter().zip(values).take(count).collect();
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
