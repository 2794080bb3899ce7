//! What health checks found, check by check.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use llm_sdk::{Checkup, Health, Round};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::logs::write_time;

/// Checks that are remembered, at most.
const KEPT: usize = 1000;
/// Checks on one page, unless the request says how many.
const PAGE: usize = 100;

/// The last checks, the newest last.
#[derive(Debug, Default)]
pub(crate) struct Checks(Mutex<VecDeque<Arc<Check>>>);

/// One check of one deployment, with LiteLLM's names.
#[derive(Debug, Serialize)]
pub(crate) struct Check {
    health_check_id: String,
    model_name: String,
    model_id: String,
    status: &'static str,
    healthy_count: u8,
    unhealthy_count: u8,
    error_message: Option<String>,
    response_time_ms: f64,
    details: Value,
    checked_by: &'static str,
    checked_at: String,
    created_at: String,
}

/// Which checks of the past are asked for.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Page {
    model: Option<String>,
    status_filter: Option<String>,
    limit: Option<usize>,
    offset: Option<usize>,
}

impl Checks {
    /// Remembers a round. `by` whom it was asked for.
    pub(crate) fn remember(&self, round: &Round, by: &'static str) {
        let mut now = String::new();
        write_time(&mut now, SystemTime::now());
        let checks = round
            .results
            .iter()
            .filter_map(|found| check(found, by, &now));
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.extend(checks.map(Arc::new));
        let more = all.len().saturating_sub(KEPT);
        all.drain(..more);
    }

    /// A page of the past, the newest first.
    pub(crate) fn history(&self, page: &Page) -> Value {
        let (limit, offset) = (page.limit.unwrap_or(PAGE), page.offset.unwrap_or(0));
        let wanted = |check: &&Arc<Check>| {
            let model = page.model.as_ref().is_none_or(|m| *m == check.model_name);
            let status = page.status_filter.as_deref();
            model && status.is_none_or(|status| status == check.status)
        };
        let all = self.all();
        let found: Vec<&Arc<Check>> = all.iter().rev().filter(wanted).collect();
        let shown: Vec<&Check> = found
            .iter()
            .skip(offset)
            .take(limit)
            .map(|c| &***c)
            .collect();
        json!({
            "health_checks": shown, "total_records": found.len(), "limit": limit, "offset": offset,
        })
    }

    /// The last check of each deployment, by its id.
    pub(crate) fn latest(&self) -> Value {
        let all = self.all();
        let latest: BTreeMap<&str, &Check> = all
            .iter()
            .map(|check| (check.model_id.as_str(), &**check))
            .collect();
        json!({"latest_health_checks": latest, "total_models": latest.len()})
    }

    fn all(&self) -> Vec<Arc<Check>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().cloned().collect()
    }
}

/// The record of a check; `None` where nothing was asked.
fn check(found: &Checkup, by: &'static str, now: &str) -> Option<Check> {
    let error = match &found.health {
        Health::Healthy => None,
        Health::Unhealthy(error) => Some(error.to_string()),
        Health::Unchecked(_) => return None,
    };
    let deployment = &found.deployment;
    let well = error.is_none();
    Some(Check {
        health_check_id: uuid::Uuid::new_v4().to_string(),
        model_name: deployment.group.clone(),
        model_id: deployment.id.clone(),
        status: if well { "healthy" } else { "unhealthy" },
        healthy_count: u8::from(well),
        unhealthy_count: u8::from(!well),
        error_message: error,
        response_time_ms: (found.took.as_secs_f64() * 1e6).round() / 1e3,
        details: json!({"litellm_model_name": deployment.target.model}),
        checked_by: by,
        checked_at: now.to_owned(),
        created_at: now.to_owned(),
    })
}
