//! Rows prepared once, as arrays that Python stores, saves and maps.

use isomorph_core::neighbors::{self, FilterChoice, Index, Indexes, Metric, Norms, SearchOptions};
use numpy::IntoPyArray;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrays::{Borrowed, Floats};
use crate::doorway;
use crate::errors::Fault;

type Any<'py> = Bound<'py, PyAny>;

/// Prepare rows for searches: the arrays of an index by name, and the largest norms.
#[pyfunction]
pub fn prepare_index<'py>(
    py: Python<'py>,
    vectors: &Any<'py>,
    metric: &str,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<(Bound<'py, PyDict>, (f64, f64))> {
    let metric = Metric::named(metric).map_err(Fault::from)?;
    let parts = match Floats::new(vectors, "vectors")? {
        Floats::F32(x) => {
            let x = x.matrix("vectors")?;
            doorway::run(py, threads, progress.as_ref(), |control| {
                neighbors::prepare_index(x, metric, control)
            })?
        }
        Floats::F64(x) => {
            let x = x.matrix("vectors")?;
            doorway::run(py, threads, progress.as_ref(), |control| {
                neighbors::prepare_index(x, metric, control)
            })?
        }
    };
    let arrays = PyDict::new(py);
    arrays.set_item("codes", parts.codes.into_pyarray(py))?;
    arrays.set_item("scale", parts.scale.into_pyarray(py))?;
    arrays.set_item("error", parts.error.into_pyarray(py))?;
    arrays.set_item("norms", parts.norms.into_pyarray(py))?;
    arrays.set_item("sizes", parts.sizes.into_pyarray(py))?;
    arrays.set_item("centre", parts.centre.into_pyarray(py))?;
    Ok((arrays, (parts.largest.row, parts.largest.code)))
}

/// The arrays of an index, borrowed while a search runs.
pub struct BorrowedIndex<'py> {
    shape: (usize, usize),
    metric: Metric,
    codes: Borrowed<'py, u8>,
    singles: [Borrowed<'py, f32>; 2],
    doubles: [Borrowed<'py, f64>; 3],
    largest: Norms,
}

impl<'py> BorrowedIndex<'py> {
    /// From `(metric, (rows, columns), arrays, (row, code))`.
    pub fn new(given: &Any<'py>) -> PyResult<Self> {
        type Given<'py> = (String, (usize, usize), Bound<'py, PyDict>, (f64, f64));
        let (metric, shape, arrays, (row, code)): Given<'py> = given.extract()?;
        let item = |name: &str| arrays.as_any().get_item(name);
        let single = |name: &str| Borrowed::expect(&item(name)?, "index", "float32");
        let double = |name: &str| Borrowed::expect(&item(name)?, "index", "float64");
        Ok(Self {
            shape,
            metric: Metric::named(&metric).map_err(Fault::from)?,
            codes: Borrowed::expect(&item("codes")?, "index", "uint8")?,
            singles: [single("scale")?, single("error")?],
            doubles: [double("norms")?, double("sizes")?, double("centre")?],
            largest: Norms { row, code },
        })
    }

    fn index(&self) -> PyResult<Index<'_>> {
        let [scale, error] = &self.singles;
        let [norms, sizes, centre] = &self.doubles;
        let index = Index::new(
            self.shape,
            self.metric,
            self.codes.values("index")?,
            (scale.values("index")?, error.values("index")?),
            (norms.values("index")?, sizes.values("index")?, centre.values("index")?),
            self.largest,
        );
        Ok(index.map_err(Fault::from)?)
    }
}

/// Refuse parts that do not belong together.
#[pyfunction]
pub fn check_index(index: &Any<'_>) -> PyResult<()> {
    BorrowedIndex::new(index)?.index().map(|_| ())
}

/// The indexes that a search was given for its two sides.
pub struct Given<'py>([Option<BorrowedIndex<'py>>; 2]);

impl<'py> Given<'py> {
    /// From what stands in for either side, or None.
    pub fn new(left: Option<&Any<'py>>, right: Option<&Any<'py>>) -> PyResult<Self> {
        let borrow = |given: Option<&Any<'py>>| given.map(BorrowedIndex::new).transpose();
        Ok(Self([borrow(left)?, borrow(right)?]))
    }

    /// Run `call` with what it says of the way to search.
    pub fn with<R>(&self, call: impl FnOnce(&SearchOptions<'_>) -> PyResult<R>) -> PyResult<R> {
        let [left, right] = &self.0;
        let left = left.as_ref().map(BorrowedIndex::index).transpose()?;
        let right = right.as_ref().map(BorrowedIndex::index).transpose()?;
        let indexes = Indexes { left: left.as_ref(), right: right.as_ref() };
        call(&SearchOptions { filter: forced_filter()?, indexes })
    }
}

/// The filter that `ISOMORPH_FILTER` names, for tests and measurements: answers do not differ.
pub fn forced_filter() -> PyResult<FilterChoice> {
    match std::env::var("ISOMORPH_FILTER") {
        Ok(name) if !name.is_empty() => Ok(FilterChoice::named(&name).map_err(Fault::from)?),
        _ => Ok(FilterChoice::Auto),
    }
}
