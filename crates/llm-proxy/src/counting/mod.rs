//! Limits that several gateways count together, over the connection to Redis that their routers share.

mod asking;
mod letters;
mod numbers;
mod pace;
mod script;
mod spares;
mod take;
#[cfg(test)]
mod tests;

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use llm_governance::limits::{BoxFuture, CaughtUp, Ended, SharedCounts, Taken, Want};
use llm_ledger::Gather;
use llm_router::{Board, RedisLine, Router};

use crate::state::Gateway;
use asking::{Asker, Desk};
use letters::{Letter, Post};
use spares::Spares;
use take::{Bound, Request};

/// How long a request counts as under way without a sign of life from its gateway.
const LEASE: Duration = Duration::from_secs(30);

/// Requests that are counted in one round trip, at most.
const TOGETHER: usize = 32;

/// Counters in Redis.
struct Counters {
    desk: Arc<Desk>,
    asking: Arc<Gather<Arc<[Bound]>, Request, Option<Taken>>>,
    open: Open,
    post: Arc<Post>,
}

/// Where requests under way have their slots.
#[derive(Clone, Default)]
struct Open(Arc<Mutex<HashMap<u64, Slots>>>);

/// The counters that a request has a slot in.
type Slots = Arc<[(&'static str, Arc<str>)]>;

/// Counts the limits of `gateway` together with others from now on, where its router shares what it knows over Redis.
/// Waits, for a bounded time, until it is known whether Redis is there: nobody is let in by limits that are not counted.
pub(crate) async fn begin(gateway: &Gateway) {
    let live = gateway.live();
    if let Some(line) = meet(gateway, &live.router) {
        line.settled().await;
    }
}

/// The same without waiting.
pub(crate) fn meet(gateway: &Gateway, router: &Router) -> Option<RedisLine> {
    let governance = gateway.governance()?;
    router.attend();
    let shared = router.settings().shared.as_ref();
    let line = shared.and_then(|shared| shared.line());
    let counters = line
        .clone()
        .map(|line| Counters::over(line, router.board()));
    governance.count_together(counters.map(|counters| counters as Arc<dyn SharedCounts>));
    line
}

impl Counters {
    fn over(line: RedisLine, board: &Arc<Board>) -> Arc<Self> {
        let open = Open::default();
        let post = Arc::new(Post::over(line.clone(), open.clone()));
        let spares = Arc::new(Spares::new(Arc::clone(&post)));
        Arc::new(Self {
            desk: Arc::new(Desk::new(line, Arc::clone(board), spares)),
            asking: Arc::new(Gather::new(TOGETHER)),
            open,
            post,
        })
    }

    /// Takes what a request wants, with others that are limited by the same.
    async fn together(&self, asker: &Asker, request: Request) -> Option<Taken> {
        let ask = {
            let asker = asker.clone();
            move |requests: Vec<Request>| asker.clone().ask(requests)
        };
        self.asking.ask(asker.bounds(), request, ask).await?
    }

    /// Keeps the slots of a request that was let in.
    fn opened(&self, wants: &[Want], taken: &Taken) {
        if let Some(slots) = spares::slots(wants) {
            self.open.lock().insert(taken.lease, slots);
        }
    }
}

impl SharedCounts for Counters {
    fn take<'a>(
        &'a self,
        wants: &'a [Want],
        known: &'a [Option<CaughtUp>],
    ) -> BoxFuture<'a, Option<Taken>> {
        Box::pin(async move {
            let (asker, lease) = (Asker::of(&self.desk, wants), self.desk.lease(1));
            let request = Request::of(lease, wants);
            let mut taken = match known.iter().any(Option::is_some) {
                // What is known of a window is said by one.
                true => asker.tell(request, known).await?,
                false => self.together(&asker, request).await?,
            };
            if let Some((at, _)) = taken.refused {
                let spare = wants
                    .get(at)
                    .is_some_and(|want| self.desk.spares.give_back(want));
                if spare || !self.post.is_empty() {
                    // What nobody needs here, and what requests that are over gave back, must be there first.
                    self.post.written().await;
                    let request = Request::of(lease, wants);
                    taken = self.together(&asker, request).await?;
                }
            }
            if taken.refused.is_none() {
                self.opened(wants, &taken);
            }
            Some(taken)
        })
    }

    fn take_at_once(&self, wants: &[Want]) -> Option<Taken> {
        let taken = self.desk.spare(wants)?;
        self.opened(wants, &taken);
        Some(taken)
    }

    fn end(&self, lease: u64, ended: Vec<Ended>) {
        self.open.lock().remove(&lease);
        self.post.send(Letter { lease, ended });
    }

    fn instances(&self) -> u64 {
        self.desk.board.instances()
    }

    fn epoch(&self) -> u64 {
        self.desk.line.found()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            self.desk.spares.close();
            self.post.written().await;
        })
    }
}

impl Open {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Slots>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Counters").field(&self.desk.line).finish()
    }
}

/// Where a counter has its window and its slots: in one place of a cluster.
fn keys(line: &RedisLine, scope: &str, id: &str) -> (String, String) {
    let counter = [line.namespace(), ":{", scope, ":", id, "}:"].concat();
    let slots = [&counter, "slots"].concat();
    (counter + "window", slots)
}

/// A request's name among those of all instances.
fn name(line: &RedisLine, lease: u64) -> String {
    format!("{}:{lease}", line.name())
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
