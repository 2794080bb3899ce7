//! Who of several deployments is asked: strategies, tags, budgets, affinity.

use std::{collections::BTreeMap, sync::Arc};

use llm_cost::NanoDollars;
use llm_router::{
    Bonds, Budget, RoutingGroup, SettingsError, Strategy,
    strategy::{NAMES, named},
};
use llm_types::Map;
use serde_json::Value;

use super::{
    Place, Role, RouterSettings,
    place::kind,
    read::{Reader, items, mapping, unknown},
};
use crate::nearest::hint;

/// What `optional_pre_call_checks` may list.
const CHECKS: &[&str] = &[
    "prompt_caching",
    "responses_api_deployment_check",
    "session_affinity",
    "deployment_affinity",
    "router_budget_limiting",
    "enforce_model_rate_limits",
    "forward_client_headers_by_model_group",
    "encrypted_content_affinity",
];

const GROUP: &[&str] = &[
    "group_name",
    "models",
    "routing_strategy",
    "routing_strategy_args",
    "model_priorities",
];

impl RouterSettings {
    pub(super) fn choice(&mut self, reader: &mut Reader<'_>) {
        let name = reader.value("routing_strategy");
        let args = reader.value("routing_strategy_args");
        if name.is_some() || args.is_some() {
            let top = Place::default();
            if let Some(strategy) = strategy(name.as_ref(), args.as_ref(), &top, reader) {
                self.router.strategy = strategy;
            }
        }
        if let Some(groups) = reader.value("routing_groups") {
            let place = Place::of("routing_groups");
            for (i, group) in items("routing_groups", &groups, &place, reader)
                .iter()
                .enumerate()
            {
                self.routing_group(group, &place.item(i), reader);
            }
        }
        if let Some(on) = reader.take("enable_pre_call_checks") {
            self.router.pre_call_checks.enabled = on;
        }
        let tags = &mut self.router.tags;
        if let Some(on) = reader.take("enable_tag_filtering") {
            tags.enabled = on;
        }
        if let Some(any) = reader.take("tag_filtering_match_any") {
            tags.match_any = any;
        }
        if let Some(prefix) = reader.take("tag_routing_prefix") {
            tags.prefix = prefix;
        }
        if let Some(most) = reader.take("default_max_parallel_requests") {
            self.router.default_max_parallel = Some(most);
        }
        let budgets = &mut self.router.budgets;
        for (key, all) in [
            ("provider_budget_config", &mut budgets.providers),
            ("tag_budget_config", &mut budgets.tags),
        ] {
            if let Some(value) = reader.value(key) {
                *all = self::budgets(key, &value, reader);
            }
        }
        self.affinity(reader);
    }

    fn affinity(&mut self, reader: &mut Reader<'_>) {
        let key = "optional_pre_call_checks";
        if let Some(list) = reader.value(key) {
            self.router.affinity.bonds = bonds(key, &list, &Place::of(key), reader);
        }
        if let Some(ttl) = reader.seconds("deployment_affinity_ttl_seconds") {
            self.router.affinity.ttl = ttl;
        }
        let key = "cached_prompt_worth";
        if let Some(worth) = reader.take::<f64>(key) {
            match worth >= 1.0 {
                true => self.router.affinity.prompt_worth = Some(worth),
                false => {
                    let message = format!("'{key}' must be at least 1, and is {worth}");
                    reader.mistake(Place::of(key), message);
                }
            }
        }
        let key = "model_group_affinity_config";
        if let Some(groups) = reader.value(key) {
            let place = Place::of(key);
            for (group, list) in mapping(key, &groups, &place, reader) {
                let place = place.key(group);
                self.mention(key, group, place.clone().itself(), Role::Condition);
                let bonds = bonds(key, list, &place, reader);
                let all = &mut self.router.affinity.group_bonds;
                all.insert(group.clone(), bonds);
            }
        }
    }

    fn routing_group(&mut self, group: &Value, place: &Place, reader: &mut Reader<'_>) {
        let key = "routing_groups";
        for (name, _) in mapping(key, group, place, reader) {
            if !GROUP.contains(&name.as_str()) {
                let place = place.key(name).itself();
                reader.notice(place, unknown(name, key, GROUP));
            }
        }
        let Some(name) = group.get("group_name").and_then(Value::as_str) else {
            let message = format!("{key}: this group has no 'group_name'");
            return reader.mistake(place.clone(), message);
        };
        let mut models = Vec::new();
        let listed = group.get("models").unwrap_or(&Value::Null);
        let at = place.key("models");
        for (i, model) in items(key, listed, &at, reader).iter().enumerate() {
            let Some(model) = model.as_str() else {
                let message = format!("{key}: expected a model's name, and found {}", kind(model));
                reader.mistake(at.item(i), message);
                continue;
            };
            self.mention(key, model, at.item(i), Role::Condition);
            models.push(model.to_owned());
        }
        let mut args = group.get("routing_strategy_args").cloned();
        if let Some(ranks) = group.get("model_priorities") {
            let all = args.get_or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(all) = all {
                all.insert("model_priorities".to_owned(), ranks.clone());
            }
        }
        let strategy = strategy(group.get("routing_strategy"), args.as_ref(), place, reader);
        if let Some(strategy) = strategy {
            self.router.routing_groups.push(RoutingGroup {
                name: name.to_owned(),
                models,
                strategy,
            });
        }
    }
}

/// The strategy that stands below `place`.
fn strategy(
    name: Option<&Value>,
    args: Option<&Value>,
    place: &Place,
    reader: &mut Reader<'_>,
) -> Option<Arc<dyn Strategy>> {
    let at = place.key("routing_strategy");
    let name = match name {
        None | Some(Value::Null) => "simple-shuffle",
        Some(Value::String(name)) => name,
        Some(other) => {
            let message = format!("'routing_strategy' must be a name, and is {}", kind(other));
            reader.mistake(at, message);
            return None;
        }
    };
    if !NAMES.contains(&name) {
        let hint = hint(name, NAMES.iter().copied());
        reader.mistake(at, format!("unknown routing_strategy '{name}'{hint}"));
        return None;
    }
    let none = Map::new();
    let at = place.key("routing_strategy_args");
    let args = match args {
        None | Some(Value::Null) => &none,
        Some(Value::Object(args)) => args,
        Some(other) => {
            let kind = kind(other);
            let message = format!("routing_strategy_args: expected a mapping, and found {kind}");
            reader.mistake(at, message);
            return None;
        }
    };
    match named(name, args) {
        Ok(strategy) => Some(strategy),
        Err(SettingsError(message)) => {
            reader.mistake(at, message);
            None
        }
    }
}

/// LiteLLM's checks that keep who comes again where it was.
fn bonds(key: &str, list: &Value, place: &Place, reader: &mut Reader<'_>) -> Bonds {
    let mut bonds = Bonds::default();
    for (i, item) in items(key, list, place, reader).iter().enumerate() {
        let place = place.item(i);
        match item.as_str().unwrap_or_default() {
            "prompt_caching" => bonds.prompt = true,
            "session_affinity" => bonds.session = true,
            "deployment_affinity" => bonds.user = true,
            // Budgets and limits hold in any case, and a response's id says who made it.
            "router_budget_limiting"
            | "enforce_model_rate_limits"
            | "responses_api_deployment_check" => {}
            known if CHECKS.contains(&known) => {
                let message = format!("{key}: '{known}' has no effect yet: it is not built");
                reader.notice(place, message);
            }
            other => {
                let hint = hint(other, CHECKS.iter().copied());
                reader.mistake(place, format!("{key}: there is no check '{other}'{hint}"));
            }
        }
    }
    bonds
}

/// Names with `{budget_limit, time_period}`, or `{max_budget, budget_duration}`.
fn budgets(key: &str, value: &Value, reader: &mut Reader<'_>) -> BTreeMap<String, Budget> {
    let mut all = BTreeMap::new();
    let place = Place::of(key);
    for (name, value) in mapping(key, value, &place, reader) {
        let place = place.key(name);
        let field = |names: [&str; 2]| names.iter().find_map(|name| value.get(*name));
        let limit = field(["budget_limit", "max_budget"]).and_then(Value::as_f64);
        let limit = limit
            .and_then(NanoDollars::from_f64)
            .and_then(|nano| u64::try_from(nano.0).ok());
        let period = field(["time_period", "budget_duration"]).and_then(Value::as_str);
        let period = period.and_then(|period| period.parse().ok());
        match (limit, period) {
            (Some(limit), Some(period)) => {
                all.insert(name.clone(), Budget { limit, period });
            }
            _ => {
                let message = format!(
                    "{key}: a budget is {{budget_limit: DOLLARS, time_period: 1d}}, with s, m, h, d or mo"
                );
                reader.mistake(place, message);
            }
        }
    }
    all
}
