//! Batches: what is known of each, and how far it is.

use std::{
    collections::HashMap,
    fs, io,
    path::PathBuf,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use llm_providers::Error;
use llm_types::Map;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{broken, fresh, not_found, now, shelf::replace};
use crate::responses::private_folder;

/// How long a batch may take: the only window that OpenAI knows.
const WINDOW: u64 = 24 * 3600;

/// Where a batch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    Validating,
    Failed,
    InProgress,
    Completed,
    Expired,
    Cancelling,
    Cancelled,
}

impl Status {
    /// Whether nothing more happens.
    pub(crate) fn is_over(self) -> bool {
        !matches!(self, Self::Validating | Self::InProgress | Self::Cancelling)
    }
}

/// What outlives the process.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) id: String,
    pub(crate) endpoint: String,
    pub(crate) input: String,
    /// Chosen beforehand, so that a second end of the same batch makes no second file.
    pub(crate) output: String,
    pub(crate) errors: String,
    pub(crate) metadata: Map,
    /// Who made it (`RouteOptions::owner`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<String>,
    pub(crate) status: Status,
    pub(crate) created_at: u64,
    /// When it came to each status, by its name.
    pub(crate) since: Map,
    /// What is wrong with the input.
    pub(crate) problems: Vec<Value>,
    pub(crate) total: u64,
    pub(crate) completed: u64,
    pub(crate) failed: u64,
}

/// One batch.
#[derive(Debug)]
pub(crate) struct Batch {
    state: Mutex<State>,
    pub(crate) completed: AtomicU64,
    pub(crate) failed: AtomicU64,
    pub(crate) cancelled: AtomicBool,
}

/// All batches of a folder.
#[derive(Debug)]
pub(super) struct Batches {
    folder: PathBuf,
    known: Mutex<HashMap<String, Arc<Batch>>>,
}

impl Batches {
    pub(super) fn open(folder: PathBuf) -> io::Result<Self> {
        private_folder(&folder)?;
        let mut known = HashMap::new();
        for file in fs::read_dir(&folder)? {
            let path = file?.path();
            if path.extension().is_none_or(|ending| ending != "json") {
                continue;
            }
            match serde_json::from_slice::<State>(&fs::read(&path)?) {
                Ok(state) => drop(known.insert(state.id.clone(), Arc::new(Batch::of(state)))),
                Err(error) => {
                    tracing::error!(%error, file = %path.display(), "a batch is unreadable")
                }
            }
        }
        Ok(Self {
            folder,
            known: Mutex::new(known),
        })
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, Arc<Batch>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, id: &str) -> Result<Arc<Batch>, Error> {
        self.known().get(id).cloned().ok_or_else(|| not_found(id))
    }

    pub(super) fn all(&self) -> Vec<Arc<Batch>> {
        self.known().values().cloned().collect()
    }

    pub(super) fn unfinished(&self) -> Vec<Arc<Batch>> {
        let mut all = self.all();
        all.retain(|batch| !batch.state().status.is_over());
        all
    }

    pub(super) fn make(
        &self,
        endpoint: String,
        input: String,
        metadata: Map,
        owner: Option<String>,
    ) -> Result<Arc<Batch>, Error> {
        let state = State {
            id: fresh("batch_"),
            endpoint,
            input,
            output: fresh("file-"),
            errors: fresh("file-"),
            metadata,
            owner,
            status: Status::Validating,
            created_at: now(),
            since: Map::new(),
            problems: Vec::new(),
            total: 0,
            completed: 0,
            failed: 0,
        };
        let batch = Arc::new(Batch::of(state));
        self.write(&batch)?;
        let id = batch.state().id.clone();
        self.known().insert(id, Arc::clone(&batch));
        Ok(batch)
    }

    /// Writes down where a batch is. Blocks.
    pub(super) fn write(&self, batch: &Batch) -> Result<(), Error> {
        let state = batch.state();
        let text = serde_json::to_vec(&*state).map_err(|e| Error::decode("", e))?;
        replace(&self.folder.join(format!("{}.json", state.id)), &text)
            .map_err(broken("the batch cannot be kept"))
    }
}

impl Batch {
    fn of(state: State) -> Self {
        Self {
            completed: state.completed.into(),
            failed: state.failed.into(),
            cancelled: (state.status == Status::Cancelling).into(),
            state: Mutex::new(state),
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Goes on to `status`, unless it is over.
    pub(crate) fn turn_to(&self, status: Status) -> bool {
        let mut state = self.state();
        if state.status.is_over() {
            return false;
        }
        state.status = status;
        state.completed = self.completed.load(Ordering::Acquire);
        state.failed = self.failed.load(Ordering::Acquire);
        let name = json!(status).as_str().unwrap_or_default().to_owned();
        state.since.insert(format!("{name}_at"), now().into());
        true
    }

    /// Asks it to stop.
    pub(super) fn cancel(self: Arc<Self>, all: &Batches) -> Result<Arc<Self>, Error> {
        if !self.turn_to(Status::Cancelling) {
            let status = json!(self.state().status);
            let message = format!("a batch with status {status} cannot be cancelled");
            return Err(Error::bad_request("batch_id", message));
        }
        self.cancelled.store(true, Ordering::Release);
        all.write(&self)?;
        Ok(self)
    }

    /// When its time is up.
    pub(crate) fn expires_at(&self) -> u64 {
        self.state().created_at + WINDOW
    }

    /// As OpenAI shows it.
    pub(crate) fn shown(&self) -> Value {
        let state = self.state();
        let over = state.status.is_over();
        let completed = self.completed.load(Ordering::Acquire);
        let failed = self.failed.load(Ordering::Acquire);
        let file = |id: &str, lines: u64| (over && lines > 0).then(|| id.to_owned());
        let mut shown = json!({
            "id": state.id,
            "object": "batch",
            "endpoint": state.endpoint,
            "errors": null,
            "input_file_id": state.input,
            "completion_window": "24h",
            "status": state.status,
            "output_file_id": file(&state.output, completed),
            "error_file_id": file(&state.errors, failed),
            "created_at": state.created_at,
            "expires_at": state.created_at + WINDOW,
            "request_counts": {"total": state.total, "completed": completed, "failed": failed},
            "metadata": state.metadata,
        });
        if !state.problems.is_empty() {
            shown["errors"] = json!({"object": "list", "data": state.problems});
        }
        for name in [
            "in_progress",
            "completed",
            "failed",
            "expired",
            "cancelling",
            "cancelled",
        ] {
            let key = format!("{name}_at");
            let since = state.since.get(&key).cloned().unwrap_or_default();
            shown[key] = since;
        }
        shown
    }
}
