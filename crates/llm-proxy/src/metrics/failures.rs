//! Requests and attempts that failed.

use llm_router::{AttemptRecord, Router};
use llm_sdk::{Outcome, Record};

use super::{
    Asked, Metrics,
    label::{Facts, Label},
    of_deployment,
};
use crate::error::class;

impl Metrics {
    /// Failed attempts, of failed and answered requests alike.
    pub(super) fn attempts(
        &self,
        record: &Record,
        requested: &str,
        asked: Asked<'_>,
        router: &Router,
    ) {
        if record.trace.fallbacks == 0 && record.trace.attempts.iter().all(|a| a.error.is_none()) {
            return;
        }
        self.with_facts(asked, |facts| {
            let facts = facts.say(Label::Requested, requested);
            for attempt in &record.trace.attempts {
                self.attempt(attempt, facts, router);
            }
            if record.trace.fallbacks > 0 {
                self.fell_back(record, facts);
            }
        });
    }

    fn attempt(&self, attempt: &AttemptRecord, facts: Facts<'_>, router: &Router) {
        let Some((status, class)) = failure(attempt) else {
            return;
        };
        let status = status.to_string();
        let facts = at(facts, router, attempt)
            .say(Label::Group, &attempt.group)
            .say(Label::ExceptionStatus, &status)
            .say(Label::ExceptionClass, class);
        let facts = self.bounded(facts);
        self.families.deployment_failures.at(&facts).inc();
    }

    fn fell_back(&self, record: &Record, facts: Facts<'_>) {
        let last = record.trace.attempts.last();
        // Why the fallback was needed: the last failure of the group that was asked for.
        let mut attempts = record.trace.attempts.iter();
        let first = attempts.clone().next().map(|attempt| &attempt.group);
        let cause = attempts.rfind(|a| Some(&a.group) == first && a.error.is_some());
        let cause = cause.and_then(failure);
        let status = cause.map(|(status, _)| status.to_string());
        let facts = facts
            .may_say(Label::Fallback, last.map(|last| last.group.as_str()))
            .may_say(Label::ModelId, last.map(|last| last.deployment.as_str()))
            .may_say(Label::ExceptionStatus, status.as_deref())
            .may_say(Label::ExceptionClass, cause.map(|(_, class)| class));
        let family = match record.outcome {
            Outcome::Failed { .. } => &self.families.fallbacks_failed,
            _ => &self.families.fallbacks_succeeded,
        };
        family.at(&self.bounded(facts)).inc();
    }

    pub(super) fn failed(
        &self,
        record: &Record,
        requested: &str,
        asked: Asked<'_>,
        router: &Router,
        (class, status): (&str, u16),
    ) {
        let status = status.to_string();
        let last = record.trace.attempts.last();
        self.with_facts(asked, |facts| {
            let facts = facts
                .say(Label::Requested, requested)
                .say(Label::Status, &status)
                .say(Label::ExceptionStatus, &status)
                .say(Label::ExceptionClass, class);
            let facts = match (&record.deployment, last) {
                (Some(deployment), _) => of_deployment(facts, deployment),
                (None, Some(last)) => at(facts, router, last),
                (None, None) => facts,
            };
            let facts = self.bounded(facts);
            self.families.total_requests.at(&facts).inc();
            self.families.failed_requests.at(&facts).inc();
            if last.is_some() {
                self.families.vendor_failures.at(&facts).inc();
            }
        });
    }
}

/// The status and the class of an attempt's failure.
fn failure(attempt: &AttemptRecord) -> Option<(u16, &'static str)> {
    let kind = attempt.error?;
    let status = attempt.status;
    let status = status.unwrap_or_else(|| kind.default_status().as_u16());
    Some((status, class(kind)))
}

/// Where an attempt was made; its deployment may be gone since.
fn at<'a>(facts: Facts<'a>, router: &'a Router, attempt: &'a AttemptRecord) -> Facts<'a> {
    match router.deployment(&attempt.deployment) {
        Some(deployment) => of_deployment(facts, deployment),
        None => facts.say(Label::ModelId, &attempt.deployment),
    }
}
