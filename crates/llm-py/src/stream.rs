//! A streamed answer as Python reads it.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, OnceLock, PoisonError},
    task::Poll,
};

use llm_providers::Error;
use llm_sdk::{Charge, Event};
use llm_types::Usage;
use pyo3::{
    prelude::*,
    types::{PyBytes, PyList},
};

use crate::{
    client::{SIGNALS, Task},
    errors,
    notifier::Notifier,
    pipe::Pipe,
};

/// What one read of the network brought.
pub(crate) type Batch = Result<Vec<Event>, Error>;

/// What a whole stream consumed and what that costs, once it is over.
pub(crate) type Counted = Arc<OnceLock<(Usage, Charge)>>;

/// A streamed answer: lists of JSON texts, an empty list at its end. Dropping it hangs up.
#[pyclass(frozen, module = "interlingua._native")]
pub(crate) struct Stream {
    pipe: Arc<Pipe<Batch>>,
    counted: Counted,
    task: Arc<Task>,
    /// An error that came together with events: they are handed out first.
    broken: Mutex<Option<Error>>,
    /// Its events are no texts, but pieces of sound, pictures or files.
    is_bytes: bool,
}

impl Stream {
    pub(crate) fn new(pipe: Arc<Pipe<Batch>>, counted: Counted, task: Arc<Task>) -> Self {
        Self {
            pipe,
            counted,
            task,
            broken: Mutex::default(),
            is_bytes: false,
        }
    }

    /// An answer of bytes: lists of its pieces, an empty list at its end.
    pub(crate) fn bytes(pipe: Arc<Pipe<Batch>>, task: Arc<Task>) -> Self {
        Self {
            is_bytes: true,
            ..Self::new(pipe, Counted::default(), task)
        }
    }

    fn list<'py>(&self, py: Python<'py>, batches: VecDeque<Batch>) -> PyResult<Bound<'py, PyList>> {
        let list = PyList::empty(py);
        for batch in batches {
            match batch {
                Ok(events) => {
                    for event in events {
                        match self.is_bytes {
                            true => list.append(PyBytes::new(py, &event.data))?,
                            false => list.append(errors::text(py, &event.data)?)?,
                        }
                    }
                }
                Err(error) if list.is_empty() => return Err(errors::plain(py, &error)),
                Err(error) => *self.lock() = Some(error),
            }
        }
        Ok(list)
    }

    fn broken(&self, py: Python<'_>) -> PyResult<()> {
        match self.lock().take() {
            Some(error) => Err(errors::plain(py, &error)),
            None => Ok(()),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Error>> {
        self.broken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[pymethods]
impl Stream {
    /// Waits for events with the interpreter released; Ctrl-C is heard.
    fn wait<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        self.task.belongs_here(py)?;
        self.broken(py)?;
        loop {
            if let Some(batches) = py.detach(|| self.pipe.wait(SIGNALS)) {
                return self.list(py, batches);
            }
            py.check_signals().inspect_err(|_| self.task.end())?;
        }
    }

    /// The events that are there; otherwise the notifier rings with `token` when there are some.
    fn poll<'py>(
        &self,
        py: Python<'py>,
        notifier: &Notifier,
        token: u64,
    ) -> PyResult<Option<Bound<'py, PyList>>> {
        self.broken(py)?;
        match self.pipe.poll(&notifier.waker(token)) {
            Poll::Pending => Ok(None),
            Poll::Ready(batches) => self.list(py, batches).map(Some),
        }
    }

    /// What the answer consumed, as JSON; `None` before its end, and where the vendor does not say it.
    fn usage(&self) -> Option<String> {
        serde_json::to_string(&self.counted.get()?.0).ok()
    }

    /// What the answer costs in dollars; `None` before its end, and where nobody knows the price.
    fn cost(&self) -> Option<f64> {
        self.counted.get()?.1.total().map(|total| total.to_f64())
    }

    /// Hangs up.
    fn cancel(&self) {
        self.task.end();
    }
}
