//! What the build is, what the machine offers.

use isomorph_kernels::Isa;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::doorway;
use crate::errors::Fault;

/// How many threads this process may keep busy.
#[pyfunction]
pub fn available_threads() -> usize {
    isomorph_core::runtime::available_threads()
}

/// Version, instruction set in use, and those that the CPU has.
#[pyfunction]
pub fn build_info(py: Python<'_>) -> PyResult<Bound<'_, PyDict>> {
    let info = PyDict::new(py);
    info.set_item("version", env!("CARGO_PKG_VERSION"))?;
    info.set_item("isa", Isa::chosen().map_err(PyValueError::new_err)?.name())?;
    let names: Vec<_> = Isa::available().iter().map(|isa| isa.name()).collect();
    info.set_item("available_isas", names)?;
    info.set_item("architecture", std::env::consts::ARCH)?;
    info.set_item("debug_assertions", cfg!(debug_assertions))?;
    Ok(info)
}

/// Panic, or spin until cancelled, inside the doorway: its tests have no other way to see both.
#[pyfunction]
#[pyo3(signature = (how, threads=1, progress=None))]
pub fn fail_for_tests(
    py: Python<'_>,
    how: &str,
    threads: usize,
    progress: Option<Py<PyAny>>,
) -> PyResult<()> {
    let panics = how == "panic";
    doorway::run(py, threads, progress.as_ref(), |control| -> Result<(), Fault> {
        assert!(!panics, "asked to panic");
        control.start(u64::MAX);
        loop {
            control.check()?;
            control.advance(1);
            std::thread::sleep(std::time::Duration::from_millis(1));
        }
    })
}

/// The float32 operations per second that `threads` threads reach together on registers, each
/// running `steps` rounds of fused multiply-adds: the limit that benchmarks compare with.
#[pyfunction]
pub fn fma_peak(py: Python<'_>, threads: usize, steps: u64) -> PyResult<f64> {
    let isa = Isa::chosen().map_err(PyValueError::new_err)?;
    doorway::run(py, threads, None, |control| {
        isomorph_core::runtime::fma_peak(isa, threads, steps, control)
    })
}
