use llm_store::{Moment, rows::Key};
use serde_json::{Value, json};

use super::{administers, allocation, belonging, described, fields, generate, may_manage};
use crate::{
    Answer, Call, Caller, Form, Refusal,
    edit::shown,
    form::Place,
    terms::{IN_METADATA, dollars},
};

/// `POST /key/update`.
pub(super) async fn update(call: Call) -> Result<Answer, Refusal> {
    let after = apply(&call, &call.body).await?;
    let mut answer = described(&after)?;
    let key = call.body.text("key").unwrap_or(&after.token);
    answer.insert("key".to_owned(), key.into());
    Ok(Value::Object(answer).into())
}

/// Changes the key that `form` names.
pub(super) async fn apply(call: &Call, form: &Form) -> Result<Key, Refusal> {
    let governance = &call.governance;
    let by_alias = form.text("key_alias").filter(|_| !form.has("key"));
    let named = governance.named_key(form.text("key"), by_alias).await?;
    may_manage(&call.caller, &named, "/key/update")?;
    may_change(&call.caller, &named, form)?;
    if form.has("temp_budget_increase") != form.has("temp_budget_expiry") {
        let message = "'temp_budget_increase' and 'temp_budget_expiry' belong together";
        return Err(Refusal::bad("temp_budget_increase", message));
    }
    generate::bounded(governance, form)?;
    let is_bounded = governance.settings().key_bounds.contains_key("max_budget");
    if is_bounded && form.has(generate::INCREASE) && !administers(&call.caller, &named) {
        let message = "only admins raise a budget above what keys may have";
        return Err(Refusal::forbidden(message).of(generate::INCREASE));
    }
    let spent = form.get("spend").and_then(dollars);
    let mut edit = governance.edit(&call.actor).await?;
    let before: Key = edit
        .get(&[&named.token])
        .await?
        .ok_or_else(|| super::unknown(&named.token))?;
    let team = generate::team_of(&mut edit, form).await?;
    generate::budget_of(&mut edit, form).await?;
    let mut after = form.applied(fields::UPDATE, &before)?;
    if !administers(&call.caller, &before) {
        keep_bounds(&before, &mut after, form);
    }
    generate::finish(&mut after, form, edit.now())?;
    belonging::settle(&mut edit, &mut after, team.as_ref(), form).await?;
    after.updated_at = edit.now();
    after.updated_by.clone_from(&call.actor.user_id);
    after.spend = spent.unwrap_or(after.spend);
    allocation::of_key(&mut edit, &after, &after.token).await?;
    edit.update(&before, &after, generate::taken(&after))
        .await?;
    edit.commit().await?;
    if form.has("budget_duration") || form.has("budget_id") {
        let budget = governance.budget(after.budget_id.as_deref()).await?;
        governance.rewindow(&after, budget.as_ref()).await?;
    }
    if let Some(spent) = spent {
        governance
            .ledger()
            .set_spent(&after.account(), spent)
            .await?;
    }
    Ok(after)
}

/// What only admins change, of any key.
const ADMINS: [&str; 6] = [
    "spend",
    "permissions",
    "user_id",
    "team_id",
    "organization_id",
    "project_id",
];

/// What bounds a key: whoever was given one does not widen it.
const BOUNDS: [&str; 17] = [
    "models",
    "max_budget",
    "soft_budget",
    "budget_duration",
    "budget_limits",
    "budget_id",
    "model_max_budget",
    "tpm_limit",
    "rpm_limit",
    "tpd_limit",
    "max_parallel_requests",
    "duration",
    "allowed_routes",
    "key_type",
    "object_permission",
    "access_group_ids",
    "blocked",
];

/// Refuses fields that this caller may not change: whose key it is, and of a key that somebody else made for the caller,
/// what bounds it.
pub(super) fn may_change(caller: &Caller, key: &Key, form: &Form) -> Result<(), Refusal> {
    if caller.is_admin() {
        return Ok(());
    }
    if let Some(field) = ADMINS.into_iter().find(|field| form.has(field)) {
        let message = format!("only admins change '{field}'");
        return Err(Refusal::forbidden(message).of(field));
    }
    let made_it = key.created_by.is_some() && key.created_by.as_deref() == caller.user_id();
    if made_it || administers(caller, key) {
        return Ok(());
    }
    let kept = fields::KEY
        .iter()
        .filter(|field| field.place == Place::Metadata);
    let kept = kept.map(|field| field.name).filter(|name| *name != "tags");
    let temporary = ["temp_budget_increase", "temp_budget_expiry"];
    let mut bounds = BOUNDS.into_iter().chain(kept).chain(temporary);
    if let Some(field) = bounds.find(|field| form.has(field)) {
        let message = format!("'{field}' bounds a key that an admin made: only admins change it");
        return Err(Refusal::forbidden(message).of(field));
    }
    Ok(())
}

/// What is kept in the metadata and bounds a key does not go away because somebody replaces the metadata.
pub(super) fn keep_bounds(before: &Key, after: &mut Key, form: &Form) {
    let fields = fields::UPDATE.iter().copied().flatten();
    let fields = fields.filter(|field| field.place == Place::Metadata);
    let names = fields.map(|field| field.name).chain(IN_METADATA);
    for name in names.filter(|name| !form.has(name)) {
        match before.metadata.get(name) {
            Some(value) => drop(after.metadata.insert(name.to_owned(), value.clone())),
            None => drop(after.metadata.remove(name)),
        }
    }
}

/// `POST /key/{key}/reset_spend`.
pub(super) async fn reset_spend(call: Call) -> Result<Answer, Refusal> {
    let governance = &call.governance;
    let key = governance.named_key(Some(call.part("key")), None).await?;
    may_manage(&call.caller, &key, "/key/{key_id}/reset_spend")?;
    if !administers(&call.caller, &key)
        && !super::member_may(
            &call.caller,
            key.team_id.as_deref().unwrap_or_default(),
            "/key/{key_id}/reset_spend",
        )
    {
        return Err(Refusal::forbidden("only admins reset what a key has spent"));
    }
    let to = call.body.get("reset_to").and_then(dollars);
    let Some(to) = to else {
        return Err(Refusal::invalid(
            "body",
            "reset_to",
            "missing",
            "Field required",
        ));
    };
    if to > key.spend {
        let message = format!(
            "'reset_to' must not be above what was spent: {}",
            key.spend.to_f64()
        );
        return Err(Refusal::bad("reset_to", message));
    }
    let after = Key {
        spend: to,
        ..key.clone()
    };
    let mut edit = governance.edit(&call.actor).await?;
    let (old, new) = (
        json!({"spend": shown(&key)?["spend"]}),
        json!({"spend": shown(&after)?["spend"]}),
    );
    edit.note::<Key>(
        "updated",
        std::slice::from_ref(&key.token),
        Some(old),
        Some(new),
    )
    .await?;
    edit.commit().await?;
    governance.ledger().set_spent(&key.account(), to).await?;
    Ok(Value::Object(described(&after)?).into())
}

/// `POST /key/delete`.
pub(super) async fn delete(call: Call) -> Result<Answer, Refusal> {
    let (governance, form) = (&call.governance, &call.body);
    let (keys, aliases) = (form.texts("keys"), form.texts("key_aliases"));
    if keys.is_empty() && aliases.is_empty() {
        return Err(Refusal::invalid(
            "body",
            "keys",
            "missing",
            "Field required",
        ));
    }
    let mut found = Vec::new();
    for key in &keys {
        found.push(governance.named_key(Some(key), None).await?);
    }
    for alias in &aliases {
        found.push(governance.named_key(None, Some(alias)).await?);
    }
    for key in &found {
        may_manage(&call.caller, key, "/key/delete")?;
    }
    let mut edit = governance.edit(&call.actor).await?;
    for key in &found {
        edit.delete_key(key).await?;
    }
    edit.commit().await?;
    let sent: Vec<&String> = keys.iter().chain(&aliases).collect();
    Ok(json!({"deleted_keys": sent}).into())
}

/// `POST /key/block`.
pub(super) async fn block(call: Call) -> Result<Answer, Refusal> {
    set_blocked(call, true).await
}

/// `POST /key/unblock`.
pub(super) async fn unblock(call: Call) -> Result<Answer, Refusal> {
    set_blocked(call, false).await
}

async fn set_blocked(call: Call, blocked: bool) -> Result<Answer, Refusal> {
    let governance = &call.governance;
    let named = governance
        .named_key(Some(call.body.need("key")?), None)
        .await?;
    let route = if blocked {
        "/key/block"
    } else {
        "/key/unblock"
    };
    may_manage(&call.caller, &named, route)?;
    if !blocked && super::owns(&call.caller, &named) && !administers(&call.caller, &named) {
        return Err(Refusal::forbidden(
            "only admins let a blocked key work again",
        ));
    }
    let mut edit = governance.edit(&call.actor).await?;
    let before: Key = edit
        .get(&[&named.token])
        .await?
        .ok_or_else(|| super::unknown(&named.token))?;
    let mut after = before.clone();
    after.blocked = Some(blocked);
    after.updated_at = Moment::now();
    after.updated_by.clone_from(&call.actor.user_id);
    edit.update(&before, &after, generate::taken(&after))
        .await?;
    edit.commit().await?;
    Ok(Value::Object(described(&after)?).into())
}
