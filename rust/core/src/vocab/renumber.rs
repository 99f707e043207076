//! Ids to other ids, by a table.

use rayon::prelude::*;

use crate::Result;
use crate::runtime::Control;

/// Ids of one task: they stay in the CPU's cache between the look and the change.
const BLOCK: usize = 1 << 14;

/// The bits of an id, whatever its sign means.
pub trait Word: Copy + Send + Sync + Ord + Default {
    /// How many there are.
    const BITS: u32;

    /// The bits as the lowest of 64.
    fn bits(self) -> u64;

    /// The lowest bits.
    fn from_bits(bits: u64) -> Self;
}

macro_rules! word {
    ($($type:ty),*) => {$(
        impl Word for $type {
            const BITS: u32 = <$type>::BITS;

            #[inline]
            fn bits(self) -> u64 {
                u64::from(self)
            }

            #[inline]
            #[expect(clippy::allow_attributes, reason = "not every type truncates")]
            fn from_bits(bits: u64) -> Self {
                #[allow(clippy::cast_possible_truncation, trivial_numeric_casts)]
                { bits as $type }
            }
        }
    )*};
}

word!(u8, u16, u32, u64);

/// What becomes of an id that the table does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unknown<T> {
    /// It is an error.
    Refused,
    /// It becomes this.
    Become(T),
    /// It stays, if its value is among those that the new type has: from the first to the second.
    Kept(i128, i128),
}

/// Old ids of type `I` to new ids of type `O`.
#[derive(Debug, Clone, Copy)]
pub struct Renumbering<'a, O> {
    /// The new id of each old one.
    pub table: &'a [O],
    /// Which old ids may not appear.
    pub refused: Option<&'a [bool]>,
    /// Values outside the table that stay as they are; the new type has them.
    pub ignored: &'a [i64],
    /// What becomes of the others outside it.
    pub unknown: Unknown<O>,
    /// Whether the highest bit of an old id is its sign.
    pub signed: bool,
}

impl<O: Word> Renumbering<'_, O> {
    /// How much of the table ids of this type reach: with the sign set they are outside.
    fn reach<I: Word>(&self) -> usize {
        let bits = I::BITS - u32::from(self.signed);
        self.table
            .len()
            .min(usize::try_from(1_u64.checked_shl(bits).unwrap_or(u64::MAX)).unwrap_or(usize::MAX))
    }

    fn value<I: Word>(&self, id: I) -> i128 {
        let unused = u64::BITS - I::BITS;
        if self.signed {
            i128::from((id.bits() << unused).cast_signed() >> unused)
        } else {
            i128::from(id.bits())
        }
    }

    /// Whether an id outside the table may be there.
    fn permits(&self, value: i128) -> bool {
        self.ignored.iter().any(|&one| i128::from(one) == value)
            || match self.unknown {
                Unknown::Refused => false,
                Unknown::Become(_) => true,
                Unknown::Kept(low, high) => (low..=high).contains(&value),
            }
    }

    /// What an id outside the table becomes; the new type has its bits.
    #[cold]
    fn outside<I: Word>(&self, id: I) -> O {
        let value = self.value(id);
        match self.unknown {
            Unknown::Become(new) if !self.ignored.iter().any(|&one| i128::from(one) == value) => {
                new
            }
            #[expect(clippy::cast_possible_truncation, reason = "two's complement")]
            _ => O::from_bits(value as u64),
        }
    }

    /// The place of the first id that may not be there.
    fn first_refused<I: Word>(&self, ids: &[I], reach: u64) -> Option<usize> {
        // A maximum has no branches and vectorises.
        let highest = ids.iter().fold(I::default(), |highest, &id| highest.max(id));
        if highest.bits() < reach && self.refused.is_none() {
            return None;
        }
        ids.iter().position(|&id| {
            if id.bits() < reach {
                let place = usize::try_from(id.bits()).unwrap_or(usize::MAX);
                self.refused.is_some_and(|refused| refused.get(place).is_none_or(|&no| no))
            } else {
                !self.permits(self.value(id))
            }
        })
    }

    #[inline]
    fn new_id<I: Word>(&self, table: &[O], id: I) -> O {
        match usize::try_from(id.bits()).ok().and_then(|place| table.get(place)) {
            Some(&new) => new,
            None => self.outside(id),
        }
    }
}

/// The place of the first id that may not be there; ids are only looked at.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn first_refused<I: Word, O: Word>(
    renumbering: &Renumbering<'_, O>,
    ids: &[I],
    control: &Control,
) -> Result<Option<usize>> {
    let reach = renumbering.reach::<I>() as u64;
    ids.par_chunks(BLOCK)
        .enumerate()
        .map(|(block, ids)| match control.check() {
            Ok(()) => renumbering.first_refused(ids, reach).map(|at| Ok(block * BLOCK + at)),
            Err(cancelled) => Some(Err(cancelled)),
        })
        .find_first(Option::is_some)
        .flatten()
        .transpose()
}

/// Put the new ids of `ids` into `out`, of the same length; none of them is refused.
///
/// # Errors
/// [`crate::Error::Cancelled`].
pub fn renumber<I: Word, O: Word>(
    renumbering: &Renumbering<'_, O>,
    ids: &[I],
    out: &mut [O],
    control: &Control,
) -> Result<()> {
    let table = &renumbering.table[..renumbering.reach::<I>()];
    out.par_chunks_mut(BLOCK).zip(ids.par_chunks(BLOCK)).try_for_each(|(out, ids)| {
        control.check()?;
        for (new, &old) in out.iter_mut().zip(ids) {
            *new = renumbering.new_id(table, old);
        }
        control.advance(ids.len() as u64);
        Ok(())
    })
}

/// Replace ids by new ones, none of them refused. Once begun it is not stopped: it takes no time
/// that anybody would notice, and half of it would be worth nothing.
pub fn renumber_in_place<I: Word>(
    renumbering: &Renumbering<'_, I>,
    ids: &mut [I],
    control: &Control,
) {
    let table = &renumbering.table[..renumbering.reach::<I>()];
    ids.par_chunks_mut(BLOCK).for_each(|ids| {
        for id in ids.iter_mut() {
            *id = renumbering.new_id(table, *id);
        }
        control.advance(ids.len() as u64);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: [u16; 4] = [3, 0, 7, 9];

    fn plain(unknown: Unknown<u16>) -> Renumbering<'static, u16> {
        Renumbering { table: &TABLE, refused: None, ignored: &[], unknown, signed: true }
    }

    fn of<I: Word>(renumbering: &Renumbering<'_, u16>, ids: &[I]) -> Vec<u16> {
        let mut out = vec![1; ids.len()];
        renumber(renumbering, ids, &mut out, &Control::default()).unwrap();
        out
    }

    fn refused<I: Word>(renumbering: &Renumbering<'_, u16>, ids: &[I]) -> Option<usize> {
        first_refused(renumbering, ids, &Control::default()).unwrap()
    }

    #[test]
    fn ids_of_every_width_become_the_tables() {
        let all = plain(Unknown::Refused);
        assert_eq!(of(&all, &[0_u8, 3, 1]), [3, 9, 0]);
        assert_eq!(of(&all, &[0_u16, 3, 1]), [3, 9, 0]);
        assert_eq!(of(&all, &[0_u32, 3, 1]), [3, 9, 0]);
        assert_eq!(of(&all, &[0_u64, 3, 1]), [3, 9, 0]);
        let mut ids = [2_u16; 40_000];
        renumber_in_place(&all, &mut ids, &Control::default());
        assert!(ids.iter().all(|&id| id == 7));
    }

    #[test]
    fn the_first_that_is_outside_is_found_in_any_block() {
        for at in [0, 1, BLOCK - 1, BLOCK, 3 * BLOCK + 5] {
            let mut ids = vec![1_i32.cast_unsigned(); 3 * BLOCK + 9];
            ids[at] = (-100_i32).cast_unsigned();
            ids[3 * BLOCK + 8] = 4;
            assert_eq!(refused(&plain(Unknown::Refused), &ids), Some(at));
            assert_eq!(refused(&plain(Unknown::Become(0)), &ids), None);
            let ignoring = Renumbering { ignored: &[-100], ..plain(Unknown::Refused) };
            assert_eq!(refused(&ignoring, &ids), Some(3 * BLOCK + 8));
        }
    }

    #[test]
    fn what_is_outside_stays_or_becomes_what_was_said() {
        let ids = [(-100_i32).cast_unsigned(), 5, 1];
        let minus = (-100_i16).cast_unsigned();
        assert_eq!(of(&plain(Unknown::Become(2)), &ids), [2, 2, 0]);
        let kept = plain(Unknown::Kept(i128::from(i16::MIN), i128::from(i16::MAX)));
        assert_eq!(of(&kept, &ids), [minus, 5, 0]);
        assert_eq!(refused(&kept, &ids), None);
        assert_eq!(refused(&kept, &[70_000_u32]), Some(0));
        let ignoring = Renumbering { ignored: &[-100], ..plain(Unknown::Become(2)) };
        assert_eq!(of(&ignoring, &ids), [minus, 2, 0]);
        // Without a sign the same bits are a large number.
        let unsigned = Renumbering { signed: false, ..kept };
        assert_eq!(refused(&unsigned, &ids), Some(0));
    }

    #[test]
    fn refused_ids_are_found_and_a_sign_is_never_a_place() {
        let no = [false, false, true, false];
        let strict = Renumbering { refused: Some(&no), ..plain(Unknown::Become(0)) };
        assert_eq!(refused(&strict, &[0_u32, 9, 2, 2]), Some(2));
        let long: Vec<u16> = (0..200).collect();
        let table = Renumbering { table: &long, ..plain(Unknown::Refused) };
        assert_eq!(refused(&table, &[127_u8, 128]), Some(1));
        let unsigned = Renumbering { signed: false, ..table };
        assert_eq!(refused(&unsigned, &[127_u8, 128, 200]), Some(2));
        assert_eq!(of(&unsigned, &[127_u8, 128]), [127, 128]);
    }
}
