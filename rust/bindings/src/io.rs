//! Embedding files.

mod rows;
mod tensors;

use std::path::PathBuf;

use half::f16;
use isomorph_core::runtime::Control;
use isomorph_io::npy;
use isomorph_io::tensor::ValuesRef;
use isomorph_io::text::print::{MOST_DIGITS, Style, print_rows};
use isomorph_io::text::{self, InvalidUtf8, Params, ReadOptions, Vectors};
use isomorph_io::words;
use isomorph_io::{Duplicates, Error, Watch, Words};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList, PyString};

use crate::arrays::Borrowed;
use crate::doorway;
use crate::errors::Fault;
use crate::errors::python::DTypeError;
use tensors::{into_array, shaped};

pub use rows::{TensorFile, read_rows};
pub use tensors::{read_safetensors, safetensors_header, write_safetensors};

/// A job's control, as the files' crate sees it.
struct Watcher<'a>(&'a Control);

impl Watch for Watcher<'_> {
    fn start(&self, total: u64) {
        self.0.start(total);
    }

    fn advance(&self, bytes: u64) -> bool {
        self.0.advance(bytes);
        !self.0.is_cancelled()
    }
}

/// Read a text file: the words, their vectors, and how many rows there were before repeated words
/// were dropped.
#[pyfunction]
#[pyo3(signature = (path, *, limit, header, duplicates, errors, threads, progress))]
#[expect(clippy::too_many_arguments, reason = "keywords in Python")]
pub fn read_text<'py>(
    py: Python<'py>,
    path: PathBuf,
    limit: Option<usize>,
    header: Option<bool>,
    duplicates: &str,
    errors: &str,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<(Bound<'py, PyList>, Bound<'py, PyAny>, usize)> {
    let options = ReadOptions {
        limit,
        header,
        duplicates: duplicates_policy(duplicates)?,
        invalid_utf8: invalid_utf8(errors)?,
        params: Params::default(),
    };
    let read = doorway::run(py, threads, progress.as_ref(), |control| {
        text::read(&path, &options, &Watcher(control))
    })?;
    let shape = [read.words.len(), read.dimension];
    Ok((PyList::new(py, read.words.iter())?, shaped(py, read.vectors, &shape)?, read.rows_read))
}

/// Write words and their vectors (float32, C-contiguous) as text.
#[pyfunction]
#[pyo3(signature = (path, words, vectors, *, gzip, threads, progress))]
pub fn write_text(
    py: Python<'_>,
    path: PathBuf,
    words: &Bound<'_, PyList>,
    vectors: &Bound<'_, PyAny>,
    gzip: bool,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<()> {
    let words = packed(words)?;
    let array = Borrowed::<f32>::expect(vectors, "vectors", "float32")?;
    let vectors = Vectors {
        words: &words,
        values: array.values("vectors")?,
        dimension: array.shape().last().copied().unwrap_or(0),
    };
    doorway::run(py, threads, progress.as_ref(), |control| {
        text::write(&path, vectors, gzip, Params::default(), &Watcher(control))
    })
}

/// Rows of a C-contiguous matrix of float32 or float64, printed as C does by `%.Nf`, or by `%.Ng` if
/// `general`: a space before each number, a line feed after each row.
#[pyfunction]
pub fn print_numbers<'py>(
    py: Python<'py>,
    values: &Bound<'py, PyAny>,
    general: bool,
    digits: usize,
) -> PyResult<Bound<'py, PyBytes>> {
    if !(1..=MOST_DIGITS).contains(&digits) {
        return Err(PyValueError::new_err(format!(
            "digits: expected 1 to {MOST_DIGITS}, got {digits}"
        )));
    }
    let style = if general { Style::General } else { Style::Fixed };
    let columns = |shape: &[usize]| shape.last().copied().unwrap_or(0);
    let mut text = Vec::new();
    if let Some(array) = Borrowed::<f32>::new(values, "values")? {
        let (numbers, columns) = (array.values("values")?, columns(array.shape()));
        py.detach(|| print_rows(numbers, columns, style, digits, &mut text));
    } else {
        let array = Borrowed::<f64>::expect(values, "values", "float32 or float64")?;
        let (numbers, columns) = (array.values("values")?, columns(array.shape()));
        py.detach(|| print_rows(numbers, columns, style, digits, &mut text));
    }
    Ok(PyBytes::new(py, &text))
}

/// What the first line of a text file says: rows (None without a header), dimension, whether the
/// file is compressed.
#[pyfunction]
pub fn text_header(path: PathBuf, header: Option<bool>) -> PyResult<(Option<u64>, usize, bool)> {
    let options = ReadOptions { header, ..ReadOptions::default() };
    let header = text::read_header(&path, &options).map_err(Fault::from)?;
    Ok((header.rows, header.dimension, header.gzip))
}

/// Read an npy matrix, or its first rows; float16 comes as float32.
#[pyfunction]
#[pyo3(signature = (path, *, limit, progress))]
pub fn read_npy(
    py: Python<'_>,
    path: PathBuf,
    limit: Option<usize>,
    progress: Option<Py<PyAny>>,
) -> PyResult<Bound<'_, PyAny>> {
    let matrix = doorway::run(py, 1, progress.as_ref(), |control| {
        npy::read(&path, limit, &Watcher(control))
    })?;
    into_array(py, matrix.values, &[matrix.rows, matrix.columns])
}

/// Rows, columns and type of an npy matrix, checked against the file's size.
#[pyfunction]
pub fn npy_header(path: PathBuf) -> PyResult<(usize, usize, &'static str)> {
    let header = npy::read_header(&path).map_err(Fault::from)?;
    Ok((header.rows, header.columns, header.float.name()))
}

/// Write a C-contiguous matrix of float16, float32 or float64, and its words beside it.
#[pyfunction]
#[pyo3(signature = (path, array, *, words_path, words, progress))]
pub fn write_npy(
    py: Python<'_>,
    path: PathBuf,
    array: &Bound<'_, PyAny>,
    words_path: PathBuf,
    words: &Bound<'_, PyList>,
    progress: Option<Py<PyAny>>,
) -> PyResult<()> {
    let words = packed(words)?;
    let save = |shape: &[usize], values: ValuesRef<'_>| {
        let &[rows, columns] = shape else {
            return Err(DTypeError::new_err("array: expected a matrix"));
        };
        let list = Some((words_path.as_path(), &words));
        doorway::run(py, 1, progress.as_ref(), |control| {
            npy::write(&path, values, (rows, columns), list, &Watcher(control))
        })
    };
    if let Some(array) = Borrowed::<f16>::new(array, "array")? {
        return save(array.shape(), ValuesRef::F16(array.values("array")?));
    }
    if let Some(array) = Borrowed::<f32>::new(array, "array")? {
        return save(array.shape(), ValuesRef::F32(array.values("array")?));
    }
    let array = Borrowed::<f64>::expect(array, "array", "float16, float32 or float64")?;
    save(array.shape(), ValuesRef::F64(array.values("array")?))
}

/// Read a list of words, one a line.
#[pyfunction]
pub fn read_words<'py>(
    py: Python<'py>,
    path: PathBuf,
    errors: &str,
) -> PyResult<Bound<'py, PyList>> {
    let invalid_utf8 = invalid_utf8(errors)?;
    let words = doorway::run(py, 1, None, |control| {
        words::read_list(&path, invalid_utf8, &Watcher(control))
    })?;
    PyList::new(py, words.iter())
}

/// The rows that stay when repeated words are dropped; None if there are none. `path` is where
/// the words come from, for the error.
#[pyfunction]
pub fn unique_rows(
    path: PathBuf,
    words: &Bound<'_, PyList>,
    duplicates: &str,
) -> PyResult<Option<Vec<usize>>> {
    words::unique_rows(&packed(words)?, duplicates_policy(duplicates)?).map_err(|repeated| {
        let words::Repeated { word, first, again } = repeated;
        Fault::from(Error::DuplicateRow { path, row: again, first, word }).into()
    })
}

fn packed(words: &Bound<'_, PyList>) -> PyResult<Words> {
    let mut packed = Words::default();
    for word in words {
        packed.push(word.cast::<PyString>()?.to_str()?);
    }
    Ok(packed)
}

fn duplicates_policy(name: &str) -> PyResult<Duplicates> {
    match name {
        "first" => Ok(Duplicates::First),
        "last" => Ok(Duplicates::Last),
        "error" => Ok(Duplicates::Error),
        other => Err(PyValueError::new_err(format!(
            "duplicates: expected 'first', 'last' or 'error', got {other:?}"
        ))),
    }
}

fn invalid_utf8(name: &str) -> PyResult<InvalidUtf8> {
    match name {
        "strict" => Ok(InvalidUtf8::Error),
        "replace" => Ok(InvalidUtf8::Replace),
        other => Err(PyValueError::new_err(format!(
            "errors: expected 'strict' or 'replace', got {other:?}"
        ))),
    }
}
