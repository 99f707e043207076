//! Rust errors to the exceptions of `isomorph.errors`.

use std::io;
use std::path::Path;

use isomorph_core::Error;
use pyo3::PyErr;
use pyo3::exceptions::{
    PyIsADirectoryError, PyKeyboardInterrupt, PyMemoryError, PyOSError, PyValueError,
};

/// The exception classes, defined in Python because each has two bases.
pub mod python {
    pyo3::import_exception!(isomorph.errors, DTypeError);
    pyo3::import_exception!(isomorph.errors, FormatError);
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

impl From<isomorph_io::Error> for Fault {
    fn from(error: isomorph_io::Error) -> Self {
        use isomorph_io::Error as File;
        Self(match &error {
            File::Io { path, source } => os_error(path, source),
            File::Memory { .. } => PyMemoryError::new_err(error.to_string()),
            File::Cancelled { .. } => PyKeyboardInterrupt::new_err(error.to_string()),
            _ => python::FormatError::new_err(error.to_string()),
        })
    }
}

/// The `OSError` that Python itself would raise: it picks the subclass (`FileNotFoundError`,
/// `PermissionError`) by the system's number.
fn os_error(path: &Path, error: &io::Error) -> PyErr {
    // The same on every system that CPython supports.
    const EISDIR: i32 = 21;
    let path = path.as_os_str().to_os_string();
    let text = error.to_string();
    let reason = text.split(" (os error").next().unwrap_or("").to_string();
    match error.raw_os_error() {
        Some(code) if cfg!(windows) => PyOSError::new_err((0, reason, path, code)),
        Some(code) => PyOSError::new_err((code, reason, path)),
        None if error.kind() == io::ErrorKind::IsADirectory => {
            PyIsADirectoryError::new_err((EISDIR, "Is a directory", path))
        }
        None => PyOSError::new_err(format!("{}: {text}", path.to_string_lossy())),
    }
}
