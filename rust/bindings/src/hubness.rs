//! Sums and counts over all pairs, for hubness reduction.

use isomorph_core::matrix::MatRef;
use isomorph_core::neighbors::{self, Moments, Thresholds};
use numpy::{Element, IntoPyArray, PyArray1, PyArrayMethods};
use pyo3::prelude::*;

use crate::arrays::{Borrowed, Floats, mixed_types};
use crate::doorway;

type Any<'py> = Bound<'py, PyAny>;
type Pair<'py> = (Any<'py>, Any<'py>);

/// Call `$run` with both sides as matrices of their one type.
macro_rules! with_sides {
    ($source:ident, $target:ident, |$x:ident, $y:ident| $run:expr) => {
        match (Floats::new($source, "source")?, Floats::new($target, "target")?) {
            (Floats::F32(x), Floats::F32(y)) => {
                let ($x, $y) = (x.matrix("source")?, y.matrix("target")?);
                $run
            }
            (Floats::F64(x), Floats::F64(y)) => {
                let ($x, $y) = (x.matrix("source")?, y.matrix("target")?);
                $run
            }
            _ => Err(mixed_types()),
        }
    };
}

/// `log Σ_i exp(beta cos)` of each target row.
#[pyfunction]
pub fn log_sums<'py>(
    py: Python<'py>,
    source: &Any<'py>,
    target: &Any<'py>,
    beta: f64,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Any<'py>> {
    let sums = with_sides!(source, target, |x, y| doorway::run(
        py,
        threads,
        progress.as_ref(),
        |control| neighbors::log_sums(x, y, beta, control)
    ))?;
    Ok(sums.into_pyarray(py).into_any())
}

/// Mean and deviation of the distances of each row, for both sides.
#[pyfunction]
pub fn distance_moments<'py>(
    py: Python<'py>,
    source: &Any<'py>,
    target: &Any<'py>,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<(Pair<'py>, Pair<'py>)> {
    let (rows, columns) = with_sides!(source, target, |x, y| doorway::run(
        py,
        threads,
        progress.as_ref(),
        |control| neighbors::distance_moments(x, y, control)
    ))?;
    let pair = |moments: Moments| {
        (moments.mean.into_pyarray(py).into_any(), moments.deviation.into_pyarray(py).into_any())
    };
    Ok((pair(rows), pair(columns)))
}

/// How many source rows have a cosine below each threshold of each target row.
#[pyfunction]
pub fn count_below<'py>(
    py: Python<'py>,
    source: &Any<'py>,
    target: &Any<'py>,
    offsets: &Any<'py>,
    values: &Any<'py>,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Any<'py>> {
    fn run<'py, T: Element + isomorph_kernels::Element>(
        py: Python<'py>,
        (x, y): (MatRef<'_, T>, MatRef<'_, T>),
        (offsets, values): (&Any<'py>, &Any<'py>),
        (threads, progress): (usize, Option<&Py<PyAny>>),
    ) -> PyResult<Vec<i64>> {
        let offsets = Borrowed::<i64>::expect(offsets, "offsets", "int64")?;
        let values = Borrowed::<T>::expect(values, "values", "the type of source")?;
        let thresholds =
            Thresholds { offsets: offsets.values("offsets")?, values: values.values("values")? };
        doorway::run(py, threads, progress, |control| {
            neighbors::count_below(x, y, thresholds, control)
        })
    }
    let how = (threads, progress.as_ref());
    let counts = with_sides!(source, target, |x, y| run(py, (x, y), (offsets, values), how))?;
    Ok(counts.into_pyarray(py).into_any())
}

/// The cosines of chosen pairs: of each source row with the target rows that `indices` names.
#[pyfunction]
pub fn pair_cosines<'py>(
    py: Python<'py>,
    source: &Any<'py>,
    target: &Any<'py>,
    indices: &Any<'py>,
    threads: usize,
) -> PyResult<Any<'py>> {
    let indices = Borrowed::<i64>::expect(indices, "indices", "int64")?;
    let k = indices.shape().last().copied().unwrap_or(0);
    let shape = [indices.shape().first().copied().unwrap_or(0), k];
    let chosen = indices.values("indices")?;
    with_sides!(source, target, |x, y| {
        let found = doorway::run(py, threads, None, |control| {
            neighbors::pair_cosines(x, y, chosen, k, control)
        })?;
        Ok(PyArray1::from_vec(py, found).reshape(shape)?.into_any())
    })
}
