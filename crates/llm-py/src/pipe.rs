//! A bounded queue from the runtime's threads to Python's: waited for by blocking, or by a waker.

use std::{
    collections::VecDeque,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
    time::Duration,
};

use tokio::sync::Notify;

/// A queue with one writer in the runtime and one reader in Python.
#[derive(Debug)]
pub(crate) struct Pipe<T> {
    state: Mutex<State<T>>,
    arrived: Condvar,
    room: Notify,
    capacity: usize,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<T>,
    closed: bool,
    waker: Option<Waker>,
}

impl<T> Pipe<T> {
    /// A queue that makes its writer wait while it holds `capacity` items.
    pub(crate) fn new(capacity: usize) -> Self {
        let state = State {
            items: VecDeque::new(),
            closed: false,
            waker: None,
        };
        Self {
            state: Mutex::new(state),
            arrived: Condvar::new(),
            room: Notify::new(),
            capacity,
        }
    }

    /// Adds an item as soon as there is room.
    pub(crate) async fn send(&self, item: T) {
        while self.lock().items.len() >= self.capacity {
            self.room.notified().await;
        }
        self.change(|state| state.items.push_back(item));
    }

    /// Nothing more will come.
    pub(crate) fn close(&self) {
        self.change(|state| state.closed = true);
    }

    /// Everything that is there, waiting at most `limit` for the first item; `None` if the time was not enough.
    /// Nothing at all means that nothing more will come.
    pub(crate) fn wait(&self, limit: Duration) -> Option<VecDeque<T>> {
        let empty = |state: &mut State<T>| state.items.is_empty() && !state.closed;
        let (mut state, _) = self
            .arrived
            .wait_timeout_while(self.lock(), limit, empty)
            .unwrap_or_else(PoisonError::into_inner);
        self.take(&mut state)
    }

    /// Everything that is there; `waker` is called when there is more.
    pub(crate) fn poll(&self, waker: &Waker) -> Poll<VecDeque<T>> {
        let mut state = self.lock();
        match self.take(&mut state) {
            Some(items) => Poll::Ready(items),
            None => {
                state.waker = Some(waker.clone());
                Poll::Pending
            }
        }
    }

    fn take(&self, state: &mut State<T>) -> Option<VecDeque<T>> {
        if state.items.is_empty() && !state.closed {
            return None;
        }
        self.room.notify_one();
        Some(std::mem::take(&mut state.items))
    }

    fn change(&self, change: impl FnOnce(&mut State<T>)) {
        let mut state = self.lock();
        change(&mut state);
        let waker = state.waker.take();
        drop(state);
        self.arrived.notify_one();
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
