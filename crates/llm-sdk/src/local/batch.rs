//! Batches: what is known of each, and how it is shown.

use llm_types::Map;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{fresh, now};

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
    fn is_over(self) -> bool {
        !matches!(self, Self::Validating | Self::InProgress | Self::Cancelling)
    }
}

/// What is known of a batch that is answered here. Its JSON is what a store keeps.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Batch {
    /// Its id.
    pub id: String,
    pub(crate) endpoint: String,
    pub(crate) input: String,
    /// Chosen beforehand, so that a second end of the same batch makes no second file.
    pub(crate) output: String,
    pub(crate) errors: String,
    /// How long its files of answers stay, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) output_stays: Option<u64>,
    pub(crate) metadata: Map,
    /// Who made it, and is asked for when its lines are (`RouteOptions::owner`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) owner: Option<String>,
    /// The name that it is kept under; `None`: it is everybody's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub whose: Option<String>,
    pub(crate) status: Status,
    /// When it was made, in seconds since 1970.
    pub created_at: u64,
    /// When it was asked to stop, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelling_at: Option<u64>,
    /// When it came to each status, by its name.
    pub(crate) since: Map,
    /// What is wrong with the input.
    pub(crate) problems: Vec<Value>,
    pub(crate) total: u64,
    /// How many lines are answered.
    pub completed: u64,
    /// How many lines have failed.
    pub failed: u64,
}

impl Batch {
    pub(super) fn new(endpoint: String, input: String) -> Self {
        Self {
            id: fresh("batch_"),
            endpoint,
            input,
            output: fresh("file-"),
            errors: fresh("file-"),
            output_stays: None,
            metadata: Map::new(),
            owner: None,
            whose: None,
            status: Status::Validating,
            created_at: now(),
            cancelling_at: None,
            since: Map::new(),
            problems: Vec::new(),
            total: 0,
            completed: 0,
            failed: 0,
        }
    }

    /// Whether nothing more happens.
    pub fn is_over(&self) -> bool {
        self.status.is_over()
    }

    /// When it came to its end, in seconds since 1970; `None`: it did not yet.
    pub fn ended_at(&self) -> Option<u64> {
        let name = json!(self.status).as_str().unwrap_or_default().to_owned();
        let ended = self
            .since
            .get(&format!("{name}_at"))
            .and_then(Value::as_u64);
        self.is_over().then(|| ended.unwrap_or(self.expires_at()))
    }

    /// Goes on to `status`.
    pub(crate) fn turn_to(&mut self, status: Status) {
        self.status = status;
        let name = json!(status).as_str().unwrap_or_default().to_owned();
        self.since.insert(format!("{name}_at"), now().into());
    }

    /// When its time is up.
    pub(crate) fn expires_at(&self) -> u64 {
        self.created_at + WINDOW
    }

    /// Its status as it is shown: one that was asked to stop is about to.
    pub(crate) fn shown_status(&self) -> Status {
        match self.cancelling_at {
            Some(_) if !self.is_over() => Status::Cancelling,
            _ => self.status,
        }
    }

    /// As OpenAI shows it.
    pub(crate) fn shown(&self) -> Value {
        let over = self.is_over();
        let file = |id: &str, lines: u64| (over && lines > 0).then(|| id.to_owned());
        let mut shown = json!({
            "id": self.id,
            "object": "batch",
            "endpoint": self.endpoint,
            "errors": null,
            "input_file_id": self.input,
            "completion_window": "24h",
            "status": self.shown_status(),
            "output_file_id": file(&self.output, self.completed),
            "error_file_id": file(&self.errors, self.failed),
            "created_at": self.created_at,
            "expires_at": self.expires_at(),
            "request_counts": {"total": self.total, "completed": self.completed, "failed": self.failed},
            "metadata": self.metadata,
        });
        if !self.problems.is_empty() {
            shown["errors"] = json!({"object": "list", "data": self.problems});
        }
        for name in ["in_progress", "completed", "failed", "expired", "cancelled"] {
            let key = format!("{name}_at");
            let since = self.since.get(&key).cloned().unwrap_or_default();
            shown[key] = since;
        }
        shown["cancelling_at"] = self.cancelling_at.into();
        shown
    }
}
