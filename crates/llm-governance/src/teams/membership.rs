use llm_store::rows::{Budget, Key, Team, TeamMember};
use serde_json::{Value, json};

use super::{administers, described, fields, locked, member_budget, members, membership_of, named};
use crate::{
    Answer, Call, Caller, Edit, Form, Governance, Refusal, edit::shown, joining, own_budget,
    terms::dollars, users,
};

/// `POST /team/member_add` and `POST /team/bulk_member_add`.
pub(super) async fn add(call: Call) -> Result<Answer, Refusal> {
    let (governance, body) = (&call.governance, &call.body);
    let id = body.need("team_id")?;
    let team = named(governance, id).await;
    let given = joining::members(body)?;
    let forms = given.iter().map(|member| {
        let mut form = members::form_of(member)?;
        for (field, value) in body.given() {
            // What is said of all, and not of this one.
            if !matches!(field.as_str(), "team_id" | "member" | "members") {
                form.fill(field, value.clone());
            }
        }
        Ok(form)
    });
    let forms: Vec<Form> = forms.collect::<Result<_, Refusal>>()?;
    let team = team?;
    if let Err(refusal) = administers(&call.caller, &team)
        && !joins_itself(governance, &call.caller, &team, &forms)
    {
        return Err(refusal);
    }
    let mut edit = governance.edit(&call.actor).await?;
    let team = locked(&mut edit, id).await?;
    let mut joined = Vec::new();
    for form in &forms {
        joined.push(members::join(&mut edit, &call.actor, &team, form).await?);
    }
    edit.commit().await?;
    governance.open_windows(&joined).await?;
    let mut answer = described(governance, &team).await?;
    let users = joined.iter().map(|one| shown(&one.user));
    let users: Vec<Value> = users.collect::<Result<_, _>>()?;
    let memberships = joined
        .iter()
        .map(|one| membership_of(&team, &one.member, one.budget.as_ref()));
    let memberships: Vec<Value> = memberships.collect::<Result<_, _>>()?;
    answer.insert("updated_users".to_owned(), users.into());
    answer.insert("updated_team_memberships".to_owned(), memberships.into());
    Ok(Value::Object(answer).into())
}

/// Whether somebody joins a team that is open, as a plain member, on the team's usual terms.
fn joins_itself(governance: &Governance, caller: &Caller, team: &Team, forms: &[Form]) -> bool {
    let [form] = forms else {
        return false;
    };
    let own = caller.user_id().is_some() && form.text("user_id") == caller.user_id();
    let role = form
        .text("role")
        .or(form.text("user_role"))
        .unwrap_or("user");
    let plain = role == "user"
        && !own_budget::is_named(form, fields::OWN_BUDGET)
        && !form.has("allowed_models");
    own && plain && governance.open_teams().contains(&team.team_id)
}

/// The member whom a request names by id or address.
async fn member_of(edit: &mut Edit<'_>, team: &str, form: &Form) -> Result<TeamMember, Refusal> {
    let user = users::named(edit, form).await?;
    let user = user.ok_or_else(|| no_member(team))?;
    let member = edit.get::<TeamMember>(&[team, &user.user_id]).await?;
    member.ok_or_else(|| no_member(team))
}

fn no_member(team: &str) -> Refusal {
    Refusal::missing("user_id", format!("this user is not in the team '{team}'"))
}

/// `POST /team/member_update`.
pub(super) async fn update(call: Call) -> Result<Answer, Refusal> {
    let (governance, form) = (&call.governance, &call.body);
    let id = form.need("team_id")?;
    administers(&call.caller, &named(governance, id).await?)?;
    if form.has("temp_budget_increase") != form.has("temp_budget_expiry") {
        let message = "'temp_budget_increase' and 'temp_budget_expiry' belong together";
        return Err(Refusal::bad("temp_budget_increase", message));
    }
    let mut edit = governance.edit(&call.actor).await?;
    let team = locked(&mut edit, id).await?;
    let before = member_of(&mut edit, id, form).await?;
    let mut after = before.clone();
    if let Some(role) = form.text("role") {
        role.clone_into(&mut after.role);
    }
    if form.has("allowed_models") {
        after.allowed_models = form.texts("allowed_models");
    }
    if form.has("temp_budget_increase") {
        after.temp_budget_increase = form.get("temp_budget_increase").and_then(dollars);
        after.temp_budget_expiry = form.moment("temp_budget_expiry");
    }
    let budget = own(&call, &mut edit, &team, &mut after).await?;
    after.updated_at = edit.now();
    edit.update(&before, &after, no_member(id)).await?;
    edit.commit().await?;
    if after.budget_id != before.budget_id || form.has("budget_duration") {
        governance.rewindow(&after, budget.as_ref()).await?;
    }
    let membership = membership_of(&team, &after, budget.as_ref())?;
    let mut answer = json!({
        "team_id": id, "user_id": after.user_id, "user_email": after.user_email,
        "max_budget_in_team": null, "tpm_limit": null, "rpm_limit": null, "budget_duration": null,
        "team_membership": membership,
    });
    if let (Some(answer), Some(budget)) = (answer.as_object_mut(), &budget) {
        let shown = shown(budget)?;
        answer.insert("max_budget_in_team".to_owned(), shown["max_budget"].clone());
        for name in ["tpm_limit", "rpm_limit", "budget_duration"] {
            answer.insert(name.to_owned(), shown[name].clone());
        }
    }
    Ok(answer.into())
}

/// The member's own budget, as the request changes it. One that was the team's becomes a copy of it first.
async fn own(
    call: &Call,
    edit: &mut Edit<'_>,
    team: &Team,
    member: &mut TeamMember,
) -> Result<Option<Budget>, Refusal> {
    let present = match &member.budget_id {
        Some(id) => edit.get::<Budget>(&[id]).await?,
        None => None,
    };
    if !own_budget::is_named(&call.body, fields::OWN_BUDGET) {
        return Ok(present);
    }
    let mut form = call.body.clone();
    let shared = present
        .as_ref()
        .filter(|budget| Some(budget.budget_id.as_str()) == member_budget(team));
    let id = match shared {
        Some(budget) => {
            let columns = shown(budget)?;
            for (field, column) in fields::OWN_BUDGET {
                if !form.has(field) && !columns[*column].is_null() {
                    form.set(field, columns[*column].clone());
                }
            }
            None
        }
        None => member.budget_id.clone(),
    };
    let budget =
        own_budget::keep(edit, &call.actor, id.as_deref(), &form, fields::OWN_BUDGET).await?;
    member.budget_id = budget.as_ref().map(|budget| budget.budget_id.clone());
    Ok(budget)
}

/// `POST /team/member_delete`: with the member's keys of this team.
pub(super) async fn delete(call: Call) -> Result<Answer, Refusal> {
    let (governance, form) = (&call.governance, &call.body);
    let id = form.need("team_id")?;
    administers(&call.caller, &named(governance, id).await?)?;
    let mut edit = governance.edit(&call.actor).await?;
    let team = locked(&mut edit, id).await?;
    let member = member_of(&mut edit, id, form).await?;
    members::leave(&mut edit, &member, member_budget(&team)).await?;
    let theirs = [("team_id", id), ("user_id", member.user_id.as_str())];
    for key in edit.list::<Key>(&theirs, i64::MAX).await? {
        edit.delete_key(&key).await?;
    }
    edit.commit().await?;
    Ok(Value::Object(described(governance, &team).await?).into())
}

impl Governance {
    /// The teams that everybody may join.
    pub(super) fn open_teams(&self) -> Vec<String> {
        let settings = self.settings();
        let teams = settings.user_defaults.get("available_teams");
        let teams = teams.and_then(Value::as_array).into_iter().flatten();
        let names = teams.filter_map(Value::as_str);
        names.map(str::to_owned).collect()
    }
}
