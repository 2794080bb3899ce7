//! The keys that say which metrics there are.

use std::collections::{BTreeMap, BTreeSet};

use llm_sdk::nearest::nearest;

use super::{
    file::Values,
    node::{At, Node},
    problem::Problems,
};
use crate::{
    metrics::{Label, Metrics, Options, OwnLabel},
    settings::Settings,
};

/// As many labels may be added: each makes every series more.
const MOST_OWN: usize = 20;

/// Those of `litellm_settings`.
pub(super) fn litellm(values: &mut Values, settings: &mut Settings, problems: &mut Problems) {
    let metrics = &mut settings.metrics;
    if let Some(on) = values.take("enable_end_user_cost_tracking_prometheus_only", problems) {
        metrics.end_users = on;
    }
    if let Some(true) = values.take("disable_end_user_cost_tracking_prometheus_only", problems) {
        metrics.end_users = false;
    }
    if let Some(all) = values.take("prometheus_initialize_budget_metrics", problems) {
        metrics.all_budgets = all;
    }
    if let Some(most) = values.take("prometheus_metrics_max_series_per_metric", problems) {
        metrics.most_series = most;
    }
    if let Some(node) = values.take_node("prometheus_latency_buckets") {
        match buckets(&node) {
            Some(buckets) => metrics.buckets = buckets,
            None => problems.error(
                node.at,
                "'prometheus_latency_buckets' must be a list of seconds, each greater than the one before",
            ),
        }
    }
    if let Some(node) = values.take_node("prometheus_exclude_metrics") {
        metrics.without = names(&node, METRIC, problems);
    }
    if let Some(node) = values.take_node("prometheus_exclude_labels") {
        metrics.without_labels = names(&node, LABEL, problems);
    }
    own(
        values,
        "custom_prometheus_metadata_labels",
        metrics,
        problems,
    );
    own(values, "custom_prometheus_tags", metrics, problems);
    if let Some(node) = values.take_node("prometheus_metrics_config") {
        metrics.only = Some(groups(&node, problems));
    }
}

/// Labels of the operator's own.
fn own(values: &mut Values, key: &str, metrics: &mut Options, problems: &mut Problems) {
    let Some(node) = values.take_node(key) else {
        return;
    };
    for item in node.items() {
        let text = item.text().unwrap_or_default();
        let label = match key {
            "custom_prometheus_tags" => OwnLabel::of_tag(text),
            _ => OwnLabel::of_metadata(text),
        };
        let label = label.filter(|new| metrics.own.iter().all(|known| known.name != new.name));
        match label {
            Some(_) if metrics.own.len() >= MOST_OWN => {
                let message = format!("'{key}': there are {MOST_OWN} labels of one's own at most");
                problems.error(item.at, message);
            }
            Some(label) => metrics.own.push(label),
            None => {
                let message = format!("'{key}': this makes no label, or one that there is already");
                problems.error(item.at, message);
            }
        }
    }
}

/// What a list names, and whether a name is one.
type Of = (&'static str, fn(&str) -> bool, fn() -> Vec<&'static str>);

const METRIC: Of = ("metric", is_metric, metrics);
const LABEL: Of = ("label", is_label, labels);

fn is_metric(name: &str) -> bool {
    let plain = name.strip_suffix("_total").unwrap_or(name);
    metrics().iter().any(|known| {
        *known == name || *known == plain || known.strip_suffix("_total") == Some(plain)
    })
}

fn is_label(name: &str) -> bool {
    Label::ALL.iter().any(|label| label.name() == name)
}

fn metrics() -> Vec<&'static str> {
    Metrics::all().iter().map(|metric| metric.name).collect()
}

fn labels() -> Vec<&'static str> {
    Label::ALL.iter().map(|label| label.name()).collect()
}

fn buckets(node: &Node) -> Option<Vec<f64>> {
    let bounds: Option<Vec<f64>> = node.items().iter().map(Node::number).collect();
    bounds.filter(|bounds| {
        let rising = bounds.windows(2).all(|pair| pair[0] < pair[1]);
        !bounds.is_empty() && rising && bounds.iter().all(|bound| bound.is_finite() && *bound > 0.0)
    })
}

fn names(node: &Node, of: Of, problems: &mut Problems) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for item in node.items() {
        match item.text() {
            Some(name) if (of.1)(name) => drop(names.insert(name.to_owned())),
            Some(name) => unknown(name, item.at, of, problems),
            None => problems.error(item.at, format!("a {} is named by a text", of.0)),
        }
    }
    names
}

fn unknown(name: &str, at: At, (what, _, all): Of, problems: &mut Problems) {
    let near = nearest(name, all());
    let hint = near.map(|near| format!(": did you mean '{near}'?"));
    let hint = hint.unwrap_or_default();
    problems.error(at, format!("there is no {what} '{name}'{hint}"));
}

/// `[{group, metrics, include_labels}]`: a metric has the labels of every group that names it.
fn groups(node: &Node, problems: &mut Problems) -> BTreeMap<String, Option<BTreeSet<String>>> {
    let mut all: BTreeMap<String, Option<BTreeSet<String>>> = BTreeMap::new();
    for group in node.items() {
        let Some(metrics) = group.get("metrics") else {
            problems.error(
                group.at,
                "a group of 'prometheus_metrics_config' names its 'metrics'",
            );
            continue;
        };
        let labels = group
            .get("include_labels")
            .filter(|labels| !labels.is_null())
            .map(|labels| names(labels, LABEL, problems));
        for metric in names(metrics, METRIC, problems) {
            match (all.get_mut(&metric), &labels) {
                (Some(Some(known)), Some(more)) => known.extend(more.iter().cloned()),
                (Some(known), None) => *known = None,
                (Some(None), Some(_)) => {}
                (None, labels) => drop(all.insert(metric, labels.clone())),
            }
        }
    }
    all
}
