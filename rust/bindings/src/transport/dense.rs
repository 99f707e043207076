//! Entropic transport of a cost that is given as a matrix.

use isomorph_core::matrix::MatRef;
use isomorph_core::transport::{
    self, Acceleration, Cost, Marginal, Method, Plan, Problem, Rule, Solved, Solver, Sums,
};
use numpy::{Element, IntoPyArray};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::align::{contiguous, writable};
use crate::arrays::{Borrowed, Floats};
use crate::doorway;
use crate::errors::Fault;

type Any<'py> = Bound<'py, PyAny>;

/// Call `$run` with the cost as a matrix of its type.
macro_rules! with_cost {
    ($cost:ident, |$matrix:ident| $run:expr) => {
        match Floats::new($cost, "cost")? {
            Floats::F32(cost) => {
                let $matrix: MatRef<'_, f32> = cost.matrix("cost")?;
                $run
            }
            Floats::F64(cost) => {
                let $matrix: MatRef<'_, f64> = cost.matrix("cost")?;
                $run
            }
        }
    };
}

/// A float64 vector.
pub(super) fn vector<'py>(array: &Any<'py>, name: &'static str) -> PyResult<Borrowed<'py, f64>> {
    Borrowed::expect(array, name, "float64")
}

fn method(name: &str) -> PyResult<Method> {
    match name {
        "scaling" => Ok(Method::Scaling),
        "stabilized" => Ok(Method::Stabilized),
        "log" => Ok(Method::Log),
        _ => Err(PyValueError::new_err(format!("method: no form of a pass is called {name:?}"))),
    }
}

/// Solve a problem with given marginals; potentials are in units of reg.
///
/// Gives f, g, iterations, error, error_l2, converged, the errors and regs of all passes; and of the
/// plan the sums by row and by column and the value.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "the parts of a problem")]
pub fn sinkhorn<'py>(
    py: Python<'py>,
    cost: &Any<'py>,
    a: &Any<'py>,
    b: &Any<'py>,
    reg: f64,
    start: &Any<'py>,
    form: &str,
    acceleration: &str,
    annealing: Option<bool>,
    max_iter: usize,
    tol: f64,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let (a, b, start) = (vector(a, "a")?, vector(b, "b")?, vector(start, "initial")?);
    let (a, b, start) = (a.values("a")?, b.values("b")?, start.values("initial")?);
    let solver = solver(form, acceleration, annealing, max_iter, tol)?;
    with_cost!(cost, |matrix| {
        let problem = Problem {
            cost: matrix,
            rows: Marginal { mass: a, rule: Rule::Exact },
            columns: Marginal { mass: b, rule: Rule::Exact },
            reg,
        };
        let (solved, sums) = doorway::run(py, threads, progress.as_ref(), |control| {
            transport::sinkhorn(&problem, start, &solver, control)
        })?;
        solved_to_python(py, solved, sums)
    })
}

/// What is given of a problem that is solved.
pub(super) fn solved_to_python<'py>(
    py: Python<'py>,
    solved: Solved,
    sums: Sums,
) -> PyResult<Bound<'py, PyDict>> {
    let (errors, regs): (Vec<f64>, Vec<f64>) = solved.history.into_iter().unzip();
    let given = PyDict::new(py);
    given.set_item("f", solved.f.into_pyarray(py))?;
    given.set_item("g", solved.g.into_pyarray(py))?;
    given.set_item("iterations", solved.iterations)?;
    given.set_item("error", solved.error)?;
    given.set_item("error_l2", solved.error_l2)?;
    given.set_item("converged", solved.converged)?;
    given.set_item("history", (errors.into_pyarray(py), regs.into_pyarray(py)))?;
    given.set_item("sums", sums_to_python(py, sums))?;
    Ok(given)
}

fn sums_to_python<'py>(py: Python<'py>, sums: Sums) -> (Any<'py>, Any<'py>, f64) {
    let (rows, columns) = (sums.rows.into_pyarray(py), sums.columns.into_pyarray(py));
    (rows.into_any(), columns.into_any(), sums.value)
}

/// Of the plan of potentials in units of reg: the sums by row and by column, and the value.
#[pyfunction]
pub fn transport_sums<'py>(
    py: Python<'py>,
    cost: &Any<'py>,
    f: &Any<'py>,
    g: &Any<'py>,
    reg: f64,
    threads: usize,
) -> PyResult<(Any<'py>, Any<'py>, f64)> {
    let (f, g) = (vector(f, "f")?, vector(g, "g")?);
    let (f, g) = (f.values("f")?, g.values("g")?);
    with_cost!(cost, |matrix| {
        let plan = Plan { cost: matrix, f, g, reg };
        let sums = doorway::run(py, threads, None, |control| transport::sums(plan, None, control))?;
        Ok(sums_to_python(py, sums))
    })
}

/// Rows of that plan, from `start` on, as many as fit, into the float64 matrix `out`.
#[pyfunction]
#[expect(clippy::too_many_arguments, reason = "the parts of a plan")]
pub fn transport_plan<'py>(
    py: Python<'py>,
    cost: &Any<'py>,
    f: &Any<'py>,
    g: &Any<'py>,
    reg: f64,
    start: usize,
    out: &Any<'py>,
    threads: usize,
) -> PyResult<()> {
    let (f, g) = (vector(f, "f")?, vector(g, "g")?);
    let (f, g) = (f.values("f")?, g.values("g")?);
    with_cost!(cost, |matrix| {
        let plan = Plan { cost: matrix, f, g, reg };
        fill(py, plan, start, out, threads)
    })
}

fn fill<T: Cost + Element>(
    py: Python<'_>,
    plan: Plan<'_, T>,
    start: usize,
    out: &Any<'_>,
    threads: usize,
) -> PyResult<()> {
    let mut out = writable::<f64>(out, "out")?;
    let values = contiguous(&mut out, "out")?;
    doorway::run(py, threads, None, |control| {
        transport::plan_rows(plan, start, values, control).map_err(Fault::from)
    })
}

/// The sum of all values, read once: the least that a pass over them takes.
#[pyfunction]
pub fn sum_values(py: Python<'_>, values: &Any<'_>, threads: usize) -> PyResult<f64> {
    with_cost!(values, |matrix| {
        doorway::run(py, threads, None, |control| transport::sum_values(matrix, control))
    })
}

pub(super) fn solver(
    form: &str,
    acceleration: &str,
    annealing: Option<bool>,
    max_iter: usize,
    tol: f64,
) -> PyResult<Solver> {
    let acceleration = match acceleration {
        "auto" => Acceleration::Auto,
        "newton" => Acceleration::Newton,
        "anderson" => Acceleration::Anderson,
        "overrelaxation" => Acceleration::Overrelaxation,
        "none" => Acceleration::None,
        _ => {
            return Err(PyValueError::new_err(format!(
                "acceleration: there is none called {acceleration:?}"
            )));
        }
    };
    Ok(Solver { method: method(form)?, acceleration, annealing, max_iter, tol })
}
