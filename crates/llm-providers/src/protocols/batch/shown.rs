//! A batch as OpenAI shows it.

use serde_json::{Map, Value, json};

use crate::{Error, error_table::rfc3339};

/// What is known of a batch.
#[derive(Debug, Default)]
pub(crate) struct Shown {
    pub(crate) id: String,
    pub(crate) endpoint: String,
    pub(crate) model: Option<String>,
    pub(crate) input: Option<String>,
    pub(crate) output: Option<String>,
    pub(crate) errors: Option<String>,
    pub(crate) status: &'static str,
    /// All lines, those that were answered, those that were not.
    pub(crate) counts: Option<(u64, u64, u64)>,
    /// When it was made, and when it came to where it is, as the vendor writes times.
    pub(crate) created: Option<String>,
    pub(crate) expires: Option<String>,
    pub(crate) cancelling: Option<String>,
    pub(crate) ended: Option<String>,
    /// Why it failed.
    pub(crate) failure: Option<String>,
    pub(crate) metadata: Value,
}

impl Shown {
    /// Its JSON.
    pub(crate) fn json(&self) -> Value {
        let time = |text: &Option<String>| text.as_deref().and_then(rfc3339);
        let is = |status: &str| (self.status == status).then(|| time(&self.ended)).flatten();
        let (total, completed, failed) = self.counts.unwrap_or_default();
        let errors = self.failure.as_ref().map(|message| {
            let problem =
                json!({"code": "failed", "line": null, "message": message, "param": null});
            json!({"object": "list", "data": [problem]})
        });
        let mut shown = json!({
            "id": self.id,
            "object": "batch",
            "endpoint": self.endpoint,
            "errors": errors,
            "input_file_id": self.input,
            "completion_window": "24h",
            "status": self.status,
            "output_file_id": self.output,
            "error_file_id": self.errors,
            "created_at": time(&self.created),
            "in_progress_at": time(&self.created),
            "expires_at": time(&self.expires),
            "completed_at": is("completed"),
            "failed_at": is("failed"),
            "expired_at": is("expired"),
            "cancelling_at": time(&self.cancelling),
            "cancelled_at": is("cancelled"),
            "request_counts": {"total": total, "completed": completed, "failed": failed},
            "metadata": self.metadata,
        });
        if let Some(model) = &self.model {
            shown["model"] = model.as_str().into();
        }
        shown
    }
}

/// Lists that are read by pages have no place to go on from.
pub(crate) fn no_place(pages: &str) -> Error {
    let message = format!("lists of these batches have no 'after': ask with '{pages}'");
    Error::bad_request("after", message)
}

/// A page of them.
pub(crate) fn page(shown: &[Shown], has_more: bool) -> Value {
    let data: Vec<Value> = shown.iter().map(Shown::json).collect();
    let mut page = Map::new();
    page.insert("object".into(), "list".into());
    page.insert(
        "first_id".into(),
        shown.first().map(|first| first.id.clone()).into(),
    );
    page.insert(
        "last_id".into(),
        shown.last().map(|last| last.id.clone()).into(),
    );
    page.insert("data".into(), data.into());
    page.insert("has_more".into(), has_more.into());
    page.into()
}
