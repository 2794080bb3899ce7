//! A streamed answer in the client's dialect.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_core::Stream;
use llm_providers::{Chunk, Error, EventStream, Kind, Outcome as Came, bridges};
use llm_router::{Failed, Lease, Routed, StreamFailover};
use llm_types::{ChatChunk, JsonObject, Map, Op, Usage};

use crate::{
    Continued, Outcome,
    continuation::{
        Bill, Carry, Onward, Resuming, Sent, Splice, as_chat, echoes, estimate, obstacle,
    },
    engine::ended,
    network::Attempted,
    price::Rates,
    record::Reporter,
    restamp::Stamp,
};

/// The extension field of an answer that was carried on.
const EXTENSION: &str = "interlingua";

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
    /// Where the source goes on with an answer that has begun: the dialect it was asked in, and what joins the two.
    splice: Option<(Op, Splice)>,
    usage_told: bool,
    /// The attempts before this one.
    bill: Bill,
    /// Of the last attempt, when it is over.
    attempt: Option<Usage>,
    /// Tokens of the answer that were said before this attempt.
    counted: u64,
    /// Of all attempts, at the end.
    usage: Option<Usage>,
    /// Why the first attempt broke.
    cause: Option<Error>,
    continued: Vec<Continued>,
    malformed: u32,
    over: bool,
}

#[expect(
    clippy::large_enum_variant,
    reason = "made once a request, and nearly always the large one"
)]
enum Source {
    Vendor(EventStream),
    Canned(std::vec::IntoIter<Result<Chunk, Error>>, Option<Usage>),
    /// The last attempt broke, and the next one is under way.
    Resuming(Resuming),
}

impl AnswerStream {
    pub(crate) fn vendor(
        source: EventStream,
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
        let source = Source::Canned(chunks.into_iter(), usage);
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
            attempt: None,
            counted: 0,
            usage: None,
            cause: None,
            continued: Vec::new(),
            malformed: 0,
            over: false,
        }
    }

    /// What the answer consumed, as far as the vendor has said; after its end, of all attempts together.
    pub fn usage(&self) -> Option<&Usage> {
        self.usage.as_ref().or(match &self.source {
            Source::Vendor(stream) => stream.usage(),
            Source::Canned(_, usage) => usage.as_ref(),
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

    fn events(&mut self, batch: Vec<Chunk>) -> Result<Vec<Event>, Error> {
        let mut events = Vec::with_capacity(batch.len());
        for chunk in batch {
            let result = match self.splice.take() {
                None => self.event(chunk, &mut events),
                Some((op, mut splice)) => {
                    let told = as_chat(op, chunk).and_then(|chunk| splice.push(chunk));
                    self.splice = Some((op, splice));
                    told.and_then(|told| told.map_or(Ok(()), |told| self.tell(told, &mut events)))
                }
            };
            if let Err(error) = result {
                // What came before it is the client's all the same.
                if events.is_empty() {
                    return Err(error);
                }
                let usage = self.own_usage(true);
                self.source = Source::Canned(vec![Err(error)].into_iter(), usage);
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
            // Anthropic's blocks have a beginning and an end: a client must not be left with an empty one.
            StreamFailover::Continue if op == Op::Messages && self.bridge.is_none() => true,
            _ => !self.began,
        };
        // A bridged vendor was asked in chat.
        let dialect = self.bridge.as_ref().map_or(op, |_| Op::Chat);
        let content = !holds || chunk.is_content(dialect);
        let mut made = Vec::new();
        match (&mut self.bridge, chunk) {
            (Some(bridge), chunk) => {
                let mut chunk = chunk.into_chat()?;
                self.stamp.chunk(&mut chunk);
                self.sent.tell(&chunk);
                bridge.push(chunk, &mut made)?;
            }
            (None, Chunk::Raw { event: name, data }) => {
                let data = self.stamp.json(data);
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

    /// Sends events, or has them wait until one comes that says something.
    fn send(
        &mut self,
        content: bool,
        events: impl IntoIterator<Item = Event>,
        out: &mut Vec<Event>,
    ) -> Result<(), Error> {
        if content {
            self.began = true;
            out.append(&mut self.waiting);
            out.extend(events);
            self.sent.flush();
        } else {
            self.waiting.extend(events);
        }
        Ok(())
    }

    /// Tells the client a chunk of the rest of its answer.
    fn tell(&mut self, mut chunk: ChatChunk, out: &mut Vec<Event>) -> Result<(), Error> {
        if let Some(usage) = &mut chunk.usage {
            self.usage_told = true;
            *usage = self.bill.with(Some(usage)).unwrap_or_default();
        }
        let last = chunk.usage.is_some() || chunk.choices.iter().any(|c| c.finish_reason.is_some());
        if last {
            chunk
                .extra
                .insert(EXTENSION.into(), self.extension().into());
        }
        self.sent.tell(&chunk);
        let Some(bridge) = &mut self.bridge else {
            let data = Chunk::Chat(Box::new(chunk)).into_data()?;
            out.push(Event { name: None, data });
            return Ok(());
        };
        let mut made = Vec::new();
        bridge.push(chunk, &mut made)?;
        out.extend(made.into_iter().map(event));
        Ok(())
    }

    /// What a client is told of an answer that was carried on.
    fn extension(&self) -> Map {
        let mut extension = Map::new();
        if !self.continued.is_empty()
            && let Ok(continued) = serde_json::to_value(&self.continued)
        {
            extension.insert("continued".into(), continued);
        }
        if self.bill.estimated {
            extension.insert("usage_estimated".into(), true.into());
        }
        extension
    }

    /// The vendor has ended the answer: closes what is open.
    fn last(&mut self) -> Result<Vec<Event>, Error> {
        let mut out = std::mem::take(&mut self.waiting);
        self.sent.flush();
        self.began = true;
        if self
            .splice
            .as_ref()
            .is_some_and(|(_, splice)| !splice.is_over())
        {
            let message = "the stream broke, and the rest ended before the answer was complete";
            return Err(Error::new(Kind::Connection, message));
        }
        self.usage_chunk(&mut out)?;
        let mut bridged = Vec::new();
        if let Some(bridge) = &mut self.bridge {
            bridge.finish(&mut bridged)?;
        }
        for mut event in bridged.into_iter().map(event) {
            if self.splice.is_some() {
                self.extend(&mut event);
            }
            out.push(event);
        }
        Ok(out)
    }

    /// Tells the client the usage that it waits for, where its vendor did not say it.
    fn usage_chunk(&mut self, out: &mut Vec<Event>) -> Result<(), Error> {
        let carried_on = self.splice.is_some();
        let told = match &self.source {
            Source::Vendor(stream) if !carried_on => stream.usage().is_some(),
            _ => self.usage_told || !carried_on,
        };
        let op = self.op();
        if told || !self.wants_usage() {
            return Ok(());
        }
        let Some(usage) = self.own_usage(false) else {
            return Ok(());
        };
        if self.bridge.is_none() && op != Op::Chat {
            let Some(bridge) = bridges::over_chat(op).filter(|_| op == Op::Completion) else {
                return Ok(());
            };
            self.bridge = self
                .onward
                .as_ref()
                .map(|onward| bridge.stream(&onward.network.body));
        }
        let mut chunk = self.sent.said(op).head.clone();
        chunk.usage = Some(usage);
        self.tell(chunk, out)
    }

    /// Puts the extension into the event that ends an answer, in dialects whose bridges write that themselves.
    fn extend(&self, event: &mut Event) {
        const LAST: [&[u8]; 3] = [
            b"message_delta",
            b"response.completed",
            b"response.incomplete",
        ];
        if event
            .name
            .as_deref()
            .is_some_and(|name| LAST.contains(&name))
            && let Ok(mut object) = JsonObject::parse(&event.data)
        {
            object.set(EXTENSION, &self.extension());
            event.data = object.to_bytes();
        }
    }

    /// Whether the client expects usage in the stream.
    fn wants_usage(&self) -> bool {
        let Some(onward) = &self.onward else {
            return false;
        };
        if !matches!(onward.network.op, Op::Chat | Op::Completion) {
            return true;
        }
        let options = onward
            .network
            .body
            .get::<Map>("stream_options")
            .ok()
            .flatten();
        options.is_some_and(|options| options.get("include_usage") == Some(&true.into()))
    }

    /// What this attempt consumed, as its vendor says; or about, where it broke before that was said.
    fn own_usage(&mut self, broke: bool) -> Option<Usage> {
        let reported = match &self.source {
            Source::Vendor(stream) => stream.usage().cloned(),
            Source::Canned(_, usage) => return usage.clone(),
            Source::Resuming(_) => return None,
        };
        let complete = reported
            .as_ref()
            .is_some_and(|usage| usage.completion_tokens > 0);
        let Some(onward) = self
            .onward
            .as_ref()
            .filter(|_| self.began && (broke || !complete))
        else {
            return reported;
        };
        let network = &onward.network;
        if !matches!(network.op, Op::Chat | Op::Completion | Op::Messages) {
            return reported;
        }
        let said = self.sent.said(network.op).everything();
        if said.is_empty() {
            return reported;
        }
        let (model, op) = (&self.rates.model, network.op);
        let about = estimate(
            model,
            op,
            &network.body,
            &said,
            self.counted,
            reported.clone(),
        );
        self.bill.estimated |= reported.as_ref() != Some(&about);
        Some(about)
    }

    /// The attempt broke. Has another one made if that is allowed and can help; else gives the error that ends it all.
    fn broken(&mut self, error: Error) -> Option<Error> {
        self.close_attempt(true);
        if error.mid_stream {
            // Its own answer was good: it only does not fit.
            self.finish_lease();
            return Some(self.final_error(error));
        }
        let mode = self.mode();
        let may_go_on = match (mode, self.began) {
            (StreamFailover::Off, _) => false,
            (_, false) => true,
            (StreamFailover::Continue, true) => error.kind != Kind::ContentPolicy,
            _ => false,
        };
        let carry = match (may_go_on, self.began) {
            (false, _) => return Some(self.final_error(error)),
            (true, false) => None,
            (true, true) => match self.carry() {
                Some(carry) => Some(carry),
                None => return Some(self.final_error(error)),
            },
        };
        self.waiting.clear();
        let (Some(onward), Some(lease)) = (&mut self.onward, self.lease.take()) else {
            return Some(error);
        };
        let cause = error.retold();
        match onward.resume(lease, error, carry) {
            Some(resuming) => {
                self.source = Source::Resuming(resuming);
                self.cause.get_or_insert(cause);
                None
            }
            None => Some(cause),
        }
    }

    /// What another attempt must know to go on with the answer.
    fn carry(&mut self) -> Option<Carry> {
        let onward = self.onward.as_ref()?;
        let (op, body) = (onward.network.op, &onward.network.body);
        if self.bridge.is_none() && op != Op::Chat {
            self.bridge = Some(self.sent.writer(op, body)?);
        }
        let said = self.sent.said(op);
        if obstacle(op, body, said).is_some() {
            return None;
        }
        Some(Carry::after(said))
    }

    /// The error that the client is told: the first cause, whatever was tried since.
    fn final_error(&mut self, error: Error) -> Error {
        let mut error = self.cause.take().unwrap_or(error);
        error.mid_stream = self.began;
        error
    }

    /// Another attempt has begun to answer.
    fn resumed(&mut self, routed: Routed<Attempted>) -> Result<(), Error> {
        let Routed {
            value: attempted,
            lease,
            journey,
        } = routed;
        let deployment = Arc::clone(lease.deployment());
        let from = std::mem::replace(&mut self.rates.deployment, Arc::clone(&deployment));
        self.rates.model = attempted.model;
        self.first_event = lease.held();
        self.lease = Some(lease);
        if let Some(way) = attempted.way {
            let op = self.op();
            let said = self.sent.said(op);
            self.counted = llm_cost::count_text(&self.rates.model, &said.everything()).tokens;
            let splice = Splice::after(said, way, echoes(&deployment.target));
            self.splice = Some((attempted.spoken, splice));
            self.continued.push(Continued {
                from: from.id.clone(),
                to: deployment.id.clone(),
                way,
                after: self
                    .cause
                    .as_ref()
                    .map_or(Kind::Connection, |cause| cause.kind),
            });
        } else {
            self.sent = Sent::default();
            self.counted = 0;
            self.bridge = attempted
                .bridged
                .map(|bridged| bridged.bridge.stream(&bridged.body));
            if journey.trace().fallbacks > 0 {
                self.stamp.model = None;
            }
        }
        self.reporter.note(|record| {
            record.deployment = Some(deployment);
            record.group = Some(journey.group().to_owned());
            record.trace = journey.trace().clone();
            record.continued.clone_from(&self.continued);
        });
        if let Some(onward) = &mut self.onward {
            onward.journey = Some(journey);
        }
        match attempted.sent {
            Came::Stream(events, _) => {
                self.source = Source::Vendor(events);
                Ok(())
            }
            Came::Answer(..) => Err(Error::new(
                Kind::Decode,
                "a stream was asked for, and none came",
            )),
        }
    }

    fn gave_up(&mut self, failed: Failed) -> Error {
        let trace = failed.trace;
        self.reporter.note(|record| record.trace = trace);
        self.final_error(failed.error)
    }

    fn end(&mut self, error: Option<&Error>) {
        self.close_attempt(error.is_some());
        self.over = true;
        self.settle();
        match error {
            Some(error) => {
                if let Some(lease) = self.lease.take() {
                    lease.fail(error);
                }
                self.reporter.fail(error);
            }
            None => {
                self.finish_lease();
                self.reporter.report(Outcome::Answered);
            }
        }
    }

    fn finish_lease(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.finish(&ended(self.attempt.as_ref(), Some(self.first_event)));
        }
    }

    /// Puts the attempt that is over on the bill, once.
    fn close_attempt(&mut self, broke: bool) {
        if matches!(&self.source, Source::Canned(chunks, None) if chunks.len() == 0) {
            return;
        }
        if let Source::Vendor(stream) = &self.source {
            self.malformed += stream.malformed();
        }
        self.attempt = self.own_usage(broke);
        let charge = self.rates.charge(self.attempt.as_ref());
        self.bill.add(self.attempt.clone(), charge);
        self.source = Source::Canned(Vec::new().into_iter(), None);
    }

    fn settle(&mut self) {
        let (usage, charge) = self.bill.total();
        let (estimated, malformed) = (self.bill.estimated, self.malformed);
        self.usage.clone_from(&usage);
        self.reporter.note(|record| {
            record.usage = usage;
            record.charge = charge;
            record.estimated = estimated;
            record.malformed_events = malformed;
        });
    }

    /// What the source brings next; the next one where it has broken and another is to be tried.
    fn poll_source(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Vec<Chunk>, Error>>> {
        match &mut self.source {
            Source::Vendor(stream) => Pin::new(stream).poll_next(cx),
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
            self.bill.add(reported, charge);
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

fn event(event: bridges::Event) -> Event {
    Event {
        name: event.name.map(|name| Bytes::from_static(name.as_bytes())),
        data: event.data,
    }
}
