//! Carries the journal to the database: in batches, in order, again after an outage.

use std::{sync::Arc, time::Duration};

use llm_store::{Charged, Position, Store, Unpacked};
use tokio::sync::watch;

use crate::{
    Error,
    journal::{Batch, FULL, Folder, Part, State},
    ledger::Mode,
};

/// Records that share one transaction, at most. The bytes that are read at a time are bounded, too.
const BATCH: usize = 4000;

/// How long a batch gathers, unless somebody asks for what is in it: fewer, fuller transactions.
const GATHER: Duration = Duration::from_millis(200);

/// The same where a hold ends with the batch: what it is too large by is wanted back.
const GATHER_HOLDS: Duration = Duration::from_millis(100);

/// How long the database may take for a batch.
const PATIENCE: Duration = Duration::from_secs(60);

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// What carries the journal.
pub(crate) struct Shipper {
    pub(crate) store: Store,
    pub(crate) folder: Arc<Folder>,
    pub(crate) mode: Arc<Mode>,
    /// How far the database is.
    pub(crate) shipped: Arc<watch::Sender<Position>>,
}

impl Shipper {
    /// Ships what earlier processes left behind, and charges what they had sent and never saw the end of. It is done when
    /// everything is in the database.
    pub(crate) async fn recover(&self) -> Result<(), Error> {
        let last = self.folder.segments()?.last().copied().unwrap_or(0);
        let end = Position {
            segment: last + 1,
            offset: 0,
        };
        while *self.shipped.borrow() < end {
            self.step(end, None).await?;
        }
        loop {
            let mut unknown = self.store.under_way(&self.folder.name).await?;
            if unknown.is_empty() {
                return Ok(());
            }
            tracing::warn!(
                requests = unknown.len(),
                "requests were under way when the process died"
            );
            for charged in &mut unknown {
                charged.under_way = false;
            }
            self.store.ship(&unknown, &self.folder.name, None).await?;
        }
    }

    /// Ships what is written, for as long as it is polled.
    pub(crate) async fn run(self, state: Arc<State>) {
        let mut written = state.written.subscribe();
        let mut pause = FIRST_PAUSE;
        loop {
            let shipped = *self.shipped.borrow();
            if written.wait_for(|end| *end > shipped).await.is_err() {
                return;
            }
            self.gather(&state, &mut written).await;
            let end = *written.borrow_and_update();
            match self.step(end, Some(&state)).await {
                Ok(()) => pause = FIRST_PAUSE,
                Err(error) => {
                    if pause == FIRST_PAUSE {
                        tracing::warn!(%error, "spending cannot be brought to the database; the journal keeps it");
                    }
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
    }

    /// Waits until there is enough for a batch, or somebody for it, or for long enough.
    async fn gather(&self, state: &State, written: &mut watch::Receiver<Position>) {
        let longest = match &*self.mode {
            Mode::Local(_) => GATHER,
            Mode::Shared(_) => GATHER_HOLDS,
        };
        let enough = async {
            // A writer that is gone writes no more.
            let _ = written.wait_for(|_| state.backlog() >= FULL).await;
        };
        let _ = tokio::time::timeout(longest, async {
            tokio::select! {
                () = enough => {}
                () = state.hurry.notified() => {}
            }
        })
        .await;
    }

    /// Ships one batch, and says so.
    async fn step(&self, end: Position, state: Option<&State>) -> Result<(), Error> {
        let from = *self.shipped.borrow();
        let fresh = state.and_then(|state| state.fresh.take(from, BATCH));
        let (next, bytes) = match fresh {
            Some(part) => in_time(self.ship_fresh(from, &part)).await?,
            None => {
                let fresh = state.and_then(|state| state.fresh.begins());
                let end = fresh.map_or(end, |fresh| fresh.min(end));
                let batch = self.read(from, end).await?;
                in_time(self.ship(&batch)).await?;
                (batch.next, batch.bytes)
            }
        };
        if let Some(state) = state {
            state.shipped(bytes);
        }
        self.shipped.send_replace(next);
        if next.segment > from.segment {
            self.folder.remove_before(next.segment)?;
        }
        Ok(())
    }

    async fn read(&self, from: Position, end: Position) -> Result<Batch, Error> {
        let folder = Arc::clone(&self.folder);
        let read = tokio::task::spawn_blocking(move || folder.read(from, end, BATCH)).await;
        Ok(read.map_err(|_| Error::Closed)??)
    }

    /// Ships what was written a moment ago; answers how far the database is then, and how many bytes of the journal that was.
    async fn ship_fresh(&self, from: Position, part: &Part) -> Result<(Position, u64), Error> {
        let journal = &self.folder.name;
        match self
            .store
            .ship(&part.charged, journal, Some(part.next))
            .await
        {
            Ok(_) => {
                self.mode.shipped(&part.charged);
                Ok((part.next, part.bytes))
            }
            Err(error) if error.is_unavailable() => Err(error.into()),
            Err(_) => {
                let batch = self.read(from, part.next).await?;
                self.ship_one_by_one(&batch).await?;
                Ok((batch.next, batch.bytes))
            }
        }
    }

    async fn ship(&self, batch: &Batch) -> Result<(), Error> {
        let records = batch.records.iter();
        let decoded = records.map(|record| Charged::unpack(record).map(Arc::new));
        let decoded: Result<Vec<Arc<Charged>>, _> = decoded.collect();
        if let Err(error @ Unpacked::Version(_)) = decoded {
            return Err(Error::JournalVersion(error));
        }
        let journal = &self.folder.name;
        let shipped = match &decoded {
            Ok(charged) => self.store.ship(charged, journal, Some(batch.next)).await,
            Err(_) => return self.ship_one_by_one(batch).await,
        };
        match (shipped, decoded) {
            (Ok(_), Ok(charged)) => {
                self.mode.shipped(&charged);
                Ok(())
            }
            (Err(error), _) if error.is_unavailable() => Err(error.into()),
            _ => self.ship_one_by_one(batch).await,
        }
    }

    /// One record that the database never takes must not keep the others.
    async fn ship_one_by_one(&self, batch: &Batch) -> Result<(), Error> {
        for record in &batch.records {
            let (fault, text) = match Charged::unpack(record) {
                Ok(charged) => {
                    let charged = Arc::new(charged);
                    let one = std::slice::from_ref(&charged);
                    match self.store.ship(one, &self.folder.name, None).await {
                        Ok(_) => {
                            self.mode.shipped(one);
                            continue;
                        }
                        Err(error) if error.is_unavailable() => return Err(error.into()),
                        Err(error) => (error.to_string(), serde_json::to_vec(&*charged).ok()),
                    }
                }
                Err(error) => (error.to_string(), None),
            };
            tracing::error!(
                fault,
                "a record of spending was put aside in the journal's folder"
            );
            // For people, as JSON where it can be read at all.
            self.folder.reject(text.as_deref().unwrap_or(record))?;
        }
        let journal = &self.folder.name;
        self.store
            .ship(&[] as &[Arc<Charged>], journal, Some(batch.next))
            .await?;
        Ok(())
    }
}

/// A connection that leads nowhere is given up.
async fn in_time<T>(shipping: impl Future<Output = Result<T, Error>>) -> Result<T, Error> {
    tokio::time::timeout(PATIENCE, shipping)
        .await
        .map_err(|_| Error::TimedOut)?
}
