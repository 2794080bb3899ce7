//! What health checks found, and a filter that goes by it.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::{Deployment, Field, Filter, Moment, News, Reason, Router, View};

/// What the last health check of a deployment found.
#[derive(Debug, Default)]
pub(crate) struct Checked {
    /// When it was found ill; 0: it was not.
    ill_since: AtomicU64,
}

impl Checked {
    fn note(&self, now: Moment, well: bool) {
        let moment = if well { 0 } else { now.millis() };
        self.ill_since.store(moment, Ordering::Release);
    }

    fn is_ill(&self, now: Moment, staleness: Duration) -> bool {
        match self.ill_since.load(Ordering::Acquire) {
            0 => false,
            since => Moment::from_millis(since).after(staleness) > now,
        }
    }
}

/// Leaves out who a health check found ill, unless that is everybody.
#[derive(Debug, Clone, Copy)]
pub struct HealthChecks {
    /// For how long a finding counts.
    pub staleness: Duration,
}

impl Filter for HealthChecks {
    fn apply(&self, field: &mut Field<'_>, view: &View<'_>) {
        field.prefer(Reason::Unhealthy, |deployment| {
            !deployment.live.checked.is_ill(view.now, self.staleness)
        });
    }
}

impl Router {
    /// Takes note of what a health check of `deployment` found. Who is well rests no longer.
    pub fn checked(&self, deployment: &Deployment, well: bool) {
        let now = self.state.clock.now();
        deployment.live.checked.note(now, well);
        if well && self.standing(deployment) != crate::Standing::Well {
            deployment.live.health.recover();
            if let Some(shared) = &self.settings.shared {
                shared.tell(News::Recovered {
                    deployment: deployment.id.clone(),
                });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use llm_providers::{Credential, Target, lookup};

    use super::*;
    use crate::{Ask, Settings, Standing};

    #[tokio::test(start_paused = true)]
    async fn the_ill_are_left_out_until_the_finding_is_old_or_all_are_ill() {
        let deployment = |id: &str| {
            let target = Target::new(lookup("openai").expect("a row"), id, Credential::None);
            Deployment::new(id, "g", target)
        };
        let staleness = Duration::from_secs(60);
        let mut settings = Settings::default();
        settings.filters.push(Arc::new(HealthChecks { staleness }));
        let router = Router::new(vec![deployment("a"), deployment("b")], settings).expect("sound");
        let left_out = || {
            let explained = router.explain(&Ask::new("g")).expect("known");
            explained
                .skipped
                .into_iter()
                .map(|s| s.deployment)
                .collect::<Vec<_>>()
        };
        let [a, b] = router.deployments("g") else {
            panic!("two")
        };
        router.checked(a, false);
        assert_eq!(left_out(), ["a"]);
        router.checked(b, false);
        assert_eq!(left_out(), [""; 0]);
        router.checked(b, true);
        tokio::time::advance(staleness).await;
        assert_eq!(left_out(), [""; 0]);
        a.live
            .health
            .cool(router.state.clock.now().after(staleness));
        router.checked(a, true);
        assert_eq!(router.standing(a), Standing::Well);
    }
}
