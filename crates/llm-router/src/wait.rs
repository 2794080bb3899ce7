//! Waiting in line where everybody is busy.

use std::{future::pending, sync::Arc, time::Duration};

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
            match self.pick_confirmed(ask, group, journey, Vec::new()).await {
                Ok(picked) => return Ok(picked),
                Err(skipped) if !is_busy(&skipped) || group.common.is_none() => {
                    return Err(self.missed(ask, group, journey, skipped));
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
            Err(_) => Err(self.missed(ask, group, journey, skipped)),
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
            let mut again = None;
            if place.is_first() {
                match self.pick_confirmed(ask, group, journey, Vec::new()).await {
                    Ok(picked) => return Ok(picked),
                    Err(skipped) if is_busy(&skipped) => {
                        again = self.next_look(&skipped);
                        *last = skipped;
                    }
                    Err(skipped) => return Err(self.missed(ask, group, journey, skipped)),
                }
            }
            let time = async {
                match again {
                    Some(again) => tokio::time::sleep(again).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                turn = place.turn() => if turn == Turn::TurnedAway {
                    return Err(Missed::Nobody(full(&journey.plan.group)));
                },
                () = time => {}
            }
        }
    }

    /// When the first in line looks again though nobody here has given a slot back: somebody's rest or minute may be over,
    /// and slots that other instances give back are not told of.
    fn next_look(&self, skipped: &[Skipped]) -> Option<Duration> {
        let now = self.state.clock.now();
        let by_time = |skipped: &Skipped| match skipped.reason {
            Reason::Parallel => None,
            reason => reason.wait(now),
        };
        let soonest = skipped.iter().filter_map(by_time).min();
        let poll = self.settings.shared.is_some();
        let poll = poll.then_some(self.settings.queue.poll);
        let next = soonest.into_iter().chain(poll).min()?;
        Some(next.max(Duration::from_millis(1)))
    }

    /// Picks until all instances admit who was picked; those that are `refused` are not.
    pub(crate) async fn pick_confirmed(
        &self,
        ask: &Ask,
        group: &Group<'_>,
        journey: &mut Journey,
        mut refused: Vec<Skipped>,
    ) -> Result<Picked, Vec<Skipped>> {
        loop {
            let mut picked = self.pick(ask, group, journey, &refused)?;
            let Err(reason) = self.confirm(ask, &mut picked.lease).await else {
                return Ok(picked);
            };
            refused.push(Skipped {
                deployment: picked.lease.deployment().id.clone(),
                reason,
            });
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

    fn missed(
        &self,
        ask: &Ask,
        group: &Group<'_>,
        journey: &mut Journey,
        skipped: Vec<Skipped>,
    ) -> Missed {
        let now = self.state.clock.now();
        let name = &journey.plan.group;
        let error = nobody(name, group.deployments, ask, &skipped, now);
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
