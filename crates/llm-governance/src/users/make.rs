use llm_store::rows::{Organization, Team, User};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{address, described, fields, taken, taken_address};
use crate::{
    Answer, Call, Edit, Form, Governance, Refusal, Role,
    keys::generate::{self, Made},
    organizations,
    teams::{self, members::Joined},
};

/// `POST /user/new`.
pub(super) async fn new(mut call: Call) -> Result<Answer, Refusal> {
    let mut form = std::mem::take(&mut call.body);
    let governance = &call.governance;
    no_password(&form)?;
    may_make(&call, &form)?;
    for (name, value) in &governance.settings().user_defaults {
        form.fill(name, value.clone());
    }
    teams::bounded(&governance.settings().user_bounds, &form)?;
    let mut edit = governance.edit(&call.actor).await?;
    let now = edit.now();
    let id = form.text("user_id");
    let blank = User {
        user_id: id.map_or_else(|| Uuid::now_v7().to_string(), str::to_owned),
        created_at: now,
        updated_at: now,
        ..User::default()
    };
    let mut user = form.applied(fields::NEW, &blank)?;
    finish(&mut user)?;
    let refusal = match id {
        Some(_) => taken(&user),
        None => taken_address(&user),
    };
    edit.insert(&user, refusal).await?;
    let joined = join(&call, &mut edit, &form, &user).await?;
    let made = match form.get("auto_create_key") {
        Some(Value::Bool(false)) => None,
        _ => Some(key_of(&call, &mut edit, &form, &user).await?),
    };
    edit.commit().await?;
    if user.budget_duration.is_some() {
        governance.rewindow(&user, None).await?;
    }
    governance.open_windows(&joined).await?;
    let mut answer = match &made {
        Some((made, form)) => {
            made.open_window(governance).await?;
            made.answer(form)?
        }
        None => json!({"key": null})
            .as_object()
            .cloned()
            .unwrap_or_default(),
    };
    answer.extend(described(governance, &user).await?);
    Ok(Value::Object(answer).into())
}

/// Adds a user whom an identity provider vouches for, with what users are made with.
pub(crate) async fn register(
    governance: &Governance,
    edit: &mut Edit<'_>,
    id: &str,
    email: Option<&str>,
    role: Option<Role>,
) -> Result<User, Refusal> {
    let mut form = Form::default();
    for (name, value) in &governance.settings().user_defaults {
        form.fill(name, value.clone());
    }
    if let Some(role) = role {
        form.set("user_role", role.name().into());
    }
    let blank = User {
        user_id: id.to_owned(),
        sso_user_id: Some(id.to_owned()),
        created_at: edit.now(),
        updated_at: edit.now(),
        ..User::default()
    };
    let mut user = form.applied(fields::NEW, &blank)?;
    // An address that is none is no reason to keep somebody out: it is not kept.
    user.user_email = email.and_then(|email| address(email).ok());
    finish(&mut user)?;
    edit.insert(&user, taken(&user)).await?;
    Ok(user)
}

/// A password is set by whoever it belongs to, and never passes through somebody else's hands.
pub(super) fn no_password(form: &Form) -> Result<(), Refusal> {
    if form.has("password") {
        let message = "a password is set by its owner: make an invitation";
        return Err(Refusal::invalid("body", "password", "value_error", message));
    }
    Ok(())
}

/// Who makes users: the gateway's admins, and an organization's in it.
fn may_make(call: &Call, form: &Form) -> Result<(), Refusal> {
    if call.caller.is_admin() {
        return Ok(());
    }
    let organizations = form.texts("organizations");
    let own = |one: &String| call.caller.is_admin_of_organization(one);
    if organizations.is_empty() || !organizations.iter().all(own) {
        return Err(Refusal::forbidden(
            "users are made by the gateway's admins, and by an organization's admins in it ('organizations')",
        ));
    }
    let role = form.text("user_role").unwrap_or_default();
    if role.starts_with("proxy_admin") {
        let message = "only the gateway's admins make admins";
        return Err(Refusal::forbidden(message).of("user_role"));
    }
    Ok(())
}

/// What a user is told to be has to make sense.
pub(super) fn finish(user: &mut User) -> Result<(), Refusal> {
    for empty in [&mut user.user_email, &mut user.sso_user_id] {
        empty.take_if(|text| text.is_empty());
    }
    if let Some(email) = &mut user.user_email {
        *email = address(email)?;
    }
    if user.user_id.is_empty() || user.user_id.chars().any(char::is_control) {
        let message = "'user_id' must not be empty or have control characters";
        return Err(Refusal::bad("user_id", message));
    }
    Ok(())
}

/// Puts a new user into the teams and organizations that the request names.
async fn join(
    call: &Call,
    edit: &mut Edit<'_>,
    form: &Form,
    user: &User,
) -> Result<Vec<Joined>, Refusal> {
    let mut joined = Vec::new();
    let teams = form.get("teams").and_then(Value::as_array);
    for given in teams.into_iter().flatten() {
        let mut member = match given {
            Value::String(team) => teams::members::form_of(&json!({"team_id": team}))?,
            other => teams::members::form_of(other)?,
        };
        member.set("user_id", user.user_id.clone().into());
        let id = member.need("team_id")?.to_owned();
        let Some(team) = edit.get::<Team>(&[&id]).await? else {
            return Err(Refusal::bad("teams", format!("there is no team '{id}'")));
        };
        if !call.caller.is_admin() && !call.caller.is_admin_of(&id) {
            let message = format!("only its admins put users into the team '{id}'");
            return Err(Refusal::forbidden(message).of("teams"));
        }
        joined.push(teams::members::join(edit, &call.actor, &team, &member).await?);
    }
    for organization in form.texts("organizations") {
        if edit.get::<Organization>(&[&organization]).await?.is_none() {
            let message = format!("there is no organization '{organization}'");
            return Err(Refusal::bad("organizations", message));
        }
        let mut member = Form::default();
        member.set("user_id", user.user_id.clone().into());
        organizations::join(edit, &call.actor, &organization, &member).await?;
    }
    Ok(joined)
}

/// The key that is made with a user, and what was asked of it.
async fn key_of(
    call: &Call,
    edit: &mut Edit<'_>,
    form: &Form,
    user: &User,
) -> Result<(Made, Form), Refusal> {
    let mut asked = Form::default();
    asked.set("user_id", user.user_id.clone().into());
    for name in fields::OF_KEY {
        if let Some(value) = form.get(name) {
            asked.set(name, value.clone());
        }
    }
    if asked.has("permissions") && !call.caller.is_admin() {
        return Err(Refusal::forbidden("only admins give keys permissions").of("permissions"));
    }
    generate::settle(&call.governance, &mut asked)?;
    let made = generate::insert(edit, &call.actor, &asked).await?;
    Ok((made, asked))
}
