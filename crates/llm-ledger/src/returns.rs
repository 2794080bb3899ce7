//! Returns what is held for nobody any more, in batches.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use llm_cost::NanoDollars;
use llm_store::{Error, Store};
use tokio::sync::{mpsc, oneshot};

use crate::share::Return;

const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Whatever has one of these is not returned yet: to count them is to know how many there are.
pub(crate) type OnItsWay = Arc<()>;

/// What is asked of whoever returns holds.
#[derive(Debug)]
pub(crate) enum Message {
    /// A request's hold ends.
    End(String),
    /// A share becomes smaller, or ends.
    Return(Return, OnItsWay),
    /// Somebody waits for all before this.
    Tell(oneshot::Sender<()>),
}

/// Holds that are returned together.
#[derive(Debug, Default)]
struct Batch {
    ended: Vec<String>,
    shrunk: BTreeMap<String, i64>,
    on_their_way: Vec<OnItsWay>,
    waiting: Vec<oneshot::Sender<()>>,
}

/// Returns holds as they are let go, for as long as it is polled.
pub(crate) async fn return_released(store: Store, mut released: mpsc::UnboundedReceiver<Message>) {
    let mut messages = Vec::new();
    while released.recv_many(&mut messages, 500).await > 0 {
        let batch = Batch::of(messages.drain(..));
        let mut pause = FIRST_PAUSE;
        while let Err(error) = batch.bring_to(&store).await {
            let holds = batch.ended.len() + batch.shrunk.len();
            tracing::warn!(%error, holds, "holds could not be returned yet");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        drop(batch.on_their_way);
        for waiting in batch.waiting {
            // Whoever does not wait any more need not hear.
            let _ = waiting.send(());
        }
    }
}

impl Batch {
    fn of(messages: impl Iterator<Item = Message>) -> Self {
        let mut batch = Self::default();
        for message in messages {
            match message {
                Message::End(id) => batch.ended.push(id),
                Message::Return(Return { id, keep }, on_its_way) => {
                    batch.on_their_way.push(on_its_way);
                    if keep == 0 {
                        batch.ended.push(id);
                        continue;
                    }
                    // It never becomes larger, whatever order it is said in.
                    let kept = batch.shrunk.entry(id).or_insert(keep);
                    *kept = keep.min(*kept);
                }
                Message::Tell(waiting) => batch.waiting.push(waiting),
            }
        }
        batch
    }

    /// To do either twice is the same as once.
    async fn bring_to(&self, store: &Store) -> Result<(), Error> {
        if !self.shrunk.is_empty() {
            let shrunk = self.shrunk.iter();
            let shrunk = shrunk.map(|(id, keep)| (id.clone(), NanoDollars(*keep)));
            store.shrink_holds(&shrunk.collect::<Vec<_>>()).await?;
        }
        if !self.ended.is_empty() {
            store.return_holds(&self.ended).await?;
        }
        Ok(())
    }
}
