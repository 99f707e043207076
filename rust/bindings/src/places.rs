//! Where given rows stand in a ranking.

use isomorph_core::neighbors::Metric;
use isomorph_core::places::{Wanted, places as count_places};
use isomorph_kernels::Late;
use numpy::{Element, IntoPyArray};
use pyo3::prelude::*;

use crate::arrays::{Borrowed, Floats, mixed_types};
use crate::doorway;
use crate::errors::Fault;

type Any<'py> = Bound<'py, PyAny>;
type Pair<'py> = Option<(Any<'py>, Any<'py>)>;

/// How many corpus rows score more, and as much, as each wanted row; None for extreme norms.
#[pyfunction]
#[allow(clippy::too_many_arguments)] // The Python side passes everything in order.
pub fn places<'py>(
    py: Python<'py>,
    queries: &Any<'py>,
    corpus: &Any<'py>,
    offsets: &Any<'py>,
    items: &Any<'py>,
    metric: &str,
    exclude_self: bool,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Pair<'py>> {
    fn run<'py, T: Element + Late>(
        py: Python<'py>,
        (x, y): (&Borrowed<'py, T>, &Borrowed<'py, T>),
        wanted: Wanted<'_>,
        (metric, exclude_self): (Metric, bool),
        (threads, progress): (usize, Option<&Py<PyAny>>),
    ) -> PyResult<Pair<'py>> {
        let (x, y) = (x.matrix("queries")?, y.matrix("corpus")?);
        let found = doorway::run(py, threads, progress, |control| {
            count_places(x, y, wanted, metric, exclude_self, control)
        })?;
        Ok(found.map(|places| {
            (places.above.into_pyarray(py).into_any(), places.tied.into_pyarray(py).into_any())
        }))
    }
    let offsets = Borrowed::<i64>::expect(offsets, "offsets", "int64")?;
    let items = Borrowed::<i64>::expect(items, "items", "int64")?;
    let wanted = Wanted { offsets: offsets.values("offsets")?, items: items.values("items")? };
    let how = (Metric::named(metric).map_err(Fault::from)?, exclude_self);
    let run_with = (threads, progress.as_ref());
    match (Floats::new(queries, "queries")?, Floats::new(corpus, "corpus")?) {
        (Floats::F32(x), Floats::F32(y)) => run(py, (&x, &y), wanted, how, run_with),
        (Floats::F64(x), Floats::F64(y)) => run(py, (&x, &y), wanted, how, run_with),
        _ => Err(mixed_types()),
    }
}
