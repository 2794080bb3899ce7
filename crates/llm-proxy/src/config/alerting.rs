//! The keys and variables that say which alerts go where.

use std::collections::HashMap;

use llm_governance::alerts::{AlertKind, Way};
use llm_providers::{Secret, resolve::Surroundings};

use super::{file::Values, node::Node, problem::Problems, sections::seconds};
use crate::{
    alerting::Mail,
    settings::{Settings, flag},
};

pub(super) fn read(
    values: &mut Values,
    around: &dyn Surroundings,
    settings: &mut Settings,
    problems: &mut Problems,
) {
    let alerts = &mut settings.alerting.alerts;
    if let Some(slow) = seconds("alerting_threshold", values, problems) {
        alerts.slow = slow;
    }
    if let Some(node) = values.take_node("alert_types") {
        for item in node.items() {
            alerts.kinds.extend(kind(item, problems));
        }
    }
    if let Some(node) = values.take_node("spend_report_frequency") {
        match node.text().and_then(days) {
            Some(days) => alerts.report_days = days,
            None => problems.error(
                node.at,
                "'spend_report_frequency' must be a number of days, like 7d",
            ),
        }
    }
    let by_kind = urls(values.take_node("alert_to_webhook_url"), problems);
    arguments(values.take_node("alerting_args"), settings, problems);
    let Some(node) = values.take_node("alerting") else {
        return;
    };
    for item in node.items() {
        let lacking = |name: &str| {
            format!(
                "'alerting' names '{}', and {name} is not set",
                item.text().unwrap_or_default()
            )
        };
        let way = match item.text() {
            Some("slack") => match (around.var("SLACK_WEBHOOK_URL"), by_kind.is_empty()) {
                (None, true) => Err(lacking("SLACK_WEBHOOK_URL")),
                (url, _) => Ok(Way::Slack {
                    urls: url.into_iter().collect(),
                    by_kind: by_kind.clone(),
                }),
            },
            Some("webhook") => match around.var("WEBHOOK_URL") {
                Some(url) => Ok(Way::Webhook { url }),
                None => Err(lacking("WEBHOOK_URL")),
            },
            Some("email") => mail(around).map(|mail| {
                settings.alerting.mail = Some(mail);
                Way::Email
            }),
            Some(other) => Err(format!(
                "'{other}' in 'alerting' has no effect: alerts go to slack, webhook and email"
            )),
            None => Err("'alerting' is a list of names".to_owned()),
        };
        match way {
            Ok(way) => settings.alerting.alerts.ways.push(way),
            Err(message) => problems.warn(item.at, message),
        }
    }
}

/// `7d`; a year at most.
fn days(text: &str) -> Option<u16> {
    let days = text.strip_suffix('d')?.parse().ok()?;
    (1..=366).contains(&days).then_some(days)
}

fn kind(node: &Node, problems: &mut Problems) -> Option<AlertKind> {
    let name = node.text().unwrap_or_default();
    let kind = AlertKind::of(name);
    if kind.is_none() {
        let known = AlertKind::ALL.map(AlertKind::name).join(", ");
        let message = format!("'{name}' is no alert that is raised here; there are {known}");
        problems.warn(node.at, message);
    }
    kind
}

/// `{kind: url}` or `{kind: [url]}`.
fn urls(node: Option<Node>, problems: &mut Problems) -> HashMap<AlertKind, Vec<String>> {
    let mut all = HashMap::new();
    for (key, value) in node.iter().flat_map(Node::entries) {
        let Some(kind) = AlertKind::of(&key.name) else {
            let message = format!("'{}' is no alert that is raised here", key.name);
            problems.warn(key.at, message);
            continue;
        };
        let one = std::slice::from_ref(value);
        let urls = if value.text().is_some() {
            one
        } else {
            value.items()
        };
        let urls = urls.iter().filter_map(Node::text).map(str::to_owned);
        all.insert(kind, urls.collect());
    }
    all
}

fn arguments(node: Option<Node>, settings: &mut Settings, problems: &mut Problems) {
    let alerts = &mut settings.alerting.alerts;
    for (key, value) in node.iter().flat_map(Node::entries) {
        let number = value.number().filter(|number| *number >= 1.0);
        let count = number.map(|number| number.min(1e9) as u32);
        let known = match key.name.as_str() {
            "minor_outage_alert_threshold" => count.map(|count| alerts.minor_outage = count),
            "major_outage_alert_threshold" => count.map(|count| alerts.major_outage = count),
            "outage_alert_ttl" => count.map(|seconds| {
                alerts.outage_window = std::time::Duration::from_secs(u64::from(seconds));
            }),
            name => {
                problems.warn(
                    key.at,
                    format!("'{name}' in 'alerting_args' has no effect yet"),
                );
                continue;
            }
        };
        if known.is_none() {
            let message = format!("'{}' must be a number of at least 1", key.name);
            problems.error(value.at, message);
        }
    }
}

fn mail(around: &dyn Surroundings) -> Result<Mail, String> {
    let need = |name: &str| {
        let lacking = || format!("'alerting' names 'email', and {name} is not set");
        around.var(name).ok_or_else(lacking)
    };
    let port = match around.var("SMTP_PORT") {
        Some(text) => text
            .parse()
            .map_err(|_| format!("SMTP_PORT: {text:?} is no port"))?,
        None => 587,
    };
    let from = need("SMTP_SENDER_EMAIL")?;
    let password = around.var("SMTP_PASSWORD").map(Secret::new);
    Ok(Mail {
        host: need("SMTP_HOST")?,
        port,
        login: around.var("SMTP_USERNAME").zip(password),
        from: from
            .parse()
            .map_err(|_| format!("SMTP_SENDER_EMAIL: {from:?} is no address"))?,
        tls: flag(around, "SMTP_TLS").unwrap_or(true),
    })
}
