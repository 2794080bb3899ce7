//! Where a team's requests are logged. What is secret of that is sealed, bound to its team.

use llm_store::rows::{Object, Team};
use serde_json::{Value, json};

use super::{administers, locked, named, runs};
use crate::{Answer, Call, Governance, Refusal};

/// Destinations of one team.
const MOST: usize = 20;

/// `POST /team/{team_id}/callback`.
pub(super) async fn add(call: Call) -> Result<Answer, Refusal> {
    let (governance, form, id) = (&call.governance, &call.body, call.part("team_id"));
    let name = form.need("callback_name")?;
    let kind = form.text("callback_type").unwrap_or("success_and_failure");
    let mut vars = Object::new();
    for (name, value) in form.object("callback_vars").into_iter().flatten() {
        let Some(text) = value.as_str() else {
            let field = format!("callback_vars.{name}");
            return Err(Refusal::invalid(
                "body",
                &field,
                "string_type",
                "Input should be a valid string",
            ));
        };
        vars.insert(name.clone(), governance.sealed_for(id, text)?.into());
    }
    let one = json!({"callback_name": name, "callback_type": kind, "callback_vars": vars});
    let team = change(&call, |logging| {
        logging.retain(|known| known["callback_name"] != one["callback_name"]);
        if logging.len() >= MOST {
            let message = format!("a team's requests are logged in at most {MOST} places");
            return Err(Refusal::bad("callback_name", message));
        }
        logging.push(one);
        Ok(())
    })
    .await?;
    Ok(
        json!({"status": "success", "message": "the callback was added", "data": data(&team)})
            .into(),
    )
}

/// `GET /team/{team_id}/callback`.
pub(super) async fn list(call: Call) -> Result<Answer, Refusal> {
    let team = named(&call.governance, call.part("team_id")).await?;
    if !call.caller.role.sees_all() {
        administers(&call.caller, &team)?;
    }
    Ok(json!({"status": "success", "data": data(&team)}).into())
}

/// `DELETE /team/{team_id}/callback/{callback_name}`.
pub(super) async fn delete(call: Call) -> Result<Answer, Refusal> {
    let name = call.part("callback_name").to_owned();
    let team = change(&call, |logging| {
        let before = logging.len();
        logging.retain(|known| known["callback_name"] != name.as_str());
        match logging.len() < before {
            true => Ok(()),
            false => Err(Refusal::missing(
                "callback_name",
                "the team has no such callback",
            )),
        }
    })
    .await?;
    Ok(
        json!({"status": "success", "message": "the callback was removed", "data": data(&team)})
            .into(),
    )
}

/// `POST /team/{team_id}/disable_logging`.
pub(super) async fn disable(call: Call) -> Result<Answer, Refusal> {
    runs(
        &call.caller,
        &named(&call.governance, call.part("team_id")).await?,
    )?;
    let team = change(&call, |logging| {
        logging.clear();
        Ok(())
    })
    .await?;
    Ok(json!({"status": "success", "message": "nothing of this team is logged", "data": data(&team)}).into())
}

async fn change(
    call: &Call,
    change: impl FnOnce(&mut Vec<Value>) -> Result<(), Refusal>,
) -> Result<Team, Refusal> {
    let (governance, id) = (&call.governance, call.part("team_id"));
    administers(&call.caller, &named(governance, id).await?)?;
    let mut edit = governance.edit(&call.actor).await?;
    let before = locked(&mut edit, id).await?;
    let mut after = before.clone();
    let mut logging = match after.metadata.remove("logging") {
        Some(Value::Array(logging)) => logging,
        _ => Vec::new(),
    };
    change(&mut logging)?;
    after.metadata.insert("logging".to_owned(), logging.into());
    after.updated_at = edit.now();
    let taken = Refusal::bad("team_id", "this team exists");
    edit.update(&before, &after, taken).await?;
    edit.commit().await?;
    Ok(after)
}

/// What is told of a team's callbacks: names and kinds; of what they are called with, the names.
fn data(team: &Team) -> Value {
    let logging = team.metadata.get("logging").and_then(Value::as_array);
    let all = || logging.into_iter().flatten();
    let told = |of: &str| {
        let those = all().filter(|one| {
            let kind = one["callback_type"].as_str().unwrap_or_default();
            kind == of || kind == "success_and_failure"
        });
        those
            .map(|one| one["callback_name"].clone())
            .collect::<Vec<_>>()
    };
    let vars = all().filter_map(|one| one["callback_vars"].as_object());
    let vars = vars
        .flatten()
        .map(|(name, _)| (name.clone(), "****".into()));
    let vars: Object = vars.collect();
    json!({
        "team_id": team.team_id, "success_callback": told("success"), "failure_callback": told("failure"),
        "callback_vars": vars,
    })
}

impl Governance {
    fn sealed_for(&self, team: &str, text: &str) -> Result<String, Refusal> {
        let sealed = self
            .keyring()
            .seal::<Team>("metadata", team, text.as_bytes())?;
        Ok(sealed.as_text().to_owned())
    }
}
