//! Neighbour searches.

use isomorph_core::matrix::MatRef;
use isomorph_core::neighbors::{self, Metric, SearchOptions, Selection};
use numpy::{Element, IntoPyArray, PyArray1, PyArray2, PyArrayMethods};
use pyo3::prelude::*;

use crate::arrays::{Borrowed, Floats, mixed_types};
use crate::doorway;
use crate::errors::Fault;
use crate::index::Given;

type Any<'py> = Bound<'py, PyAny>;
type Pair<'py> = (Any<'py>, Any<'py>);
/// Threads, progress, and what the search may use.
type RunWith<'a> = (usize, Option<&'a Py<PyAny>>, &'a SearchOptions<'a>);

/// Scores and indices of the best `k` corpus rows of each query.
#[pyfunction]
#[pyo3(signature = (queries, corpus, k, metric, exclude_self, threads, progress, left_index=None, right_index=None))]
#[allow(clippy::too_many_arguments)] // The Python side passes everything in order.
pub fn topk<'py>(
    py: Python<'py>,
    queries: &Any<'py>,
    corpus: &Any<'py>,
    k: usize,
    metric: &str,
    exclude_self: bool,
    threads: usize,
    progress: Option<Py<PyAny>>,
    left_index: Option<&Any<'py>>,
    right_index: Option<&Any<'py>>,
) -> PyResult<Pair<'py>> {
    fn run<'py, T: Element + isomorph_kernels::Element>(
        py: Python<'py>,
        sides: Sides<'_, 'py, T>,
        (k, metric, exclude_self): (usize, Metric, bool),
        (threads, progress, search): RunWith<'_>,
    ) -> PyResult<Pair<'py>> {
        let (x, y) = sides.matrices()?;
        let found = doorway::run(py, threads, progress, |control| {
            neighbors::topk(x, y, k, metric, exclude_self, search, control)
        })?;
        to_python(py, found, k)
    }
    let how = (k, Metric::named(metric).map_err(Fault::from)?, exclude_self);
    Given::new(left_index, right_index)?.with(|search| {
        let run_with = (threads, progress.as_ref(), search);
        match (Floats::new(queries, "queries")?, Floats::new(corpus, "corpus")?) {
            (Floats::F32(x), Floats::F32(y)) => run(py, Sides(&x, &y), how, run_with),
            (Floats::F64(x), Floats::F64(y)) => run(py, Sides(&x, &y), how, run_with),
            _ => Err(mixed_types()),
        }
    })
}

/// The CSLS radii of both sides.
#[pyfunction]
#[pyo3(signature = (source, target, neighborhood, threads, progress, left_index=None, right_index=None))]
#[allow(clippy::too_many_arguments)]
pub fn csls_radii<'py>(
    py: Python<'py>,
    source: &Any<'py>,
    target: &Any<'py>,
    neighborhood: usize,
    threads: usize,
    progress: Option<Py<PyAny>>,
    left_index: Option<&Any<'py>>,
    right_index: Option<&Any<'py>>,
) -> PyResult<Pair<'py>> {
    fn run<'py, T: Element + isomorph_kernels::Element>(
        py: Python<'py>,
        sides: Sides<'_, 'py, T>,
        neighborhood: usize,
        (threads, progress, search): RunWith<'_>,
    ) -> PyResult<Pair<'py>> {
        let (x, y) = sides.matrices()?;
        let (source, target) = doorway::run(py, threads, progress, |control| {
            neighbors::csls_radii(x, y, neighborhood, search, control)
        })?;
        Ok((source.into_pyarray(py).into_any(), target.into_pyarray(py).into_any()))
    }
    Given::new(left_index, right_index)?.with(|search| {
        let run_with = (threads, progress.as_ref(), search);
        match (Floats::new(source, "source")?, Floats::new(target, "target")?) {
            (Floats::F32(x), Floats::F32(y)) => run(py, Sides(&x, &y), neighborhood, run_with),
            (Floats::F64(x), Floats::F64(y)) => run(py, Sides(&x, &y), neighborhood, run_with),
            _ => Err(mixed_types()),
        }
    })
}

/// Scores and indices of the best `k` targets of each source by CSLS.
#[pyfunction]
#[pyo3(signature = (source, target, k, source_radii, target_radii, threads, progress, left_index=None, right_index=None))]
#[allow(clippy::too_many_arguments)]
pub fn csls<'py>(
    py: Python<'py>,
    source: &Any<'py>,
    target: &Any<'py>,
    k: usize,
    source_radii: &Any<'py>,
    target_radii: &Any<'py>,
    threads: usize,
    progress: Option<Py<PyAny>>,
    left_index: Option<&Any<'py>>,
    right_index: Option<&Any<'py>>,
) -> PyResult<Pair<'py>> {
    Given::new(left_index, right_index)?.with(|search| {
        let run_with = (threads, progress.as_ref(), search);
        with_radii(py, source, target, source_radii, target_radii, k, false, run_with)
            .map(|(forward, _)| forward)
    })
}

/// The same in both directions, from one pass.
#[pyfunction]
#[pyo3(signature = (source, target, k, source_radii, target_radii, threads, progress, left_index=None, right_index=None))]
#[allow(clippy::too_many_arguments)]
pub fn csls_both<'py>(
    py: Python<'py>,
    source: &Any<'py>,
    target: &Any<'py>,
    k: usize,
    source_radii: &Any<'py>,
    target_radii: &Any<'py>,
    threads: usize,
    progress: Option<Py<PyAny>>,
    left_index: Option<&Any<'py>>,
    right_index: Option<&Any<'py>>,
) -> PyResult<(Pair<'py>, Option<Pair<'py>>)> {
    Given::new(left_index, right_index)?.with(|search| {
        let run_with = (threads, progress.as_ref(), search);
        with_radii(py, source, target, source_radii, target_radii, k, true, run_with)
    })
}

/// The radii, CSLS with them in one direction or both, and what one pass proved.
#[pyfunction]
#[pyo3(signature = (source, target, k, neighborhood, both, threads, progress, left_index=None, right_index=None))]
#[allow(clippy::too_many_arguments, clippy::type_complexity)]
pub fn csls_from_rows<'py>(
    py: Python<'py>,
    source: &Any<'py>,
    target: &Any<'py>,
    k: usize,
    neighborhood: usize,
    both: bool,
    threads: usize,
    progress: Option<Py<PyAny>>,
    left_index: Option<&Any<'py>>,
    right_index: Option<&Any<'py>>,
) -> PyResult<(Pair<'py>, Option<Pair<'py>>, Pair<'py>, Option<(f64, f64)>)> {
    fn run<'py, T: Element + isomorph_kernels::Element>(
        py: Python<'py>,
        sides: Sides<'_, 'py, T>,
        (k, neighborhood, both): (usize, usize, bool),
        (threads, progress, search): RunWith<'_>,
    ) -> PyResult<(Pair<'py>, Option<Pair<'py>>, Pair<'py>, Option<(f64, f64)>)> {
        let (x, y) = sides.matrices()?;
        let found = doorway::run(py, threads, progress, |control| {
            neighbors::csls_from_rows(x, y, k, neighborhood, both, search, control)
        })?;
        let backward = found.backward.map(|found| to_python(py, found, k)).transpose()?;
        let (r, s) = found.radii;
        let radii = (r.into_pyarray(py).into_any(), s.into_pyarray(py).into_any());
        Ok((to_python(py, found.forward, k)?, backward, radii, found.proved))
    }
    let how = (k, neighborhood, both);
    Given::new(left_index, right_index)?.with(|search| {
        let run_with = (threads, progress.as_ref(), search);
        match (Floats::new(source, "source")?, Floats::new(target, "target")?) {
            (Floats::F32(x), Floats::F32(y)) => run(py, Sides(&x, &y), how, run_with),
            (Floats::F64(x), Floats::F64(y)) => run(py, Sides(&x, &y), how, run_with),
            _ => Err(mixed_types()),
        }
    })
}

#[allow(clippy::too_many_arguments)]
fn with_radii<'py>(
    py: Python<'py>,
    source: &Any<'py>,
    target: &Any<'py>,
    source_radii: &Any<'py>,
    target_radii: &Any<'py>,
    k: usize,
    both: bool,
    run_with: RunWith<'_>,
) -> PyResult<(Pair<'py>, Option<Pair<'py>>)> {
    fn run<'py, T: Element + isomorph_kernels::Element>(
        py: Python<'py>,
        sides: Sides<'_, 'py, T>,
        (source_radii, target_radii): (&Any<'py>, &Any<'py>),
        (k, both): (usize, bool),
        (threads, progress, search): RunWith<'_>,
    ) -> PyResult<(Pair<'py>, Option<Pair<'py>>)> {
        let (x, y) = sides.matrices()?;
        let r = Borrowed::<T>::expect(source_radii, "source_radii", "the type of source")?;
        let s = Borrowed::<T>::expect(target_radii, "target_radii", "the type of target")?;
        let (r, s) = (r.values("source_radii")?, s.values("target_radii")?);
        let (forward, backward) = doorway::run(py, threads, progress, |control| {
            if both {
                neighbors::csls_both(x, y, k, r, s, search, control).map(|(f, b)| (f, Some(b)))
            } else {
                neighbors::csls(x, y, k, r, s, search, control).map(|f| (f, None))
            }
        })?;
        let backward = backward.map(|found| to_python(py, found, k)).transpose()?;
        Ok((to_python(py, forward, k)?, backward))
    }
    let radii = (source_radii, target_radii);
    match (Floats::new(source, "source")?, Floats::new(target, "target")?) {
        (Floats::F32(x), Floats::F32(y)) => run(py, Sides(&x, &y), radii, (k, both), run_with),
        (Floats::F64(x), Floats::F64(y)) => run(py, Sides(&x, &y), radii, (k, both), run_with),
        _ => Err(mixed_types()),
    }
}

/// The two borrowed sides of a search.
struct Sides<'a, 'py, T: Element>(&'a Borrowed<'py, T>, &'a Borrowed<'py, T>);

impl<'a, T: Element> Sides<'a, '_, T> {
    fn matrices(&self) -> PyResult<(MatRef<'a, T>, MatRef<'a, T>)> {
        Ok((self.0.matrix("the first array")?, self.1.matrix("the second array")?))
    }
}

fn to_python<'py, T: Element>(
    py: Python<'py>,
    found: Selection<T>,
    k: usize,
) -> PyResult<Pair<'py>> {
    let shape = [found.indices.len() / k, k];
    let scores: Bound<'py, PyArray2<T>> = PyArray1::from_vec(py, found.scores).reshape(shape)?;
    let indices: Bound<'py, PyArray2<i64>> =
        PyArray1::from_vec(py, found.indices).reshape(shape)?;
    Ok((scores.into_any(), indices.into_any()))
}
