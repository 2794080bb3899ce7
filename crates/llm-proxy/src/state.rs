//! What all requests of a gateway share.

use std::{
    path::Path,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use anyhow::{Context, Result};
use arc_swap::{ArcSwap, ArcSwapOption};
use llm_cost::PriceTable;
use llm_governance::Governance;
use llm_router::{Deployment, Router};
use llm_sdk::{
    Clerk, Engine, FolderBatches, FolderFiles, FolderStore, Ids, LocalBatches, Prices, Round,
};
use llm_store::Store;
use tokio::sync::Notify;

use crate::{
    checks::Checks,
    config, counting,
    error::Refusal,
    identity::Identities,
    kept::{self, KeptLimits},
    lines::LineClerk,
    overlay::{Entry, Overlay},
    passing,
    record::Hub,
    settings::{Place, Settings},
};

/// A gateway: what holds for now, and what counts over all its time.
#[derive(Debug)]
pub(crate) struct Gateway {
    live: ArcSwap<Live>,
    /// Models that were added while running.
    overlay: Mutex<Overlay>,
    /// What the last round of health checks in the background found.
    pub(crate) findings: ArcSwapOption<Round>,
    /// What all health checks found.
    pub(crate) checks: Checks,
    /// Another configuration holds.
    pub(crate) changed: Arc<Notify>,
    /// Where requests are recorded.
    pub(crate) hub: Arc<Hub>,
    /// Keys, budgets and spend, where they are kept.
    governance: OnceLock<Governance>,
    draining: AtomicBool,
    under_way: AtomicU64,
    idle: Notify,
    stopping: Notify,
}

/// One configuration at work. Immutable: a new configuration is a new one of these.
#[derive(Debug)]
pub(crate) struct Live {
    /// What it goes by; its deployments are in the router.
    pub(crate) settings: Arc<Settings>,
    /// Who answers.
    pub(crate) engine: Engine,
    /// Who answers what is passed through.
    pub(crate) passing: Engine,
    /// Who answers for which name.
    pub(crate) router: Arc<Router>,
    /// Who vouches for callers without a key of ours.
    pub(crate) identities: Arc<Identities>,
    /// Who looks at the lines of batches that are answered here.
    pub(crate) clerk: Arc<LineClerk>,
}

/// One request under way.
#[derive(Debug)]
pub(crate) struct UnderWay(Arc<Gateway>);

/// An engine that keeps in `folder` what no vendor does.
fn kept_in(
    folder: &Path,
    limits: KeptLimits,
    engine: Engine,
    clerk: &Arc<LineClerk>,
) -> Result<Engine> {
    let unusable = || format!("data_folder: {} cannot be used", folder.display());
    let responses = FolderStore::open(folder.join("responses"), limits.responses);
    let responses = responses.with_context(unusable)?;
    let files = FolderFiles::open(folder.join("files"), limits.files).with_context(unusable)?;
    let batches = FolderBatches::open(folder.join("batches")).with_context(unusable)?;
    let clerk = Arc::clone(clerk) as Arc<dyn Clerk>;
    let (files, batches) = (Arc::new(files), Arc::new(batches));
    let local = LocalBatches::over(files, batches, clerk, limits.batches);
    Ok(engine.remembering(Arc::new(responses)).batching(local))
}

impl Live {
    /// Puts settings to work.
    pub(crate) fn new(mut settings: Settings) -> Result<Self> {
        let deployments = std::mem::take(&mut settings.deployments);
        Self::after(None, Arc::new(settings), deployments)
    }

    /// Puts settings to work after `old` ones, with what these learned and, where the transport is the same, with their
    /// connections.
    fn after(
        old: Option<&Self>,
        settings: Arc<Settings>,
        deployments: Vec<Deployment>,
    ) -> Result<Self> {
        let router = match old {
            None => Router::new(deployments, settings.router.clone())?,
            Some(old) => old
                .router
                .succeeded_by(deployments, settings.router.clone())?,
        };
        let client = old
            .filter(|old| {
                old.settings.transport == settings.transport && old.settings.fetch == settings.fetch
            })
            .map(|old| old.engine.http().clone());
        let router = Arc::new(router);
        let client = match client {
            Some(client) => client,
            None => Engine::client(&settings.transport)?.fetching(settings.fetch.clone()),
        };
        let prices = Prices::new(
            Arc::new(PriceTable::embedded().clone()),
            settings.discounts.clone(),
            settings.margins.clone(),
        );
        let prices = match old {
            Some(old) => prices.succeeding(old.engine.prices()),
            None => prices,
        };
        let mut engine = Engine::routed(Arc::clone(&router), client, Arc::new(prices));
        if let Some(secret) = settings.secret() {
            engine = engine.sealing(Ids::sealed(secret.expose().as_bytes()));
        }
        let passing = passing::router(&settings.passing, &router)?;
        let passing = engine.routing(Arc::new(passing));
        let identities = old
            .filter(|old| {
                old.settings.identity == settings.identity
                    && old.settings.transport == settings.transport
            })
            .map(|old| Arc::clone(&old.identities));
        let identities = match identities {
            Some(identities) => identities,
            None => Arc::new(Identities::new(&settings)?),
        };
        let clerk = old.map_or_else(Arc::default, |old| Arc::clone(&old.clerk));
        engine = match old {
            Some(old) => {
                let engine = engine.remembering(Arc::clone(old.engine.responses()));
                let local = old.engine.local().cloned();
                // The lines of batches under way go to the new deployments from here on.
                local.iter().for_each(|local| local.attend(&engine));
                local.into_iter().fold(engine, Engine::batching)
            }
            None => match &settings.data_folder {
                Some(folder) => kept_in(folder, settings.kept, engine, &clerk)?,
                None => engine,
            },
        };
        Ok(Self {
            passing,
            engine,
            settings,
            router,
            identities,
            clerk,
        })
    }
}

/// Names what a running gateway does not change: where its books are, and how they are kept.
fn warn_of_books(old: &Settings, new: &Settings) {
    let places = [&old.database.place, &new.database.place];
    if places.iter().all(|place| **place == Place::Nowhere) {
        return;
    }
    let mut kept = old.database.differing(&new.database);
    if old.salts() != new.salts() {
        kept.push("salt_key");
    }
    for key in kept {
        tracing::warn!(
            key,
            "a change of this holds after a restart: the running gateway keeps what it began with"
        );
    }
}

impl Gateway {
    pub(crate) fn new(live: Live, hub: Arc<Hub>) -> Self {
        Self {
            live: ArcSwap::from_pointee(live),
            overlay: Mutex::default(),
            findings: ArcSwapOption::empty(),
            checks: Checks::default(),
            changed: Arc::default(),
            hub,
            governance: OnceLock::new(),
            draining: AtomicBool::new(false),
            under_way: AtomicU64::new(0),
            idle: Notify::new(),
            stopping: Notify::new(),
        }
    }

    /// Goes on with the batches that nobody works on, from now on.
    pub(crate) fn resume_batches(self: &Arc<Self>) {
        let live = self.live();
        live.clerk.serve(self);
        if let Some(local) = live.engine.local() {
            local.attend(&live.engine);
        }
    }

    /// Begins no line of a batch any more, and waits for those under way.
    pub(crate) async fn rest_batches(&self) {
        if let Some(local) = self.live().engine.local() {
            local.rest().await;
        }
    }

    /// Keeps in the database what no vendor keeps, unless a folder is named for it.
    pub(crate) fn keep(&self, store: &Store) {
        let _overlay = self.overlay.lock().unwrap_or_else(PoisonError::into_inner);
        let live = self.live();
        if live.settings.data_folder.is_some() {
            return;
        }
        let clerk = Arc::clone(&live.clerk) as Arc<dyn Clerk>;
        let engine = kept::in_database(store, live.settings.kept, live.engine.clone(), clerk);
        if let (true, Some(local)) = (live.clerk.serves(), engine.local()) {
            local.attend(&engine);
        }
        self.live.store(Arc::new(Live {
            settings: Arc::clone(&live.settings),
            engine,
            passing: live.passing.clone(),
            router: Arc::clone(&live.router),
            identities: Arc::clone(&live.identities),
            clerk: Arc::clone(&live.clerk),
        }));
    }

    /// Keeps keys, budgets and spend from now on.
    pub(crate) fn govern(&self, governance: Governance) {
        if let Some(alerts) = self.hub.alerts.get() {
            governance.watch(alerts.clone());
        }
        // There is one ledger in a process: a second would count apart.
        let _ = self.governance.set(governance);
    }

    /// Keys, budgets and spend, where they are kept.
    pub(crate) fn governance(&self) -> Option<&Governance> {
        self.governance.get()
    }

    /// The configuration that holds now.
    pub(crate) fn live(&self) -> Arc<Live> {
        self.live.load_full()
    }

    /// Puts new settings to work for the requests that come from now on. Connections to vendors stay, and models that
    /// were added too.
    pub(crate) fn replace(&self, mut settings: Settings) -> Result<()> {
        let configured = std::mem::take(&mut settings.deployments);
        let overlay = self.overlay.lock().unwrap_or_else(PoisonError::into_inner);
        let deployments = overlay.over(configured);
        let old = self.live();
        let next = Arc::new(Live::after(Some(&old), Arc::new(settings), deployments)?);
        if next.router.settings().redis != old.router.settings().redis {
            counting::meet(self, &next.router);
        }
        if let Some(governance) = self.governance() {
            governance.adopt(config::settle(&next.settings));
        }
        warn_of_books(&old.settings, &next.settings);
        self.live.store(next);
        drop(overlay);
        self.changed.notify_one();
        Ok(())
    }

    /// Changes the added models; a change that cannot work changes nothing. One change follows the other.
    pub(crate) fn amend(
        &self,
        change: impl FnOnce(&mut Overlay) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let mut overlay = self.overlay.lock().unwrap_or_else(PoisonError::into_inner);
        let live = self.live();
        let all = live.router.groups().flat_map(|(_, all)| all).cloned();
        let configured = overlay.under(all);
        let mut next = overlay.clone();
        change(&mut next)?;
        let deployments = next.over(configured);
        let settings = Arc::clone(&live.settings);
        let successor = Live::after(Some(&live), settings, deployments)
            .map_err(|error| Refusal::bad("model", format!("{error:#}")))?;
        *overlay = next;
        self.live.store(Arc::new(successor));
        Ok(())
    }

    /// The entry of a model that was added.
    pub(crate) fn added(&self, id: &str) -> Option<Entry> {
        let overlay = self.overlay.lock().unwrap_or_else(PoisonError::into_inner);
        overlay.entry(id).cloned()
    }

    /// Counts a request as under way.
    pub(crate) fn enter(self: &Arc<Self>) -> UnderWay {
        self.under_way.fetch_add(1, Ordering::AcqRel);
        UnderWay(Arc::clone(self))
    }

    /// Requests under way.
    pub(crate) fn under_way(&self) -> u64 {
        self.under_way.load(Ordering::Acquire)
    }

    /// From now on readiness says no.
    pub(crate) fn drain(&self) {
        self.draining.store(true, Ordering::Release);
        self.stopping.notify_waiters();
    }

    /// Waits until the gateway is about to stop.
    pub(crate) async fn drained(&self) {
        loop {
            let notified = self.stopping.notified();
            if self.is_draining() {
                return;
            }
            notified.await;
        }
    }

    /// Whether the gateway is about to stop.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Waits until no request is under way.
    pub(crate) async fn idle(&self) {
        loop {
            let notified = self.idle.notified();
            if self.under_way() == 0 {
                return;
            }
            notified.await;
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        if self.0.under_way.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.0.idle.notify_waiters();
        }
    }
}
