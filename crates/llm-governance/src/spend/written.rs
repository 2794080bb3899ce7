//! Sums of days as JSON. An answer may have a hundred thousand counts: they are written as they are gone through, and never
//! built as a tree.

use std::collections::BTreeMap;

use llm_store::rows::{Object, SpendDay};
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::sums::{Day, Group, Names, in_dollars};
use crate::{Answer, Refusal};

/// The answer: the latest day first.
pub(super) fn report(
    days: &BTreeMap<String, Day>,
    names: &Names,
    metadata: Object,
) -> Result<Answer, Refusal> {
    let results = Results { days, names };
    Answer::written(&Report { results, metadata })
}

#[derive(Serialize)]
struct Report<'a> {
    results: Results<'a>,
    metadata: Object,
}

struct Results<'a> {
    days: &'a BTreeMap<String, Day>,
    names: &'a Names,
}

#[derive(Serialize)]
struct OneDay<'a> {
    date: &'a str,
    metrics: Metrics,
    breakdown: Breakdown<'a>,
}

#[derive(Serialize)]
struct Breakdown<'a> {
    mcp_servers: Object,
    models: Groups<'a>,
    model_groups: Groups<'a>,
    providers: Groups<'a>,
    endpoints: Groups<'a>,
    api_keys: Groups<'a>,
    entities: Groups<'a>,
}

struct Groups<'a> {
    groups: &'a BTreeMap<String, Group>,
    /// What is known of those that have these names.
    known: Option<&'a BTreeMap<String, Value>>,
    names: &'a Names,
}

#[derive(Serialize)]
struct Named<'a> {
    metrics: Metrics,
    metadata: Metadata<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    api_key_breakdown: Option<Keys<'a>>,
}

struct Keys<'a> {
    keys: &'a BTreeMap<String, SpendDay>,
    names: &'a Names,
}

/// What is known of a name; an empty object, if that is nothing.
struct Metadata<'a>(Option<&'a Value>);

/// The counts of an answer. What this gateway does not do saves nothing.
#[derive(Serialize)]
pub(super) struct Metrics {
    spend: f64,
    flat_cost: f64,
    prompt_tokens: i64,
    completion_tokens: i64,
    cache_read_input_tokens: i64,
    cache_creation_input_tokens: i64,
    compression_saved_tokens: i64,
    compression_savings_spend: f64,
    prompt_caching_savings_spend: f64,
    gateway_injected_caching_savings_spend: f64,
    autorouter_savings_spend: f64,
    total_tokens: i64,
    successful_requests: i64,
    failed_requests: i64,
    api_requests: i64,
    total_response_time_ms: i64,
    timed_requests: i64,
}

impl Metrics {
    pub(super) fn of(sum: &SpendDay) -> Self {
        Self {
            spend: in_dollars(sum.spend.0),
            flat_cost: 0.0,
            prompt_tokens: sum.prompt_tokens,
            completion_tokens: sum.completion_tokens,
            cache_read_input_tokens: sum.cache_read_input_tokens,
            cache_creation_input_tokens: sum.cache_creation_input_tokens,
            compression_saved_tokens: 0,
            compression_savings_spend: 0.0,
            prompt_caching_savings_spend: 0.0,
            gateway_injected_caching_savings_spend: 0.0,
            autorouter_savings_spend: 0.0,
            total_tokens: sum.total_tokens,
            successful_requests: sum.successful_requests,
            failed_requests: sum.failed_requests,
            api_requests: sum.api_requests,
            total_response_time_ms: sum.total_response_time_ms,
            timed_requests: sum.timed_requests,
        }
    }
}

impl Serialize for Results<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let names = self.names;
        let groups = |groups, known| Groups {
            groups,
            known,
            names,
        };
        let days = self.days.iter().rev().map(|(date, day)| OneDay {
            date,
            metrics: Metrics::of(&day.sum),
            breakdown: Breakdown {
                mcp_servers: Object::new(),
                models: groups(&day.models, None),
                model_groups: groups(&day.model_groups, None),
                providers: groups(&day.providers, None),
                endpoints: groups(&day.endpoints, None),
                api_keys: groups(&day.keys, Some(&names.keys)),
                entities: groups(&day.entities, Some(&names.entities)),
            },
        });
        serializer.collect_seq(days)
    }
}

impl Serialize for Groups<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let named = self.groups.iter().map(|(name, group)| {
            let keys = Keys {
                keys: &group.keys,
                names: self.names,
            };
            let known = self.known.and_then(|known| known.get(name));
            let named = Named {
                metrics: Metrics::of(&group.sum),
                metadata: Metadata(known),
                api_key_breakdown: Some(keys),
            };
            (name, named)
        });
        serializer.collect_map(named)
    }
}

impl Serialize for Keys<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let named = self.keys.iter().map(|(key, sum)| {
            let named = Named {
                metrics: Metrics::of(sum),
                metadata: Metadata(self.names.keys.get(key)),
                api_key_breakdown: None,
            };
            (key, named)
        });
        serializer.collect_map(named)
    }
}

impl Serialize for Metadata<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            Some(known) => known.serialize(serializer),
            None => Object::new().serialize(serializer),
        }
    }
}
