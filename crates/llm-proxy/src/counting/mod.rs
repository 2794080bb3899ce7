//! Limits that several gateways count together, over the connection to Redis that their routers share.

mod letters;
mod script;

use std::{
    collections::HashMap,
    fmt,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use llm_governance::limits::{
    BoxFuture, CaughtUp, Counts, Ended, Kind, SharedCounts, Standing, Taken, Want,
};
use llm_router::{Board, RedisLine, Router};
use redis::{RedisResult, aio::MultiplexedConnection};
use tokio::sync::mpsc;

use crate::state::Gateway;
use letters::{Letter, Unsent};

/// How long a request counts as under way without a sign of life from its gateway.
const LEASE: Duration = Duration::from_secs(30);

/// What waits to be written at most; beyond, slots come back when their lease ends.
const BACKLOG: usize = 65_536;

/// Counters in Redis.
struct Counters {
    line: RedisLine,
    board: Arc<Board>,
    next: AtomicU64,
    open: Open,
    outbox: mpsc::Sender<Letter>,
    unsent: Arc<Unsent>,
}

/// Where requests under way have their slots.
#[derive(Clone, Default)]
struct Open(Arc<Mutex<HashMap<u64, Vec<String>>>>);

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
            open,
            outbox,
            unsent,
        })
    }

    async fn ask(
        &self,
        connection: MultiplexedConnection,
        lease: u64,
        wants: &[Want],
        known: &[Option<CaughtUp>],
    ) -> RedisResult<Taken> {
        let mut take = script::TAKE.prepare_invoke();
        take.arg(name(&self.line, lease)).arg(millis(LEASE));
        for (at, want) in wants.iter().enumerate() {
            let (window, slots) = keys(&self.line, want.scope, &want.id);
            take.key(window).key(slots).arg(millis(want.window));
            for limit in want.limits {
                take.arg(limit.map_or(-1, signed));
            }
            for asked in want.asks {
                take.arg(signed(asked));
            }
            match known.get(at).copied().flatten() {
                None => drop(take.arg(0)),
                Some(known) => {
                    take.arg(1).arg(known.begun.map_or(-1, signed));
                    take.arg(millis(known.age));
                    for count in known.seen.into_iter().chain(known.apart) {
                        take.arg(signed(count));
                    }
                }
            }
        }
        let mut connection = connection;
        let answer: Vec<i64> = take.invoke_async(&mut connection).await?;
        Ok(read(lease, &answer))
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
            let ask = |known: &'a [Option<CaughtUp>]| {
                self.line
                    .ask(move |connection| self.ask(connection, lease, wants, known))
            };
            let mut taken = ask(known).await?;
            if taken.refused.is_some() && !self.unsent.is_empty() {
                // What requests that are over here gave back must be there first.
                self.unsent.written().await;
                taken = ask(&[]).await?;
            }
            if taken.refused.is_none() {
                let limited = wants
                    .iter()
                    .filter(|want| want.limits[Kind::Parallel as usize].is_some());
                let slots: Vec<String> = limited
                    .map(|want| keys(&self.line, want.scope, &want.id).1)
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
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Vec<String>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Counters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Counters").field(&self.line).finish()
    }
}

/// What the script says: which want refuses (from 1; 0: none) and for what, then of each want the beginning of its window,
/// the time to its end, and its counts.
fn read(lease: u64, answer: &[i64]) -> Taken {
    let count = |number: i64| u64::try_from(number).unwrap_or(0);
    let (head, rest) = answer.split_at_checked(2).unwrap_or((answer, &[]));
    let refused = match head {
        [at, kind] => {
            let kind = usize::try_from(*kind).ok();
            let kind = kind.and_then(|kind| Kind::ALL.get(kind).copied());
            let at = usize::try_from(*at).ok();
            at.and_then(|at| at.checked_sub(1)).zip(kind)
        }
        _ => None,
    };
    let standings = rest.chunks_exact(2 + Kind::ALL.len()).map(|one| {
        let mut counts = Counts::default();
        for (to, from) in counts.iter_mut().zip(one.iter().skip(2)) {
            *to = count(*from);
        }
        Standing {
            begun: one.first().copied().map_or(0, count),
            ends_in: Duration::from_millis(one.get(1).copied().map_or(0, count)),
            counts,
        }
    });
    Taken {
        lease,
        refused,
        standings: standings.collect(),
    }
}

/// Where a counter has its window and its slots: in one place of a cluster.
fn keys(line: &RedisLine, scope: &str, id: &str) -> (String, String) {
    let namespace = line.namespace();
    (
        format!("{namespace}:{{{scope}:{id}}}:window"),
        format!("{namespace}:{{{scope}:{id}}}:slots"),
    )
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_the_script_are_read() {
        let taken = read(7, &[0, 0, 100, 60_000, 1, 2, 3, 4, 5, 6]);
        assert_eq!((taken.lease, taken.refused), (7, None));
        assert_eq!(taken.standings.len(), 1);
        assert_eq!(taken.standings[0].counts, [1, 2, 3, 4, 5, 6]);
        assert_eq!(taken.standings[0].ends_in, Duration::from_secs(60));
        let refused = read(7, &[2, 1]).refused;
        assert_eq!(refused, Some((1, Kind::Requests)));
        assert_eq!(read(7, &[1, 99]).refused, None);
    }
}
