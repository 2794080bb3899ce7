use std::{
    fs::File,
    io::{self, Seek, Write},
    sync::{
        Arc,
        atomic::Ordering,
        mpsc::{Receiver, RecvTimeoutError},
    },
    time::Duration,
};

use llm_store::{Charged, Position};
use tokio::sync::oneshot;

use super::{Folder, State, frame, fresh, syncer::Syncer};
use crate::Error;

/// Records that share one write, at most.
const GROUP: usize = 1024;

/// How long the writer waits before it tries again.
const PAUSE: Duration = Duration::from_millis(100);

/// How often a writer that is told to end tries to write the rest.
const LAST_TRIES: usize = 20;

/// Takes records that the disk does not; says whether it did. It may block.
pub(crate) type Fallback = Box<dyn Fn(&[&[u8]]) -> bool + Send>;

pub(super) enum Entry {
    /// A framed record, what it says, and who waits for it.
    Record(Vec<u8>, Box<Charged>, oneshot::Sender<Result<(), Error>>),
    /// Nothing comes any more.
    Close,
}

/// Writes the journal, on a thread of its own.
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
}

#[derive(Default)]
struct Group {
    records: Vec<(Vec<u8>, Box<Charged>)>,
    waiting: Vec<oneshot::Sender<Result<(), Error>>>,
    closing: bool,
}

impl Group {
    fn add(&mut self, entry: Entry) {
        match entry {
            Entry::Record(frame, charged, done) => {
                self.records.push((frame, charged));
                self.waiting.push(done);
            }
            Entry::Close => self.closing = true,
        }
    }

    /// Takes what has come meanwhile.
    fn fill(&mut self, queue: &Receiver<Entry>) {
        while self.records.len() < GROUP
            && !self.closing
            && let Ok(entry) = queue.try_recv()
        {
            self.add(entry);
        }
    }
}

impl Writer {
    pub(super) fn run(mut self, queue: &Receiver<Entry>) {
        while let Ok(entry) = queue.recv() {
            let mut group = Group::default();
            group.add(entry);
            group.fill(queue);
            let outcome = self.write_until_done(&mut group, queue);
            for done in group.waiting {
                let answer = match &outcome {
                    Ok(()) => Ok(()),
                    Err(error) => Err(io::Error::new(error.kind(), error.to_string()).into()),
                };
                // A client that hung up does not wait, and its record lasts all the same.
                let _ = done.send(answer);
            }
            if group.closing {
                return;
            }
        }
    }

    /// Nobody is told that a record failed while it may yet succeed: it was spent, and has to be written down.
    fn write_until_done(&mut self, group: &mut Group, queue: &Receiver<Entry>) -> io::Result<()> {
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
            let records: Vec<&[u8]> = group
                .records
                .iter()
                .filter_map(|(frame, _)| frame::first(frame))
                .map(|(record, _)| record)
                .collect();
            let taken = (self.fallback)(&records);
            self.state.stuck.store(!taken, Ordering::Relaxed);
            if taken {
                return Ok(());
            }
            tries += 1;
            if group.closing && tries >= LAST_TRIES {
                return Err(error);
            }
            match queue.recv_timeout(PAUSE) {
                Ok(entry) => group.add(entry),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => group.closing = true,
            }
            group.fill(queue);
        }
    }

    fn write(&mut self, group: &mut Group) -> io::Result<()> {
        if group.records.is_empty() {
            return Ok(());
        }
        if self.length >= self.segment_bytes {
            self.next_segment()?;
        }
        let mut bytes =
            Vec::with_capacity(group.records.iter().map(|(frame, _)| frame.len()).sum());
        for (frame, _) in &group.records {
            bytes.extend_from_slice(frame);
        }
        let written = (&*self.file).write_all(&bytes);
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
        self.state
            .backlog
            .fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.tell();
        Ok(())
    }

    /// Keeps what was written for whoever brings it to the database.
    fn remember(&mut self, group: &mut Group) {
        for (frame, charged) in std::mem::take(&mut group.records) {
            let begins = self.position();
            let bytes = frame.len() as u64;
            self.length += bytes;
            let ends = self.position();
            self.state.fresh.add(fresh::Record {
                charged,
                after: self.after,
                begins,
                ends,
                bytes,
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
        self.tell();
        Ok(())
    }

    fn tell(&self) {
        self.state.written.send_replace(self.position());
    }

    /// The end of what is acknowledged.
    fn position(&self) -> Position {
        Position {
            segment: self.segment,
            offset: i64::try_from(self.length).unwrap_or(i64::MAX),
        }
    }
}
