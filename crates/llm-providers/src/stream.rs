//! The one driver of streams: body, frames, decoder, chunks.

use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures_core::Stream;
use futures_util::StreamExt;
use http::HeaderMap;
use llm_types::{Op, Usage};
use tokio::time::{Instant, Sleep};

use crate::{
    Call, Chunk, Chunks, Decoder, Error, Framing, Kind, Limits,
    frame::{Frame, Splitter},
    transport::ByteStream,
};

/// How many reads that are there already make one batch, at most.
const READS_AT_ONCE: usize = 64;

/// A streamed answer in batches of chunks: what one read from the network brought, or several that were there already.
///
/// Ends with `None` only if the answer is whole; a stream that breaks, stalls or stops short ends with one `Err`. One
/// that breaks after its last word was said is whole. Dropping it hangs up on the vendor.
pub struct EventStream {
    body: ByteStream,
    splitter: Splitter,
    decoder: Box<dyn Decoder>,
    provider: &'static str,
    op: Op,
    /// Until the answer itself begins.
    silence: Option<(Duration, Pin<Box<Sleep>>)>,
    stall: Option<Stall>,
    deadline: Option<Pin<Box<Sleep>>>,
    /// Anything was decoded.
    spoke: bool,
    malformed: Malformed,
    ready: VecDeque<Result<Vec<Chunk>, Error>>,
    chunks: Chunks,
    frames: Vec<Frame>,
    over: bool,
}

/// Events that could not be read.
#[derive(Debug, Default)]
struct Malformed {
    allowed: u32,
    in_a_row: u32,
    in_all: u32,
}

/// Notices that nothing comes any more.
struct Stall {
    limit: Duration,
    /// Not moved with each read, which would take a lock: it looks at `last_read` when it fires.
    alarm: Pin<Box<Sleep>>,
    last_read: Instant,
}

impl EventStream {
    pub(crate) fn new(
        call: &Call<'_>,
        body: ByteStream,
        headers: &HeaderMap,
        limits: &Limits,
        began: Instant,
    ) -> Result<Self, Error> {
        let mut framing = call.wire().framing(call);
        // Some vendors answer a stream request with one document: the error, or the whole answer.
        let content_type = headers
            .get("content-type")
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        if framing == Framing::Sse && content_type.starts_with("application/json") {
            framing = Framing::Whole;
        }
        Ok(Self {
            body,
            splitter: Splitter::new(framing),
            decoder: call.decoder()?,
            provider: call.target.provider.name,
            op: call.op,
            silence: limits.first_content.map(|limit| {
                let alarm = tokio::time::sleep_until(began + limit);
                (limit, Box::pin(alarm))
            }),
            stall: limits.stall.map(|limit| Stall {
                limit,
                alarm: Box::pin(tokio::time::sleep(limit)),
                last_read: Instant::now(),
            }),
            deadline: limits
                .total
                .map(|limit| Box::pin(tokio::time::sleep_until(began + limit))),
            spoke: false,
            malformed: Malformed {
                allowed: limits.malformed_events,
                ..Malformed::default()
            },
            ready: VecDeque::new(),
            chunks: Chunks::default(),
            frames: Vec::new(),
            over: false,
        })
    }

    /// What the answer consumed, as far as the vendor has said.
    pub fn usage(&self) -> Option<&Usage> {
        self.chunks.usage.as_ref()
    }

    /// How many events could not be read and were left out.
    pub fn malformed(&self) -> u32 {
        self.malformed.in_all
    }

    /// Waits for the first batch and keeps it: an error before it is an error of the attempt, not of the stream.
    pub(crate) async fn prime(&mut self) -> Result<(), Error> {
        match self.next().await {
            Some(Err(e)) => Err(e),
            Some(batch) => {
                self.ready.push_front(batch);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Takes what one read brought.
    fn feed(&mut self, read: Option<Result<bytes::Bytes, Error>>) {
        let result = match read {
            Some(Ok(bytes)) => self
                .splitter
                .push(bytes, &mut self.frames)
                .and_then(|()| self.decode()),
            Some(Err(e)) => return self.break_off(e),
            None => {
                self.over = true;
                self.splitter
                    .finish(&mut self.frames)
                    .and_then(|()| self.decode())
                    .and_then(|()| self.decoder.finish(&mut self.chunks))
            }
        };
        self.hand_over();
        if let Err(e) = result {
            self.fail(e);
        } else if self.chunks.done && !self.over {
            // The vendor's own end mark: what may follow says nothing more.
            self.over = true;
            let end = self.decoder.finish(&mut self.chunks);
            self.hand_over();
            if let Err(e) = end {
                self.fail(e);
            }
        }
    }

    /// The stream broke, or time is up. The answer may be whole all the same, and only its end mark or its usage missing.
    fn break_off(&mut self, error: Error) {
        let whole = self.decoder.finish(&mut self.chunks).is_ok();
        self.hand_over();
        if whole {
            self.over = true;
        } else {
            self.fail(error);
        }
    }

    /// Makes a batch of what was decoded.
    fn hand_over(&mut self) {
        let items = std::mem::take(&mut self.chunks.items);
        if items.is_empty() {
            return;
        }
        self.spoke = true;
        if self.silence.is_some() && items.iter().any(|chunk| chunk.is_content(self.op)) {
            self.silence = None;
        }
        self.ready.push_back(Ok(items));
    }

    /// After a read that brought something: takes what has arrived besides, so that a burst is one batch. Waits for
    /// nothing.
    fn feed_what_is_there(&mut self, cx: &mut Context<'_>) {
        let mut reads = 1;
        while !self.over && !self.ready.is_empty() && reads < READS_AT_ONCE {
            let Poll::Ready(read) = self.body.as_mut().poll_next(cx) else {
                return;
            };
            self.feed(read);
            reads += 1;
        }
    }

    /// The next batch, or what ended the stream.
    fn gather(&mut self) -> Option<Result<Vec<Chunk>, Error>> {
        let mut batch = match self.ready.pop_front()? {
            Ok(batch) => batch,
            Err(e) => return Some(Err(e)),
        };
        while let Some(Ok(more)) = self.ready.front_mut() {
            batch.append(more);
            self.ready.pop_front();
        }
        Some(Ok(batch))
    }

    fn decode(&mut self) -> Result<(), Error> {
        for frame in self.frames.drain(..) {
            let data = frame.data.clone();
            let is_error = frame.exception || frame.event() == "error";
            let Err(error) = self.decoder.push(frame, &mut self.chunks) else {
                self.malformed.in_a_row = 0;
                continue;
            };
            let began = self.spoke || !self.chunks.items.is_empty();
            if !began || is_error || error.kind != Kind::Decode || is_json(&data) {
                return Err(error);
            }
            self.malformed.in_all += 1;
            self.malformed.in_a_row += 1;
            if self.malformed.in_a_row > self.malformed.allowed {
                return Err(error);
            }
        }
        Ok(())
    }

    fn fail(&mut self, error: Error) {
        self.over = true;
        let error = if error.provider.is_empty() {
            error.of(self.provider)
        } else {
            error
        };
        self.ready.push_back(Err(error));
    }

    fn timed_out(&mut self, cx: &mut Context<'_>) -> Option<Error> {
        if let Some(deadline) = &mut self.deadline
            && deadline.as_mut().poll(cx).is_ready()
        {
            return Some(Error::new(
                Kind::Timeout,
                "the answer was not complete in time",
            ));
        }
        if let Some((limit, sleep)) = &mut self.silence
            && sleep.as_mut().poll(cx).is_ready()
        {
            return Some(Error::new(
                Kind::Timeout,
                format!(
                    "the answer did not begin within {:.1} s",
                    limit.as_secs_f64()
                ),
            ));
        }
        let stall = self.stall.as_mut()?;
        while stall.alarm.as_mut().poll(cx).is_ready() {
            let due = stall.last_read + stall.limit;
            if Instant::now() >= due {
                return Some(Error::new(
                    Kind::Timeout,
                    format!(
                        "the stream stalled: nothing came for {:.1} s",
                        stall.limit.as_secs_f64()
                    ),
                ));
            }
            stall.alarm.as_mut().reset(due);
        }
        None
    }
}

impl Stream for EventStream {
    type Item = Result<Vec<Chunk>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if let Some(batch) = this.gather() {
                return Poll::Ready(Some(batch));
            }
            if this.over {
                return Poll::Ready(None);
            }
            match this.body.as_mut().poll_next(cx) {
                Poll::Ready(read) => {
                    if let Some(stall) = &mut this.stall {
                        stall.last_read = Instant::now();
                    }
                    this.feed(read);
                    this.feed_what_is_there(cx);
                }
                Poll::Pending => match this.timed_out(cx) {
                    Some(error) => this.break_off(error),
                    None => return Poll::Pending,
                },
            }
        }
    }
}

fn is_json(data: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(data).is_ok()
}

impl std::fmt::Debug for EventStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventStream")
            .field("provider", &self.provider)
            .field("over", &self.over)
            .finish()
    }
}
