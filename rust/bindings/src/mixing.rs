//! Rows as sums of weighted rows.

use isomorph_core::late_interaction::Values;
use isomorph_core::vocab::mixing::{self, Entries, Ids, Table, Weights};
use isomorph_kernels::Late;
use numpy::Element;
use pyo3::prelude::*;

use crate::align::{contiguous, writable};
use crate::arrays::{Borrowed, Floats};
use crate::doorway;
use crate::errors::Fault;

type Any<'py> = Bound<'py, PyAny>;

/// Row ids of either width.
enum Indices<'py> {
    Narrow(Borrowed<'py, i32>),
    Wide(Borrowed<'py, i64>),
}

impl<'py> Indices<'py> {
    fn new(array: &Any<'py>) -> PyResult<Self> {
        if let Some(array) = Borrowed::new(array, "indices")? {
            return Ok(Self::Narrow(array));
        }
        Borrowed::expect(array, "indices", "int32 or int64").map(Self::Wide)
    }

    fn ids(&self) -> PyResult<Ids<'_>> {
        Ok(match self {
            Self::Narrow(array) => Ids::I32(array.values("indices")?),
            Self::Wide(array) => Ids::I64(array.values("indices")?),
        })
    }
}

/// Sums of weighted rows (t, d), into `out`; `kind` says how the rows are stored.
#[pyfunction]
#[pyo3(signature = (indptr, indices, weights, rows, kind, out, threads, progress=None))]
#[expect(clippy::too_many_arguments, reason = "the parts of a sparse matrix")]
pub fn mix_rows<'py>(
    py: Python<'py>,
    indptr: &Any<'py>,
    indices: &Any<'py>,
    weights: &Any<'py>,
    rows: &Any<'py>,
    kind: &str,
    out: &Any<'py>,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<()> {
    let indptr = Borrowed::<i64>::expect(indptr, "indptr", "int64")?;
    let indices = Indices::new(indices)?;
    let weights = Floats::new(weights, "weights")?;
    let job = Job {
        indptr: indptr.values("indptr")?,
        ids: indices.ids()?,
        weights: match &weights {
            Floats::F32(array) => Weights::F32(array.values("weights")?),
            Floats::F64(array) => Weights::F64(array.values("weights")?),
        },
        threads,
        progress: progress.as_ref(),
    };
    if kind == "float16" || kind == "bfloat16" {
        let bits = Borrowed::<u16>::expect(rows, "rows", "uint16")?;
        let values = bits.values("rows")?;
        let values = if kind == "float16" { Values::F16(values) } else { Values::Bf16(values) };
        return job.run::<f32>(py, values, bits.shape(), out);
    }
    match Floats::new(rows, "rows")? {
        Floats::F32(rows) => {
            job.run::<f32>(py, Values::Same(rows.values("rows")?), rows.shape(), out)
        }
        Floats::F64(rows) => {
            job.run::<f64>(py, Values::Same(rows.values("rows")?), rows.shape(), out)
        }
    }
}

struct Job<'a> {
    indptr: &'a [i64],
    ids: Ids<'a>,
    weights: Weights<'a>,
    threads: usize,
    progress: Option<&'a Py<PyAny>>,
}

impl Job<'_> {
    fn run<T: Element + Late>(
        &self,
        py: Python<'_>,
        values: Values<'_, T>,
        shape: &[usize],
        out: &Any<'_>,
    ) -> PyResult<()> {
        let &[count, cols] = shape else {
            return Err(crate::errors::python::ShapeError::new_err("rows: expected a matrix"));
        };
        let entries =
            Entries::new(self.indptr, self.ids, self.weights, count).map_err(Fault::from)?;
        let mut out = writable::<T>(out, "out")?;
        let out = contiguous(&mut out, "out")?;
        doorway::run(py, self.threads, self.progress, |control| {
            mixing::mix_rows(entries, Table { values, cols }, out, control)
        })
    }
}
