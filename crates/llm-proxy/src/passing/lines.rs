//! The requests of a batch that stand in its own body, in a vendor's format: each asks for something.

use llm_types::{JsonObject, Map};
use serde_json::Value;

/// The requests within `fields`, where it is such a batch.
pub(super) fn of(fields: &JsonObject) -> Vec<JsonObject> {
    let mut all = Vec::new();
    // Anthropic's: `{"requests": [{"custom_id": …, "params": {…}}]}`.
    let listed: Option<Vec<Value>> = fields.get("requests").ok().flatten();
    all.extend(within(listed.unwrap_or_default(), "params"));
    // Google's: `{"batch": {"input_config": {"requests": {"requests": [{"request": {…}}]}}}}`.
    let batch: Option<Map> = fields.get("batch").ok().flatten();
    let listed = batch.and_then(|mut batch| {
        let config = batch
            .remove("input_config")
            .or_else(|| batch.remove("inputConfig"));
        let requests = config?.get_mut("requests")?.get_mut("requests")?.take();
        serde_json::from_value(requests).ok()
    });
    all.extend(within(listed.unwrap_or_default(), "request"));
    all
}

fn within(lines: Vec<Value>, name: &'static str) -> impl Iterator<Item = JsonObject> {
    let bodies = lines.into_iter().filter_map(move |mut line| {
        let body = line.get_mut(name)?.take();
        body.is_object().then_some(body)
    });
    bodies.filter_map(|body| JsonObject::from_serialize(&body).ok())
}
