use llm_store::rows::{Organization, Team};
use serde_json::{Value, json};

use super::{MEMBER_BUDGET, described, fields, members};
use crate::{
    Answer, Call, Edit, Form, Governance, Refusal, keys::allocation, own_budget, terms::dollars,
};

/// `POST /team/new`.
pub(super) async fn new(mut call: Call) -> Result<Answer, Refusal> {
    let mut form = std::mem::take(&mut call.body);
    let governance = &call.governance;
    for (name, value) in &governance.settings().team_defaults {
        form.fill(name, value.clone());
    }
    bounded(&governance.settings().team_bounds, &form)?;
    may_make(&call, &form)?;
    let mut edit = governance.edit(&call.actor).await?;
    let now = edit.now();
    let id = form.text("team_id");
    let blank = Team {
        team_id: id.map_or_else(|| uuid::Uuid::now_v7().to_string(), str::to_owned),
        created_at: now,
        updated_at: now,
        ..Team::default()
    };
    let mut team = form.applied(fields::NEW, &blank)?;
    finish(&mut edit, &mut team).await?;
    // It names the budget that is made here, and nobody else's.
    team.metadata.remove(MEMBER_BUDGET);
    let budget = own_budget::keep(&mut edit, &call.actor, None, &form, fields::MEMBER_BUDGET);
    if let Some(budget) = budget.await? {
        let id = budget.budget_id.into();
        team.metadata.insert(MEMBER_BUDGET.to_owned(), id);
    }
    allocation::of_team(&mut edit, &team).await?;
    let taken = Refusal::bad("team_id", format!("the team '{}' exists", team.team_id));
    edit.insert(&team, taken).await?;
    let joined = first_members(&call, &form, &mut edit, &team).await?;
    edit.commit().await?;
    if team.budget_duration.is_some() {
        governance.rewindow(&team, None).await?;
    }
    governance.open_windows(&joined).await?;
    Ok(Value::Object(described(governance, &team).await?).into())
}

/// Adds a team that an identity provider names, with what teams are made with.
pub(crate) async fn register(
    governance: &Governance,
    edit: &mut Edit<'_>,
    id: &str,
) -> Result<Team, Refusal> {
    let mut form = Form::default();
    for (name, value) in &governance.settings().team_defaults {
        form.fill(name, value.clone());
    }
    let blank = Team {
        team_id: id.to_owned(),
        team_alias: Some(id.to_owned()),
        created_at: edit.now(),
        updated_at: edit.now(),
        ..Team::default()
    };
    let mut team = form.applied(fields::NEW, &blank)?;
    finish(edit, &mut team).await?;
    let taken = Refusal::taken("team_id", format!("the team '{id}' exists"));
    edit.insert(&team, taken).await?;
    Ok(team)
}

/// Who makes teams: the gateway's admins, and an organization's for it.
fn may_make(call: &Call, form: &Form) -> Result<(), Refusal> {
    let organization = form.text("organization_id");
    if call.caller.is_admin()
        || organization.is_some_and(|one| call.caller.is_admin_of_organization(one))
    {
        return Ok(());
    }
    Err(Refusal::forbidden(
        "teams are made by the gateway's admins, and by an organization's admins in it ('organization_id')",
    ))
}

/// What a team is told to be has to make sense.
pub(super) async fn finish(edit: &mut Edit<'_>, team: &mut Team) -> Result<(), Refusal> {
    team.organization_id.take_if(|id| id.is_empty());
    if let Some((max, soft)) = team.max_budget.zip(team.soft_budget)
        && soft > max
    {
        let message = "'soft_budget' must not be above 'max_budget'";
        return Err(Refusal::bad("soft_budget", message));
    }
    let Some(id) = &team.organization_id else {
        return Ok(());
    };
    let Some(organization) = edit.get::<Organization>(&[id]).await? else {
        let message = format!("there is no organization '{id}'");
        return Err(Refusal::bad("organization_id", message));
    };
    let of_all = &organization.models;
    let beyond = team.models.iter().find(|model| {
        !of_all.is_empty()
            && !of_all.contains(model)
            && !of_all
                .iter()
                .any(|one| one.contains('*') || one == "all-proxy-models")
    });
    match beyond {
        Some(model) => Err(Refusal::bad(
            "models",
            format!("the organization '{id}' may not ask the model '{model}'"),
        )),
        None => Ok(()),
    }
}

/// Refuses more than anybody may ask for.
pub(crate) fn bounded(bounds: &llm_store::rows::Object, form: &Form) -> Result<(), Refusal> {
    for (name, most) in bounds {
        if let Some(asked) = form.get(name)
            && dollars(asked) > dollars(most)
        {
            let message = format!("'{name}' is above what may be asked for: {most}");
            return Err(Refusal::bad(name.clone(), message));
        }
    }
    Ok(())
}

/// The members that the request names, and whoever makes the team as its admin.
async fn first_members(
    call: &Call,
    form: &Form,
    edit: &mut Edit<'_>,
    team: &Team,
) -> Result<Vec<members::Joined>, Refusal> {
    let given = form.get("members_with_roles").and_then(Value::as_array);
    let mut joined = Vec::new();
    for member in given.into_iter().flatten() {
        let member = members::form_of(member)?;
        joined.push(members::join(edit, &call.actor, team, &member).await?);
    }
    let outside = call.governance.settings().admins_stay_out_of_teams && call.caller.is_admin();
    let maker = call.caller.user_id().filter(|_| !outside);
    let Some(maker) = maker else {
        return Ok(joined);
    };
    if joined.iter().all(|one| one.user.user_id != maker) {
        let member = members::form_of(&json!({"user_id": maker, "role": "admin"}))?;
        joined.push(members::join(edit, &call.actor, team, &member).await?);
    }
    Ok(joined)
}
