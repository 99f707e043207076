//! Entropic transport between points, whose costs are made of products.

use isomorph_core::matrix::MatRef;
use isomorph_core::transport::{self, Clouds, Coordinate, Marginal, Rule, Solver};
use numpy::Element;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::dense::{solved_to_python, solver, vector};
use crate::arrays::{Borrowed, Floats};
use crate::doorway;

type Any<'py> = Bound<'py, PyAny>;

/// Masses, start, and how to solve.
struct Asked<'a> {
    scale: f64,
    rows: Marginal<'a>,
    columns: Marginal<'a>,
    reg: f64,
    start: &'a [f64],
    solver: Solver,
    threads: usize,
    progress: Option<&'a Py<PyAny>>,
}

/// Solve a problem of costs -scale <x, y> with given marginals; potentials are in units of reg.
///
/// Gives what `sinkhorn` gives.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "the parts of a problem")]
pub fn sinkhorn_points<'py>(
    py: Python<'py>,
    x: &Any<'py>,
    y: &Any<'py>,
    scale: f64,
    a: &Any<'py>,
    b: &Any<'py>,
    reg: f64,
    start: &Any<'py>,
    acceleration: &str,
    annealing: Option<bool>,
    max_iter: usize,
    tol: f64,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let (a, b, start) = (vector(a, "a")?, vector(b, "b")?, vector(start, "initial")?);
    let asked = Asked {
        scale,
        rows: Marginal { mass: a.values("a")?, rule: Rule::Exact },
        columns: Marginal { mass: b.values("b")?, rule: Rule::Exact },
        reg,
        start: start.values("initial")?,
        solver: solver("log", acceleration, annealing, max_iter, tol)?,
        threads,
        progress: progress.as_ref(),
    };
    match Floats::new(x, "x")? {
        Floats::F32(x) => solve(py, &x, &Borrowed::expect(y, "y", "float32")?, &asked),
        Floats::F64(x) => solve(py, &x, &Borrowed::expect(y, "y", "float64")?, &asked),
    }
}

fn solve<'py, T: Coordinate + Element>(
    py: Python<'py>,
    x: &Borrowed<'py, T>,
    y: &Borrowed<'py, T>,
    asked: &Asked<'_>,
) -> PyResult<Bound<'py, PyDict>> {
    let (x, y): (MatRef<'_, T>, MatRef<'_, T>) = (x.matrix("x")?, y.matrix("y")?);
    let Asked { scale, rows, columns, reg, start, ref solver, .. } = *asked;
    let problem = Clouds { x, y, scale, rows, columns, reg };
    let (solved, sums) = doorway::run(py, asked.threads, asked.progress, |control| {
        transport::sinkhorn_points(&problem, start, solver, control)
    })?;
    solved_to_python(py, solved, sums)
}
