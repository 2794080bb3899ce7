//! A streamed answer in the client's dialect.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures_core::Stream;
use llm_providers::{Chunk, Error, EventStream, bridges};
use llm_types::Usage;

use llm_router::{Finish, Lease};

use crate::{Charge, Outcome, engine::ended, price::Rates, record::Reporter, restamp::Stamp};

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
/// Ends with `None` only if the answer is whole, and with one `Err` otherwise. Dropping it hangs up on the vendor;
/// either way the request is reported once.
pub struct AnswerStream {
    source: Source,
    bridge: Option<Box<dyn bridges::BridgeStream>>,
    stamp: Stamp,
    rates: Rates,
    /// Held until the stream is over.
    lease: Option<Lease>,
    first_event: Duration,
    reporter: Reporter,
    over: bool,
}

enum Source {
    Vendor(Box<EventStream>),
    Canned(std::vec::IntoIter<Result<Chunk, Error>>, Option<Box<Usage>>),
}

impl AnswerStream {
    pub(crate) fn vendor(
        source: Box<EventStream>,
        bridge: Option<Box<dyn bridges::BridgeStream>>,
        stamp: Stamp,
        rates: Rates,
        lease: Lease,
        reporter: Reporter,
    ) -> Self {
        Self {
            source: Source::Vendor(source),
            bridge,
            stamp,
            rates,
            first_event: lease.held(),
            lease: Some(lease),
            reporter,
            over: false,
        }
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
        Self {
            source,
            bridge,
            stamp,
            rates,
            first_event: lease.held(),
            lease: Some(lease),
            reporter,
            over: false,
        }
    }

    /// What the answer consumed, as far as the vendor has said.
    pub fn usage(&self) -> Option<&Usage> {
        match &self.source {
            Source::Vendor(stream) => stream.usage(),
            Source::Canned(_, usage) => usage.as_deref(),
        }
    }

    /// What the answer costs, as far as the vendor has said what it consumed.
    pub fn charge(&self) -> Charge {
        self.rates.charge(self.usage())
    }

    fn events(&mut self, batch: Vec<Chunk>) -> Result<Vec<Event>, Error> {
        let mut events = Vec::with_capacity(batch.len());
        let mut bridged = Vec::new();
        for chunk in batch {
            match (&mut self.bridge, chunk) {
                (Some(bridge), chunk) => {
                    let mut chunk = chunk.into_chat()?;
                    self.stamp.chunk(&mut chunk);
                    bridge.push(chunk, &mut bridged)?;
                }
                (None, Chunk::Raw { event, data }) => {
                    let data = self.stamp.json(data);
                    events.push(Event { name: event, data });
                }
                (None, Chunk::Chat(mut chunk)) => {
                    self.stamp.chunk(&mut chunk);
                    events.push(Event {
                        name: None,
                        data: Chunk::Chat(chunk).into_data()?,
                    });
                }
            }
        }
        events.extend(bridged.into_iter().map(event));
        Ok(events)
    }

    fn last(&mut self) -> Result<Vec<Event>, Error> {
        let mut bridged = Vec::new();
        if let Some(bridge) = &mut self.bridge {
            bridge.finish(&mut bridged)?;
        }
        Ok(bridged.into_iter().map(event).collect())
    }

    fn end(&mut self, error: Option<&Error>) {
        self.over = true;
        let finish = self.settle();
        if let Some(lease) = self.lease.take() {
            match error {
                Some(error) => drop(lease.break_off(error, &finish)),
                None => lease.finish(&finish),
            }
        }
        match error {
            Some(error) => self.reporter.fail(error),
            None => drop(self.reporter.report(Outcome::Answered)),
        }
    }

    /// Prices what came, and says what it was.
    fn settle(&mut self) -> Finish {
        let usage = self.usage().cloned();
        let charge = self.rates.charge(usage.as_ref());
        let finish = ended(usage.as_ref(), &charge, Some(self.first_event));
        self.reporter.note(|record| {
            record.usage = usage;
            record.charge = charge;
        });
        finish
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
            let next = match &mut this.source {
                Source::Vendor(stream) => match Pin::new(stream.as_mut()).poll_next(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(next) => next,
                },
                Source::Canned(chunks, _) => {
                    chunks.next().map(|chunk| chunk.map(|chunk| vec![chunk]))
                }
            };
            let events = match next {
                Some(Ok(batch)) => this.events(batch),
                Some(Err(error)) => Err(error),
                None => {
                    let last = this.last();
                    this.end(last.as_ref().err());
                    last
                }
            };
            match events {
                Ok(events) if events.is_empty() => continue,
                Ok(events) => return Poll::Ready(Some(Ok(events))),
                Err(error) => {
                    this.end(Some(&error));
                    return Poll::Ready(Some(Err(error)));
                }
            }
        }
    }
}

impl Drop for AnswerStream {
    /// What came before the client hung up is on the vendor's bill.
    fn drop(&mut self) {
        if !self.over {
            let finish = self.settle();
            if let Some(lease) = self.lease.take() {
                lease.hang_up(&finish);
            }
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
