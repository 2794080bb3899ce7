use llm_store::rows::{Budget, Key, Team, TeamMember};
use serde_json::{Value, json};

use super::{
    MEMBER_BUDGET, MOST, administers, described, fields, locked, make, member_budget, members,
    named, runs,
};
use crate::{
    Actor, Answer, Call, Edit, Form, Governed, Refusal,
    budget::linked::abandon,
    form::Place,
    keys::allocation,
    own_budget,
    terms::{dollars, keep_in_metadata},
};

/// `POST /team/update` and `PATCH /team/{team_id}`.
pub(super) async fn update(call: Call) -> Result<Answer, Refusal> {
    let (governance, form) = (&call.governance, &call.body);
    let id = match call.part("team_id") {
        "" => form.need("team_id")?,
        part => part,
    };
    let known = named(governance, id).await?;
    let by_team = may_update(&call, &known)?;
    if form.has("temp_budget_increase") != form.has("temp_budget_expiry") {
        let message = "'temp_budget_increase' and 'temp_budget_expiry' belong together";
        return Err(Refusal::bad("temp_budget_increase", message));
    }
    make::bounded(&governance.settings().team_bounds, form)?;
    let mut edit = governance.edit(&call.actor).await?;
    let before = locked(&mut edit, id).await?;
    let mut after = form.applied(fields::UPDATE, &before)?;
    keep_own(&before, &mut after, by_team);
    make::finish(&mut edit, &mut after).await?;
    let changed = change_member_budget(&mut edit, &call.actor, form, &mut after).await?;
    let spent = form.get("spend").and_then(dollars);
    after.spend = spent.unwrap_or(after.spend);
    after.updated_at = edit.now();
    allocation::of_team(&mut edit, &after).await?;
    edit.update(&before, &after, taken()).await?;
    if before.organization_id != after.organization_id {
        move_keys(&mut edit, &after).await?;
    }
    edit.commit().await?;
    if form.has("budget_duration") {
        governance.rewindow(&after, None).await?;
    }
    if let Some((budget, members)) = changed.filter(|_| form.has("team_member_budget_duration")) {
        for member in members {
            governance.rewindow(&member, Some(&budget)).await?;
        }
    }
    if let Some(spent) = spent {
        let account = crate::Governed::account(&after);
        governance.ledger().set_spent(&account, spent).await?;
    }
    let data = described(governance, &named(governance, id).await?).await?;
    Ok(json!({"team_id": id, "data": data}).into())
}

/// Refuses who may not change this, and says whether it is the team's own admin, who may not change what bounds it.
fn may_update(call: &Call, team: &Team) -> Result<bool, Refusal> {
    administers(&call.caller, team)?;
    let mut into = call.body.text("organization_id").into_iter();
    let foreign = into.any(|one| !call.caller.is_admin_of_organization(one));
    if runs(&call.caller, team).is_ok() {
        return match foreign {
            true => Err(Refusal::forbidden(
                "a team is moved to another organization by that one's admins",
            )
            .of("organization_id")),
            false => Ok(false),
        };
    }
    let given = call.body.given().keys();
    let beyond = given
        .map(String::as_str)
        .find(|name| !fields::OF_TEAM_ADMINS.contains(name));
    match beyond {
        Some(field) => {
            let message = format!("'{field}' bounds the team: its own admins do not change it");
            Err(Refusal::forbidden(message).of(field.to_owned()))
        }
        None => Ok(true),
    }
}

/// What is kept in the metadata and is not free JSON does not go away because somebody replaces the metadata.
fn keep_own(before: &Team, after: &mut Team, by_team: bool) {
    let mut keep = |name: &str| match before.metadata.get(name) {
        Some(value) => drop(after.metadata.insert(name.to_owned(), value.clone())),
        None => drop(after.metadata.remove(name)),
    };
    keep(MEMBER_BUDGET);
    if !by_team {
        return;
    }
    let fields = fields::UPDATE.iter().copied().flatten();
    let bounds = fields.filter(|field| field.place == Place::Metadata);
    for field in bounds.filter(|field| !fields::OF_TEAM_ADMINS.contains(&field.name)) {
        keep(field.name);
    }
    keep("logging");
    keep_in_metadata(&before.metadata, &mut after.metadata);
}

/// A team's keys are its organization's: that one's admins manage them, and the former one's do not.
async fn move_keys(edit: &mut Edit<'_>, team: &Team) -> Result<(), Refusal> {
    let of_team = [("team_id", team.team_id.as_str())];
    for key in edit.list::<Key>(&of_team, i64::MAX).await? {
        let moved = Key {
            organization_id: team.organization_id.clone(),
            ..key.clone()
        };
        edit.update(&key, &moved, taken()).await?;
    }
    Ok(())
}

/// Changes the budget of the team's members. One that is new is also for those who have none.
async fn change_member_budget(
    edit: &mut Edit<'_>,
    actor: &Actor,
    form: &Form,
    team: &mut Team,
) -> Result<Option<(Budget, Vec<TeamMember>)>, Refusal> {
    if !own_budget::is_named(form, fields::MEMBER_BUDGET) {
        return Ok(None);
    }
    let known = member_budget(team).map(str::to_owned);
    let kept = own_budget::keep(edit, actor, known.as_deref(), form, fields::MEMBER_BUDGET);
    let Some(budget) = kept.await? else {
        return Ok(None);
    };
    let id = budget.budget_id.clone();
    team.metadata
        .insert(MEMBER_BUDGET.to_owned(), id.clone().into());
    let mut all = edit
        .list::<TeamMember>(&[("team_id", &team.team_id)], MOST)
        .await?;
    for member in all.iter_mut().filter(|member| member.budget_id.is_none()) {
        let before = member.clone();
        member.budget_id = Some(id.clone());
        edit.update(&before, &*member, taken()).await?;
    }
    all.retain(|member| member.budget_id.as_ref() == Some(&id));
    Ok(Some((budget, all)))
}

fn taken() -> Refusal {
    Refusal::bad("team_id", "this team exists")
}

/// `POST /team/delete`: the team, its members and its keys.
pub(super) async fn delete(call: Call) -> Result<Answer, Refusal> {
    let ids = call.body.texts("team_ids");
    if ids.is_empty() {
        return Err(Refusal::invalid(
            "body",
            "team_ids",
            "missing",
            "Field required",
        ));
    }
    for id in &ids {
        runs(&call.caller, &named(&call.governance, id).await?)?;
    }
    let mut edit = call.governance.edit(&call.actor).await?;
    for id in &ids {
        let Some(team) = edit.get::<Team>(&[id]).await? else {
            // Named twice.
            continue;
        };
        for key in edit.list::<Key>(&[("team_id", id)], i64::MAX).await? {
            edit.delete_key(&key).await?;
        }
        let of_team = member_budget(&team).map(str::to_owned);
        for member in edit
            .list::<TeamMember>(&[("team_id", id)], i64::MAX)
            .await?
        {
            members::leave(&mut edit, &member, of_team.as_deref()).await?;
            // Nobody comes back to a team that is gone.
            edit.close(Governed::account(&member));
        }
        if let Some(id) = of_team {
            abandon(&mut edit, &id).await?;
        }
        edit.delete_team(&team).await?;
    }
    edit.commit().await?;
    Ok(json!({"deleted_teams": ids}).into())
}

/// `POST /team/block`.
pub(super) async fn block(call: Call) -> Result<Answer, Refusal> {
    changed(call, |team, _| team.blocked = true).await
}

/// `POST /team/unblock`.
pub(super) async fn unblock(call: Call) -> Result<Answer, Refusal> {
    changed(call, |team, _| team.blocked = false).await
}

/// `POST /team/model/add`.
pub(super) async fn add_models(call: Call) -> Result<Answer, Refusal> {
    changed(call, |team, form| {
        for model in form.texts("models") {
            if !team.models.contains(&model) {
                team.models.push(model);
            }
        }
    })
    .await
}

/// `POST /team/model/delete`.
pub(super) async fn delete_models(call: Call) -> Result<Answer, Refusal> {
    let going = call.body.texts("models");
    let team = named(&call.governance, call.body.need("team_id")?).await?;
    let left = team.models.iter().any(|model| !going.contains(model));
    if !team.models.is_empty() && !left {
        let message = "a team without models may ask all of them: block it, or name what it keeps by /team/update";
        return Err(Refusal::bad("models", message));
    }
    changed(call, |team, form| {
        let going = form.texts("models");
        team.models.retain(|model| !going.contains(model));
    })
    .await
}

/// Changes a team that the caller runs; answers the row.
async fn changed(call: Call, change: impl FnOnce(&mut Team, &Form)) -> Result<Answer, Refusal> {
    let governance = &call.governance;
    let id = call.body.need("team_id")?;
    runs(&call.caller, &named(governance, id).await?)?;
    let mut edit = governance.edit(&call.actor).await?;
    let before = locked(&mut edit, id).await?;
    let mut after = before.clone();
    change(&mut after, &call.body);
    make::finish(&mut edit, &mut after).await?;
    after.updated_at = edit.now();
    edit.update(&before, &after, taken()).await?;
    edit.commit().await?;
    Ok(Value::Object(described(governance, &after).await?).into())
}
