//! Embedding files.

use std::collections::BTreeMap;
use std::path::PathBuf;

use half::f16;
use isomorph_core::runtime::Control;
use isomorph_io::safetensors::{self, TensorRef};
use isomorph_io::tensor::{Values, ValuesRef};
use isomorph_io::text::{self, InvalidUtf8, Params, ReadOptions, Vectors};
use isomorph_io::{Duplicates, Watch, Words};
use numpy::{Element, PyArray1, PyArrayMethods};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList, PyString};

use crate::arrays::Borrowed;
use crate::doorway;
use crate::errors::python::DTypeError;

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

macro_rules! arrays {
    ($($variant:ident($type:ty)),* $(,)?) => {
        /// A borrowed array of any type that a safetensors file can hold.
        enum AnyArray<'py> {
            $($variant(Borrowed<'py, $type>)),*
        }

        impl<'py> AnyArray<'py> {
            fn new(array: &Bound<'py, PyAny>) -> PyResult<Self> {
                $(if let Some(array) = Borrowed::new(array, "tensors")? {
                    return Ok(Self::$variant(array));
                })*
                Err(DTypeError::new_err(
                    "tensors: expected NumPy arrays of bool, integers, float16, float32 or float64",
                ))
            }

            fn tensor(&self) -> PyResult<TensorRef<'_>> {
                match self {
                    $(Self::$variant(array) => Ok(TensorRef {
                        shape: array.shape().to_vec(),
                        values: ValuesRef::$variant(array.values("tensors")?),
                    })),*
                }
            }
        }
    };
}

arrays!(
    F32(f32),
    F64(f64),
    F16(f16),
    I8(i8),
    I16(i16),
    I32(i32),
    I64(i64),
    U8(u8),
    U16(u16),
    U32(u32),
    U64(u64),
    Bool(bool),
);

/// Write named arrays (C-contiguous) and string metadata; the file appears whole or not at all.
#[pyfunction]
pub fn write_safetensors(
    py: Python<'_>,
    path: PathBuf,
    tensors: BTreeMap<String, Bound<'_, PyAny>>,
    metadata: BTreeMap<String, String>,
) -> PyResult<()> {
    let arrays = tensors
        .iter()
        .map(|(name, array)| Ok((name.clone(), AnyArray::new(array)?)))
        .collect::<PyResult<BTreeMap<_, _>>>()?;
    let tensors = arrays
        .iter()
        .map(|(name, array)| Ok((name.clone(), array.tensor()?)))
        .collect::<PyResult<BTreeMap<_, _>>>()?;
    doorway::run(py, 1, None, |control| {
        safetensors::write(&path, &tensors, &metadata, &Watcher(control))
    })
}

/// Read all arrays and the metadata. float16 and bfloat16 come as float32.
#[pyfunction]
#[pyo3(signature = (path, progress=None))]
pub fn read_safetensors(
    py: Python<'_>,
    path: PathBuf,
    progress: Option<Py<PyAny>>,
) -> PyResult<(Bound<'_, PyDict>, BTreeMap<String, String>)> {
    let (tensors, metadata) = doorway::run(py, 1, progress.as_ref(), |control| {
        safetensors::read(&path, &Watcher(control))
    })?;
    let arrays = PyDict::new(py);
    for (name, tensor) in tensors {
        arrays.set_item(name, into_array(py, tensor.values, &tensor.shape)?)?;
    }
    Ok((arrays, metadata))
}

fn into_array<'py>(
    py: Python<'py>,
    values: Values,
    shape: &[usize],
) -> PyResult<Bound<'py, PyAny>> {
    match values {
        Values::F32(values) => shaped(py, values, shape),
        Values::F64(values) => shaped(py, values, shape),
        Values::I8(values) => shaped(py, values, shape),
        Values::I16(values) => shaped(py, values, shape),
        Values::I32(values) => shaped(py, values, shape),
        Values::I64(values) => shaped(py, values, shape),
        Values::U8(values) => shaped(py, values, shape),
        Values::U16(values) => shaped(py, values, shape),
        Values::U32(values) => shaped(py, values, shape),
        Values::U64(values) => shaped(py, values, shape),
        Values::Bool(values) => shaped(py, values, shape),
    }
}

/// A NumPy array that takes over `values`.
fn shaped<'py, T: Element>(
    py: Python<'py>,
    values: Vec<T>,
    shape: &[usize],
) -> PyResult<Bound<'py, PyAny>> {
    Ok(PyArray1::from_vec(py, values).reshape(shape)?.into_any())
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
