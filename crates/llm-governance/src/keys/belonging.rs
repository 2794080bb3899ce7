//! What a key belongs to, and is bounded by: it is there, and goes together.

use llm_store::rows::{Key, Organization, Project, Team};

use crate::{Caller, Edit, Form, Refusal};

/// Settles what a key of `team` belongs to. What is not there bounds nothing, so it is refused.
pub(super) async fn settle(
    edit: &mut Edit<'_>,
    key: &mut Key,
    team: Option<&Team>,
    form: &Form,
) -> Result<(), Refusal> {
    let of_team = team.and_then(|team| team.organization_id.as_deref());
    match (form.text("organization_id"), of_team) {
        (Some(named), Some(own)) if named != own => {
            let message = format!("the team's keys belong to its organization, '{own}'");
            return Err(Refusal::bad("organization_id", message));
        }
        (Some(named), _) if edit.get::<Organization>(&[named]).await?.is_none() => {
            let message = format!("there is no organization '{named}'");
            return Err(Refusal::bad("organization_id", message));
        }
        (Some(_), _) => {}
        (None, _) if team.is_some() && !form.has("organization_id") => {
            key.organization_id = of_team.map(str::to_owned);
        }
        (None, _) => {}
    }
    let named = form.has("project_id") || form.has("team_id");
    let Some(id) = key.project_id.as_deref().filter(|_| named) else {
        return Ok(());
    };
    let Some(project) = edit.get::<Project>(&[id]).await? else {
        let message = format!("there is no project '{id}'");
        return Err(Refusal::bad("project_id", message));
    };
    match (&key.team_id, &project.team_id) {
        (Some(team), Some(own)) if team != own => {
            let message = format!("the project '{id}' belongs to another team");
            Err(Refusal::bad("project_id", message))
        }
        _ => Ok(()),
    }
}

/// Refuses a project or an organization that somebody who is no admin of the gateway may not charge: a project is its
/// team's, and an organization its admins'.
pub(super) fn may_name(caller: &Caller, form: &Form) -> Result<(), Refusal> {
    if form.text("project_id").is_some() && form.text("team_id").is_none() {
        let message = "keys of a project are keys of its team: name it in 'team_id'";
        return Err(Refusal::forbidden(message).of("project_id"));
    }
    let Some(one) = form.text("organization_id") else {
        return Ok(());
    };
    let of_team = form
        .text("team_id")
        .and_then(|team| caller.standing.organization_of(team));
    if of_team == Some(one) || caller.is_admin_of_organization(one) {
        return Ok(());
    }
    let message = format!("only admins of the organization '{one}' make keys for it");
    Err(Refusal::forbidden(message).of("organization_id"))
}
