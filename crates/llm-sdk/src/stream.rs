//! A streamed answer in the client's dialect.

mod account;
mod rest;
mod resume;

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_core::Stream;
use llm_providers::{Chunk, Error, EventStream, bridges};
use llm_router::{Lease, StreamFailover};
use llm_types::{JsonObject, Op, Usage};

use crate::{
    Charge, Continued, answer_id,
    continuation::{Bill, Onward, Resuming, Sent, Splice},
    ledger,
    price::Rates,
    record::Reporter,
    refusal,
    restamp::Stamp,
};

/// One event of a streamed answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The SSE event's name, in dialects that have one.
    pub name: Option<Bytes>,
    /// Its data: one JSON document.
    pub data: Bytes,
}

/// A streamed answer: batches of events, one for each read from the network that brought any.
///
/// An attempt that breaks before it said anything is made again elsewhere, and one that breaks within the answer is
/// carried on where that can be done, as the router's settings and the request say. Ends with `None` only if the answer
/// is whole, and with one `Err` otherwise. Dropping it hangs up on the vendor; either way the request is reported once.
pub struct AnswerStream {
    source: Source,
    bridge: Option<Box<dyn bridges::BridgeStream>>,
    stamp: Stamp,
    rates: Rates,
    /// Held until the stream is over.
    lease: Option<Lease>,
    first_event: Duration,
    reporter: Reporter,
    /// `None` for canned answers.
    onward: Option<Onward>,
    /// Something of the answer itself was sent.
    began: bool,
    /// Events that say nothing yet, until one comes that does.
    waiting: Vec<Event>,
    sent: Sent,
    /// Where the source goes on with an answer that has begun: what joins the two.
    splice: Option<Splice>,
    usage_told: bool,
    /// The attempts before this one.
    bill: Bill,
    /// Of the last attempt, when it is over.
    attempt: (Option<Usage>, Charge),
    /// Tokens of the answer that were said before this attempt.
    counted: u64,
    /// Of all attempts, at the end.
    usage: Option<Usage>,
    /// Why the first attempt broke.
    cause: Option<Error>,
    continued: Vec<Continued>,
    malformed: u32,
    /// What it consumed was charged when it was told before.
    told_before: bool,
    over: bool,
}

enum Source {
    Vendor(Box<EventStream>),
    Canned(std::vec::IntoIter<Result<Chunk, Error>>, Option<Box<Usage>>),
    /// The last attempt broke, and the next one is under way.
    Resuming(Resuming),
}

impl AnswerStream {
    pub(crate) fn vendor(
        source: Box<EventStream>,
        bridge: Option<Box<dyn bridges::BridgeStream>>,
        stamp: Stamp,
        rates: Rates,
        lease: Lease,
        reporter: Reporter,
        onward: Onward,
    ) -> Self {
        let source = Source::Vendor(source);
        Self::new(source, bridge, stamp, rates, lease, reporter, Some(onward))
    }

    pub(crate) fn canned(
        chunks: Vec<Result<Chunk, Error>>,
        usage: Option<Usage>,
        bridge: Option<Box<dyn bridges::BridgeStream>>,
        stamp: Stamp,
        rates: Rates,
        lease: Lease,
        reporter: Reporter,
    ) -> Self {
        let source = Source::Canned(chunks.into_iter(), usage.map(Box::new));
        Self::new(source, bridge, stamp, rates, lease, reporter, None)
    }

    fn new(
        source: Source,
        bridge: Option<Box<dyn bridges::BridgeStream>>,
        stamp: Stamp,
        rates: Rates,
        lease: Lease,
        reporter: Reporter,
        onward: Option<Onward>,
    ) -> Self {
        Self {
            source,
            bridge,
            stamp,
            rates,
            first_event: lease.held(),
            lease: Some(lease),
            reporter,
            onward,
            began: false,
            waiting: Vec::new(),
            sent: Sent::default(),
            splice: None,
            usage_told: false,
            bill: Bill::default(),
            attempt: Default::default(),
            counted: 0,
            usage: None,
            cause: None,
            continued: Vec::new(),
            malformed: 0,
            told_before: false,
            over: false,
        }
    }

    /// What the answer consumed, as far as the vendor has said; after its end, of all attempts together.
    pub fn usage(&self) -> Option<&Usage> {
        self.usage.as_ref().or(match &self.source {
            Source::Vendor(stream) => stream.usage(),
            Source::Canned(_, usage) => usage.as_deref(),
            Source::Resuming(_) => None,
        })
    }

    fn op(&self) -> Op {
        self.onward
            .as_ref()
            .map_or(Op::Chat, |onward| onward.network.op)
    }

    fn mode(&self) -> StreamFailover {
        self.onward
            .as_ref()
            .map_or(StreamFailover::Off, |onward| onward.mode)
    }

    /// What the answer costs, as far as the vendor has said what it consumed; after its end, all attempts together.
    pub fn charge(&self) -> Charge {
        if self.over {
            self.bill.total().1
        } else {
            self.rates.charge(self.usage())
        }
    }

    fn events(&mut self, batch: Vec<Chunk>) -> Result<Vec<Event>, Error> {
        let mut events = Vec::with_capacity(batch.len());
        for chunk in batch {
            let result = match self.splice.take() {
                None => self.event(chunk, &mut events),
                Some(mut splice) => {
                    let told = splice.push(chunk);
                    self.splice = Some(splice);
                    told.and_then(|told| {
                        let mut told = told.into_iter();
                        told.try_for_each(|chunk| self.tell(chunk, &mut events))
                    })
                }
            };
            if let Err(error) = result {
                // What came before it is the client's all the same.
                if events.is_empty() {
                    return Err(error);
                }
                let usage = self.own_usage(true);
                self.source = Source::Canned(vec![Err(error)].into_iter(), usage.map(Box::new));
                return Ok(events);
            }
        }
        Ok(events)
    }

    /// One chunk of an attempt that began the answer.
    fn event(&mut self, chunk: Chunk, out: &mut Vec<Event>) -> Result<(), Error> {
        let op = self.op();
        let holds = match self.mode() {
            StreamFailover::Off => false,
            // Blocks and items have a beginning and an end: a client must not be left with an empty one.
            StreamFailover::Continue
                if matches!(op, Op::Messages | Op::Responses) && self.bridge.is_none() =>
            {
                true
            }
            _ => !self.began,
        };
        // A bridged vendor was asked in chat.
        let dialect = self.bridge.as_ref().map_or(op, |_| Op::Chat);
        let content = !holds || chunk.is_content(dialect);
        let filtered = self.onward.as_ref().is_some_and(|onward| onward.filtered);
        if filtered && !self.began && holds && refusal::is_chunk(dialect, &chunk) {
            return Err(ledger::stopped(self.rates.deployment.target.provider.name));
        }
        if let Chunk::Raw { data, .. } = &chunk {
            self.rates.measures.saw(data);
        }
        let mut made = Vec::new();
        match (&mut self.bridge, chunk) {
            (Some(bridge), chunk) => {
                let mut chunk = chunk.into_chat()?;
                self.stamp.chunk(&mut chunk);
                self.sent.tell(&chunk);
                bridge.push(chunk, &mut made)?;
            }
            (None, Chunk::Raw { event: name, data }) => {
                let ends = op == Op::Responses && is_end(name.as_deref());
                if ends {
                    self.is_late(&data);
                }
                let data = self.stamp.json(data);
                if ends {
                    self.used(&data);
                }
                let event = Event { name, data };
                if self.onward.is_some() {
                    self.sent.pass(&event);
                }
                return self.send(content, [event], out);
            }
            (None, Chunk::Chat(mut chunk)) => {
                self.stamp.chunk(&mut chunk);
                self.sent.tell(&chunk);
                let data = Chunk::Chat(chunk).into_data()?;
                return self.send(content, [Event { name: None, data }], out);
            }
        }
        self.send(content, made.into_iter().map(event), out)
    }

    /// The last event holds the whole response, and with it the tools that the vendor ran.
    fn used(&mut self, event: &Bytes) {
        let Some(onward) = &self.onward else { return };
        let event = JsonObject::parse(event).unwrap_or_default();
        if let Some(response) = event.raw("response") {
            self.rates
                .used(Op::Responses, &onward.network.body, response);
        }
    }

    /// A response of the background is charged once, however often it is told.
    fn is_late(&mut self, event: &Bytes) {
        let event = JsonObject::parse(event).unwrap_or_default();
        let Some(response) = event.raw("response").cloned() else {
            return;
        };
        let fields = JsonObject::parse(&response).unwrap_or_default();
        if fields.is_true("background") {
            match self.rates.late(&response) {
                Some(id) => self.reporter.note(|record| record.bill = Some(id)),
                None => self.told_before = true,
            }
        }
    }

    /// Sends events, or has them wait until one comes that says something.
    fn send(
        &mut self,
        content: bool,
        events: impl IntoIterator<Item = Event>,
        out: &mut Vec<Event>,
    ) -> Result<(), Error> {
        if content {
            let is_first = !std::mem::replace(&mut self.began, true);
            out.append(&mut self.waiting);
            out.extend(events);
            self.sent.flush();
            if is_first {
                let op = self.op();
                let mut said = out.iter();
                let id = said.find_map(|event| answer_id::of_event(op, &event.data));
                self.reporter.note(|record| record.answer_id = id);
            }
        } else {
            self.waiting.extend(events);
        }
        Ok(())
    }

    /// What the source brings next; the next one where it has broken and another is to be tried.
    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Vec<Chunk>, Error>>> {
        match &mut self.source {
            Source::Vendor(stream) => Pin::new(stream.as_mut()).poll_next(cx),
            Source::Canned(chunks, _) => {
                let next = chunks.next();
                Poll::Ready(next.map(|chunk| chunk.map(|chunk| vec![chunk])))
            }
            Source::Resuming(resuming) => {
                let came = match resuming.as_mut().poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(came) => came,
                };
                Poll::Ready(Some(match came {
                    Ok(routed) => self.resumed(routed).map(|()| Vec::new()),
                    Err(failed) => Err(self.gave_up(*failed)),
                }))
            }
        }
    }
}

impl Stream for AnswerStream {
    type Item = Result<Vec<Event>, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        loop {
            if this.over {
                return Poll::Ready(None);
            }
            let resuming = matches!(this.source, Source::Resuming(_));
            let Poll::Ready(next) = this.poll_source(cx) else {
                return Poll::Pending;
            };
            let events = match next {
                Some(Ok(batch)) => this.events(batch),
                Some(Err(error)) => Err(error),
                None => this.last().inspect(|_| this.over = true),
            };
            match events {
                Ok(events) => {
                    if this.over {
                        this.end(None);
                    }
                    if !events.is_empty() {
                        return Poll::Ready(Some(Ok(events)));
                    }
                }
                Err(error) => {
                    let error = match resuming {
                        // Nobody is left to try.
                        true => Some(error),
                        false => this.broken(error),
                    };
                    if let Some(error) = error {
                        this.end(Some(&error));
                        return Poll::Ready(Some(Err(error)));
                    }
                }
            }
        }
    }
}

impl Drop for AnswerStream {
    /// What came before the client hung up is on the vendor's bill.
    fn drop(&mut self) {
        if !self.over {
            let reported = self.usage().cloned();
            let charge = self.rates.charge(reported.as_ref());
            self.bill.add(reported.clone(), charge.clone());
            self.attempt = (reported, charge);
            let finish = self.finish();
            if let Some(lease) = self.lease.take() {
                lease.hang_up(&finish);
            }
            self.settle();
        }
    }
}

impl std::fmt::Debug for AnswerStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AnswerStream")
            .field("over", &self.over)
            .finish()
    }
}

fn is_end(name: Option<&[u8]>) -> bool {
    matches!(name, Some(b"response.completed" | b"response.incomplete"))
}

fn event(event: bridges::Event) -> Event {
    Event {
        name: event.name.map(|name| Bytes::from_static(name.as_bytes())),
        data: event.data,
    }
}
