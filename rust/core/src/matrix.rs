//! Row-major matrix views.

use crate::{Error, Result};

/// A read-only matrix: `rows` rows of `cols` values, row after row.
#[derive(Clone, Copy, Debug)]
pub struct MatRef<'a, T> {
    data: &'a [T],
    rows: usize,
    cols: usize,
}

impl<'a, T> MatRef<'a, T> {
    /// A view of `data` as `rows` x `cols`.
    ///
    /// # Errors
    /// [`Error::Shape`] when the slice has another length.
    pub fn new(data: &'a [T], rows: usize, cols: usize) -> Result<Self> {
        if rows.checked_mul(cols) == Some(data.len()) {
            Ok(Self { data, rows, cols })
        } else {
            Err(Error::Shape {
                argument: "matrix",
                expected: format!("{rows} x {cols} values"),
                got: format!("{} values", data.len()),
            })
        }
    }

    /// How many rows.
    #[must_use]
    pub const fn rows(&self) -> usize {
        self.rows
    }

    /// How many columns.
    #[must_use]
    pub const fn cols(&self) -> usize {
        self.cols
    }

    /// Row `i`.
    #[must_use]
    pub fn row(&self, i: usize) -> &'a [T] {
        &self.data[i * self.cols..(i + 1) * self.cols]
    }

    /// Rows `start..end` as a view.
    #[must_use]
    pub fn slice(&self, start: usize, end: usize) -> Self {
        Self {
            data: &self.data[start * self.cols..end * self.cols],
            rows: end - start,
            cols: self.cols,
        }
    }

    /// All values, row after row.
    #[must_use]
    pub const fn data(&self) -> &'a [T] {
        self.data
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_and_slices_view_the_same_values() {
        let data: Vec<u8> = (0..12).collect();
        let matrix = MatRef::new(&data, 4, 3).unwrap();
        assert_eq!(matrix.row(2), &[6, 7, 8]);
        assert_eq!(matrix.slice(1, 3).row(1), &[6, 7, 8]);
    }

    #[test]
    fn a_wrong_length_or_an_overflowing_shape_is_refused() {
        assert!(MatRef::new(&[0u8; 5], 2, 3).is_err());
        assert!(MatRef::new(&[0u8; 0], usize::MAX, 2).is_err());
    }
}
