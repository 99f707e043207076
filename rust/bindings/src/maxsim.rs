//! Late interaction.

use isomorph_core::late_interaction::{self, Collection, Queries, Values};
use isomorph_core::matrix::MatRef;
use isomorph_kernels::Late;
use numpy::Element;
use pyo3::prelude::*;

use crate::arrays::{Borrowed, Floats};
use crate::doorway;
use crate::errors::{Fault, python::DTypeError};
use crate::linalg::array;

type Any<'py> = Bound<'py, PyAny>;

/// The documents' values: in the computing type, as 16 bits, or as integers with their scales.
enum Stored<'py> {
    Floats(Floats<'py>),
    Half(Borrowed<'py, u16>),
    Brain(Borrowed<'py, u16>),
    Scaled(Borrowed<'py, i8>, Borrowed<'py, f64>),
}

impl<'py> Stored<'py> {
    fn new(documents: &Any<'py>, kind: &str, scales: Option<&Any<'py>>) -> PyResult<Self> {
        const NAME: &str = "documents";
        Ok(match (kind, scales) {
            ("float16", None) => Self::Half(Borrowed::expect(documents, NAME, "uint16")?),
            ("bfloat16", None) => Self::Brain(Borrowed::expect(documents, NAME, "uint16")?),
            ("int8", Some(scales)) => Self::Scaled(
                Borrowed::expect(documents, NAME, "int8")?,
                Borrowed::expect(scales, "document_scales", "float64")?,
            ),
            _ => Self::Floats(Floats::new(documents, NAME)?),
        })
    }
}

/// Scores (n, m) of n queries and m documents; with `k`, scores and indices (n, k).
#[pyfunction]
#[allow(clippy::too_many_arguments)] // The Python side passes everything in order.
pub fn maxsim<'py>(
    py: Python<'py>,
    queries: &Any<'py>,
    query_offsets: &Any<'py>,
    documents: &Any<'py>,
    kind: &str,
    scales: Option<&Any<'py>>,
    document_offsets: &Any<'py>,
    k: Option<usize>,
    check_finite: bool,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Any<'py>> {
    let query_offsets = Borrowed::<i64>::expect(query_offsets, "query_offsets", "int64")?;
    let document_offsets = Borrowed::<i64>::expect(document_offsets, "document_offsets", "int64")?;
    let offsets =
        (query_offsets.values("query_offsets")?, document_offsets.values("document_offsets")?);
    let stored = Stored::new(documents, kind, scales)?;
    let job = Job { k, check_finite, threads, progress: progress.as_ref() };
    match (Floats::new(queries, "queries")?, &stored) {
        (Floats::F32(x), Stored::Floats(Floats::F32(y))) => {
            job.run(py, x.matrix("queries")?, Values::Same(y.values("documents")?), offsets)
        }
        (Floats::F64(x), Stored::Floats(Floats::F64(y))) => {
            job.run(py, x.matrix("queries")?, Values::Same(y.values("documents")?), offsets)
        }
        (_, Stored::Floats(_)) => Err(crate::arrays::mixed_types()),
        (Floats::F32(x), stored) => job.run(py, x.matrix("queries")?, stored.narrow()?, offsets),
        (Floats::F64(x), stored) => job.run(py, x.matrix("queries")?, stored.narrow()?, offsets),
    }
}

impl Stored<'_> {
    fn narrow<T>(&self) -> PyResult<Values<'_, T>> {
        const NAME: &str = "documents";
        Ok(match self {
            Self::Half(bits) => Values::F16(bits.values(NAME)?),
            Self::Brain(bits) => Values::Bf16(bits.values(NAME)?),
            Self::Scaled(values, scales) => {
                Values::I8(values.values(NAME)?, scales.values("document_scales")?)
            }
            Self::Floats(_) => return Err(DTypeError::new_err("documents: a type of their own")),
        })
    }
}

/// How a call wants to be run.
struct Job<'a> {
    k: Option<usize>,
    check_finite: bool,
    threads: usize,
    progress: Option<&'a Py<PyAny>>,
}

impl Job<'_> {
    fn run<'py, T: Element + Late>(
        &self,
        py: Python<'py>,
        tokens: MatRef<'_, T>,
        values: Values<'_, T>,
        (query_offsets, document_offsets): (&[i64], &[i64]),
    ) -> PyResult<Any<'py>> {
        let queries = Queries::new(tokens, query_offsets).map_err(Fault::from)?;
        let documents =
            Collection::new(values, tokens.cols(), document_offsets).map_err(Fault::from)?;
        let (n, m) = (queries.count(), document_offsets.len() - 1);
        let Some(k) = self.k else {
            let scores = doorway::run(py, self.threads, self.progress, |control| {
                late_interaction::scores(&queries, &documents, self.check_finite, control)
            })?;
            return array(py, scores, &[n, m]);
        };
        let found = doorway::run(py, self.threads, self.progress, |control| {
            late_interaction::topk(&queries, &documents, k, self.check_finite, control)
        })?;
        let scores = array(py, found.scores, &[n, k])?;
        let indices = array(py, found.indices, &[n, k])?;
        Ok((scores, indices).into_pyobject(py)?.into_any())
    }
}
