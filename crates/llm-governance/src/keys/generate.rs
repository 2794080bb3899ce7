use llm_store::{
    Moment, hash_token,
    rows::{Budget, Key, Team},
};
use serde_json::{Value, json};

use super::{described, fields, secret};
use crate::{Answer, Call, Caller, Form, Governance, Refusal, terms::dollars};

/// `POST /key/generate`.
pub(super) async fn generate(mut call: Call) -> Result<Answer, Refusal> {
    let form = std::mem::take(&mut call.body);
    make(&call, form).await
}

/// `POST /key/service-account/generate`.
pub(super) async fn service_account(mut call: Call) -> Result<Answer, Refusal> {
    let mut form = std::mem::take(&mut call.body);
    form.need("team_id")?;
    if form.text("user_id").is_some() {
        return Err(Refusal::bad(
            "user_id",
            "a service account belongs to a team, not to a user",
        ));
    }
    let mut metadata = form.object("metadata").cloned().unwrap_or_default();
    let id = form
        .text("key_alias")
        .map_or_else(|| uuid::Uuid::now_v7().to_string(), str::to_owned);
    metadata.insert("service_account_id".to_owned(), id.into());
    form.set("metadata", metadata.into());
    make(&call, form).await
}

async fn make(call: &Call, mut form: Form) -> Result<Answer, Refusal> {
    let governance = &call.governance;
    for (name, value) in &governance.settings().key_defaults {
        form.fill(name, value.clone());
    }
    bounded(governance, &form)?;
    may_make(&call.caller, &mut form)?;
    let plain = match form.text("key") {
        Some(chosen) => secret::checked(chosen)?,
        None => secret::new()?,
    };
    let team = governance.team_of(&form).await?;
    let budget = governance.budget_of(&form).await?;
    let now = Moment::now();
    let blank = Key {
        token: hash_token(&plain),
        key_name: Some(secret::name(&plain)),
        created_at: now,
        created_by: call.actor.user_id.clone(),
        updated_at: now,
        updated_by: call.actor.user_id.clone(),
        ..Key::default()
    };
    let mut key = form.applied(fields::GENERATE, &blank)?;
    finish(&mut key, &form, now)?;
    key.organization_id = key
        .organization_id
        .or(team.and_then(|team| team.organization_id));
    let mut edit = governance.edit(&call.actor).await?;
    edit.insert(&key, taken(&key)).await?;
    edit.commit().await?;
    let mut answer = described(&key)?;
    answer.insert("key".to_owned(), plain.into());
    answer.insert("litellm_budget_table".to_owned(), json!(budget));
    Ok(Value::Object(answer).into())
}

/// What a key is told to be, and no column holds as it was said.
pub(super) fn finish(key: &mut Key, form: &Form, now: Moment) -> Result<(), Refusal> {
    for empty in [
        &mut key.user_id,
        &mut key.team_id,
        &mut key.organization_id,
        &mut key.budget_id,
    ] {
        // An empty owner is none.
        empty.take_if(|id| id.is_empty());
    }
    key.key_alias.take_if(|alias| alias.is_empty());
    if form.has("duration") {
        key.expires = form.period("duration").map(|period| period.after(now));
    }
    if let Some(kind) = form.text("key_type") {
        let routes: &[&str] = match kind {
            "llm_api" => &["llm_api_routes"],
            "management" => &["management_routes"],
            "read_only" => &["info_routes"],
            _ => &[],
        };
        key.key_type = Some(kind.to_owned());
        if key.allowed_routes.is_empty() {
            key.allowed_routes = routes.iter().map(|&name| name.to_owned()).collect();
        }
    }
    match key.max_budget.zip(key.soft_budget) {
        Some((max, soft)) if soft > max => Err(Refusal::bad(
            "soft_budget",
            "'soft_budget' must not be above 'max_budget'",
        )),
        _ => Ok(()),
    }
}

/// An alias or a key that is taken.
pub(super) fn taken(key: &Key) -> Refusal {
    match &key.key_alias {
        Some(alias) => Refusal::bad(
            "key_alias",
            format!("a key with the alias '{alias}' exists: aliases are unique"),
        ),
        None => Refusal::bad("key", "this key exists"),
    }
}

/// Who may make a key, and for whom.
fn may_make(caller: &Caller, form: &mut Form) -> Result<(), Refusal> {
    if caller.is_admin() {
        return Ok(());
    }
    if form.has("permissions")
        && form
            .object("permissions")
            .is_some_and(|given| !given.is_empty())
    {
        return Err(Refusal::forbidden("only admins give keys permissions").of("permissions"));
    }
    let own = caller.user_id().unwrap_or_default().to_owned();
    if let Some(team) = form.text("team_id") {
        if caller.is_admin_of(team) || super::member_may(caller, team, "/key/generate") {
            return Ok(());
        }
        return Err(Refusal::forbidden(format!(
            "only admins of the team '{team}' make keys for it"
        ))
        .of("team_id"));
    }
    match form.text("user_id") {
        Some(user) if user != own => Err(Refusal::forbidden(format!(
            "User can only create keys for themselves. Got user_id={user}, Your ID={own}"
        ))
        .of("user_id")),
        _ => {
            form.set("user_id", own.into());
            Ok(())
        }
    }
}

/// What nobody may ask for more of (`upperbound_key_generate_params`).
fn bounded(governance: &Governance, form: &Form) -> Result<(), Refusal> {
    for (name, most) in &governance.settings().key_bounds {
        let over = match (form.get(name), most) {
            (Some(Value::String(asked)), Value::String(most)) => {
                let now = Moment::now();
                let end = |text: &str| {
                    let period: Option<llm_ledger::Period> = text.parse().ok();
                    period.map(|period| period.after(now))
                };
                end(asked) > end(most)
            }
            (Some(asked), most) => dollars(asked) > dollars(most),
            (None, _) => false,
        };
        if over {
            let message = format!("'{name}' is above what may be asked for: {most}");
            return Err(Refusal::bad(name.clone(), message));
        }
    }
    Ok(())
}

impl Governance {
    /// The team that a request names.
    pub(crate) async fn team_of(&self, form: &Form) -> Result<Option<Team>, Refusal> {
        let Some(id) = form.text("team_id") else {
            return Ok(None);
        };
        let team = self.store().get::<Team>(&[id]).await?;
        match team {
            Some(team) => Ok(Some(team)),
            None => Err(Refusal::bad("team_id", format!("there is no team '{id}'"))),
        }
    }

    /// The budget that a request names.
    pub(crate) async fn budget_of(&self, form: &Form) -> Result<Option<Budget>, Refusal> {
        let Some(id) = form.text("budget_id") else {
            return Ok(None);
        };
        let budget = self.store().get::<Budget>(&[id]).await?;
        match budget {
            Some(budget) => Ok(Some(budget)),
            None => Err(Refusal::bad(
                "budget_id",
                format!("there is no budget '{id}'"),
            )),
        }
    }
}
