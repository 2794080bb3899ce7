use std::{
    fmt,
    hash::Hash,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use foldhash::HashMap;
use tokio::{runtime::Handle, sync::oneshot};

/// Questions about the same thing that share a way: while one is away, others gather behind it, and go together when it is
/// back. Nobody waits for company.
pub struct Gather<K, Q, A> {
    queues: Mutex<HashMap<K, Vec<Waiting<Q, A>>>>,
    most: usize,
}

type Waiting<Q, A> = (Q, oneshot::Sender<A>);

/// The turn to ask about one thing. However it ends, whoever gathered meanwhile is next.
struct Turn<K, Q, A, F, W>
where
    K: Clone + Eq + Hash + Send + 'static,
    Q: Send + 'static,
    A: Send + 'static,
    F: Fn(Vec<Q>) -> W + Clone + Send + 'static,
    W: Future<Output = Vec<A>> + Send + 'static,
{
    gather: Arc<Gather<K, Q, A>>,
    key: K,
    ask: F,
}

impl<K, Q, A> fmt::Debug for Gather<K, Q, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gather").finish_non_exhaustive()
    }
}

impl<K, Q, A> Gather<K, Q, A>
where
    K: Clone + Eq + Hash + Send + 'static,
    Q: Send + 'static,
    A: Send + 'static,
{
    /// At most `most` go together.
    pub fn new(most: usize) -> Self {
        Self {
            queues: Mutex::default(),
            most,
        }
    }

    /// Asks a question about `key`; `ask` answers as many as it is given, in their order. Nothing, if it did not. Whoever stops
    /// waiting does not hear what was answered.
    pub async fn ask<F, W>(self: &Arc<Self>, key: K, question: Q, ask: F) -> Option<A>
    where
        F: Fn(Vec<Q>) -> W + Clone + Send + 'static,
        W: Future<Output = Vec<A>> + Send + 'static,
    {
        match self.join(&key, question) {
            Ok(answer) => answer.await.ok(),
            Err(question) => {
                let gather = Arc::clone(self);
                let turn = Turn { gather, key, ask };
                (turn.ask)(vec![question]).await.pop()
            }
        }
    }

    /// Gathers behind whoever asks about the same; gives the question back where nobody does.
    fn join(&self, key: &K, question: Q) -> Result<oneshot::Receiver<A>, Q> {
        let mut queues = self.lock();
        let Some(waiting) = queues.get_mut(key) else {
            queues.insert(key.clone(), Vec::new());
            return Err(question);
        };
        let (answer, answered) = oneshot::channel();
        waiting.push((question, answer));
        Ok(answered)
    }

    /// Who is next; where there is nobody, the queue ends.
    fn next(&self, key: &K) -> Vec<Waiting<Q, A>> {
        let mut queues = self.lock();
        let Some(waiting) = queues.get_mut(key) else {
            return Vec::new();
        };
        let next: Vec<_> = waiting.drain(..waiting.len().min(self.most)).collect();
        if next.is_empty() {
            queues.remove(key);
        }
        next
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<K, Vec<Waiting<Q, A>>>> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K, Q, A, F, W> Turn<K, Q, A, F, W>
where
    K: Clone + Eq + Hash + Send + 'static,
    Q: Send + 'static,
    A: Send + 'static,
    F: Fn(Vec<Q>) -> W + Clone + Send + 'static,
    W: Future<Output = Vec<A>> + Send + 'static,
{
    async fn serve(self, waiting: Vec<Waiting<Q, A>>) {
        let (questions, waiting): (Vec<Q>, Vec<_>) = waiting.into_iter().unzip();
        for (answer, to) in (self.ask)(questions).await.into_iter().zip(waiting) {
            // Whoever does not wait any more said that it need not hear.
            let _ = to.send(answer);
        }
    }
}

impl<K, Q, A, F, W> Drop for Turn<K, Q, A, F, W>
where
    K: Clone + Eq + Hash + Send + 'static,
    Q: Send + 'static,
    A: Send + 'static,
    F: Fn(Vec<Q>) -> W + Clone + Send + 'static,
    W: Future<Output = Vec<A>> + Send + 'static,
{
    fn drop(&mut self) {
        let next = self.gather.next(&self.key);
        // At the end of the process nobody waits any more.
        let Some(runtime) = Handle::try_current().ok().filter(|_| !next.is_empty()) else {
            return;
        };
        let turn = Turn {
            gather: Arc::clone(&self.gather),
            key: self.key.clone(),
            ask: self.ask.clone(),
        };
        runtime.spawn(turn.serve(next));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use tokio::sync::Semaphore;

    use super::Gather;

    /// Answers twice what it is asked, one call for each permit; counts the calls.
    async fn double(calls: Arc<AtomicUsize>, gate: Arc<Semaphore>, asked: Vec<u64>) -> Vec<u64> {
        calls.fetch_add(1, Ordering::SeqCst);
        gate.acquire().await.unwrap().forget();
        asked.into_iter().map(|number| 2 * number).collect()
    }

    #[tokio::test]
    async fn who_comes_meanwhile_goes_together_and_each_hears_its_own_answer() {
        let gather = Arc::new(Gather::new(4));
        let (calls, gate) = (Arc::<AtomicUsize>::default(), Arc::new(Semaphore::new(0)));
        let ask = {
            let (calls, gate) = (Arc::clone(&calls), Arc::clone(&gate));
            move |asked| double(Arc::clone(&calls), Arc::clone(&gate), asked)
        };
        let asked = (0..10).map(|number| {
            let (gather, ask) = (Arc::clone(&gather), ask.clone());
            tokio::spawn(async move { gather.ask("key", number, ask).await })
        });
        let asked: Vec<_> = asked.collect();
        while gather.lock().get("key").map_or(0, Vec::len) < 9 {
            tokio::task::yield_now().await;
        }
        gate.add_permits(100);
        for (number, asked) in (0..).zip(asked) {
            assert_eq!(asked.await.unwrap(), Some(2 * number));
        }
        // One alone, then four, four and one.
        assert_eq!(calls.load(Ordering::SeqCst), 4);
        assert!(gather.lock().is_empty());
    }

    #[tokio::test]
    async fn where_the_first_goes_away_the_next_are_asked_for() {
        let gather = Arc::new(Gather::new(4));
        let (calls, gate) = (Arc::<AtomicUsize>::default(), Arc::new(Semaphore::new(0)));
        let ask = {
            let (calls, gate) = (Arc::clone(&calls), Arc::clone(&gate));
            move |asked| double(Arc::clone(&calls), Arc::clone(&gate), asked)
        };
        let spawned = |number| {
            let (gather, ask) = (Arc::clone(&gather), ask.clone());
            tokio::spawn(async move { gather.ask("key", number, ask).await })
        };
        let first = spawned(1);
        while calls.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        let second = spawned(2);
        while gather.lock().get("key").map_or(0, Vec::len) == 0 {
            tokio::task::yield_now().await;
        }
        first.abort();
        gate.add_permits(100);
        assert_eq!(second.await.unwrap(), Some(4));
    }
}
