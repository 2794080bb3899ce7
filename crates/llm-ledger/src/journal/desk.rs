//! Who writes: whoever wants a record written, at once, with all that wait beside it, where that takes no longer than to
//! wake a thread; and a thread, where the disk is slow, full or away, where a write has to be on the disk itself, and for what
//! falls due.

use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError},
};

use llm_store::Charged;
use tokio::sync::oneshot;

use super::{
    queue::Queue,
    writer::{GROUP, Writer},
};
use crate::Error;

/// Groups that one request writes for others, at most.
const ROUNDS: usize = 4;

/// Where records are handed in.
pub(super) struct Desk {
    pub(super) queue: Queue,
    writer: Mutex<Writer>,
}

impl fmt::Debug for Desk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}

/// A record on its way to the disk. Dropped, it is written all the same.
#[derive(Debug)]
pub(crate) struct Ticket {
    desk: Arc<Desk>,
    written: Option<oneshot::Receiver<Result<(), Error>>>,
}

impl Ticket {
    /// Waits until the record lasts.
    pub(crate) async fn written(mut self) -> Result<(), Error> {
        // Whoever ends in the same turn of the runtime shares the write.
        tokio::task::yield_now().await;
        self.desk.see_to_it();
        match self.written.take() {
            Some(written) => written.await.map_err(|_| Error::Closed)?,
            None => Err(Error::Closed),
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if self.written.is_some() && self.desk.queue.want() {
            self.desk.queue.wake();
        }
    }
}

impl Desk {
    pub(super) fn new(writer: Writer) -> Self {
        Self {
            queue: Queue::default(),
            writer: Mutex::new(writer),
        }
    }

    /// Takes a record.
    pub(super) fn add(self: &Arc<Self>, charged: Arc<Charged>) -> Ticket {
        Ticket {
            desk: Arc::clone(self),
            written: Some(self.queue.add(charged)),
        }
    }

    /// Writes what waits, or sees to it that somebody does.
    fn see_to_it(&self) {
        if !self.queue.want() {
            return;
        }
        for _ in 0..ROUNDS {
            let mut writer = match self.writer.try_lock() {
                Ok(writer) => writer,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                // Whoever writes looks again afterwards.
                Err(TryLockError::WouldBlock) => return,
            };
            if !writer.is_quick() {
                break;
            }
            let mut group = writer.group(self.queue.take(GROUP));
            match writer.write(&mut group) {
                Ok(()) => _ = writer.answer(group, &Ok(())),
                Err(error) => {
                    tracing::warn!(%error, "the journal was not written at once");
                    self.queue.put_back(group.into_entries());
                    break;
                }
            }
            drop(writer);
            if !self.queue.is_wanted() {
                return;
            }
        }
        self.queue.wake();
    }

    /// The thread's work, until the end.
    pub(super) fn run(&self) {
        loop {
            self.queue.wait();
            let mut writer = self.lock();
            let mut group = writer.group(self.queue.take(GROUP));
            let outcome = writer.write_until_done(&mut group, &self.queue);
            if writer.answer(group, &outcome) {
                // With its last sync.
                writer.syncer = None;
                return;
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Writer> {
        self.writer.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
