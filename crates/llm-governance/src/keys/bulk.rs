use serde_json::{Value, json};

use super::{change, described, fields};
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
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for given in keys {
        let name = given.get("key").cloned().unwrap_or(Value::Null);
        match one(&call, given).await {
            Ok(info) => done.push(json!({"key": name, "key_info": info})),
            Err(refusal) if refusal.status.is_server_error() => return Err(refusal),
            Err(refusal) => {
                failed.push(json!({"key": name, "failed_reason": refusal.message}));
            }
        }
    }
    Ok(json!({
        "total_requested": keys.len(), "successful_updates": done, "failed_updates": failed,
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
