//! Rows of bytes, gathered by number: what they mean is nobody's business here.

/// Rows of `width` bytes in a table, each `stride` bytes after the one before it.
#[derive(Debug, Clone, Copy)]
pub struct Table<'a> {
    /// Its bytes.
    pub data: &'a [u8],
    /// How many rows it has.
    pub rows: usize,
    /// From one row to the next; at least `width`.
    pub stride: usize,
    /// Bytes of a row.
    pub width: usize,
}

impl<'a> Table<'a> {
    /// A row, if there is one of this number.
    #[inline]
    fn row(&self, number: i64) -> Option<&'a [u8]> {
        let number = usize::try_from(number).ok().filter(|&number| number < self.rows)?;
        self.data.get(number * self.stride..)?.get(..self.width)
    }
}

/// Copy the rows `index` of `table` to `out`, one after the other; a number that the table does not
/// have gives `padding`.
///
/// O(bytes of `out`). A number without a row and without padding is an error: its place in
/// `index`. Every value is checked, so a wrong `table` cannot be read beyond its end.
pub fn gather_rows(
    table: Table<'_>,
    index: &[i64],
    padding: Option<&[u8]>,
    out: &mut [u8],
) -> Result<(), usize> {
    let adjacent = table.stride == table.width;
    match table.width {
        0 => Ok(()),
        1 if adjacent => narrow::<1>(table, index, padding, out),
        2 if adjacent => narrow::<2>(table, index, padding, out),
        4 if adjacent => narrow::<4>(table, index, padding, out),
        8 if adjacent => narrow::<8>(table, index, padding, out),
        width => {
            for (place, (&number, row)) in index.iter().zip(out.chunks_exact_mut(width)).enumerate()
            {
                let found = table.row(number).or(padding).filter(|found| found.len() == width);
                row.copy_from_slice(found.ok_or(place)?);
            }
            Ok(())
        }
    }
}

/// Rows of a width that is known when this is compiled: single moves.
fn narrow<const WIDTH: usize>(
    table: Table<'_>,
    index: &[i64],
    padding: Option<&[u8]>,
    out: &mut [u8],
) -> Result<(), usize> {
    let (values, _) = table.data.as_chunks::<WIDTH>();
    let values = &values[..table.rows.min(values.len())];
    let padding = padding.and_then(|bytes| <[u8; WIDTH]>::try_from(bytes).ok());
    let (out, _) = out.as_chunks_mut::<WIDTH>();
    for (place, (&number, value)) in index.iter().zip(out).enumerate() {
        let found = usize::try_from(number).ok().and_then(|number| values.get(number));
        *value = *found.or(padding.as_ref()).ok_or(place)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(count: usize) -> Vec<u8> {
        (0..count).map(|i| (i * 7 + 3) as u8).collect()
    }

    #[test]
    fn rows_of_every_width_are_those_of_a_plain_loop() {
        for width in 1..20 {
            for stride in [width, width + 3] {
                let data = bytes(9 * stride + width);
                let table = Table { data: &data, rows: 10, stride, width };
                let index = [9, 0, 0, 4, 8];
                let mut out = vec![0; index.len() * width];
                gather_rows(table, &index, None, &mut out).unwrap();
                for (row, &number) in out.chunks(width).zip(&index) {
                    assert_eq!(row, &data[number as usize * stride..][..width]);
                }
            }
        }
    }

    #[test]
    fn what_is_not_there_is_padding_or_named() {
        for width in [1, 2, 3, 4, 8] {
            let data = bytes(3 * width);
            let table = Table { data: &data, rows: 3, stride: width, width };
            let mut out = vec![0; 2 * width];
            for absent in [-1, 3, i64::MIN, i64::MAX] {
                let padding = vec![5; width];
                gather_rows(table, &[1, absent], Some(&padding), &mut out).unwrap();
                assert_eq!(out[width..], padding);
                assert_eq!(gather_rows(table, &[1, absent], None, &mut out), Err(1));
                assert_eq!(gather_rows(table, &[absent], Some(&[0; 32]), &mut out), Err(0));
            }
            // A table that says it has more than it has is not believed.
            let table = Table { rows: 9, ..table };
            assert_eq!(gather_rows(table, &[8], None, &mut out), Err(0));
        }
    }

    #[test]
    fn rows_without_bytes_are_no_work() {
        let table = Table { data: &[], rows: 3, stride: 0, width: 0 };
        assert_eq!(gather_rows(table, &[0, 2], None, &mut []), Ok(()));
    }
}
