//! Rust errors to the exceptions of `isomorph.errors`.

use isomorph_core::Error;
use pyo3::PyErr;
use pyo3::exceptions::{PyKeyboardInterrupt, PyValueError};

/// The exception classes, defined in Python because each has two bases.
pub mod python {
    pyo3::import_exception!(isomorph.errors, DTypeError);
    pyo3::import_exception!(isomorph.errors, InternalError);
    pyo3::import_exception!(isomorph.errors, MemoryBudgetError);
    pyo3::import_exception!(isomorph.errors, NonFiniteError);
    pyo3::import_exception!(isomorph.errors, ShapeError);
}

/// An error of one of our crates, on its way to Python.
pub struct Fault(PyErr);

impl From<Fault> for PyErr {
    fn from(fault: Fault) -> Self {
        fault.0
    }
}

impl From<PyErr> for Fault {
    fn from(error: PyErr) -> Self {
        Self(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        Self(match error {
            Error::Shape { .. } => python::ShapeError::new_err(message),
            Error::Value { .. } | Error::ScoreOverflow { .. } | Error::Isa(_) => {
                PyValueError::new_err(message)
            }
            Error::NonFinite { .. } => python::NonFiniteError::new_err(message),
            Error::Memory { .. } => python::MemoryBudgetError::new_err(message),
            Error::Cancelled => PyKeyboardInterrupt::new_err(message),
            Error::NoConvergence { .. } | Error::Pool { .. } => {
                python::InternalError::new_err(message)
            }
        })
    }
}
