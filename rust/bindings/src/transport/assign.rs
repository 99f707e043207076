//! Codes of samples over prototypes.

use isomorph_core::transport::assign::{self, Assigner, Codes, PriorRule};
use isomorph_kernels::Assignment;
use numpy::{Element, IntoPyArray};
use pyo3::prelude::*;

use crate::align::{contiguous, writable};
use crate::arrays::{Borrowed, Floats};
use crate::doorway;

type Any<'py> = Bound<'py, PyAny>;

/// The largest score of each row, NaN where one is NaN or +inf, and of each column.
#[pyfunction]
pub fn score_maxima<'py>(
    py: Python<'py>,
    scores: &Any<'py>,
    threads: usize,
) -> PyResult<(Any<'py>, Any<'py>)> {
    match Floats::new(scores, "scores")? {
        Floats::F32(scores) => maxima(py, &scores, threads),
        Floats::F64(scores) => maxima(py, &scores, threads),
    }
}

fn maxima<'py, T: Element + Assignment>(
    py: Python<'py>,
    scores: &Borrowed<'py, T>,
    threads: usize,
) -> PyResult<(Any<'py>, Any<'py>)> {
    let scores = scores.matrix("scores")?;
    let (rows, columns) =
        doorway::run(py, threads, None, |control| assign::score_maxima(scores, control))?;
    Ok((rows.into_pyarray(py).into_any(), columns.into_pyarray(py).into_any()))
}

/// Codes (n, m) into `codes`; with `columns`, the largest of each row into `codes`, (n, k), and their
/// columns into `columns`. `rule` is "marginal" or "vlap". Gives the error of the columns' shares.
#[pyfunction]
#[pyo3(signature = (scores, maxima, masses, reg, iterations, rule, tol, codes, columns, threads, progress=None))]
#[expect(clippy::too_many_arguments, reason = "the parts of a problem")]
pub fn assign_codes<'py>(
    py: Python<'py>,
    scores: &Any<'py>,
    maxima: &Any<'py>,
    masses: &Any<'py>,
    reg: f64,
    iterations: usize,
    rule: &str,
    tol: Option<f64>,
    codes: &Any<'py>,
    columns: Option<&Any<'py>>,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<Option<f64>> {
    let rule = if rule == "vlap" { PriorRule::Multiplied } else { PriorRule::Marginal };
    let masses = Borrowed::<f64>::expect(masses, "prior", "float64")?;
    let job = Job {
        masses: masses.values("prior")?,
        how: Assigner { reg, iterations, rule, tol },
        threads,
        progress: progress.as_ref(),
    };
    match Floats::new(scores, "scores")? {
        Floats::F32(scores) => {
            let maxima = Borrowed::<f32>::expect(maxima, "maxima", "the type of scores")?;
            job.run(py, &scores, &maxima, codes, columns)
        }
        Floats::F64(scores) => {
            let maxima = Borrowed::<f64>::expect(maxima, "maxima", "the type of scores")?;
            job.run(py, &scores, &maxima, codes, columns)
        }
    }
}

struct Job<'a> {
    masses: &'a [f64],
    how: Assigner,
    threads: usize,
    progress: Option<&'a Py<PyAny>>,
}

impl Job<'_> {
    fn run<'py, T: Element + Assignment>(
        &self,
        py: Python<'py>,
        scores: &Borrowed<'py, T>,
        maxima: &Borrowed<'py, T>,
        codes: &Any<'py>,
        columns: Option<&Any<'py>>,
    ) -> PyResult<Option<f64>> {
        let (scores, maxima) = (scores.matrix("scores")?, maxima.values("maxima")?);
        let mut out = writable::<T>(codes, "out")?;
        let out = contiguous(&mut out, "out")?;
        let mut indices = columns.map(|columns| writable::<i64>(columns, "columns")).transpose()?;
        let codes = match &mut indices {
            None => Codes::Whole(out),
            Some(indices) => Codes::Top {
                k: out.len() / scores.rows().max(1),
                weights: out,
                columns: contiguous(indices, "columns")?,
            },
        };
        doorway::run(py, self.threads, self.progress, |control| {
            assign::assign(scores, maxima, self.masses, &self.how, codes, control)
        })
    }
}
