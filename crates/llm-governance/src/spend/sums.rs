//! Sums of days, broken down by what was asked and by whom.

use std::collections::{BTreeMap, BTreeSet};

use llm_cost::{Dollars, NanoDollars};
use llm_store::rows::{Object, SpendDay};
use serde_json::Value;

use super::written::{self, Metrics};
use crate::{Answer, Refusal};

/// The name of whoever is nobody.
const NOBODY: &str = "Unassigned";

/// The sums of one name, and of the keys within.
#[derive(Default)]
pub(super) struct Group {
    pub(super) sum: SpendDay,
    pub(super) keys: BTreeMap<String, SpendDay>,
}

/// The sums of one day.
#[derive(Default)]
pub(super) struct Day {
    pub(super) sum: SpendDay,
    pub(super) models: BTreeMap<String, Group>,
    pub(super) model_groups: BTreeMap<String, Group>,
    pub(super) providers: BTreeMap<String, Group>,
    pub(super) endpoints: BTreeMap<String, Group>,
    pub(super) keys: BTreeMap<String, Group>,
    pub(super) entities: BTreeMap<String, Group>,
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
    pub(super) fn described(
        &self,
        names: &Names,
        page: u64,
        pages: u64,
    ) -> Result<Answer, Refusal> {
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
        written::report(&self.days, names, metadata)
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

/// The counts of an answer.
pub(super) fn metrics(sum: &SpendDay) -> Value {
    serde_json::to_value(Metrics::of(sum)).unwrap_or_default()
}

/// An amount in JSON: dollars.
pub(crate) fn dollars(nano: i64) -> Value {
    in_dollars(nano).into()
}

pub(super) fn in_dollars(nano: i64) -> f64 {
    let size = Dollars::from_nano(NanoDollars(nano.saturating_abs())).to_f64();
    if nano < 0 { -size } else { size }
}
