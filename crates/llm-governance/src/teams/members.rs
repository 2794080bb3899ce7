//! Joining a team.

use llm_store::rows::{Budget, Team, TeamMember, User};
use serde_json::Value;

use super::{fields, member_budget};
use crate::{Actor, Edit, Form, Governance, Refusal, budget::linked::abandon, own_budget, users};

/// Somebody who joined.
pub(crate) struct Joined {
    pub(crate) user: User,
    pub(crate) member: TeamMember,
    pub(crate) budget: Option<Budget>,
}

/// The form of one member, as requests have it: `{"user_id": "u", "role": "user"}`.
pub(crate) fn form_of(given: &Value) -> Result<Form, Refusal> {
    match given {
        Value::Object(given) => Form::check(fields::JOINING, given.clone(), "body"),
        _ => Err(Refusal::invalid(
            "body",
            "member",
            "dict_type",
            "Input should be a valid dictionary",
        )),
    }
}

/// Puts somebody into `team`. A user that is not known yet is made.
pub(crate) async fn join(
    edit: &mut Edit<'_>,
    actor: &Actor,
    team: &Team,
    form: &Form,
) -> Result<Joined, Refusal> {
    let user = users::named_or_new(edit, form).await?;
    let already = edit
        .get::<TeamMember>(&[&team.team_id, &user.user_id])
        .await?;
    if already.is_some() {
        let message = format!(
            "the user '{}' is in the team '{}' already",
            user.user_id, team.team_id
        );
        return Err(Refusal {
            kind: "team_member_already_in_team",
            ..Refusal::bad("user_id", message)
        });
    }
    let own = own_budget::is_named(form, fields::OWN_BUDGET);
    let budget = match (own, member_budget(team)) {
        (true, _) => own_budget::keep(edit, actor, None, form, fields::OWN_BUDGET).await?,
        (false, Some(of_team)) => edit.get::<Budget>(&[of_team]).await?,
        (false, None) => None,
    };
    let allowed = match form.has("allowed_models") {
        true => form.texts("allowed_models"),
        false => team.default_team_member_models.clone(),
    };
    let role = form.text("role").or(form.text("user_role"));
    let member = TeamMember {
        team_id: team.team_id.clone(),
        user_id: user.user_id.clone(),
        user_email: user.user_email.clone(),
        role: role.unwrap_or("user").to_owned(),
        budget_id: budget.as_ref().map(|budget| budget.budget_id.clone()),
        allowed_models: allowed,
        created_at: edit.now(),
        updated_at: edit.now(),
        ..TeamMember::default()
    };
    let taken = Refusal::bad("user_id", "this user is in the team already");
    edit.insert(&member, taken).await?;
    Ok(Joined {
        user,
        member,
        budget,
    })
}

/// Takes somebody out of a team, with the budget that was its own there.
pub(crate) async fn leave(
    edit: &mut Edit<'_>,
    member: &TeamMember,
    of_team: Option<&str>,
) -> Result<(), Refusal> {
    edit.delete(member).await?;
    let own = member
        .budget_id
        .as_deref()
        .filter(|id| Some(*id) != of_team);
    if let Some(id) = own {
        abandon(edit, id).await?;
    }
    Ok(())
}

impl Governance {
    /// Lets the windows of new members' budgets begin.
    pub(crate) async fn open_windows(&self, joined: &[Joined]) -> Result<(), Refusal> {
        for one in joined {
            let budget = one.budget.as_ref();
            if budget.is_some_and(|budget| budget.budget_duration.is_some()) {
                self.rewindow(&one.member, budget).await?;
            }
        }
        Ok(())
    }
}
