//! NumPy arrays as matrix views. The Python side has made them C-contiguous and aligned; what is
//! not so is refused here all the same, never read wrongly.

use isomorph_core::matrix::MatRef;
use numpy::{Element, PyArrayDyn, PyArrayMethods, PyReadonlyArrayDyn, PyUntypedArrayMethods};
use pyo3::prelude::*;

use crate::doorway;
use crate::errors::{Fault, python::DTypeError};

/// A borrowed array whose values stay in place, and unwritten by rust-numpy, while it lives.
pub struct Borrowed<'py, T: Element> {
    array: PyReadonlyArrayDyn<'py, T>,
    shape: Vec<usize>,
}

impl<'py, T: Element> Borrowed<'py, T> {
    /// Borrow `array`; `None` when its type is not `T`.
    pub fn new(array: &Bound<'py, PyAny>, name: &'static str) -> PyResult<Option<Self>> {
        let Ok(array) = array.cast::<PyArrayDyn<T>>() else {
            return Ok(None);
        };
        let shape = array.shape().to_vec();
        // `readonly()` would panic on a conflict.
        let array = array.try_readonly().map_err(|error| {
            DTypeError::new_err(format!("{name}: the array is being written elsewhere: {error}"))
        })?;
        Ok(Some(Self { array, shape }))
    }

    /// Borrow `array`, which must have type `T`.
    pub fn expect(array: &Bound<'py, PyAny>, name: &'static str, dtype: &str) -> PyResult<Self> {
        Self::new(array, name)?.ok_or_else(|| {
            DTypeError::new_err(format!("{name}: expected a NumPy array of {dtype}"))
        })
    }

    /// Its values, in C order.
    pub fn values(&self, name: &'static str) -> PyResult<&[T]> {
        self.array
            .as_slice()
            .map_err(|_| DTypeError::new_err(format!("{name}: expected a C-contiguous array")))
    }

    /// Its shape.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The array as a matrix; a stack is one matrix of all its rows.
    pub fn matrix(&self, name: &'static str) -> PyResult<MatRef<'_, T>> {
        let (cols, rest) = self.shape.split_last().map_or((1, &[][..]), |(c, r)| (*c, r));
        let rows = rest.iter().product();
        Ok(MatRef::new(self.values(name)?, rows, cols).map_err(Fault::from)?)
    }
}

/// A borrowed array of either computing type.
pub enum Floats<'py> {
    /// float32
    F32(Borrowed<'py, f32>),
    /// float64
    F64(Borrowed<'py, f64>),
}

impl<'py> Floats<'py> {
    /// Borrow `array`, float32 or float64.
    pub fn new(array: &Bound<'py, PyAny>, name: &'static str) -> PyResult<Self> {
        if let Some(array) = Borrowed::new(array, name)? {
            return Ok(Self::F32(array));
        }
        Borrowed::expect(array, name, "float32 or float64").map(Self::F64)
    }
}

/// Two arrays of different types reached the core: the Python side promotes them before.
pub fn mixed_types() -> PyErr {
    DTypeError::new_err("the arrays must have one type, float32 or float64")
}

/// The first row of `array` (its leading axes flattened) with a NaN or an infinity, if any.
#[pyfunction]
pub fn first_nonfinite_row(
    py: Python<'_>,
    array: &Bound<'_, PyAny>,
    threads: usize,
) -> PyResult<Option<usize>> {
    match Floats::new(array, "array")? {
        Floats::F32(array) => {
            let matrix = array.matrix("array")?;
            doorway::run(py, threads, None, |control| {
                isomorph_core::finite::first_nonfinite_row(matrix, control)
            })
        }
        Floats::F64(array) => {
            let matrix = array.matrix("array")?;
            doorway::run(py, threads, None, |control| {
                isomorph_core::finite::first_nonfinite_row(matrix, control)
            })
        }
    }
}
