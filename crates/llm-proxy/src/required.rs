//! Fields that requests must have: those of the configuration, of their key and of its team (`enforced_params`).

use std::borrow::Cow;

use llm_governance::Caller;
use llm_types::{JsonObject, Map};
use serde_json::Value;

use crate::{error::Refusal, state::Live};

/// Whether the requests of `caller` must have any.
pub(crate) fn of_anybody(live: &Live, caller: &Caller) -> bool {
    !live.settings.governance.enforced_params.is_empty() || caller.asks_for_fields()
}

/// The body of a request that may have to have certain fields: kept until it is known which, and by which key.
pub(crate) fn kept(live: &Live, caller: &Caller, body: &JsonObject) -> Option<JsonObject> {
    let everybody = !live.settings.governance.enforced_params.is_empty();
    (everybody || caller.may_be_held_to_fields()).then(|| body.clone())
}

/// Refuses a body that lacks any.
pub(crate) fn check(live: &Live, caller: &Caller, body: &JsonObject) -> Result<(), Refusal> {
    let everybody = &live.settings.governance.enforced_params;
    Ok(caller.held_to_fields(everybody, |field| has(body, field))?)
}

/// Whether `body` has a field, which may lie deeper: `metadata.generation_name`.
fn has(body: &JsonObject, field: &str) -> bool {
    // A name may have a dot in it.
    if body.raw(field).is_some() {
        return true;
    }
    let Some((first, rest)) = field.split_once('.') else {
        return false;
    };
    // Where a vendor has a field of that name, ours has another one.
    let places = match first {
        "metadata" => ["metadata", "litellm_metadata"].as_slice(),
        _ => std::slice::from_ref(&first),
    };
    places.iter().any(|place| {
        let inner = object(body, place);
        inner.is_some_and(|inner| reaches(&inner, rest))
    })
}

/// The object in a field; in forms it is a text.
fn object(body: &JsonObject, field: &str) -> Option<Map> {
    if let Ok(Some(map)) = body.get::<Map>(field) {
        return Some(map);
    }
    let text: Cow<'_, str> = body.str(field)?;
    serde_json::from_str(&text).ok()
}

fn reaches(map: &Map, path: &str) -> bool {
    if map.get(path).is_some_and(|value| !value.is_null()) {
        return true;
    }
    let Some((first, rest)) = path.split_once('.') else {
        return false;
    };
    let inner = map.get(first).and_then(Value::as_object);
    inner.is_some_and(|inner| reaches(inner, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_found_at_every_depth() {
        let body = bytes::Bytes::from_static(
            br#"{"user": "u", "seed": null, "metadata": {"a": {"b": 1}, "n": null}, "litellm_metadata": {"run": 1},
                "form": "{\"x\": 1}", "a.b": 1}"#,
        );
        let body = JsonObject::parse(&body).unwrap();
        for there in [
            "user",
            "metadata",
            "metadata.a.b",
            "metadata.run",
            "form.x",
            "a.b",
        ] {
            assert!(has(&body, there), "{there}");
        }
        for missing in [
            "seed",
            "metadata.n",
            "metadata.a.c",
            "user.x",
            "nobody",
            "nobody.x",
            ".",
        ] {
            assert!(!has(&body, missing), "{missing}");
        }
    }
}
