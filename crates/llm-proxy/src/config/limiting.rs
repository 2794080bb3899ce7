//! The keys that say how limits are meant.

use llm_governance::limits::{Priorities, Reserved, TokenKind};

use super::{file::Values, node::Node, problem::Problems};
use crate::settings::Settings;

/// The callback that makes priorities count.
pub(super) const PRIORITIES: &str = "dynamic_rate_limiter_v3";

/// Those of `general_settings`.
pub(super) fn general(values: &mut Values, settings: &mut Settings, problems: &mut Problems) {
    let rules = &mut settings.governance.limits;
    for (key, limit) in [
        ("global_max_parallel_requests", &mut rules.at_once),
        ("max_parallel_requests", &mut rules.at_once_of_key),
    ] {
        if let Some(most) = values.take(key, problems) {
            *limit = Some(most);
        }
    }
    if let Some(closed) = values.take("fail_closed_rate_limit_enforcement", problems) {
        rules.fail_closed = closed;
    }
    if let Some(node) = values.take_node("token_rate_limit_type") {
        match node.text() {
            Some("total") => rules.tokens = TokenKind::Total,
            Some("input") => rules.tokens = TokenKind::Input,
            Some("output") => rules.tokens = TokenKind::Output,
            _ => problems.error(
                node.at,
                "'token_rate_limit_type' must be 'total', 'input' or 'output'",
            ),
        }
    }
}

/// Who comes first, and how slow a key gets that is over its budget: those of `litellm_settings`. `callbacks` are named
/// beside them.
pub(super) fn priorities(
    values: &mut Values,
    callbacks: &[String],
    settings: &mut Settings,
    problems: &mut Problems,
) {
    let rules = &mut settings.governance.limits;
    if let Some(node) = values.take_node("budget_exceeded_throttle_percentage") {
        rules.throttle = share(&node, "budget_exceeded_throttle_percentage", problems);
    }
    let reserved = values.take_node("priority_reservation");
    let finer = values.take_node("priority_reservation_settings");
    let is_on = callbacks.iter().any(|name| name == PRIORITIES);
    if let Some(node) = reserved.as_ref().filter(|_| !is_on) {
        let message =
            format!("'priority_reservation' has no effect without '{PRIORITIES}' in 'callbacks'");
        problems.warn(node.at, message);
    }
    let mut priorities = Priorities::default();
    for (name, node) in reserved.iter().flat_map(Node::entries) {
        if let Some(reserved) = reservation(&name.name, node, problems) {
            priorities.reserved.insert(name.name.clone(), reserved);
        }
    }
    for (name, node) in finer.iter().flat_map(Node::entries) {
        let place = match name.name.as_str() {
            "default_priority" => &mut priorities.default,
            "saturation_threshold" => &mut priorities.threshold,
            "saturation_check_cache_ttl" => {
                let message = "'saturation_check_cache_ttl' has no effect: how much of a model is in use is known at every request";
                problems.warn(node.at, message);
                continue;
            }
            other => {
                let message = format!("'priority_reservation_settings' has no key '{other}'");
                problems.warn(name.at, message);
                continue;
            }
        };
        if let Some(share) = share(node, &name.name, problems) {
            *place = share;
        }
    }
    rules.priorities = is_on.then_some(priorities);
}

/// `0.75`, or `{type: rpm | tpm | percent, value: …}`.
fn reservation(name: &str, node: &Node, problems: &mut Problems) -> Option<Reserved> {
    let Some(kind) = node.get("type") else {
        return share(node, name, problems).map(Reserved::Share);
    };
    let value = node.get("value").unwrap_or(node);
    let count = |node: &Node| {
        let number = node.number().filter(|number| *number >= 0.0);
        number.map(|number| number as u64)
    };
    let reserved = match kind.text() {
        Some("percent") => return share(value, name, problems).map(Reserved::Share),
        Some("rpm") => count(value).map(Reserved::Rpm),
        Some("tpm") => count(value).map(Reserved::Tpm),
        _ => {
            problems.error(kind.at, "'type' must be 'percent', 'rpm' or 'tpm'");
            return None;
        }
    };
    if reserved.is_none() {
        problems.error(value.at, format!("'{name}': 'value' must be a number"));
    }
    reserved
}

/// A share of a whole.
fn share(node: &Node, key: &str, problems: &mut Problems) -> Option<f64> {
    let share = node.number().filter(|share| (0.0..=1.0).contains(share));
    if share.is_none() {
        problems.error(node.at, format!("'{key}' must be a number from 0 to 1"));
    }
    share
}
