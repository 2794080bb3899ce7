use llm_store::rows::Key;
use serde_json::{Value, json};

use super::{change, described, fields, may_see};
use crate::{Answer, Call, Form, Refusal};

/// Keys of one request.
const MOST: usize = 500;

/// `POST /key/bulk_update`: each key is changed by itself, and what was wrong with the others is told.
pub(super) async fn update(call: Call) -> Result<Answer, Refusal> {
    let keys = call.body.get("keys").and_then(Value::as_array);
    let Some(keys) = keys.filter(|keys| !keys.is_empty()) else {
        return Err(Refusal::invalid(
            "body",
            "keys",
            "missing",
            "Field required",
        ));
    };
    if keys.len() > MOST {
        let message = format!("at most {MOST} keys are changed at once");
        return Err(Refusal::bad("keys", message));
    }
    let keys = keys.iter().map(|given| {
        let name = given.get("key").cloned().unwrap_or(Value::Null);
        (name, given.clone())
    });
    each(&call, keys.collect()).await
}

/// `POST /team/key/bulk_update`: the same change to several keys of a team, or to all of them.
pub(super) async fn of_team(call: Call) -> Result<Answer, Refusal> {
    let form = &call.body;
    let team = form.need("team_id")?;
    let Some(fields) = form.object("update_fields").filter(|all| !all.is_empty()) else {
        let message = "Field required";
        return Err(Refusal::invalid(
            "body",
            "update_fields",
            "missing",
            message,
        ));
    };
    let named = form.texts("key_ids");
    if named.is_empty() != form.is_true("all_keys_in_team") {
        let message = "either 'key_ids' names the keys, or 'all_keys_in_team' is true";
        return Err(Refusal::bad("key_ids", message));
    }
    let of_team = [("team_id", team)];
    let limit = i64::try_from(MOST + 1).unwrap_or(i64::MAX);
    let known = call
        .governance
        .store()
        .list::<Key>(&of_team, limit, 0)
        .await?;
    let tokens: Vec<String> = match named.is_empty() {
        true => {
            let seen = known
                .rows
                .into_iter()
                .filter(|key| may_see(&call.caller, key));
            seen.map(|key| key.token).collect()
        }
        false => named,
    };
    if tokens.len() > MOST {
        let message = format!("at most {MOST} keys are changed at once");
        return Err(Refusal::bad("key_ids", message));
    }
    let mut keys = Vec::with_capacity(tokens.len());
    for token in tokens {
        let mut given = fields.clone();
        given.insert("key".to_owned(), token.clone().into());
        let is_of_team = match call.governance.named_key(Some(&token), None).await {
            Ok(key) => key.team_id.as_deref() == Some(team) && may_see(&call.caller, &key),
            Err(refusal) if refusal.status.is_server_error() => return Err(refusal),
            Err(_) => false,
        };
        if !is_of_team {
            let message = format!("the team '{team}' has no such key: {token}");
            return Err(Refusal::missing("key_ids", message));
        }
        keys.push((token.into(), given.into()));
    }
    each(&call, keys).await
}

/// Changes each key by itself, and tells what was wrong with the others.
async fn each(call: &Call, keys: Vec<(Value, Value)>) -> Result<Answer, Refusal> {
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    let requested = keys.len();
    for (name, given) in keys {
        match one(call, &given).await {
            Ok(info) => done.push(json!({"key": name, "key_info": info})),
            Err(refusal) if refusal.status.is_server_error() => return Err(refusal),
            Err(refusal) => {
                failed.push(json!({"key": name, "failed_reason": refusal.message}));
            }
        }
    }
    Ok(json!({
        "total_requested": requested, "successful_updates": done, "failed_updates": failed,
    })
    .into())
}

async fn one(call: &Call, given: &Value) -> Result<Value, Refusal> {
    let Value::Object(given) = given else {
        return Err(Refusal::invalid(
            "body",
            "keys",
            "dict_type",
            "Input should be a valid dictionary",
        ));
    };
    let mut form = Form::check(fields::UPDATE, given.clone(), "body")?;
    call.governance.check_routing(&mut form)?;
    form.need("key")?;
    let changed = change::apply(call, &form).await?;
    Ok(Value::Object(described(&changed)?))
}
