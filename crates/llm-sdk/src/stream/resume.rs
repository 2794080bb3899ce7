//! What becomes of an answer when an attempt at it breaks.

use std::sync::Arc;

use llm_providers::{Error, Kind, Outcome as Came};
use llm_router::{Deployment, Failed, Routed, StreamFailover, Trace};
use llm_types::Op;

use super::{AnswerStream, Source};
use crate::{
    Continued,
    continuation::{Carry, Reading, Sent, Splice, echoes, obstacle},
    engine::ended,
    network::{Attempted, Bridged},
};

impl AnswerStream {
    /// The attempt broke. Has another one made if that is allowed and can help; else gives the error that ends it all.
    pub(super) fn broken(&mut self, error: Error) -> Option<Error> {
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
        let (usage, charge) = &self.attempt;
        let lease = lease.so_far(&ended(usage.as_ref(), charge, Some(self.first_event)));
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
    pub(super) fn carry(&mut self) -> Option<Carry> {
        let onward = self.onward.as_ref()?;
        let (op, body) = (onward.network.op, &onward.network.body);
        if self.bridge.is_none() && op != Op::Chat {
            let writer = self.sent.writer(op, body)?;
            let said = self.sent.said(op);
            let keeper = (op == Op::Responses)
                .then(|| onward.wardrobe.keeper_of(&said.head.id, body))
                .flatten();
            self.bridge = Some(match keeper {
                Some(keeper) => keeper.over(writer),
                None => writer,
            });
        }
        let said = self.sent.said(op);
        if obstacle(op, body, said).is_some() {
            return None;
        }
        Some(Carry::after(said))
    }

    /// The error that the client is told: the first cause, whatever was tried since.
    pub(super) fn final_error(&mut self, error: Error) -> Error {
        let mut error = self.cause.take().unwrap_or(error);
        error.mid_stream = self.began;
        error
    }

    /// Another attempt has begun to answer.
    pub(super) fn resumed(&mut self, routed: Routed<Attempted>) -> Result<(), Error> {
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
            let reading = Reading::of(attempted.spoken).unwrap_or(Reading::Chat);
            let echoes = echoes(&deployment.target);
            self.splice = Some(Splice::after(said, way, echoes, reading));
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
            self.dress(attempted.bridged, &deployment, journey.trace());
        }
        self.reporter.note(|record| {
            record.deployment = Some(deployment);
            record.group = Some(journey.group().to_owned());
            record.trace = journey.trace().clone();
            record.continued.clone_from(&self.continued);
        });
        if let Some(onward) = &mut self.onward {
            onward.journey = Some(journey);
            onward.filtered = attempted.filtered;
        }
        match attempted.sent {
            Came::Stream(events, _) => {
                self.source = Source::Vendor(events);
                Ok(())
            }
            Came::Answer(..) | Came::Bytes(..) => Err(Error::new(
                Kind::Decode,
                "a stream was asked for, and none came",
            )),
        }
    }

    /// Another attempt's answer, of which the client has nothing yet.
    pub(super) fn dress(
        &mut self,
        bridged: Option<Bridged>,
        deployment: &Arc<Deployment>,
        trace: &Trace,
    ) {
        let Some(onward) = &self.onward else { return };
        let body = &onward.network.body;
        let (stamp, keeper) = onward
            .wardrobe
            .of(body, deployment, bridged.is_some(), trace);
        self.stamp = stamp;
        self.bridge = bridged.map(|bridged| {
            let stream = bridged.bridge.stream(&bridged.body);
            match keeper {
                Some(keeper) => keeper.over(stream),
                None => stream,
            }
        });
    }

    pub(super) fn gave_up(&mut self, failed: Failed) -> Error {
        let trace = failed.trace;
        self.reporter.note(|record| record.trace = trace);
        self.final_error(failed.error)
    }
}
