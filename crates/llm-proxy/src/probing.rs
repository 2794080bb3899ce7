//! Health checks in the background: who is well is known before a request meets who is not.

use std::{sync::Weak, time::Duration};

use llm_router::Deployment;
use llm_sdk::{Round, router_settings::CheckSettings};
use serde_json::Value;

use crate::{
    catalog,
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
    /// Takes over what `router_settings` say.
    pub(crate) fn follow(&mut self, said: CheckSettings) {
        self.routing = said.routing.unwrap_or(self.routing);
        self.staleness = said.staleness.or(self.staleness);
        self.ignore_transient = said.ignore_transient.unwrap_or(self.ignore_transient);
        self.groups = said.groups.unwrap_or(std::mem::take(&mut self.groups));
    }

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
            let round = live.background_round().await;
            round.teach(&live.router, rules.ignore_transient);
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

impl Live {
    /// Asks every deployment that is `wanted` for a word.
    pub(crate) async fn check_up(&self, wanted: impl Fn(&Deployment) -> bool) -> Round {
        let all = catalog::models(&self.router)
            .flat_map(|(_, deployments)| deployments.iter().cloned())
            .filter(|deployment| wanted(deployment));
        Round::over(&self.engine, all, self.settings.health.at_once).await
    }

    async fn background_round(&self) -> Round {
        let groups = &self.settings.health.groups;
        self.check_up(|deployment| {
            let off = deployment.model_info.get("disable_background_health_check");
            let wanted = groups.is_empty() || groups.contains(&deployment.group);
            wanted && off != Some(&Value::Bool(true))
        })
        .await
    }
}
