//! Bodies: reading a request's within its limits, and the three kinds of reply.

use std::time::Duration;

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::{Bytes, BytesMut};
use futures_util::Stream as _;
use http::{
    HeaderMap, StatusCode,
    header::{CONTENT_LENGTH, CONTENT_TYPE, EXPECT},
};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper::body::Incoming;
use llm_sdk::{ByteAnswer, Relay};
use tokio::time::timeout;

use crate::{
    error::Refusal, server::Stream, settings::Limits, sse::Events, state::UnderWay, tab::Tab,
};

/// Reads a JSON request's body, whatever type it claims to have: curl says it is a form.
pub(crate) async fn read(
    mut body: Incoming,
    headers: &HeaderMap,
    limits: &Limits,
) -> Result<Bytes, Refusal> {
    let kind = headers.get(CONTENT_TYPE).map(|value| value.as_bytes());
    if kind.is_some_and(|kind| kind.starts_with(b"multipart/")) {
        return Err(Refusal::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "invalid_request_error",
            "a form cannot be read here: send a JSON object with content-type application/json",
        ));
    }
    let most = limits.body as u64;
    let announced = announced(headers).unwrap_or(0);
    if announced > most {
        Box::pin(discard(body, headers, limits)).await;
        return Err(too_large(most));
    }
    let Some(first) = next(&mut body, limits).await? else {
        return Ok(Bytes::new());
    };
    if body.is_end_stream() && first.len() <= limits.body {
        return Ok(first);
    }
    let mut all = BytesMut::with_capacity((announced.min(1 << 20) as usize).max(first.len()));
    all.extend_from_slice(&first);
    while all.len() <= limits.body {
        match next(&mut body, limits).await? {
            Some(more) => all.extend_from_slice(&more),
            None => return Ok(all.freeze()),
        }
    }
    drop(all);
    Box::pin(discard(body, headers, limits)).await;
    Err(too_large(most))
}

/// The next piece of a body.
pub(crate) async fn next(body: &mut Incoming, limits: &Limits) -> Result<Option<Bytes>, Refusal> {
    loop {
        let frame = timeout(limits.body_stall, body.frame())
            .await
            .map_err(|_| {
                Refusal::new(
                    StatusCode::REQUEST_TIMEOUT,
                    "timeout_error",
                    "the request's body did not come in time",
                )
            })?;
        match frame {
            None => return Ok(None),
            Some(Err(_)) => {
                return Err(Refusal::bad(
                    "request_body",
                    "the request's body was cut short",
                ));
            }
            // Trailers say nothing that anyone here reads.
            Some(Ok(frame)) => {
                if let Ok(data) = frame.into_data() {
                    return Ok(Some(data));
                }
            }
        }
    }
}

/// Reads on a little after a refusal: a client that is still sending would see a reset connection and not the refusal.
pub(crate) async fn discard(mut body: Incoming, headers: &HeaderMap, limits: &Limits) {
    const MOST: usize = 64 << 20;
    const QUIET: Duration = Duration::from_secs(2);
    const LONGEST: Duration = Duration::from_secs(10);
    // Who asked first has not begun to send.
    if headers.contains_key(EXPECT) {
        return;
    }
    let work = async {
        let mut seen = 0;
        while seen < MOST {
            match timeout(QUIET, next(&mut body, limits)).await {
                Ok(Ok(Some(more))) => seen += more.len(),
                _ => return,
            }
        }
    };
    let _ = timeout(LONGEST, work).await;
}

/// How long a request says its body is.
pub(crate) fn announced(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// The refusal of a body of more than `most` bytes.
pub(crate) fn too_large(most: u64) -> Refusal {
    Refusal::new(
        StatusCode::PAYLOAD_TOO_LARGE,
        "invalid_request_error",
        format!(
            "Request size is too large. Max size is {} MB",
            most as f64 / f64::from(1 << 20)
        ),
    )
}

/// A reply's body. The request is under way until it is sent or dropped.
pub(crate) struct ReplyBody {
    kind: Kind,
    /// What the request owes, and a frame that waits until that is written.
    tab: Option<Arc<Tab>>,
    held: Option<Box<Held>>,
    _under_way: Option<UnderWay>,
    _stream: Option<Stream>,
}

enum Kind {
    Whole(Bytes),
    Events(Box<Events>),
    Bytes(Box<ByteAnswer>),
    /// A vendor's own, and how long it says it is.
    Relay(Box<Relay>, Option<u64>),
    Page(axum::body::Body),
}

impl ReplyBody {
    pub(crate) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self {
            kind: Kind::Whole(bytes.into()),
            tab: None,
            held: None,
            _under_way: None,
            _stream: None,
        }
    }

    pub(crate) fn events(events: Events) -> Self {
        Self {
            kind: Kind::Events(Box::new(events)),
            tab: None,
            held: None,
            _under_way: None,
            _stream: None,
        }
    }

    pub(crate) fn bytes(answer: Box<ByteAnswer>) -> Self {
        Self {
            kind: Kind::Bytes(answer),
            tab: None,
            held: None,
            _under_way: None,
            _stream: None,
        }
    }

    pub(crate) fn relay(relay: Box<Relay>, length: Option<u64>) -> Self {
        Self {
            kind: Kind::Relay(relay, length),
            tab: None,
            held: None,
            _under_way: None,
            _stream: None,
        }
    }

    pub(crate) fn page(body: axum::body::Body) -> Self {
        Self {
            kind: Kind::Page(body),
            tab: None,
            held: None,
            _under_way: None,
            _stream: None,
        }
    }

    /// Counts the request as under way for as long as this body lives.
    pub(crate) fn holding(mut self, under_way: UnderWay) -> Self {
        self._under_way = Some(under_way);
        self
    }

    /// Holds the end back until what the request costs is written down.
    pub(crate) fn paid_on(mut self, tab: Option<Arc<Tab>>) -> Self {
        self.tab = tab;
        self
    }

    /// Keeps the connection from being idle for as long as this body lives.
    pub(crate) fn on(mut self, stream: Stream) -> Self {
        self._stream = Some(stream);
        self
    }
}

/// Why an answer is cut short.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Unpaid(String);

/// What comes next, once the charge lasts.
struct Held {
    next: Option<Result<Frame<Bytes>, axum::Error>>,
    written: Pin<Box<dyn Future<Output = Result<(), Refusal>> + Send>>,
}

impl ReplyBody {
    fn poll_kind(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        match &mut self.kind {
            Kind::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Kind::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Kind::Events(events) => events.poll(cx).map(|next| next.map(|b| Ok(Frame::data(b)))),
            // An error here cuts the connection: that is how a client learns that not all came.
            Kind::Bytes(answer) => Pin::new(&mut **answer)
                .poll_next(cx)
                .map(|next| next.map(|r| r.map(Frame::data).map_err(axum::Error::new))),
            Kind::Relay(relay, _) => Pin::new(&mut **relay)
                .poll_next(cx)
                .map(|next| next.map(|r| r.map(Frame::data).map_err(axum::Error::new))),
            Kind::Page(page) => Pin::new(page).poll_frame(cx),
        }
    }
}

impl Body for ReplyBody {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = &mut *self;
        if this.held.is_none() {
            let Poll::Ready(next) = this.poll_kind(cx) else {
                return Poll::Pending;
            };
            let Some(tab) = this.tab.as_ref().filter(|tab| tab.is_pending()) else {
                return Poll::Ready(next);
            };
            let tab = Arc::clone(tab);
            let written = Box::pin(async move { tab.written().await });
            this.held = Some(Box::new(Held { next, written }));
        }
        let Some(held) = &mut this.held else {
            return Poll::Pending;
        };
        let Poll::Ready(written) = held.written.as_mut().poll(cx) else {
            return Poll::Pending;
        };
        let next = held.next.take();
        this.held = None;
        match written {
            Ok(()) => Poll::Ready(next),
            // An answer whose charge is lost must not look whole.
            Err(refusal) => Poll::Ready(Some(Err(axum::Error::new(Unpaid(refusal.message))))),
        }
    }

    fn is_end_stream(&self) -> bool {
        if self.held.is_some() {
            return false;
        }
        match &self.kind {
            Kind::Whole(bytes) => bytes.is_empty(),
            Kind::Events(_) | Kind::Bytes(_) | Kind::Relay(..) => false,
            Kind::Page(page) => page.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Kind::Events(_) => SizeHint::default(),
            Kind::Bytes(answer) => answer
                .length()
                .map_or_else(SizeHint::default, SizeHint::with_exact),
            Kind::Relay(_, length) => length.map_or_else(SizeHint::default, SizeHint::with_exact),
            Kind::Page(page) => page.size_hint(),
        }
    }
}
