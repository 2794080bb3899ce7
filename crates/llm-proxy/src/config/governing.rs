//! The keys that say where keys, budgets and spend are kept, and how they are governed.

use std::time::Duration;

use llm_cost::Dollars;
use llm_governance::{KeyMakers, Retention};
use llm_ledger::{Calendar, Overflow, Period, PeriodError, Unpriced};
use llm_types::Map;

use super::{file::Values, node::Node, problem::Problems, sections::seconds};
use crate::settings::{Place, Settings};

/// Those of `general_settings`.
pub(super) fn general(values: &mut Values, settings: &mut Settings, problems: &mut Problems) {
    if let Some(url) = values.take::<String>("database_url", problems) {
        settings.database.place = Place::Named(url);
    }
    if let Some(most) = values.take("database_connection_pool_limit", problems) {
        settings.database.connections = most;
    }
    for key in [
        "database_connection_timeout",
        "database_connection_pool_timeout",
    ] {
        if let Some(patience) = seconds(key, values, problems) {
            settings.database.patience = patience;
        }
    }
    if let Some(folder) = values.take::<String>("spend_journal_folder", problems) {
        settings.database.journal = Some(folder.into());
    }
    if let Some(longest) = seconds("spend_journal_full_wait", values, problems) {
        settings.database.overflow = Overflow::Block(longest);
    }
    if let Some(every) = seconds("spend_journal_sync", values, problems) {
        settings.database.sync_every = every;
    }
    retention(values, settings, problems);
    let rules = &mut settings.governance;
    if let Some(fields) = values.take("enforced_params", problems) {
        rules.enforced_params = fields;
    }
    if let Some(ttl) = seconds("user_api_key_cache_ttl", values, problems) {
        rules.cache_ttl = ttl;
    }
    if let Some(most) = values.take("user_api_key_cache_max_size", problems) {
        rules.cached_rows = most;
    }
    for (key, switch) in [
        (
            "apply_user_budget_to_team_keys",
            &mut rules.user_budget_on_team_keys,
        ),
        (
            "disable_auto_add_proxy_admin_to_teams",
            &mut rules.admins_stay_out_of_teams,
        ),
        (
            "allow_requests_on_db_unavailable",
            &mut rules.serve_without_database,
        ),
    ] {
        if let Some(on) = values.take(key, problems) {
            *switch = on;
        }
    }
}

/// How long spend rows are kept.
fn retention(values: &mut Values, settings: &mut Settings, problems: &mut Problems) {
    let keep = period("maximum_spend_logs_retention_period", values, problems);
    let every = period("maximum_spend_logs_retention_interval", values, problems);
    let batch = values.take("maximum_spend_logs_cleanup_batch_size", problems);
    let batches = values.take("maximum_spend_logs_cleanup_max_batches", problems);
    let budget = period("maximum_spend_logs_cleanup_run_budget", values, problems);
    let patience = period("maximum_spend_logs_cleanup_batch_timeout", values, problems);
    let Some(keep) = keep else { return };
    let Some(every) = every.or_else(|| "1d".parse().ok()) else {
        return;
    };
    let usual = Retention::of(keep, every);
    settings.governance.retention = Some(Retention {
        batch: batch.unwrap_or(usual.batch),
        batches: batches.unwrap_or(usual.batches),
        budget: budget.map_or(usual.budget, length),
        patience: patience.map_or(usual.patience, length),
        ..usual
    });
}

/// `7d`, `5m`: or a number of seconds.
pub(super) fn period(key: &str, values: &mut Values, problems: &mut Problems) -> Option<Period> {
    let node = values.take_node(key)?;
    let text = match (node.text(), node.number()) {
        (Some(text), _) => text.to_owned(),
        (None, Some(seconds)) => format!("{seconds}s"),
        (None, None) => String::new(),
    };
    match text.parse() {
        Ok(period) => Some(period),
        Err(error) => {
            let error: PeriodError = error;
            problems.error(node.at, format!("'{key}': {error}"));
            None
        }
    }
}

/// How long a period is from now.
pub(super) fn length(period: Period) -> Duration {
    let now = llm_store::Moment::now();
    let milliseconds = period.after(now).0.saturating_sub(now.0);
    Duration::from_millis(milliseconds.unsigned_abs())
}

/// Those of `litellm_settings`.
pub(super) fn litellm(values: &mut Values, settings: &mut Settings, problems: &mut Problems) {
    let rules = &mut settings.governance;
    if let Some(most) = dollars("max_budget", values, problems) {
        rules.max_budget = Some(most.to_nano());
    }
    if let Some(most) = dollars("max_end_user_budget", values, problems) {
        rules.max_customer_budget = Some(most.to_nano());
    }
    if let Some(id) = values.take("max_end_user_budget_id", problems) {
        rules.customer_budget_id = Some(id);
    }
    if let Some(node) = values.take_node("budget_duration") {
        match node.text().map(str::parse::<Period>) {
            Some(Ok(period)) => rules.budget_duration = Some(period),
            Some(Err(error)) => problems.error(node.at, format!("'budget_duration': {error}")),
            None => problems.error(node.at, "'budget_duration' must be a duration such as 30d"),
        }
    }
    calendar(values, settings, problems);
    let rules = &mut settings.governance;
    for (key, map) in [
        ("default_key_generate_params", &mut rules.key_defaults),
        ("upperbound_key_generate_params", &mut rules.key_bounds),
        ("default_internal_user_params", &mut rules.user_defaults),
        ("default_team_params", &mut rules.team_defaults),
    ] {
        if let Some(given) = values.take::<Map>(key, problems) {
            *map = given;
        }
    }
    key_makers(values, &mut rules.key_makers, problems);
    if let Some(audit) = values.take("store_audit_logs", problems) {
        rules.audit = audit;
    }
    if let Some(true) = values.take("block_requests_for_models_without_pricing", problems) {
        settings.database.unpriced = Unpriced::Block;
    }
}

/// Who may make keys, and what these must have.
fn key_makers(values: &mut Values, makers: &mut KeyMakers, problems: &mut Problems) {
    const KEY: &str = "key_generation_settings";
    let Some(node) = values.take_node(KEY) else {
        return;
    };
    for (part, rules) in node.entries() {
        let (who, roles, fields) = match part.name.as_str() {
            "personal_key_generation" => {
                ("allowed_user_roles", &mut makers.roles, &mut makers.fields)
            }
            "team_key_generation" => (
                "allowed_team_member_roles",
                &mut makers.team_roles,
                &mut makers.team_fields,
            ),
            other => {
                let message = format!(
                    "'{KEY}' has 'personal_key_generation' and 'team_key_generation', not '{other}'"
                );
                problems.error(part.at, message);
                continue;
            }
        };
        for (rule, node) in rules.entries() {
            let names = node.items().iter().filter_map(Node::text);
            let names: Vec<String> = names.map(str::to_owned).collect();
            if names.len() != node.items().len() || names.is_empty() {
                let message = format!("'{}' must be a list of names", rule.name);
                problems.error(node.at, message);
                continue;
            }
            match rule.name.as_str() {
                "required_params" => *fields = names,
                name if name == who => *roles = Some(names),
                other => {
                    let message = format!(
                        "'{}' has '{who}' and 'required_params', not '{other}'",
                        part.name
                    );
                    problems.error(rule.at, message);
                }
            }
        }
    }
}

/// Where days begin.
fn calendar(values: &mut Values, settings: &mut Settings, problems: &mut Problems) {
    let zone = values.take_node("timezone");
    let time = values.take_node("budget_reset_time");
    let Some(at) = zone.as_ref().or(time.as_ref()).map(|node| node.at) else {
        return;
    };
    let text = |node: &Option<Node>, usual: &str| {
        let given = node.as_ref().and_then(Node::text);
        given.unwrap_or(usual).to_owned()
    };
    let (zone, time) = (text(&zone, "UTC"), text(&time, "00:00"));
    match Calendar::new(&zone, &time) {
        Some(calendar) => settings.governance.calendar = calendar,
        None => {
            let message = format!(
                "'timezone' must be a zone such as Europe/Berlin and 'budget_reset_time' a time such as 06:00, \
                 not {zone} and {time}"
            );
            problems.error(at, message);
        }
    }
}

fn dollars(key: &str, values: &mut Values, problems: &mut Problems) -> Option<Dollars> {
    let node = values.take_node(key)?;
    let amount = node.number().filter(|amount| *amount >= 0.0);
    let parsed = amount.and_then(|amount| Dollars::parse_nearest(&amount.to_string()));
    if parsed.is_none() {
        problems.error(node.at, format!("'{key}' must be an amount of dollars"));
    }
    parsed
}
