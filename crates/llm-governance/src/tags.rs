//! Tags of requests: `/tag/*`.

use llm_store::rows::{Budget, Object, Tag};
use serde_json::{Value, json};

use crate::{
    Answer, Call, Caller, Field, Governance, Refusal,
    budget::{
        BUDGET,
        linked::{given, with_budget},
    },
    form::Kind::{Object as Dictionary, Text, Texts},
    routes::{Route, route},
};

const TAG: &[Field] = &[
    Field::apart("name", Text),
    Field::apart("budget_id", Text),
    Field::column("description", Text),
    Field::column("models", Texts),
    Field::column("model_info", Dictionary),
];

const EDIT: &[&[Field]] = &[TAG, BUDGET];

const NAMES: &[&[Field]] = &[&[Field::apart("names", Texts)]];

const WHICH: &[&[Field]] = &[&[Field::apart("name", Text)]];

/// The routes.
pub(crate) const ROUTES: &[Route] = &[
    route!(Post "/tag/new", Admin, make, "Makes a tag.", body EDIT),
    route!(Post "/tag/update", Admin, update, "Changes a tag.", body EDIT),
    route!(Post "/tag/info", Seen, info, "Says what is known of tags.", body NAMES),
    route!(Get "/tag/list", Own, list, "Lists tags; what they spend is for admins."),
    route!(Post "/tag/delete", Admin, delete, "Deletes a tag.", body WHICH),
];

async fn make(call: Call) -> Result<Answer, Refusal> {
    let (governance, form) = (&call.governance, &call.body);
    let name = form.need("name")?;
    let mut edit = governance.edit(&call.actor).await?;
    let blank = Tag {
        tag_name: name.to_owned(),
        created_at: edit.now(),
        created_by: call.actor.user_id.clone(),
        updated_at: edit.now(),
        ..Tag::default()
    };
    let mut tag = form.applied(&[TAG], &blank)?;
    let budget = given(&call, &mut edit, None).await?;
    tag.budget_id = budget.as_ref().map(|budget| budget.budget_id.clone());
    let taken = Refusal::taken("name", format!("Tag {name} already exists"));
    edit.insert(&tag, taken).await?;
    edit.commit().await?;
    if budget.is_some() {
        // Requests may have been counted under this name before.
        governance.rewindow(&tag, budget.as_ref()).await?;
    }
    let tag = with_budget(governance, &tag, budget.as_ref())?;
    Ok(json!({"message": format!("Tag {name} created successfully"), "tag": tag}).into())
}

async fn update(call: Call) -> Result<Answer, Refusal> {
    let (governance, form) = (&call.governance, &call.body);
    let name = form.need("name")?;
    let mut edit = governance.edit(&call.actor).await?;
    let before: Tag = edit.get(&[name]).await?.ok_or_else(|| unknown(name))?;
    let mut after = form.applied(&[TAG], &before)?;
    let budget = given(&call, &mut edit, before.budget_id.as_deref()).await?;
    after.budget_id = budget.as_ref().map(|budget| budget.budget_id.clone());
    after.updated_at = edit.now();
    edit.update(&before, &after, Refusal::internal()).await?;
    edit.commit().await?;
    if form.has("budget_duration") || form.has("budget_id") {
        governance.rewindow(&after, budget.as_ref()).await?;
    }
    let tag = with_budget(governance, &after, budget.as_ref())?;
    Ok(json!({"message": format!("Tag {name} updated successfully"), "tag": tag}).into())
}

async fn info(call: Call) -> Result<Answer, Refusal> {
    let names = call.body.texts("names");
    if names.is_empty() {
        return Err(Refusal::invalid(
            "body",
            "names",
            "missing",
            "Field required",
        ));
    }
    let mut found = Object::new();
    for name in names {
        if let Some(tag) = call.governance.store().get::<Tag>(&[&name]).await? {
            found.insert(name, described(&call.governance, &tag).await?.into());
        }
    }
    if found.is_empty() {
        return Err(Refusal::missing("names", "none of these tags is known"));
    }
    Ok(Value::from(found).into())
}

async fn list(call: Call) -> Result<Answer, Refusal> {
    let governance = &call.governance;
    let page = governance.store().list::<Tag>(&[], i64::MAX, 0).await?;
    let mut all: Vec<Value> = Vec::new();
    for tag in &page.rows {
        let mut shown = described(governance, tag).await?;
        narrow(&call.caller, &mut shown);
        all.push(shown.into());
    }
    Ok(Value::from(all).into())
}

async fn delete(call: Call) -> Result<Answer, Refusal> {
    let name = call.body.need("name")?;
    let mut edit = call.governance.edit(&call.actor).await?;
    let tag: Tag = edit.get(&[name]).await?.ok_or_else(|| unknown(name))?;
    edit.delete(&tag).await?;
    edit.commit().await?;
    Ok(json!({"message": format!("Tag {name} deleted successfully")}).into())
}

async fn described(governance: &Governance, tag: &Tag) -> Result<Object, Refusal> {
    let budget: Option<Budget> = governance.budget_of_row(tag).await?;
    with_budget(governance, tag, budget.as_ref())
}

/// Everybody may know which tags there are; money is for those who see all.
fn narrow(caller: &Caller, tag: &mut Object) {
    if caller.role.sees_all() {
        return;
    }
    for money in [
        "spend",
        "total_spend",
        "budget_reset_at",
        "budget_id",
        "litellm_budget_table",
    ] {
        tag.remove(money);
    }
}

fn unknown(name: &str) -> Refusal {
    Refusal::missing("name", format!("Tag {name} not found"))
}
