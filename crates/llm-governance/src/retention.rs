//! Lets go of old spend rows, a few at a time, by one instance at a time. Sums of days and balances stay.

use std::{
    sync::Weak,
    time::{Duration, Instant},
};

use llm_ledger::Period;
use llm_store::{Moment, Store};
use uuid::Uuid;

use crate::governance::Inner;

/// How often it is looked whether work is due.
const LOOK: Duration = Duration::from_secs(60);

/// The name that the work goes by.
const JOB: &str = "spend_retention";

/// How long spend rows are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    /// How long (`maximum_spend_logs_retention_period`).
    pub keep: Period,
    /// How often old ones are let go (`maximum_spend_logs_retention_interval`).
    pub every: Period,
    /// Rows that go at once (`maximum_spend_logs_cleanup_batch_size`).
    pub batch: u32,
    /// Batches of one run at most (`maximum_spend_logs_cleanup_max_batches`).
    pub batches: u32,
    /// How long a run takes at most (`maximum_spend_logs_cleanup_run_budget`).
    pub budget: Duration,
    /// How long a batch takes at most (`maximum_spend_logs_cleanup_batch_timeout`).
    pub patience: Duration,
}

impl Retention {
    /// Rows are kept for this long; the rest is as usual.
    pub fn of(keep: Period, every: Period) -> Self {
        Self {
            keep,
            every,
            batch: 1_000,
            batches: 500,
            budget: Duration::from_secs(300),
            patience: Duration::from_secs(30),
        }
    }

    /// Lets go of the rows that are too old by `now`, if that is due and no other instance does it. Answers how many went.
    pub async fn run(
        &self,
        store: &Store,
        owner: &str,
        now: Moment,
    ) -> Result<u64, llm_store::Error> {
        let budget = i64::try_from(self.budget.as_millis()).unwrap_or(i64::MAX);
        let until = now.plus(budget.saturating_mul(2));
        if !store.begin_job(JOB, owner, until, now).await? {
            return Ok(0);
        }
        let gone = self.forget(store, now).await;
        store.end_job(JOB, owner, self.every.after(now)).await?;
        gone
    }

    async fn forget(&self, store: &Store, now: Moment) -> Result<u64, llm_store::Error> {
        let kept = self.keep.after(now).0.saturating_sub(now.0);
        let before = now.plus(kept.saturating_neg());
        let began = Instant::now();
        let mut gone = 0;
        for _ in 0..self.batches {
            let batch = store.forget_spend(before, i64::from(self.batch));
            let Ok(batch) = tokio::time::timeout(self.patience, batch).await else {
                tracing::warn!("old spend rows take too long to be let go; later again");
                break;
            };
            let batch = batch?;
            gone += batch;
            if batch < u64::from(self.batch) || began.elapsed() > self.budget {
                break;
            }
            // Requests that wait to be charged come first.
            tokio::task::yield_now().await;
        }
        Ok(gone)
    }
}

/// Runs when it is due, until the governance is gone.
pub(crate) async fn keep(governance: Weak<Inner>, retention: Retention) {
    let owner = Uuid::now_v7().to_string();
    let mut looks = tokio::time::interval(LOOK);
    looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let Some(inner) = governance.upgrade() else {
            return;
        };
        let store = inner.store.clone();
        drop(inner);
        match retention.run(&store, &owner, Moment::now()).await {
            Ok(0) => {}
            Ok(rows) => tracing::info!(rows, "old spend rows were let go"),
            Err(error) => tracing::warn!(%error, "old spend rows could not be let go"),
        }
    }
}
