//! Rows as sums of weighted rows: a sparse matrix times a table.

use isomorph_kernels::{Isa, Late, Narrow, add_four, add_weighted, set_weighted};
use rayon::prelude::*;

use crate::late_interaction::{Offsets, Values};
use crate::runtime::Control;
use crate::{Error, Result};

/// Rows of the result in one task.
const ROWS: usize = 64;

/// Numbers of rows, as they are stored.
#[derive(Clone, Copy, Debug)]
pub enum Ids<'a> {
    /// 32 bits.
    I32(&'a [i32]),
    /// 64 bits.
    I64(&'a [i64]),
}

impl Ids<'_> {
    const fn len(&self) -> usize {
        match self {
            Self::I32(ids) => ids.len(),
            Self::I64(ids) => ids.len(),
        }
    }

    /// The id of an entry; a negative one becomes larger than any.
    fn get(&self, entry: usize) -> usize {
        match self {
            Self::I32(ids) => usize::try_from(ids[entry]).unwrap_or(usize::MAX),
            Self::I64(ids) => usize::try_from(ids[entry]).unwrap_or(usize::MAX),
        }
    }
}

/// Weights, as they are stored.
#[derive(Clone, Copy, Debug)]
pub enum Weights<'a> {
    /// Single precision.
    F32(&'a [f32]),
    /// Double precision.
    F64(&'a [f64]),
}

impl Weights<'_> {
    const fn len(&self) -> usize {
        match self {
            Self::F32(weights) => weights.len(),
            Self::F64(weights) => weights.len(),
        }
    }

    fn get<T: Late>(&self, entry: usize) -> T {
        match self {
            Self::F32(weights) => T::from_f32(weights[entry]),
            Self::F64(weights) => T::from_f64(weights[entry]),
        }
    }
}

/// A sparse matrix in compressed rows: row `t` has the entries `starts[t]..starts[t + 1]`.
#[derive(Clone, Copy, Debug)]
pub struct Entries<'a> {
    offsets: Offsets<'a>,
    ids: Ids<'a>,
    weights: Weights<'a>,
}

impl<'a> Entries<'a> {
    /// A matrix of `columns` columns.
    ///
    /// # Errors
    /// [`Error::Shape`] or [`Error::Value`] when lengths, offsets or ids do not fit.
    pub fn new(
        starts: &'a [i64],
        ids: Ids<'a>,
        weights: Weights<'a>,
        columns: usize,
    ) -> Result<Self> {
        if weights.len() != ids.len() {
            return Err(Error::Shape {
                argument: "weights",
                expected: format!("{} entries", ids.len()),
                got: format!("{}", weights.len()),
            });
        }
        let offsets = Offsets::new(starts, ids.len(), "indptr")?;
        match (0..ids.len()).find(|&entry| ids.get(entry) >= columns) {
            Some(entry) => Err(Error::Value {
                argument: "indices",
                expected: format!("ids below {columns}"),
                got: format!("another at entry {entry}"),
            }),
            None => Ok(Self { offsets, ids, weights }),
        }
    }
}

/// The rows of a table, `cols` values each.
#[derive(Clone, Copy, Debug)]
pub struct Table<'a, T> {
    /// Row after row; integers are not taken.
    pub values: Values<'a, T>,
    /// Values of a row.
    pub cols: usize,
}

impl<T: Late> Table<'_, T> {
    /// A row: itself, or widened in `room`.
    fn row<'b>(&'b self, isa: Isa, row: usize, room: &'b mut [T]) -> &'b [T] {
        let range = row * self.cols..(row + 1) * self.cols;
        let narrow = match self.values {
            Values::Same(values) => return &values[range],
            Values::F16(bits) => Narrow::F16(&bits[range]),
            Values::Bf16(bits) => Narrow::Bf16(&bits[range]),
            Values::I8(values, _) => Narrow::I8(&values[range]),
        };
        T::widen(isa, narrow, room);
        room
    }
}

/// Row `t` of `out` is the sum over the entries of row `t`, in their order, of weight times row.
///
/// Each product and each sum is rounded to T, so the bytes depend on neither threads nor instruction
/// set. A single entry of weight 1 is a copy; a row without entries is 0. O(entries * cols); memory:
/// one row a thread where rows are widened.
///
/// # Errors
/// [`Error::Shape`] when `out` does not fit, [`Error::Cancelled`].
pub fn mix_rows<T: Late>(
    entries: Entries<'_>,
    table: Table<'_, T>,
    out: &mut [T],
    control: &Control,
) -> Result<()> {
    let (rows, cols) = (entries.offsets.count(), table.cols);
    if cols == 0 || out.len() != rows * cols {
        return Err(Error::Shape {
            argument: "out",
            expected: format!("{rows} x {cols} values"),
            got: format!("{}", out.len()),
        });
    }
    let isa = Isa::chosen().map_err(Error::Isa)?;
    control.start(rows.div_ceil(ROWS) as u64);
    out.par_chunks_mut(ROWS * cols).enumerate().try_for_each_init(
        || vec![T::default(); cols],
        |room, (chunk, out)| {
            control.check()?;
            for (t, to) in out.chunks_exact_mut(cols).enumerate() {
                mix_row(isa, entries, entries.offsets.rows(chunk * ROWS + t), table, room, to);
            }
            control.advance(1);
            Ok(())
        },
    )
}

fn mix_row<T: Late>(
    isa: Isa,
    Entries { ids, weights, .. }: Entries<'_>,
    range: std::ops::Range<usize>,
    table: Table<'_, T>,
    room: &mut [T],
    to: &mut [T],
) {
    if range.is_empty() {
        to.fill(T::default());
        return;
    }
    let first = range.start;
    let alone = range.len() == 1;
    let mut range = range;
    if let Values::Same(values) = table.values
        && range.len() > 4
    {
        let row = |entry: usize| &values[ids.get(entry) * table.cols..][..table.cols];
        set_weighted(isa, weights.get(first), row(first), to);
        range.start += 1;
        while range.len() >= 4 {
            let four: [usize; 4] = std::array::from_fn(|n| range.start + n);
            add_four(isa, four.map(|entry| weights.get(entry)), four.map(row), to);
            range.start += 4;
        }
    }
    for entry in range {
        let weight: T = weights.get(entry);
        let row = table.row(isa, ids.get(entry), room);
        if alone && weight == T::from_f32(1.0) {
            to.copy_from_slice(row);
        } else if entry == first {
            set_weighted(isa, weight, row, to);
        } else {
            add_weighted(isa, weight, row, to);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COLS: usize = 5;

    fn table() -> Vec<f32> {
        (0..7 * COLS).map(|i| (i as f32).sin()).collect()
    }

    fn mixed(starts: &[i64], ids: &[i32], weights: &[f32]) -> Result<Vec<f32>> {
        let values = table();
        let entries = Entries::new(starts, Ids::I32(ids), Weights::F32(weights), 7)?;
        let mut out = vec![f32::NAN; (starts.len() - 1) * COLS];
        let table = Table { values: Values::Same(&values), cols: COLS };
        mix_rows(entries, table, &mut out, &Control::default())?;
        Ok(out)
    }

    #[test]
    fn rows_are_sums_copies_and_zeros() {
        let found = mixed(&[0, 2, 2, 3], &[6, 1, 4], &[0.5, 0.25, 1.0]).unwrap();
        let values = table();
        for (i, found) in found.iter().enumerate() {
            let column = i % COLS;
            let expected = match i / COLS {
                0 => 0.5 * values[6 * COLS + column] + 0.25 * values[COLS + column],
                1 => 0.0,
                _ => values[4 * COLS + column],
            };
            assert_eq!(found.to_bits(), expected.to_bits());
        }
    }

    #[test]
    fn many_rows_go_to_their_places_whatever_the_types() {
        let rows = 3 * ROWS + 5;
        let starts: Vec<i64> = (0..=rows as i64).collect();
        let ids: Vec<i64> = (0..rows as i64).map(|t| t % 7).collect();
        let weights = vec![2.0f64; rows];
        let bits: Vec<u16> = (0..7 * COLS).map(|i| 0x3c00 + i as u16).collect();
        let entries = Entries::new(&starts, Ids::I64(&ids), Weights::F64(&weights), 7).unwrap();
        let mut out = vec![0.0f32; rows * COLS];
        let table = Table { values: Values::F16(&bits), cols: COLS };
        mix_rows(entries, table, &mut out, &Control::default()).unwrap();
        for (i, found) in out.iter().enumerate() {
            // Half precision from 1 up counts in steps of 2^-10.
            let step = (i / COLS % 7) * COLS + i % COLS;
            assert_eq!(*found, 2.0 + step as f32 / 512.0);
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(mixed(&[0, 1], &[7], &[1.0]).is_err());
        assert!(mixed(&[0, 1], &[-1], &[1.0]).is_err());
        assert!(mixed(&[0, 2], &[1], &[1.0]).is_err());
        assert!(mixed(&[0, 1], &[1], &[1.0, 2.0]).is_err());
        assert!(mixed(&[0, 1, 0], &[], &[]).is_err());
        assert!(mixed(&[], &[], &[]).is_err());
    }
}
