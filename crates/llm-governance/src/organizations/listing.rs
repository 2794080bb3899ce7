use llm_store::{Order, Page, containing, rows::Organization};
use serde_json::Value;

use super::{described, named, unknown};
use crate::{Answer, Call, Caller, Refusal};

/// Organizations of one answer.
const ALL: i64 = 1_000;

/// `GET /organization/list`: to who does not see all, those that it is in.
pub(super) async fn list(call: Call) -> Result<Answer, Refusal> {
    let query = &call.query;
    let mut wanted = Vec::new();
    wanted.extend(
        query
            .text("org_id")
            .map(|id| ("organization_id", id.to_owned())),
    );
    wanted.extend(
        query
            .text("org_alias")
            .map(|text| ("alias_like", containing(text))),
    );
    if !call.caller.role.sees_all() {
        let user = call.caller.user_id().unwrap_or_default();
        wanted.push(("viewer", user.to_owned()));
    }
    let store = call.governance.store();
    let found: Page<Organization> = store.find(&wanted, Order::default(), ALL, 0).await?;
    let mut all = Vec::new();
    for row in &found.rows {
        let mut row_shown = described(&call.governance, row).await?;
        if !sees_members(&call.caller, &row.organization_id) {
            row_shown.remove("members");
            row_shown.remove("teams");
        }
        all.push(Value::Object(row_shown));
    }
    Ok(Value::Array(all).into())
}

fn sees_members(caller: &Caller, id: &str) -> bool {
    caller.role.sees_all() || caller.is_admin_of_organization(id)
}

/// `GET /organization/info`.
pub(super) async fn info(call: Call) -> Result<Answer, Refusal> {
    let Some(id) = call.query.text("organization_id") else {
        return Err(Refusal::invalid(
            "query",
            "organization_id",
            "missing",
            "Field required",
        ));
    };
    if !sees_members(&call.caller, id) {
        return Err(unknown(id));
    }
    let row = named(&call.governance, id).await?;
    Ok(Value::Object(described(&call.governance, &row).await?).into())
}

/// `POST /organization/info`.
pub(super) async fn infos(call: Call) -> Result<Answer, Refusal> {
    let ids = call.body.texts("organizations");
    if ids.is_empty() {
        return Err(Refusal::invalid(
            "body",
            "organizations",
            "missing",
            "Field required",
        ));
    }
    let mut all = Vec::new();
    for id in ids.iter().filter(|id| sees_members(&call.caller, id)) {
        let row = call.governance.store().get::<Organization>(&[id]).await?;
        if let Some(row) = row {
            all.push(Value::Object(described(&call.governance, &row).await?));
        }
    }
    Ok(Value::Array(all).into())
}
