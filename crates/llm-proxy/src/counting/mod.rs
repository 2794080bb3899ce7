//! Limits that several gateways count together, over the connection to Redis that their routers share.

mod letters;
mod numbers;
mod script;
mod take;

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use llm_governance::limits::{BoxFuture, CaughtUp, Ended, Kind, SharedCounts, Taken, Want};
use llm_ledger::Gather;
use llm_router::{Board, RedisLine, Router};
use tokio::sync::mpsc;

use crate::state::Gateway;
use letters::{Letter, Unsent};
use take::{Bound, Request};

/// How long a request counts as under way without a sign of life from its gateway.
const LEASE: Duration = Duration::from_secs(30);

/// Requests that are counted in one round trip, at most.
const TOGETHER: usize = 32;

/// What waits to be written at most; beyond, slots come back when their lease ends.
const BACKLOG: usize = 65_536;

/// Counters in Redis.
struct Counters {
    line: RedisLine,
    board: Arc<Board>,
    next: AtomicU64,
    asking: Arc<Gather<Arc<[Bound]>, Request, Option<Taken>>>,
    open: Open,
    outbox: mpsc::Sender<Letter>,
    unsent: Arc<Unsent>,
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
    let counters = line.clone().map(|line| Counters::over(line, router));
    governance.count_together(counters.map(|counters| counters as Arc<dyn SharedCounts>));
    line
}

impl Counters {
    fn over(line: RedisLine, router: &Router) -> Arc<Self> {
        let (outbox, inbox) = mpsc::channel(BACKLOG);
        let (open, unsent) = (Open::default(), Arc::<Unsent>::default());
        tokio::spawn(letters::write(
            line.clone(),
            open.clone(),
            inbox,
            Arc::clone(&unsent),
        ));
        Arc::new(Self {
            line,
            board: Arc::clone(router.board()),
            next: AtomicU64::new(0),
            asking: Arc::new(Gather::new(TOGETHER)),
            open,
            outbox,
            unsent,
        })
    }
}

impl Counters {
    /// Takes what a request wants, with others that are limited by the same.
    async fn together(&self, wants: &[Want], request: Request) -> Option<Taken> {
        let bounds: Arc<[Bound]> = wants.iter().map(Bound::of).collect();
        let ask = {
            let (line, wants): (_, Arc<[Want]>) = (self.line.clone(), wants.into());
            move |requests: Vec<Request>| {
                let (line, wants) = (line.clone(), Arc::clone(&wants));
                async move {
                    let taken = take::ask(&line, &wants, &[], &requests).await;
                    match taken {
                        Some(taken) => taken.into_iter().map(Some).collect(),
                        None => requests.iter().map(|_| None).collect(),
                    }
                }
            }
        };
        self.asking.ask(bounds, request, ask).await?
    }
}

impl SharedCounts for Counters {
    fn take<'a>(
        &'a self,
        wants: &'a [Want],
        known: &'a [Option<CaughtUp>],
    ) -> BoxFuture<'a, Option<Taken>> {
        Box::pin(async move {
            let lease = self.next.fetch_add(1, Ordering::Relaxed);
            let request = Request::of(lease, wants);
            let mut taken = match known.iter().any(Option::is_some) {
                // What is known of a window is said by one.
                true => take::ask(&self.line, wants, known, &[request])
                    .await?
                    .pop()?,
                false => self.together(wants, request).await?,
            };
            if taken.refused.is_some() && !self.unsent.is_empty() {
                // What requests that are over here gave back must be there first.
                self.unsent.written().await;
                taken = self.together(wants, Request::of(lease, wants)).await?;
            }
            if taken.refused.is_none() {
                let limited = wants
                    .iter()
                    .filter(|want| want.limits[Kind::Parallel as usize].is_some());
                let slots: Slots = limited
                    .map(|want| (want.scope, Arc::clone(&want.id)))
                    .collect();
                if !slots.is_empty() {
                    self.open.lock().insert(lease, slots);
                }
            }
            Some(taken)
        })
    }

    fn end(&self, lease: u64, ended: Vec<Ended>) {
        self.open.lock().remove(&lease);
        self.unsent.add();
        if self.outbox.try_send(Letter { lease, ended }).is_err() {
            self.unsent.sent(1);
        }
    }

    fn instances(&self) -> u64 {
        self.board.instances()
    }

    fn epoch(&self) -> u64 {
        self.line.found()
    }
}

impl Open {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Slots>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Counters").field(&self.line).finish()
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
