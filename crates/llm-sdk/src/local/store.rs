//! Where files and batches are kept: what a folder, or a database that several instances share, has to do.

use std::fmt;

use async_trait::async_trait;
use bytes::Bytes;
use llm_providers::{Error, Kind};
use serde::{Deserialize, Serialize};

use super::Batch;

/// How long a file's pieces are; the last one is shorter.
pub const PIECE: usize = 512 << 10;

/// About as many bytes of answers are read at a time.
pub const ANSWERS: usize = 1 << 20;

/// How long batches stay when they are over, and the files of their answers, in seconds, unless it is said otherwise.
pub const BATCHES_STAY: u64 = 30 * 24 * 3600;

/// What is known of a file. Times are seconds since 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptFile {
    /// Its id.
    pub id: String,
    /// Its name.
    pub filename: String,
    /// What it is for.
    pub purpose: String,
    /// How long it is.
    pub bytes: u64,
    /// When it was made.
    pub created_at: u64,
    /// When it goes, if it does by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
    /// The name that it is kept under; `None`: it is everybody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
}

/// Which files or batches are asked for, the newest first unless it is said otherwise.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// Those for this purpose.
    pub purpose: Option<String>,
    /// Those under this name, and those under none.
    pub owner: Option<String>,
    /// Those behind this one.
    pub after: Option<String>,
    /// The oldest first.
    pub oldest_first: bool,
    /// As many at most.
    pub limit: usize,
    /// Those that have not expired by then.
    pub now: u64,
}

/// Keeps files in pieces of [`PIECE`] bytes.
#[async_trait]
pub trait FileStore: Send + Sync + fmt::Debug {
    /// Makes room for a file, which nobody sees before it is shown. One that was begun before stays, and its pieces are
    /// written over. Refused with [`full`] where `file.bytes` more would be too much.
    async fn begin(&self, file: &KeptFile) -> Result<(), Error>;

    /// Keeps a piece of a file that was begun: number 0 first, then 1, and so on.
    async fn write(&self, id: &str, number: u64, piece: Bytes) -> Result<(), Error>;

    /// Shows a file whose pieces are there, and lasts.
    async fn show(&self, file: &KeptFile) -> Result<(), Error>;

    /// A piece; `None` behind the last one.
    async fn read(&self, id: &str, number: u64) -> Result<Option<Bytes>, Error>;

    /// What is known of a file that is shown.
    async fn get(&self, id: &str) -> Result<Option<KeptFile>, Error>;

    /// The files that are shown.
    async fn list(&self, listing: &Listing) -> Result<Vec<KeptFile>, Error>;

    /// Removes a file; says whether it was shown.
    async fn remove(&self, id: &str) -> Result<bool, Error>;

    /// Removes some of what has expired, and of what was begun and not shown a day later.
    async fn sweep(&self, now: u64) -> Result<(), Error>;
}

/// Who works on a batch, and until when nobody else does. Times are milliseconds since 1970.
#[derive(Debug, Clone, Copy)]
pub struct Tenure<'a> {
    /// Who.
    pub runner: &'a str,
    /// The time now.
    pub now: u64,
    /// The end of it.
    pub until: u64,
}

/// What came of a line of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LineAnswer {
    /// The line's number in the input, from 1 on.
    pub line: u64,
    /// Whether it succeeded.
    pub good: bool,
    /// The line of the output: a JSON object without a newline.
    pub text: String,
}

/// Keeps batches, and the answers to their lines until they are over.
#[async_trait]
pub trait BatchStore: Send + Sync + fmt::Debug {
    /// Keeps a new batch, which nobody works on yet.
    async fn make(&self, batch: &Batch) -> Result<(), Error>;

    /// A batch, with as many answers counted as there are.
    async fn get(&self, id: &str) -> Result<Option<Batch>, Error>;

    /// The batches.
    async fn list(&self, listing: &Listing) -> Result<Vec<Batch>, Error>;

    /// Notes that a batch that is not over shall stop.
    async fn cancel(&self, id: &str, now: u64) -> Result<(), Error>;

    /// Takes on the oldest batch that is not over and that nobody works on.
    async fn claim(&self, tenure: Tenure<'_>) -> Result<Option<Batch>, Error>;

    /// Goes on with a batch until a later time, and says whether it shall stop; `None`: it is somebody else's by now.
    async fn renew(&self, id: &str, tenure: Tenure<'_>) -> Result<Option<bool>, Error>;

    /// Writes down where a batch is; says whether it is still `runner`'s. One that is over has no answers any more.
    async fn save(&self, batch: &Batch, runner: &str) -> Result<bool, Error>;

    /// Keeps the answer to a line, if it has none and the batch is `runner`'s; says whether it is kept now.
    async fn answer(&self, id: &str, runner: &str, answer: &LineAnswer) -> Result<bool, Error>;

    /// Which lines are answered.
    async fn lines(&self, id: &str) -> Result<Vec<u64>, Error>;

    /// Some answers from a place on (0: the first), and the place behind them; `None`: these are the last. The order is
    /// always the same.
    async fn answers(&self, id: &str, from: u64) -> Result<(Vec<LineAnswer>, Option<u64>), Error>;

    /// Removes what a process that ended left behind, and some of the batches that were over by `ended`, in seconds since
    /// 1970.
    async fn sweep(&self, ended: u64) -> Result<(), Error>;
}

impl Listing {
    /// The part of `all` that is asked for, by when each was made and its id, and by whose it is.
    pub(super) fn cut<T>(
        &self,
        mut all: Vec<T>,
        place: impl Fn(&T) -> (u64, &str),
        owner: impl Fn(&T) -> Option<&str>,
    ) -> Vec<T> {
        if let Some(only) = &self.owner {
            all.retain(|one| owner(one).is_none_or(|owner| owner == only));
        }
        all.sort_by(|a, b| match self.oldest_first {
            true => place(a).cmp(&place(b)),
            false => place(b).cmp(&place(a)),
        });
        if let Some(after) = &self.after {
            let at = all.iter().position(|one| place(one).1 == after);
            all.drain(..at.map_or(all.len(), |at| at + 1));
        }
        all.truncate(self.limit);
        all
    }
}

impl KeptFile {
    /// Whether it has expired.
    pub(super) fn is_gone(&self, now: u64) -> bool {
        self.expires_at.is_some_and(|end| end <= now)
    }
}

/// Why a file of `bytes` is not kept where `most` are kept at most.
pub fn full(bytes: u64, most: u64) -> Error {
    let message = format!(
        "there is no room for {bytes} bytes more: files of {most} bytes are kept here at most, and some must be deleted first"
    );
    let mut error = Error::new(Kind::BadRequest, message);
    error.status = Some(http::StatusCode::PAYLOAD_TOO_LARGE);
    error.param = Some("file".to_owned());
    error.code = Some("storage_full".to_owned());
    error
}
