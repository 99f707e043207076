//! Rows of tables, taken by number.

use isomorph_kernels::{Table, gather_rows};
use rayon::prelude::*;

use crate::runtime::Control;
use crate::{Error, Result};

/// Bytes of one task.
const BLOCK: usize = 1 << 19;

/// Tables of one shape, one after the other: the rows of one are numbered by id.
#[derive(Debug, Clone, Copy)]
pub struct Tables<'a> {
    /// Their bytes.
    pub data: &'a [u8],
    /// How many there are.
    pub count: usize,
    /// Rows of one table.
    pub rows: usize,
    /// Bytes from one row to the next.
    pub stride: usize,
    /// Bytes of a row.
    pub width: usize,
}

impl<'a> Tables<'a> {
    fn get(&self, number: usize) -> Table<'a> {
        let first = number * self.rows * self.stride;
        let data = self.data.get(first..).unwrap_or_default();
        Table { data, rows: self.rows, stride: self.stride, width: self.width }
    }
}

/// Copy the rows `index` of each table to `out`: (tables, numbers, bytes of a row).
///
/// O(bytes of `out`), no memory.
///
/// # Errors
/// [`Error::Shape`] when `out` has another size, [`Error::Value`] for a number that is no row,
/// [`Error::Cancelled`].
pub fn gather(tables: Tables<'_>, index: &[i64], out: &mut [u8], control: &Control) -> Result<()> {
    let slab = index.len() * tables.width;
    if out.len() != tables.count * slab {
        return Err(Error::Shape {
            argument: "out",
            expected: format!("{} bytes", tables.count * slab),
            got: out.len().to_string(),
        });
    }
    if slab == 0 {
        return Ok(());
    }
    control.start(out.len() as u64);
    let rows = (BLOCK / tables.width).max(1);
    out.par_chunks_mut(slab).enumerate().try_for_each(|(number, out)| {
        let table = tables.get(number);
        out.par_chunks_mut(rows * tables.width)
            .zip(index.par_chunks(rows))
            .enumerate()
            .try_for_each(|(block, (out, index))| {
                control.check()?;
                gather_rows(table, index, None, out).map_err(|place| Error::Value {
                    argument: "index",
                    expected: format!("rows below {}", tables.rows),
                    got: format!("{} at entry {}", index[place], block * rows + place),
                })?;
                control.advance(out.len() as u64);
                Ok(())
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_and_tables_follow_each_other() {
        let (count, rows, width, stride) = (3, 1000, 700, 701);
        let data: Vec<u8> = (0..count * rows * stride).map(|i| (i % 251) as u8).collect();
        let tables = Tables { data: &data, count, rows, stride, width };
        let index: Vec<i64> = (0..1500).map(|i| (i * 37) % 1000).collect();
        let mut out = vec![0; count * index.len() * width];
        gather(tables, &index, &mut out, &Control::default()).unwrap();
        for (place, row) in out.chunks(width).enumerate() {
            let (table, entry) = (place / index.len(), place % index.len());
            let first = (table * rows + index[entry] as usize) * stride;
            assert_eq!(row, &data[first..first + width]);
        }
    }

    #[test]
    fn a_number_that_is_no_row_is_named() {
        let tables = Tables { data: &[1, 2], count: 1, rows: 2, stride: 1, width: 1 };
        let error = gather(tables, &[0, -1], &mut [0; 2], &Control::default()).unwrap_err();
        assert_eq!(error.to_string(), "index: expected rows below 2, got -1 at entry 1");
        let error = gather(tables, &[0], &mut [0; 2], &Control::default()).unwrap_err();
        assert!(matches!(error, Error::Shape { .. }));
        assert_eq!(gather(tables, &[], &mut [], &Control::default()), Ok(()));
    }
}
