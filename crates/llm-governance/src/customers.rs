//! Customers, the end users that requests name: `/customer/*`, which is also `/end_user/*`.

use std::collections::HashMap;

use llm_store::rows::{Budget, Customer};
use serde_json::{Value, json};

use crate::{
    Answer, Call, Field, Refusal,
    budget::{
        BUDGET,
        linked::{given, with_budget},
    },
    form::Kind::{Choice, Dollars, Flag, Json, Text, Texts},
    routes::{Route, route},
    terms::dollars,
};

const CUSTOMER: &[Field] = &[
    Field::apart("user_id", Text),
    Field::apart("budget_id", Text),
    Field::apart("spend", Dollars),
    Field::column("alias", Text),
    Field::column("blocked", Flag),
    Field::column("allowed_model_region", Choice(&["eu", "us"])),
    Field::column("default_model", Text),
    Field::column("models", Texts),
    Field::column("object_permission", Json),
];

const EDIT: &[&[Field]] = &[CUSTOMER, BUDGET];

const WHICH: &[&[Field]] = &[&[Field::apart("end_user_id", Text)]];

const MANY: &[&[Field]] = &[&[Field::apart("user_ids", Texts)]];

/// The routes.
pub(crate) const ROUTES: &[Route] = &[
    route!(Post "/customer/new", Admin, make, "Makes a customer.", body EDIT),
    route!(Post "/customer/update", Admin, update, "Changes a customer.", body EDIT),
    route!(Post "/customer/delete", Admin, delete, "Deletes customers.", body MANY),
    route!(Post "/customer/block", Admin, block, "Blocks customers, known or not.", body MANY),
    route!(Post "/customer/unblock", Admin, unblock, "Serves blocked customers again.", body MANY),
    route!(Get "/customer/info", Admin, info, "Says what is known of a customer.", query WHICH),
    route!(Get "/customer/list", Admin, list, "Lists customers."),
    route!(Post "/end_user/new", Admin, make, "Makes a customer.", body EDIT),
    route!(Post "/end_user/update", Admin, update, "Changes a customer.", body EDIT),
    route!(Post "/end_user/delete", Admin, delete, "Deletes customers.", body MANY),
    route!(Post "/end_user/block", Admin, block, "Blocks customers, known or not.", body MANY),
    route!(Post "/end_user/unblock", Admin, unblock, "Serves blocked customers again.", body MANY),
    route!(Get "/end_user/info", Admin, info, "Says what is known of a customer.", query WHICH),
    route!(Get "/end_user/list", Admin, list, "Lists customers."),
];

async fn make(call: Call) -> Result<Answer, Refusal> {
    let (governance, form) = (&call.governance, &call.body);
    let id = form.need("user_id")?;
    let blank = Customer {
        user_id: id.to_owned(),
        ..Customer::default()
    };
    let mut customer = form.applied(&[CUSTOMER], &blank)?;
    let mut edit = governance.edit(&call.actor).await?;
    let budget = given(&call, &mut edit, None).await?;
    customer.budget_id = budget.as_ref().map(|budget| budget.budget_id.clone());
    let taken = Refusal::bad(
        "user_id",
        format!("Customer already exists, passed user_id={id}. Please pass a new user_id."),
    );
    edit.insert(&customer, taken).await?;
    edit.commit().await?;
    settle(&call, &mut customer, budget.as_ref()).await?;
    answer(&call, &customer, budget.as_ref())
}

async fn update(call: Call) -> Result<Answer, Refusal> {
    let (governance, form) = (&call.governance, &call.body);
    let id = form.need("user_id")?;
    let mut edit = governance.edit(&call.actor).await?;
    let before: Customer = edit.get(&[id]).await?.ok_or_else(|| unknown(id))?;
    let mut after = form.applied(&[CUSTOMER], &before)?;
    let budget = given(&call, &mut edit, before.budget_id.as_deref()).await?;
    after.budget_id = budget.as_ref().map(|budget| budget.budget_id.clone());
    edit.update(&before, &after, Refusal::internal()).await?;
    edit.commit().await?;
    settle(&call, &mut after, budget.as_ref()).await?;
    answer(&call, &after, budget.as_ref())
}

/// What the ledger has to know of a change.
async fn settle(
    call: &Call,
    customer: &mut Customer,
    budget: Option<&Budget>,
) -> Result<(), Refusal> {
    let (governance, form) = (&call.governance, &call.body);
    if form.has("budget_duration") || form.has("budget_id") {
        governance.rewindow(customer, budget).await?;
    }
    if let Some(spent) = form.get("spend").and_then(dollars) {
        let account = crate::Governed::account(customer);
        governance.ledger().set_spent(&account, spent).await?;
        customer.spend = spent;
    }
    Ok(())
}

async fn delete(call: Call) -> Result<Answer, Refusal> {
    let ids = named(&call)?;
    let mut edit = call.governance.edit(&call.actor).await?;
    for id in &ids {
        let customer: Customer = edit.get(&[id]).await?.ok_or_else(|| unknown(id))?;
        edit.delete(&customer).await?;
    }
    edit.commit().await?;
    let message = format!("Successfully deleted customers with ids: {ids:?}");
    Ok(json!({"deleted_customers": ids.len(), "message": message}).into())
}

async fn block(call: Call) -> Result<Answer, Refusal> {
    let rows = set_blocked(&call, true).await?;
    Ok(json!({"blocked_users": rows}).into())
}

async fn unblock(call: Call) -> Result<Answer, Refusal> {
    let rows = set_blocked(&call, false).await?;
    Ok(json!({"blocked_users": [], "unblocked_users": rows}).into())
}

/// Who is to be blocked may not have been seen yet.
async fn set_blocked(call: &Call, blocked: bool) -> Result<Vec<Customer>, Refusal> {
    let ids = named(call)?;
    let mut edit = call.governance.edit(&call.actor).await?;
    let mut rows = Vec::new();
    for id in ids {
        let row = match edit.get::<Customer>(&[&id]).await? {
            Some(before) => {
                let after = Customer {
                    blocked,
                    ..before.clone()
                };
                edit.update(&before, &after, Refusal::internal()).await?;
                after
            }
            None if blocked => {
                let new = Customer {
                    user_id: id,
                    blocked,
                    ..Customer::default()
                };
                // Its first request may add it at this moment.
                edit.insert(&new, Refusal::unavailable()).await?;
                new
            }
            None => return Err(unknown(&id)),
        };
        rows.push(row);
    }
    edit.commit().await?;
    Ok(rows)
}

async fn info(call: Call) -> Result<Answer, Refusal> {
    let id = call.query.text("end_user_id");
    let id =
        id.ok_or_else(|| Refusal::invalid("query", "end_user_id", "missing", "Field required"))?;
    let customer = call.governance.store().get::<Customer>(&[id]).await?;
    let customer = customer.ok_or_else(|| unknown(id))?;
    let budget = call.governance.budget_of_row(&customer).await?;
    answer(&call, &customer, budget.as_ref())
}

async fn list(call: Call) -> Result<Answer, Refusal> {
    let governance = &call.governance;
    let page = governance
        .store()
        .list::<Customer>(&[], i64::MAX, 0)
        .await?;
    let budgets = governance.store().list::<Budget>(&[], i64::MAX, 0).await?;
    let budgets: HashMap<&str, &Budget> = budgets
        .rows
        .iter()
        .map(|budget| (budget.budget_id.as_str(), budget))
        .collect();
    let budget = |customer: &Customer| {
        let id = customer.budget_id.as_deref()?;
        budgets.get(id).copied()
    };
    let all: Result<Vec<Value>, Refusal> = page
        .rows
        .iter()
        .map(|customer| Ok(with_budget(governance, customer, budget(customer))?.into()))
        .collect();
    Ok(Value::from(all?).into())
}

fn named(call: &Call) -> Result<Vec<String>, Refusal> {
    let ids = call.body.texts("user_ids");
    if ids.is_empty() {
        return Err(Refusal::invalid(
            "body",
            "user_ids",
            "missing",
            "Field required",
        ));
    }
    Ok(ids)
}

fn answer(call: &Call, customer: &Customer, budget: Option<&Budget>) -> Result<Answer, Refusal> {
    Ok(Value::from(with_budget(&call.governance, customer, budget)?).into())
}

fn unknown(id: &str) -> Refusal {
    Refusal {
        kind: "not_found",
        ..Refusal::missing("end_user_id", format!("there is no customer '{id}'"))
    }
}
