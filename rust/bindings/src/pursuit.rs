//! Rows as mixtures of others: sparsemax of cosines, and matching pursuit.

use isomorph_core::matrix::MatRef;
use isomorph_core::vocab::{self, Mixture};
use numpy::IntoPyArray;
use pyo3::prelude::*;

use crate::arrays::{Floats, mixed_types};
use crate::doorway;
use crate::index::forced_filter;

type Any<'py> = Bound<'py, PyAny>;
/// Offsets, indices and weights.
type Sparse<'py> = (Any<'py>, Any<'py>, Any<'py>);

fn to_python(py: Python<'_>, mixture: Mixture) -> Sparse<'_> {
    (
        mixture.offsets.into_pyarray(py).into_any(),
        mixture.indices.into_pyarray(py).into_any(),
        mixture.weights.into_pyarray(py).into_any(),
    )
}

/// Call `$run` with both sides as matrices of their one type.
macro_rules! with_rows {
    ($targets:ident, $atoms:ident, |$x:ident, $y:ident| $run:expr) => {
        match (Floats::new($targets, "targets")?, Floats::new($atoms, "atoms")?) {
            (Floats::F32(x), Floats::F32(y)) => {
                let ($x, $y): (MatRef<'_, f32>, _) = (x.matrix("targets")?, y.matrix("atoms")?);
                $run
            }
            (Floats::F64(x), Floats::F64(y)) => {
                let ($x, $y): (MatRef<'_, f64>, _) = (x.matrix("targets")?, y.matrix("atoms")?);
                $run
            }
            _ => Err(mixed_types()),
        }
    };
}

/// Sparsemax of the cosines of each row of `targets` with all rows of `atoms`.
#[pyfunction]
pub fn sparsemax<'py>(
    py: Python<'py>,
    targets: &Any<'py>,
    atoms: &Any<'py>,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Sparse<'py>> {
    let filter = forced_filter()?;
    with_rows!(targets, atoms, |x, y| {
        let found = doorway::run(py, threads, progress.as_ref(), |control| {
            vocab::sparsemax(x, y, filter, control)
        })?;
        Ok(to_python(py, found))
    })
}

/// Each row of `targets` as a combination of at most `k` rows of `atoms`, and the norms of what is
/// left, relative to the rows'.
#[pyfunction]
pub fn pursue<'py>(
    py: Python<'py>,
    targets: &Any<'py>,
    atoms: &Any<'py>,
    k: usize,
    tolerance: f64,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<(Sparse<'py>, Any<'py>)> {
    let filter = forced_filter()?;
    with_rows!(targets, atoms, |x, y| {
        let found = doorway::run(py, threads, progress.as_ref(), |control| {
            vocab::pursue(x, y, k, tolerance, filter, control)
        })?;
        Ok((to_python(py, found.mixture), found.residuals.into_pyarray(py).into_any()))
    })
}
