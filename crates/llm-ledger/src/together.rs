//! Requests of the same accounts that are held for together: while the database answers one, others gather behind it, and the
//! next statement holds for all of them, or, where that does not fit, one after the other.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use llm_cost::NanoDollars;
use llm_store::{Held, Hold, Limit, Moment, Store};
use tokio::{runtime::Handle, sync::oneshot};

use crate::{
    Error,
    ask::Bounds,
    shared::{Holding, Shared, refused, windows},
};

/// Requests that one statement holds for, at most.
const MOST: usize = 64;

/// Who waits behind whom, by the accounts and their limits.
#[derive(Debug, Default)]
pub(crate) struct Queues(Mutex<HashMap<Arc<[Limit]>, Vec<Waiting>>>);

/// A request to hold money for.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) id: String,
    pub(crate) bounds: Bounds,
    pub(crate) deadline: Moment,
}

#[derive(Debug)]
struct Waiting {
    asked: Asked,
    answer: oneshot::Sender<Result<Holding, Error>>,
}

/// The turn to ask for some accounts. However it ends, whoever gathered meanwhile is next.
struct Turn {
    shared: Arc<Shared>,
    store: Store,
    limits: Arc<[Limit]>,
}

impl Queues {
    /// Holds for one request. The caller waits to the end: money that nobody hears of stays held.
    pub(crate) async fn ask(
        &self,
        shared: &Arc<Shared>,
        store: &Store,
        limits: Vec<Limit>,
        asked: Asked,
    ) -> Result<Holding, Error> {
        let limits: Arc<[Limit]> = limits.into();
        match self.join(&limits, asked) {
            Ok(answered) => answered.await.map_err(|_| Error::Closed)?,
            Err(asked) => {
                let turn = Turn {
                    shared: Arc::clone(shared),
                    store: store.clone(),
                    limits,
                };
                turn.hold_one(&asked).await
            }
        }
    }

    /// Waits behind whoever asks for these accounts; nobody does, and the request is the first.
    fn join(
        &self,
        limits: &Arc<[Limit]>,
        asked: Asked,
    ) -> Result<oneshot::Receiver<Result<Holding, Error>>, Asked> {
        let mut queues = self.lock();
        let Some(waiting) = queues.get_mut(limits) else {
            queues.insert(Arc::clone(limits), Vec::new());
            return Err(asked);
        };
        let (answer, answered) = oneshot::channel();
        waiting.push(Waiting { asked, answer });
        Ok(answered)
    }

    /// Whoever is next with these accounts; where there is nobody, their queue ends.
    fn next(&self, limits: &Arc<[Limit]>) -> Vec<Waiting> {
        let mut queues = self.lock();
        let Some(waiting) = queues.get_mut(limits) else {
            return Vec::new();
        };
        let next: Vec<Waiting> = waiting.drain(..waiting.len().min(MOST)).collect();
        if next.is_empty() {
            queues.remove(limits);
        }
        next
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Arc<[Limit]>, Vec<Waiting>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let next = self.shared.queues().next(&self.limits);
        if next.is_empty() {
            return;
        }
        let turn = Self {
            shared: Arc::clone(&self.shared),
            store: self.store.clone(),
            limits: Arc::clone(&self.limits),
        };
        // At the end of the process nobody waits any more.
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move { turn.hold_all(next).await });
        }
    }
}

impl Turn {
    async fn hold_one(&self, asked: &Asked) -> Result<Holding, Error> {
        let amount = NanoDollars(asked.bounds.amount);
        let held = self
            .hold(
                &[(asked.id.clone(), amount)],
                NanoDollars(asked.bounds.at_least),
                asked.deadline,
            )
            .await?;
        match held.granted {
            Some(granted) => Ok(Holding {
                amount: Some(granted.0),
                windows: windows(&held),
            }),
            None => Err(refused(&self.limits, asked.bounds, &held)),
        }
    }

    async fn hold_all(&self, waiting: Vec<Waiting>) {
        // What may be less than it asks for gets its own answer.
        let (whole, apart): (Vec<Waiting>, Vec<Waiting>) = waiting
            .into_iter()
            .partition(|one| one.asked.bounds.at_least == one.asked.bounds.amount);
        let rest = match whole.len() {
            0 | 1 => whole,
            _ => self.hold_whole(whole).await,
        };
        for one in rest.into_iter().chain(apart) {
            let answer = self.hold_one(&one.asked).await;
            self.tell(one, answer);
        }
    }

    /// Holds for all of these at once; answers those that were not held for.
    async fn hold_whole(&self, waiting: Vec<Waiting>) -> Vec<Waiting> {
        let asked = waiting.iter().map(|one| &one.asked);
        let amount = |asked: &Asked| (asked.id.clone(), NanoDollars(asked.bounds.amount));
        let asks: Vec<(String, NanoDollars)> = asked.clone().map(amount).collect();
        let sum = asks
            .iter()
            .fold(0i64, |sum, (_, one)| sum.saturating_add(one.0));
        let deadline = asked.map(|asked| asked.deadline).max().unwrap_or_default();
        match self.hold(&asks, NanoDollars(sum), deadline).await {
            Ok(held) if held.granted.is_some() => {
                let windows = windows(&held);
                for one in waiting {
                    let holding = Holding {
                        amount: Some(one.asked.bounds.amount),
                        windows: windows.clone(),
                    };
                    self.tell(one, Ok(holding));
                }
                Vec::new()
            }
            // One by one, as much as there is is given, and who is refused is told why.
            Ok(_) => waiting,
            Err(error) => {
                let mut waiting = waiting.into_iter();
                if let Some(first) = waiting.next() {
                    self.tell(first, Err(error));
                }
                for one in waiting {
                    self.tell(one, Err(llm_store::Error::Away.into()));
                }
                Vec::new()
            }
        }
    }

    fn tell(&self, one: Waiting, answer: Result<Holding, Error>) {
        if let Err(Ok(holding)) = one.answer.send(answer)
            && holding.amount.is_some()
        {
            self.shared.release(&one.asked.id);
        }
    }

    async fn hold(
        &self,
        asks: &[(String, NanoDollars)],
        at_least: NanoDollars,
        deadline: Moment,
    ) -> Result<Held, Error> {
        let hold = Hold {
            asks,
            owner: &self.shared.owner,
            deadline,
            at_least,
            limits: &self.limits,
        };
        let held = self.store.hold(&hold, Moment::now()).await;
        if held.is_err() {
            // Who knows whether it is held: nobody is told that it is.
            asks.iter().for_each(|(id, _)| self.shared.release(id));
        }
        Ok(held?)
    }
}
