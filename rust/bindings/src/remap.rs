//! Rows and ids of a vocabulary that is renumbered.

use isomorph_core::vocab::gather::{self, Tables};
use isomorph_core::vocab::renumber::{self, Renumbering, Unknown, Word};
use numpy::Element;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

use crate::align::{contiguous, writable};
use crate::arrays::Borrowed;
use crate::doorway;
use crate::errors::python::DTypeError;

/// Copy rows of tables to `out`, both given as bytes: `parts` are tables, rows of each, bytes from
/// one to the next, bytes of a row.
#[pyfunction]
pub fn gather_rows(
    py: Python<'_>,
    data: &Bound<'_, PyAny>,
    parts: (usize, usize, usize, usize),
    index: &Bound<'_, PyAny>,
    out: &Bound<'_, PyAny>,
    threads: usize,
) -> PyResult<()> {
    let data = Borrowed::<u8>::expect(data, "rows", "uint8")?;
    let index = Borrowed::<i64>::expect(index, "index", "int64")?;
    let (count, rows, stride, width) = parts;
    let tables = Tables { data: data.values("rows")?, count, rows, stride, width };
    let index = index.values("index")?;
    let mut out = writable::<u8>(out, "out")?;
    let out = contiguous(&mut out, "out")?;
    doorway::run(py, threads, None, |control| gather::gather(tables, index, out, control))
}

/// What a caller says of ids that the table does not have, and of those it may not have.
struct Rules<'py> {
    refused: Option<Borrowed<'py, bool>>,
    ignored: Vec<i64>,
    signed: bool,
    unknown: Unknown<u64>,
    threads: usize,
}

impl Rules<'_> {
    fn with<'a, O: Word>(&'a self, table: &'a [O]) -> PyResult<Renumbering<'a, O>> {
        let refused = self.refused.as_ref().map(|refused| refused.values("refused"));
        Ok(Renumbering {
            table,
            refused: refused.transpose()?,
            ignored: &self.ignored,
            unknown: match self.unknown {
                Unknown::Refused => Unknown::Refused,
                Unknown::Become(bits) => Unknown::Become(O::from_bits(bits)),
                Unknown::Kept(low, high) => Unknown::Kept(low, high),
            },
            signed: self.signed,
        })
    }

    fn apart<I: Word + Element, O: Word + Element>(
        &self,
        py: Python<'_>,
        ids: &Borrowed<'_, I>,
        table: &Borrowed<'_, O>,
        out: &Bound<'_, PyAny>,
    ) -> PyResult<Option<usize>> {
        let renumbering = self.with(table.values("table")?)?;
        let ids = ids.values("tokens")?;
        let mut out = writable::<O>(out, "out")?;
        let out = contiguous(&mut out, "out")?;
        if ids.len() != out.len() {
            return Err(PyValueError::new_err("out: expected as many ids as tokens"));
        }
        doorway::run(py, self.threads, None, |control| {
            let refused = renumber::first_refused(&renumbering, ids, control)?;
            if refused.is_none() {
                renumber::renumber(&renumbering, ids, out, control)?;
            }
            Ok::<_, isomorph_core::Error>(refused)
        })
    }

    fn in_place<I: Word + Element>(
        &self,
        py: Python<'_>,
        ids: &Bound<'_, PyAny>,
        table: &Bound<'_, PyAny>,
    ) -> PyResult<Option<usize>> {
        let table = Borrowed::<I>::expect(table, "table", "the type of tokens")?;
        let renumbering = self.with(table.values("table")?)?;
        let mut ids = writable::<I>(ids, "tokens")?;
        let ids = contiguous(&mut ids, "tokens")?;
        doorway::run(py, self.threads, None, |control| {
            let refused = renumber::first_refused(&renumbering, ids, control)?;
            if refused.is_none() {
                renumber::renumber_in_place(&renumbering, ids, control);
            }
            Ok::<_, isomorph_core::Error>(refused)
        })
    }
}

/// Renumber ids, given as unsigned integers of their width, by a table of new ones, into `out` or
/// in place. Returns the place of the first that is refused; then nothing was written.
///
/// `unknown` is what ids outside the table become: nothing (they are refused), the bits of a new
/// id, or themselves, if they lie in a range.
#[pyfunction]
#[pyo3(signature = (tokens, table, out, *, refused, ignored, signed, become_, kept, threads))]
#[expect(clippy::too_many_arguments, reason = "keywords in Python")]
pub fn renumber_ids(
    py: Python<'_>,
    tokens: &Bound<'_, PyAny>,
    table: &Bound<'_, PyAny>,
    out: Option<&Bound<'_, PyAny>>,
    refused: Option<&Bound<'_, PyAny>>,
    ignored: Vec<i64>,
    signed: bool,
    become_: Option<u64>,
    kept: Option<(i128, i128)>,
    threads: usize,
) -> PyResult<Option<usize>> {
    let unknown = match (become_, kept) {
        (Some(bits), _) => Unknown::Become(bits),
        (None, Some((low, high))) => Unknown::Kept(low, high),
        (None, None) => Unknown::Refused,
    };
    let refused = refused.map(|array| Borrowed::expect(array, "refused", "bool")).transpose()?;
    let rules = Rules { refused, ignored, signed, unknown, threads };
    macro_rules! of_width {
        ($($old:ty),*) => {
            match out {
                $(None if Borrowed::<$old>::new(table, "table")?.is_some() => {
                    rules.in_place::<$old>(py, tokens, table)
                })*
                None => Err(wrong_type()),
                Some(out) => {
                    $(if let Some(ids) = Borrowed::<$old>::new(tokens, "tokens")? {
                        return into(py, &rules, &ids, table, out);
                    })*
                    Err(wrong_type())
                }
            }
        };
    }
    of_width!(u8, u16, u32, u64)
}

fn into<I: Word + Element>(
    py: Python<'_>,
    rules: &Rules<'_>,
    ids: &Borrowed<'_, I>,
    table: &Bound<'_, PyAny>,
    out: &Bound<'_, PyAny>,
) -> PyResult<Option<usize>> {
    macro_rules! of_width {
        ($($new:ty),*) => {
            $(if let Some(table) = Borrowed::<$new>::new(table, "table")? {
                return rules.apart(py, ids, &table, out);
            })*
        };
    }
    of_width!(u8, u16, u32, u64);
    Err(wrong_type())
}

fn wrong_type() -> PyErr {
    DTypeError::new_err("tokens, table: expected unsigned integers")
}
