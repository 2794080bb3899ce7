//! Alerts: budgets that are crossed, answers that are slow, requests that hang, providers that fail, a database that is away.
//!
//! Whatever raises one does not wait: each way out has a queue of its own, with a bound, and tries again. What a way out
//! needs of the network is a trait; the gateway has the client.

mod alert;
mod budgets;
mod events;
mod hanging;
mod outages;
mod reports;
mod settings;
mod ways;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, atomic::AtomicU64},
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

pub use alert::{Alert, AlertKind, BudgetAlert};
pub(crate) use budgets::watch;
pub(crate) use events::Event;
pub use hanging::Hanging;
pub use outages::Finished;
pub use settings::{AlertSettings, Way};
pub use ways::{Carrier, Carrying, Letter};

use hanging::Waiting;
use outages::Outages;

/// Alerts that wait for one way out, at most.
const QUEUE: usize = 1_000;

/// The same alert is not raised again for this long.
const QUIET: Duration = Duration::from_secs(60);

/// Alerts that are remembered so as not to be repeated, at most.
const REMEMBERED: usize = 4_096;

/// Where alerts go. Clones are the same.
#[derive(Clone)]
pub struct Alerts {
    inner: Arc<Inner>,
}

struct Inner {
    settings: AlertSettings,
    queues: Vec<mpsc::Sender<Arc<Alert>>>,
    outages: Mutex<Outages>,
    waiting: Waiting,
    recent: Mutex<HashMap<String, Instant>>,
    dropped: AtomicU64,
}

impl std::fmt::Debug for Alerts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Alerts").finish_non_exhaustive()
    }
}

impl Alerts {
    /// Sends alerts as `settings` say, by `carrier`. Their tasks end with the last clone, when what waits is sent.
    pub fn start(settings: AlertSettings, carrier: Arc<dyn Carrier>) -> Self {
        let queues = settings.ways.iter().map(|way| {
            let (queue, waiting) = mpsc::channel(QUEUE);
            tokio::spawn(ways::carry(way.clone(), waiting, Arc::clone(&carrier)));
            queue
        });
        let inner = Inner {
            queues: queues.collect(),
            outages: Mutex::new(Outages::default()),
            waiting: Waiting::default(),
            recent: Mutex::new(HashMap::new()),
            dropped: AtomicU64::new(0),
            settings,
        };
        let inner = Arc::new(inner);
        if inner.settings.wants(AlertKind::LlmRequestsHanging) {
            let slow = inner.settings.slow;
            tokio::spawn(hanging::look(Arc::downgrade(&inner), slow));
        }
        Self { inner }
    }

    /// Raises an alert: at once or never, but nobody waits.
    pub fn raise(&self, alert: Alert) {
        if !self.inner.settings.wants(alert.kind) || !self.is_new(&alert) {
            return;
        }
        let alert = Arc::new(alert);
        for queue in &self.inner.queues {
            if queue.try_send(Arc::clone(&alert)).is_err() {
                let before = self
                    .inner
                    .dropped
                    .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                if before == 0 {
                    tracing::warn!("too many alerts wait to be sent: some are left out");
                }
            }
        }
    }

    /// Notes how a request went.
    pub fn finished(&self, finished: &Finished<'_>) {
        let settings = &self.inner.settings;
        if let Some(to) = finished.instead {
            self.raise(outages::fell_back(finished, to));
        }
        if finished.took >= settings.slow {
            self.raise(outages::slow(finished, settings.slow));
        }
        if finished
            .status
            .is_none_or(|status| status < 500 && status != 408)
        {
            return;
        }
        self.raise(outages::failed(finished));
        let mut outages = self
            .inner
            .outages
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let outage = outages.note(finished, settings, Instant::now());
        drop(outages);
        if let Some(outage) = outage {
            self.raise(outage);
        }
    }

    /// How many alerts found a full queue.
    pub fn dropped(&self) -> u64 {
        self.inner
            .dropped
            .load(std::sync::atomic::Ordering::Relaxed)
    }

    /// Whether anybody wants to know of changes.
    pub(crate) fn wants_events(&self) -> bool {
        let kinds = self.inner.settings.kinds.iter();
        kinds.into_iter().any(|kind| !kind.is_usual())
    }

    pub(crate) fn settings(&self) -> &AlertSettings {
        &self.inner.settings
    }

    /// A provider that is down fails a thousand times a minute: that is one alert.
    fn is_new(&self, alert: &Alert) -> bool {
        let mut recent = self
            .inner
            .recent
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if recent.len() >= REMEMBERED {
            recent.retain(|_, raised| now.duration_since(*raised) < QUIET);
        }
        match recent.get(&alert.about) {
            Some(raised) if now.duration_since(*raised) < QUIET => false,
            _ if recent.len() >= REMEMBERED => false,
            _ => {
                recent.insert(alert.about.clone(), now);
                true
            }
        }
    }
}
