//! Prometheus metrics, by LiteLLM's names.

mod handles;

use std::{
    hash::{BuildHasher, RandomState},
    sync::{Arc, atomic::AtomicU64},
};

use dashmap::{DashMap, DashSet};
use llm_router::{AttemptRecord, Deployment};
use llm_sdk::{Outcome, Record};
use prometheus_client::{
    encoding::text,
    metrics::{counter::Counter, family::Family, gauge::Gauge, histogram::Histogram},
    registry::Registry,
};

use crate::error::class;
use handles::Handles;

pub(crate) use handles::vendor_time;

/// Different model names that get series of their own: names come from clients, memory does not.
const MOST_NAMES: usize = 1000;

/// LiteLLM's states of a deployment.
const HEALTHY: i64 = 0;
const PARTLY: i64 = 1;
const RESTS: i64 = 2;

const BUCKETS: [f64; 17] = [
    0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 420.0,
    600.0,
];

type Labels = Vec<(&'static str, String)>;
type Count = Family<Labels, Counter>;
type Money = Family<Labels, Counter<f64, AtomicU64>>;
type Times = Family<Labels, Histogram, fn() -> Histogram>;

/// Every metric, and the registry that prints them.
pub(crate) struct Metrics {
    registry: Registry,
    total_requests: Count,
    failed_requests: Count,
    requests: Count,
    request_latency: Times,
    api_latency: Times,
    first_token: Times,
    overhead: Times,
    total_tokens: Count,
    input_tokens: Count,
    output_tokens: Count,
    cached_tokens: Count,
    reasoning_tokens: Count,
    spend: Money,
    deployment_requests: Count,
    deployment_successes: Count,
    deployment_failures: Count,
    deployment_state: Family<Labels, Gauge>,
    deployment_cooled: Count,
    fallbacks_succeeded: Count,
    fallbacks_failed: Count,
    in_flight: Gauge,
    dropped_log_lines: Counter,
    /// What an answered request adds to, by what it was: no label is put together twice.
    handles: DashMap<u64, Arc<Handles>>,
    names: DashSet<String>,
    keys: DashSet<String>,
    hasher: RandomState,
}

impl Metrics {
    pub(crate) fn new() -> Self {
        let mut all = Self {
            registry: Registry::default(),
            total_requests: Count::default(),
            failed_requests: Count::default(),
            requests: Count::default(),
            request_latency: times(),
            api_latency: times(),
            first_token: times(),
            overhead: times(),
            total_tokens: Count::default(),
            input_tokens: Count::default(),
            output_tokens: Count::default(),
            cached_tokens: Count::default(),
            reasoning_tokens: Count::default(),
            spend: Money::default(),
            deployment_requests: Count::default(),
            deployment_successes: Count::default(),
            deployment_failures: Count::default(),
            deployment_state: Family::default(),
            deployment_cooled: Count::default(),
            fallbacks_succeeded: Count::default(),
            fallbacks_failed: Count::default(),
            in_flight: Gauge::default(),
            dropped_log_lines: Counter::default(),
            handles: DashMap::new(),
            names: DashSet::new(),
            keys: DashSet::new(),
            hasher: RandomState::new(),
        };
        all.register();
        all
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        macro_rules! register {
            ($($field:ident $name:literal $help:literal;)*) => {
                $(registry.register($name, $help, self.$field.clone());)*
            };
        }
        register! {
            total_requests "litellm_proxy_total_requests_metric" "Requests, however they ended";
            failed_requests "litellm_proxy_failed_requests_metric" "Requests that brought no answer";
            requests "litellm_requests_metric" "Answered requests";
            request_latency "litellm_request_total_latency_metric" "Seconds from a request to its end";
            api_latency "litellm_llm_api_latency_metric" "Seconds of it that the vendor took";
            first_token "litellm_llm_api_time_to_first_token_metric" "Seconds to a stream's first event";
            overhead "litellm_overhead_latency_metric" "Seconds that were not the vendor's";
            total_tokens "litellm_total_tokens_metric" "Input and output tokens";
            input_tokens "litellm_input_tokens_metric" "Input tokens";
            output_tokens "litellm_output_tokens_metric" "Output tokens";
            cached_tokens "litellm_input_cached_tokens_metric" "Input tokens from the vendor's cache";
            reasoning_tokens "litellm_output_reasoning_tokens_metric" "Output tokens spent on thinking";
            spend "litellm_spend_metric" "US dollars";
            deployment_requests "litellm_deployment_total_requests" "Attempts by deployment";
            deployment_successes "litellm_deployment_success_responses" "Attempts that brought an answer";
            deployment_failures "litellm_deployment_failure_responses" "Attempts that failed";
            deployment_state "litellm_deployment_state" "0 healthy, 1 partial outage, 2 complete outage";
            deployment_cooled "litellm_deployment_cooled_down" "Rests after failures";
            fallbacks_succeeded "litellm_deployment_successful_fallbacks" "Answers by a fallback";
            fallbacks_failed "litellm_deployment_failed_fallbacks" "Fallbacks that failed too";
            in_flight "litellm_in_flight_requests" "Requests under way";
            dropped_log_lines "interlingua_dropped_log_lines" "Log lines that the log could not take in time";
        }
    }

    /// The text that Prometheus reads.
    pub(crate) fn text(&self, under_way: u64, dropped_lines: u64) -> String {
        self.in_flight
            .set(i64::try_from(under_way).unwrap_or(i64::MAX));
        let seen = self.dropped_log_lines.get();
        self.dropped_log_lines
            .inc_by(dropped_lines.saturating_sub(seen));
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = text::encode(&mut out, &self.registry);
        out
    }

    /// A request that ended before anyone was asked.
    pub(crate) fn refused(&self, route: &'static str, key: &str, status: u16, class: &str) {
        let labels = |own: &[(&'static str, &str)]| {
            let mut all = owned(&[
                ("hashed_api_key", key),
                ("requested_model", "None"),
                ("route", route),
            ]);
            all.extend(owned(own));
            all
        };
        let status = status.to_string();
        self.total_requests
            .get_or_create_owned(&labels(&[
                ("status_code", &status),
                ("model_id", "None"),
                ("api_provider", "None"),
            ]))
            .inc();
        self.failed_requests
            .get_or_create_owned(&labels(&[
                ("exception_status", &status),
                ("exception_class", class),
                ("model_id", "None"),
                ("api_provider", "None"),
            ]))
            .inc();
    }

    /// A request that the engine took. `known`: whether its model's name is one of ours.
    /// `well`: whoever answered does not rest. Says whether it did before.
    pub(crate) fn record(
        &self,
        record: &Record,
        route: &'static str,
        key: &str,
        known: impl FnOnce() -> bool,
        well: bool,
    ) -> bool {
        if let (Some(deployment), Outcome::Outpaced) = (&record.deployment, &record.outcome) {
            let requested = self.bounded(&record.requested, known());
            let handles = self.handles(record, requested, route, key, deployment);
            handles.pay(record);
            return false;
        }
        if let (Some(deployment), true) = (&record.deployment, at_once(record)) {
            let slot = self.slot(record, &record.requested, route, key, deployment);
            if let Some(handles) = self.handles.get(&slot) {
                return handles.add(record, well);
            }
        }
        let requested = self.bounded(&record.requested, known());
        self.attempts(record, requested, key);
        match (&record.outcome, &record.deployment) {
            (Outcome::Failed { kind, status, .. }, deployment) => {
                self.failed(
                    record,
                    requested,
                    route,
                    key,
                    (class(*kind), *status),
                    deployment.as_deref(),
                );
            }
            (_, Some(deployment)) => {
                let handles = self.handles(record, requested, route, key, deployment);
                return handles.add(record, well);
            }
            // Who hangs up before an answer began has cost nothing and met nobody.
            (_, None) => self.refused(route, key, 499, "ClientDisconnected"),
        }
        false
    }

    /// An attempt failed at `deployment`, which rests because of it or does not. Says whether the rest is a new one.
    pub(crate) fn stumbled(&self, deployment: &Deployment, status: u16, rests: bool) -> bool {
        let mut labels = place(deployment);
        let state = self.deployment_state.get_or_create_owned(&labels);
        if !rests {
            if state.get() == HEALTHY {
                state.set(PARTLY);
            }
            return false;
        }
        labels.push(("exception_status", status.to_string()));
        self.deployment_cooled.get_or_create_owned(&labels).inc();
        state.set(RESTS) != RESTS
    }

    fn bounded<'a>(&self, name: &'a str, known: bool) -> &'a str {
        if !known {
            return "None";
        }
        among(&self.names, name)
    }

    /// A key's hash as a label: there may be more keys than anybody can look at.
    pub(crate) fn key<'a>(&self, hash: &'a str) -> &'a str {
        match hash {
            "" => "None",
            hash => among(&self.keys, hash),
        }
    }

    /// Failed attempts, of failed and answered requests alike.
    fn attempts(&self, record: &Record, requested: &str, key: &str) {
        for attempt in &record.trace.attempts {
            let Some((status, class)) = failure(attempt) else {
                continue;
            };
            let labels = owned(&[
                ("model_group", &attempt.group),
                ("requested_model", requested),
                ("model_id", &attempt.deployment),
                ("exception_status", &status.to_string()),
                ("exception_class", class),
            ]);
            self.deployment_failures.get_or_create_owned(&labels).inc();
        }
        if record.trace.fallbacks > 0 {
            let last = record.trace.attempts.last();
            // Why the fallback was needed: the last failure of the group that was asked for.
            let mut attempts = record.trace.attempts.iter();
            let first = attempts.clone().next().map(|attempt| &attempt.group);
            let cause = attempts.rfind(|a| Some(&a.group) == first && a.error.is_some());
            let (status, class) = cause.and_then(failure).unwrap_or((0, "None"));
            let status = match status {
                0 => "None".to_owned(),
                status => status.to_string(),
            };
            let labels = owned(&[
                ("requested_model", requested),
                ("fallback_model", last.map_or("None", |a| a.group.as_str())),
                ("hashed_api_key", key),
                ("exception_status", &status),
                ("exception_class", class),
                ("model_id", last.map_or("None", |a| a.deployment.as_str())),
            ]);
            let family = match record.outcome {
                Outcome::Failed { .. } => &self.fallbacks_failed,
                _ => &self.fallbacks_succeeded,
            };
            family.get_or_create_owned(&labels).inc();
        }
    }

    fn failed(
        &self,
        record: &Record,
        requested: &str,
        route: &'static str,
        key: &str,
        (class, status): (&str, u16),
        deployment: Option<&Deployment>,
    ) {
        let status = status.to_string();
        let last = record.trace.attempts.last();
        let id = deployment
            .map(|d| d.id.as_str())
            .or(last.map(|attempt| attempt.deployment.as_str()))
            .unwrap_or("None");
        let provider = deployment.map_or("None", |d| d.target.provider.name);
        let common = [
            ("hashed_api_key", key),
            ("requested_model", requested),
            ("route", route),
            ("model_id", id),
            ("api_provider", provider),
        ];
        let mut labels = owned(&common);
        labels.push(("status_code", status.clone()));
        self.total_requests.get_or_create_owned(&labels).inc();
        let mut labels = owned(&common);
        labels.push(("exception_status", status));
        labels.push(("exception_class", class.to_owned()));
        self.failed_requests.get_or_create_owned(&labels).inc();
    }

    fn handles(
        &self,
        record: &Record,
        requested: &str,
        route: &'static str,
        key: &str,
        deployment: &Deployment,
    ) -> Arc<Handles> {
        let slot = self.slot(record, requested, route, key, deployment);
        if let Some(handles) = self.handles.get(&slot) {
            return Arc::clone(&handles);
        }
        let hung_up = record.outcome == Outcome::HungUp;
        let status = if hung_up { "499" } else { "200" };
        let handles = Arc::new(self.make(record, requested, route, key, status, deployment));
        self.handles.insert(slot, Arc::clone(&handles));
        handles
    }

    /// Where the handles of requests like this one are.
    fn slot(
        &self,
        record: &Record,
        requested: &str,
        route: &'static str,
        key: &str,
        deployment: &Deployment,
    ) -> u64 {
        let hung_up = record.outcome == Outcome::HungUp;
        // Usually the same name as the one asked for, and then not hashed twice.
        let group = record.group.as_deref().filter(|group| *group != requested);
        self.hasher
            .hash_one((&deployment.id, requested, route, key, hung_up, group))
    }

    fn make(
        &self,
        record: &Record,
        requested: &str,
        route: &'static str,
        key: &str,
        status: &str,
        deployment: &Deployment,
    ) -> Handles {
        let group = record.group.as_deref().unwrap_or("None");
        let target = &deployment.target;
        let model = [
            ("hashed_api_key", key),
            ("model", target.model.as_str()),
            ("requested_model", requested),
            ("model_id", &deployment.id),
            ("api_provider", target.provider.name),
        ];
        let (counted, mut timed) = (owned(&model), owned(&model));
        timed.push(("model_group", group.to_owned()));
        let total = owned(&[
            ("hashed_api_key", key),
            ("requested_model", requested),
            ("route", route),
            ("model_id", &deployment.id),
            ("api_provider", target.provider.name),
            ("status_code", status),
        ]);
        let place = place(deployment);
        let mut placed = place.clone();
        placed.push(("model_group", group.to_owned()));
        let (mut asked, mut keyed) = (placed.clone(), placed);
        asked.push(("requested_model", requested.to_owned()));
        keyed.push(("hashed_api_key", key.to_owned()));
        Handles {
            total_requests: self.total_requests.get_or_create_owned(&total),
            requests: self.requests.get_or_create_owned(&counted),
            request_latency: self.request_latency.get_or_create_owned(&timed),
            api_latency: self.api_latency.get_or_create_owned(&timed),
            first_token: self.first_token.get_or_create_owned(&timed),
            overhead: self.overhead.get_or_create_owned(&keyed),
            total_tokens: self.total_tokens.get_or_create_owned(&counted),
            input_tokens: self.input_tokens.get_or_create_owned(&counted),
            output_tokens: self.output_tokens.get_or_create_owned(&counted),
            cached_tokens: self.cached_tokens.get_or_create_owned(&counted),
            reasoning_tokens: self.reasoning_tokens.get_or_create_owned(&counted),
            spend: self.spend.get_or_create_owned(&counted),
            deployment_requests: self.deployment_requests.get_or_create_owned(&asked),
            deployment_successes: self.deployment_successes.get_or_create_owned(&asked),
            state: self.deployment_state.get_or_create_owned(&place),
        }
    }
}

/// The status and the class of an attempt's failure.
fn failure(attempt: &AttemptRecord) -> Option<(u16, &'static str)> {
    let kind = attempt.error?;
    let status = attempt.status;
    let status = status.unwrap_or_else(|| kind.default_status().as_u16());
    Some((status, class(kind)))
}

/// Which deployment this is.
fn place(deployment: &Deployment) -> Labels {
    let target = &deployment.target;
    let base = target.base_url.split('?').next().unwrap_or_default();
    owned(&[
        ("litellm_model_name", target.model.as_str()),
        ("model_id", &deployment.id),
        ("api_base", base),
        ("api_provider", target.provider.name),
    ])
}

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Metrics")
    }
}

/// Whether the first one asked answered.
fn at_once(record: &Record) -> bool {
    let failed = matches!(record.outcome, Outcome::Failed { .. });
    let trace = &record.trace;
    !failed && trace.fallbacks == 0 && trace.attempts.iter().all(|attempt| attempt.error.is_none())
}

fn times() -> Times {
    Family::new_with_constructor(|| Histogram::new(BUCKETS))
}

fn owned(labels: &[(&'static str, &str)]) -> Labels {
    labels
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()))
        .collect()
}

/// The name, if it is one of the first that came; memory is not for all of them.
fn among<'a>(first: &DashSet<String>, name: &'a str) -> &'a str {
    if first.contains(name) {
        return name;
    }
    if first.len() >= MOST_NAMES {
        return "other";
    }
    first.insert(name.to_owned());
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_cannot_fill_the_memory_with_names() {
        let metrics = Metrics::new();
        assert_eq!(metrics.bounded("gpt", true), "gpt");
        assert_eq!(metrics.bounded("made up", false), "None");
        for i in 0..2 * MOST_NAMES {
            let name = i.to_string();
            let label = metrics.bounded(&name, true);
            assert!(label == name || label == "other");
        }
        assert_eq!(metrics.names.len(), MOST_NAMES);
        assert_eq!(metrics.bounded("gpt", true), "gpt", "who was first stays");
        for i in 0..2 * MOST_NAMES {
            metrics.key(&i.to_string());
        }
        assert_eq!(metrics.keys.len(), MOST_NAMES);
        assert_eq!((metrics.key(""), metrics.key("another")), ("None", "other"));
    }
}
