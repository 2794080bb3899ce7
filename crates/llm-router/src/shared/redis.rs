//! Shared state in Redis.
//!
//! Limits are decided by one script for each attempt at a limited deployment, or at one that rested: one instance at a time
//! tries that. Everything else is told in batches over a
//! stream, and read from it: no request waits for that. Redis' own clock is the clock of all limits.

mod line;
mod post;
mod script;
mod speeds;
mod tasks;

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use redis::{AsyncConnectionConfig, Client, RedisError, RedisResult, aio::MultiplexedConnection};
use tokio::sync::mpsc;

pub use line::RedisLine;
use speeds::Speeds;

use super::{Admitted, Board, BoxFuture, Claim, News, RedisSettings, Shared};
use crate::{Reason, SettingsError, Used};

/// State shared over Redis.
#[derive(Debug)]
pub struct RedisState {
    inner: Arc<Inner>,
}

/// What is told and not yet written; beyond it, news is dropped.
const BACKLOG: usize = 16_384;
/// How long an admitted attempt counts without a sign of life from its instance.
const LEASE: Duration = Duration::from_secs(30);

struct Inner {
    client: Client,
    settings: RedisSettings,
    /// This instance's name among the others.
    name: String,
    /// One connection for all; there while Redis is.
    connection: Mutex<Option<MultiplexedConnection>>,
    /// Whether it was ever there, or its absence was told.
    told: AtomicBool,
    /// Whoever waits to know.
    tells: tokio::sync::Notify,
    /// How often it was found.
    found: AtomicU64,
    attended: AtomicBool,
    next_lease: AtomicU64,
    /// Leases that are to be kept alive, by their names.
    leases: Mutex<HashMap<String, Held>>,
    /// How fast deployments answered lately.
    speeds: Speeds,
    outbox: mpsc::Sender<Letter>,
    inbox: Mutex<Option<mpsc::Receiver<Letter>>>,
}

/// What keeps an admitted attempt's place.
#[derive(Debug)]
struct Held {
    deployment: String,
    /// Whether it is still finding out if the deployment is well.
    trial: bool,
}

/// What waits to be written.
#[derive(Debug)]
enum Letter {
    News(News),
    End(Admitted, Used),
    /// Speeds begin to gather.
    Speeds,
}

impl RedisState {
    /// State at an address. Connects with the first request; an address that cannot be one is refused.
    pub fn new(settings: RedisSettings) -> Result<Self, SettingsError> {
        let client = Client::open(settings.url.as_str())
            .map_err(|e| SettingsError(format!("the Redis address cannot be used: {e}")))?;
        let (outbox, inbox) = mpsc::channel(BACKLOG);
        let inner = Inner {
            client,
            settings,
            name: format!("{:016x}", fastrand::u64(..)),
            connection: Mutex::default(),
            told: AtomicBool::new(false),
            tells: tokio::sync::Notify::new(),
            found: AtomicU64::new(0),
            attended: AtomicBool::new(false),
            next_lease: AtomicU64::new(0),
            leases: Mutex::default(),
            speeds: Speeds::default(),
            outbox,
            inbox: Mutex::new(Some(inbox)),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Where it is.
    pub fn settings(&self) -> &RedisSettings {
        &self.inner.settings
    }
}

impl Shared for RedisState {
    fn attend(&self, board: &Arc<Board>) {
        if !self.inner.attended.swap(true, Ordering::AcqRel) {
            tasks::start(&self.inner, board);
        }
    }

    fn admit<'a>(
        &'a self,
        claim: &'a Claim<'a>,
    ) -> BoxFuture<'a, Option<Result<Admitted, Reason>>> {
        Box::pin(async move {
            let inner = &self.inner;
            let connection = inner.connection()?;
            let admit = inner.admit(connection, claim);
            let answer = tokio::time::timeout(inner.settings.patience, admit).await;
            match answer {
                Ok(Ok(verdict)) => Some(verdict),
                Ok(Err(e)) => {
                    inner.down(&e.to_string());
                    None
                }
                Err(_) => {
                    inner.down("it does not answer in time");
                    None
                }
            }
        })
    }

    fn end(&self, admitted: Admitted, used: Used) {
        self.inner.leases().remove(&admitted.lease);
        self.inner.post(Letter::End(admitted, used));
    }

    fn tell(&self, news: News) {
        if let News::Recovered { deployment } = &news {
            self.inner.end_trials(deployment);
        }
        match self.inner.speeds.add(news) {
            Ok(true) => self.inner.post(Letter::Speeds),
            Ok(false) => {}
            Err(news) => self.inner.post(Letter::News(news)),
        }
    }

    fn is_up(&self) -> bool {
        self.inner.is_up()
    }

    fn line(&self) -> Option<RedisLine> {
        Some(RedisLine::new(Arc::clone(&self.inner)))
    }
}

impl Drop for RedisState {
    fn drop(&mut self) {
        // The tasks hold the rest weakly, and see that nobody is left.
        self.inner.attended.store(false, Ordering::Release);
    }
}

impl Inner {
    async fn admit(
        &self,
        mut connection: MultiplexedConnection,
        claim: &Claim<'_>,
    ) -> RedisResult<Result<Admitted, Reason>> {
        let number = self.next_lease.fetch_add(1, Ordering::Relaxed);
        let lease = format!("{}:{number}", self.name);
        let mut unheard = Unheard {
            inner: self,
            admitted: Some(Admitted {
                deployment: claim.deployment.to_owned(),
                lease: lease.clone(),
                minute: 0,
                tokens: claim.tokens,
                trial: claim.trial,
            }),
        };
        let (verdict, minute): (i64, u64) = script::ADMIT
            .key(self.key(claim.deployment, "slots"))
            .key(self.key(claim.deployment, "minute"))
            .key(self.key(claim.deployment, "trial"))
            .arg(limit(claim.quota.max_parallel))
            .arg(limit(claim.quota.rpm))
            .arg(limit(claim.quota.tpm))
            .arg(limit(claim.quota.itpm))
            .arg(limit(claim.quota.otpm))
            .arg(claim.tokens)
            .arg(&lease)
            .arg(millis(LEASE))
            .arg(u8::from(claim.trial))
            .invoke_async(&mut connection)
            .await?;
        let admitted = unheard.admitted.take();
        let reason = match verdict {
            0 => None,
            1 => Some(Reason::Parallel),
            2 => Some(Reason::Rpm),
            3 => Some(Reason::Tpm),
            4 => Some(Reason::Itpm),
            6 => Some(Reason::OnTrial),
            _ => Some(Reason::Otpm),
        };
        if let Some(reason) = reason {
            return Ok(Err(reason));
        }
        let held = Held {
            deployment: claim.deployment.to_owned(),
            trial: claim.trial,
        };
        self.leases().insert(lease, held);
        Ok(Ok(Admitted {
            minute,
            ..admitted.unwrap_or_default()
        }))
    }

    /// The connection, while Redis is there.
    fn connection(&self) -> Option<MultiplexedConnection> {
        self.held().clone()
    }

    /// Connects, within a bounded time.
    async fn connect(&self) -> RedisResult<MultiplexedConnection> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(Duration::from_secs(2)))
            .set_response_timeout(Some(Duration::from_secs(2)));
        let client = &self.client;
        client
            .get_multiplexed_async_connection_with_config(&config)
            .await
    }

    fn held(&self) -> MutexGuard<'_, Option<MultiplexedConnection>> {
        self.connection
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// A deployment's key. All keys of one deployment are in one slot of a cluster.
    fn key(&self, deployment: &str, what: &str) -> String {
        format!("{}:{{{deployment}}}:{what}", self.settings.namespace)
    }

    fn common(&self, what: &str) -> String {
        format!("{}:{what}", self.settings.namespace)
    }

    /// The deployment is well: whoever was finding out is not any more.
    fn end_trials(&self, deployment: &str) {
        let mut leases = self.leases();
        let here = leases.values_mut();
        here.filter(|held| held.deployment == deployment)
            .for_each(|held| held.trial = false);
    }

    fn leases(&self) -> MutexGuard<'_, HashMap<String, Held>> {
        self.leases.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn post(&self, letter: Letter) {
        // A full outbox means that Redis is away: what it would have said is old by the time it is back.
        drop(self.outbox.try_send(letter));
    }

    fn is_up(&self) -> bool {
        self.held().is_some()
    }

    /// Says once that Redis is gone, or that it never was there.
    fn down(&self, why: &str) {
        let was_up = self.held().take().is_some();
        let was_told = self.told.swap(true, Ordering::AcqRel);
        self.tells.notify_waiters();
        if was_up {
            tracing::warn!(
                why,
                "Redis is gone: limits and rests are this instance's own until it is back"
            );
        } else if !was_told {
            tracing::warn!(
                why,
                "Redis cannot be reached: limits and rests are this instance's own until it is"
            );
        }
    }

    /// Says once that Redis is there.
    fn back(&self, connection: MultiplexedConnection) {
        if self.held().replace(connection).is_none() {
            self.found.fetch_add(1, Ordering::AcqRel);
            tracing::info!("Redis is there: limits and rests are shared with the other instances");
        }
        self.told.store(true, Ordering::Release);
        self.tells.notify_waiters();
    }

    fn failed(&self, error: &RedisError) {
        self.down(&error.to_string());
    }
}

/// A claim whose answer is not there. Whoever asked may be gone before it comes: the slot is given back.
struct Unheard<'i> {
    inner: &'i Inner,
    admitted: Option<Admitted>,
}

impl Drop for Unheard<'_> {
    fn drop(&mut self) {
        if let Some(admitted) = self.admitted.take() {
            let tokens = admitted.tokens;
            let used = Used { tokens, output: 0 };
            self.inner.post(Letter::End(admitted, used));
        }
    }
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The address may hold a password.
        f.debug_struct("Inner")
            .field("namespace", &self.settings.namespace)
            .field("up", &self.is_up())
            .finish_non_exhaustive()
    }
}

/// A limit for a script; negative: none.
fn limit(limit: Option<u64>) -> i64 {
    limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX))
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
