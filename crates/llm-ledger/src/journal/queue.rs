//! What waits to be written.

use std::{
    collections::VecDeque,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use llm_store::Charged;
use tokio::sync::oneshot;

use crate::{Error, reservation::Sent};

/// How a write ended, for whoever waits for it.
pub(super) type Done = oneshot::Sender<Result<(), Error>>;

/// Hands records to whoever writes them, many at a time.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: Mutex<Waiting>,
    there: Condvar,
}

/// A record that waits to be written.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) charged: Arc<Charged>,
    pub(super) done: Option<Done>,
}

/// A request that was sent: it is written down unless it ends soon, as its end says everything.
#[derive(Debug, Default)]
pub(crate) struct Note(Mutex<Option<Box<Sent>>>);

#[derive(Debug, Default)]
struct Waiting {
    entries: VecDeque<Entry>,
    /// What is written when its time has come, the first to come first.
    notes: VecDeque<(Instant, Arc<Note>)>,
    /// Somebody waits for the entries.
    is_wanted: bool,
    is_closing: bool,
    /// The writer's thread sleeps, and until when at most.
    asleep: Option<Option<Instant>>,
}

impl Note {
    /// Its request has ended: it is not written any more. Says whether it was not before.
    pub(crate) fn withdraw(&self) -> bool {
        self.lock().take().is_some()
    }

    fn is_withdrawn(&self) -> bool {
        self.lock().is_none()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Box<Sent>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Takes a record; says what answers when it is written.
    pub(super) fn add(&self, charged: Arc<Charged>) -> oneshot::Receiver<Result<(), Error>> {
        let (done, written) = oneshot::channel();
        self.lock().entries.push_back(Entry {
            charged,
            done: Some(done),
        });
        written
    }

    /// Takes records back that could not be written: they are the next.
    pub(super) fn put_back(&self, entries: impl DoubleEndedIterator<Item = Entry>) {
        let mut waiting = self.lock();
        for entry in entries.rev() {
            waiting.entries.push_front(entry);
        }
        waiting.is_wanted = true;
    }

    /// Takes a record that is written at `due`, unless it is withdrawn before.
    pub(super) fn note(&self, sent: Box<Sent>, due: Instant) -> Arc<Note> {
        let note = Arc::new(Note(Mutex::new(Some(sent))));
        let mut waiting = self.lock();
        waiting.notes.push_back((due, Arc::clone(&note)));
        let oversleeps = |until: Option<Instant>| until.is_none_or(|until| until > due);
        if waiting.asleep.is_some_and(oversleeps) {
            waiting.asleep = None;
            drop(waiting);
            self.there.notify_one();
        }
        note
    }

    /// Nothing comes any more.
    pub(super) fn close(&self) {
        self.lock().is_closing = true;
        self.there.notify_one();
    }

    /// Waits until something is wanted or due, or nothing comes any more.
    pub(super) fn wait(&self) {
        let mut waiting = self.lock();
        loop {
            let next = waiting.ripen(Instant::now());
            if waiting.is_wanted || waiting.is_closing {
                return;
            }
            waiting = self.sleep(waiting, next);
        }
    }

    /// Takes at most `most` records. The second is whether nothing comes after these.
    pub(super) fn take(&self, most: usize) -> (Vec<Entry>, bool) {
        self.lock().take(most)
    }

    /// Waits `longest` for more of them; takes what there is then.
    pub(super) fn take_within(&self, longest: Duration, most: usize) -> (Vec<Entry>, bool) {
        let until = Instant::now() + longest;
        let mut waiting = self.lock();
        while !waiting.is_wanted && !waiting.is_closing && Instant::now() < until {
            waiting = self.sleep(waiting, Some(until));
        }
        waiting.take(most)
    }

    /// Says that somebody waits for the records; answers whether there are any.
    pub(super) fn want(&self) -> bool {
        let mut waiting = self.lock();
        waiting.is_wanted |= !waiting.entries.is_empty();
        waiting.is_wanted
    }

    /// Whether somebody waits for records.
    pub(super) fn is_wanted(&self) -> bool {
        self.lock().is_wanted
    }

    /// Wakes the writer's thread.
    pub(super) fn wake(&self) {
        if self.lock().asleep.take().is_some() {
            self.there.notify_one();
        }
    }

    fn sleep<'a>(
        &'a self,
        mut waiting: MutexGuard<'a, Waiting>,
        until: Option<Instant>,
    ) -> MutexGuard<'a, Waiting> {
        waiting.asleep = Some(until);
        let mut waiting = match until {
            None => {
                let woken = self.there.wait(waiting);
                woken.unwrap_or_else(PoisonError::into_inner)
            }
            Some(until) => {
                let longest = until.saturating_duration_since(Instant::now());
                let woken = self.there.wait_timeout(waiting, longest);
                woken.unwrap_or_else(PoisonError::into_inner).0
            }
        };
        waiting.asleep = None;
        waiting
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    /// Makes entries of the notes whose time has come; answers when that of the next one does which was not withdrawn.
    fn ripen(&mut self, now: Instant) -> Option<Instant> {
        while let Some((due, note)) = self.notes.front() {
            if *due > now && !self.is_closing && !note.is_withdrawn() {
                return Some(*due);
            }
            if let Some(sent) = note.lock().take() {
                self.entries.push_back(Entry {
                    charged: Arc::new(Charged::from(*sent)),
                    done: None,
                });
                self.is_wanted = true;
            }
            self.notes.pop_front();
        }
        None
    }

    fn take(&mut self, most: usize) -> (Vec<Entry>, bool) {
        let count = self.entries.len().min(most);
        let taken = self.entries.drain(..count).collect();
        self.is_wanted = !self.entries.is_empty();
        (taken, self.is_closing && self.entries.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::Arc,
        thread,
        time::{Duration, Instant},
    };

    use llm_store::{Charged, Moment, rows::SpendRow};

    use super::{Queue, Sent};

    fn record(id: &str) -> Arc<Charged> {
        Arc::new(Charged {
            row: SpendRow {
                id: id.to_owned(),
                ..SpendRow::default()
            },
            ..Charged::default()
        })
    }

    fn sent(id: &str) -> Box<Sent> {
        Box::new(Sent {
            id: id.to_owned(),
            row: Box::new(SpendRow::default),
            at: Moment(0),
            hold: None,
            spenders: Arc::new([]),
        })
    }

    fn taken(queue: &Queue, most: usize) -> (Vec<String>, bool) {
        queue.wait();
        let (entries, is_last) = queue.take(most);
        let ids = entries.iter().map(|entry| entry.charged.row.id.clone());
        (ids.collect(), is_last)
    }

    #[test]
    fn records_come_in_their_order_and_no_more_than_wanted_at_once() {
        let queue = Arc::new(Queue::default());
        drop(queue.add(record("1")));
        drop(queue.add(record("2")));
        drop(queue.add(record("3")));
        queue.close();
        assert_eq!(taken(&queue, 2), (vec!["1".into(), "2".into()], false));
        assert_eq!(taken(&queue, 2), (vec!["3".into()], true));
    }

    #[test]
    fn a_note_is_written_when_its_time_has_come_and_not_if_it_was_withdrawn() {
        let queue = Arc::new(Queue::default());
        let due = Instant::now() + Duration::from_millis(20);
        assert!(queue.note(sent("gone"), due).withdraw());
        let stays = queue.note(sent("stays"), due);
        assert_eq!(taken(&queue, 9), (vec!["stays".into()], false));
        assert!(Instant::now() >= due);
        // It is in the journal: to withdraw it is too late.
        assert!(!stays.withdraw());
        queue.close();
        assert_eq!(taken(&queue, 9), (Vec::new(), true));
    }

    #[test]
    fn at_the_end_notes_are_written_before_their_time() {
        let queue = Arc::new(Queue::default());
        queue.note(sent("1"), Instant::now() + Duration::from_secs(3600));
        queue.close();
        assert_eq!(taken(&queue, 9), (vec!["1".into()], true));
    }

    #[test]
    fn what_could_not_be_written_is_the_next() {
        let queue = Queue::default();
        for id in ["1", "2", "3"] {
            drop(queue.add(record(id)));
        }
        let (taken, _) = queue.take(2);
        queue.put_back(taken.into_iter());
        assert!(queue.is_wanted());
        let (again, _) = queue.take(9);
        let ids: Vec<&str> = again
            .iter()
            .map(|one| one.charged.row.id.as_str())
            .collect();
        assert_eq!(ids, ["1", "2", "3"]);
        assert!(!queue.is_wanted());
    }

    #[test]
    fn a_writer_that_sleeps_is_woken() {
        let queue = Arc::new(Queue::default());
        let writer = thread::spawn({
            let queue = Arc::clone(&queue);
            move || taken(&queue, 9).0
        });
        while queue.lock().asleep.is_none() {
            thread::yield_now();
        }
        drop(queue.add(record("1")));
        assert!(queue.want());
        queue.wake();
        assert_eq!(writer.join().unwrap(), ["1"]);
    }
}
