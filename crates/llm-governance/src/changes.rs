//! What other instances changed: asked of the database several times a second, where it has several instances.

use std::{
    collections::HashSet,
    sync::{
        Weak,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use llm_store::{Dialect, Moment};

use crate::governance::Inner;

/// How often the database is asked: a change is known everywhere well within a second.
const EVERY: Duration = Duration::from_millis(400);

/// How far back it is asked: a change may be committed after later ones, and clocks differ.
const BACK: i64 = 60_000;

/// How long changes are kept.
const KEPT: i64 = 10 * 60_000;

/// Asks until the governance is gone.
pub(crate) async fn follow(governance: Weak<Inner>) {
    let mut seen: HashSet<String> = HashSet::new();
    let mut rounds = 0_u32;
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(inner) = governance.upgrade() else {
            return;
        };
        let store = inner.store.clone();
        if store.dialect() == Dialect::Sqlite {
            let well = store.ping().await.is_ok();
            say(&inner.database_up, well);
            continue;
        }
        let now = Moment::now();
        let changes = tokio::time::timeout(EVERY * 3, store.changes_since(now.plus(-BACK))).await;
        let Ok(Ok(changes)) = changes else {
            say(&inner.database_up, false);
            continue;
        };
        if !say(&inner.database_up, true) {
            // What was changed in the meantime may be too long ago to be told.
            inner.directory.forget_all();
            inner.tell_all();
        }
        let present: HashSet<String> = changes.iter().map(|change| change.id.clone()).collect();
        for change in changes {
            if !seen.contains(&change.id) {
                inner.directory.forget(&change.table, &change.object);
                inner.tell(&change.table, &change.object);
            }
        }
        seen = present;
        rounds = rounds.wrapping_add(1);
        if rounds.is_multiple_of(500) {
            let _ = store.forget_changes(now.plus(-KEPT)).await;
        }
    }
}

/// Notes how the database is; logs a change of that once. Answers how it was.
fn say(up: &AtomicBool, now: bool) -> bool {
    let before = up.swap(now, Ordering::AcqRel);
    match (before, now) {
        (true, false) => tracing::warn!("the database cannot be reached"),
        (false, true) => tracing::info!("the database answers again"),
        _ => {}
    }
    before
}
