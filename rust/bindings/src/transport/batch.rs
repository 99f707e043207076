//! Many transport problems.

use isomorph_core::matrix::MatRef;
use isomorph_core::transport::batch::{Batch, Cost, Limits, scan, solve};
use numpy::{Element, IntoPyArray};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

use crate::arrays::{Borrowed, Floats, mixed_types};
use crate::doorway;
use crate::errors::{Fault, python::ShapeError};

type Any<'py> = Bound<'py, PyAny>;

/// The costs: a stack, or a list of matrices of one type.
enum Costs<'py> {
    F32(Vec<Borrowed<'py, f32>>),
    F64(Vec<Borrowed<'py, f64>>),
}

impl<'py> Costs<'py> {
    fn new(arrays: &[Any<'py>]) -> PyResult<Self> {
        let (mut narrow, mut wide) = (Vec::new(), Vec::new());
        for array in arrays {
            match Floats::new(array, "cost")? {
                Floats::F32(array) => narrow.push(array),
                Floats::F64(array) => wide.push(array),
            }
        }
        match (narrow.is_empty(), wide.is_empty()) {
            (_, true) => Ok(Self::F32(narrow)),
            (true, false) => Ok(Self::F64(wide)),
            (false, false) => Err(mixed_types()),
        }
    }
}

/// Matrices of a stack (p, n, m), or each of the list's.
fn matrices<'a, T: Element>(arrays: &'a [Borrowed<'_, T>]) -> PyResult<Vec<MatRef<'a, T>>> {
    let mut found = Vec::new();
    for array in arrays {
        let values = array.values("cost")?;
        let (count, rows, cols) = match *array.shape() {
            [rows, cols] => (1, rows, cols),
            [count, rows, cols] => (count, rows, cols),
            _ => return Err(ShapeError::new_err("cost: expected two or three axes")),
        };
        for place in 0..count {
            let size = rows * cols;
            let values = &values[place * size..][..size];
            found.push(MatRef::new(values, rows, cols).map_err(Fault::from)?);
        }
    }
    Ok(found)
}

/// The least and the largest finite cost of each problem, and whether all of its costs are numbers.
#[pyfunction]
pub fn scan_costs<'py>(
    py: Python<'py>,
    costs: Vec<Any<'py>>,
    threads: usize,
) -> PyResult<Bound<'py, PyTuple>> {
    match Costs::new(&costs)? {
        Costs::F32(costs) => scan_of(py, &costs, threads),
        Costs::F64(costs) => scan_of(py, &costs, threads),
    }
}

fn scan_of<'py, T: Element + Cost>(
    py: Python<'py>,
    costs: &[Borrowed<'py, T>],
    threads: usize,
) -> PyResult<Bound<'py, PyTuple>> {
    let costs = matrices(costs)?;
    let found = doorway::run(py, threads, None, |control| scan(&costs, control))?;
    let least: Vec<f64> = found.iter().map(|one| one.least).collect();
    let most: Vec<f64> = found.iter().map(|one| one.most).collect();
    let finite: Vec<bool> = found.iter().map(|one| one.finite).collect();
    (least.into_pyarray(py), most.into_pyarray(py), finite.into_pyarray(py)).into_pyobject(py)
}

/// Solve the problems: potentials f and g, one after another, then for each value, error in L1 and
/// L2, passes, and whether it is left to be gone on with from its g.
#[pyfunction]
#[allow(clippy::too_many_arguments)]
pub fn sinkhorn_many<'py>(
    py: Python<'py>,
    costs: Vec<Any<'py>>,
    a: &Any<'py>,
    b: &Any<'py>,
    regs: &Any<'py>,
    commons: &Any<'py>,
    starts: &Any<'py>,
    tol: f64,
    max_iter: usize,
    patience: usize,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Bound<'py, PyTuple>> {
    let flat = [(a, "a"), (b, "b"), (regs, "reg"), (commons, "cost"), (starts, "initial")];
    let flat = flat.map(|(array, name)| Borrowed::<f64>::expect(array, name, "float64"));
    let [a, b, regs, commons, starts] = flat;
    let flat = [&a?, &b?, &regs?, &commons?, &starts?];
    let limits = Limits { tol, max_iter, patience };
    match Costs::new(&costs)? {
        Costs::F32(costs) => solve_of(py, &costs, flat, limits, threads, progress.as_ref()),
        Costs::F64(costs) => solve_of(py, &costs, flat, limits, threads, progress.as_ref()),
    }
}

fn solve_of<'py, T: Element + Cost>(
    py: Python<'py>,
    costs: &[Borrowed<'py, T>],
    [a, b, regs, commons, starts]: [&Borrowed<'py, f64>; 5],
    limits: Limits,
    threads: usize,
    progress: Option<&Py<PyAny>>,
) -> PyResult<Bound<'py, PyTuple>> {
    let costs = matrices(costs)?;
    let batch = Batch {
        costs: &costs,
        a: a.values("a")?,
        b: b.values("b")?,
        regs: regs.values("reg")?,
        commons: commons.values("cost")?,
        starts: starts.values("initial")?,
    };
    let found = doorway::run(py, threads, progress, |control| solve(&batch, &limits, control))?;
    (
        found.f.into_pyarray(py),
        found.g.into_pyarray(py),
        found.value.into_pyarray(py),
        found.error.into_pyarray(py),
        found.error_l2.into_pyarray(py),
        found.iterations.into_pyarray(py),
        found.left.into_pyarray(py),
    )
        .into_pyobject(py)
}
