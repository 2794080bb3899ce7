//! What the router takes note of at an attempt's end.

use std::sync::Arc;

use llm_providers::Error;

use crate::{Journey, Lease, Router, attempt::Missed, retry};

impl Router {
    /// Takes note of an attempt's end.
    pub(crate) fn settle<T>(
        &self,
        journey: &mut Journey,
        at: usize,
        lease: Lease,
        result: Result<T, Error>,
    ) -> Result<(T, Lease), Missed> {
        match result {
            Ok(value) => {
                let mut lease = lease;
                lease.began();
                journey.note_answer(at, lease.held());
                Ok((value, lease))
            }
            Err(error) => {
                let deployment = Arc::clone(lease.deployment());
                self.learn(journey, at, lease, &error, false);
                Err(Missed::Failed(deployment, error))
            }
        }
    }

    /// Takes note of a failure.
    pub(crate) fn learn(
        &self,
        journey: &mut Journey,
        at: usize,
        lease: Lease,
        error: &Error,
        in_stream: bool,
    ) {
        let deployment = Arc::clone(lease.deployment());
        journey.trace.failed(at, lease.held(), error, in_stream);
        let now = self.state.clock.now();
        let until = match journey.blameless {
            // Let go like the lease of a caller that hung up.
            true => None,
            false => lease.fail(error),
        };
        if let (Some(until), Some(record)) = (until, journey.trace.attempts.get_mut(at)) {
            record.cooled = Some(now.until(until).as_millis().try_into().unwrap_or(u64::MAX));
        }
        // Who asks for retries of time-outs by name gets them.
        let by_policy = self.policy(journey, error.kind).is_some();
        journey.note_failure(&deployment, !retry::may_return(error) && !by_policy);
    }
}
