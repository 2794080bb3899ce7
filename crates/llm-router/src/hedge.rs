//! A second attempt beside a slow one: whoever answers first wins.

use std::{sync::Arc, time::Duration};

use futures_util::future::{Either, select};
use llm_providers::Kind;

use crate::{
    Ask, Attempt, Attempts, Deployment, Lease, Moment, Reason, RetryShare, Router, Skipped,
    attempt::{Missed, begin},
    group::{Common, Group},
    journey::Journey,
    pick::Picked,
};

/// When a slow attempt gets a rival.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HedgeRules {
    /// The rival starts when the attempt has taken longer than this share of the group's recent ones.
    pub quantile: f64,
    /// It never starts earlier.
    pub least: Duration,
    /// Rivals for each request of the last minutes, at most.
    pub share: RetryShare,
    /// How many times as expensive as the first the rival may be, where both prices are known.
    pub price_ratio: f64,
}

impl Default for HedgeRules {
    fn default() -> Self {
        Self {
            quantile: 0.95,
            least: Duration::from_millis(100),
            share: RetryShare {
                ratio: 0.05,
                least: 1,
            },
            price_ratio: 2.0,
        }
    }
}

impl Router {
    /// How long to wait for an attempt before it gets a rival; `None`: it gets none.
    pub(crate) fn patience_with_first(&self, ask: &Ask, group: &Group<'_>) -> Option<Duration> {
        let rules = self.settings.hedge.as_ref()?;
        if group.deployments.len() < 2 {
            return None;
        }
        let usual = group.common?.pace.quantile(ask.stream, rules.quantile)?;
        Some(usual.max(rules.least))
    }

    /// Makes the attempt that `lease` stands for, and after `patience` a second one elsewhere.
    pub(crate) async fn race<A: Attempts>(
        &self,
        ask: &Ask,
        journey: &mut Journey,
        group: &Group<'_>,
        lease: Lease,
        patience: Duration,
        attempts: &A,
    ) -> Result<(A::Answer, Lease), Missed> {
        let plan = Arc::clone(&journey.plan);
        let refusal_fails = self.has_fallback(ask, journey, Kind::ContentPolicy);
        let left = journey.left();
        let own = journey.trace.attempts.len().saturating_sub(1);
        let deployment = Arc::clone(lease.deployment());
        let attempt = self.prepare(ask, &plan, left, refusal_fails, group, &deployment);
        let first = Box::pin(attempts.make(attempt));
        // The first one goes on while the rival is picked, which may take a round trip.
        let race = {
            let rival = self.rival(ask, journey, group, &deployment, patience);
            match select(first, Box::pin(rival)).await {
                Either::Left((result, _)) => Either::Left(result),
                Either::Right(both) => Either::Right(both),
            }
        };
        let (rival, first) = match race {
            Either::Left(result) => return self.settle(journey, own, lease, result),
            Either::Right(both) => both,
        };
        let Some(rival) = rival else {
            let result = first.await;
            return self.settle(journey, own, lease, result);
        };
        let mut rival_lease = rival.lease;
        begin(journey, &mut rival_lease, rival.decision);
        let rival = rival_lease;
        let left = journey.left();
        let other = journey.trace.attempts.len().saturating_sub(1);
        let second_deployment = Arc::clone(rival.deployment());
        let attempt = self.prepare(ask, &plan, left, refusal_fails, group, &second_deployment);
        let second = Box::pin(attempts.make(attempt));
        match select(first, second).await {
            Either::Left((Ok(value), _)) => {
                let lost = self.prepare(ask, &plan, left, refusal_fails, group, &second_deployment);
                lose(journey, other, rival, lost, attempts);
                self.settle(journey, own, lease, Ok(value))
            }
            Either::Right((Ok(value), _)) => {
                let lost = self.prepare(ask, &plan, left, refusal_fails, group, &deployment);
                lose(journey, own, lease, lost, attempts);
                self.settle(journey, other, rival, Ok(value))
            }
            // One failed: the other goes on alone.
            Either::Left((Err(error), second)) => {
                self.learn(journey, own, lease, &error, false);
                let result = second.await;
                self.settle(journey, other, rival, result)
            }
            Either::Right((Err(error), first)) => {
                self.learn(journey, other, rival, &error, false);
                let result = first.await;
                self.settle(journey, own, lease, result)
            }
        }
    }

    /// After `patience`: another deployment, if the rules and the limits give one.
    async fn rival(
        &self,
        ask: &Ask,
        journey: &mut Journey,
        group: &Group<'_>,
        first: &Arc<Deployment>,
        patience: Duration,
    ) -> Option<Picked> {
        tokio::time::sleep(patience).await;
        let rules = self.settings.hedge.as_ref()?;
        let permit = Permit::take(group.common?, self.state.clock.now(), &rules.share)?;
        let refused = group.deployments.iter().filter_map(|other| {
            let reason = match other.id == first.id {
                true => Reason::Tried,
                false if is_dearer(other, first, rules.price_ratio) => Reason::Dearer,
                false => return None,
            };
            let deployment = other.id.clone();
            Some(Skipped { deployment, reason })
        });
        let refused = refused.collect();
        let picked = self.pick_confirmed(ask, group, journey, refused).await;
        permit.keep_if(picked.is_ok());
        picked.ok()
    }
}

/// A rival that the rules allow. Given back where none starts.
struct Permit<'g> {
    common: &'g Common,
    taken: Moment,
    kept: bool,
}

impl<'g> Permit<'g> {
    fn take(common: &'g Common, now: Moment, share: &RetryShare) -> Option<Self> {
        // Not made where none is allowed: it would give one back that was not taken.
        common.rivals.take(now, share).then(|| Self {
            common,
            taken: now,
            kept: false,
        })
    }

    fn keep_if(mut self, kept: bool) {
        self.kept = kept;
    }
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        if !self.kept {
            self.common.rivals.give_back(self.taken);
        }
    }
}

/// Somebody else was faster. That says nothing about the deployment; dropping the attempt's future hangs up.
fn lose<A: Attempts>(
    journey: &mut Journey,
    at: usize,
    lease: Lease,
    attempt: Attempt<'_>,
    attempts: &A,
) {
    let held = lease.held();
    if let Some(record) = journey.trace.attempts.get_mut(at) {
        record.took = held;
        record.lost = true;
    }
    lease.hang_up(&attempts.outpaced(attempt, held));
}

fn is_dearer(other: &Deployment, first: &Deployment, ratio: f64) -> bool {
    let (Some(other), Some(first)) = (other.price, first.price) else {
        return false;
    };
    let sum = |price: crate::TokenPrice| price.input.saturating_add(price.output) as f64;
    sum(other) > sum(first) * ratio
}
