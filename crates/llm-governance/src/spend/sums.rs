//! Sums of days, broken down by what was asked and by whom.

use std::collections::{BTreeMap, BTreeSet};

use llm_cost::{Dollars, NanoDollars};
use llm_store::rows::{Object, SpendDay};
use serde_json::{Value, json};

/// The name of whoever is nobody.
const NOBODY: &str = "Unassigned";

/// The sums of one name, and of the keys within.
#[derive(Default)]
pub(super) struct Group {
    sum: SpendDay,
    keys: BTreeMap<String, SpendDay>,
}

/// The sums of one day.
#[derive(Default)]
struct Day {
    sum: SpendDay,
    models: BTreeMap<String, Group>,
    model_groups: BTreeMap<String, Group>,
    providers: BTreeMap<String, Group>,
    endpoints: BTreeMap<String, Group>,
    keys: BTreeMap<String, Group>,
    entities: BTreeMap<String, Group>,
}

/// What was done on each day.
#[derive(Default)]
pub(super) struct Activity {
    days: BTreeMap<String, Day>,
    total: SpendDay,
}

/// What keys and entities are called.
#[derive(Default)]
pub(super) struct Names {
    pub(super) keys: BTreeMap<String, Value>,
    pub(super) entities: BTreeMap<String, Value>,
}

impl Activity {
    /// Adds a sum of everything: it counts for the day, and for every breakdown.
    pub(super) fn add(&mut self, row: &SpendDay) {
        self.add_kinds(row);
        let day = self.days.entry(row.day.clone()).or_default();
        add(&mut day.keys, &row.api_key, None, row);
        let entity = named(&row.entity);
        add(&mut day.entities, entity, Some(&row.api_key), row);
    }

    /// Adds a sum that knows models, providers and operations: it counts for the day, and for these.
    pub(super) fn add_kinds(&mut self, row: &SpendDay) {
        self.total.add(row);
        let day = self.days.entry(row.day.clone()).or_default();
        day.sum.add(row);
        let key = Some(row.api_key.as_str()).filter(|key| !key.is_empty());
        for (groups, name) in [
            (&mut day.models, &row.model),
            (&mut day.model_groups, &row.model_group),
            (&mut day.providers, &row.provider),
            (&mut day.endpoints, &row.endpoint),
        ] {
            if !name.is_empty() {
                add(groups, name, key, row);
            }
        }
    }

    /// Adds a sum of an entity: it counts for that alone.
    pub(super) fn add_entity(&mut self, row: &SpendDay) {
        let day = self.days.entry(row.day.clone()).or_default();
        add(&mut day.entities, named(&row.entity), None, row);
    }

    /// Adds a sum of a key: it counts for that alone.
    pub(super) fn add_key(&mut self, row: &SpendDay) {
        let day = self.days.entry(row.day.clone()).or_default();
        add(&mut day.keys, &row.entity, None, row);
    }

    /// The keys that are named anywhere.
    pub(super) fn keys(&self) -> BTreeSet<String> {
        self.days
            .values()
            .flat_map(|day| day.keys.keys().cloned())
            .collect()
    }

    /// The entities that are named anywhere.
    pub(super) fn entities(&self) -> BTreeSet<String> {
        self.days
            .values()
            .flat_map(|day| day.entities.keys().cloned())
            .collect()
    }

    /// The answer: the latest day first. `metadata` has the sums of what is on this page.
    pub(super) fn described(&self, names: &Names, page: u64, pages: u64) -> Value {
        let results: Vec<Value> = self
            .days
            .iter()
            .rev()
            .map(|(date, day)| {
                json!({
                    "date": date,
                    "metrics": metrics(&day.sum),
                    "breakdown": {
                        "mcp_servers": {},
                        "models": groups(&day.models, &BTreeMap::new(), names),
                        "model_groups": groups(&day.model_groups, &BTreeMap::new(), names),
                        "providers": groups(&day.providers, &BTreeMap::new(), names),
                        "endpoints": groups(&day.endpoints, &BTreeMap::new(), names),
                        "api_keys": groups(&day.keys, &names.keys, names),
                        "entities": groups(&day.entities, &names.entities, names),
                    },
                })
            })
            .collect();
        let mut metadata = Object::new();
        if let Value::Object(total) = metrics(&self.total) {
            metadata.extend(total.into_iter().map(|(name, count)| {
                (
                    format!("total_{}", name.trim_start_matches("total_")),
                    count,
                )
            }));
        }
        metadata.insert("page".to_owned(), page.into());
        metadata.insert("total_pages".to_owned(), pages.into());
        metadata.insert("has_more".to_owned(), (page < pages).into());
        json!({"results": results, "metadata": metadata})
    }
}

fn add(groups: &mut BTreeMap<String, Group>, name: &str, key: Option<&str>, row: &SpendDay) {
    let group = match groups.get_mut(name) {
        Some(group) => group,
        None => groups.entry(name.to_owned()).or_default(),
    };
    group.sum.add(row);
    if let Some(key) = key {
        group.keys.entry(key.to_owned()).or_default().add(row);
    }
}

fn named(entity: &str) -> &str {
    if entity.is_empty() { NOBODY } else { entity }
}

fn groups(
    groups: &BTreeMap<String, Group>,
    known: &BTreeMap<String, Value>,
    names: &Names,
) -> Value {
    let group = |(name, group): (&String, &Group)| {
        let keys: Object = group
            .keys
            .iter()
            .map(|(key, sum)| {
                let metadata = names.keys.get(key).cloned().unwrap_or_else(|| json!({}));
                (
                    key.clone(),
                    json!({"metrics": metrics(sum), "metadata": metadata}),
                )
            })
            .collect();
        let metadata = known.get(name).cloned().unwrap_or_else(|| json!({}));
        (
            name.clone(),
            json!({
                "metrics": metrics(&group.sum), "metadata": metadata, "api_key_breakdown": keys,
            }),
        )
    };
    Value::Object(groups.iter().map(group).collect())
}

/// The counts of an answer. What this gateway does not do saves nothing.
pub(super) fn metrics(sum: &SpendDay) -> Value {
    json!({
        "spend": dollars(sum.spend.0),
        "flat_cost": 0.0,
        "prompt_tokens": sum.prompt_tokens,
        "completion_tokens": sum.completion_tokens,
        "cache_read_input_tokens": sum.cache_read_input_tokens,
        "cache_creation_input_tokens": sum.cache_creation_input_tokens,
        "compression_saved_tokens": 0,
        "compression_savings_spend": 0.0,
        "prompt_caching_savings_spend": 0.0,
        "gateway_injected_caching_savings_spend": 0.0,
        "autorouter_savings_spend": 0.0,
        "total_tokens": sum.total_tokens,
        "successful_requests": sum.successful_requests,
        "failed_requests": sum.failed_requests,
        "api_requests": sum.api_requests,
        "total_response_time_ms": sum.total_response_time_ms,
        "timed_requests": sum.timed_requests,
    })
}

/// An amount in JSON: dollars.
pub(crate) fn dollars(nano: i64) -> Value {
    let size = Dollars::from_nano(NanoDollars(nano.saturating_abs())).to_f64();
    let size = if nano < 0 { -size } else { size };
    size.into()
}
