//! The series that an answered request adds to.

use std::{sync::atomic::AtomicU64, time::Duration};

use llm_cost::NanoDollars;
use llm_sdk::{Outcome, Record};
use prometheus_client::metrics::{counter::Counter, gauge::Gauge, histogram::Histogram};

use super::{HEALTHY, RESTS};

/// The series of one kind of answered request.
pub(super) struct Handles {
    pub(super) total_requests: Counter,
    pub(super) requests: Counter,
    pub(super) request_latency: Histogram,
    pub(super) api_latency: Histogram,
    pub(super) first_token: Histogram,
    pub(super) overhead: Histogram,
    pub(super) total_tokens: Counter,
    pub(super) input_tokens: Counter,
    pub(super) output_tokens: Counter,
    pub(super) cached_tokens: Counter,
    pub(super) reasoning_tokens: Counter,
    pub(super) spend: Counter<f64, AtomicU64>,
    pub(super) deployment_requests: Counter,
    pub(super) deployment_successes: Counter,
    pub(super) state: Gauge,
}

impl Handles {
    /// `well`: the deployment does not rest. Says whether it did before.
    pub(super) fn add(&self, record: &Record, well: bool) -> bool {
        let mut recovered = false;
        self.total_requests.inc();
        self.requests.inc();
        self.deployment_requests.inc();
        if record.outcome == Outcome::Answered {
            self.deployment_successes.inc();
            recovered = well && self.state.set(HEALTHY) == RESTS;
        }
        self.request_latency.observe(record.took.as_secs_f64());
        let vendor = vendor_time(record);
        self.api_latency.observe(vendor.as_secs_f64());
        self.overhead
            .observe(record.took.saturating_sub(vendor).as_secs_f64());
        if let Some(first) = record.first_event {
            self.first_token.observe(first.as_secs_f64());
        }
        self.pay(record);
        recovered
    }

    /// What it consumed and cost.
    pub(super) fn pay(&self, record: &Record) {
        if let Some(usage) = &record.usage {
            self.input_tokens.inc_by(usage.prompt_tokens);
            self.output_tokens.inc_by(usage.completion_tokens);
            self.total_tokens.inc_by(usage.total_tokens);
            self.cached_tokens.inc_by(usage.cached_tokens());
            self.reasoning_tokens.inc_by(usage.reasoning_tokens());
        }
        if let Some(total) = record.charge.total() {
            self.spend.inc_by(dollars(total));
        }
    }
}

/// How long vendors had the request: all attempts, and of a stream what came after its first event.
pub(crate) fn vendor_time(record: &Record) -> Duration {
    let attempts: Duration = record
        .trace
        .attempts
        .iter()
        .map(|attempt| attempt.took)
        .sum();
    match record.first_event {
        Some(first) => attempts + record.took.saturating_sub(first),
        None => attempts,
    }
}

/// As a float, for sums that nobody is billed by.
fn dollars(amount: NanoDollars) -> f64 {
    amount.to_f64()
}
