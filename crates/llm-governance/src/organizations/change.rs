use llm_store::rows::{Key, Organization, OrganizationMember, Team};
use serde_json::{Value, json};

use super::{described, fields, members, named, runs, unknown};
use crate::{
    Answer, Call, Refusal,
    budget::linked::given,
    terms::{dollars, keep_in_metadata},
};

/// `POST /organization/new`.
pub(super) async fn new(call: Call) -> Result<Answer, Refusal> {
    let (governance, form) = (&call.governance, &call.body);
    form.need("organization_alias")?;
    let mut edit = governance.edit(&call.actor).await?;
    let now = edit.now();
    let id = form.text("organization_id");
    let blank = Organization {
        organization_id: id.map_or_else(|| uuid::Uuid::now_v7().to_string(), str::to_owned),
        created_at: now,
        created_by: call.actor.user_id.clone(),
        updated_at: now,
        updated_by: call.actor.user_id.clone(),
        ..Organization::default()
    };
    let mut row = form.applied(fields::NEW, &blank)?;
    let budget = given(&call, &mut edit, None).await?;
    row.budget_id = budget.as_ref().map(|budget| budget.budget_id.clone());
    let taken = format!("the organization '{}' exists", row.organization_id);
    edit.insert(&row, Refusal::bad("organization_id", taken))
        .await?;
    edit.commit().await?;
    if budget
        .as_ref()
        .is_some_and(|budget| budget.budget_duration.is_some())
    {
        governance.rewindow(&row, budget.as_ref()).await?;
    }
    Ok(Value::Object(described(governance, &row).await?).into())
}

/// `PATCH /organization/update` and `PATCH /v2/organization/{organization_id}`.
pub(super) async fn update(call: Call) -> Result<Answer, Refusal> {
    let (governance, form) = (&call.governance, &call.body);
    let id = match call.part("organization_id") {
        "" => form.need("organization_id")?,
        part => part,
    };
    runs(&call.caller, id)?;
    let names = form.given().keys().map(String::as_str);
    let mut bounds = names.filter(|name| !fields::OF_ITS_ADMINS.contains(name));
    if let Some(field) = bounds.next().filter(|_| !call.caller.is_admin()) {
        let message = format!("'{field}' bounds the organization: its own admins do not change it");
        return Err(Refusal::forbidden(message).of(field.to_owned()));
    }
    if form.clears("organization_alias") {
        return Err(Refusal::bad(
            "organization_alias",
            "an organization has a name",
        ));
    }
    let mut edit = governance.edit(&call.actor).await?;
    let before = edit
        .get::<Organization>(&[id])
        .await?
        .ok_or_else(|| unknown(id))?;
    let mut after = form.applied(fields::UPDATE, &before)?;
    if !call.caller.is_admin() {
        keep_in_metadata(&before.metadata, &mut after.metadata);
        match before.metadata.get("tags") {
            Some(tags) => drop(after.metadata.insert("tags".to_owned(), tags.clone())),
            None => drop(after.metadata.remove("tags")),
        }
    }
    let budget = given(&call, &mut edit, before.budget_id.as_deref()).await?;
    after.budget_id = budget.as_ref().map(|budget| budget.budget_id.clone());
    let spent = form.get("spend").and_then(dollars);
    after.spend = spent.unwrap_or(after.spend);
    after.updated_at = edit.now();
    after.updated_by.clone_from(&call.actor.user_id);
    let taken = Refusal::bad("organization_id", "this organization exists");
    edit.update(&before, &after, taken).await?;
    edit.commit().await?;
    if form.has("budget_duration") || form.has("budget_id") {
        governance.rewindow(&after, budget.as_ref()).await?;
    }
    if let Some(spent) = spent {
        let account = crate::Governed::account(&after);
        governance.ledger().set_spent(&account, spent).await?;
    }
    let row = named(governance, id).await?;
    Ok(Value::Object(described(governance, &row).await?).into())
}

/// `DELETE /organization/delete`.
pub(super) async fn delete(call: Call) -> Result<Answer, Refusal> {
    let ids = call.body.texts("organization_ids");
    if ids.is_empty() {
        return Err(Refusal::invalid(
            "body",
            "organization_ids",
            "missing",
            "Field required",
        ));
    }
    for id in &ids {
        runs(&call.caller, id)?;
    }
    let mut edit = call.governance.edit(&call.actor).await?;
    let mut deleted = Vec::new();
    for id in &ids {
        let Some(row) = edit.get::<Organization>(&[id]).await? else {
            return Err(unknown(id));
        };
        let of_it = [("organization_id", id.as_str())];
        if !edit.list::<Team>(&of_it, 1).await?.is_empty() {
            let message = format!("the organization '{id}' has teams: delete or move them first");
            return Err(Refusal::bad("organization_ids", message));
        }
        // Without it, they could spend without end.
        if !edit.list::<Key>(&of_it, 1).await?.is_empty() {
            let message = format!("the organization '{id}' has keys: delete or move them first");
            return Err(Refusal::bad("organization_ids", message));
        }
        for member in edit.list::<OrganizationMember>(&of_it, i64::MAX).await? {
            members::leave(&mut edit, &member).await?;
        }
        edit.delete(&row).await?;
        deleted.push(crate::edit::shown(&row)?);
    }
    edit.commit().await?;
    Ok(json!(deleted).into())
}
