//! Health checks in the background: who is well is known before a request meets who is not.

use std::{sync::Weak, time::Duration};

use llm_providers::Error;
use serde_json::Value;

use crate::{
    routes::health::{Health, Round},
    state::{Gateway, Live},
};

/// How deployments are checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
        let rules = live.settings.health;
        let changed = std::sync::Arc::clone(&strong.changed);
        if rules.background {
            // While it is asked, the gateway may go.
            drop(strong);
            let round = round(&live).await;
            learn(&live, &round);
            let Some(strong) = gateway.upgrade() else {
                return;
            };
            strong.findings.store(Some(std::sync::Arc::new(round)));
        } else {
            strong.findings.store(None);
        }
        drop(live);
        if rules.background {
            let _ = tokio::time::timeout(rules.interval, changed.notified()).await;
        } else {
            changed.notified().await;
        }
    }
}

async fn round(live: &std::sync::Arc<Live>) -> Round {
    let wanted = |info: &llm_types::Map| {
        info.get("disable_background_health_check") != Some(&Value::Bool(true))
    };
    Round::over(live, |deployment| wanted(&deployment.model_info)).await
}

fn learn(live: &Live, round: &Round) {
    let rules = live.settings.health;
    for (deployment, health) in &round.results {
        match health {
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
