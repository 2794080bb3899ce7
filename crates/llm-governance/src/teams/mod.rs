//! Teams: `/team/*`.

mod callbacks;
mod change;
mod fields;
mod listing;
mod make;
pub(crate) mod members;
mod membership;
mod permissions;
mod reset;

pub(crate) use make::{bounded, register};

use llm_store::rows::{Budget, Object, Team, TeamMember};
use serde_json::{Value, json};

use crate::{
    Caller, Edit, Governance, Refusal,
    edit::shown,
    routes::{Route, route},
};

/// The routes.
pub(crate) const ROUTES: &[Route] = &[
    route!(Post "/team/new", Managed, make::new, "Makes a team.", body fields::NEW),
    route!(Post "/team/update", Managed, change::update, "Changes a team.", body fields::UPDATE),
    route!(Patch "/team/{team_id}", Managed, change::update, "Changes a team.", body fields::UPDATE),
    route!(Post "/team/delete", Managed, change::delete, "Deletes teams and their keys.", body fields::MANY),
    route!(Post "/team/block", Managed, change::block, "Blocks a team's keys.", body fields::WHICH),
    route!(Post "/team/unblock", Managed, change::unblock, "Lets a blocked team's keys work again.", body fields::WHICH),
    route!(Post "/team/model/add", Managed, change::add_models, "Lets a team ask further models.", body fields::MODELS),
    route!(Post "/team/model/delete", Managed, change::delete_models, "Takes models from a team.", body fields::MODELS),
    route!(Post "/team/member_add", Managed, membership::add, "Puts users into a team.", body fields::MEMBER_ADD),
    route!(Post "/team/bulk_member_add", Managed, membership::add, "Puts many users into a team.", body fields::MEMBER_ADD),
    route!(Post "/team/member_update", Managed, membership::update, "Changes what a user is and may spend in a team.", body fields::MEMBER_UPDATE),
    route!(Post "/team/member_delete", Managed, membership::delete, "Takes a user out of a team.", body fields::MEMBER),
    route!(Get "/team/permissions_list", Managed, permissions::list, "Says what a team lets its members do about its keys.", query fields::WHICH),
    route!(Post "/team/permissions_update", Managed, permissions::update, "Sets what a team lets its members do about its keys.", body fields::PERMISSIONS),
    route!(Get "/team/info", Info, listing::info, "Says what is known of a team.", query fields::WHICH),
    route!(Get "/team/list", Info, listing::list, "Lists teams, with their members and keys.", query fields::LIST),
    route!(Get "/v2/team/list", Info, listing::pages, "Lists teams by pages.", query fields::PAGES),
    route!(Get "/team/filter/ui", Info, listing::names, "Names the teams that fit what is being typed.", query fields::PAGES),
    route!(Post "/team/permissions_bulk_update", Admin, permissions::append, "Lets the members of several teams, or of all, do more about their keys.", body fields::PERMISSIONS_OF_MANY),
    route!(Get "/team/available", Info, listing::available, "Lists the teams that the caller may join."),
    route!(Get "/team/{team_id}/members/me", Info, listing::me, "Says what the caller is in a team."),
    route!(Post "/team/{team_id}/member/{user_id}/reset_spend", Managed, reset::spend, "Sets what a member has spent in its present window to less.", body fields::RESET),
    route!(Post "/team/{team_id}/member/{user_id}/reset_budget", Managed, reset::budget, "Gives a member the team's usual budget for members."),
    route!(Post "/team/{team_id}/callback", Managed, callbacks::add, "Has a team's requests logged.", body fields::CALLBACK),
    route!(Get "/team/{team_id}/callback", Managed, callbacks::list, "Says where a team's requests are logged."),
    route!(Delete "/team/{team_id}/callback/{callback_name}", Managed, callbacks::delete, "Has a team's requests no longer logged there."),
    route!(Post "/team/{team_id}/disable_logging", Managed, callbacks::disable, "Has a team's requests logged nowhere."),
];

/// Members of a team that are looked at.
const MOST: i64 = 10_000;

/// The key in a team's metadata that names the budget of members without one of their own.
const MEMBER_BUDGET: &str = "team_member_budget_id";

/// A team that the caller does not know of.
fn unknown(id: &str) -> Refusal {
    let id: String = id.chars().take(60).filter(|c| !c.is_control()).collect();
    Refusal::missing("team_id", format!("there is no team '{id}'"))
}

/// Refuses who neither runs the gateway nor the team's organization.
fn runs(caller: &Caller, team: &Team) -> Result<(), Refusal> {
    let organization = team.organization_id.as_deref();
    if caller.is_admin() || organization.is_some_and(|one| caller.is_admin_of_organization(one)) {
        return Ok(());
    }
    if !may_see(caller, team) {
        return Err(unknown(&team.team_id));
    }
    Err(Refusal::forbidden(
        "this is for the gateway's admins and those of the team's organization",
    ))
}

/// Refuses who is no admin of the team, nor of what is above it.
fn administers(caller: &Caller, team: &Team) -> Result<(), Refusal> {
    if caller.is_admin_of(&team.team_id) {
        return Ok(());
    }
    match runs(caller, team) {
        Err(refusal) if may_see(caller, team) => Err(Refusal {
            message: format!("this is for the admins of the team '{}'", team.team_id),
            ..refusal
        }),
        other => other,
    }
}

/// Whether the caller sees this team.
fn may_see(caller: &Caller, team: &Team) -> bool {
    let organization = team.organization_id.as_deref();
    caller.role.sees_all()
        || caller.team_id() == Some(&team.team_id)
        || caller.standing.is_in(&team.team_id)
        || organization.is_some_and(|one| caller.is_admin_of_organization(one))
}

/// The team that a request names.
async fn named(governance: &Governance, id: &str) -> Result<Team, Refusal> {
    let found = governance.store().get::<Team>(&[id]).await?;
    found.ok_or_else(|| unknown(id))
}

/// The same, and nobody else changes it meanwhile.
async fn locked(edit: &mut Edit<'_>, id: &str) -> Result<Team, Refusal> {
    edit.get::<Team>(&[id]).await?.ok_or_else(|| unknown(id))
}

/// A team as its readers see it.
async fn described(governance: &Governance, team: &Team) -> Result<Object, Refusal> {
    let of_team = [("team_id", team.team_id.as_str())];
    let members = governance
        .store()
        .list::<TeamMember>(&of_team, MOST, 0)
        .await?;
    with_members(team, &members.rows)
}

fn with_members(team: &Team, members: &[TeamMember]) -> Result<Object, Refusal> {
    let Value::Object(mut object) = shown(team)? else {
        return Err(Refusal::internal());
    };
    let with_roles = members.iter().map(|member| {
        json!({"user_id": member.user_id, "user_email": member.user_email, "role": member.role})
    });
    let with_roles: Vec<Value> = with_roles.collect();
    let ids: Vec<&String> = members.iter().map(|member| &member.user_id).collect();
    let admins = members.iter().filter(|member| member.role == "admin");
    let admins: Vec<&String> = admins.map(|member| &member.user_id).collect();
    object.insert("members_with_roles".to_owned(), with_roles.into());
    object.insert("members".to_owned(), json!(ids));
    object.insert("admins".to_owned(), json!(admins));
    Ok(object)
}

/// A member as its readers see it.
fn membership_of(
    team: &Team,
    member: &TeamMember,
    budget: Option<&Budget>,
) -> Result<Value, Refusal> {
    let mut object = shown(member)?;
    let source = match (&member.budget_id, member_budget(team)) {
        (None, _) => Value::Null,
        (Some(own), Some(of_team)) if own == of_team => "team".into(),
        (Some(_), _) => "member".into(),
    };
    if let Some(object) = object.as_object_mut() {
        object.insert("litellm_budget_table".to_owned(), json!(budget));
        object.insert("budget_source".to_owned(), source);
    }
    Ok(object)
}

/// The budget of members that have none of their own.
pub(crate) fn member_budget(team: &Team) -> Option<&str> {
    team.metadata.get(MEMBER_BUDGET)?.as_str()
}
