//! What the gateway keeps itself, in its database: every instance over the same database knows it.

mod batches;
mod files;
#[cfg(test)]
mod laws;
mod responses;

use std::{sync::Arc, time::Duration};

use llm_providers::{Error, Kind};
use llm_sdk::{BATCHES_STAY, Clerk, Engine, LocalBatches};
use llm_store::{Moment, Store};

use batches::KeptBatches;
use files::KeptFiles;
use responses::KeptResponses;

/// How much is kept at most, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptLimits {
    /// Bytes of all files (`kept_files_max_size_mb`).
    pub files: u64,
    /// Bytes of all responses (`kept_responses_max_size_mb`).
    pub responses: u64,
    /// How long a batch stays when it is over, and its files of answers, in seconds (`kept_batches_max_age`).
    pub batches: u64,
}

impl Default for KeptLimits {
    fn default() -> Self {
        Self {
            files: 10 << 30,
            responses: 1 << 30,
            batches: BATCHES_STAY,
        }
    }
}

/// When it is asked again whether the database is back.
const AGAIN: Duration = Duration::from_secs(2);

/// An engine that keeps in the database what no vendor does.
pub(crate) fn in_database(
    store: &Store,
    limits: KeptLimits,
    engine: Engine,
    clerk: Arc<dyn Clerk>,
) -> Engine {
    let files = KeptFiles::new(store.clone(), limits.files);
    let batches = KeptBatches::new(store.clone());
    let (files, batches) = (Arc::new(files), Arc::new(batches));
    let local = LocalBatches::over(files, batches, clerk, limits.batches);
    let responses = KeptResponses::new(store.clone(), limits.responses);
    engine.remembering(Arc::new(responses)).batching(local)
}

/// What a caller is told of a database that did not do its part.
fn refused(error: llm_store::Error) -> Error {
    let mut told = match error.is_unavailable() {
        true => Error::new(
            Kind::Overloaded,
            "the gateway's database is away: what is kept in it cannot be reached for now",
        ),
        false => Error::new(
            Kind::Upstream,
            "the gateway's database refused what was to be kept in it",
        ),
    };
    told.retry_after = error.is_unavailable().then_some(AGAIN);
    told.because(error)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

fn unsigned(number: i64) -> u64 {
    u64::try_from(number).unwrap_or_default()
}

fn moment(seconds: u64) -> Moment {
    Moment(signed(seconds).saturating_mul(1000))
}

fn seconds(moment: Moment) -> u64 {
    unsigned(moment.0 / 1000)
}
