use llm_store::rows::{Budget, Organization, OrganizationMember, User};
use serde_json::{Value, json};

use super::{fields, membership_of, runs, unknown};
use crate::{
    Actor, Answer, Call, Edit, Form, Refusal, budget::linked::abandon, edit::shown, joining,
    own_budget, users,
};

/// `POST /organization/member_add`.
pub(super) async fn add(call: Call) -> Result<Answer, Refusal> {
    let (governance, body) = (&call.governance, &call.body);
    let id = body.need("organization_id")?;
    runs(&call.caller, id)?;
    let given = joining::members(body)?;
    let mut edit = governance.edit(&call.actor).await?;
    edit.get::<Organization>(&[id])
        .await?
        .ok_or_else(|| unknown(id))?;
    let (mut added, mut memberships) = (Vec::new(), Vec::new());
    for member in given {
        let Value::Object(member) = member else {
            return Err(Refusal::invalid(
                "body",
                "member",
                "dict_type",
                "Input should be a valid dictionary",
            ));
        };
        let mut form = Form::check(fields::JOINING, member, "body")?;
        for name in ["max_budget_in_organization", "budget_duration"] {
            if let Some(value) = body.get(name) {
                form.fill(name, value.clone());
            }
        }
        let (user, member, budget) = join(&mut edit, &call.actor, id, &form).await?;
        added.push(shown(&user)?);
        memberships.push(membership_of(&member, budget.as_ref())?);
    }
    edit.commit().await?;
    Ok(json!({
        "organization_id": id, "updated_users": added, "updated_organization_memberships": memberships,
    })
    .into())
}

/// Puts somebody into an organization. A user that is not known yet is made.
pub(crate) async fn join(
    edit: &mut Edit<'_>,
    actor: &Actor,
    organization: &str,
    form: &Form,
) -> Result<(User, OrganizationMember, Option<Budget>), Refusal> {
    let user = users::named_or_new(edit, form).await?;
    let budget = own_budget::keep(edit, actor, None, form, fields::MEMBER_BUDGET).await?;
    let role = form.text("role").or(form.text("user_role"));
    let member = OrganizationMember {
        organization_id: organization.to_owned(),
        user_id: user.user_id.clone(),
        user_role: Some(role.unwrap_or("internal_user").to_owned()),
        budget_id: budget.as_ref().map(|budget| budget.budget_id.clone()),
        created_at: edit.now(),
        updated_at: edit.now(),
    };
    let message = format!(
        "the user '{}' is in this organization already",
        user.user_id
    );
    edit.insert(&member, Refusal::bad("user_id", message))
        .await?;
    Ok((user, member, budget))
}

/// Takes somebody out of an organization, with the budget that was its own there.
pub(crate) async fn leave(edit: &mut Edit<'_>, member: &OrganizationMember) -> Result<(), Refusal> {
    edit.delete(member).await?;
    match &member.budget_id {
        Some(id) => abandon(edit, id).await,
        None => Ok(()),
    }
}

/// The member whom a request names by id or address.
async fn member_of(
    edit: &mut Edit<'_>,
    organization: &str,
    form: &Form,
) -> Result<OrganizationMember, Refusal> {
    let none = || Refusal::missing("user_id", "this user is not in the organization");
    let user = users::named(edit, form).await?.ok_or_else(none)?;
    let key = [organization, user.user_id.as_str()];
    let found = edit.get::<OrganizationMember>(&key).await?;
    found.ok_or_else(none)
}

/// `PATCH /organization/member_update`.
pub(super) async fn update(call: Call) -> Result<Answer, Refusal> {
    let (governance, form) = (&call.governance, &call.body);
    let id = form.need("organization_id")?;
    runs(&call.caller, id)?;
    let mut edit = governance.edit(&call.actor).await?;
    let before = member_of(&mut edit, id, form).await?;
    let mut after = before.clone();
    if let Some(role) = form.text("role").or(form.text("user_role")) {
        after.user_role = Some(role.to_owned());
    }
    let own = after.budget_id.clone();
    let budget = own_budget::keep(
        &mut edit,
        &call.actor,
        own.as_deref(),
        form,
        fields::MEMBER_BUDGET,
    );
    let budget = budget.await?;
    after.budget_id = budget.as_ref().map(|budget| budget.budget_id.clone());
    after.updated_at = edit.now();
    edit.update(&before, &after, unknown(id)).await?;
    edit.commit().await?;
    Ok(membership_of(&after, budget.as_ref())?.into())
}

/// `DELETE /organization/member_delete`.
pub(super) async fn delete(call: Call) -> Result<Answer, Refusal> {
    let (governance, form) = (&call.governance, &call.body);
    let id = form.need("organization_id")?;
    runs(&call.caller, id)?;
    let mut edit = governance.edit(&call.actor).await?;
    let member = member_of(&mut edit, id, form).await?;
    leave(&mut edit, &member).await?;
    edit.commit().await?;
    Ok(membership_of(&member, None)?.into())
}
