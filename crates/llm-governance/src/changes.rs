//! What other instances changed: asked of the database several times a second, where it has several instances.

use std::{collections::HashSet, sync::Weak, time::Duration};

use llm_store::{Dialect, Moment, Store};

use crate::governance::Inner;

/// How often the database is asked: a change is known everywhere well within a second.
const EVERY: Duration = Duration::from_millis(400);

/// How long it may take to answer before it counts as away: readiness tells the truth within two seconds.
const PATIENCE: Duration = Duration::from_millis(1200);

/// How far back it is asked: a change may be committed after later ones, and clocks differ.
const BACK: i64 = 60_000;

/// How long changes are kept.
const KEPT: i64 = 10 * 60_000;

/// Asks until the governance is gone.
pub(crate) async fn follow(governance: Weak<Inner>) {
    let mut seen: HashSet<String> = HashSet::new();
    let (mut rounds, mut lost) = (0_u32, false);
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let Some(inner) = governance.upgrade() else {
            return;
        };
        let store = inner.store.clone();
        let there = tokio::time::timeout(PATIENCE, store.ping()).await;
        if !matches!(there, Ok(Ok(()))) {
            note(&store, true);
            continue;
        }
        let was_away = note(&store, false);
        if store.dialect() == Dialect::Sqlite {
            continue;
        }
        let now = Moment::now();
        let changes = tokio::time::timeout(PATIENCE, store.changes_since(now.plus(-BACK))).await;
        let Ok(Ok(changes)) = changes else {
            lost = true;
            continue;
        };
        if std::mem::take(&mut lost) || was_away {
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

/// Notes how the database is; logs a change of that once. Says whether it was away.
fn note(store: &Store, away: bool) -> bool {
    let before = store.set_away(away);
    match (before, away) {
        (false, true) => tracing::warn!("the database cannot be reached"),
        (true, false) => tracing::info!("the database answers again"),
        _ => {}
    }
    before
}
