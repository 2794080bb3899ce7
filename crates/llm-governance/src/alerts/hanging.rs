//! Requests that hang: nobody has begun to answer them for longer than an answer may take.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use super::{Alert, AlertKind, Alerts, Inner};

/// Requests that are watched at the same time, at most.
const WATCHED: usize = 100_000;

/// How often it is looked, at least and at most.
const OFTEN: Duration = Duration::from_millis(100);
const SELDOM: Duration = Duration::from_secs(30);

/// The requests that wait for an answer.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    requests: Mutex<Requests>,
}

#[derive(Debug, Default)]
struct Requests {
    next: u64,
    all: HashMap<u64, Request>,
}

#[derive(Debug)]
struct Request {
    since: Instant,
    call_id: String,
    model: String,
    is_told: bool,
}

/// A request that waits for an answer. Dropping it says that it does no longer.
pub struct Hanging {
    inner: Weak<Inner>,
    number: u64,
}

impl Alerts {
    /// Watches a request from now until what is answered is dropped; `None`: nobody wants to know of such.
    pub fn waits(&self, call_id: &str, model: &str) -> Option<Hanging> {
        if !self.inner.settings.wants(AlertKind::LlmRequestsHanging) {
            return None;
        }
        let mut requests = self.inner.waiting.lock();
        if requests.all.len() >= WATCHED {
            return None;
        }
        let number = requests.next;
        requests.next += 1;
        let request = Request {
            since: Instant::now(),
            call_id: call_id.to_owned(),
            model: model.to_owned(),
            is_told: false,
        };
        requests.all.insert(number, request);
        Some(Hanging {
            inner: std::sync::Arc::downgrade(&self.inner),
            number,
        })
    }
}

impl Waiting {
    fn lock(&self) -> MutexGuard<'_, Requests> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// An alert for each that has waited for longer than `limit` by `now`, once.
    fn over(&self, limit: Duration, now: Instant) -> Vec<Alert> {
        let mut told = Vec::new();
        for request in self.lock().all.values_mut() {
            let waits = now.saturating_duration_since(request.since);
            if !request.is_told && waits >= limit {
                request.is_told = true;
                told.push(hangs(request, limit));
            }
        }
        told
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        if let Some(inner) = self.inner.upgrade() {
            inner.waiting.lock().all.remove(&self.number);
        }
    }
}

impl std::fmt::Debug for Hanging {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hanging").finish_non_exhaustive()
    }
}

fn hangs(request: &Request, limit: Duration) -> Alert {
    Alert::new(
        AlertKind::LlmRequestsHanging,
        format!("hangs {}", request.model),
        format!(
            "A request hangs: nobody has begun to answer '{}' for more than {} s. Request {}.",
            request.model,
            limit.as_secs(),
            request.call_id,
        ),
    )
}

/// Looks for requests that hang, until nobody raises alerts any more.
pub(super) async fn look(alerts: Weak<Inner>, limit: Duration) {
    let mut looks = tokio::time::interval((limit / 4).clamp(OFTEN, SELDOM));
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let Some(inner) = alerts.upgrade() else {
            return;
        };
        let alerts = Alerts { inner };
        for alert in alerts.inner.waiting.over(limit, Instant::now()) {
            alerts.raise(alert);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_too_long_is_told_once() {
        let waiting = Waiting::default();
        let began = Instant::now();
        for (number, second) in [(1, 0), (2, 5)] {
            let request = Request {
                since: began + Duration::from_secs(second),
                call_id: number.to_string(),
                model: format!("gpt-{number}"),
                is_told: false,
            };
            waiting.lock().all.insert(number, request);
        }
        let limit = Duration::from_secs(10);
        let told = |second| -> Vec<String> {
            let alerts = waiting.over(limit, began + Duration::from_secs(second));
            alerts.into_iter().map(|alert| alert.about).collect()
        };
        assert!(told(9).is_empty());
        assert_eq!(told(10), ["hangs gpt-1"]);
        assert_eq!(told(15), ["hangs gpt-2"]);
        assert!(told(99).is_empty());
    }
}
