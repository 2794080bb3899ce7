use std::{
    fs::File,
    io::{self, Seek, Write},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use llm_store::{Charged, Position};

use super::{
    FULL, Folder, State, fresh,
    queue::{Done, Entry, Queue},
    record,
    syncer::Syncer,
};
use crate::Error;

/// Records that share one write, at most.
pub(super) const GROUP: usize = 1024;

/// Bytes that stay allocated between two groups, at most.
const KEPT: usize = 256 << 10;

/// How long the writer waits before it tries again.
const PAUSE: Duration = Duration::from_millis(100);

/// A write that takes longer says that the disk is busy.
const SLOW: Duration = Duration::from_millis(5);

/// How long a busy disk is believed to be so.
const BUSY: Duration = Duration::from_secs(1);

/// How often a writer that is told to end tries to write the rest.
const LAST_TRIES: usize = 20;

/// Takes charges that the disk does not; says whether it did. It may block.
pub(crate) type Fallback = Box<dyn Fn(&[Arc<Charged>]) -> bool + Send>;

/// Writes the journal. One at a time does: [`Desk`](super::desk::Desk) sees to it.
pub(super) struct Writer {
    pub(super) folder: Arc<Folder>,
    pub(super) file: Arc<File>,
    /// Where writes need not be on the disk before they are acknowledged.
    pub(super) syncer: Option<Syncer>,
    /// What the last record ended at.
    pub(super) after: Position,
    pub(super) segment: i64,
    /// Bytes of the file that are acknowledged.
    pub(super) length: u64,
    pub(super) segment_bytes: u64,
    pub(super) state: Arc<State>,
    pub(super) fallback: Fallback,
    /// The disk is busy until then.
    pub(super) busy: Option<Instant>,
    /// Room that grew once serves the next group, too.
    pub(super) room: Vec<u8>,
}

/// Records that share one write.
#[derive(Default)]
pub(super) struct Group {
    /// As they are written.
    frames: Vec<u8>,
    records: Vec<Arc<Charged>>,
    /// How long each is.
    lengths: Vec<u64>,
    waiting: Vec<Option<Done>>,
    is_last: bool,
}

impl Group {
    /// Their records, with who waits for them.
    pub(super) fn into_entries(self) -> impl DoubleEndedIterator<Item = Entry> {
        let entries = self.records.into_iter().zip(self.waiting);
        entries.map(|(charged, done)| Entry { charged, done })
    }

    fn add(&mut self, (entries, is_last): (Vec<Entry>, bool)) {
        self.is_last |= is_last;
        for Entry { mut charged, done } in entries {
            match record::add(&mut self.frames, &mut charged) {
                Ok(length) => {
                    self.records.push(charged);
                    self.lengths.push(length);
                    self.waiting.push(done);
                }
                Err(error) => {
                    tracing::error!(%error, id = charged.row.id, "a row of spending cannot be written");
                    done.map(|done| done.send(Err(error.into())));
                }
            }
        }
    }
}

impl Writer {
    /// Whether a write takes no longer than to copy some bytes, as far as is known.
    pub(super) fn is_quick(&self) -> bool {
        let is_busy = |until: Instant| Instant::now() < until;
        self.syncer.is_some()
            && self.length < self.segment_bytes
            && !self.state.is_failing()
            && !self.busy.is_some_and(is_busy)
    }

    /// Makes a group of these, and what answers them.
    pub(super) fn group(&mut self, taken: (Vec<Entry>, bool)) -> Group {
        let mut group = Group {
            frames: std::mem::take(&mut self.room),
            ..Group::default()
        };
        group.add(taken);
        group
    }

    /// Tells whoever waits how it ended; says whether that was the last group.
    pub(super) fn answer(&mut self, group: Group, outcome: &io::Result<()>) -> bool {
        for done in group.waiting.into_iter().flatten() {
            let answer = match outcome {
                Ok(()) => Ok(()),
                Err(error) => Err(Error::from(io::Error::new(error.kind(), error.to_string()))),
            };
            // A client that hung up does not wait, and its record lasts all the same.
            let _ = done.send(answer);
        }
        self.room = group.frames;
        self.room.clear();
        // Unless it was uncommonly large.
        self.room.shrink_to(KEPT);
        group.is_last
    }

    /// Nobody is told that a record failed while it may yet succeed: it was spent, and has to be written down.
    pub(super) fn write_until_done(&mut self, group: &mut Group, queue: &Queue) -> io::Result<()> {
        let mut tries = 0;
        loop {
            let Err(error) = self.write(group) else {
                self.state.failing.store(false, Ordering::Relaxed);
                self.state.stuck.store(false, Ordering::Relaxed);
                return Ok(());
            };
            if !self.state.failing.swap(true, Ordering::Relaxed) {
                tracing::error!(%error, "the journal cannot be written; trying the database instead, and again");
            }
            let taken = (self.fallback)(&group.records);
            self.state.stuck.store(!taken, Ordering::Relaxed);
            if taken {
                return Ok(());
            }
            tries += 1;
            if group.is_last && tries >= LAST_TRIES {
                return Err(error);
            }
            let room = GROUP.saturating_sub(group.records.len());
            group.add(queue.take_within(PAUSE, room));
        }
    }

    pub(super) fn write(&mut self, group: &mut Group) -> io::Result<()> {
        if group.records.is_empty() {
            return Ok(());
        }
        if self.length >= self.segment_bytes {
            self.next_segment()?;
        }
        let began = Instant::now();
        let written = (&*self.file).write_all(&group.frames);
        self.busy = (began.elapsed() >= SLOW).then(|| Instant::now() + BUSY);
        let written = written.and_then(|()| match &self.syncer {
            Some(_) => Ok(()),
            None => self.file.sync_data(),
        });
        if let Err(error) = written {
            self.forget_the_unfinished();
            return Err(error);
        }
        if let Some(syncer) = &self.syncer {
            syncer.written(&self.file);
        }
        self.remember(group);
        self.tell(group.frames.len() as u64);
        Ok(())
    }

    /// Keeps what was written for whoever brings it to the database.
    fn remember(&mut self, group: &mut Group) {
        let records = std::mem::take(&mut group.records);
        for (charged, bytes) in records.into_iter().zip(&group.lengths) {
            let begins = self.position();
            self.length += bytes;
            let ends = self.position();
            self.state.fresh.add(fresh::Record {
                charged,
                after: self.after,
                begins,
                ends,
                bytes: *bytes,
            });
            self.after = ends;
        }
    }

    /// After a failed sync nobody knows what is on the disk, and a second one may lie: the file ends where it was good,
    /// and the next record begins another.
    fn forget_the_unfinished(&mut self) {
        let _ = self.file.set_len(self.length);
        let _ = (&*self.file).seek(io::SeekFrom::Start(self.length));
        if let Err(error) = self.next_segment() {
            tracing::warn!(%error, "no new file for the journal");
        }
    }

    fn next_segment(&mut self) -> io::Result<()> {
        self.file = Arc::new(self.folder.create(self.segment + 1)?);
        self.segment += 1;
        self.length = 0;
        self.state.written.send_replace(self.position());
        Ok(())
    }

    /// Says how far the journal is. Whoever ships it is woken if there was nothing to ship, or is enough now.
    fn tell(&self, more: u64) {
        self.state.written.send_if_modified(|position| {
            *position = self.position();
            let before = self.state.backlog.fetch_add(more, Ordering::Relaxed);
            before == 0 || before + more >= FULL
        });
    }

    /// The end of what is acknowledged.
    fn position(&self) -> Position {
        Position {
            segment: self.segment,
            offset: i64::try_from(self.length).unwrap_or(i64::MAX),
        }
    }
}
