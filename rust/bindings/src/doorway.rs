//! The one way from Python into long work: releases the GIL, runs the job in our pool, lets Ctrl-C
//! through, reports progress, and turns every error and every panic into an exception.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::time::Duration;

use isomorph_core::runtime::{Control, pool};
use pyo3::prelude::*;

use crate::errors::{Fault, python::InternalError};

/// How often the waiting thread looks for signals and reports progress. Ctrl-C is promised within
/// 200 ms; the rest of that is for the job to see the flag.
const POLL: Duration = Duration::from_millis(50);

/// Run `job` on `threads` threads of our own, without the GIL.
///
/// `progress` is called with `(done, total)` while the job runs; if it raises, the job is cancelled
/// and the exception goes to the caller, as it is with a signal handler's.
pub fn run<T, E>(
    py: Python<'_>,
    threads: usize,
    progress: Option<&Py<PyAny>>,
    job: impl FnOnce(&Control) -> Result<T, E> + Send,
) -> PyResult<T>
where
    T: Send,
    E: Into<Fault> + Send,
{
    let pool = pool(threads).map_err(Fault::from)?;
    let control = Control::default();
    py.detach(|| {
        let (send, receive) = sync_channel(1);
        let control = &control;
        let mut raised = None;
        let outcome = pool.in_place_scope(|scope| {
            scope.spawn(move |_| {
                let outcome = catch_unwind(AssertUnwindSafe(|| job(control)));
                // The receiver lives until this scope ends, so the send cannot fail.
                let _ = send.send(outcome);
            });
            loop {
                match receive.recv_timeout(POLL) {
                    Ok(outcome) => break Some(outcome),
                    Err(RecvTimeoutError::Disconnected) => break None,
                    Err(RecvTimeoutError::Timeout) if raised.is_some() => {}
                    Err(RecvTimeoutError::Timeout) => {
                        if let Err(error) = Python::attach(|py| look_up(py, progress, control)) {
                            raised = Some(error);
                            control.cancel();
                        }
                    }
                }
            }
        });
        if let Some(error) = raised {
            return Err(error);
        }
        match outcome {
            Some(Ok(Ok(value))) => {
                if let Some(callback) = progress {
                    Python::attach(|py| report(py, callback, control))?;
                }
                Ok(value)
            }
            Some(Ok(Err(error))) => Err(error.into().into()),
            Some(Err(panic)) => Err(internal(panic.as_ref())),
            None => Err(InternalError::new_err("the job ended without an answer")),
        }
    })
}

/// What the waiting thread does every [`POLL`].
fn look_up(py: Python<'_>, progress: Option<&Py<PyAny>>, control: &Control) -> PyResult<()> {
    py.check_signals()?;
    progress.map_or(Ok(()), |callback| report(py, callback, control))
}

fn report(py: Python<'_>, callback: &Py<PyAny>, control: &Control) -> PyResult<()> {
    let (done, total) = control.progress();
    if total > 0 {
        callback.call1(py, (done.min(total), total))?;
    }
    Ok(())
}

fn internal(panic: &(dyn Any + Send)) -> PyErr {
    let message = panic
        .downcast_ref::<&str>()
        .map(ToString::to_string)
        .or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "unknown".to_string());
    InternalError::new_err(format!(
        "a fault of isomorph itself, please report it with the call that led here: {message}"
    ))
}
