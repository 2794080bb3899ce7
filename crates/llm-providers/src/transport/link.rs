//! One connection to a vendor.

use std::{
    future::Future,
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use futures_util::future::poll_fn;
use http::{Request, Response};
use http_body::Body;
use hyper::{
    body::Incoming,
    client::conn::http1::{Connection, SendRequest, handshake},
};
use tokio::task::coop::unconstrained;

use super::{connection, connector::Io, sending::Sending};
use crate::{Error, Kind};

/// How many pieces are read of an answer that nobody wants the rest of.
const LEFT: usize = 4;

/// A connection that is moved on by whoever sends over it: it has no task of its own, so that nobody is woken but the one
/// who waits for the answer.
pub(super) struct Link {
    sender: SendRequest<Sending>,
    connection: Connection<Io, Sending>,
    has_ended: bool,
}

/// A request without an answer.
pub(super) struct Unanswered {
    pub(super) error: Error,
    /// The request, if none of it was sent.
    pub(super) request: Option<Request<Sending>>,
}

impl Link {
    pub(super) async fn over(io: Io) -> Result<Self, Error> {
        let made = handshake(io).await;
        let (sender, connection) = made.map_err(|e| connection(&e, true))?;
        Ok(Self {
            sender,
            connection,
            has_ended: false,
        })
    }

    /// Whether another request may go over it.
    pub(super) fn is_ready(&mut self) -> bool {
        // Where the vendor has closed it, it ends now; where it is through with the last answer, it says so.
        self.goes_on(&mut quiet()) && self.sender.is_ready()
    }

    /// Sends a request and waits for the head of its answer.
    pub(super) async fn send(
        &mut self,
        request: Request<Sending>,
    ) -> Result<Response<Incoming>, Box<Unanswered>> {
        let mut answer = pin!(self.sender.try_send_request(request));
        let turn = poll_fn(|cx| {
            let answered = self.until(cx, |quiet| answer.as_mut().poll(quiet));
            answered.map(|answered| match answered {
                Some(Ok(response)) => Ok(response),
                Some(Err(mut failed)) => Err(Box::new(Unanswered {
                    request: failed.take_message(),
                    error: connection(failed.error(), false),
                })),
                None => Err(Box::new(Unanswered {
                    request: None,
                    error: closed(),
                })),
            })
        });
        // A budget that is spent between the two would leave an answer lying that nobody is woken for.
        unconstrained(turn).await
    }

    /// The next bytes of an answer that came over this connection.
    pub(super) fn poll_data(
        &mut self,
        body: &mut Incoming,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Error>>> {
        loop {
            let next = self.until(cx, |quiet| Pin::new(&mut *body).poll_frame(quiet));
            return match next {
                Poll::Pending => Poll::Pending,
                Poll::Ready(None) => Poll::Ready(Some(Err(closed()))),
                Poll::Ready(Some(None)) => Poll::Ready(None),
                Poll::Ready(Some(Some(Err(e)))) => Poll::Ready(Some(Err(connection(&e, false)))),
                Poll::Ready(Some(Some(Ok(frame)))) => match frame.into_data() {
                    Ok(data) => Poll::Ready(Some(Ok(data))),
                    Err(_trailers) => continue,
                },
            };
        }
    }

    /// Whether nothing of an answer is left but what is here already, and little.
    pub(super) fn is_at_the_end(&mut self, body: &mut Incoming) -> bool {
        for _ in 0..LEFT {
            match self.poll_data(body, &mut quiet()) {
                Poll::Ready(Some(Ok(_))) => {}
                end => return matches!(end, Poll::Ready(None)),
            }
        }
        false
    }

    /// Moves the connection on until `look` finds what it brings; `None` if it ended before.
    ///
    /// What it brings comes by the connection alone, and that wakes this task by itself. Whoever takes it wakes the
    /// connection in turn, which would be this task once more: so the connection is first moved on for nobody, and
    /// waited for only where that brought nothing.
    fn until<T>(
        &mut self,
        cx: &Context<'_>,
        mut look: impl FnMut(&mut Context<'_>) -> Poll<T>,
    ) -> Poll<Option<T>> {
        let found = look(&mut quiet());
        if found.is_ready() {
            return found.map(Some);
        }
        for waker in [Waker::noop(), cx.waker()] {
            let goes_on = self.goes_on(&mut Context::from_waker(waker));
            let found = look(&mut quiet());
            if found.is_ready() {
                return found.map(Some);
            }
            if !goes_on {
                return Poll::Ready(None);
            }
        }
        Poll::Pending
    }

    /// Does what can be done without waiting; says whether there will be more.
    fn goes_on(&mut self, cx: &mut Context<'_>) -> bool {
        self.has_ended = self.has_ended || Pin::new(&mut self.connection).poll(cx).is_ready();
        !self.has_ended
    }
}

fn closed() -> Error {
    Error::new(
        Kind::Connection,
        "the connection broke: it was closed before the answer was complete",
    )
}

/// Of whoever need not be woken.
fn quiet() -> Context<'static> {
    Context::from_waker(Waker::noop())
}
