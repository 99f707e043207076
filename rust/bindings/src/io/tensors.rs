//! Named tensors in safetensors files.

use std::collections::BTreeMap;
use std::path::PathBuf;

use half::f16;
use isomorph_io::safetensors::{self, TensorRef};
use isomorph_io::tensor::{Values, ValuesRef};
use numpy::{Element, PyArray1, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::Watcher;
use crate::arrays::Borrowed;
use crate::doorway;
use crate::errors::Fault;
use crate::errors::python::DTypeError;

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

/// Read all arrays, or the named ones, and the metadata. float16 and bfloat16 come as float32.
#[pyfunction]
#[pyo3(signature = (path, progress=None, names=None))]
pub fn read_safetensors(
    py: Python<'_>,
    path: PathBuf,
    progress: Option<Py<PyAny>>,
    names: Option<Vec<String>>,
) -> PyResult<(Bound<'_, PyDict>, BTreeMap<String, String>)> {
    let (tensors, metadata) = doorway::run(py, 1, progress.as_ref(), |control| {
        safetensors::read(&path, names.as_deref(), &Watcher(control))
    })?;
    let arrays = PyDict::new(py);
    for (name, tensor) in tensors {
        arrays.set_item(name, into_array(py, tensor.values, &tensor.shape)?)?;
    }
    Ok((arrays, metadata))
}

pub(super) fn into_array<'py>(
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
pub(super) fn shaped<'py, T: Element>(
    py: Python<'py>,
    values: Vec<T>,
    shape: &[usize],
) -> PyResult<Bound<'py, PyAny>> {
    Ok(PyArray1::from_vec(py, values).reshape(shape)?.into_any())
}

/// Name, type and shape of each tensor, in the order of the file.
type Tensors = Vec<(String, String, Vec<usize>)>;

/// Read the header only: the tensors and the metadata.
#[pyfunction]
pub fn safetensors_header(path: PathBuf) -> PyResult<(Tensors, BTreeMap<String, String>)> {
    let header = safetensors::read_header(&path).map_err(Fault::from)?;
    Ok((header.tensors, header.metadata))
}
