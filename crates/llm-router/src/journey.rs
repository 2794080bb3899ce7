//! Where one request stands between its attempts.

use std::{sync::Arc, time::Duration};

use llm_providers::{Error, Kind};
use tokio::time::Instant;

use crate::{Ask, Deployment, Dice, Fallback, RetryPolicy, Trace};

/// Where one request stands: what was tried, what may still be. A stream that breaks takes its journey up again.
#[derive(Debug)]
pub struct Journey {
    pub(crate) dice: Dice,
    pub(crate) trace: Trace,
    /// The group that is being tried.
    pub(crate) plan: Arc<Fallback>,
    /// Groups to try after it, the next one last.
    pub(crate) queue: Vec<Fallback>,
    /// Groups that were tried, or are.
    pub(crate) seen: Vec<String>,
    /// What the request says of retries by class of error.
    pub(crate) retry_policy: RetryPolicy,
    /// Attempts after the first in this group.
    pub(crate) retries: u32,
    /// Deployments of this group that failed.
    pub(crate) tried: Vec<Arc<Deployment>>,
    /// Those of them that would fail again.
    pub(crate) barred: Vec<Arc<Deployment>>,
    /// The first group's last failure.
    pub(crate) first_error: Option<Error>,
    /// The last failure in this group.
    pub(crate) last_error: Option<Error>,
    pub(crate) started: Instant,
    pub(crate) deadline: Option<Instant>,
    /// Failures say nothing of the deployments.
    pub(crate) blameless: bool,
    /// The attempt under way is a retry that the budget paid for.
    pub(crate) owes: bool,
}

impl Journey {
    pub(crate) fn new(ask: &Ask, seed: u64, deadline: Option<Duration>) -> Self {
        let started = Instant::now();
        Self {
            dice: Dice::seeded(seed),
            trace: Trace {
                seed,
                ..Trace::default()
            },
            plan: Arc::new(Fallback::to(ask.model.clone())),
            queue: Vec::new(),
            seen: vec![ask.model.clone()],
            retry_policy: ask.retry_policy,
            retries: 0,
            tried: Vec::new(),
            barred: Vec::new(),
            first_error: None,
            last_error: None,
            started,
            deadline: deadline.map(|deadline| started + deadline),
            blameless: ask.blameless,
            owes: false,
        }
    }

    /// What the request has gone through.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// The record of it, where the journey is over.
    pub fn into_trace(self) -> Trace {
        self.trace
    }

    /// The group that is being tried.
    pub fn group(&self) -> &str {
        &self.plan.group
    }

    pub(crate) fn is_barred(&self, deployment: &Deployment) -> bool {
        self.barred.iter().any(|barred| barred.id == deployment.id)
    }

    pub(crate) fn was_tried(&self, deployment: &Deployment) -> bool {
        self.tried.iter().any(|tried| tried.id == deployment.id)
    }

    pub(crate) fn note_answer(&mut self, at: usize, took: Duration) {
        if let Some(record) = self.trace.attempts.get_mut(at) {
            record.took = took;
        }
    }

    pub(crate) fn note_failure(&mut self, deployment: &Arc<Deployment>, bar: bool) {
        self.tried.push(Arc::clone(deployment));
        if bar {
            self.barred.push(Arc::clone(deployment));
        }
    }

    /// Enters the next group, if there is one.
    pub(crate) fn enter(&mut self, next: Fallback) {
        self.seen.push(next.group.clone());
        self.trace.fallbacks += 1;
        self.trace.groups.push(next.group.clone());
        self.plan = Arc::new(next);
        self.retries = 0;
        self.last_error = None;
        self.tried.clear();
        self.barred.clear();
    }

    /// What is left of the request's time; `None` if it has no limit.
    pub(crate) fn left(&self) -> Option<Duration> {
        let deadline = self.deadline?;
        Some(deadline.saturating_duration_since(Instant::now()))
    }

    pub(crate) fn out_of_time(&self) -> bool {
        self.left() == Some(Duration::ZERO)
    }
}

pub(crate) fn too_late() -> Error {
    Error::new(Kind::Timeout, "the request's time is up")
}
