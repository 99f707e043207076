//! Word lists.

use isomorph_core::vocab::scripts::{self, ScriptSet};
use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::PyString;

use crate::doorway;
use crate::errors::Fault;

/// The words as Rust strings; a surrogate, which no encoding can hold, becomes U+FFFD (no letter).
fn owned(words: &[Bound<'_, PyString>]) -> Vec<String> {
    words.iter().map(|word| word.to_string_lossy().into_owned()).collect()
}

/// Which words are written in the named scripts alone.
#[pyfunction]
pub fn script_mask<'py>(
    py: Python<'py>,
    words: Vec<Bound<'py, PyString>>,
    names: Vec<String>,
    without_script: bool,
    threads: usize,
) -> PyResult<Bound<'py, PyArray1<bool>>> {
    let set = ScriptSet::parse(&names).map_err(Fault::from)?;
    let words = owned(&words);
    let kept = doorway::run(py, threads, None, |control| {
        scripts::mask(&words, &set, without_script, control)
    })?;
    Ok(PyArray1::from_vec(py, kept))
}

/// How many words are written in which scripts.
#[pyfunction]
pub fn script_counts(
    py: Python<'_>,
    words: Vec<Bound<'_, PyString>>,
) -> PyResult<Vec<(String, usize)>> {
    let words = owned(&words);
    doorway::run(py, 1, None, |control| scripts::counts(&words, control))
}
