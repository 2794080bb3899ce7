//! A vendor's bytes on their way to the client.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_core::Stream;
use llm_providers::{Error, Kind, Meter, Unasked, transport::ByteStream};
use tokio::time::{Instant, Sleep};

use super::Held;

/// A reply's bytes as they come. Ends with `None` only when all are there. Dropping it hangs up on the vendor; either
/// way the request is reported once.
pub struct Relay {
    body: ByteStream,
    meter: Option<Meter>,
    /// Where the usage was asked for though the client did not.
    unasked: Option<Unasked>,
    held: Held,
    patience: Duration,
    alarm: Pin<Box<Sleep>>,
    /// Bytes that the vendor announced and has not sent yet. Whoever has all of them asks for no more.
    left: Option<u64>,
    over: bool,
}

impl Relay {
    pub(super) fn new(
        body: ByteStream,
        meter: Option<Meter>,
        held: Held,
        patience: Duration,
        length: Option<u64>,
    ) -> Self {
        Self {
            body,
            meter,
            unasked: None,
            held,
            patience,
            alarm: Box::pin(tokio::time::sleep(patience)),
            left: length,
            over: false,
        }
    }

    /// Takes what the client did not ask for out of the answer.
    pub(super) fn without_usage(mut self) -> Self {
        self.unasked = Some(Unasked::default());
        self.left = None;
        self
    }

    /// All bytes are there.
    pub(super) fn end(&mut self) {
        self.over = true;
        let meter = self.meter.take();
        match self.held.shown.take() {
            Some(shown) => drop(self.held.show(&shown, meter, &Bytes::new())),
            None => drop(self.held.end(meter.and_then(Meter::finish))),
        }
    }

    fn fail(&mut self, error: Error) -> Poll<Option<Result<Bytes, Error>>> {
        self.over = true;
        let usage = self.meter.take().and_then(Meter::finish);
        self.held.break_off(usage, &error);
        Poll::Ready(Some(Err(error)))
    }
}

impl Stream for Relay {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        if this.over {
            return Poll::Ready(None);
        }
        loop {
            match this.body.as_mut().poll_next(cx) {
                Poll::Ready(Some(Ok(bytes))) => {
                    if let Some(meter) = &mut this.meter {
                        meter.push(&bytes);
                    }
                    if let Some(left) = &mut this.left {
                        *left = left.saturating_sub(bytes.len() as u64);
                    }
                    if this.left == Some(0) {
                        this.end();
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                    let next = Instant::now() + this.patience;
                    this.alarm.as_mut().reset(next);
                    let bytes = match &mut this.unasked {
                        Some(unasked) => unasked.push(&bytes),
                        None => bytes,
                    };
                    if !bytes.is_empty() {
                        return Poll::Ready(Some(Ok(bytes)));
                    }
                }
                Poll::Ready(Some(Err(error))) => return this.fail(error),
                Poll::Ready(None) => {
                    this.end();
                    let rest = this.unasked.take().map(|mut unasked| unasked.finish());
                    return Poll::Ready(rest.filter(|rest| !rest.is_empty()).map(Ok));
                }
                Poll::Pending if this.alarm.as_mut().poll(cx).is_ready() => {
                    let seconds = this.patience.as_secs_f64();
                    let message = format!("the answer stalled: no byte came for {seconds:.1} s");
                    return this.fail(Error::new(Kind::Timeout, message));
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if !self.over {
            let usage = self.meter.take().and_then(Meter::finish);
            self.held.hang_up(usage);
        }
    }
}

impl fmt::Debug for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Relay").field("over", &self.over).finish()
    }
}
