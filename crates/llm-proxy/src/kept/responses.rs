//! Responses in the database.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use llm_providers::Error;
use llm_sdk::{ResponseStore, is_kept_id};
use llm_store::{Moment, Store};
use tokio::sync::RwLock;

use super::{refused, signed};

/// As long as OpenAI keeps its own, in milliseconds.
const KEPT_FOR: i64 = 30 * 86_400_000;
/// After so many new ones, and at the first, the old ones are let go.
const SWEEP_EVERY: u64 = 200;
/// Bytes that wait to be written at most: what comes while the database is slow or away is not kept.
const MOST_WAITING: usize = 64 << 20;
/// How long it is waited for a response that another instance may be writing: its client was quicker.
const PATIENCE: [u64; 5] = [20, 50, 100, 200, 400];

/// Keeps responses.
#[derive(Debug)]
pub(super) struct KeptResponses {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    most: u64,
    waiting: Mutex<Waiting>,
    /// Held by those who write, so that whoever forgets one waits until it is written, or never will be.
    writing: RwLock<()>,
    written: AtomicU64,
}

/// On their way to the database.
#[derive(Debug, Default)]
struct Waiting {
    bytes: usize,
    responses: HashMap<String, Bytes>,
}

impl KeptResponses {
    pub(super) fn new(store: Store, most: u64) -> Self {
        Self {
            inner: Arc::new(Inner {
                store,
                most,
                waiting: Mutex::default(),
                writing: RwLock::default(),
                written: AtomicU64::new(0),
            }),
        }
    }
}

impl Waiting {
    fn add(&mut self, id: &str, kept: Bytes) -> bool {
        if self.bytes + kept.len() > MOST_WAITING {
            return false;
        }
        self.take(id);
        self.bytes += kept.len();
        self.responses.insert(id.to_owned(), kept);
        true
    }

    fn take(&mut self, id: &str) -> bool {
        let Some(kept) = self.responses.remove(id) else {
            return false;
        };
        self.bytes -= kept.len();
        true
    }
}

impl Inner {
    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn write(&self, id: &str, kept: &[u8]) {
        let writing = self.writing.read().await;
        if !self.waiting().responses.contains_key(id) {
            // It was forgotten before it was written.
            return;
        }
        let text = String::from_utf8_lossy(kept);
        let written = self.store.put_response(id, &text, Moment::now()).await;
        if let Err(error) = written {
            tracing::error!(%error, "a response cannot be kept");
        }
        self.waiting().take(id);
        drop(writing);
        let written = self.written.fetch_add(1, Ordering::Relaxed);
        if written.is_multiple_of(SWEEP_EVERY) {
            let before = Moment::now().plus(-KEPT_FOR);
            let swept = self.store.sweep_responses(before, signed(self.most)).await;
            if let Err(error) = swept {
                tracing::warn!(%error, "old responses are not let go");
            }
        }
    }

    async fn read(&self, id: &str) -> Result<Option<Bytes>, Error> {
        if let Some(waiting) = self.waiting().responses.get(id) {
            return Ok(Some(waiting.clone()));
        }
        let found = self.store.response(id).await.map_err(refused)?;
        Ok(found.map(Bytes::from))
    }
}

impl ResponseStore for KeptResponses {
    fn get<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, Error>> {
        Box::pin(async move {
            // Answers that a vendor began and that went on elsewhere are here by the vendor's ids. They are few: nobody
            // waits for one, and a database that is away keeps nobody from the vendor.
            if !is_kept_id(id) {
                return Ok(self.inner.read(id).await.ok().flatten());
            }
            let mut found = self.inner.read(id).await?;
            for pause in PATIENCE {
                if found.is_some() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(pause)).await;
                found = self.inner.read(id).await?;
            }
            Ok(found)
        })
    }

    fn put(&self, id: &str, kept: Bytes) {
        // A slice of something longer would hold all of it.
        let kept = Bytes::copy_from_slice(&kept);
        if kept.len() as u64 > self.inner.most || !self.inner.waiting().add(id, kept.clone()) {
            tracing::warn!("a response is not kept: there is no room for it");
            return;
        }
        let (inner, id) = (Arc::clone(&self.inner), id.to_owned());
        tokio::spawn(async move { inner.write(&id, &kept).await });
    }

    fn remove<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, Error>> {
        Box::pin(async move {
            let _alone = self.inner.writing.write().await;
            let was_waiting = self.inner.waiting().take(id);
            let gone = self.inner.store.forget_response(id).await;
            Ok(gone.map_err(refused)? || was_waiting)
        })
    }
}
