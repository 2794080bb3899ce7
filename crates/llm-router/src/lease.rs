//! One attempt's hold on its deployment, from the pick to the end of the answer.

use std::{sync::Arc, time::Duration};

use llm_providers::{Error, Kind};
use tokio::time::Instant;

use crate::{
    Admitted, Deployment, Moment, News, Settings, State,
    affinity::Bond,
    health::Patient,
    limits::{Claim, Used},
    queue::Queue,
};

/// Holds a deployment's parallel slot and its tokens for as long as an attempt and its answer go on, and teaches the
/// router how it ended. A stream keeps its lease to its last event. Dropping it without a word says that the caller hung
/// up, which speaks neither for the deployment nor against it.
#[derive(Debug)]
pub struct Lease {
    deployment: Arc<Deployment>,
    settings: Arc<Settings>,
    state: Arc<State>,
    claim: Option<Claim>,
    trial: Trial,
    others: bool,
    /// Whether an attempt is made with it: before, dropping it undoes it.
    taken_up: bool,
    /// The claim at all instances' limits.
    shared: Option<Admitted>,
    /// Who waits for the slot.
    queue: Option<Arc<Queue>>,
    began: Instant,
    /// What it has used so far, where it goes on elsewhere.
    brought: Used,
    after: Option<Box<Aftermath>>,
}

/// What an attempt means for a deployment that rested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trial {
    /// Nothing: it was well.
    No,
    /// It shows whether the deployment is well again. Nobody else is asking it.
    Open,
    /// It has begun to answer, and so the deployment is back; but if the answer breaks, it rests again at once.
    Passed,
}

/// What is done with an answer's end besides counting it; most requests have nothing of it.
#[derive(Debug)]
struct Aftermath {
    /// What will lead back to the deployment.
    bonds: Vec<Bond>,
    /// Tags of the request that have a budget.
    tags: Vec<String>,
}

/// How an answer ended well.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Finish {
    /// All tokens that the vendor counted.
    pub tokens: u64,
    /// Those of the answer.
    pub completion_tokens: u64,
    /// Until the first event of a stream.
    pub first_event: Option<Duration>,
    /// What it cost, in nano-dollars, where that is known.
    pub cost: Option<u64>,
}

impl Finish {
    fn used(&self) -> Used {
        Used {
            tokens: self.tokens,
            output: self.completion_tokens,
        }
    }
}

impl Lease {
    pub(crate) fn new(
        deployment: Arc<Deployment>,
        settings: Arc<Settings>,
        state: Arc<State>,
        claim: Claim,
        trial: bool,
        others: bool,
        queue: Option<Arc<Queue>>,
    ) -> Self {
        Self {
            deployment,
            settings,
            state,
            claim: Some(claim),
            trial: if trial { Trial::Open } else { Trial::No },
            others,
            taken_up: false,
            shared: None,
            queue,
            began: Instant::now(),
            brought: Used::default(),
            after: None,
        }
    }

    /// With what is to be remembered of the request at its end.
    pub(crate) fn bound(mut self, bonds: Vec<Bond>, tags: Vec<String>) -> Self {
        if !bonds.is_empty() || !tags.is_empty() {
            self.after = Some(Box::new(Aftermath { bonds, tags }));
        }
        self
    }

    /// All instances admit it.
    pub(crate) fn admitted(&mut self, admitted: Admitted) {
        self.shared = Some(admitted);
    }

    /// An attempt is made with it.
    pub(crate) fn take_up(&mut self) {
        self.taken_up = true;
    }

    /// The answer has come, or has begun: the deployment is well.
    pub(crate) fn began(&mut self) {
        if self.trial == Trial::Open {
            self.trial = Trial::Passed;
            let now = self.state.clock.now();
            let passed = self.deployment.live.health.passed(now);
            if let Some(shared) = self.settings.shared.as_ref().filter(|_| passed) {
                let deployment = self.deployment.id.clone();
                shared.tell(News::Recovered { deployment });
            }
        }
    }

    /// Whether it finds out for everybody if the deployment is well: one of a group that has others to ask meanwhile.
    pub(crate) fn is_trial(&self) -> bool {
        self.others && self.trial == Trial::Open
    }

    /// Whose it is.
    pub fn deployment(&self) -> &Arc<Deployment> {
        &self.deployment
    }

    /// How long it has been held.
    pub fn held(&self) -> Duration {
        self.began.elapsed()
    }

    /// The answer is whole.
    pub fn finish(mut self, finish: &Finish) {
        self.began();
        let in_flight = self.in_flight();
        let now = self.settle(finish.used());
        self.spend(now, finish.cost);
        if let Some(after) = &self.after {
            let affinity = &self.state.affinity;
            let shared = self.settings.shared.as_ref();
            affinity.remember(now, &after.bonds, &self.deployment, shared);
        }
        let live = &self.deployment.live;
        if let Some(rules) = &self.settings.adaptive {
            let latency = finish.first_event.unwrap_or_else(|| self.began.elapsed());
            live.adaptive.answered(rules, latency, in_flight);
        }
        live.health.succeeded(now);
        if let Some(shared) = &self.settings.shared {
            shared.tell(News::Answered {
                deployment: self.deployment.id.clone(),
                took: self.began.elapsed(),
                tokens: finish.completion_tokens,
                first_event: finish.first_event,
            });
        }
        live.speed.answered(
            now,
            &self.settings.speed,
            self.began.elapsed(),
            finish.completion_tokens,
            finish.first_event,
        );
    }

    /// The caller hung up when it had got this much: that counts, and speaks neither for the deployment nor against it.
    pub fn hang_up(mut self, finish: &Finish) {
        let now = self.settle(finish.used());
        self.spend(now, finish.cost);
        self.end_trial();
    }

    /// The stream broke when it had brought this much. Says until when the deployment rests, if it does.
    pub fn break_off(self, error: &Error, finish: &Finish) -> Option<Moment> {
        self.spend(self.state.clock.now(), finish.cost);
        self.fail_after(error, finish.used())
    }

    /// The attempt failed. Says until when the deployment rests, if it does.
    pub fn fail(self, error: &Error) -> Option<Moment> {
        let used = self.brought;
        self.fail_after(error, used)
    }

    /// The stream broke when it had brought this much, and goes on elsewhere: for [`Router::resume`](crate::Router::resume).
    pub fn so_far(mut self, finish: &Finish) -> Self {
        self.spend(self.state.clock.now(), finish.cost);
        self.brought = finish.used();
        self
    }

    fn fail_after(mut self, error: &Error, used: Used) -> Option<Moment> {
        let now = self.state.clock.now();
        // The rest is known before the place is free: nobody else takes it in between.
        let until = self.rest_after(now, error);
        self.settle(used);
        let live = &self.deployment.live;
        let too_much = matches!(
            error.kind,
            Kind::RateLimit | Kind::Overloaded | Kind::Timeout
        );
        if let Some(rules) = self.settings.adaptive.as_ref().filter(|_| too_much) {
            live.adaptive.overloaded(rules);
        }
        if error.kind == Kind::Timeout {
            live.speed.silent(now, &self.settings.speed);
        }
        if let Some(shared) = &self.settings.shared
            && error.kind == Kind::Timeout
        {
            let deployment = self.deployment.id.clone();
            shared.tell(News::Silent { deployment });
        }
        until
    }

    /// What the failure means for the deployment's health.
    fn rest_after(&self, now: Moment, error: &Error) -> Option<Moment> {
        let patient = Patient {
            rules: &self.settings.health,
            cooldown: self.deployment.cooldown,
            allowed_fails: self.deployment.allowed_fails,
            others: self.others,
        };
        let health = &self.deployment.live.health;
        let until = health.failed(now, error, self.trial != Trial::No, &patient);
        self.end_trial();
        if let (Some(until), Some(shared)) = (until, &self.settings.shared) {
            let deployment = self.deployment.id.clone();
            shared.tell(News::Cooled { deployment, until });
        }
        until
    }

    fn spend(&self, now: Moment, cost: Option<u64>) {
        if let Some(cost) = cost {
            let (settings, spending) = (&self.settings, &self.state.spending);
            let tags = self.after.as_ref().map_or(&[][..], |after| &after.tags);
            let shared = settings
                .shared
                .as_ref()
                .or(self.state.budgets_shared.as_ref());
            spending.spend(now, (settings, shared), &self.deployment, tags, cost);
        }
    }

    fn settle(&mut self, used: Used) -> Moment {
        let now = self.state.clock.now();
        if let Some(claim) = self.claim.take() {
            self.deployment.live.meter.settle(now, claim, used);
            if let (Some(shared), Some(admitted)) = (&self.settings.shared, self.shared.take()) {
                shared.end(admitted, used);
            }
            if let Some(queue) = &self.queue {
                queue.wake();
            }
        }
        now
    }

    /// The trial ended without a proof that the deployment is well.
    fn end_trial(&self) {
        if self.trial == Trial::Open {
            self.deployment.live.health.end_trial();
        }
    }

    fn in_flight(&self) -> u64 {
        let now = self.state.clock.now();
        self.deployment.live.meter.load(now).in_flight
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        if self.claim.is_none() {
            return;
        }
        self.end_trial();
        if self.taken_up {
            self.settle(Used::default());
        } else if let Some(claim) = self.claim.take() {
            let now = self.state.clock.now();
            self.deployment.live.meter.cancel(now, claim);
            if let (Some(shared), Some(admitted)) = (&self.settings.shared, self.shared.take()) {
                shared.end(admitted, Used::default());
            }
            if let Some(queue) = &self.queue {
                queue.wake();
            }
        }
    }
}
