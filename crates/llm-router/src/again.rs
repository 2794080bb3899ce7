//! Whether the same group is asked again after a failure, and after which wait.

use std::time::Duration;

use llm_providers::{Error, Kind};

use crate::{Ask, Deployment, Journey, Router, group::Group, retry};

impl Router {
    /// Whether the same group is tried again after a failure, and after which wait.
    pub(crate) fn again(
        &self,
        ask: &Ask,
        journey: &mut Journey,
        deployment: &Deployment,
        error: &Error,
    ) -> Option<Duration> {
        let group = self.find(&journey.plan.group)?;
        let now = self.state.clock.now();
        let open = |d: &Deployment| !journey.is_barred(d) && !d.live.health.is_cooling(now);
        let others = group.deployments.iter().any(|d| open(d));
        let fresh = group
            .deployments
            .iter()
            .any(|d| open(d) && !journey.was_tried(d));
        let allowed = self.allowed(ask, journey, deployment, error.kind, others);
        journey.trace.max_retries = allowed.unwrap_or(0);
        if allowed.is_none_or(|allowed| journey.retries >= allowed) {
            let next_order = fresh && self.goes_through_orders(&group, error.kind);
            journey.owes = false;
            return next_order.then_some(Duration::ZERO);
        }
        let wait = if fresh {
            Duration::ZERO
        } else if others {
            retry::wait(
                error,
                journey.retries,
                self.settings.retry_after,
                &mut journey.dice,
            )
        } else {
            self.wait_for_rest(ask, journey, &group, error)?
        };
        if journey.left().is_some_and(|left| left <= wait) {
            return None;
        }
        journey.owes = false;
        if let (Some(share), Some(common)) = (&self.settings.retry_share, group.common) {
            if !common.retries.take(now, share) {
                journey.trace.retry_denied = true;
                return None;
            }
            journey.owes = true;
        }
        journey.retries += 1;
        Some(wait)
    }

    /// Everybody rests: waits for the first to come back, if nobody else could answer and there is time.
    fn wait_for_rest(
        &self,
        ask: &Ask,
        journey: &Journey,
        group: &Group<'_>,
        error: &Error,
    ) -> Option<Duration> {
        if self.has_fallback(ask, journey, error.kind) {
            return None;
        }
        let now = self.state.clock.now();
        let rest = group
            .deployments
            .iter()
            .filter(|deployment| !journey.is_barred(deployment))
            .filter_map(|deployment| deployment.live.health.cools_for(now))
            .min()?;
        (self.patience(ask, journey)? > rest).then_some(rest)
    }

    /// How long to wait for somebody to be there at all.
    pub(crate) fn worth_waiting(
        &self,
        ask: &Ask,
        journey: &Journey,
        error: &Error,
    ) -> Option<Duration> {
        let wait = error
            .retry_after
            .filter(|_| error.kind == Kind::RateLimit)?;
        if self.has_fallback(ask, journey, error.kind) {
            return None;
        }
        (self.patience(ask, journey)? > wait).then_some(wait.max(Duration::from_millis(1)))
    }

    /// How long the caller is known to be ready to wait; `None` where it did not say, or wants no second try.
    pub(crate) fn patience(&self, ask: &Ask, journey: &Journey) -> Option<Duration> {
        if ask.num_retries == Some(0) {
            return None;
        }
        journey.left().or_else(|| {
            let limit = ask.timeouts.or(self.settings.timeouts);
            let limit = limit.stream.filter(|_| ask.stream).or(limit.total)?;
            Some(limit.saturating_sub(journey.started.elapsed()))
        })
    }

    /// How many retries this failure allows; `None` if trying again cannot help.
    fn allowed(
        &self,
        ask: &Ask,
        journey: &Journey,
        deployment: &Deployment,
        kind: Kind,
        others: bool,
    ) -> Option<u32> {
        if ask.num_retries == Some(0) {
            return None;
        }
        if let Some(by_policy) = self.policy(journey, kind) {
            return Some(by_policy);
        }
        let general = ask
            .num_retries
            .or(deployment.num_retries)
            .unwrap_or(self.settings.num_retries);
        retry::can_help(kind, others).then_some(general)
    }

    /// How many retries the policies give a failure of `kind`: the request's, the group's, everybody's.
    pub(crate) fn policy(&self, journey: &Journey, kind: Kind) -> Option<u32> {
        let group = self.settings.group_retry_policy.get(&journey.plan.group);
        let asked = journey.retry_policy.retries(kind);
        asked
            .or_else(|| group.and_then(|policy| policy.retries(kind)))
            .or_else(|| self.settings.retry_policy.retries(kind))
    }

    /// Whether the group's other deployments are tried beyond the retries: lower orders stand in for higher ones, and
    /// everybody for everybody where the settings say so.
    fn goes_through_orders(&self, group: &Group<'_>, kind: Kind) -> bool {
        let mut orders = group.deployments.iter().map(|deployment| deployment.order);
        let first = orders.next();
        let several = orders.any(|order| Some(order) != first);
        (several || self.settings.failover_in_group) && retry::can_help(kind, true)
    }
}
