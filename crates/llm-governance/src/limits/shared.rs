//! Where several instances count together.

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use super::{Counts, Kind, Want};

/// A future on the heap.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Counters that several instances share. They decide all that a request wants at once, and are waited for a bounded time.
pub trait SharedCounts: Send + Sync + fmt::Debug {
    /// Takes all of `wants` or none of them. `known` has, for each, what this instance alone knows of it. `None`: the
    /// counters are away, and nothing was taken as far as anybody knows.
    fn take<'a>(
        &'a self,
        wants: &'a [Want],
        known: &'a [Option<CaughtUp>],
    ) -> BoxFuture<'a, Option<Taken>>;

    /// Takes all of `wants` out of what was counted beforehand, where there is such. Asks nobody.
    fn take_at_once(&self, wants: &[Want]) -> Option<Taken>;

    /// A request that was let in is over. Never waits.
    fn end(&self, lease: u64, ended: Vec<Ended>);

    /// How many instances there are, as far as they were heard of.
    fn instances(&self) -> u64;

    /// Another number after each time that the counters were away: they may have forgotten.
    fn epoch(&self) -> u64;

    /// Gives back what was counted beforehand, and waits for a bounded time until they know how requests ended.
    fn close(&self) -> BoxFuture<'_, ()>;
}

/// What the counters say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The request's name in them.
    pub lease: u64,
    /// Which of the wants has no room left, and for what; `None`: all were taken.
    pub refused: Option<(usize, Kind)>,
    /// How each of the wants stands now.
    pub standings: Vec<Standing>,
    /// How much was counted for it, of each want, where that was done beforehand: what it asks for or more.
    pub counted: Option<Arc<[Counts]>>,
}

/// How one counter stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// When its window began, in milliseconds by the counters' clock.
    pub begun: u64,
    /// Until its window ends.
    pub ends_in: Duration,
    /// What is gone of it.
    pub counts: Counts,
    /// What of that this instance counted beforehand, for requests that nobody has made yet.
    pub spare: Counts,
}

impl Standing {
    /// What requests have taken of it.
    pub(super) fn taken(&self) -> Counts {
        let mut taken = self.counts;
        for (taken, spare) in taken.iter_mut().zip(self.spare) {
            *taken = taken.saturating_sub(spare);
        }
        taken
    }
}

/// What an instance knows of a window that the counters may not: they were away, or have forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CaughtUp {
    /// When the window began by the counters' clock, if they ever said.
    pub begun: Option<u64>,
    /// How long ago it began.
    pub age: Duration,
    /// What was gone of it when they said so last.
    pub seen: Counts,
    /// What was counted without them since.
    pub apart: Counts,
}

/// What becomes of one counter when a request ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Whose.
    pub scope: &'static str,
    /// Which one.
    pub id: Arc<str>,
    /// The window that it counts in, by the counters' clock. A late end does not count in the next one.
    pub begun: u64,
    /// What is added to it.
    pub change: [i64; Kind::ALL.len()],
}
