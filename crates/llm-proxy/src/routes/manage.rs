//! Adding, changing and removing models while running: in the database where there is one, for every instance, and for
//! this process otherwise. Requests under way end with who answers them.

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
};
use http::HeaderMap;
use llm_governance::{Actor, Caller, Governance, StoredModel};
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
    state::{Gateway, Live},
    stored,
};

/// The header in which a client says for whom it changes something.
const CHANGED_BY: &str = "litellm-changed-by";

/// Which model to remove.
#[derive(Debug, Deserialize)]
pub(crate) struct Which {
    id: String,
}

/// Which model to block.
#[derive(Debug, Deserialize)]
pub(crate) struct Blocked {
    model_id: String,
}

/// Who changes a model, and where models are kept.
struct Desk<'a> {
    gateway: &'a Gateway,
    live: &'a Live,
    governance: &'a Governance,
    caller: &'a Caller,
    actor: Actor,
}

/// `POST /model/new`.
pub(crate) async fn add(
    State(gateway): Shared,
    Keyed(live, caller): Keyed,
    headers: HeaderMap,
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
    match Desk::of(&gateway, &live, &caller, &headers) {
        Some(desk) => desk.add(entry).await,
        None => put(&gateway, entry, "a model was added"),
    }
}

/// `POST /model/update`: what the body says, over what was said before.
pub(crate) async fn change(
    State(gateway): Shared,
    Keyed(live, caller): Keyed,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, Refused> {
    let change: Entry = parsed(&body)?;
    let id = change.model_info.get("id").and_then(Value::as_str);
    let Some(id) = id.map(str::to_owned) else {
        return Err(Refusal::bad("model_info.id", "'model_info' has no 'id'").into());
    };
    match Desk::of(&gateway, &live, &caller, &headers) {
        Some(desk) => desk.change(&id, change).await,
        None => changed(&gateway, &id, change),
    }
}

/// `PATCH /model/{id}/update`.
pub(crate) async fn patch(
    State(gateway): Shared,
    Keyed(live, caller): Keyed,
    Path(id): Path<String>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, Refused> {
    let mut change: Entry = parsed(&body)?;
    change.model_info.insert("id".to_owned(), id.clone().into());
    match Desk::of(&gateway, &live, &caller, &headers) {
        Some(desk) => desk.change(&id, change).await,
        None => changed(&gateway, &id, change),
    }
}

/// `POST /model/delete`.
pub(crate) async fn remove(
    State(gateway): Shared,
    Keyed(live, caller): Keyed,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, Refused> {
    let Which { id } = parsed(&body)?;
    if let Some(desk) = Desk::of(&gateway, &live, &caller, &headers) {
        return desk.remove(&id).await;
    }
    gateway.amend(|overlay| {
        overlay.entry(&id).ok_or_else(|| not_added(&gateway, &id))?;
        overlay.remove(&id);
        Ok(())
    })?;
    Ok(removed(&id))
}

/// `POST /model/block`.
pub(crate) async fn block(
    State(gateway): Shared,
    Keyed(live, caller): Keyed,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, Refused> {
    let Blocked { model_id } = parsed(&body)?;
    match Desk::of(&gateway, &live, &caller, &headers) {
        Some(desk) => desk.set_blocked(&model_id, true).await,
        None => Err(not_kept().into()),
    }
}

/// `POST /model/unblock`.
pub(crate) async fn unblock(
    State(gateway): Shared,
    Keyed(live, caller): Keyed,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Json<Value>, Refused> {
    let Blocked { model_id } = parsed(&body)?;
    match Desk::of(&gateway, &live, &caller, &headers) {
        Some(desk) => desk.set_blocked(&model_id, false).await,
        None => Err(not_kept().into()),
    }
}

impl<'a> Desk<'a> {
    /// Where models are kept; nowhere without a database.
    fn of(
        gateway: &'a Gateway,
        live: &'a Live,
        caller: &'a Caller,
        headers: &HeaderMap,
    ) -> Option<Self> {
        let named = headers.get(CHANGED_BY).and_then(|name| name.to_str().ok());
        Some(Self {
            governance: gateway.governance()?,
            actor: Actor::of(caller, named.map(str::to_owned)),
            gateway,
            live,
            caller,
        })
    }

    async fn add(&self, entry: Entry) -> Result<Json<Value>, Refused> {
        let team = entry.model_info.get("team_id").and_then(Value::as_str);
        self.may(team).await?;
        let credential = stored::credential_of(self.governance, &entry, None).await?;
        let mut notices = Vec::new();
        let added = self
            .governance
            .add_model(&self.actor, stored::said(entry), |model| {
                notices = self.works(model, credential)?;
                Ok(())
            })
            .await
            .map_err(Refusal::from)?;
        self.answer(&added, notices, "a model was added").await
    }

    async fn change(&self, id: &str, change: Entry) -> Result<Json<Value>, Refused> {
        let present = self.named(id).await?;
        self.may(present.row.team_id.as_deref()).await?;
        let credential = stored::credential_of(self.governance, &change, Some(&present)).await?;
        let mut notices = Vec::new();
        let changed = self
            .governance
            .change_model(&self.actor, id, stored::said(change), |model| {
                notices = self.works(model, credential)?;
                Ok(())
            })
            .await
            .map_err(Refusal::from)?;
        self.answer(&changed, notices, "a model was changed").await
    }

    async fn remove(&self, id: &str) -> Result<Json<Value>, Refused> {
        let present = self.named(id).await?;
        self.may(present.row.team_id.as_deref()).await?;
        let removed_model = self.governance.delete_model(&self.actor, id).await;
        removed_model.map_err(Refusal::from)?;
        stored::load(self.gateway, self.governance).await?;
        Ok(removed(id))
    }

    async fn set_blocked(&self, id: &str, blocked: bool) -> Result<Json<Value>, Refused> {
        self.named(id).await?;
        let model = self.governance.block_model(&self.actor, id, blocked).await;
        let model = model.map_err(Refusal::from)?;
        let done = if blocked {
            "a model was blocked"
        } else {
            "a model answers again"
        };
        self.answer(&model, Vec::new(), done).await
    }

    async fn may(&self, team: Option<&str>) -> Result<(), Refusal> {
        Ok(self.governance.may_manage_model(self.caller, team).await?)
    }

    async fn named(&self, id: &str) -> Result<StoredModel, Refusal> {
        let model = self.governance.stored_model(id).await?;
        model.ok_or_else(|| not_added(self.gateway, id))
    }

    /// Refuses what makes no model.
    fn works(
        &self,
        model: &StoredModel,
        credential: Option<llm_types::Map>,
    ) -> Result<Vec<String>, llm_governance::Refusal> {
        let defaults = &self.live.settings.default_params;
        match stored::build(model, credential, defaults) {
            Ok((_, _, notices)) => Ok(notices),
            Err(refusal) => {
                let param = refusal.param.unwrap_or("litellm_params".into());
                Err(llm_governance::Refusal::bad(param, refusal.message))
            }
        }
    }

    /// A change holds here before its answer is sent; elsewhere within a second.
    async fn answer(
        &self,
        model: &StoredModel,
        notices: Vec<String>,
        done: &str,
    ) -> Result<Json<Value>, Refused> {
        stored::load(self.gateway, self.governance).await?;
        let id = &model.row.model_id;
        tracing::info!(deployment = %show(id), group = %show(&model.row.model_name), "{done}");
        let live = self.gateway.live();
        let mut shown = match live.router.deployment(id) {
            Some(deployment) => described(deployment),
            None => json!({"model_id": id, "model_info": model.row.model_info}),
        };
        shown["model_name"] = model.public_name().into();
        shown["litellm_params"] = model.masked_params().into();
        shown["blocked"] = model.row.blocked.into();
        for (name, at) in [
            ("created_at", model.row.created_at),
            ("updated_at", model.row.updated_at),
        ] {
            shown[name] = json!(at);
        }
        if !notices.is_empty() {
            shown["notices"] = notices.into();
        }
        Ok(Json(shown))
    }
}

fn removed(id: &str) -> Json<Value> {
    tracing::info!(deployment = %show(id), "a model was removed");
    let message = format!("Model: {} deleted successfully", show(id));
    Json(json!({ "message": message }))
}

fn not_kept() -> Refusal {
    let message = "models are blocked in the database, and there is none: name one with --db";
    Refusal::bad("model_id", message)
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
