use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use llm_store::{Charged, Position};

/// Bytes of the journal whose records are kept in memory, too, at most.
const MOST: u64 = 8 << 20;

/// What was just written, as it was before: who brings it to the database need not read it again. It may have gaps, as the
/// files have it all.
#[derive(Debug, Default)]
pub(crate) struct Fresh(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    records: VecDeque<Record>,
    bytes: u64,
}

/// A record that was written. Between `after` and its beginning there is nothing.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) charged: Arc<Charged>,
    pub(super) after: Position,
    pub(super) begins: Position,
    pub(super) ends: Position,
    pub(super) bytes: u64,
}

/// Records that follow each other.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) charged: Vec<Arc<Charged>>,
    pub(crate) next: Position,
    /// Bytes of the journal that they are.
    pub(crate) bytes: u64,
}

impl Fresh {
    pub(super) fn add(&self, record: Record) {
        let mut queue = self.lock();
        if queue.bytes + record.bytes <= MOST {
            queue.bytes += record.bytes;
            queue.records.push_back(record);
        }
    }

    /// At most `most` records from `from` on; nothing where the first of them is not here.
    pub(crate) fn take(&self, from: Position, most: usize) -> Option<Part> {
        let mut queue = self.lock();
        while let Some(old) = queue.records.pop_front_if(|first| first.begins < from) {
            queue.bytes -= old.bytes;
        }
        let mut part = Part {
            charged: Vec::new(),
            next: from,
            bytes: 0,
        };
        while part.charged.len() < most
            && let Some(record) = queue
                .records
                .pop_front_if(|record| record.after <= part.next)
        {
            queue.bytes -= record.bytes;
            part.charged.push(record.charged);
            part.next = record.ends;
            part.bytes += record.bytes;
        }
        (!part.charged.is_empty()).then_some(part)
    }

    /// Where the first record begins that is here.
    pub(crate) fn begins(&self) -> Option<Position> {
        self.lock().records.front().map(|first| first.begins)
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use llm_store::Position;

    use super::{Fresh, MOST, Record};

    fn at(segment: i64, offset: i64) -> Position {
        Position { segment, offset }
    }

    fn record(after: Position, begins: Position, bytes: u64) -> Record {
        let ends = at(begins.segment, begins.offset + 10);
        Record {
            charged: Arc::default(),
            after,
            begins,
            ends,
            bytes,
        }
    }

    #[test]
    fn records_that_follow_are_taken_also_over_the_end_of_a_file() {
        let fresh = Fresh::default();
        fresh.add(record(at(1, 0), at(1, 0), 10));
        fresh.add(record(at(1, 10), at(2, 0), 10));
        let part = fresh.take(at(1, 0), 9).unwrap();
        assert_eq!(
            (part.charged.len(), part.next, part.bytes),
            (2, at(2, 10), 20)
        );
        assert!(fresh.take(at(2, 10), 9).is_none());
        // Whether the end of the old file or the beginning of the new one was noted is the same.
        for from in [at(1, 10), at(2, 0)] {
            fresh.add(record(at(1, 10), at(2, 0), 10));
            assert_eq!(fresh.take(from, 9).unwrap().next, at(2, 10));
        }
    }

    #[test]
    fn behind_a_gap_the_file_is_read_first() {
        let fresh = Fresh::default();
        fresh.add(record(at(1, 10), at(1, 10), 10));
        assert!(fresh.take(at(1, 0), 9).is_none());
        assert_eq!(fresh.begins(), Some(at(1, 10)));
        // What somebody else brought to the database meanwhile is dropped.
        assert!(fresh.take(at(1, 20), 9).is_none());
        assert_eq!(fresh.begins(), None);
    }

    #[test]
    fn what_is_too_much_is_left_to_the_files() {
        let fresh = Fresh::default();
        fresh.add(record(at(1, 0), at(1, 0), MOST));
        fresh.add(record(at(1, 10), at(1, 10), 1));
        assert_eq!(fresh.take(at(1, 0), 9).unwrap().next, at(1, 10));
        fresh.add(record(at(1, 20), at(1, 20), 1));
        assert!(fresh.take(at(1, 10), 9).is_none());
        assert_eq!(fresh.begins(), Some(at(1, 20)));
        fresh.add(record(at(1, 40), at(1, 40), 1));
        // Nor is it passed over where it lies between others.
        assert_eq!(fresh.take(at(1, 20), 9).unwrap().next, at(1, 30));
    }
}
