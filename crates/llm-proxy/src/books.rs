//! The governance of a gateway: where its database is, and opening it.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context, Result};
use llm_governance::Governance;
use llm_ledger::Ledger;
use llm_store::{Keyring, Store};

use crate::{counting, settings::Settings, state::Gateway, stored};

/// Where keys, budgets and spend are kept.
#[derive(Debug, Clone)]
pub struct Database {
    /// The place.
    pub place: Place,
    /// Connections at most (`database_connection_pool_limit`).
    pub connections: u32,
    /// How long a request waits for one (`database_connection_timeout`).
    pub patience: Duration,
    /// The folder of the journal of spending; `None`: beside the SQLite file, or in the working folder.
    pub journal: Option<PathBuf>,
    /// How long after it is written that journal is on the disk itself.
    pub sync_every: Duration,
    /// What happens to new requests while that journal is full.
    pub overflow: llm_ledger::Overflow,
    /// What happens to requests whose price nobody knows.
    pub unpriced: llm_ledger::Unpriced,
}

/// The place of a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// Nowhere: there are no keys but the master's.
    Nowhere,
    /// This SQLite file, if its folder can be written to.
    Beside(PathBuf),
    /// An SQLite file or a PostgreSQL server that somebody named.
    Named(String),
}

/// The SQLite file where nobody named a database.
pub(crate) const FILE: &str = "llm-proxy.db";

/// Between two attempts to reach a database that is away.
const AGAIN: Duration = Duration::from_secs(2);

impl Default for Database {
    fn default() -> Self {
        Self {
            place: Place::Nowhere,
            connections: llm_store::Settings::MAX_CONNECTIONS,
            patience: Duration::from_secs(5),
            journal: None,
            sync_every: llm_ledger::Settings::SYNC_EVERY,
            overflow: llm_ledger::Overflow::Shed,
            unpriced: llm_ledger::Unpriced::Allow,
        }
    }
}

impl Database {
    /// Where keys and spend are, in a sentence that tells no password.
    pub(crate) fn shown(&self) -> String {
        match &self.place {
            Place::Nowhere => "Keys and spend are not kept (--db none).".to_owned(),
            Place::Beside(file) => {
                format!(
                    "Keys and spend are kept in {} (--db names another place).",
                    file.display()
                )
            }
            Place::Named(text) if is_server(text) => {
                "Keys and spend are kept in a PostgreSQL database.".to_owned()
            }
            Place::Named(text) => format!("Keys and spend are kept in {text}."),
        }
    }

    /// The keys of what another configuration has otherwise.
    pub(crate) fn differing(&self, other: &Self) -> Vec<&'static str> {
        let Self {
            place,
            connections,
            patience,
            journal,
            sync_every,
            overflow,
            unpriced,
        } = self;
        let pairs = [
            ("database_url", *place != other.place),
            (
                "database_connection_pool_limit",
                *connections != other.connections,
            ),
            ("database_connection_timeout", *patience != other.patience),
            ("spend_journal_folder", *journal != other.journal),
            ("spend_journal_full_wait", *overflow != other.overflow),
            ("spend_journal_sync", *sync_every != other.sync_every),
            (
                "block_requests_for_models_without_pricing",
                *unpriced != other.unpriced,
            ),
        ];
        let differing = pairs.into_iter().filter(|(_, differs)| *differs);
        differing.map(|(key, _)| key).collect()
    }

    /// How its database is opened and where its journal is; nothing where nothing is kept.
    pub(crate) fn address(&self) -> Option<(llm_store::Settings, PathBuf)> {
        let (url, journal) = match &self.place {
            Place::Nowhere => return None,
            Place::Beside(file) if !is_writable(file) => {
                tracing::warn!(
                    file = %file.display(),
                    "keys and spend are not kept: the folder cannot be written to (name a place with --db)"
                );
                return None;
            }
            Place::Beside(file) => (of_file(file), beside(file)),
            Place::Named(text) if is_server(text) => {
                (text.clone(), PathBuf::from("llm-proxy.journal"))
            }
            Place::Named(text) => {
                let file = Path::new(text.strip_prefix("sqlite://").unwrap_or(text));
                (of_file(file), beside(file))
            }
        };
        let mut store = llm_store::Settings::new(url);
        store.max_connections = self.connections;
        store.acquire_timeout = self.patience;
        Some((store, self.journal.clone().unwrap_or(journal)))
    }
}

/// Opens the gateway's books, where it keeps any. A database that is away is waited for in the background where the
/// settings let requests go on without it, and is an error otherwise.
pub(crate) async fn open(gateway: &Arc<Gateway>, settings: &Settings) -> Result<()> {
    let database = &settings.database;
    let Some((store, journal)) = database.address() else {
        return Ok(());
    };
    let mut ledger = llm_ledger::Settings::new(journal);
    ledger.sync_every = settings.database.sync_every;
    ledger.overflow = settings.database.overflow;
    ledger.unpriced = settings.database.unpriced;
    let plan = Plan {
        store,
        ledger,
        rules: crate::config::settle(settings),
        salts: settings.salts(),
    };
    match plan.carry_out().await {
        Ok(governance) => begin(gateway, governance).await,
        Err(error) if settings.governance.serve_without_database && is_away(&error) => {
            tracing::warn!(%error, "the database is away: requests are served without it");
            tokio::spawn(again(Arc::clone(gateway), plan));
        }
        Err(error) => {
            return Err(error).context(
                "the database cannot be opened (--db says where it is; `--db none` keeps nothing)",
            );
        }
    }
    Ok(())
}

/// What it takes to open the books.
struct Plan {
    store: llm_store::Settings,
    ledger: llm_ledger::Settings,
    rules: llm_governance::Settings,
    salts: Vec<String>,
}

impl Plan {
    async fn carry_out(&self) -> Result<Governance> {
        let store = Store::open(&self.store).await?;
        let ledger = Ledger::open(store.clone(), self.ledger.clone()).await?;
        let keyring = Keyring::new(self.salts.iter().map(String::as_str));
        Ok(Governance::new(store, ledger, keyring, self.rules.clone()))
    }
}

async fn again(gateway: Arc<Gateway>, plan: Plan) {
    loop {
        tokio::time::sleep(AGAIN).await;
        if let Ok(governance) = plan.carry_out().await {
            tracing::info!("the database answers");
            return begin(&gateway, governance).await;
        }
    }
}

/// Goes by what the database says from now on.
async fn begin(gateway: &Arc<Gateway>, governance: Governance) {
    gateway.govern(governance);
    if let Some(governance) = gateway.governance() {
        // Another configuration may hold by now.
        governance.adopt(crate::config::settle(&gateway.live().settings));
        gateway.keep(governance.store());
        stored::begin(gateway, governance).await;
        counting::begin(gateway).await;
    }
}

fn is_away(error: &anyhow::Error) -> bool {
    let store = error.downcast_ref::<llm_store::Error>();
    let ledger = error.downcast_ref::<llm_ledger::Error>();
    store.is_some_and(llm_store::Error::is_unavailable)
        || ledger.is_some_and(llm_ledger::Error::is_unavailable)
}

fn is_server(text: &str) -> bool {
    ["postgres://", "postgresql://"]
        .iter()
        .any(|scheme| text.starts_with(scheme))
}

fn of_file(file: &Path) -> String {
    format!("sqlite://{}", file.display())
}

/// The journal's folder, named after its database.
fn beside(file: &Path) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".journal");
    PathBuf::from(name)
}

/// Whether the file can be there: known only by trying.
fn is_writable(file: &Path) -> bool {
    let options = &mut std::fs::OpenOptions::new();
    options.create(true).append(true).open(file).is_ok()
}
