use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use llm_ledger::Ledger;
use llm_store::{Keyring, Store, rows::Budget};
use tokio::sync::broadcast;

use crate::{
    Refusal, Settings,
    alerts::{self, Alerts},
    changes,
    directory::Directory,
    keys,
    limits::{Limiter, SharedCounts},
    retention, users,
};

/// Who may do what, and what it costs: the governance of one process. Clones are the same one.
#[derive(Clone)]
pub struct Governance {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) store: Store,
    pub(crate) ledger: Ledger,
    pub(crate) keyring: Keyring,
    pub(crate) settings: Settings,
    pub(crate) directory: Directory,
    pub(crate) limiter: Arc<Limiter>,
    throttle: users::Throttle,
    alerts: OnceLock<Alerts>,
    changed: broadcast::Sender<Changed>,
}

/// A row that was changed, here or by another instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changed {
    /// Its table; empty where anything may have changed.
    pub table: String,
    /// Its key.
    pub object: String,
}

impl fmt::Debug for Governance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Governance")
            .field("store", &self.inner.store)
            .finish_non_exhaustive()
    }
}

impl Governance {
    /// Governs by what `store` says and charges to `ledger`. Secrets are sealed with `keyring`.
    pub fn new(store: Store, ledger: Ledger, keyring: Keyring, settings: Settings) -> Self {
        let inner = Arc::new(Inner {
            directory: Directory::new(store.clone(), &settings),
            store,
            ledger,
            keyring,
            limiter: Arc::new(Limiter::new(settings.limits.fail_closed)),
            settings,
            throttle: users::Throttle::default(),
            alerts: OnceLock::new(),
            changed: broadcast::Sender::new(1024),
        });
        // These end by themselves once the governance is gone.
        tokio::spawn(changes::follow(Arc::downgrade(&inner)));
        if let Some(every) = inner.settings.rotate_every {
            tokio::spawn(keys::rotation::follow(Arc::downgrade(&inner), every));
        }
        if let Some(retention) = inner.settings.retention {
            tokio::spawn(retention::keep(Arc::downgrade(&inner), retention));
        }
        Self { inner }
    }

    pub(crate) fn of(inner: Arc<Inner>) -> Self {
        Self { inner }
    }

    /// Raises alerts for budgets that are crossed, for a database that is away and, where they are wanted, for keys, teams
    /// and users that are made or changed, until this governance is gone.
    pub fn watch(&self, alerts: Alerts) {
        // Whoever came first goes on: one is enough to tell of a change.
        let _ = self.inner.alerts.set(alerts.clone());
        tokio::spawn(alerts::watch(Arc::downgrade(&self.inner), alerts));
    }

    /// Where alerts go, if anybody wants them.
    pub(crate) fn alerts(&self) -> Option<&Alerts> {
        self.inner.alerts.get()
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// The ledger.
    pub fn ledger(&self) -> &Ledger {
        &self.inner.ledger
    }

    /// Counts limits together with other instances from now on, or alone again.
    pub fn count_together(&self, counts: Option<Arc<dyn SharedCounts>>) {
        self.limiter().share(counts);
    }

    pub(crate) fn limiter(&self) -> &Arc<Limiter> {
        &self.inner.limiter
    }

    /// What secrets are sealed with.
    pub fn keyring(&self) -> &Keyring {
        &self.inner.keyring
    }

    /// The rules.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// Whether the database answered when it was asked last, a moment ago.
    pub fn is_database_up(&self) -> bool {
        !self.inner.store.is_away()
    }

    /// Rows that are changed from now on.
    pub fn changes(&self) -> broadcast::Receiver<Changed> {
        self.inner.changed.subscribe()
    }

    pub(crate) fn throttle(&self) -> &users::Throttle {
        &self.inner.throttle
    }

    pub(crate) fn directory(&self) -> &Directory {
        &self.inner.directory
    }

    /// Forgets a row that was changed here.
    pub(crate) fn forget(&self, table: &str, object: &str) {
        self.inner.directory.forget(table, object);
        self.inner.tell(table, object);
    }

    /// Ships what is settled, and ends. Requests under way should have ended before.
    pub async fn close(&self) {
        self.inner.ledger.clone().close().await;
        self.inner.store.close().await;
    }
}

impl Governance {
    /// A shared budget.
    pub(crate) async fn budget(&self, id: Option<&str>) -> Result<Option<Budget>, Refusal> {
        match id {
            Some(id) => Ok(self.store().get::<Budget>(&[id]).await?),
            None => Ok(None),
        }
    }
}

impl Inner {
    /// Nobody may be listening.
    pub(crate) fn tell(&self, table: &str, object: &str) {
        let _ = self.changed.send(Changed {
            table: table.to_owned(),
            object: object.to_owned(),
        });
    }

    /// Anything may have changed.
    pub(crate) fn tell_all(&self) {
        self.tell("", "");
    }
}
