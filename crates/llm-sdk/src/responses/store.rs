//! Where responses are kept that no vendor keeps.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt, ready};
use llm_providers::Error;

/// Keeps responses by their ids.
pub trait ResponseStore: Send + Sync + fmt::Debug {
    /// The one of this id. Where it may be here and cannot be read, that is an error.
    fn get<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, Error>>;

    /// Keeps one. Must not wait: it runs while a stream is polled.
    fn put(&self, id: &str, kept: Bytes);

    /// Forgets one; says whether there was one.
    fn remove<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, Error>>;
}

/// Keeps responses in this process, the newest ones up to a number of bytes.
#[derive(Debug)]
pub struct MemoryStore {
    most: usize,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    bytes: usize,
    /// By id: its number, and what is kept.
    kept: HashMap<String, (u64, Bytes)>,
    /// The ids by their numbers, which count up.
    order: BTreeMap<u64, String>,
    next: u64,
}

impl MemoryStore {
    /// A store of at most `most` bytes.
    pub fn new(most: usize) -> Self {
        Self {
            most,
            held: Mutex::default(),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new(64 << 20)
    }
}

impl Held {
    fn forget(&mut self, id: &str) -> bool {
        let Some((number, kept)) = self.kept.remove(id) else {
            return false;
        };
        self.order.remove(&number);
        self.bytes -= id.len() + kept.len();
        true
    }
}

impl ResponseStore for MemoryStore {
    fn get<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<Option<Bytes>, Error>> {
        let kept = self.lock().kept.get(id).map(|(_, kept)| kept.clone());
        ready(Ok(kept)).boxed()
    }

    fn put(&self, id: &str, kept: Bytes) {
        let size = id.len() + kept.len();
        if size > self.most {
            return;
        }
        let mut held = self.lock();
        held.forget(id);
        while held.bytes + size > self.most {
            let Some((_, oldest)) = held.order.pop_first() else {
                break;
            };
            held.forget(&oldest);
        }
        let number = held.next;
        held.next += 1;
        held.bytes += size;
        held.order.insert(number, id.to_owned());
        // A slice of something longer would hold all of it.
        let kept = Bytes::copy_from_slice(&kept);
        held.kept.insert(id.to_owned(), (number, kept));
    }

    fn remove<'a>(&'a self, id: &'a str) -> BoxFuture<'a, Result<bool, Error>> {
        ready(Ok(self.lock().forget(id))).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(store: &MemoryStore, id: &str) -> Option<Bytes> {
        store.get(id).now_or_never().unwrap().unwrap()
    }

    #[test]
    fn the_oldest_make_room() {
        let store = MemoryStore::new(30);
        for id in ["a", "b", "c"] {
            store.put(id, Bytes::from_static(b"123456789"));
        }
        assert!(get(&store, "a").is_some());
        store.put("d", Bytes::from_static(b"1"));
        assert_eq!(get(&store, "a"), None);
        assert!(get(&store, "b").is_some() && get(&store, "d").is_some());
        store.put("e", Bytes::from(vec![0; 40]));
        assert_eq!(get(&store, "e"), None, "what is too long is not kept");
        assert!(get(&store, "d").is_some(), "and costs nothing else");
    }

    #[test]
    fn what_is_replaced_or_forgotten_frees_its_room() {
        let store = MemoryStore::new(100);
        for i in 0..1000u32 {
            store.put("a", Bytes::from(vec![0; (i % 90) as usize]));
            store.put("b", Bytes::from_static(b"x"));
        }
        let remove = || store.remove("b").now_or_never().unwrap().unwrap();
        assert!(remove());
        assert!(!remove());
        let held = store.lock();
        let (_, kept) = held.kept.get("a").expect("the last one");
        assert_eq!((held.bytes, held.order.len()), (1 + kept.len(), 1));
    }
}
