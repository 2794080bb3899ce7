//! What is told to Redis behind requests' backs: how they ended, and that others are still under way.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use llm_governance::limits::Ended;
use llm_router::RedisLine;
use tokio::{
    sync::{Notify, mpsc},
    time::MissedTickBehavior,
};

use super::{LEASE, Open, Slots, keys, millis, name, numbers::Numbers, script, signed};

/// How a request ended.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) lease: u64,
    pub(super) ended: Vec<Ended>,
}

/// Where letters are posted.
#[derive(Debug)]
pub(super) struct Post {
    outbox: mpsc::Sender<Letter>,
    unsent: Arc<Unsent>,
}

/// How many letters are not written yet.
#[derive(Debug, Default)]
struct Unsent {
    letters: AtomicU64,
    none: Notify,
    hurry: Notify,
}

/// How often requests under way are kept alive.
const BEAT: Duration = Duration::from_secs(10);

/// What waits to be written at most; beyond, slots come back when their lease ends.
const BACKLOG: usize = 65_536;

/// Letters, and signs of life, in one script at most.
const BATCH: usize = 256;

/// How long others gather after a batch, unless somebody waits for them: what ends in the meantime goes together.
const GATHER: Duration = Duration::from_millis(5);

impl Post {
    /// A post whose letters are written for as long as anybody may post any.
    pub(super) fn over(line: RedisLine, open: Open) -> Self {
        let (outbox, inbox) = mpsc::channel(BACKLOG);
        let unsent = Arc::<Unsent>::default();
        tokio::spawn(write(line, open, inbox, Arc::clone(&unsent)));
        Self { outbox, unsent }
    }

    /// Never waits.
    pub(super) fn send(&self, letter: Letter) {
        self.unsent.letters.fetch_add(1, Ordering::AcqRel);
        if self.outbox.try_send(letter).is_err() {
            self.unsent.sent(1);
        }
    }

    /// Whether all is written.
    pub(super) fn is_empty(&self) -> bool {
        self.unsent.is_empty()
    }

    /// Waits until all that was posted before is written, or more came meanwhile than can be.
    pub(super) async fn written(&self) {
        self.unsent.written().await;
    }
}

impl Unsent {
    fn sent(&self, letters: u64) {
        if self.letters.fetch_sub(letters, Ordering::AcqRel) == letters {
            self.none.notify_waiters();
        }
    }

    fn is_empty(&self) -> bool {
        self.letters.load(Ordering::Acquire) == 0
    }

    /// Lets others gather.
    async fn gather(&self) {
        let _ = tokio::time::timeout(GATHER, self.hurry.notified()).await;
    }

    async fn written(&self) {
        let none = async {
            loop {
                let none = self.none.notified();
                if self.is_empty() {
                    return;
                }
                self.hurry.notify_one();
                none.await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_millis(100), none).await;
    }
}

/// Writes what is posted, as much as there is at a time, and ends when nobody can post any more.
async fn write(
    line: RedisLine,
    open: Open,
    mut inbox: mpsc::Receiver<Letter>,
    unsent: Arc<Unsent>,
) {
    let mut letters = Vec::with_capacity(BATCH);
    let mut beat = tokio::time::interval(BEAT);
    beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            came = inbox.recv_many(&mut letters, BATCH) => {
                if came == 0 {
                    return;
                }
                deliver(&line, &letters).await;
                letters.clear();
                unsent.sent(came as u64);
                if came < BATCH {
                    unsent.gather().await;
                }
            }
            _ = beat.tick() => renew(&line, &open).await,
        }
    }
}

async fn deliver(line: &RedisLine, letters: &[Letter]) {
    let mut counters: BTreeMap<(&str, &str), Numbers> = BTreeMap::new();
    for letter in letters {
        for ended in &letter.ended {
            let numbers = counters.entry((ended.scope, &*ended.id)).or_default();
            numbers.add(signed(letter.lease)).add(signed(ended.begun));
            // Of those under way a slot is gone or not: nothing is added.
            for change in ended.change.into_iter().skip(1) {
                numbers.add(change);
            }
        }
    }
    let mut end = script::END.prepare_invoke();
    end.arg(line.name());
    for ((scope, id), numbers) in counters {
        let (window, slots) = keys(line, scope, id);
        end.key(window).key(slots).arg(numbers.text());
    }
    // While Redis is away, leases end by themselves, and what was held counts as used.
    let _: Option<i64> = line
        .ask(|mut connection| async move { end.invoke_async(&mut connection).await })
        .await;
}

async fn renew(line: &RedisLine, open: &Open) {
    let all: Vec<(u64, Slots)> = {
        let open = open.lock();
        open.iter()
            .map(|(lease, slots)| (*lease, Slots::clone(slots)))
            .collect()
    };
    for some in all.chunks(BATCH) {
        let mut renew = script::RENEW.prepare_invoke();
        renew.arg(millis(LEASE));
        for (lease, slots) in some {
            // One that ended meanwhile must not come back: its letter is read after this.
            for (scope, id) in slots.iter() {
                renew.key(keys(line, scope, id).1).arg(name(line, *lease));
            }
        }
        let _: Option<i64> = line
            .ask(|mut connection| async move { renew.invoke_async(&mut connection).await })
            .await;
    }
}
