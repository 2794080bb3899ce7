//! What a team lets its members do.

use llm_store::rows::Team;
use serde_json::{Value, json};

use super::{administers, described, locked, may_see, named, unknown};
use crate::{Answer, Call, Refusal};

/// Everything that a team may let its members do.
const PERMISSIONS: [&str; 20] = [
    "/key/generate",
    "/key/update",
    "/key/delete",
    "/key/regenerate",
    "/key/service-account/generate",
    "/key/{key_id}/regenerate",
    "/key/block",
    "/key/unblock",
    "/key/bulk_update",
    "/team/key/bulk_update",
    "/key/{key_id}/reset_spend",
    "/key/info",
    "/key/list",
    "/key/aliases",
    "/key/access_group_assignment",
    "/auto_router/manage",
    "/team/daily/activity",
    "/team/daily/activity/aggregated",
    "/spend/logs",
    "/spend/logs/v2",
];

/// What members may do whatever their team says.
const ALWAYS: [&str; 2] = ["/key/info", "/key/health"];

/// `GET /team/permissions_list`.
pub(super) async fn list(call: Call) -> Result<Answer, Refusal> {
    let id = call.query.text("team_id");
    let Some(id) = id else {
        return Err(Refusal::invalid(
            "query",
            "team_id",
            "missing",
            "Field required",
        ));
    };
    let team = named(&call.governance, id).await?;
    if !may_see(&call.caller, &team) {
        return Err(unknown(id));
    }
    let all: Vec<&str> = PERMISSIONS.into_iter().chain(["/key/health"]).collect();
    Ok(json!({
        "team_id": id, "team_member_permissions": in_force(&team), "all_available_permissions": all,
    })
    .into())
}

fn in_force(team: &Team) -> Vec<&str> {
    let said = team.team_member_permissions.iter().map(String::as_str);
    let said = said.filter(|permission| !ALWAYS.contains(permission));
    ALWAYS.into_iter().chain(said).collect()
}

/// `POST /team/permissions_update`.
pub(super) async fn update(call: Call) -> Result<Answer, Refusal> {
    let (governance, form) = (&call.governance, &call.body);
    let id = form.need("team_id")?;
    administers(&call.caller, &named(governance, id).await?)?;
    let permissions = form.texts("team_member_permissions");
    check(&permissions)?;
    let mut edit = governance.edit(&call.actor).await?;
    let before = locked(&mut edit, id).await?;
    let after = Team {
        team_member_permissions: permissions,
        updated_at: edit.now(),
        ..before.clone()
    };
    let taken = Refusal::bad("team_id", "this team exists");
    edit.update(&before, &after, taken).await?;
    edit.commit().await?;
    Ok(Value::Object(described(governance, &after).await?).into())
}

/// `POST /team/permissions_bulk_update`: what the teams let their members do already stays.
pub(super) async fn append(call: Call) -> Result<Answer, Refusal> {
    let (governance, form) = (&call.governance, &call.body);
    let more = form.texts("permissions");
    if more.is_empty() {
        let message = "Field required";
        return Err(Refusal::invalid("body", "permissions", "missing", message));
    }
    check(&more)?;
    let mut ids = form.texts("team_ids");
    if ids.is_empty() != form.is_true("apply_to_all_teams") {
        let message = "either 'team_ids' names the teams, or 'apply_to_all_teams' is true";
        return Err(Refusal::bad("team_ids", message));
    }
    if ids.is_empty() {
        let all = governance.store().list::<Team>(&[], i64::MAX, 0).await?;
        ids.extend(all.rows.into_iter().map(|team| team.team_id));
    }
    ids.sort();
    ids.dedup();
    let mut edit = governance.edit(&call.actor).await?;
    for id in &ids {
        let before = locked(&mut edit, id).await?;
        let mut after = before.clone();
        let known = &mut after.team_member_permissions;
        let new = more
            .iter()
            .filter(|one| !before.team_member_permissions.contains(one));
        known.extend(new.cloned());
        if known.len() == before.team_member_permissions.len() {
            continue;
        }
        after.updated_at = edit.now();
        let taken = Refusal::bad("team_id", "this team exists");
        edit.update(&before, &after, taken).await?;
    }
    edit.commit().await?;
    let message = format!("{} teams were looked at", ids.len());
    Ok(
        json!({"message": message, "teams_updated": ids.len(), "permissions_appended": more})
            .into(),
    )
}

/// Refuses what is no permission.
pub(super) fn check(permissions: &[String]) -> Result<(), Refusal> {
    let known = |one: &str| PERMISSIONS.contains(&one) || ALWAYS.contains(&one);
    match permissions.iter().find(|one| !known(one)) {
        Some(other) => Err(Refusal::bad(
            "team_member_permissions",
            format!("'{other}' is none of {}", PERMISSIONS.join(", ")),
        )),
        None => Ok(()),
    }
}
