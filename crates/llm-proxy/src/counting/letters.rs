//! What is told to Redis behind requests' backs: how they ended, and that others are still under way.

use std::{
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

use super::{LEASE, Open, keys, millis, name, script};

/// How a request ended.
#[derive(Debug)]
pub(super) struct Letter {
    pub(super) lease: u64,
    pub(super) ended: Vec<Ended>,
}

/// How many letters are not written yet.
#[derive(Debug, Default)]
pub(super) struct Unsent {
    letters: AtomicU64,
    none: Notify,
}

/// How often requests under way are kept alive.
const BEAT: Duration = Duration::from_secs(10);

/// Letters, and signs of life, in one script at most.
const BATCH: usize = 64;

impl Unsent {
    pub(super) fn add(&self) {
        self.letters.fetch_add(1, Ordering::AcqRel);
    }

    pub(super) fn sent(&self, letters: u64) {
        if self.letters.fetch_sub(letters, Ordering::AcqRel) == letters {
            self.none.notify_waiters();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.letters.load(Ordering::Acquire) == 0
    }

    /// Waits until all that was posted before is written, or more came meanwhile than can be.
    pub(super) async fn written(&self) {
        let none = async {
            loop {
                let none = self.none.notified();
                if self.is_empty() {
                    return;
                }
                none.await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_millis(100), none).await;
    }
}

/// Writes what is posted, as much as there is at a time, and ends when nobody can post any more.
pub(super) async fn write(
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
            }
            _ = beat.tick() => renew(&line, &open).await,
        }
    }
}

async fn deliver(line: &RedisLine, letters: &[Letter]) {
    let mut end = script::END.prepare_invoke();
    for letter in letters {
        let lease = name(line, letter.lease);
        for ended in &letter.ended {
            let (window, slots) = keys(line, ended.scope, &ended.id);
            end.key(window).key(slots);
            end.arg(&lease).arg(ended.begun);
            // Of those under way a slot is gone or not: nothing is added.
            for change in ended.change.iter().skip(1) {
                end.arg(change);
            }
        }
    }
    // While Redis is away, leases end by themselves, and what was held counts as used.
    let _: Option<i64> = line
        .ask(|mut connection| async move { end.invoke_async(&mut connection).await })
        .await;
}

async fn renew(line: &RedisLine, open: &Open) {
    let all: Vec<(u64, Vec<String>)> = {
        let open = open.lock();
        open.iter()
            .map(|(lease, slots)| (*lease, slots.clone()))
            .collect()
    };
    for some in all.chunks(BATCH) {
        let mut renew = script::RENEW.prepare_invoke();
        renew.arg(millis(LEASE));
        for (lease, slots) in some {
            // One that ended meanwhile must not come back: its letter is read after this.
            for slots in slots {
                renew.key(slots).arg(name(line, *lease));
            }
        }
        let _: Option<i64> = line
            .ask(|mut connection| async move { renew.invoke_async(&mut connection).await })
            .await;
    }
}
