//! Adding, changing and removing models while running. Requests under way end with who answers them.

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
};
use llm_router::Deployment;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    inspect::parsed,
    models::full,
    pages::{Keyed, Refused, Shared},
};
use crate::{
    error::{Refusal, show},
    overlay::Entry,
    state::Gateway,
};

/// Which model to remove.
#[derive(Debug, Deserialize)]
pub(crate) struct Which {
    id: String,
}

/// `POST /model/new`.
pub(crate) async fn add(
    State(gateway): Shared,
    Keyed(live, _): Keyed,
    body: Bytes,
) -> Result<Json<Value>, Refused> {
    let mut entry: Entry = parsed(&body)?;
    match entry.model_info.get("id") {
        None | Some(Value::Null) => {
            let id = uuid::Uuid::new_v4().to_string();
            entry.model_info.insert("id".to_owned(), id.into());
        }
        Some(Value::String(id)) if live.router.deployment(id).is_none() => {}
        Some(Value::String(id)) => {
            let message = format!("another deployment has the id '{}'", show(id));
            return Err(Refusal::bad("model_info.id", message).into());
        }
        Some(_) => return Err(Refusal::bad("model_info.id", "an id must be a text").into()),
    }
    put(&gateway, entry, "a model was added")
}

/// `POST /model/update`: what the body says, over what was said before.
pub(crate) async fn change(
    State(gateway): Shared,
    _: Keyed,
    body: Bytes,
) -> Result<Json<Value>, Refused> {
    let change: Entry = parsed(&body)?;
    let id = change.model_info.get("id").and_then(Value::as_str);
    let Some(id) = id.map(str::to_owned) else {
        return Err(Refusal::bad("model_info.id", "'model_info' has no 'id'").into());
    };
    changed(&gateway, &id, change)
}

/// `PATCH /model/{id}/update`.
pub(crate) async fn patch(
    State(gateway): Shared,
    _: Keyed,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, Refused> {
    let mut change: Entry = parsed(&body)?;
    change.model_info.insert("id".to_owned(), id.clone().into());
    changed(&gateway, &id, change)
}

/// `POST /model/delete`.
pub(crate) async fn remove(
    State(gateway): Shared,
    _: Keyed,
    body: Bytes,
) -> Result<Json<Value>, Refused> {
    let Which { id } = parsed(&body)?;
    gateway.amend(|overlay| {
        overlay.entry(&id).ok_or_else(|| not_added(&gateway, &id))?;
        overlay.remove(&id);
        Ok(())
    })?;
    tracing::info!(deployment = %show(&id), "a model was removed");
    let message = format!("Model: {} deleted successfully", show(&id));
    Ok(Json(json!({ "message": message })))
}

fn changed(gateway: &Arc<Gateway>, id: &str, change: Entry) -> Result<Json<Value>, Refused> {
    let entry = gateway.added(id).ok_or_else(|| not_added(gateway, id))?;
    put(gateway, entry.with(change), "a model was changed")
}

fn put(gateway: &Arc<Gateway>, entry: Entry, done: &str) -> Result<Json<Value>, Refused> {
    let defaults = &gateway.live().settings.default_params;
    let (deployment, notices) = entry.build(defaults)?;
    let mut shown = described(&deployment);
    gateway.amend(|overlay| {
        overlay.put(entry, deployment.clone());
        Ok(())
    })?;
    tracing::info!(
        deployment = %show(&deployment.id),
        group = %show(&deployment.group),
        "{done}"
    );
    if !notices.is_empty() {
        shown["notices"] = notices.into();
    }
    Ok(Json(shown))
}

fn described(deployment: &Deployment) -> Value {
    let mut shown = full(deployment);
    shown["model_id"] = deployment.id.as_str().into();
    shown
}

fn not_added(gateway: &Gateway, id: &str) -> Refusal {
    let shown = show(id);
    let message = match gateway.live().router.deployment(id) {
        Some(_) => format!("the model '{shown}' stands in the configuration: change it there"),
        None => format!("no model has the id '{shown}'"),
    };
    Refusal::bad("id", message)
}
