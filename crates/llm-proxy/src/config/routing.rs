//! `router_settings`: how requests find their way.

use llm_router::{Fallback, Fallbacks, RetryPolicy};
use serde_json::Value as Json;

use super::{
    file::{Values, unknown},
    names::Names,
    node::{Key, Node, Value},
    problem::{Problems, hint},
    sections::seconds,
};
use crate::settings::Settings;

/// LiteLLM's strategies; the first is built.
const STRATEGIES: &[&str] = &[
    "simple-shuffle",
    "least-busy",
    "usage-based-routing",
    "usage-based-routing-v2",
    "latency-based-routing",
    "cost-based-routing",
    "provider-budget-routing",
];

/// Keys of `retry_policy`: one for each exception class of LiteLLM.
const RETRIES: &[&str] = &[
    "BadRequestErrorRetries",
    "AuthenticationErrorRetries",
    "TimeoutErrorRetries",
    "RateLimitErrorRetries",
    "ContentPolicyViolationErrorRetries",
    "InternalServerErrorRetries",
    "ServiceUnavailableErrorRetries",
    "NotFoundErrorRetries",
    "DefaultRetries",
];

pub(super) fn router(
    values: &mut Values,
    settings: &mut Settings,
    names: &mut Names,
    problems: &mut Problems,
) {
    let router = &mut settings.router;
    strategy(values, problems);
    if let Some(retries) = values.take("num_retries", problems) {
        router.num_retries = retries;
    }
    for (key, limit) in [
        ("timeout", &mut router.timeouts.total),
        ("stream_timeout", &mut router.timeouts.stream),
        ("first_byte_timeout", &mut router.timeouts.first_byte),
        ("stall_timeout", &mut router.timeouts.stall),
    ] {
        if let Some(timeout) = seconds(key, values, problems) {
            *limit = Some(timeout);
        }
    }
    if let Some(wait) = seconds("retry_after", values, problems) {
        router.retry_after = wait;
    }
    if let Some(node) = values.take_node("retry_policy") {
        router.retry_policy = retry_policy("retry_policy", &node, problems);
    }
    if let Some(groups) = values.take_node("model_group_retry_policy") {
        let key = "model_group_retry_policy";
        for (group, node) in mapping(key, &groups, problems) {
            names.condition(key, &group.name, group.at);
            let policy = retry_policy(key, node, problems);
            router.group_retry_policy.insert(group.name.clone(), policy);
        }
    }
    fallbacks(values, &mut router.fallbacks, names, problems);
    if let Some(most) = values.take("max_fallbacks", problems) {
        router.max_fallbacks = most;
    }
    aliases("model_group_alias", values, settings, names, problems);
}

fn strategy(values: &mut Values, problems: &mut Problems) {
    let Some(node) = values.take_node("routing_strategy") else {
        return;
    };
    match node.text() {
        Some("simple-shuffle") => {}
        Some(known) if STRATEGIES.contains(&known) => problems.warn(
            node.at,
            format!("routing_strategy '{known}' is not built yet: 'simple-shuffle' is used"),
        ),
        unknown => {
            let name = unknown.unwrap_or(node.kind());
            let hint = hint(name, STRATEGIES.iter().copied());
            problems.error(node.at, format!("unknown routing_strategy '{name}'{hint}"));
        }
    }
}

/// How often failures are tried again, by their class.
fn retry_policy(key: &str, node: &Node, problems: &mut Problems) -> RetryPolicy {
    let mut policy = RetryPolicy::default();
    for (name, value) in mapping(key, node, problems) {
        let field = match name.name.as_str() {
            "BadRequestErrorRetries" => &mut policy.bad_request,
            "AuthenticationErrorRetries" => &mut policy.authentication,
            "TimeoutErrorRetries" => &mut policy.timeout,
            "RateLimitErrorRetries" => &mut policy.rate_limit,
            "ContentPolicyViolationErrorRetries" => &mut policy.content_policy_violation,
            "InternalServerErrorRetries" => &mut policy.internal_server,
            "ServiceUnavailableErrorRetries" => &mut policy.service_unavailable,
            "NotFoundErrorRetries" => &mut policy.not_found,
            "DefaultRetries" => &mut policy.default,
            _ => {
                problems.warn(name.at, unknown(name, key, RETRIES.iter().copied()));
                continue;
            }
        };
        match serde_json::from_value(value.to_json()) {
            Ok(retries) => *field = retries,
            Err(e) => problems.error(value.at, format!("'{}': {e}", name.name)),
        }
    }
    policy
}

/// The lists of both sections that may have them.
pub(super) fn fallbacks(
    values: &mut Values,
    fallbacks: &mut Fallbacks,
    names: &mut Names,
    problems: &mut Problems,
) {
    for (key, list) in [
        ("fallbacks", &mut fallbacks.general),
        ("context_window_fallbacks", &mut fallbacks.context_window),
        ("content_policy_fallbacks", &mut fallbacks.content_policy),
    ] {
        let Some(node) = values.take_node(key) else {
            continue;
        };
        for item in items(key, &node, problems) {
            for (group, node) in mapping(key, item, problems) {
                names.condition(key, &group.name, group.at);
                let targets = targets(key, &group.name, node, names, problems);
                list.insert(group.name.clone(), targets);
            }
        }
    }
    if let Some(node) = values.take_node("default_fallbacks") {
        let targets = targets("default_fallbacks", "*", &node, names, problems);
        fallbacks.general.insert("*".to_owned(), targets);
    }
}

fn targets(
    key: &'static str,
    from: &str,
    node: &Node,
    names: &mut Names,
    problems: &mut Problems,
) -> Vec<Fallback> {
    let mut all = Vec::new();
    for item in items(key, node, problems) {
        match fallback(item) {
            Some((fallback, at)) => {
                names.fallback(key, from, &fallback.group, at);
                all.push(fallback);
            }
            None => problems.error(
                item.at,
                format!(
                    "{key}: expected a model's name or a mapping with 'model', and found {}",
                    item.kind()
                ),
            ),
        }
    }
    all
}

/// A name, or a mapping with a `model` and what else changes of the request.
fn fallback(node: &Node) -> Option<(Fallback, super::At)> {
    if let Some(group) = node.text() {
        return Some((Fallback::to(group), node.at));
    }
    let model = node.get("model")?;
    let Json::Object(mut overrides) = node.to_json() else {
        return None;
    };
    overrides.remove("model");
    let fallback = Fallback {
        group: model.text()?.to_owned(),
        overrides,
    };
    Some((fallback, model.at))
}

/// Other names of models: texts, or mappings that also say whether lists show them.
pub(super) fn aliases(
    key: &'static str,
    values: &mut Values,
    settings: &mut Settings,
    names: &mut Names,
    problems: &mut Problems,
) {
    let Some(node) = values.take_node(key) else {
        return;
    };
    for (alias, target) in mapping(key, &node, problems) {
        let named = target.get("model").unwrap_or(target);
        let Some(group) = named.text() else {
            let kind = named.kind();
            problems.error(
                named.at,
                format!("{key}: expected a model's name, and found {kind}"),
            );
            continue;
        };
        if target.get("hidden").map(|node| &node.value) == Some(&Value::Bool(true)) {
            settings.hidden.insert(alias.name.clone());
        }
        names.alias(key, group, named.at);
        settings
            .router
            .aliases
            .insert(alias.name.clone(), group.to_owned());
    }
}

fn mapping<'a>(key: &str, node: &'a Node, problems: &mut Problems) -> &'a [(Key, Node)] {
    if !matches!(node.value, Value::Map(_) | Value::Null) {
        problems.error(
            node.at,
            format!("{key}: expected a mapping, and found {}", node.kind()),
        );
    }
    node.entries()
}

fn items<'a>(key: &str, node: &'a Node, problems: &mut Problems) -> &'a [Node] {
    if !matches!(node.value, Value::List(_) | Value::Null) {
        problems.error(
            node.at,
            format!("{key}: expected a list, and found {}", node.kind()),
        );
    }
    node.items()
}
