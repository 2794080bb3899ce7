use llm_store::{
    Moment, hash_token,
    rows::{Budget, Key, Team, TeamMember},
};
use serde_json::{Value, json};

use super::{allocation, belonging, described, fields, secret};
use crate::{
    Actor, Answer, Call, Caller, Edit, Form, Governance, KeyMakers, Refusal, form::Place,
    terms::dollars,
};

/// What raises a key's budget for a time, above all that bounds it.
pub(super) const INCREASE: &str = "temp_budget_increase";

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
    makes_keys(&call.caller, &governance.settings().key_makers, &form)?;
    settle(governance, &mut form)?;
    may_make(&call.caller, &mut form)?;
    if !call.caller.is_admin() {
        governance.has_member(&form).await?;
    }
    let mut edit = governance.edit(&call.actor).await?;
    let made = insert(&mut edit, &call.actor, &form).await?;
    edit.commit().await?;
    made.open_window(governance).await?;
    Ok(Value::Object(made.answer(&form)?).into())
}

/// Fills in what the configuration says, and refuses what it does not allow.
pub(crate) fn settle(governance: &Governance, form: &mut Form) -> Result<(), Refusal> {
    for (name, value) in &governance.settings().key_defaults {
        form.fill(name, value.clone());
    }
    // Who asks for nothing gets the most there is, not more.
    for (name, most) in &governance.settings().key_bounds {
        form.fill(name, most.clone());
    }
    bounded(governance, form)
}

/// A key that was just made.
pub(crate) struct Made {
    pub(crate) key: Key,
    pub(crate) plain: String,
    budget: Option<Budget>,
}

/// Adds a key that is as `form` says.
pub(crate) async fn insert(
    edit: &mut Edit<'_>,
    actor: &Actor,
    form: &Form,
) -> Result<Made, Refusal> {
    let plain = match form.text("key") {
        Some(chosen) => secret::checked(chosen)?,
        None => secret::new()?,
    };
    let token = hash_token(&plain);
    if form.has("key") && edit.get::<Key>(&[&token]).await?.is_some() {
        return Err(Refusal::bad("key", "this key exists"));
    }
    let team = team_of(edit, form).await?;
    let budget = budget_of(edit, form).await?;
    let now = edit.now();
    let blank = Key {
        token,
        key_name: Some(secret::name(&plain)),
        created_at: now,
        created_by: actor.user_id.clone(),
        updated_at: now,
        updated_by: actor.user_id.clone(),
        ..Key::default()
    };
    let mut key = form.applied(fields::GENERATE, &blank)?;
    finish(&mut key, form, now)?;
    belonging::settle(edit, &mut key, team.as_ref(), form).await?;
    allocation::of_key(edit, &key, &key.token).await?;
    edit.insert(&key, taken(&key)).await?;
    Ok(Made { key, plain, budget })
}

impl Made {
    /// A key that got another token.
    pub(super) fn of(key: Key, plain: String, budget: Option<Budget>) -> Self {
        Self { key, plain, budget }
    }

    /// Its window begins with it, not with its first request.
    pub(crate) async fn open_window(&self, governance: &Governance) -> Result<(), Refusal> {
        open_window(governance, &self.key, self.budget.as_ref()).await
    }

    /// What whoever asked for it gets: the only time that the key itself is shown.
    pub(crate) fn answer(&self, form: &Form) -> Result<llm_store::rows::Object, Refusal> {
        let mut answer = described(&self.key)?;
        let fields = fields::GENERATE.iter().copied().flatten();
        for field in fields.filter(|field| field.place == Place::Metadata) {
            let kept = self.key.metadata.get(field.name).cloned();
            answer.insert(field.name.to_owned(), kept.unwrap_or(Value::Null));
        }
        let said = form.get("duration").cloned().unwrap_or(Value::Null);
        answer.insert("duration".to_owned(), said);
        answer.insert("key".to_owned(), self.plain.clone().into());
        answer.insert("litellm_budget_table".to_owned(), json!(self.budget));
        Ok(answer)
    }
}

/// Lets the window of a key's budget begin.
pub(super) async fn open_window(
    governance: &Governance,
    key: &Key,
    budget: Option<&Budget>,
) -> Result<(), Refusal> {
    let of_budget = budget.and_then(|budget| budget.budget_duration.as_ref());
    if key.budget_duration.as_ref().or(of_budget).is_none() {
        return Ok(());
    }
    governance.rewindow(key, budget).await
}

/// What a key is told to be, and no column holds as it was said.
pub(super) fn finish(key: &mut Key, form: &Form, now: Moment) -> Result<(), Refusal> {
    for empty in [
        &mut key.user_id,
        &mut key.team_id,
        &mut key.organization_id,
        &mut key.project_id,
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
    if form.has("auto_rotate") || form.has("rotation_interval") {
        super::rotation::schedule(key, now)?;
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

/// What the configuration says of who makes keys, and of what they must have.
fn makes_keys(caller: &Caller, makers: &KeyMakers, form: &Form) -> Result<(), Refusal> {
    if caller.is_admin() {
        return Ok(());
    }
    let (role, roles, fields) = match form.text("team_id") {
        Some(team) => {
            let is_admin = caller.is_admin_of(team);
            let role = if is_admin { "admin" } else { "user" };
            (role, &makers.team_roles, &makers.team_fields)
        }
        None => (caller.role.name(), &makers.roles, &makers.fields),
    };
    if let Some(roles) = roles
        && !roles.iter().any(|allowed| allowed == role)
    {
        let message = format!(
            "who is '{role}' makes no such keys: {} may (key_generation_settings)",
            roles.join(", ")
        );
        return Err(Refusal::forbidden(message));
    }
    match fields.iter().find(|field| form.get(field).is_none()) {
        Some(field) => {
            let message = format!("Required param {field} not in data (key_generation_settings)");
            Err(Refusal::bad(field.clone(), message))
        }
        None => Ok(()),
    }
}

/// Who may make a key, and for whom.
fn may_make(caller: &Caller, form: &mut Form) -> Result<(), Refusal> {
    if caller.is_admin() {
        return Ok(());
    }
    if form
        .object("permissions")
        .is_some_and(|given| !given.is_empty())
    {
        return Err(Refusal::forbidden("only admins give keys permissions").of("permissions"));
    }
    belonging::may_name(caller, form)?;
    let metadata = form.object("metadata");
    if metadata.is_some_and(|given| given.contains_key(INCREASE)) {
        let message = format!("only admins raise budgets for a time ('{INCREASE}')");
        return Err(Refusal::forbidden(message).of("metadata"));
    }
    let own = caller.user_id().unwrap_or_default().to_owned();
    if let Some(team) = form.text("team_id") {
        if caller.is_admin_of(team) {
            return Ok(());
        }
        if super::member_may(caller, team, "/key/generate") {
            return for_oneself(form, own);
        }
        return Err(Refusal::forbidden(format!(
            "only admins of the team '{team}' make keys for it"
        ))
        .of("team_id"));
    }
    for_oneself(form, own)
}

fn for_oneself(form: &mut Form, own: String) -> Result<(), Refusal> {
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
pub(super) fn bounded(governance: &Governance, form: &Form) -> Result<(), Refusal> {
    for (name, most) in &governance.settings().key_bounds {
        let over = match (form.get(name), most) {
            (Some(Value::String(asked)), Value::String(most)) => {
                let now = Moment::now();
                let end = |text: &str| {
                    let period: Option<llm_ledger::Period> = text.parse().ok();
                    period.map(|period| period.after(now))
                };
                // A key that never ends asks for more than any bound.
                end(asked).is_none_or(|asked| end(most).is_some_and(|most| asked > most))
            }
            (Some(asked), most) => dollars(asked) > dollars(most),
            (None, _) => form.clears(name),
        };
        if over {
            let message = format!("'{name}' is above what may be asked for: {most}");
            return Err(Refusal::bad(name.clone(), message));
        }
    }
    Ok(())
}

/// The team that a request names; nobody else changes it meanwhile.
pub(crate) async fn team_of(edit: &mut Edit<'_>, form: &Form) -> Result<Option<Team>, Refusal> {
    let Some(id) = form.text("team_id") else {
        return Ok(None);
    };
    match edit.get::<Team>(&[id]).await? {
        Some(team) => Ok(Some(team)),
        None => Err(Refusal::bad("team_id", format!("there is no team '{id}'"))),
    }
}

/// The budget that a request names.
pub(crate) async fn budget_of(edit: &mut Edit<'_>, form: &Form) -> Result<Option<Budget>, Refusal> {
    let Some(id) = form.text("budget_id") else {
        return Ok(None);
    };
    match edit.get::<Budget>(&[id]).await? {
        Some(budget) => Ok(Some(budget)),
        None => Err(Refusal::bad(
            "budget_id",
            format!("there is no budget '{id}'"),
        )),
    }
}

impl Governance {
    /// Refuses a key of a team for somebody who is not in it.
    async fn has_member(&self, form: &Form) -> Result<(), Refusal> {
        let (Some(team), Some(user)) = (form.text("team_id"), form.text("user_id")) else {
            return Ok(());
        };
        match self.store().get::<TeamMember>(&[team, user]).await? {
            Some(_) => Ok(()),
            None => Err(Refusal::bad(
                "user_id",
                format!("the user '{user}' is not a member of the team '{team}'"),
            )),
        }
    }
}
