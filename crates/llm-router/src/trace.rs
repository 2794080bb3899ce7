//! The record of what one request went through.

use std::time::Duration;

use llm_providers::{Error, Kind};
use serde::Serialize;

/// What one request went through, attempt by attempt.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Trace {
    /// Every attempt in order; the last one of a successful request is the one that answered.
    pub attempts: Vec<AttemptRecord>,
    /// How many fallback groups were entered.
    pub fallbacks: u32,
    /// Retries allowed in the last group.
    pub max_retries: u32,
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AttemptRecord {
    /// The deployment's id.
    pub deployment: String,
    /// The group it answered for.
    pub group: String,
    /// How long it took until its answer began or it failed.
    pub took: Duration,
    /// Its failure's class; `None` if it answered.
    pub error: Option<Kind>,
    /// Its failure's status.
    pub status: Option<u16>,
    /// Its failure's message.
    pub message: Option<String>,
}

impl Trace {
    /// Attempts after the first in the group that answered (or failed last), as LiteLLM counts retries.
    pub fn retries(&self) -> u32 {
        let Some(last) = self.attempts.last() else {
            return 0;
        };
        let same = self
            .attempts
            .iter()
            .rev()
            .take_while(|attempt| attempt.group == last.group)
            .count();
        u32::try_from(same.saturating_sub(1)).unwrap_or(u32::MAX)
    }

    pub(crate) fn record(
        &mut self,
        deployment: &str,
        group: &str,
        took: Duration,
        error: Option<&Error>,
    ) {
        self.attempts.push(AttemptRecord {
            deployment: deployment.to_owned(),
            group: group.to_owned(),
            took,
            error: error.map(|e| e.kind),
            status: error.and_then(|e| e.status).map(|status| status.as_u16()),
            message: error.map(|e| e.message.clone()),
        });
    }
}
