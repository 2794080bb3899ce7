//! Answers that are slow, and deployments that fail again and again.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use super::{Alert, AlertKind, AlertSettings};

/// Deployments whose failures are counted, at most.
const COUNTED: usize = 1_024;

/// How a request went.
#[derive(Debug, Clone, Copy)]
pub struct Finished<'a> {
    /// The id that the client knows it by.
    pub call_id: &'a str,
    /// The model that was asked for.
    pub model: &'a str,
    /// The provider.
    pub provider: &'a str,
    /// Where it was asked, without a query.
    pub api_base: &'a str,
    /// How long it took.
    pub took: Duration,
    /// The status it failed with; nothing if it did not.
    pub status: Option<u16>,
    /// The group that answered in the place of the one that was asked for.
    pub instead: Option<&'a str>,
}

/// The failures of one deployment.
#[derive(Debug)]
struct Failures {
    since: Instant,
    count: u32,
    told: u32,
}

/// The failures of deployments.
#[derive(Debug, Default)]
pub(super) struct Outages {
    deployments: HashMap<String, Failures>,
}

/// Somebody else answered.
pub(super) fn fell_back(finished: &Finished<'_>, to: &str) -> Alert {
    let from = finished.model;
    let text = format!(
        "'{to}' answered in the place of '{from}' (request {}).",
        finished.call_id
    );
    Alert::new(
        AlertKind::FallbackReports,
        format!("fallback {from} {to}"),
        text,
    )
}

impl Outages {
    /// Counts a failure; answers the alert that is due with it.
    pub(super) fn note(
        &mut self,
        finished: &Finished<'_>,
        settings: &AlertSettings,
        now: Instant,
    ) -> Option<Alert> {
        let window = settings.outage_window;
        let over = |failures: &Failures| now.duration_since(failures.since) >= window;
        if self.deployments.len() >= COUNTED {
            self.deployments.retain(|_, failures| !over(failures));
            if self.deployments.len() >= COUNTED {
                return None;
            }
        }
        let place = format!("{} {}", finished.provider, finished.api_base);
        let fresh = || Failures {
            since: now,
            count: 0,
            told: 0,
        };
        let failures = self.deployments.entry(place.clone()).or_insert_with(fresh);
        if over(failures) {
            *failures = fresh();
        }
        failures.count += 1;
        let levels = [
            (settings.major_outage, "major"),
            (settings.minor_outage, "minor"),
        ];
        let reached = levels
            .into_iter()
            .find(|(level, _)| failures.count >= *level);
        let (level, name) = reached.filter(|(level, _)| *level > failures.told)?;
        failures.told = level;
        let seconds = window.as_secs();
        Some(Alert::new(
            AlertKind::OutageAlerts,
            format!("outage {name} {place}"),
            format!(
                "A {name} outage: {place} failed {} times within {seconds} s. The last status was {}, for the model '{}'.",
                failures.count,
                finished.status.unwrap_or_default(),
                finished.model,
            ),
        ))
    }
}

/// An answer that took too long.
pub(super) fn slow(finished: &Finished<'_>, limit: Duration) -> Alert {
    Alert::new(
        AlertKind::LlmTooSlow,
        format!("slow {} {}", finished.model, finished.api_base),
        format!(
            "A slow answer: '{}' of {} took {:.1} s, more than {} s. Request {}.",
            finished.model,
            finished.provider,
            finished.took.as_secs_f64(),
            limit.as_secs(),
            finished.call_id,
        ),
    )
}

/// A request that failed on the provider's side.
pub(super) fn failed(finished: &Finished<'_>) -> Alert {
    let status = finished.status.unwrap_or_default();
    Alert::new(
        AlertKind::LlmExceptions,
        format!("failed {status} {} {}", finished.model, finished.api_base),
        format!(
            "A failed request: '{}' of {} answered {status}. Request {}. More of the kind are not told for a minute.",
            finished.model, finished.provider, finished.call_id,
        ),
    )
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{Finished, Outages};
    use crate::alerts::AlertSettings;

    #[test]
    fn an_outage_is_told_once_small_and_once_large_in_its_window() {
        let (settings, began) = (AlertSettings::default(), Instant::now());
        let failed = Finished {
            call_id: "1",
            model: "gpt-4o",
            provider: "openai",
            api_base: "https://api.example.com",
            took: Duration::from_secs(1),
            instead: None,
            status: Some(503),
        };
        let mut outages = Outages::default();
        let mut told = Vec::new();
        for second in 0..70 {
            let now = began + Duration::from_secs(second);
            told.extend(
                outages
                    .note(&failed, &settings, now)
                    .map(|alert| (second, alert.about)),
            );
        }
        let place = "openai https://api.example.com";
        assert_eq!(
            told,
            [
                (4, format!("outage minor {place}")),
                (9, format!("outage major {place}")),
                (64, format!("outage minor {place}")),
                (69, format!("outage major {place}")),
            ]
        );
    }
}
