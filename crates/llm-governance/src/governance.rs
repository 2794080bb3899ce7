use std::{
    fmt,
    sync::{Arc, Mutex, OnceLock, PoisonError},
};

use arc_swap::ArcSwap;
use llm_ledger::Ledger;
use llm_store::{Keyring, Store, rows::Budget};
use tokio::{sync::broadcast, task::JoinHandle};

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
    pub(crate) settings: Arc<ArcSwap<Settings>>,
    pub(crate) directory: Directory,
    pub(crate) limiter: Arc<Limiter>,
    throttle: users::Throttle,
    alerts: OnceLock<Alerts>,
    rounds: Mutex<Rounds>,
    changed: broadcast::Sender<Changed>,
}

/// What is done from time to time, as the settings say. Each ends by itself once the governance is gone.
#[derive(Default)]
struct Rounds {
    rotation: Option<JoinHandle<()>>,
    retention: Option<JoinHandle<()>>,
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
        let settings = Arc::new(ArcSwap::from_pointee(settings));
        let inner = Arc::new(Inner {
            directory: Directory::new(store.clone(), Arc::clone(&settings)),
            store,
            ledger,
            keyring,
            limiter: Arc::new(Limiter::new(settings.load().limits.fail_closed)),
            settings,
            throttle: users::Throttle::default(),
            alerts: OnceLock::new(),
            rounds: Mutex::default(),
            changed: broadcast::Sender::new(1024),
        });
        tokio::spawn(changes::follow(Arc::downgrade(&inner)));
        inner.begin_rounds(None);
        Self { inner }
    }

    /// Governs by other settings from now on. Requests under way end with those they began with.
    pub fn adopt(&self, settings: Settings) {
        let inner = &self.inner;
        inner.limiter.fail_closed(settings.limits.fail_closed);
        let before = inner.settings.swap(Arc::new(settings));
        inner.begin_rounds(Some(&before));
        // What rows bound is worked out by the settings, too.
        inner.directory.settings_changed();
        inner.tell_all();
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

    /// The rules that hold now.
    pub fn settings(&self) -> Arc<Settings> {
        self.inner.settings.load_full()
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
        self.limiter().close().await;
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
    /// Begins what is done from time to time, where it is not what it was.
    fn begin_rounds(self: &Arc<Self>, before: Option<&Settings>) {
        let now = self.settings.load();
        let mut rounds = self.rounds.lock().unwrap_or_else(PoisonError::into_inner);
        if before.is_none_or(|before| before.rotate_every != now.rotate_every) {
            let rotation = now.rotate_every;
            let begin = |every| tokio::spawn(keys::rotation::follow(Arc::downgrade(self), every));
            end(std::mem::replace(&mut rounds.rotation, rotation.map(begin)));
        }
        if before.is_none_or(|before| before.retention != now.retention) {
            let retention = now.retention;
            let begin = |how| tokio::spawn(retention::keep(Arc::downgrade(self), how));
            end(std::mem::replace(
                &mut rounds.retention,
                retention.map(begin),
            ));
        }
    }

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

/// What it was at is undone: it works in transactions.
fn end(round: Option<JoinHandle<()>>) {
    if let Some(round) = round {
        round.abort();
    }
}
