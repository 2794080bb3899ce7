//! The journal: what is in it, lasts. Records are in the file before anybody is told so, many with one write, and on the disk
//! itself a moment later, or before, as the settings say.

mod desk;
mod folder;
mod frame;
mod fresh;
mod queue;
mod record;
mod syncer;
mod writer;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use llm_store::{Charged, Position};
use tokio::sync::{Notify, watch};

use crate::{Error, Settings, reservation::Sent};
use desk::Desk;
pub(crate) use desk::Ticket;
pub(crate) use folder::{Batch, Folder};
pub(crate) use fresh::{Fresh, Part};
pub(crate) use queue::Note;
use syncer::Syncer;
pub(crate) use writer::Fallback;
use writer::Writer;

/// Bytes that are worth a transaction of the database.
pub(crate) const FULL: u64 = 4 << 20;

/// A journal that is written to.
#[derive(Debug)]
pub(crate) struct Journal {
    desk: Arc<Desk>,
    /// How long a request that was sent may go unwritten.
    patience: Duration,
    pub(crate) state: Arc<State>,
    thread: std::sync::Mutex<Option<JoinHandle<()>>>,
}

/// What the writer says of the journal.
#[derive(Debug)]
pub(crate) struct State {
    /// All before this is written.
    pub(crate) written: watch::Sender<Position>,
    /// What was written last.
    pub(crate) fresh: Fresh,
    /// Somebody waits for the database to have it all.
    pub(crate) hurry: Notify,
    /// Bytes that the database does not have.
    backlog: AtomicU64,
    /// Whether the last attempt to write failed.
    failing: AtomicBool,
    /// Whether the database did not take it either.
    stuck: AtomicBool,
}

impl State {
    /// Bytes that the database does not have.
    pub(crate) fn backlog(&self) -> u64 {
        self.backlog.load(Ordering::Relaxed)
    }

    pub(crate) fn is_failing(&self) -> bool {
        self.failing.load(Ordering::Relaxed)
    }

    pub(crate) fn is_stuck(&self) -> bool {
        self.stuck.load(Ordering::Relaxed)
    }

    pub(crate) fn shipped(&self, bytes: u64) {
        let less = |backlog: u64| Some(backlog.saturating_sub(bytes));
        let _ = self
            .backlog
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
    }
}

impl Journal {
    /// Begins a new file behind those there are. `fallback` takes records that the disk does not.
    pub(crate) fn start(
        folder: Arc<Folder>,
        shipped: Position,
        settings: &Settings,
        fallback: Fallback,
    ) -> Result<Self, Error> {
        let last = folder.segments()?.last().copied().unwrap_or(0);
        let segment = last.max(shipped.segment) + 1;
        let backlog = folder.backlog(shipped)?;
        let state = Arc::new(State {
            written: watch::Sender::new(Position { segment, offset: 0 }),
            fresh: Fresh::default(),
            hurry: Notify::new(),
            backlog: AtomicU64::new(backlog),
            failing: AtomicBool::new(false),
            stuck: AtomicBool::new(false),
        });
        let file = Arc::new(folder.create(segment)?);
        let syncer = match settings.sync_every {
            Duration::ZERO => None,
            every => Some(Syncer::start(every)?),
        };
        let writer = Writer {
            folder,
            file,
            syncer,
            after: Position { segment, offset: 0 },
            segment,
            length: 0,
            segment_bytes: settings.segment_bytes,
            state: Arc::clone(&state),
            fallback,
            busy: None,
            room: Vec::new(),
        };
        let desk = Arc::new(Desk::new(writer));
        let thread = std::thread::Builder::new()
            .name("journal".to_owned())
            .spawn({
                let desk = Arc::clone(&desk);
                move || desk.run()
            })?;
        Ok(Self {
            desk,
            patience: settings.sync_every,
            state,
            thread: std::sync::Mutex::new(Some(thread)),
        })
    }

    /// Hands a record over. It will be written whether or not anybody waits for that.
    pub(crate) fn append(&self, charged: Charged) -> Ticket {
        self.desk.add(Arc::new(charged))
    }

    /// Hands over what is written only if it is not withdrawn soon.
    pub(crate) fn note(&self, sent: Box<Sent>) -> Arc<Note> {
        self.desk.queue.note(sent, Instant::now() + self.patience)
    }

    /// Writes what was handed over, and ends.
    pub(crate) fn close(&self) {
        self.desk.queue.close();
        let thread = self.thread.lock().ok().and_then(|mut thread| thread.take());
        if let Some(thread) = thread {
            // A writer that panicked has dropped its waiters, who know.
            let _ = thread.join();
        }
    }
}

impl Drop for Journal {
    /// What was handed over is written; nobody waits for that.
    fn drop(&mut self) {
        self.desk.queue.close();
    }
}

/// Opens a journal's folder.
pub(crate) fn folder(path: &Path, owner: &str) -> Result<Arc<Folder>, Error> {
    Folder::open(path, owner).map(Arc::new)
}
