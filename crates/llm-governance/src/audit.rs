//! Who changed what: `/audit`.

use std::str::FromStr;

use llm_ledger::Period;
use llm_store::{AuditFilter, Moment, rows::AuditEntry};
use serde_json::{Value, json};

use crate::{
    Answer, Call, Field, Refusal,
    edit::shown,
    form::Kind::{Choice, Count, Text},
    routes::{Route, route},
};

const LIST: &[&[Field]] = &[&[
    Field::apart("page", Count),
    Field::apart("page_size", Count),
    Field::apart("changed_by", Text),
    Field::apart("changed_by_api_key", Text),
    Field::apart("action", Text),
    Field::apart("table_name", Text),
    Field::apart("object_id", Text),
    Field::apart("search", Text),
    Field::apart("start_date", Text),
    Field::apart("end_date", Text),
    Field::apart("sort_by", Choice(&["updated_at"])),
    Field::apart("sort_order", Choice(&["asc", "desc"])),
]];

/// The routes.
pub(crate) const ROUTES: &[Route] = &[
    route!(Get "/audit", Admin, list, "Lists administrative changes.", query LIST),
    route!(Get "/audit/{id}", Admin, info, "Shows one administrative change."),
];

/// Our tables, and the names that readers of audit logs know them by.
const TABLES: &[(&str, &str)] = &[
    ("keys", "LiteLLM_VerificationToken"),
    ("teams", "LiteLLM_TeamTable"),
    ("team_members", "LiteLLM_TeamMembership"),
    ("users", "LiteLLM_UserTable"),
    ("organizations", "LiteLLM_OrganizationTable"),
    ("organization_members", "LiteLLM_OrganizationMembership"),
    ("customers", "LiteLLM_EndUserTable"),
    ("budgets", "LiteLLM_BudgetTable"),
    ("tags", "LiteLLM_TagTable"),
    ("access_groups", "LiteLLM_AccessGroupTable"),
    ("projects", "LiteLLM_ProjectTable"),
    ("credentials", "LiteLLM_CredentialsTable"),
    ("models", "LiteLLM_ProxyModelTable"),
];

async fn list(call: Call) -> Result<Answer, Refusal> {
    let query = &call.query;
    let page = query.count("page").unwrap_or(1).max(1);
    let size = query.count("page_size").unwrap_or(10).clamp(1, 100);
    let table = query.text("table_name").map(stored_name);
    let filter = AuditFilter {
        changed_by: query.text("changed_by"),
        changed_by_api_key: query.text("changed_by_api_key"),
        action: query.text("action"),
        table_name: table,
        object_id: query.text("object_id"),
        search: query.text("search"),
        from: moment(&call, "start_date", false)?,
        until: moment(&call, "end_date", true)?,
        oldest_first: query.text("sort_order") == Some("asc"),
    };
    let bounded = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
    let offset = bounded((page - 1).saturating_mul(size));
    let found = call.governance.store();
    let found = found.audit(&filter, bounded(size), offset).await?;
    let rows: Result<Vec<Value>, Refusal> = found.rows.iter().map(described).collect();
    let pages = u64::try_from(found.total).unwrap_or(0).div_ceil(size);
    Ok(json!({
        "audit_logs": rows?, "total": found.total, "page": page, "page_size": size, "total_pages": pages,
    })
    .into())
}

async fn info(call: Call) -> Result<Answer, Refusal> {
    let id = call.part("id");
    let entry = call.governance.store().get::<AuditEntry>(&[id]).await?;
    let unknown = || Refusal::missing("id", format!("Audit log with ID {id} not found"));
    Ok(described(&entry.ok_or_else(unknown)?)?.into())
}

fn described(entry: &AuditEntry) -> Result<Value, Refusal> {
    let mut value = shown(entry)?;
    let known = TABLES.iter().find(|(ours, _)| *ours == entry.table_name);
    if let Some((_, name)) = known {
        value["table_name"] = (*name).into();
    }
    Ok(value)
}

fn stored_name(name: &str) -> &str {
    let known = TABLES.iter().find(|(_, theirs)| *theirs == name);
    known.map_or(name, |(ours, _)| ours)
}

/// A moment, or a day: its beginning, or where the next one begins.
fn moment(call: &Call, field: &'static str, end: bool) -> Result<Option<Moment>, Refusal> {
    let Some(text) = call.query.text(field) else {
        return Ok(None);
    };
    let parsed = |text: &str| serde_json::from_value::<Moment>(text.into()).ok();
    if let Some(moment) = parsed(text) {
        return Ok(Some(moment));
    }
    let Some(day) = parsed(&format!("{text}T00:00:00Z")) else {
        let message = format!("'{field}' is neither a day such as 2026-11-21 nor a moment");
        return Err(Refusal::bad(field, message));
    };
    let next = Period::from_str("1d").map(|one| one.after(day));
    Ok(Some(match (end, next) {
        (true, Ok(next)) => next,
        _ => day,
    }))
}
