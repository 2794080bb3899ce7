//! Which metrics there are, and with which labels.

use std::collections::{BTreeMap, BTreeSet};

use super::{label::Label, own::OwnLabel};

/// What `prometheus_*` settings say.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// The only metrics and, where not all, their labels (`prometheus_metrics_config`); `None`: every metric.
    pub only: Option<BTreeMap<String, Option<BTreeSet<String>>>>,
    /// Metrics that are left out (`prometheus_exclude_metrics`).
    pub without: BTreeSet<String>,
    /// Labels that are left out (`prometheus_exclude_labels`).
    pub without_labels: BTreeSet<String>,
    /// Upper bounds of histograms, in seconds (`prometheus_latency_buckets`).
    pub buckets: Vec<f64>,
    /// Whether end users are told apart (`enable_end_user_cost_tracking_prometheus_only`).
    pub end_users: bool,
    /// Whether gauges of budgets tell also of those who have not asked for anything yet
    /// (`prometheus_initialize_budget_metrics`).
    pub all_budgets: bool,
    /// Series of one metric, about: further callers are counted together
    /// (`prometheus_metrics_max_series_per_metric`).
    pub most_series: usize,
    /// Labels of one's own (`custom_prometheus_metadata_labels`, `custom_prometheus_tags`), on all that counts requests.
    pub own: Vec<OwnLabel>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            only: None,
            without: BTreeSet::new(),
            without_labels: BTreeSet::new(),
            buckets: vec![
                0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0,
                300.0, 420.0, 600.0,
            ],
            end_users: false,
            all_budgets: false,
            most_series: 10_000,
            own: Vec::new(),
        }
    }
}

impl Options {
    /// The labels that a metric has of its usual ones; `None` if there is no such metric.
    pub(super) fn labels_of(&self, metric: &str, usual: &[Label]) -> Option<Vec<Label>> {
        let plain = metric.strip_suffix("_total").unwrap_or(metric);
        let named = |names: &BTreeSet<String>| {
            names.contains(metric)
                || names.contains(plain)
                || names.contains(&format!("{plain}_total"))
        };
        if named(&self.without) {
            return None;
        }
        let chosen = match &self.only {
            None => None,
            Some(only) => only
                .get(metric)
                .or_else(|| only.get(plain))
                .or_else(|| only.get(&format!("{plain}_total")))?
                .as_ref(),
        };
        let stays = |label: &&Label| {
            !self.without_labels.contains(label.name())
                && chosen.is_none_or(|chosen| chosen.contains(label.name()))
        };
        Some(usual.iter().filter(stays).copied().collect())
    }
}
