//! Waiting in line where everybody is busy.

use std::{sync::Arc, time::Duration};

use llm_providers::{Error, Kind};

use crate::{
    Ask, Reason, Router, Skipped,
    attempt::Missed,
    group::Group,
    journey::Journey,
    pick::{Picked, nobody},
    queue::{Place, Turn},
};

impl Router {
    /// Picks a deployment; where all that could serve are busy, waits in line for one.
    pub(crate) async fn pick_or_wait(
        &self,
        ask: &Ask,
        group: &Group<'_>,
        journey: &mut Journey,
    ) -> Result<Picked, Missed> {
        let priority = self.priority(ask);
        let waits = group
            .common
            .is_some_and(|common| common.queue.goes_before(priority));
        if !waits {
            match self.pick_confirmed(ask, group, journey).await {
                Ok(picked) => return Ok(picked),
                Err(skipped) if !is_busy(&skipped) || group.common.is_none() => {
                    return Err(self.missed(journey, skipped));
                }
                Err(_) => {}
            }
        }
        let limit = self.settings.queue.wait;
        let limit = self
            .patience(ask, journey)
            .map_or(limit, |left| left.min(limit));
        let place = self.line_up(ask, group, priority)?;
        // The last thing that was in the way, for the error if time runs out.
        let mut skipped = Vec::new();
        let wait = self.wait_in_line(ask, group, journey, &place, &mut skipped);
        match tokio::time::timeout(limit, wait).await {
            Ok(result) => result,
            Err(_) if skipped.is_empty() => Err(Missed::Nobody(full(&journey.plan.group))),
            Err(_) => Err(self.missed(journey, skipped)),
        }
    }

    async fn wait_in_line(
        &self,
        ask: &Ask,
        group: &Group<'_>,
        journey: &mut Journey,
        place: &Place,
        last: &mut Vec<Skipped>,
    ) -> Result<Picked, Missed> {
        loop {
            if place.is_first() {
                match self.pick_confirmed(ask, group, journey).await {
                    Ok(picked) => return Ok(picked),
                    Err(skipped) if is_busy(&skipped) => *last = skipped,
                    Err(skipped) => return Err(self.missed(journey, skipped)),
                }
            }
            if place.turn().await == Turn::TurnedAway {
                return Err(Missed::Nobody(full(&journey.plan.group)));
            }
        }
    }

    /// Picks until all instances admit who was picked.
    pub(crate) async fn pick_confirmed(
        &self,
        ask: &Ask,
        group: &Group<'_>,
        journey: &mut Journey,
    ) -> Result<Picked, Vec<Skipped>> {
        let mut refused = Vec::new();
        loop {
            let mut picked = self.pick(ask, group, journey, &refused)?;
            let Err(reason) = self.confirm(ask, &mut picked.lease).await else {
                return Ok(picked);
            };
            refused.push(Skipped {
                deployment: picked.lease.deployment().id.clone(),
                reason,
            });
            picked.lease.cancel();
        }
    }

    fn line_up(&self, ask: &Ask, group: &Group<'_>, priority: i64) -> Result<Place, Missed> {
        let rules = &self.settings.queue;
        let place = group.common.and_then(|common| {
            let queue = Arc::clone(&common.queue);
            let asker = ask.caller.as_ref().or(ask.user.as_ref());
            queue.join(priority, asker.map(String::as_str), rules)
        });
        place.ok_or_else(|| Missed::Nobody(full(&ask.model)))
    }

    fn priority(&self, ask: &Ask) -> i64 {
        ask.priority.unwrap_or(self.settings.queue.default_priority)
    }

    fn missed(&self, journey: &mut Journey, skipped: Vec<Skipped>) -> Missed {
        let error = nobody(&journey.plan.group, &skipped, self.state.clock.now());
        journey.trace.nobody = skipped;
        Missed::Nobody(error)
    }
}

/// Whether somebody could serve who is only busy.
fn is_busy(skipped: &[Skipped]) -> bool {
    skipped
        .iter()
        .any(|skipped| matches!(skipped.reason, Reason::Parallel))
}

fn full(group: &str) -> Error {
    let mut error = Error::new(
        Kind::RateLimit,
        format!("too many requests wait for '{group}'; try again in 1 second"),
    );
    error.code = Some("queue_full".into());
    error.retry_after = Some(Duration::from_secs(1));
    error
}
