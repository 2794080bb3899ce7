//! The loop: plan, pick, attempt, learn.

use std::sync::Arc;

use llm_providers::Error;

use crate::{Ask, Attempts, Deployment, Journey, Lease, Router, Trace, attempt::Missed};

/// A request that was answered, or whose answer has begun.
#[derive(Debug)]
pub struct Routed<T> {
    /// The answer.
    pub value: T,
    /// The hold on the deployment that gives it: to be kept until the answer's end, and told how that was.
    pub lease: Lease,
    /// The way there, and from there on if the answer breaks.
    pub journey: Box<Journey>,
}

/// A request that nobody answered.
#[derive(Debug)]
pub struct Failed {
    /// The first group's last failure: the one the caller asked for.
    pub error: Error,
    /// The last fallback's failure, where any was tried.
    pub fallback_error: Option<Error>,
    /// The way there.
    pub trace: Trace,
}

impl Router {
    /// Answers a request: plans the groups, picks deployments, has attempts made, learns, and tries on while that helps.
    pub async fn run<A: Attempts>(
        &self,
        ask: &Ask,
        attempts: &A,
    ) -> Result<Routed<A::Answer>, Box<Failed>> {
        self.attend();
        let deadline = ask.deadline.or(self.settings.deadline);
        let journey = Box::new(Journey::new(ask, self.next_seed(), deadline));
        self.count_request(&journey);
        self.travel(ask, journey, None, attempts).await
    }

    /// Goes on with a request whose answer broke after it had begun: as if the attempt had failed before.
    pub async fn resume<A: Attempts>(
        &self,
        ask: &Ask,
        mut journey: Box<Journey>,
        lease: Lease,
        error: Error,
        attempts: &A,
    ) -> Result<Routed<A::Answer>, Box<Failed>> {
        let deployment = Arc::clone(lease.deployment());
        let at = journey.trace.last_of(&deployment.id);
        self.learn(&mut journey, at, lease, &error, true);
        self.travel(ask, journey, Some((deployment, error)), attempts)
            .await
    }

    /// Attempt after attempt and group after group, until one answers or nothing is left to try.
    async fn travel<A: Attempts>(
        &self,
        ask: &Ask,
        mut journey: Box<Journey>,
        mut failed: Option<(Arc<Deployment>, Error)>,
        attempts: &A,
    ) -> Result<Routed<A::Answer>, Box<Failed>> {
        loop {
            let error = match failed.take() {
                None => match self.attempt(ask, &mut journey, attempts).await {
                    Ok((value, lease)) => {
                        return Ok(Routed {
                            value,
                            lease,
                            journey,
                        });
                    }
                    Err(Missed::Failed(deployment, error)) => {
                        failed = Some((deployment, error));
                        continue;
                    }
                    Err(Missed::Nobody(error)) => {
                        if let Some(wait) = self.worth_waiting(ask, &journey, &error) {
                            tokio::time::sleep(wait).await;
                            continue;
                        }
                        journey.last_error.take().unwrap_or(error)
                    }
                },
                Some((deployment, error)) => {
                    match self.again(ask, &mut journey, &deployment, &error) {
                        Some(wait) => {
                            journey.last_error = Some(error);
                            tokio::time::sleep(wait).await;
                            continue;
                        }
                        None => error,
                    }
                }
            };
            self.leave(ask, &mut journey, error)?;
        }
    }

    /// Leaves the group for the next one; an error if there is none.
    fn leave(&self, ask: &Ask, journey: &mut Journey, error: Error) -> Result<(), Box<Failed>> {
        let own = journey.trace.fallbacks == 0;
        // The fallback's own fallbacks come before the rest of the list; a list of the request is all there is.
        if own || ask.fallbacks.is_none() {
            let more = self.fallbacks(ask, &journey.plan.group, error.kind);
            journey.queue.extend(more.into_iter().rev());
        }
        while let Some(next) = journey.queue.pop() {
            if journey.trace.fallbacks >= self.settings.max_fallbacks {
                break;
            }
            if journey.seen.contains(&next.group) || journey.out_of_time() {
                continue;
            }
            if own {
                journey.first_error = Some(error);
            }
            journey.enter(next);
            self.count_request(journey);
            return Ok(());
        }
        let trace = std::mem::take(&mut journey.trace);
        Err(Box::new(match journey.first_error.take() {
            None => Failed {
                error,
                fallback_error: None,
                trace,
            },
            Some(first) => Failed {
                error: first,
                fallback_error: Some(error),
                trace,
            },
        }))
    }

    fn count_request(&self, journey: &Journey) {
        let group = self.find(&journey.plan.group);
        if let Some(common) = group.and_then(|group| group.common) {
            let now = self.state.clock.now();
            common.retries.request(now);
            common.rivals.request(now);
        }
    }
}

#[cfg(test)]
mod tests;
