//! Factorisations of stacks.

use isomorph_core::linalg::{self, Scalar, Stack};
use numpy::{Element, PyArray1, PyArrayMethods};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::arrays::{Borrowed, Floats};
use crate::doorway;
use crate::errors::{Fault, python::ShapeError};

/// `values` as a NumPy array of that shape, without a copy.
pub fn array<'py, T: Element>(
    py: Python<'py>,
    values: Vec<T>,
    shape: &[usize],
) -> PyResult<Bound<'py, PyAny>> {
    let flat = PyArray1::from_vec(py, values);
    Ok(flat.reshape(shape.to_vec())?.into_any())
}

/// A borrowed array of three axes as a stack.
pub fn stack<'a, T: Element>(
    array: &'a Borrowed<'_, T>,
    name: &'static str,
) -> PyResult<Stack<'a, T>> {
    let &[count, rows, cols] = array.shape() else {
        return Err(ShapeError::new_err(format!("{name}: expected three axes")));
    };
    Ok(Stack::new(array.values(name)?, count, rows, cols).map_err(Fault::from)?)
}

/// Thin singular value decompositions of a stack (b, n, d): (u, s, vt).
#[pyfunction]
#[pyo3(signature = (a, threads, progress=None))]
pub fn svd<'py>(
    py: Python<'py>,
    a: &Bound<'py, PyAny>,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Bound<'py, PyTuple>> {
    match Floats::new(a, "a")? {
        Floats::F32(a) => svd_of(py, &a, threads, progress.as_ref()),
        Floats::F64(a) => svd_of(py, &a, threads, progress.as_ref()),
    }
}

fn svd_of<'py, T: Element + Scalar + Default>(
    py: Python<'py>,
    a: &Borrowed<'py, T>,
    threads: usize,
    progress: Option<&Py<PyAny>>,
) -> PyResult<Bound<'py, PyTuple>> {
    let stack = stack(a, "a")?;
    let (b, n, d) = (stack.count, stack.rows, stack.cols);
    let k = n.min(d);
    let result = doorway::run(py, threads, progress, |control| linalg::svd(stack, control))?;
    let u = array(py, result.u, &[b, n, k])?;
    let s = array(py, result.s, &[b, k])?;
    (u, s, array(py, result.vt, &[b, k, d])?).into_pyobject(py)
}

/// Polar decompositions of a stack (b, n, d): (r, h).
#[pyfunction]
#[pyo3(signature = (a, threads, progress=None))]
pub fn polar<'py>(
    py: Python<'py>,
    a: &Bound<'py, PyAny>,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Bound<'py, PyTuple>> {
    match Floats::new(a, "a")? {
        Floats::F32(a) => polar_of(py, &a, threads, progress.as_ref()),
        Floats::F64(a) => polar_of(py, &a, threads, progress.as_ref()),
    }
}

fn polar_of<'py, T: Element + Scalar + Default>(
    py: Python<'py>,
    a: &Borrowed<'py, T>,
    threads: usize,
    progress: Option<&Py<PyAny>>,
) -> PyResult<Bound<'py, PyTuple>> {
    let stack = stack(a, "a")?;
    let (b, n, d) = (stack.count, stack.rows, stack.cols);
    let result = doorway::run(py, threads, progress, |control| linalg::polar(stack, control))?;
    let r = array(py, result.r, &[b, n, d])?;
    (r, array(py, result.h, &[b, d, d])?).into_pyobject(py)
}

/// Singular values of a stack (b, n, d): s (b, k).
#[pyfunction]
#[pyo3(signature = (a, threads, progress=None))]
pub fn svdvals<'py>(
    py: Python<'py>,
    a: &Bound<'py, PyAny>,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    match Floats::new(a, "a")? {
        Floats::F32(a) => svdvals_of(py, &a, threads, progress.as_ref()),
        Floats::F64(a) => svdvals_of(py, &a, threads, progress.as_ref()),
    }
}

fn svdvals_of<'py, T: Element + Scalar + Default>(
    py: Python<'py>,
    a: &Borrowed<'py, T>,
    threads: usize,
    progress: Option<&Py<PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let stack = stack(a, "a")?;
    let shape = [stack.count, stack.rows.min(stack.cols)];
    let s = doorway::run(py, threads, progress, |control| linalg::svdvals(stack, control))?;
    array(py, s, &shape)
}

/// Eigenvalues and eigenvectors of a stack (b, d, d) of symmetric matrices: (values, vectors).
#[pyfunction]
#[pyo3(signature = (a, check_symmetric, threads, progress=None))]
pub fn eigh<'py>(
    py: Python<'py>,
    a: &Bound<'py, PyAny>,
    check_symmetric: bool,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Bound<'py, PyTuple>> {
    match Floats::new(a, "a")? {
        Floats::F32(a) => eigh_of(py, &a, check_symmetric, threads, progress.as_ref()),
        Floats::F64(a) => eigh_of(py, &a, check_symmetric, threads, progress.as_ref()),
    }
}

fn eigh_of<'py, T: Element + Scalar + Default>(
    py: Python<'py>,
    a: &Borrowed<'py, T>,
    check_symmetric: bool,
    threads: usize,
    progress: Option<&Py<PyAny>>,
) -> PyResult<Bound<'py, PyTuple>> {
    let stack = stack(a, "a")?;
    let (b, d) = (stack.count, stack.cols);
    let result = doorway::run(py, threads, progress, |control| {
        linalg::eigh(stack, check_symmetric, control)
    })?;
    let values = array(py, result.values, &[b, d])?;
    (values, array(py, result.vectors, &[b, d, d])?).into_pyobject(py)
}
