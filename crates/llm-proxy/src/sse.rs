//! A streamed answer as server-sent events.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::Stream;
use llm_sdk::{AnswerStream, Event};
use llm_types::Op;
use tokio::time::{Instant, Sleep, sleep};

use crate::error::{Dialect, Refusal};

/// Events that have already come go out together up to this many bytes.
const TOGETHER: usize = 16 << 10;

/// Writes a streamed answer, one buffer for each batch of events.
pub(crate) struct Events {
    stream: Box<AnswerStream>,
    op: Op,
    call_id: String,
    ping: Option<Ping>,
    list: Option<List>,
    over: bool,
}

/// Events as the elements of one JSON list.
#[derive(Default)]
struct List {
    begun: bool,
}

impl List {
    fn write<'a>(&mut self, out: &mut BytesMut, events: impl Iterator<Item = &'a [u8]>) {
        for event in events {
            out.put_slice(if self.begun { b",\r\n" } else { b"[" });
            out.put_slice(event);
            self.begun = true;
        }
    }

    fn end(&mut self, out: &mut BytesMut) {
        out.put_slice(if self.begun { b"]" } else { b"[]" });
    }
}

/// Keeps a quiet stream open.
struct Ping {
    every: Duration,
    /// Not moved with each event: it looks at `quiet_since` when it fires.
    alarm: Pin<Box<Sleep>>,
    quiet_since: Instant,
    bytes: &'static [u8],
}

impl Events {
    pub(crate) fn new(
        stream: Box<AnswerStream>,
        op: Op,
        call_id: String,
        ping_every: Option<Duration>,
    ) -> Self {
        let bytes: &'static [u8] = match Dialect::of(op) {
            Dialect::Anthropic => b"event: ping\ndata: {\"type\": \"ping\"}\n\n",
            Dialect::OpenAi | Dialect::Google => b": ping\n\n",
        };
        let ping = ping_every.map(|every| Ping {
            every,
            alarm: Box::pin(sleep(every)),
            quiet_since: Instant::now(),
            bytes,
        });
        Self {
            stream,
            op,
            call_id,
            ping,
            list: None,
            over: false,
        }
    }

    /// The same as one JSON list. Between its elements may be blanks, which keep it open.
    pub(crate) fn in_a_list(mut self) -> Self {
        self.list = Some(List::default());
        if let Some(ping) = &mut self.ping {
            ping.bytes = b"\n";
        }
        self
    }

    /// The next bytes to send; `None` at the end.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.over {
            return Poll::Ready(None);
        }
        let mut out = BytesMut::new();
        while out.len() < TOGETHER {
            match Pin::new(&mut self.stream).poll_next(cx) {
                Poll::Ready(Some(Ok(events))) => match &mut self.list {
                    Some(list) => list.write(&mut out, events.iter().map(|event| &event.data[..])),
                    None => write(&mut out, &events),
                },
                Poll::Ready(Some(Err(error))) => {
                    self.over = true;
                    self.write_error(&mut out, &Refusal::broken(&error));
                    break;
                }
                Poll::Ready(None) => {
                    self.over = true;
                    if let Some(list) = &mut self.list {
                        list.end(&mut out);
                    } else if matches!(self.op, Op::Chat | Op::Completion) {
                        out.extend_from_slice(b"data: [DONE]\n\n");
                    }
                    break;
                }
                Poll::Pending if out.is_empty() => return self.quiet(cx),
                Poll::Pending => break,
            }
        }
        if let Some(ping) = &mut self.ping {
            ping.quiet_since = Instant::now();
        }
        Poll::Ready(Some(out.freeze()).filter(|out| !out.is_empty()))
    }

    fn quiet(&mut self, cx: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let Some(ping) = &mut self.ping else {
            return Poll::Pending;
        };
        while ping.alarm.as_mut().poll(cx).is_ready() {
            let due = ping.quiet_since + ping.every;
            let now = Instant::now();
            if now >= due {
                ping.quiet_since = now;
                ping.alarm.as_mut().reset(now + ping.every);
                return Poll::Ready(Some(Bytes::from_static(ping.bytes)));
            }
            ping.alarm.as_mut().reset(due);
        }
        Poll::Pending
    }

    fn write_error(&mut self, out: &mut BytesMut, refusal: &Refusal) {
        let dialect = Dialect::of(self.op);
        if dialect == Dialect::Anthropic || self.op == Op::Responses {
            out.extend_from_slice(b"event: error\n");
        }
        let mut body = refusal.body(dialect, Some(&self.call_id));
        if let Some(list) = &mut self.list {
            list.write(out, std::iter::once(&body[..]));
            return list.end(out);
        }
        if self.op == Op::Responses {
            // An event says what it is.
            let rest = body.strip_prefix(b"{").unwrap_or_default();
            body = [br#"{"type":"error","#, rest].concat().into();
        }
        write_data(out, &body);
    }
}

fn write(out: &mut BytesMut, events: &[Event]) {
    let size = events
        .iter()
        .map(|event| event.data.len() + event.name.as_ref().map_or(0, |n| n.len() + 8) + 8)
        .sum();
    out.reserve(size);
    for event in events {
        if let Some(name) = &event.name {
            out.put_slice(b"event: ");
            out.put_slice(name);
            out.put_u8(b'\n');
        }
        write_data(out, &event.data);
    }
}

fn write_data(out: &mut BytesMut, data: &[u8]) {
    // One line of JSON; a vendor's line breaks between tokens would end the event early.
    if memchr::memchr2(b'\n', b'\r', data).is_none() {
        out.put_slice(b"data: ");
        out.put_slice(data);
    } else {
        for (i, line) in data.split(|byte| matches!(byte, b'\n' | b'\r')).enumerate() {
            out.put_slice(if i == 0 { b"data: " } else { b"\ndata: " });
            out.put_slice(line);
        }
    }
    out.put_slice(b"\n\n");
}
