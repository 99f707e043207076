//! Neighbour searches.

use isomorph_core::matrix::MatRef;
use isomorph_core::neighbors::{self, Metric, Path, Selection};
use numpy::{Element, IntoPyArray, PyArray1, PyArray2, PyArrayMethods};
use pyo3::prelude::*;

use crate::arrays::{Borrowed, Floats, mixed_types};
use crate::doorway;
use crate::errors::Fault;

type Any<'py> = Bound<'py, PyAny>;
type Pair<'py> = (Any<'py>, Any<'py>);

/// Scores and indices of the best `k` corpus rows of each query.
#[pyfunction]
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
) -> PyResult<Pair<'py>> {
    fn run<'py, T: Element + isomorph_kernels::Element>(
        py: Python<'py>,
        sides: Sides<'_, 'py, T>,
        (k, metric, exclude_self): (usize, Metric, bool),
        (threads, progress): (usize, Option<&Py<PyAny>>),
    ) -> PyResult<Pair<'py>> {
        let (x, y) = sides.matrices()?;
        let found = doorway::run(py, threads, progress, |control| {
            neighbors::topk(x, y, k, metric, exclude_self, path()?, control)
        })?;
        to_python(py, found, k)
    }
    let how = (k, Metric::named(metric).map_err(Fault::from)?, exclude_self);
    let run_with = (threads, progress.as_ref());
    match (Floats::new(queries, "queries")?, Floats::new(corpus, "corpus")?) {
        (Floats::F32(x), Floats::F32(y)) => run(py, Sides(&x, &y), how, run_with),
        (Floats::F64(x), Floats::F64(y)) => run(py, Sides(&x, &y), how, run_with),
        _ => Err(mixed_types()),
    }
}

/// The CSLS radii of both sides.
#[pyfunction]
pub fn csls_radii<'py>(
    py: Python<'py>,
    source: &Any<'py>,
    target: &Any<'py>,
    neighborhood: usize,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Pair<'py>> {
    fn run<'py, T: Element + isomorph_kernels::Element>(
        py: Python<'py>,
        sides: Sides<'_, 'py, T>,
        neighborhood: usize,
        (threads, progress): (usize, Option<&Py<PyAny>>),
    ) -> PyResult<Pair<'py>> {
        let (x, y) = sides.matrices()?;
        let (source, target) = doorway::run(py, threads, progress, |control| {
            neighbors::csls_radii(x, y, neighborhood, path()?, control)
        })?;
        Ok((source.into_pyarray(py).into_any(), target.into_pyarray(py).into_any()))
    }
    let run_with = (threads, progress.as_ref());
    match (Floats::new(source, "source")?, Floats::new(target, "target")?) {
        (Floats::F32(x), Floats::F32(y)) => run(py, Sides(&x, &y), neighborhood, run_with),
        (Floats::F64(x), Floats::F64(y)) => run(py, Sides(&x, &y), neighborhood, run_with),
        _ => Err(mixed_types()),
    }
}

/// Scores and indices of the best `k` targets of each source by CSLS.
#[pyfunction]
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
) -> PyResult<Pair<'py>> {
    let run_with = (threads, progress.as_ref());
    with_radii(py, source, target, source_radii, target_radii, k, false, run_with)
        .map(|(forward, _)| forward)
}

/// The same in both directions, from one pass.
#[pyfunction]
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
) -> PyResult<(Pair<'py>, Option<Pair<'py>>)> {
    let run_with = (threads, progress.as_ref());
    with_radii(py, source, target, source_radii, target_radii, k, true, run_with)
}

/// The radii, CSLS with them in one direction or both, and what one pass proved.
#[pyfunction]
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
) -> PyResult<(Pair<'py>, Option<Pair<'py>>, Pair<'py>, Option<(f64, f64)>)> {
    fn run<'py, T: Element + isomorph_kernels::Element>(
        py: Python<'py>,
        sides: Sides<'_, 'py, T>,
        (k, neighborhood, both): (usize, usize, bool),
        (threads, progress): (usize, Option<&Py<PyAny>>),
    ) -> PyResult<(Pair<'py>, Option<Pair<'py>>, Pair<'py>, Option<(f64, f64)>)> {
        let (x, y) = sides.matrices()?;
        let found = doorway::run(py, threads, progress, |control| {
            neighbors::csls_from_rows(x, y, k, neighborhood, both, path()?, control)
        })?;
        let backward = found.backward.map(|found| to_python(py, found, k)).transpose()?;
        let (r, s) = found.radii;
        let radii = (r.into_pyarray(py).into_any(), s.into_pyarray(py).into_any());
        Ok((to_python(py, found.forward, k)?, backward, radii, found.proved))
    }
    let (how, run_with) = ((k, neighborhood, both), (threads, progress.as_ref()));
    match (Floats::new(source, "source")?, Floats::new(target, "target")?) {
        (Floats::F32(x), Floats::F32(y)) => run(py, Sides(&x, &y), how, run_with),
        (Floats::F64(x), Floats::F64(y)) => run(py, Sides(&x, &y), how, run_with),
        _ => Err(mixed_types()),
    }
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
    run_with: (usize, Option<&Py<PyAny>>),
) -> PyResult<(Pair<'py>, Option<Pair<'py>>)> {
    fn run<'py, T: Element + isomorph_kernels::Element>(
        py: Python<'py>,
        sides: Sides<'_, 'py, T>,
        (source_radii, target_radii): (&Any<'py>, &Any<'py>),
        (k, both): (usize, bool),
        (threads, progress): (usize, Option<&Py<PyAny>>),
    ) -> PyResult<(Pair<'py>, Option<Pair<'py>>)> {
        let (x, y) = sides.matrices()?;
        let r = Borrowed::<T>::expect(source_radii, "source_radii", "the type of source")?;
        let s = Borrowed::<T>::expect(target_radii, "target_radii", "the type of target")?;
        let (r, s) = (r.values("source_radii")?, s.values("target_radii")?);
        let (forward, backward) = doorway::run(py, threads, progress, |control| {
            if both {
                neighbors::csls_both(x, y, k, r, s, path()?, control).map(|(f, b)| (f, Some(b)))
            } else {
                neighbors::csls(x, y, k, r, s, path()?, control).map(|f| (f, None))
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

/// The filter that `ISOMORPH_FILTER` names, for tests and measurements: answers do not differ.
fn path() -> isomorph_core::Result<Path> {
    match std::env::var("ISOMORPH_FILTER") {
        Ok(name) if !name.is_empty() => Path::named(&name),
        _ => Ok(Path::Auto),
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
