//! Procrustes, applying maps, transforms.

use isomorph_core::align::{self, Affine, Fit, Options, RowOperation};
use isomorph_core::linalg::Scalar;
use numpy::{Element, PyArrayDyn, PyArrayMethods, PyReadwriteArrayDyn};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrays::{Borrowed, Floats, mixed_types};
use crate::doorway;
use crate::errors::python::DTypeError;
use crate::linalg::{array, stack};

/// Solve a stack of Procrustes problems: source (b, n, d), target (b, n, e), weights (b, n) or None.
/// A dict of float64 arrays, the stack first.
#[pyfunction]
#[pyo3(signature = (source, target, weights, *, scale, translate, rotation_only, threads,
                    progress=None))]
#[expect(clippy::too_many_arguments, reason = "keywords of the Python call")]
pub fn procrustes<'py>(
    py: Python<'py>,
    source: &Bound<'py, PyAny>,
    target: &Bound<'py, PyAny>,
    weights: Option<&Bound<'py, PyAny>>,
    scale: bool,
    translate: bool,
    rotation_only: bool,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Bound<'py, PyDict>> {
    let options = Options { scale, translate, rotation_only };
    let weights = weights.map(|w| Borrowed::<f64>::expect(w, "weights", "float64")).transpose()?;
    let (source, target) = (Floats::new(source, "source")?, Floats::new(target, "target")?);
    let problem = Problem {
        weights: weights.as_ref().map(|w| w.values("weights")).transpose()?,
        options,
        threads,
        progress: progress.as_ref(),
    };
    match (source, target) {
        (Floats::F32(x), Floats::F32(y)) => problem.solve(py, &x, &y),
        (Floats::F64(x), Floats::F64(y)) => problem.solve(py, &x, &y),
        _ => Err(mixed_types()),
    }
}

/// The matrix (d, e) of the orthogonal map of rows `source` of x to rows `target` of z, float64.
#[pyfunction]
pub fn procrustes_of_rows<'py>(
    py: Python<'py>,
    x: &Bound<'py, PyAny>,
    z: &Bound<'py, PyAny>,
    source: &Bound<'py, PyAny>,
    target: &Bound<'py, PyAny>,
    threads: usize,
) -> PyResult<Bound<'py, PyAny>> {
    fn run<T: Element + Scalar>(
        py: Python<'_>,
        (x, z): (&Borrowed<'_, T>, &Borrowed<'_, T>),
        pairs: (&[i64], &[i64]),
        threads: usize,
    ) -> PyResult<(Vec<f64>, [usize; 2])> {
        let sides = (x.matrix("source")?, z.matrix("target")?);
        let matrix =
            doorway::run(py, threads, None, |c| align::procrustes_of_rows(sides, pairs, c))?;
        Ok((matrix, [sides.0.cols(), sides.1.cols()]))
    }
    let source = Borrowed::<i64>::expect(source, "source rows", "int64")?;
    let target = Borrowed::<i64>::expect(target, "target rows", "int64")?;
    let pairs = (source.values("source rows")?, target.values("target rows")?);
    let (matrix, shape) = match (Floats::new(x, "source")?, Floats::new(z, "target")?) {
        (Floats::F32(x), Floats::F32(z)) => run(py, (&x, &z), pairs, threads),
        (Floats::F64(x), Floats::F64(z)) => run(py, (&x, &z), pairs, threads),
        _ => Err(mixed_types()),
    }?;
    array(py, matrix, &shape)
}

struct Problem<'a> {
    weights: Option<&'a [f64]>,
    options: Options,
    threads: usize,
    progress: Option<&'a Py<PyAny>>,
}

impl Problem<'_> {
    fn solve<'py, T: Element + Scalar>(
        &self,
        py: Python<'py>,
        source: &Borrowed<'py, T>,
        target: &Borrowed<'py, T>,
    ) -> PyResult<Bound<'py, PyDict>> {
        let (x, y) = (stack(source, "source")?, stack(target, "target")?);
        let (weights, options) = (self.weights, self.options);
        let fits = doorway::run(py, self.threads, self.progress, |control| {
            align::procrustes(x, y, weights, options, control)
        })?;
        fits_as_dict(py, &fits, x.cols, y.cols)
    }
}

/// Fits of d x e as a dict of float64 arrays, the stack first.
pub fn fits_as_dict<'py>(
    py: Python<'py>,
    fits: &[Fit],
    d: usize,
    e: usize,
) -> PyResult<Bound<'py, PyDict>> {
    let b = fits.len();
    let join = |part: fn(&Fit) -> &[f64], shape: &[usize]| {
        array(py, fits.iter().flat_map(part).copied().collect(), shape)
    };
    let each = |part: fn(&Fit) -> f64| array(py, fits.iter().map(part).collect::<Vec<_>>(), &[b]);
    let result = PyDict::new(py);
    result.set_item("matrix", join(|f| &f.matrix, &[b, d, e])?)?;
    result.set_item("source_mean", join(|f| &f.source_mean, &[b, d])?)?;
    result.set_item("target_mean", join(|f| &f.target_mean, &[b, e])?)?;
    result.set_item("singular_values", join(|f| &f.singular_values, &[b, d.min(e)])?)?;
    result.set_item("scale", each(|f| f.scale)?)?;
    result.set_item("correlation", each(|f| f.correlation)?)?;
    result.set_item("residual", each(|f| f.residual)?)?;
    result.set_item("determinant", each(|f| f.determinant)?)?;
    result.set_item("rank", each(|f| f.rank as f64)?)?;
    Ok(result)
}

/// Borrow an array for writing.
pub fn writable<'py, T: Element>(
    array: &Bound<'py, PyAny>,
    name: &'static str,
) -> PyResult<PyReadwriteArrayDyn<'py, T>> {
    let wrong = |why: String| DTypeError::new_err(format!("{name}: {why}"));
    array
        .cast::<PyArrayDyn<T>>()
        .map_err(|_| wrong("expected a NumPy array of the type of x".to_string()))?
        .try_readwrite()
        .map_err(|error| wrong(error.to_string()))
}

/// The values of an array borrowed for writing.
pub fn contiguous<'a, T: Element>(
    array: &'a mut PyReadwriteArrayDyn<'_, T>,
    name: &'static str,
) -> PyResult<&'a mut [T]> {
    array
        .as_slice_mut()
        .map_err(|_| DTypeError::new_err(format!("{name}: expected a C-contiguous array")))
}

/// scale (x - `source_mean`) matrix + `target_mean` for a stack, into `out`.
#[pyfunction]
#[pyo3(signature = (x, matrix, source_mean, target_mean, scale, out, threads, progress=None))]
#[expect(clippy::too_many_arguments, reason = "the parts of a map")]
pub fn apply_affine<'py>(
    py: Python<'py>,
    x: &Bound<'py, PyAny>,
    matrix: &Bound<'py, PyAny>,
    source_mean: Option<&Bound<'py, PyAny>>,
    target_mean: Option<&Bound<'py, PyAny>>,
    scale: &Bound<'py, PyAny>,
    out: &Bound<'py, PyAny>,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<()> {
    let doubles = |array: Option<&Bound<'py, PyAny>>, name| {
        array.map(|a| Borrowed::<f64>::expect(a, name, "float64")).transpose()
    };
    let (source_mean, target_mean) =
        (doubles(source_mean, "source_mean")?, doubles(target_mean, "target_mean")?);
    let scale = Borrowed::<f64>::expect(scale, "scale", "float64")?;
    let values = |array: &'_ Option<Borrowed<'py, f64>>, name| {
        array.as_ref().map(|a| a.values(name).map(<[f64]>::to_vec)).transpose()
    };
    let parts = Parts {
        source_mean: values(&source_mean, "source_mean")?,
        target_mean: values(&target_mean, "target_mean")?,
        scale: scale.values("scale")?.to_vec(),
        threads,
        progress,
    };
    match (Floats::new(x, "x")?, Floats::new(matrix, "matrix")?) {
        (Floats::F32(x), Floats::F32(m)) => parts.apply(py, &x, &m, out),
        (Floats::F64(x), Floats::F64(m)) => parts.apply(py, &x, &m, out),
        _ => Err(mixed_types()),
    }
}

/// The small parts of a map, copied: they must outlive the borrow of nothing else.
struct Parts {
    source_mean: Option<Vec<f64>>,
    target_mean: Option<Vec<f64>>,
    scale: Vec<f64>,
    threads: usize,
    progress: Option<Py<PyAny>>,
}

impl Parts {
    fn apply<'py, T: Element + Scalar + Default>(
        &self,
        py: Python<'py>,
        x: &Borrowed<'py, T>,
        matrix: &Borrowed<'py, T>,
        out: &Bound<'py, PyAny>,
    ) -> PyResult<()> {
        let x = stack(x, "x")?;
        let map = Affine {
            matrix: stack(matrix, "matrix")?,
            source_mean: self.source_mean.as_deref(),
            target_mean: self.target_mean.as_deref(),
            scale: &self.scale,
        };
        let mut out = writable::<T>(out, "out")?;
        let out = contiguous(&mut out, "out")?;
        doorway::run(py, self.threads, self.progress.as_ref(), |control| {
            align::apply_affine(x, map, out, control)
        })
    }
}

/// Column means of a matrix, float64.
#[pyfunction]
pub fn column_means<'py>(
    py: Python<'py>,
    x: &Bound<'py, PyAny>,
    threads: usize,
) -> PyResult<Bound<'py, PyAny>> {
    let means = match Floats::new(x, "x")? {
        Floats::F32(x) => {
            let x = x.matrix("x")?;
            doorway::run(py, threads, None, |c| align::column_means(x, "x", c))
        }
        Floats::F64(x) => {
            let x = x.matrix("x")?;
            doorway::run(py, threads, None, |c| align::column_means(x, "x", c))
        }
    }?;
    let d = means.len();
    array(py, means, &[d])
}

/// Column norms of a matrix, float64.
#[pyfunction]
pub fn column_norms<'py>(
    py: Python<'py>,
    x: &Bound<'py, PyAny>,
    threads: usize,
) -> PyResult<Bound<'py, PyAny>> {
    let norms = match Floats::new(x, "x")? {
        Floats::F32(x) => {
            let x = x.matrix("x")?;
            doorway::run(py, threads, None, |c| align::column_norms(x, "x", c))
        }
        Floats::F64(x) => {
            let x = x.matrix("x")?;
            doorway::run(py, threads, None, |c| align::column_norms(x, "x", c))
        }
    }?;
    let d = norms.len();
    array(py, norms, &[d])
}

/// One operation on each row of `x`, into `out`: "unit", "subtract", "divide" or "centre row".
#[pyfunction]
pub fn transform_rows<'py>(
    py: Python<'py>,
    x: &Bound<'py, PyAny>,
    operation: &str,
    values: Option<&Bound<'py, PyAny>>,
    out: &Bound<'py, PyAny>,
    threads: usize,
) -> PyResult<()> {
    let values = values.map(|v| Borrowed::<f64>::expect(v, "values", "float64")).transpose()?;
    let values = match &values {
        Some(values) => values.values("values")?,
        None => &[],
    };
    let operation = match operation {
        "unit" => RowOperation::Unit,
        "subtract" => RowOperation::Subtract(values),
        "divide" => RowOperation::Divide(values),
        "centre row" => RowOperation::CentreRow,
        other => return Err(PyValueError::new_err(format!("no operation {other:?}"))),
    };
    match Floats::new(x, "x")? {
        Floats::F32(x) => transform(py, &x, operation, out, threads),
        Floats::F64(x) => transform(py, &x, operation, out, threads),
    }
}

fn transform<'py, T: Element + Scalar>(
    py: Python<'py>,
    x: &Borrowed<'py, T>,
    operation: RowOperation<'_>,
    out: &Bound<'py, PyAny>,
    threads: usize,
) -> PyResult<()> {
    let x = x.matrix("x")?;
    let mut out = writable::<T>(out, "out")?;
    let out = contiguous(&mut out, "out")?;
    doorway::run(py, threads, None, |control| align::transform_rows(x, operation, out, control))
}
