//! Joint moments of pairs of rows, kept in NumPy arrays.

use isomorph_core::align::{self, Options, Squares};
use isomorph_core::linalg::{self, PowerOfTwo, Scalar};
use isomorph_core::moments::{self, Rows, Sums};
use numpy::{Element, PyReadwriteArrayDyn};
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::align::{contiguous, fits_as_dict, writable};
use crate::arrays::{Borrowed, Floats, mixed_types};
use crate::doorway;
use crate::errors::Fault;
use crate::linalg::array;

/// (weight, mean, second, norms): the arrays of one set of rows.
type Parts<'py> = [Bound<'py, PyAny>; 4];

/// The arrays, borrowed for writing.
struct Kept<'py>([PyReadwriteArrayDyn<'py, f64>; 4]);

impl<'py> Kept<'py> {
    fn new(parts: &Parts<'py>, name: &'static str) -> PyResult<Self> {
        let [weight, mean, second, norms] = parts;
        let part = |array| writable::<f64>(array, name);
        Ok(Self([part(weight)?, part(mean)?, part(second)?, part(norms)?]))
    }

    fn sums(&mut self, split: usize, name: &'static str) -> PyResult<Sums<'_>> {
        let [weight, mean, second, norms] = &mut self.0;
        Ok(Sums {
            split,
            weight: contiguous(weight, name)?,
            mean: contiguous(mean, name)?,
            second: contiguous(second, name)?,
            norms: contiguous(norms, name)?,
        })
    }
}

/// Add rows (n, d) and (n, e), all of them or those of `order`, to the arrays of `parts`, of values
/// multiplied by 2 to the powers of `exponents`.
#[pyfunction]
#[pyo3(signature = (parts, split, x, y, weights, order, exponents, threads, progress=None))]
#[expect(clippy::too_many_arguments, reason = "keywords of the Python call")]
pub fn accumulate_moments<'py>(
    py: Python<'py>,
    parts: Parts<'py>,
    split: usize,
    x: &Bound<'py, PyAny>,
    y: &Bound<'py, PyAny>,
    weights: Option<&Bound<'py, PyAny>>,
    order: Option<&Bound<'py, PyAny>>,
    exponents: [i32; 2],
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<()> {
    let weights = weights.map(|w| Borrowed::expect(w, "weights", "float64")).transpose()?;
    let order = order.map(|o| Borrowed::expect(o, "rows", "int64")).transpose()?;
    let job = Job {
        weights: weights.as_ref().map(|w| w.values("weights")).transpose()?,
        order: order.as_ref().map(|o| o.values("rows")).transpose()?,
        scales: exponents.map(PowerOfTwo::new),
        threads,
        progress: progress.as_ref(),
    };
    let mut kept = Kept::new(&parts, "moments")?;
    let mut sums = kept.sums(split, "moments")?;
    match (Floats::new(x, "x")?, Floats::new(y, "y")?) {
        (Floats::F32(x), Floats::F32(y)) => job.run(py, &mut sums, &x, &y),
        (Floats::F64(x), Floats::F64(y)) => job.run(py, &mut sums, &x, &y),
        _ => Err(mixed_types()),
    }
}

struct Job<'a> {
    weights: Option<&'a [f64]>,
    order: Option<&'a [i64]>,
    scales: [PowerOfTwo; 2],
    threads: usize,
    progress: Option<&'a Py<PyAny>>,
}

impl Job<'_> {
    fn run<'py, T: Element + Scalar>(
        &self,
        py: Python<'py>,
        sums: &mut Sums<'_>,
        x: &Borrowed<'py, T>,
        y: &Borrowed<'py, T>,
    ) -> PyResult<()> {
        let (weights, order, scales) = (self.weights, self.order, self.scales);
        let rows = Rows { x: x.matrix("x")?, y: y.matrix("y")?, weights, order, scales };
        doorway::run(py, self.threads, self.progress, |control| {
            moments::accumulate(sums, rows, control)
        })
    }
}

/// Add the sums of `other`, counted `times` times, to the arrays of `parts`; the norm-weighted sums
/// of `other` are brought to the common mean.
#[pyfunction]
pub fn merge_moments<'py>(
    py: Python<'py>,
    parts: Parts<'py>,
    other: Parts<'py>,
    split: usize,
    times: f64,
    threads: usize,
) -> PyResult<()> {
    let mut kept = Kept::new(&parts, "moments")?;
    let mut theirs = Kept::new(&other, "other")?;
    let (mut sums, mut other) = (kept.sums(split, "moments")?, theirs.sums(split, "other")?);
    doorway::run(py, threads, None, |_| moments::merge(&mut sums, &mut other, times))
}

/// The Procrustes problem of a cross-moment (d, e); `second` (d, d) is needed for d > e.
#[pyfunction]
#[pyo3(signature = (cross, second, totals, exponents, *, scale, rotation_only, threads))]
#[expect(clippy::too_many_arguments, reason = "keywords of the Python call")]
pub fn procrustes_from_moments<'py>(
    py: Python<'py>,
    cross: &Bound<'py, PyAny>,
    second: Option<&Bound<'py, PyAny>>,
    totals: [f64; 2],
    exponents: [i32; 2],
    scale: bool,
    rotation_only: bool,
    threads: usize,
) -> PyResult<Bound<'py, PyDict>> {
    let cross = Borrowed::<f64>::expect(cross, "cross", "float64")?;
    let second = second.map(|s| Borrowed::<f64>::expect(s, "second", "float64")).transpose()?;
    let cross = cross.matrix("cross")?;
    let source = second.as_ref().map(|s| s.matrix("second")).transpose()?;
    let squares = Squares { totals, source, scales: exponents.map(PowerOfTwo::new) };
    let options = Options { scale, translate: false, rotation_only };
    let fit = doorway::run(py, threads, None, |_| {
        align::procrustes_from_moments(cross, squares, options)
    })?;
    fits_as_dict(py, &[fit], cross.rows(), cross.cols())
}

/// The product of two float64 matrices.
#[pyfunction]
pub fn multiply<'py>(
    py: Python<'py>,
    left: &Bound<'py, PyAny>,
    right: &Bound<'py, PyAny>,
    threads: usize,
) -> PyResult<Bound<'py, PyAny>> {
    let left = Borrowed::<f64>::expect(left, "left", "float64")?;
    let right = Borrowed::<f64>::expect(right, "right", "float64")?;
    let (left, right) = (left.matrix("left")?, right.matrix("right")?);
    let result =
        doorway::run(py, threads, None, |_| linalg::multiply(left, right).map_err(Fault::from))?;
    array(py, result, &[left.rows(), right.cols()])
}
