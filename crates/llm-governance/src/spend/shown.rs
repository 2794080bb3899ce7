//! A request as its readers see it.

use llm_store::rows::{Object, SpendRow};
use serde_json::{Value, json};

use super::metadata::Names;
use crate::{Call, Refusal, edit::shown};

/// What is as long as the request itself: only shown alone.
const BODIES: [&str; 3] = ["messages", "response", "proxy_server_request"];

/// Requests of a list.
pub(super) async fn listed(call: &Call, rows: &[SpendRow]) -> Result<Vec<Value>, Refusal> {
    let names = Names::of(call, rows).await?;
    let each = rows.iter().map(|row| {
        let mut object = described(row, &names)?;
        for body in BODIES {
            object.insert(body.to_owned(), json!({}));
        }
        Ok(object.into())
    });
    each.collect()
}

/// A request alone, with what was kept of its text.
pub(super) async fn whole(call: &Call, row: &SpendRow) -> Result<Value, Refusal> {
    let names = Names::of(call, std::slice::from_ref(row)).await?;
    let mut object = described(row, &names)?;
    for body in BODIES {
        let kept = row.metadata.get(body).cloned();
        object.insert(body.to_owned(), kept.unwrap_or_else(|| json!({})));
    }
    Ok(object.into())
}

fn described(row: &SpendRow, names: &Names) -> Result<Object, Refusal> {
    let Value::Object(mut object) = shown(row)? else {
        return Err(Refusal::internal());
    };
    object.remove("accounts");
    if let Some(Value::Object(metadata)) = object.get_mut("metadata") {
        BODIES.iter().for_each(|body| drop(metadata.remove(*body)));
        names.fill(row, metadata);
    }
    let known_by = row.request_id.as_ref().or(row.call_id.as_ref());
    object.insert(
        "request_id".to_owned(),
        known_by.unwrap_or(&row.id).as_str().into(),
    );
    let cached = if row.cache_hit { "True" } else { "False" };
    object.insert("cache_hit".to_owned(), cached.into());
    let took = row.end_time.0.saturating_sub(row.start_time.0).max(0);
    object.insert("request_duration_ms".to_owned(), took.into());
    Ok(object)
}
