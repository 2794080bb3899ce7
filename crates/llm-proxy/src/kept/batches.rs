//! Batches in the database.

use async_trait::async_trait;
use llm_providers::Error;
use llm_sdk::{ANSWERS, Batch, BatchStore, LineAnswer, Listing, Tenure};
use llm_store::{Moment, Store, kept};

use super::{files::page, moment, refused, seconds, signed, unsigned};

/// Keeps batches.
#[derive(Debug)]
pub(super) struct KeptBatches {
    store: Store,
    /// This instance, among those that remove what is old.
    name: String,
}

/// The name of removing what is old: one instance does it at a time.
const JOB: &str = "kept_batches";
/// How long that takes at most, in milliseconds.
const AT_MOST: i64 = 300_000;
/// Batches that are removed at a time, and how many times.
const AT_ONCE: i64 = 100;
const ROUNDS: usize = 50;

impl KeptBatches {
    pub(super) fn new(store: Store) -> Self {
        Self {
            store,
            name: uuid::Uuid::new_v4().simple().to_string(),
        }
    }
}

/// A batch with what others than its runner know of it.
fn known(row: kept::Batch) -> Result<Batch, Error> {
    let mut batch: Batch =
        serde_json::from_str(&row.state).map_err(|error| Error::decode("", error))?;
    batch.cancelling_at = row.cancelling_at.map(seconds);
    if !row.is_over {
        batch.completed = unsigned(row.completed);
        batch.failed = unsigned(row.failed);
    }
    Ok(batch)
}

fn state(batch: &Batch) -> Result<String, Error> {
    serde_json::to_string(batch).map_err(|error| Error::decode("", error))
}

fn held(tenure: Tenure<'_>) -> kept::Tenure<'_> {
    kept::Tenure {
        runner: tenure.runner,
        now: Moment(signed(tenure.now)),
        until: Moment(signed(tenure.until)),
    }
}

#[async_trait]
impl BatchStore for KeptBatches {
    async fn make(&self, batch: &Batch) -> Result<(), Error> {
        let (state, made) = (state(batch)?, moment(batch.created_at));
        let owner = batch.whose.as_deref();
        let made = self.store.make_batch(&batch.id, &state, made, owner);
        made.await.map_err(refused)
    }

    async fn get(&self, id: &str) -> Result<Option<Batch>, Error> {
        let row = self.store.batch(id).await.map_err(refused)?;
        row.map(known).transpose()
    }

    async fn list(&self, listing: &Listing) -> Result<Vec<Batch>, Error> {
        let rows = self.store.batches(&page(listing)).await;
        rows.map_err(refused)?.into_iter().map(known).collect()
    }

    async fn cancel(&self, id: &str, now: u64) -> Result<(), Error> {
        let noted = self.store.cancel_batch(id, moment(now)).await;
        noted.map_err(refused)
    }

    async fn claim(&self, tenure: Tenure<'_>) -> Result<Option<Batch>, Error> {
        let row = self.store.claim_batch(held(tenure)).await;
        row.map_err(refused)?.map(known).transpose()
    }

    async fn renew(&self, id: &str, tenure: Tenure<'_>) -> Result<Option<bool>, Error> {
        let renewed = self.store.renew_batch(id, held(tenure)).await;
        renewed.map_err(refused)
    }

    async fn save(&self, batch: &Batch, runner: &str) -> Result<bool, Error> {
        let state = state(batch)?;
        let ended = batch.ended_at().map(moment);
        let saved = self.store.save_batch(&batch.id, runner, &state, ended);
        saved.await.map_err(refused)
    }

    async fn answer(&self, id: &str, runner: &str, answer: &LineAnswer) -> Result<bool, Error> {
        let answer = kept::LineAnswer {
            line: signed(answer.line),
            good: answer.good,
            text: answer.text.clone(),
        };
        let added = self.store.add_answer(id, runner, &answer).await;
        added.map_err(refused)
    }

    async fn lines(&self, id: &str) -> Result<Vec<u64>, Error> {
        let lines = self.store.answered_lines(id).await.map_err(refused)?;
        Ok(lines.into_iter().map(unsigned).collect())
    }

    async fn answers(&self, id: &str, from: u64) -> Result<(Vec<LineAnswer>, Option<u64>), Error> {
        let read = self.store.line_answers(id, signed(from), ANSWERS as i64);
        let (rows, next) = read.await.map_err(refused)?;
        let told = |row: kept::LineAnswer| LineAnswer {
            line: unsigned(row.line),
            good: row.good,
            text: row.text,
        };
        Ok((rows.into_iter().map(told).collect(), next.map(unsigned)))
    }

    async fn sweep(&self, ended: u64) -> Result<(), Error> {
        let now = Moment::now();
        let begun = self
            .store
            .begin_job(JOB, &self.name, now.plus(AT_MOST), now);
        if !begun.await.map_err(refused)? {
            return Ok(());
        }
        let swept = self.swept(moment(ended)).await;
        let ended = self.store.end_job(JOB, &self.name, now).await;
        swept.and(ended).map_err(refused)
    }
}

impl KeptBatches {
    async fn swept(&self, ended: Moment) -> Result<(), llm_store::Error> {
        self.store.sweep_batches().await?;
        for _ in 0..ROUNDS {
            // Other writers go between.
            if self.store.forget_batches(ended, AT_ONCE).await? < AT_ONCE.unsigned_abs() {
                break;
            }
        }
        Ok(())
    }
}
