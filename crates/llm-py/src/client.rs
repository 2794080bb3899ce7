//! How a call leaves Python and comes back.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::StreamExt;
use llm_providers::{Error, Kind};
use llm_sdk::{AnswerStream, Body, Engine, Event, Failure, OwnPlace, Response};
use pyo3::{prelude::*, types::PyBytes};
use tokio::task::AbortHandle;

use crate::{
    asked::{Asked, PyFile},
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
    Whole(Bytes, String, Meta),
    Stream(Arc<Pipe<Batch>>, Counted, Meta),
    Bytes(Arc<Pipe<Batch>>, Meta),
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

    /// Answers a request: `(text, bytes or Stream, Meta)`. Waits with the interpreter released.
    #[pyo3(signature = (op, body, files = None, id = None, query = None))]
    fn call<'py>(
        &self,
        py: Python<'py>,
        op: &str,
        body: &[u8],
        files: Option<Vec<PyFile>>,
        id: Option<String>,
        query: Option<Vec<(String, String)>>,
    ) -> PyResult<Answer<'py>> {
        self.start(py, op, body, files, id, query)?.wait(py)
    }

    /// Starts a request.
    #[pyo3(signature = (op, body, files = None, id = None, query = None))]
    fn start(
        &self,
        py: Python<'_>,
        op: &str,
        body: &[u8],
        files: Option<Vec<PyFile>>,
        id: Option<String>,
        query: Option<Vec<(String, String)>>,
    ) -> PyResult<Call> {
        let asked = Asked::named(op, body, files, id, query)?;
        start(py, asked, None, Engine::clone)
    }
}

/// Starts a request to an engine that is made of the process's own.
pub(crate) fn start(
    py: Python<'_>,
    asked: Asked,
    first: Option<String>,
    engine: impl FnOnce(&Engine) -> Engine,
) -> PyResult<Call> {
    let requested = asked.name().to_owned();
    let core = runtime::core().map_err(|e| errors::plain(py, &e))?;
    let pipe = Arc::new(Pipe::new(1));
    let engine = engine(&core.engine);
    if let (Some(local), true) = (engine.local(), asked.begins_batch()) {
        // Lines find their way as the call does that has them answered.
        let _inside = core.runtime.enter();
        local.attend(&engine);
    }
    let work = run(engine, asked, first, Arc::clone(&pipe));
    let abort = core.runtime.spawn(work).abort_handle();
    let pid = std::process::id();
    Ok(Call {
        pipe,
        task: Arc::new(Task { abort, pid }),
        requested,
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
            Some(Ok(Came::Whole(bytes, kind, meta))) if is_text(&kind) => {
                Ok((errors::text(py, &bytes)?, meta))
            }
            Some(Ok(Came::Whole(bytes, _, meta))) => {
                Ok((PyBytes::new(py, &bytes).into_any(), meta))
            }
            Some(Ok(Came::Bytes(pipe, meta))) => {
                let stream = Stream::bytes(pipe, Arc::clone(&self.task));
                Ok((stream.into_pyobject(py)?.into_any(), meta))
            }
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
    asked: Asked,
    first: Option<String>,
    pipe: Arc<Pipe<Result<Came, Missed>>>,
) {
    let closing = Closing(pipe);
    let routed = engine.router().is_some();
    let answered = match asked.request() {
        Ok(mut request) => {
            request.prefer = first;
            if routed {
                request.own_place = OwnPlace::Trusted;
            }
            engine.call(request).await
        }
        Err(e) => Err(Box::new(Failure {
            error: e,
            fallback_error: None,
            call_id: String::new(),
            requested: String::new(),
            trace: Default::default(),
        })),
    };
    match answered {
        Err(failure) => closing.0.send(Err(Missed { failure, routed })).await,
        Ok(Response { meta, body }) => match body {
            Body::Whole {
                bytes,
                charge,
                content_type,
                ..
            } => {
                let meta = Meta::new(meta, charge, routed);
                let came = Came::Whole(bytes, content_type, meta);
                closing.0.send(Ok(came)).await;
            }
            Body::Bytes(mut answer) => {
                let pieces = Arc::new(Pipe::new(AHEAD));
                let meta = Meta::new(meta, answer.charge().clone(), routed);
                let came = Came::Bytes(Arc::clone(&pieces), meta);
                closing.0.send(Ok(came)).await;
                drop(closing);
                let pieces = Closing(pieces);
                while let Some(piece) = answer.next().await {
                    let event = |data| vec![Event { name: None, data }];
                    pieces.0.send(piece.map(event)).await;
                }
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

/// Whether an answer of this type is text: all of them but sound, pictures and films.
fn is_text(content_type: &str) -> bool {
    content_type.starts_with("text/") || content_type.contains("json")
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
