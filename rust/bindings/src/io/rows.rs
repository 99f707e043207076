//! Rows of stored tensors, and files that are written from them.

use std::path::PathBuf;

use isomorph_io::atomic::Finished;
use isomorph_io::rows::{Place, StoredRows};
use isomorph_io::tensors;
use numpy::PyArrayDyn;
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use super::Watcher;
use crate::align::{contiguous, writable};
use crate::arrays::Borrowed;
use crate::doorway;
use crate::errors::Fault;

/// (offset, tables, rows, bytes of a row) of tables that lie in a file.
type PlaceParts = (u64, usize, usize, usize);

fn place((offset, tables, rows, width): PlaceParts) -> Place {
    Place { offset, tables, rows, width }
}

/// Read rows of a file's tables into `out`, an array of bytes.
#[pyfunction]
#[pyo3(signature = (path, parts, index, out, threads, progress=None))]
pub fn read_rows(
    py: Python<'_>,
    path: PathBuf,
    parts: PlaceParts,
    index: &Bound<'_, PyAny>,
    out: &Bound<'_, PyAny>,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<()> {
    let index = Borrowed::<i64>::expect(index, "index", "int64")?;
    let index = index.values("index")?;
    let mut out = writable::<u8>(out, "out")?;
    let out = contiguous(&mut out, "out")?;
    doorway::run(py, threads, progress.as_ref(), |control| {
        StoredRows::open(&path, place(parts))?.read(index, None, out, &Watcher(control))
    })
}

enum State {
    Open(tensors::TensorFile),
    Finished(Finished),
    Gone,
}

/// A file of tensors that is being written; it appears when it is committed, or not at all.
#[pyclass(module = "isomorph._core")]
pub struct TensorFile {
    state: State,
}

impl TensorFile {
    fn open(&mut self) -> PyResult<&mut tensors::TensorFile> {
        match &mut self.state {
            State::Open(file) => Ok(file),
            _ => Err(PyRuntimeError::new_err("the file is finished")),
        }
    }
}

#[pymethods]
impl TensorFile {
    /// Begin a file with its header.
    #[new]
    fn new(path: PathBuf, header: &[u8]) -> PyResult<Self> {
        let file = tensors::TensorFile::create(&path, header).map_err(Fault::from)?;
        Ok(Self { state: State::Open(file) })
    }

    /// Append some bytes of a file.
    #[pyo3(signature = (source, offset, count, progress=None))]
    fn copy(
        &mut self,
        py: Python<'_>,
        source: PathBuf,
        offset: u64,
        count: u64,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<()> {
        let file = self.open()?;
        doorway::run(py, 1, progress.as_ref(), |control| {
            file.copy(&source, offset, count, &Watcher(control))
        })
    }

    /// Append rows of a file's tables; -1 is a row of padding.
    #[pyo3(signature = (source, parts, index, padding, threads, progress=None))]
    #[expect(clippy::too_many_arguments, reason = "keywords of the Python call")]
    fn gather(
        &mut self,
        py: Python<'_>,
        source: PathBuf,
        parts: PlaceParts,
        index: &Bound<'_, PyAny>,
        padding: &[u8],
        threads: usize,
        progress: Option<Py<PyAny>>,
    ) -> PyResult<()> {
        let file = self.open()?;
        let index = Borrowed::<i64>::expect(index, "index", "int64")?;
        let index = index.values("index")?;
        doorway::run(py, threads, progress.as_ref(), |control| {
            file.gather(&source, place(parts), index, padding, &Watcher(control))
        })
    }

    /// Append an array of bytes.
    fn write(&mut self, py: Python<'_>, array: &Bound<'_, PyArrayDyn<u8>>) -> PyResult<()> {
        let file = self.open()?;
        let array = Borrowed::<u8>::expect(array.as_any(), "array", "uint8")?;
        let bytes = array.values("array")?;
        doorway::run(py, 1, None, |_| file.write(bytes))
    }

    /// Bring all of it to the disk.
    fn finish(&mut self, py: Python<'_>) -> PyResult<()> {
        self.open()?;
        if let State::Open(file) = std::mem::replace(&mut self.state, State::Gone) {
            let finished = doorway::run(py, 1, None, |_| file.finish())?;
            self.state = State::Finished(finished);
        }
        Ok(())
    }

    /// Put the finished file in its place.
    fn commit(&mut self) -> PyResult<()> {
        match std::mem::replace(&mut self.state, State::Gone) {
            State::Finished(file) => Ok(file.commit().map_err(Fault::from)?),
            _ => Err(PyRuntimeError::new_err("the file is not finished")),
        }
    }

    /// Give the file up: nothing of it stays, unless it was committed.
    fn abandon(&mut self) {
        self.state = State::Gone;
    }
}
