//! An answer that is bytes: sound, video, a file. Handed on as it comes.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_core::Stream;
use futures_util::StreamExt;
use http::{HeaderMap, header};
use llm_types::Usage;
use tokio::time::{Instant, Sleep};

use crate::{Call, Error, Kind, Limits, rewrite::Lines, transport::ByteStream};

/// An answer's bytes as they come. Ends with `None` only when all are there; one that breaks, stalls or stops short ends
/// with one `Err`. Dropping it hangs up on the vendor.
pub struct Download {
    body: ByteStream,
    first: Option<Bytes>,
    provider: &'static str,
    /// What the vendor announced, and has not sent yet.
    left: Option<u64>,
    length: Option<u64>,
    content_type: String,
    usage: Option<Usage>,
    lines: Option<Lines>,
    stall: Option<(Duration, Pin<Box<Sleep>>)>,
    deadline: Option<Pin<Box<Sleep>>>,
    over: bool,
}

impl Download {
    /// Takes a successful reply, and waits for its first bytes: an attempt that breaks before them has brought nothing.
    pub(crate) async fn begin(
        call: &Call<'_>,
        body: ByteStream,
        headers: &HeaderMap,
        limits: &Limits,
        began: Instant,
    ) -> Result<Self, Error> {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok());
        let length = text(header::CONTENT_LENGTH).and_then(|length| length.parse().ok());
        let kind = text(header::CONTENT_TYPE).unwrap_or("application/octet-stream");
        let mut download = Self {
            body,
            first: None,
            provider: call.target.provider.name,
            left: length,
            length,
            content_type: kind.to_owned(),
            usage: call.wire().spent(call),
            lines: call.wire().rewriter(call).map(Lines::new),
            stall: limits
                .stall
                .map(|limit| (limit, Box::pin(tokio::time::sleep(limit)))),
            deadline: limits
                .total
                .map(|limit| Box::pin(tokio::time::sleep_until(began + limit))),
            over: false,
        };
        download.first = download.next().await.transpose()?;
        Ok(download)
    }

    /// Bytes that are kept here, `length` of them.
    pub fn kept(body: ByteStream, length: u64) -> Self {
        Self {
            body,
            first: None,
            provider: "",
            left: Some(length),
            length: Some(length),
            content_type: "application/octet-stream".to_owned(),
            usage: None,
            lines: None,
            stall: None,
            deadline: None,
            over: false,
        }
    }

    /// Their type.
    pub fn content_type(&self) -> &str {
        &self.content_type
    }

    /// How many there are, where the vendor says so and they stay as they are.
    pub fn length(&self) -> Option<u64> {
        self.length.filter(|_| self.lines.is_none())
    }

    /// What the lines that have passed so far consumed, by model.
    pub fn consumed(&self) -> &[(String, Usage)] {
        self.lines.as_ref().map_or(&[], Lines::consumed)
    }

    /// What they consumed.
    pub fn usage(&self) -> Option<&Usage> {
        self.usage.as_ref()
    }

    /// What bytes become; `None` where no line of them is whole yet.
    fn rewritten(&mut self, bytes: Bytes) -> Option<Result<Bytes, Error>> {
        let Some(lines) = &mut self.lines else {
            return Some(Ok(bytes));
        };
        let rewritten = lines.push(&bytes);
        self.over |= rewritten.is_err();
        match rewritten {
            Ok(bytes) if bytes.is_empty() => None,
            other => Some(other.map_err(|e| e.of(self.provider))),
        }
    }

    /// All bytes are there.
    fn end(&mut self) -> Option<Result<Bytes, Error>> {
        self.over = true;
        let last = self.lines.as_mut()?.finish();
        match last {
            Ok(bytes) if bytes.is_empty() => None,
            other => Some(other.map_err(|e| e.of(self.provider))),
        }
    }

    fn fail(&mut self, kind: Kind, message: String) -> Poll<Option<Result<Bytes, Error>>> {
        self.over = true;
        Poll::Ready(Some(Err(Error::new(kind, message).of(self.provider))))
    }

    fn is_late(&mut self, cx: &mut Context<'_>) -> Option<String> {
        if let Some(deadline) = &mut self.deadline
            && deadline.as_mut().poll(cx).is_ready()
        {
            return Some("the answer did not come in time".into());
        }
        let (limit, alarm) = self.stall.as_mut()?;
        if alarm.as_mut().poll(cx).is_ready() {
            let limit = limit.as_secs_f64();
            return Some(format!("the answer stalled: no byte came for {limit:.1} s"));
        }
        None
    }
}

impl Stream for Download {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        if let Some(first) = self.first.take() {
            return Poll::Ready(Some(Ok(first)));
        }
        if self.over {
            return Poll::Ready(None);
        }
        loop {
            let polled = self.body.poll_next_unpin(cx);
            if let Some(ready) = self.received(polled, cx) {
                return ready;
            }
        }
    }
}

impl Download {
    /// What a poll of the body means; `None`: poll again.
    fn received(
        &mut self,
        polled: Poll<Option<Result<Bytes, Error>>>,
        cx: &mut Context<'_>,
    ) -> Option<Poll<Option<Result<Bytes, Error>>>> {
        Some(match polled {
            Poll::Ready(Some(Ok(bytes))) => {
                if let Some(left) = &mut self.left {
                    *left = left.saturating_sub(bytes.len() as u64);
                }
                if let Some((limit, alarm)) = &mut self.stall {
                    let next = Instant::now() + *limit;
                    alarm.as_mut().reset(next);
                }
                Poll::Ready(Some(self.rewritten(bytes)?))
            }
            Poll::Ready(Some(Err(error))) => {
                self.over = true;
                Poll::Ready(Some(Err(error)))
            }
            Poll::Ready(None) => match self.left {
                Some(left) if left > 0 => {
                    let message = format!("the answer was cut short: {left} bytes are missing");
                    self.fail(Kind::Connection, message)
                }
                _ => Poll::Ready(self.end()),
            },
            Poll::Pending => match self.is_late(cx) {
                Some(message) => self.fail(Kind::Timeout, message),
                None => Poll::Pending,
            },
        })
    }
}

impl fmt::Debug for Download {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Download")
            .field("content_type", &self.content_type)
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}
