use std::{path::PathBuf, time::Duration};

/// How a ledger works.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder of the journal. It belongs to one process.
    pub journal: PathBuf,
    /// The most bytes that wait for the database before `overflow` applies.
    pub journal_bytes: u64,
    /// The size at which a new journal file begins.
    pub segment_bytes: u64,
    /// How long after it was written the journal is on the disk itself. What is written outlasts this process in any case;
    /// of a machine that loses its power the last moments may be missing. Nothing: before an answer's end is sent.
    pub sync_every: Duration,
    /// What happens to new requests while the journal is full.
    pub overflow: Overflow,
    /// What happens to requests whose price nobody knows.
    pub unpriced: Unpriced,
    /// How long a process that stopped is believed to live: what it held is returned after that.
    pub lease: Duration,
    /// How long a reservation waits for the database, and how long the end of the ledger does.
    pub patience: Duration,
    /// How long a request may hold money in any case.
    pub longest_request: Duration,
    /// Accounts kept in memory; beyond, those at rest are let go.
    pub accounts_in_memory: usize,
}

impl Settings {
    /// The usual time between a write to the journal and its sync.
    pub const SYNC_EVERY: Duration = Duration::from_millis(50);

    /// The usual settings, with the journal in `folder`.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self {
            journal: folder.into(),
            journal_bytes: 256 << 20,
            segment_bytes: 16 << 20,
            sync_every: Self::SYNC_EVERY,
            overflow: Overflow::Shed,
            unpriced: Unpriced::Allow,
            lease: Duration::from_secs(30),
            patience: Duration::from_secs(5),
            longest_request: Duration::from_secs(2 * 3600),
            accounts_in_memory: 200_000,
        }
    }
}

/// What happens to new requests while the journal is full or cannot be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// They are refused.
    Shed,
    /// They wait, at most this long.
    Block(Duration),
}

/// What happens to requests whose price nobody knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unpriced {
    /// They are refused.
    Block,
    /// They are served while every budget has something left, and charged what turns out to be known.
    Allow,
}
