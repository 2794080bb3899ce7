//! Connections that wait for the next request.

use std::{
    collections::HashMap,
    hash::{Hash, Hasher},
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::{Duration, Instant},
};

use http::uri::{Authority, Scheme};
use tokio::runtime::Handle;

use super::link::Link;

/// Whom a connection leads to.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) scheme: Scheme,
    pub(super) authority: Authority,
}

/// By its letters as they are, not as hosts are alike: what is spelled in two ways has two places.
impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        self.scheme == other.scheme && self.authority.as_str() == other.authority.as_str()
    }
}

impl Eq for Place {}

impl Hash for Place {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.authority.as_str().hash(state);
    }
}

/// The connections that nobody uses now, for each place the latest last.
pub(super) struct Pool {
    waiting: Mutex<Waiting>,
    /// How long a connection waits.
    patience: Duration,
}

#[derive(Default)]
struct Waiting {
    places: HashMap<Place, Vec<(Instant, Box<Link>)>>,
    is_swept: bool,
}

impl Pool {
    pub(super) fn new(patience: Duration) -> Self {
        Self {
            waiting: Mutex::default(),
            patience,
        }
    }

    /// A connection that a request may go over at once.
    pub(super) fn take(&self, place: &Place) -> Option<Box<Link>> {
        loop {
            let (since, mut link) = self.waiting().places.get_mut(place)?.pop()?;
            if since.elapsed() < self.patience && link.is_ready() {
                return Some(link);
            }
        }
    }

    /// Keeps a connection whose answer was read to its end, if it is good for another.
    pub(super) fn give(self: &Arc<Self>, place: Place, mut link: Box<Link>) {
        if self.patience.is_zero() || !link.is_ready() {
            return;
        }
        let mut waiting = self.waiting();
        let links = waiting.places.entry(place).or_default();
        links.push((Instant::now(), link));
        // An answer may be dropped where there is no runtime: the next one that is given has it swept.
        if !waiting.is_swept
            && let Ok(runtime) = Handle::try_current()
        {
            waiting.is_swept = true;
            runtime.spawn(sweep(Arc::downgrade(self), self.patience));
        }
    }

    /// Closes what waited for too long; says whether anything is left.
    fn clear(&self) -> bool {
        let mut waiting = self.waiting();
        let mut old = Vec::new();
        waiting.places.retain(|_, links| {
            let fresh = links.partition_point(|(since, _)| since.elapsed() >= self.patience);
            old.extend(links.drain(..fresh));
            !links.is_empty()
        });
        waiting.is_swept = !waiting.places.is_empty();
        let is_swept = waiting.is_swept;
        // Closing talks to the kernel: after the lock.
        drop(waiting);
        drop(old);
        is_swept
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs as long as there is a connection that waits.
async fn sweep(pool: Weak<Pool>, patience: Duration) {
    let pause = (patience / 4).max(Duration::from_millis(100));
    loop {
        tokio::time::sleep(pause).await;
        let Some(pool) = pool.upgrade() else { return };
        if !pool.clear() {
            return;
        }
    }
}
