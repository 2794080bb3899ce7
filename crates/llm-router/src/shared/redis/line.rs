//! The one connection to Redis, for what else instances count together.

use std::{
    fmt,
    future::Future,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use redis::{RedisResult, aio::MultiplexedConnection};

use super::Inner;

/// The connection to Redis that all of a process share. Clones are the same one.
#[derive(Clone)]
pub struct RedisLine(Arc<Inner>);

/// How long whoever starts waits to know whether Redis is there.
const FIRST: Duration = Duration::from_secs(3);

impl RedisLine {
    pub(super) fn new(inner: Arc<Inner>) -> Self {
        Self(inner)
    }

    /// Asks Redis, and waits for a bounded time. `None`: it is away, or has just gone.
    pub async fn ask<T, F>(&self, work: impl FnOnce(MultiplexedConnection) -> F) -> Option<T>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let connection = self.0.connection()?;
        let answer = tokio::time::timeout(self.0.settings.patience, work(connection)).await;
        match answer {
            Ok(Ok(value)) => return Some(value),
            Ok(Err(error)) => self.0.failed(&error),
            Err(_) => self.0.down("it does not answer in time"),
        }
        None
    }

    /// What all keys begin with.
    pub fn namespace(&self) -> &str {
        &self.0.settings.namespace
    }

    /// This instance's name among the others.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// How often Redis was found: another number where it was away in between.
    pub fn found(&self) -> u64 {
        self.0.found.load(Ordering::Acquire)
    }

    /// Waits until it is known whether Redis is there, for a bounded time.
    pub async fn settled(&self) {
        let settled = async {
            loop {
                let told = self.0.tells.notified();
                if self.0.told.load(Ordering::Acquire) {
                    return;
                }
                told.await;
            }
        };
        // Whoever cannot say by then is as good as away.
        let _ = tokio::time::timeout(FIRST, settled).await;
    }

    /// Whether both are the same connection.
    pub fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for RedisLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
