//! What was answered about keys and tokens: remembered by their hashes, for a while.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use quick_cache::sync::Cache;
use sha2::{Digest, Sha256};

/// Answers that are remembered.
const MOST: usize = 10_000;

/// A key's or a token's hash.
type Hash = [u8; 32];

/// Answers, each until its time.
pub(super) struct Remembered<T>(Cache<Hash, Slot<T>>);

struct Slot<T> {
    answer: Arc<T>,
    until: Instant,
}

impl<T> Clone for Slot<T> {
    fn clone(&self) -> Self {
        Self {
            answer: Arc::clone(&self.answer),
            until: self.until,
        }
    }
}

impl<T> Default for Remembered<T> {
    fn default() -> Self {
        Self(Cache::new(MOST))
    }
}

impl<T> Remembered<T> {
    /// What was answered about `question`, if it still holds.
    pub(super) fn get(&self, question: &str) -> Option<Arc<T>> {
        let slot = self.0.get(&hash(question))?;
        (slot.until > Instant::now()).then_some(slot.answer)
    }

    /// Remembers an answer.
    pub(super) fn put(&self, question: &str, answer: T, lasts: Duration) -> Arc<T> {
        let answer = Arc::new(answer);
        if !lasts.is_zero() {
            let slot = Slot {
                answer: Arc::clone(&answer),
                until: Instant::now() + lasts,
            };
            self.0.insert(hash(question), slot);
        }
        answer
    }
}

fn hash(text: &str) -> Hash {
    Sha256::digest(text.as_bytes()).into()
}
