//! Shared budgets: `/budget/*`. A change of one holds at once for everybody who names it.

mod fields;
pub(crate) mod linked;

use llm_ledger::Calendar;
use llm_store::{
    Moment,
    rows::{Budget, Object},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    Answer, Call, Refusal,
    edit::shown,
    routes::{Route, route},
    terms::window,
};
pub(crate) use fields::BUDGET;

/// The routes.
pub(crate) const ROUTES: &[Route] = &[
    route!(Post "/budget/new", Admin, make, "Makes a budget that others refer to.", body fields::NEW),
    route!(Post "/budget/update", Admin, update, "Changes a budget, for everybody who names it.", body fields::NEW),
    route!(Post "/budget/info", Seen, info, "Says what is known of budgets.", body fields::INFO),
    route!(Get "/budget/settings", Admin, settings, "Lists what may be set of a budget.", query fields::WHICH),
    route!(Get "/budget/list", Admin, list, "Lists budgets."),
    route!(Post "/budget/delete", Admin, delete, "Deletes a budget that nobody names.", body fields::DELETE),
];

async fn make(call: Call) -> Result<Answer, Refusal> {
    let form = &call.body;
    let id = form.text("budget_id");
    let id = id.map_or_else(|| Uuid::now_v7().to_string(), str::to_owned);
    let now = Moment::now();
    let blank = Budget {
        budget_id: id.clone(),
        created_at: now,
        created_by: call.actor.user_id.clone(),
        updated_at: now,
        updated_by: call.actor.user_id.clone(),
        ..Budget::default()
    };
    let budget = form.applied(&[BUDGET], &blank)?;
    sound(&budget)?;
    let mut edit = call.governance.edit(&call.actor).await?;
    let taken = Refusal::bad("budget_id", format!("there is a budget '{id}' already"));
    edit.insert(&budget, taken).await?;
    edit.commit().await?;
    answer(&call, &budget)
}

async fn update(call: Call) -> Result<Answer, Refusal> {
    let (governance, form) = (&call.governance, &call.body);
    let id = form.need("budget_id")?;
    let mut edit = governance.edit(&call.actor).await?;
    let before: Budget = edit.get(&[id]).await?.ok_or_else(|| unknown(id))?;
    let mut after = form.applied(&[BUDGET], &before)?;
    sound(&after)?;
    after.updated_at = edit.now();
    after.updated_by.clone_from(&call.actor.user_id);
    edit.update(&before, &after, Refusal::internal()).await?;
    edit.commit().await?;
    if before.budget_duration != after.budget_duration {
        governance.realign(&after).await?;
    }
    answer(&call, &after)
}

async fn info(call: Call) -> Result<Answer, Refusal> {
    let ids = call.body.texts("budgets");
    if ids.is_empty() {
        let message = "'budgets' names the budgets to look up: it must not be empty";
        return Err(Refusal::bad("budgets", message));
    }
    let mut found: Vec<Value> = Vec::new();
    for id in &ids {
        if let Some(budget) = call.governance.store().get::<Budget>(&[id]).await? {
            found.push(described(&budget, &calendar(&call))?.into());
        }
    }
    Ok(Value::from(found).into())
}

async fn list(call: Call) -> Result<Answer, Refusal> {
    let page = call
        .governance
        .store()
        .list::<Budget>(&[], i64::MAX, 0)
        .await?;
    let all: Result<Vec<Value>, Refusal> = page
        .rows
        .iter()
        .map(|budget| Ok(described(budget, &calendar(&call))?.into()))
        .collect();
    Ok(Value::from(all?).into())
}

async fn settings(call: Call) -> Result<Answer, Refusal> {
    let id = call.query.text("budget_id");
    let id =
        id.ok_or_else(|| Refusal::invalid("query", "budget_id", "missing", "Field required"))?;
    let budget = call.governance.store().get::<Budget>(&[id]).await?;
    let shown = shown(&budget.ok_or_else(|| unknown(id))?)?;
    let one = |&(field, kind, about): &(&str, &str, &str)| {
        let value = shown.get(field).cloned().unwrap_or_default();
        json!({
            "field_name": field, "field_type": kind, "field_description": about,
            "stored_in_db": !value.is_null(), "field_value": value, "field_default_value": null,
        })
    };
    let all: Vec<Value> = fields::SETTINGS.iter().map(one).collect();
    Ok(Value::from(all).into())
}

async fn delete(call: Call) -> Result<Answer, Refusal> {
    let (governance, id) = (&call.governance, call.body.need("id")?);
    let mut edit = governance.edit(&call.actor).await?;
    let budget: Budget = edit.get(&[id]).await?.ok_or_else(|| unknown(id))?;
    // Without it, whoever names it could spend without end.
    let mut users = governance.users_of_budget(id).await?;
    users.extend(governance.givers_of_budget(id).await?);
    if !users.is_empty() {
        let users: Vec<String> = users
            .iter()
            .map(|(table, count)| format!("{count} in {}", table.replace('_', " ")))
            .collect();
        let message = format!(
            "the budget '{id}' bounds others ({}): give them another one first",
            users.join(", ")
        );
        return Err(Refusal::bad("id", message));
    }
    edit.delete(&budget).await?;
    edit.commit().await?;
    answer(&call, &budget)
}

fn answer(call: &Call, budget: &Budget) -> Result<Answer, Refusal> {
    Ok(Value::from(described(budget, &calendar(call))?).into())
}

fn calendar(call: &Call) -> Calendar {
    call.governance.settings().calendar.clone()
}

/// A budget as its readers see it. Its windows end at the same moment for all who name it.
pub(crate) fn described(budget: &Budget, calendar: &Calendar) -> Result<Object, Refusal> {
    let Value::Object(mut object) = shown(budget)? else {
        return Err(Refusal::internal());
    };
    let duration = budget.budget_duration.as_deref();
    let ends = duration
        .and_then(|text| window(text, calendar))
        .map(|window| window.end(Moment::now()));
    object.insert("budget_reset_at".to_owned(), json!(ends));
    Ok(object)
}

/// Refuses limits that contradict each other.
pub(crate) fn sound(budget: &Budget) -> Result<(), Refusal> {
    match budget.max_budget.zip(budget.soft_budget) {
        Some((max, soft)) if soft > max => Err(Refusal::bad(
            "soft_budget",
            "'soft_budget' must not be above 'max_budget'",
        )),
        _ => Ok(()),
    }
}

fn unknown(id: &str) -> Refusal {
    Refusal::missing("budget_id", format!("there is no budget '{id}'"))
}
