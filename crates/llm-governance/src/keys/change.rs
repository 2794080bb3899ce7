use llm_ledger::Spender;
use llm_store::{Moment, rows::Key};
use serde_json::{Value, json};

use super::{described, fields, generate, may_manage};
use crate::{Answer, Call, Entry, Refusal, terms::dollars};

/// `POST /key/update`.
pub(super) async fn update(call: Call) -> Result<Answer, Refusal> {
    let (governance, form) = (&call.governance, &call.body);
    let by_alias = form.text("key_alias").filter(|_| !form.has("key"));
    let named = governance.named_key(form.text("key"), by_alias).await?;
    may_manage(&call.caller, &named, "/key/update")?;
    if form.has("temp_budget_increase") != form.has("temp_budget_expiry") {
        let message = "'temp_budget_increase' and 'temp_budget_expiry' belong together";
        return Err(Refusal::bad("temp_budget_increase", message));
    }
    let spent = form.get("spend").and_then(dollars);
    if !call.caller.is_admin() {
        for field in [
            "spend",
            "permissions",
            "user_id",
            "team_id",
            "organization_id",
        ] {
            if form.has(field) {
                let message = format!("only admins change '{field}'");
                return Err(Refusal::forbidden(message).of(field));
            }
        }
    }
    governance.team_of(form).await?;
    governance.budget_of(form).await?;
    let now = Moment::now();
    let mut edit = governance.edit(&call.actor).await?;
    let before: Key = edit
        .get(&[&named.token])
        .await?
        .ok_or_else(|| super::unknown(&named.token))?;
    let mut after = form.applied(fields::UPDATE, &before)?;
    generate::finish(&mut after, form, now)?;
    after.updated_at = now;
    after.updated_by.clone_from(&call.actor.user_id);
    edit.update(&before, &after, generate::taken(&after))
        .await?;
    edit.commit().await?;
    let account = after.account();
    if form.has("budget_duration") {
        let window = Entry::new(after.clone(), None, &governance.settings().calendar);
        let spender = window.terms.spenders.into_iter().next();
        let spender = spender.unwrap_or_else(|| Spender::of(account.clone()));
        governance.ledger().set_window(&spender).await?;
    }
    if let Some(spent) = spent {
        governance.ledger().set_spent(&account, spent).await?;
        after.spend = spent;
    }
    let mut answer = described(&after)?;
    let key = form.text("key").unwrap_or(&after.token);
    answer.insert("key".to_owned(), key.into());
    Ok(Value::Object(answer).into())
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
    let key = call.body.need("key")?;
    let before = governance.named_key(Some(key), None).await?;
    let route = if blocked {
        "/key/block"
    } else {
        "/key/unblock"
    };
    may_manage(&call.caller, &before, route)?;
    let mut after = before.clone();
    after.blocked = Some(blocked);
    after.updated_at = Moment::now();
    after.updated_by.clone_from(&call.actor.user_id);
    let mut edit = governance.edit(&call.actor).await?;
    edit.update(&before, &after, generate::taken(&after))
        .await?;
    edit.commit().await?;
    Ok(Value::Object(described(&after)?).into())
}
