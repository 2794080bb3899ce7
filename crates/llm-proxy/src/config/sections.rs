//! `general_settings` and `litellm_settings`.

use std::time::Duration;

use llm_providers::Secret;

use super::{
    endpoints,
    file::Values,
    governing, limiting, metrics,
    names::Names,
    node::{Node, Value},
    people,
    problem::Problems,
};
use crate::settings::{Role, Settings};

pub(super) fn general(
    values: &mut Values,
    settings: &mut Settings,
    names: &mut Names,
    problems: &mut Problems,
) {
    if let Some(key) = values.take::<String>("master_key", problems) {
        settings.master_key = Some(Secret::new(key));
    }
    if let Some(yes) = values.take("dangerously_permit_weak_or_unset_master_key", problems) {
        settings.permit_weak_master_key = yes;
    }
    if let Some(node) = values.take_node("completion_model") {
        match node.text() {
            Some(model) => {
                names.condition("completion_model", model, node.at);
                settings.default_model = Some(model.to_owned());
            }
            None => problems.error(node.at, "'completion_model' must be a model's name"),
        }
    }
    if let Some(node) = values.take_node("max_request_size_mb") {
        match node.number().filter(|megabytes| *megabytes > 0.0) {
            Some(megabytes) => {
                settings.limits.body = (megabytes * f64::from(1 << 20)).clamp(0.0, 4e9) as usize;
                settings.limits.upload = settings.limits.body as u64;
            }
            None => problems.error(node.at, "'max_request_size_mb' must be a number above 0"),
        }
    }
    kept(values, settings, problems);
    if let Some(name) = values.take("litellm_key_header_name", problems) {
        settings.key_header = Some(name);
    }
    if let Some(always) = values.take("always_include_stream_usage", problems) {
        settings.always_stream_usage = always;
    }
    if let Some(allow) = values.take("allow_client_mock_response", problems) {
        settings.allow_client_mock_response = allow;
    }
    if values.take("disable_batch_input_file_rate_limiting", problems) == Some(true) {
        settings.read_batches = false;
    }
    if let Some(allow) = values.take("allow_client_side_credentials", problems) {
        settings.allow_client_credentials = allow;
    }
    endpoints::read(values, &mut settings.passing, problems);
    governing::general(values, settings, problems);
    people::general(values, settings, problems);
    limiting::general(values, settings, problems);
    user_headers(values, settings, problems);
    health(values, settings, problems);
}

/// What the gateway keeps itself, and how much of it.
fn kept(values: &mut Values, settings: &mut Settings, problems: &mut Problems) {
    if let Some(folder) = values.take::<String>("data_folder", problems) {
        settings.data_folder = Some(folder.into());
    }
    let limits = &mut settings.kept;
    if let Some(period) = governing::period("kept_batches_max_age", values, problems) {
        limits.batches = governing::length(period).as_secs();
    }
    for (key, limit) in [
        ("kept_files_max_size_mb", &mut limits.files),
        ("kept_responses_max_size_mb", &mut limits.responses),
    ] {
        let Some(node) = values.take_node(key) else {
            continue;
        };
        match node.number().filter(|megabytes| *megabytes > 0.0) {
            Some(megabytes) => *limit = (megabytes * f64::from(1 << 20)) as u64,
            None => problems.error(node.at, format!("'{key}' must be a number above 0")),
        }
    }
}

/// The headers in which clients say whom a request is for.
fn user_headers(values: &mut Values, settings: &mut Settings, problems: &mut Problems) {
    let mut add =
        |node: &Node, role: Role, problems: &mut Problems| match node.text().map(str::parse) {
            Some(Ok(name)) => settings.user_headers.push((name, role)),
            _ => problems.error(node.at, "a header's name is expected here"),
        };
    for item in values
        .take_node("user_header_mappings")
        .iter()
        .flat_map(Node::items)
    {
        let role = item.get("litellm_user_role");
        let role = match role.and_then(Node::text) {
            Some("customer") => Role::Customer,
            Some("internal_user") => Role::InternalUser,
            _ => {
                problems.error(
                    role.map_or(item.at, |node| node.at),
                    "'litellm_user_role' must be 'customer' or 'internal_user'",
                );
                continue;
            }
        };
        match item.get("header_name") {
            Some(node) => add(node, role, problems),
            None => problems.error(item.at, "this mapping has no 'header_name'"),
        }
    }
    if let Some(node) = values.take_node("user_header_name") {
        add(&node, Role::Customer, problems);
    }
}

/// How deployments are checked.
fn health(values: &mut Values, settings: &mut Settings, problems: &mut Problems) {
    let health = &mut settings.health;
    for (key, switch) in [
        ("background_health_checks", &mut health.background),
        ("enable_health_check_routing", &mut health.routing),
        (
            "health_check_ignore_transient_errors",
            &mut health.ignore_transient,
        ),
        ("health_check_details", &mut health.details),
    ] {
        if let Some(on) = values.take(key, problems) {
            *switch = on;
        }
    }
    if let Some(interval) = seconds("health_check_interval", values, problems) {
        health.interval = interval;
    }
    if let Some(time) = seconds("health_check_staleness_threshold", values, problems) {
        health.staleness = Some(time);
    }
    if let Some(groups) = values.take("background_health_check_model_groups", problems) {
        health.groups = groups;
    }
    if let Some(at_once) = values.take("health_check_concurrency", problems) {
        health.at_once = at_once;
    }
}

pub(super) fn litellm(values: &mut Values, settings: &mut Settings, problems: &mut Problems) {
    governing::litellm(values, settings, problems);
    people::litellm(values, settings, problems);
    metrics::litellm(values, settings, problems);
    if let Some(json) = values.take("json_logs", problems) {
        settings.logs.json = json;
    }
    if let Some(need) = values.take("require_auth_for_metrics_endpoint", problems) {
        settings.metrics_need_key = need;
    }
    if let Some(every) = seconds("sse_keepalive_ping_interval_seconds", values, problems) {
        settings.pings.openai = Some(every);
    }
    if let Some(every) = seconds("anthropic_sse_ping_interval_seconds", values, problems) {
        settings.pings.anthropic = Some(every);
    }
    if let Some(explain) = values.take("expose_router_debug_in_errors", problems) {
        settings.explain_fallbacks = explain;
    }
    if let Some(guard) = values.take::<bool>("user_url_validation", problems) {
        settings.fetch.allow_private = !guard;
    }
    if let Some(hosts) = values.take("user_url_allowed_hosts", problems) {
        settings.fetch.allowed_hosts = hosts;
    }
    settings.discounts = values.take("cost_discount_config", problems);
    settings.margins = values.take("cost_margin_config", problems);
    tls(values, settings, problems);
    let named = callbacks(values, problems);
    limiting::priorities(values, &named, settings, problems);
}

fn tls(values: &mut Values, settings: &mut Settings, problems: &mut Problems) {
    let Some(node) = values.take_node("ssl_verify") else {
        return;
    };
    match &node.value {
        Value::Bool(verify) => settings.transport.verify = *verify,
        Value::Text(said) => settings.transport.verify_as(said),
        _ => problems.error(node.at, "'ssl_verify' must be true, false, or a file"),
    }
}

/// Names of callbacks: Prometheus is always on, one decides who comes first, and those that log are not built yet.
fn callbacks(values: &mut Values, problems: &mut Problems) -> Vec<String> {
    let mut named = Vec::new();
    for key in ["callbacks", "success_callback", "failure_callback"] {
        let Some(node) = values.take_node(key) else {
            continue;
        };
        let one = std::slice::from_ref(&node);
        let all = if node.text().is_some() {
            one
        } else {
            node.items()
        };
        for (name, at) in all.iter().filter_map(|node| Some((node.text()?, node.at))) {
            named.push(name.to_owned());
            if !["prometheus", limiting::PRIORITIES].contains(&name) {
                problems.warn(
                    at,
                    format!(
                        "'{name}' in '{key}' has no effect yet: logging callbacks are not built"
                    ),
                );
            }
        }
    }
    named
}

/// A time limit; zero is none.
pub(super) fn seconds(key: &str, values: &mut Values, problems: &mut Problems) -> Option<Duration> {
    let node = values.take_node(key)?;
    let given = node.number().map(Duration::try_from_secs_f64);
    match given {
        Some(Ok(duration)) => Some(duration).filter(|duration| !duration.is_zero()),
        _ => {
            problems.error(
                node.at,
                format!(
                    "'{key}' must be a number of seconds, and is {}",
                    shown(&node)
                ),
            );
            None
        }
    }
}

fn shown(node: &Node) -> String {
    node.number()
        .map_or_else(|| node.kind().to_owned(), |number| number.to_string())
}
