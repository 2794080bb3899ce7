//! How a call leaves Python and comes back.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::StreamExt;
use llm_providers::{Error, Kind};
use llm_sdk::{AnswerStream, Body, Engine, Failure, Request, Response};
use llm_types::Op;
use pyo3::{exceptions::PyValueError, prelude::*};
use tokio::task::AbortHandle;

use crate::{
    errors,
    meta::Meta,
    notifier::Notifier,
    pipe::Pipe,
    runtime,
    stream::{Batch, Counted, Stream},
};

/// How often a thread that waits looks whether Ctrl-C was pressed.
pub(crate) const SIGNALS: Duration = Duration::from_millis(50);
/// Batches that a stream reads ahead of its consumer.
const AHEAD: usize = 16;

/// Makes calls.
#[pyclass(frozen, module = "interlingua._native")]
pub(crate) struct Client;

/// A call under way. Dropping it hangs up.
#[pyclass(frozen, module = "interlingua._native")]
pub(crate) struct Call {
    pipe: Arc<Pipe<Result<Came, Missed>>>,
    task: Arc<Task>,
    requested: String,
}

/// What a call brought, still outside of Python.
enum Came {
    Whole(Bytes, Meta),
    Stream(Arc<Pipe<Batch>>, Counted, Meta),
}

/// A call that brought nothing.
struct Missed {
    failure: Box<Failure>,
    routed: bool,
}

/// A task of the runtime that ends with its last handle.
#[derive(Debug)]
pub(crate) struct Task {
    abort: AbortHandle,
    pid: u32,
}

#[pymethods]
impl Client {
    #[new]
    fn new() -> Self {
        Self
    }

    /// Answers a request: `(text or Stream, Meta)`. Waits with the interpreter released.
    fn call<'py>(&self, py: Python<'py>, op: &str, body: &[u8]) -> PyResult<Answer<'py>> {
        self.start(py, op, body)?.wait(py)
    }

    /// Starts a request.
    fn start(&self, py: Python<'_>, op: &str, body: &[u8]) -> PyResult<Call> {
        start(py, op, body, None, Engine::clone)
    }
}

/// Starts a request to an engine that is made of the process's own.
pub(crate) fn start(
    py: Python<'_>,
    op: &str,
    body: &[u8],
    first: Option<String>,
    engine: impl FnOnce(&Engine) -> Engine,
) -> PyResult<Call> {
    let op = Op::all()
        .find(|known| known.name() == op)
        .ok_or_else(|| PyValueError::new_err(format!("there is no operation '{op}'")))?;
    let core = runtime::core().map_err(|e| errors::plain(py, &e))?;
    let pipe = Arc::new(Pipe::new(1));
    let body = Bytes::copy_from_slice(body);
    let work = run(engine(&core.engine), op, body, first, Arc::clone(&pipe));
    let abort = core.runtime.spawn(work).abort_handle();
    let pid = std::process::id();
    Ok(Call {
        pipe,
        task: Arc::new(Task { abort, pid }),
        requested: op.name().to_owned(),
    })
}

/// The text or the stream, and what is to be said about it.
pub(crate) type Answer<'py> = (Bound<'py, PyAny>, Meta);

#[pymethods]
impl Call {
    /// Waits for the answer with the interpreter released; Ctrl-C is heard.
    pub(crate) fn wait<'py>(&self, py: Python<'py>) -> PyResult<Answer<'py>> {
        self.task.belongs_here(py)?;
        loop {
            if let Some(came) = py.detach(|| self.pipe.wait(SIGNALS)) {
                return self.answer(py, came.into_iter().next());
            }
            py.check_signals().inspect_err(|_| self.task.end())?;
        }
    }

    /// The answer if it is there; otherwise the notifier rings with `token` when it is.
    fn poll<'py>(
        &self,
        py: Python<'py>,
        notifier: &Notifier,
        token: u64,
    ) -> PyResult<Option<Answer<'py>>> {
        match self.pipe.poll(&notifier.waker(token)) {
            std::task::Poll::Pending => Ok(None),
            std::task::Poll::Ready(came) => self.answer(py, came.into_iter().next()).map(Some),
        }
    }

    /// Hangs up.
    fn cancel(&self) {
        self.task.end();
    }
}

impl Call {
    fn answer<'py>(
        &self,
        py: Python<'py>,
        came: Option<Result<Came, Missed>>,
    ) -> PyResult<Answer<'py>> {
        match came {
            Some(Ok(Came::Whole(bytes, meta))) => Ok((errors::text(py, &bytes)?, meta)),
            Some(Ok(Came::Stream(pipe, counted, meta))) => {
                let stream = Stream::new(pipe, counted, Arc::clone(&self.task));
                Ok((stream.into_pyobject(py)?.into_any(), meta))
            }
            Some(Err(missed)) => Err(errors::failure(py, &missed.failure, missed.routed)),
            None => Err(errors::plain(
                py,
                &Error::new(
                    Kind::Connection,
                    format!("{} ended without an answer", self.requested),
                ),
            )),
        }
    }
}

impl Task {
    /// Ends it, unless it is another process's.
    pub(crate) fn end(&self) {
        // The parent's runtime is only a copy here, its locks held by threads that do not exist.
        if self.pid == std::process::id() {
            self.abort.abort();
        }
    }

    /// An error in a forked child: its parent's connections cannot be read by two.
    pub(crate) fn belongs_here(&self, py: Python<'_>) -> PyResult<()> {
        if self.pid == std::process::id() {
            return Ok(());
        }
        Err(errors::plain(
            py,
            &Error::new(
                Kind::Connection,
                "this call was made before the process forked",
            ),
        ))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        self.end();
    }
}

/// Closes a pipe however its writer ends.
struct Closing<T>(Arc<Pipe<T>>);

impl<T> Drop for Closing<T> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Makes a call and hands on what comes of it. Reading the request is part of it: a forked child must not share the
/// caller's random numbers, and the caller's thread need not wait for it.
async fn run(
    engine: Engine,
    op: Op,
    body: Bytes,
    first: Option<String>,
    pipe: Arc<Pipe<Result<Came, Missed>>>,
) {
    let closing = Closing(pipe);
    let routed = engine.router().is_some();
    let answered = match Request::parse(op, body) {
        Ok(mut request) => {
            request.prefer = first;
            request.own_place = routed;
            engine.call(request).await
        }
        Err(e) => Err(Box::new(Failure {
            error: e.into(),
            fallback_error: None,
            call_id: String::new(),
            requested: String::new(),
            trace: Default::default(),
        })),
    };
    match answered {
        Err(failure) => closing.0.send(Err(Missed { failure, routed })).await,
        Ok(Response { meta, body }) => match body {
            Body::Whole { bytes, charge, .. } => {
                let meta = Meta::new(meta, charge, routed);
                closing.0.send(Ok(Came::Whole(bytes, meta))).await;
            }
            Body::Stream(stream) => {
                let events = Arc::new(Pipe::new(AHEAD));
                let meta = Meta::new(meta, Default::default(), routed);
                let counted = Counted::default();
                let came = Came::Stream(Arc::clone(&events), Arc::clone(&counted), meta);
                closing.0.send(Ok(came)).await;
                drop(closing);
                pump(stream, Closing(events), &counted).await;
            }
        },
    }
}

/// Carries a stream's events to its reader, at the reader's pace.
async fn pump(mut stream: Box<AnswerStream>, events: Closing<Batch>, counted: &Counted) {
    while let Some(batch) = stream.next().await {
        events.0.send(batch).await;
    }
    if let Some(usage) = stream.usage() {
        // Set before the pipe is closed: who sees its end sees the count.
        let _ = counted.set((usage.clone(), stream.charge()));
    }
}
