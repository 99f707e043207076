//! Documents as they are stored.

use std::ops::Range;

use isomorph_kernels::{Isa, Late, Narrow};

use crate::{Error, Result};

/// Where each of a collection's ragged parts begins and ends.
#[derive(Clone, Copy, Debug)]
pub struct Offsets<'a> {
    starts: &'a [i64],
}

impl<'a> Offsets<'a> {
    /// Part `i` is rows `starts[i]..starts[i + 1]` of `rows`.
    ///
    /// # Errors
    /// [`Error::Value`] unless they begin with 0, never decrease and end with `rows`.
    pub fn new(starts: &'a [i64], rows: usize, argument: &'static str) -> Result<Self> {
        let ends = starts.first() == Some(&0)
            && starts.last().and_then(|&last| usize::try_from(last).ok()) == Some(rows);
        if ends && starts.is_sorted() {
            return Ok(Self { starts });
        }
        Err(Error::Value {
            argument,
            expected: format!("offsets that begin with 0, never decrease and end with {rows}"),
            got: format!("{} of them", starts.len()),
        })
    }

    /// How many parts.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.starts.len() - 1
    }

    /// The first row of part `i`; for `i = count`, the number of rows.
    #[must_use]
    pub fn start(&self, i: usize) -> usize {
        // Checked in `new`: neither negative nor larger than a length in memory.
        usize::try_from(self.starts[i]).unwrap_or(0)
    }

    /// The rows of part `i`.
    #[must_use]
    pub fn rows(&self, i: usize) -> Range<usize> {
        self.start(i)..self.start(i + 1)
    }
}

/// Token vectors, row after row.
#[derive(Clone, Copy, Debug)]
pub enum Values<'a, T> {
    /// In the computing type.
    Same(&'a [T]),
    /// IEEE half precision.
    F16(&'a [u16]),
    /// bfloat16.
    Bf16(&'a [u16]),
    /// Integers, to be multiplied by the scale of their row or document: one scale, if there is
    /// one a row, else one a document.
    I8(&'a [i8], &'a [f64]),
}

impl<T> Values<'_, T> {
    const fn len(&self) -> usize {
        match self {
            Self::Same(values) => values.len(),
            Self::F16(bits) | Self::Bf16(bits) => bits.len(),
            Self::I8(values, _) => values.len(),
        }
    }
}

/// Documents: token vectors and where each document begins.
#[derive(Clone, Copy, Debug)]
pub struct Collection<'a, T> {
    pub(super) values: Values<'a, T>,
    pub(super) offsets: Offsets<'a>,
    pub(super) cols: usize,
}

impl<'a, T: Late> Collection<'a, T> {
    /// `values` as rows of `cols`.
    ///
    /// # Errors
    /// [`Error::Shape`] or [`Error::Value`] where lengths or offsets do not fit,
    /// [`Error::NonFinite`] for a scale that is not finite.
    pub fn new(values: Values<'a, T>, cols: usize, starts: &'a [i64]) -> Result<Self> {
        let rows = values.len().checked_div(cols).unwrap_or(0);
        if cols == 0 || rows * cols != values.len() {
            return Err(Error::Shape {
                argument: "documents",
                expected: format!("rows of {cols} values"),
                got: format!("{} values", values.len()),
            });
        }
        let offsets = Offsets::new(starts, rows, "document_offsets")?;
        if let Values::I8(_, scales) = values {
            if scales.len() != rows && scales.len() != offsets.count() {
                return Err(Error::Shape {
                    argument: "document_scales",
                    expected: format!("{rows} scales, one a row, or {}", offsets.count()),
                    got: format!("{}", scales.len()),
                });
            }
            // A scale must also be finite in the computing type, where the filter works.
            if let Some(row) = scales.iter().position(|&scale| !T::from_f64(scale).finite()) {
                return Err(Error::NonFinite { argument: "document_scales", row });
            }
        }
        Ok(Self { values, offsets, cols })
    }

    /// The rows of that range, unscaled, in the computing type: themselves or in `room`.
    pub(super) fn widened<'b>(
        &'b self,
        isa: Isa,
        rows: &Range<usize>,
        room: &'b mut Vec<T>,
    ) -> &'b [T] {
        let range = rows.start * self.cols..rows.end * self.cols;
        let narrow = match self.values {
            Values::Same(values) => return &values[range],
            Values::F16(bits) => Narrow::F16(&bits[range]),
            Values::Bf16(bits) => Narrow::Bf16(&bits[range]),
            Values::I8(values, _) => Narrow::I8(&values[range]),
        };
        room.resize(rows.len() * self.cols, T::default());
        T::widen(isa, narrow, room);
        room
    }

    /// What the widened row `row` of `document` is to be multiplied by; None for 1.
    pub(super) fn scale(&self, document: usize, row: usize) -> Option<f64> {
        match self.values {
            Values::I8(_, scales) if scales.len() == self.offsets.count() => Some(scales[document]),
            Values::I8(_, scales) => Some(scales[row]),
            _ => None,
        }
    }
}
