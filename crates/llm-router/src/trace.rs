//! The record of what one request went through.

use std::time::Duration;

use llm_providers::{Error, Kind};
use serde::Serialize;

use crate::{Skipped, TagMatch};

/// What one request went through, attempt by attempt.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Trace {
    /// Every attempt in order; the last one of a successful request is the one that answered.
    pub attempts: Vec<AttemptRecord>,
    /// How many fallback groups were entered.
    pub fallbacks: u32,
    /// Their names.
    pub groups: Vec<String>,
    /// Retries allowed in the last group.
    pub max_retries: u32,
    /// What seeded the dice: the same seed and the same candidates give the same picks.
    pub seed: u64,
    /// A retry that would have been made was not, because too many have failed lately.
    pub retry_denied: bool,
    /// Deployments that could not be asked when the last group had nobody left.
    pub nobody: Vec<Skipped>,
}

/// One attempt.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AttemptRecord {
    /// The deployment's id.
    pub deployment: String,
    /// The group it answered for.
    pub group: String,
    /// How it came to be asked.
    pub decision: Decision,
    /// From the request's start to the attempt's.
    pub began: Duration,
    /// How long it took until its answer began or it failed.
    pub took: Duration,
    /// Its failure's class; `None` if it answered.
    pub error: Option<Kind>,
    /// Its failure's status.
    pub status: Option<u16>,
    /// Its failure's message.
    pub message: Option<String>,
    /// For how long the deployment rests because of it, in milliseconds.
    pub cooled: Option<u64>,
    /// It had begun to answer when it failed.
    pub in_stream: bool,
    /// Another attempt, made beside it, was faster.
    pub lost: bool,
}

/// How a deployment came to be picked.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Decision {
    /// By which strategy.
    pub strategy: &'static str,
    /// Among how many.
    pub among: u32,
    /// Who was left out, and why.
    pub skipped: Vec<Skipped>,
    /// What each candidate was worth to the strategy, where the request asks for it.
    pub scores: Vec<Score>,
    /// What of the request led to it by tags, where they decide.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tags: Option<TagMatch>,
}

/// What one candidate was worth.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Score {
    /// The candidate's id.
    pub deployment: String,
    /// In the strategy's own measure.
    pub score: f64,
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

    /// An attempt failed: before its answer began, or within it.
    pub(crate) fn failed(&mut self, at: usize, took: Duration, error: &Error, in_stream: bool) {
        if let Some(record) = self.attempts.get_mut(at) {
            record.took = took;
            record.error = Some(error.kind);
            record.status = error.status.map(|status| status.as_u16());
            record.message = Some(error.message.clone());
            record.in_stream = in_stream;
        }
    }

    /// The attempt that `deployment` made last.
    pub(crate) fn last_of(&self, deployment: &str) -> usize {
        let all = &self.attempts;
        all.iter()
            .rposition(|attempt| attempt.deployment == deployment)
            .unwrap_or(all.len())
    }
}
