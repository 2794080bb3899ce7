//! One attempt: prepared, begun, made.

use std::{borrow::Cow, sync::Arc, time::Duration};

use llm_providers::{Error, Kind, Target};
use llm_types::Map;

use crate::{
    Ask, Decision, Deployment, Fallback, Finish, Journey, Lease, Router, Timeouts,
    group::{Group, unknown},
    journey::too_late,
    trace::AttemptRecord,
    wildcard,
};

/// One attempt to be made.
#[derive(Debug)]
pub struct Attempt<'a> {
    /// By whom.
    pub deployment: &'a Arc<Deployment>,
    /// Where to: the deployment's own target, with the stars of its model filled in.
    pub target: Cow<'a, Target>,
    /// The group being tried.
    pub group: &'a str,
    /// Parameters that this fallback changes.
    pub overrides: &'a Map,
    /// How long it may take.
    pub timeouts: Timeouts,
    /// Whether an answer that the vendor's filter stopped counts as a failure, because somebody else may answer.
    pub refusal_fails: bool,
}

/// Makes attempts: the part of a request that the router leaves to its caller.
pub trait Attempts: Sync {
    /// What an attempt brings.
    type Answer: Send;

    /// Makes one attempt. Dropping the future gives it up.
    fn make(
        &self,
        attempt: Attempt<'_>,
    ) -> impl Future<Output = Result<Self::Answer, Error>> + Send;

    /// An attempt was given up after `held`, because one beside it was faster. Says what it cost, as far as known.
    fn outpaced(&self, _attempt: Attempt<'_>, _held: Duration) -> Finish {
        Finish::default()
    }
}

/// An attempt that brought nothing.
pub(crate) enum Missed {
    /// Nobody could be asked.
    Nobody(Error),
    /// A deployment failed.
    Failed(Arc<Deployment>, Error),
}

impl Router {
    /// One attempt at one deployment of the journey's group.
    pub(crate) async fn attempt<A: Attempts>(
        &self,
        ask: &Ask,
        journey: &mut Journey,
        attempts: &A,
    ) -> Result<(A::Answer, Lease), Missed> {
        if journey.out_of_time() {
            return Err(Missed::Nobody(too_late()));
        }
        if let Some(kind) = ask.rehearse.filter(|_| journey.trace.fallbacks == 0) {
            return Err(Missed::Nobody(Error::new(kind, "a rehearsed failure")));
        }
        let group = self
            .find(&journey.plan.group)
            .ok_or_else(|| Missed::Nobody(unknown(&journey.plan.group)))?;
        let picked = self.pick_or_wait(ask, &group, journey).await?;
        let mut lease = picked.lease;
        begin(journey, &mut lease, picked.decision);
        let made = match self.patience_with_first(ask, &group) {
            Some(patience) => {
                // On the heap: hedging holds two attempts.
                Box::pin(self.race(ask, journey, &group, lease, patience, attempts)).await
            }
            None => self.alone(ask, journey, &group, lease, attempts).await,
        };
        let (value, lease) = made?;
        if let Some(common) = group.common {
            if self.settings.hedge.is_some() {
                common.pace.answered(ask.stream, lease.held());
            }
            if std::mem::take(&mut journey.owes) {
                common.retries.give_back(self.state.clock.now());
            }
        }
        Ok((value, lease))
    }

    /// One attempt, however long it takes.
    async fn alone<A: Attempts>(
        &self,
        ask: &Ask,
        journey: &mut Journey,
        group: &Group<'_>,
        lease: Lease,
        attempts: &A,
    ) -> Result<(A::Answer, Lease), Missed> {
        let plan = Arc::clone(&journey.plan);
        let refusal_fails = self.has_fallback(ask, journey, Kind::ContentPolicy);
        let deployment = Arc::clone(lease.deployment());
        let left = journey.left();
        let attempt = self.prepare(ask, &plan, left, refusal_fails, group, &deployment);
        let result = attempts.make(attempt).await;
        let at = journey.trace.attempts.len().saturating_sub(1);
        self.settle(journey, at, lease, result)
    }

    pub(crate) fn prepare<'a>(
        &self,
        ask: &Ask,
        plan: &'a Fallback,
        left: Option<Duration>,
        refusal_fails: bool,
        group: &Group<'_>,
        deployment: &'a Arc<Deployment>,
    ) -> Attempt<'a> {
        let target = if group.stars.is_empty() || !deployment.target.model.contains('*') {
            Cow::Borrowed(&deployment.target)
        } else {
            let model = wildcard::fill(&deployment.target.model, &group.stars, &plan.group);
            Cow::Owned(Target {
                model,
                ..deployment.target.clone()
            })
        };
        let of_tier = ask
            .service_tier
            .as_ref()
            .and_then(|tier| deployment.tier_timeouts.get(tier))
            .copied();
        let mut timeouts = ask
            .timeouts
            .or(of_tier.unwrap_or_default())
            .or(deployment.timeouts)
            .or(self.settings.timeouts);
        if ask.stream {
            timeouts = timeouts.of_stream();
        }
        if let Some(left) = left {
            timeouts.total = Some(timeouts.total.map_or(left, |total| total.min(left)));
        }
        Attempt {
            deployment,
            target,
            group: &plan.group,
            overrides: &plan.overrides,
            timeouts,
            refusal_fails,
        }
    }
}

/// Opens the attempt's record.
pub(crate) fn begin(journey: &mut Journey, lease: &mut Lease, decision: Decision) {
    lease.take_up();
    journey.trace.attempts.push(AttemptRecord {
        deployment: lease.deployment().id.clone(),
        group: journey.plan.group.clone(),
        decision,
        began: journey.started.elapsed(),
        took: Duration::ZERO,
        error: None,
        status: None,
        message: None,
        cooled: None,
        in_stream: false,
        lost: false,
    });
}
