use llm_store::{
    Order, Page,
    rows::{Invitation, Key, OrganizationMember, Team, TeamMember, User},
};
use serde_json::{Value, json};

use super::{described, fields, make, named, taken_address, unknown};
use crate::{Answer, Call, Edit, Form, Governed, Refusal, organizations, teams, terms::dollars};

/// Users of one request.
const MOST: usize = 500;

/// `POST /user/update`: of the user with this id, or else with this address.
pub(super) async fn update(call: Call) -> Result<Answer, Refusal> {
    let user = apply(&call, &call.body).await?;
    let data = described(&call.governance, &user).await?;
    Ok(json!({"user_id": user.user_id, "data": data}).into())
}

async fn apply(call: &Call, form: &Form) -> Result<User, Refusal> {
    let governance = &call.governance;
    make::no_password(form)?;
    if form.has("temp_budget_increase") != form.has("temp_budget_expiry") {
        let message = "'temp_budget_increase' and 'temp_budget_expiry' belong together";
        return Err(Refusal::bad("temp_budget_increase", message));
    }
    let mut edit = governance.edit(&call.actor).await?;
    let before = named(&mut edit, form).await?.ok_or_else(unknown)?;
    let mut after = form.applied(fields::UPDATE, &before)?;
    make::finish(&mut after)?;
    let spent = form.get("spend").and_then(dollars);
    after.spend = spent.unwrap_or(after.spend);
    after.updated_at = edit.now();
    edit.update(&before, &after, taken_address(&after)).await?;
    edit.commit().await?;
    if form.has("budget_duration") {
        governance.rewindow(&after, None).await?;
    }
    if let Some(spent) = spent {
        governance
            .ledger()
            .set_spent(&after.account(), spent)
            .await?;
    }
    Ok(after)
}

/// `POST /user/bulk_update`: several users as they are named, or all in the same way.
pub(super) async fn bulk_update(call: Call) -> Result<Answer, Refusal> {
    let changes = match call.body.is_true("all_users") {
        true => to_all(&call).await?,
        false => {
            let users = call.body.get("users").and_then(Value::as_array);
            let users = users.cloned().unwrap_or_default();
            if users.is_empty() {
                return Err(Refusal::invalid(
                    "body",
                    "users",
                    "missing",
                    "Field required",
                ));
            }
            if users.len() > MOST {
                let message = format!("at most {MOST} users are changed at once");
                return Err(Refusal::bad("users", message));
            }
            users
        }
    };
    let (mut results, mut done) = (Vec::new(), 0);
    for given in &changes {
        let result = match one(&call, given).await {
            Ok(user) => {
                done += 1;
                json!({"user_id": user.user_id, "user_email": user.user_email, "success": true, "error": null,
                    "updated_user": described(&call.governance, &user).await?})
            }
            Err(refusal) if refusal.status.is_server_error() => return Err(refusal),
            Err(refusal) => {
                json!({"user_id": given.get("user_id"), "user_email": given.get("user_email"),
                "success": false, "error": refusal.message, "updated_user": null})
            }
        };
        results.push(result);
    }
    Ok(json!({
        "results": results, "total_requested": changes.len(), "successful_updates": done,
        "failed_updates": changes.len() - done,
    })
    .into())
}

async fn one(call: &Call, given: &Value) -> Result<User, Refusal> {
    let Value::Object(given) = given else {
        let message = "Input should be a valid dictionary";
        return Err(Refusal::invalid("body", "users", "dict_type", message));
    };
    let form = Form::check(fields::UPDATE, given.clone(), "body")?;
    apply(call, &form).await
}

/// The same change for every user there is.
async fn to_all(call: &Call) -> Result<Vec<Value>, Refusal> {
    let Some(updates) = call.body.object("user_updates") else {
        return Err(Refusal::invalid(
            "body",
            "user_updates",
            "missing",
            "Field required",
        ));
    };
    for own in ["user_id", "user_email", "sso_user_id"] {
        if updates.contains_key(own) {
            let message = format!("'{own}' is each user's own: it cannot be the same for all");
            return Err(Refusal::bad("user_updates", message));
        }
    }
    let order = Order {
        by: "user_id",
        up: true,
    };
    let mut changes = Vec::new();
    loop {
        let at = i64::try_from(changes.len()).unwrap_or(i64::MAX);
        let store = call.governance.store();
        let page: Page<User> = store.find(&[], order, 1_000, at).await?;
        if page.rows.is_empty() {
            return Ok(changes);
        }
        for user in page.rows {
            let mut change = updates.clone();
            change.insert("user_id".to_owned(), user.user_id.into());
            changes.push(change.into());
        }
    }
}

/// `POST /user/delete`: answers how many there were.
pub(super) async fn delete(call: Call) -> Result<Answer, Refusal> {
    let mut ids = call.body.texts("user_ids");
    if ids.is_empty() {
        return Err(Refusal::invalid(
            "body",
            "user_ids",
            "missing",
            "Field required",
        ));
    }
    ids.sort();
    ids.dedup();
    let mut edit = call.governance.edit(&call.actor).await?;
    for id in &ids {
        let user = edit.get::<User>(&[id]).await?;
        let Some(user) = user else {
            let id: String = id.chars().take(60).filter(|c| !c.is_control()).collect();
            return Err(Refusal::missing(
                "user_ids",
                format!("there is no user '{id}'"),
            ));
        };
        leave_all(&mut edit, id).await?;
        edit.delete(&user).await?;
    }
    edit.commit().await?;
    Ok(json!(ids.len()).into())
}

/// Takes away what a user has: keys, places, invitations.
async fn leave_all(edit: &mut Edit<'_>, id: &str) -> Result<(), Refusal> {
    let of_user = [("user_id", id)];
    for key in edit.list::<Key>(&of_user, i64::MAX).await? {
        edit.delete_key(&key).await?;
    }
    for member in edit.list::<TeamMember>(&of_user, i64::MAX).await? {
        let team = edit.get::<Team>(&[&member.team_id]).await?;
        let usual = team.as_ref().and_then(teams::member_budget);
        teams::members::leave(edit, &member, usual).await?;
    }
    for member in edit.list::<OrganizationMember>(&of_user, i64::MAX).await? {
        organizations::leave(edit, &member).await?;
    }
    for invitation in edit.list::<Invitation>(&of_user, i64::MAX).await? {
        edit.remove(&[&invitation.id], &invitation).await?;
    }
    Ok(())
}
