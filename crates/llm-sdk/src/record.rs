//! The one record of how a request ended.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use llm_providers::{Error, Kind};
use llm_router::{Deployment, Trace};
use llm_types::{Op, Usage, Verb};

use crate::{Charge, Continued, ledger::Ledger};

/// Is told how requests ended. Must not wait: it runs on the request's path, and in `Drop`.
pub trait Observer: Send + Sync + fmt::Debug {
    /// One request ended. Called exactly once for each, and once for each attempt that a faster one beat.
    fn record(&self, record: &Record);
}

/// How one request ended.
#[derive(Debug, Clone)]
pub struct Record {
    /// The request's id.
    pub call_id: String,
    /// Of what a vendor made on its own and may show again: the id of its bill, made of the vendor's, the same one wherever
    /// and whenever it is shown. This record alone tells what it cost, as far as this process remembers.
    pub bill: Option<String>,
    /// The id of its answer, as its client sees it, where answers of its kind have one.
    pub answer_id: Option<String>,
    /// What was asked for; `None` of a request that was passed through and asks for nothing that is known here.
    pub op: Option<Op>,
    /// What of it: to make one, to fetch one.
    pub verb: Verb,
    /// The model as the client named it.
    pub requested: String,
    /// Whether it was a stream.
    pub stream: bool,
    /// When it came.
    pub started: SystemTime,
    /// From then to its end.
    pub took: Duration,
    /// From then to the first event of a stream.
    pub first_event: Option<Duration>,
    /// Who answered; `None` if nobody did.
    pub deployment: Option<Arc<Deployment>>,
    /// The group that answered.
    pub group: Option<String>,
    /// The way there.
    pub trace: Trace,
    /// What the vendor says it consumed.
    pub usage: Option<Usage>,
    /// What that costs.
    pub charge: Charge,
    /// Part of the usage was counted here, because a stream ended before its vendor said.
    pub estimated: bool,
    /// Where a stream broke and was carried on.
    pub continued: Vec<Continued>,
    /// Events of streams that could not be read and were left out.
    pub malformed_events: u32,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// With a whole answer.
    Answered,
    /// Without one; of a stream, after part of it was sent.
    Failed {
        /// The class of the failure.
        kind: Kind,
        /// The status the client sees.
        status: u16,
        /// Its message.
        message: String,
    },
    /// The client hung up first.
    HungUp,
    /// It is no request, but an attempt at one: another, made beside it, was faster. The one that was has a record of
    /// its own, and what this one cost is in none but this.
    Outpaced,
}

/// Reports one request exactly once: when it is told to, or when it is dropped because the client hung up.
#[derive(Debug)]
pub(crate) struct Reporter {
    record: Option<Box<Record>>,
    observer: Option<Arc<dyn Observer>>,
    /// What is not its answer's.
    ledger: Option<Arc<Ledger>>,
    clock: Instant,
}

impl Reporter {
    pub(crate) fn new(
        call_id: String,
        op: Option<Op>,
        requested: String,
        stream: bool,
        observer: Option<Arc<dyn Observer>>,
    ) -> Self {
        let record = Record {
            call_id,
            bill: None,
            answer_id: None,
            op,
            verb: Verb::Create,
            requested,
            stream,
            started: SystemTime::now(),
            took: Duration::ZERO,
            first_event: None,
            deployment: None,
            group: None,
            trace: Trace::default(),
            usage: None,
            charge: Charge::default(),
            estimated: false,
            continued: Vec::new(),
            malformed_events: 0,
            outcome: Outcome::HungUp,
        };
        Self {
            record: Some(Box::new(record)),
            observer,
            ledger: None,
            clock: Instant::now(),
        }
    }

    /// One that began `held` ago.
    pub(crate) fn since(mut self, held: Duration) -> Self {
        self.clock = self.clock.checked_sub(held).unwrap_or(self.clock);
        if let Some(record) = &mut self.record {
            record.started = record.started.checked_sub(held).unwrap_or(record.started);
        }
        self
    }

    /// Has the report tell what `ledger` has, too.
    pub(crate) fn keep(&mut self, ledger: Option<&Arc<Ledger>>) {
        self.ledger = ledger.map(Arc::clone);
    }

    /// What will be reported.
    pub(crate) fn record(&self) -> Option<&Record> {
        self.record.as_deref()
    }

    /// Whom it reports to.
    pub(crate) fn observer(&self) -> Option<&Arc<dyn Observer>> {
        self.observer.as_ref()
    }

    /// The request's id.
    pub(crate) fn call_id(&self) -> String {
        let record = self.record.as_ref();
        record.map_or_else(String::new, |record| record.call_id.clone())
    }

    /// How long the request has been going on.
    pub(crate) fn elapsed(&self) -> Duration {
        self.clock.elapsed()
    }

    /// Changes what will be reported.
    pub(crate) fn note(&mut self, change: impl FnOnce(&mut Record)) {
        if let Some(record) = &mut self.record {
            change(record);
        }
    }

    /// Reports, and returns what was reported. Later calls, and the drop, do nothing.
    pub(crate) fn report(&mut self, outcome: Outcome) -> Option<Box<Record>> {
        let mut record = self.record.take()?;
        record.took = self.clock.elapsed();
        record.outcome = outcome;
        if let Some(ledger) = &self.ledger {
            ledger.settle(&mut record);
        }
        if let Some(observer) = &self.observer {
            observer.record(&record);
        }
        Some(record)
    }

    pub(crate) fn fail(&mut self, error: &Error) {
        let status = error.status_code().as_u16();
        self.report(Outcome::Failed {
            kind: error.kind,
            status,
            message: error.message.clone(),
        });
    }
}

impl Drop for Reporter {
    fn drop(&mut self) {
        self.report(Outcome::HungUp);
    }
}
