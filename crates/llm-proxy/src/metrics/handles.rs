//! The series that an answered request adds to.

use std::time::Duration;

use llm_cost::NanoDollars;
use llm_sdk::{Outcome, Record};
use llm_types::Op;
use prometheus_client::metrics::{counter::Counter, histogram::Histogram};

use super::{
    HEALTHY, RESTS,
    families::{Families, Level, Money},
    label::{Facts, Label},
};

/// The series of one kind of answered request.
pub(super) struct Handles {
    total_requests: Counter,
    requests: Counter,
    request_latency: Histogram,
    api_latency: Histogram,
    first_token: Histogram,
    overhead: Histogram,
    per_output_token: Histogram,
    queue_time: Histogram,
    total_tokens: Counter,
    input_tokens: Counter,
    output_tokens: Counter,
    cached_tokens: Counter,
    cache_write_tokens: Counter,
    input_audio_tokens: Counter,
    reasoning_tokens: Counter,
    output_audio_tokens: Counter,
    /// Of operations that make images, and videos.
    images: Option<Counter>,
    video_seconds: Option<Money>,
    spend: Money,
    free: Counter,
    unpriced: Counter,
    deployment_requests: Counter,
    deployment_successes: Counter,
    state: Level,
}

impl Handles {
    /// Those of requests of which this can be said.
    pub(super) fn of(families: &Families, facts: &Facts<'_>) -> Self {
        let route = facts.said(Label::Route);
        let kind = |path: &str| path.split('/').nth(1).map(str::to_owned);
        let makes = |path: &str| kind(route).is_some() && kind(route) == kind(path);
        Self {
            total_requests: families.total_requests.at(facts),
            requests: families.requests.at(facts),
            request_latency: families.request_latency.at(facts),
            api_latency: families.api_latency.at(facts),
            first_token: families.first_token.at(facts),
            overhead: families.overhead.at(facts),
            per_output_token: families.per_output_token.at(facts),
            queue_time: families.queue_time.at(facts),
            total_tokens: families.total_tokens.at(facts),
            input_tokens: families.input_tokens.at(facts),
            output_tokens: families.output_tokens.at(facts),
            cached_tokens: families.cached_tokens.at(facts),
            cache_write_tokens: families.cache_write_tokens.at(facts),
            input_audio_tokens: families.input_audio_tokens.at(facts),
            reasoning_tokens: families.reasoning_tokens.at(facts),
            output_audio_tokens: families.output_audio_tokens.at(facts),
            images: makes(Op::ImageGeneration.path()).then(|| families.images.at(facts)),
            video_seconds: makes(Op::Video.path()).then(|| families.video_seconds.at(facts)),
            spend: families.spend.at(facts),
            free: families.free_requests.at(&facts.say(Label::Reason, "free")),
            unpriced: families
                .free_requests
                .at(&facts.say(Label::Reason, "no_price")),
            deployment_requests: families.deployment_requests.at(facts),
            deployment_successes: families.deployment_successes.at(facts),
            state: families.deployment_state.at(facts),
        }
    }

    /// `well`: the deployment does not rest; `queued`: how long the request was on its way here. Says whether it did rest
    /// before.
    pub(super) fn add(&self, record: &Record, well: bool, queued: Option<Duration>) -> bool {
        if let Some(queued) = queued {
            self.queue_time.observe(queued.as_secs_f64());
        }
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
        let output = record.usage.as_ref().map(|usage| usage.completion_tokens);
        if let Some(output) = output.filter(|output| *output > 0) {
            self.per_output_token
                .observe(vendor.as_secs_f64() / output as f64);
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
            self.cache_write_tokens.inc_by(usage.cache_write_tokens());
            self.reasoning_tokens.inc_by(usage.reasoning_tokens());
            if let Some(details) = &usage.prompt_tokens_details {
                self.input_audio_tokens.inc_by(details.audio_tokens);
            }
            if let Some(details) = &usage.completion_tokens_details {
                self.output_audio_tokens.inc_by(details.audio_tokens);
            }
        }
        if let Some(basis) = &record.charge.basis {
            let (images, seconds) = (basis.measures.images, basis.measures.seconds);
            if let (Some(counter), Some(made)) = (&self.images, images) {
                counter.inc_by(made);
            }
            if let (Some(counter), Some(made)) = (&self.video_seconds, seconds) {
                counter.inc_by(made);
            }
        }
        match record.charge.total() {
            Some(NanoDollars(0)) => drop(self.free.inc()),
            Some(total) => drop(self.spend.inc_by(dollars(total))),
            None => drop(self.unpriced.inc()),
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
