//! What the attempts at an answer consumed, and whom that is told.

use llm_providers::Error;
use llm_router::Finish;
use llm_types::{Op, Usage, Verb};

use super::{AnswerStream, Source};
use crate::{Outcome, continuation::estimate, engine::ended};

impl AnswerStream {
    /// What this attempt consumed, as its vendor says; or about, where it broke before that was said.
    pub(super) fn own_usage(&mut self, broke: bool) -> Option<Usage> {
        let reported = match &self.source {
            Source::Vendor(stream) => stream.usage().cloned(),
            Source::Canned(_, usage) => return usage.as_deref().cloned(),
            Source::Resuming(_) => return None,
        };
        let onward = self.onward.as_ref();
        if onward.is_some_and(|onward| onward.network.verb != Verb::Create) {
            return reported.filter(|_| !self.told_before);
        }
        if self.told_before {
            return None;
        }
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
        let speaks = [
            Op::Chat,
            Op::Completion,
            Op::Messages,
            Op::Responses,
            Op::GenerateContent,
        ];
        if !speaks.contains(&network.op) {
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

    pub(super) fn end(&mut self, error: Option<&Error>) {
        self.close_attempt(error.is_some());
        self.over = true;
        self.settle();
        match error {
            Some(error) => {
                let finish = self.finish();
                if let Some(lease) = self.lease.take() {
                    lease.break_off(error, &finish);
                }
                self.reporter.fail(error);
            }
            None => {
                self.finish_lease();
                drop(self.reporter.report(Outcome::Answered));
            }
        }
    }

    pub(super) fn finish_lease(&mut self) {
        let finish = self.finish();
        if let Some(lease) = self.lease.take() {
            lease.finish(&finish);
        }
    }

    /// What the router learns of the attempt that is over.
    pub(super) fn finish(&self) -> Finish {
        let (usage, charge) = &self.attempt;
        ended(usage.as_ref(), charge, Some(self.first_event))
    }

    /// Puts the attempt that is over on the bill, once.
    pub(super) fn close_attempt(&mut self, broke: bool) {
        if matches!(&self.source, Source::Canned(chunks, None) if chunks.len() == 0) {
            return;
        }
        if let Source::Vendor(stream) = &self.source {
            self.malformed += stream.malformed();
        }
        let usage = self.own_usage(broke);
        let charge = self.rates.charge(usage.as_ref());
        self.bill.add(usage.clone(), charge.clone());
        self.attempt = (usage, charge);
        self.source = Source::Canned(Vec::new().into_iter(), None);
    }

    pub(super) fn settle(&mut self) {
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
}
