//! Dictionary induction and the draws of its dropout.

use isomorph_core::neighbors::{self, Chosen, Directions, Indexes, Induction, SearchOptions};
use isomorph_core::random::{Dropout, Stream, draw};
use numpy::{Element, IntoPyArray, PyArray1, PyArray2, PyArrayMethods};
use pyo3::prelude::*;

use crate::arrays::{Borrowed, Floats, mixed_types};
use crate::doorway;
use crate::errors::Fault;
use crate::index::forced_filter;

type Any<'py> = Bound<'py, PyAny>;
/// Indices, scores, second scores and largest cosines of the rows of one side.
type Side<'py> = Option<(Any<'py>, Any<'py>, Any<'py>, Any<'py>)>;

/// What each row of the sides named by `directions` ("forward", "backward" or "both") chose.
#[pyfunction]
#[allow(clippy::too_many_arguments)] // The Python side passes everything in order.
pub fn induce<'py>(
    py: Python<'py>,
    source: &Any<'py>,
    target: &Any<'py>,
    neighborhood: usize,
    directions: &str,
    keep: f64,
    seed: u64,
    step: u32,
    second: bool,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<(Side<'py>, Side<'py>)> {
    fn run<'py, T: Element + isomorph_kernels::Element>(
        py: Python<'py>,
        (source, target): (&Borrowed<'py, T>, &Borrowed<'py, T>),
        how: Induction,
        (threads, progress): (usize, Option<&Py<PyAny>>),
    ) -> PyResult<(Side<'py>, Side<'py>)> {
        let (x, y) = (source.matrix("source")?, target.matrix("target")?);
        let search = SearchOptions { filter: forced_filter()?, indexes: Indexes::default() };
        let (forward, backward) = doorway::run(py, threads, progress, |control| {
            neighbors::induce(x, y, &how, &search, control)
        })?;
        Ok((forward.map(|side| to_python(py, side)), backward.map(|side| to_python(py, side))))
    }
    let directions = match directions {
        "forward" => Directions::Forward,
        "backward" => Directions::Backward,
        _ => Directions::Both,
    };
    let dropout = Dropout::new(keep, seed, step).map_err(Fault::from)?;
    let how = Induction { neighborhood, directions, dropout, second };
    let run_with = (threads, progress.as_ref());
    match (Floats::new(source, "source")?, Floats::new(target, "target")?) {
        (Floats::F32(x), Floats::F32(y)) => run(py, (&x, &y), how, run_with),
        (Floats::F64(x), Floats::F64(y)) => run(py, (&x, &y), how, run_with),
        _ => Err(mixed_types()),
    }
}

fn to_python<T: Element>(
    py: Python<'_>,
    chosen: Chosen<T>,
) -> (Any<'_>, Any<'_>, Any<'_>, Any<'_>) {
    (
        chosen.indices.into_pyarray(py).into_any(),
        chosen.scores.into_pyarray(py).into_any(),
        chosen.seconds.into_pyarray(py).into_any(),
        chosen.largest.into_pyarray(py).into_any(),
    )
}

/// The uniform numbers, in [0, 1), of all pairs of `rows` and `columns`.
#[pyfunction]
pub fn dropout_draws<'py>(
    py: Python<'py>,
    seed: u64,
    step: u32,
    backward: bool,
    rows: Vec<u32>,
    columns: Vec<u32>,
) -> PyResult<Bound<'py, PyArray2<f64>>> {
    let stream = if backward { Stream::Backward } else { Stream::Forward };
    let shape = [rows.len(), columns.len()];
    let draws = doorway::run(py, 1, None, |control| {
        let mut draws = Vec::with_capacity(shape[0].saturating_mul(shape[1]));
        for &row in &rows {
            control.check()?;
            draws.extend(columns.iter().map(|&column| {
                // At most 53 bits: exact.
                draw(seed, step, stream, row, column) as f64 / (1u64 << 53) as f64
            }));
        }
        Ok::<_, isomorph_core::Error>(draws)
    })?;
    PyArray1::from_vec(py, draws).reshape(shape)
}
