//! Health checks in the background: who is well is known before a request meets who is not.

use std::{sync::Weak, time::Duration};

use llm_providers::Error;
use serde_json::Value;

use crate::{
    routes::health::{Health, Round},
    state::{Gateway, Live},
};

/// How deployments are checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthChecks {
    /// Whether they are, while nobody asks.
    pub background: bool,
    /// Between two rounds.
    pub interval: Duration,
    /// Deployments that are asked at the same time.
    pub at_once: usize,
    /// Whether requests go around who was found ill.
    pub routing: bool,
    /// For how long a finding counts.
    pub staleness: Option<Duration>,
    /// Rate limits, time-outs and faults of the vendor are no findings.
    pub ignore_transient: bool,
    /// The model groups that are checked; empty: all of them.
    pub groups: Vec<String>,
    /// Whether `/health` says more than which models are well.
    pub details: bool,
}

impl Default for HealthChecks {
    fn default() -> Self {
        Self {
            background: false,
            interval: Duration::from_secs(300),
            at_once: 16,
            routing: false,
            staleness: None,
            ignore_transient: false,
            groups: Vec::new(),
            details: true,
        }
    }
}

impl HealthChecks {
    /// The filter of requests that goes by the findings, where there is to be one.
    pub(crate) fn filter(&self) -> Option<llm_router::HealthChecks> {
        // A finding that the next round should have renewed says nothing.
        let staleness = self.staleness.unwrap_or(self.interval * 2);
        (self.background && self.routing).then_some(llm_router::HealthChecks { staleness })
    }
}

/// Checks round after round, for as long as there is a gateway. A new configuration begins a new round.
pub(crate) async fn run(gateway: Weak<Gateway>) {
    loop {
        let Some(strong) = gateway.upgrade() else {
            return;
        };
        let live = strong.live();
        let rules = &live.settings.health;
        let changed = std::sync::Arc::clone(&strong.changed);
        if rules.background {
            // While it is asked, the gateway may go.
            drop(strong);
            let round = round(&live).await;
            learn(&live, &round);
            let Some(strong) = gateway.upgrade() else {
                return;
            };
            strong.checks.remember(&round, "background");
            strong.findings.store(Some(std::sync::Arc::new(round)));
        } else {
            strong.findings.store(None);
        }
        let wait = rules.background.then_some(rules.interval);
        drop(live);
        if let Some(interval) = wait {
            let _ = tokio::time::timeout(interval, changed.notified()).await;
        } else {
            changed.notified().await;
        }
    }
}

async fn round(live: &std::sync::Arc<Live>) -> Round {
    let groups = &live.settings.health.groups;
    Round::over(live, |deployment| {
        let off = deployment.model_info.get("disable_background_health_check");
        let wanted = groups.is_empty() || groups.contains(&deployment.group);
        wanted && off != Some(&Value::Bool(true))
    })
    .await
}

fn learn(live: &Live, round: &Round) {
    let rules = &live.settings.health;
    for found in &round.results {
        let deployment = &found.deployment;
        match &found.health {
            Health::Healthy => live.router.checked(deployment, true),
            Health::Unhealthy(error) if !(rules.ignore_transient && is_transient(error)) => {
                tracing::warn!(deployment = %deployment.id, group = %deployment.group, %error, "a health check failed");
                live.router.checked(deployment, false);
            }
            Health::Unhealthy(_) | Health::Unchecked(_) => {}
        }
    }
}

fn is_transient(error: &Error) -> bool {
    let status = error.status_code().as_u16();
    matches!(status, 408 | 429 | 500..)
}
