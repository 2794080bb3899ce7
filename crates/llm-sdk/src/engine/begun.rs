//! What is known of a request from its beginning on.

use std::{sync::Arc, time::Instant};

use llm_router::Failed;
use llm_types::{Op, Verb};

use super::fail;
use crate::{Failure, Request, record::Reporter};

/// A request that has begun, and will be reported however it ends.
pub(super) struct Begun {
    pub(super) op: Op,
    pub(super) verb: Verb,
    pub(super) call_id: String,
    /// The model as the client named it.
    pub(super) model: String,
    pub(super) stream: bool,
    /// Whether answers go by the name that was asked for.
    pub(super) restamp: bool,
    pub(super) started: Instant,
    pub(super) reporter: Reporter,
}

impl Begun {
    pub(super) fn of(request: &Request) -> Self {
        let (call_id, model) = (request.call_id.clone(), request.model.clone());
        let stream = request.is_stream();
        let observer = request.observer.as_ref().map(Arc::clone);
        let op = request.op;
        let mut reporter =
            Reporter::new(call_id.clone(), Some(op), model.clone(), stream, observer);
        reporter.note(|record| record.verb = request.verb);
        Self {
            op,
            verb: request.verb,
            call_id,
            model,
            stream,
            restamp: request.restamp,
            started: Instant::now(),
            reporter,
        }
    }

    /// Reports that nobody answered.
    pub(super) fn fail(mut self, failed: Failed) -> Box<Failure> {
        fail(&mut self.reporter, self.call_id, self.model, failed)
    }
}
