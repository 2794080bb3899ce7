//! What of a chat request Claude cannot take: refused, dropped with a notice, or repaired.

use llm_types::{Map, Op};
use serde_json::{Number, Value};

use super::{caps::Caps, thinking};
use crate::{Call, Error, params::refuse, protocols::batch};

/// A row's quirk: settles the parameters that depend on the model or on their value.
pub(crate) fn settle(call: &mut Call<'_>) -> Result<(), Error> {
    if call.op == Op::Batch {
        batch::settle(call);
    }
    if call.op != Op::Chat {
        return Ok(());
    }
    user(call)?;
    metadata(call)?;
    stop(call)?;
    tier(call)?;
    format(call)?;
    sampling(call)?;
    room(call)?;
    for hint in ["prompt_cache_key", "prompt_cache_retention"] {
        if call.fields_mut().remove(hint).is_some() {
            call.notice(hint, "dropped: Anthropic caches by cache_control alone");
        }
    }
    Ok(())
}

/// Anthropic wants an opaque id, and no personal data.
pub(super) fn user(call: &mut Call<'_>) -> Result<(), Error> {
    for key in ["user", "safety_identifier"] {
        let Some(user) = call.fields().str(key) else {
            continue;
        };
        if is_personal(&user) {
            call.fields_mut().remove(key);
            call.notice(
                key,
                "dropped: it looks like an e-mail address or a phone number",
            );
        }
    }
    Ok(())
}

/// Of metadata, Anthropic takes the user's id alone.
fn metadata(call: &mut Call<'_>) -> Result<(), Error> {
    let metadata: Option<Map> = call.fields().get("metadata")?;
    if metadata.is_some_and(|metadata| metadata.keys().any(|key| key != "user_id")) {
        call.notice(
            "metadata",
            "not sent, but for user_id: Anthropic takes no other",
        );
    }
    Ok(())
}

fn is_personal(user: &str) -> bool {
    let mail = user
        .split_once('@')
        .is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
    let digits = user.chars().filter(char::is_ascii_digit).count();
    let phone = (7..=15).contains(&digits)
        && user
            .chars()
            .all(|c| c.is_ascii_digit() || " +-().".contains(c))
        && user.starts_with(['+', '(', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
    mail || phone
}

/// Sequences of white space alone are refused there; where parameters may be dropped, these are.
fn stop(call: &mut Call<'_>) -> Result<(), Error> {
    if !call.options.drop_params {
        return Ok(());
    }
    let body = call.fields_mut();
    let stop = match body.get::<Value>("stop")? {
        Some(Value::Array(list)) => list,
        Some(one @ Value::String(_)) => vec![one],
        _ => return Ok(()),
    };
    let blank = |stop: &Value| stop.as_str().is_some_and(|text| text.trim().is_empty());
    if stop.iter().any(blank) {
        let kept: Vec<_> = stop.into_iter().filter(|stop| !blank(stop)).collect();
        body.set("stop", &kept);
        call.notice("stop", "dropped the sequences that are white space alone");
    }
    Ok(())
}

fn tier(call: &mut Call<'_>) -> Result<(), Error> {
    match call.fields().str("service_tier").as_deref() {
        None | Some("auto" | "default" | "standard_only") => Ok(()),
        Some(_) => refuse(call, &["service_tier"]),
    }
}

/// There is no mode of plain JSON; the prompt has to ask for it.
fn format(call: &mut Call<'_>) -> Result<(), Error> {
    let Some(format) = call.fields().get::<Value>("response_format")? else {
        return Ok(());
    };
    let plain = format.get("type").is_some_and(|kind| kind == "json_object");
    if plain && format.get("response_schema").is_none() {
        call.notice(
            "response_format",
            "not sent: Anthropic has no mode for JSON without a schema, the prompt must ask for it",
        );
    }
    Ok(())
}

/// The newest models choose for themselves.
fn sampling(call: &mut Call<'_>) -> Result<(), Error> {
    if Caps::of(call.target).sampling {
        return Ok(());
    }
    let one = |n: Number| n.as_f64() == Some(1.0);
    if call.fields().get::<Number>("temperature")?.is_some_and(one) {
        call.fields_mut().remove("temperature");
    }
    refuse(call, &["temperature", "top_p", "top_k"])
}

/// An answer's limit below the least budget leaves no room for thinking.
fn room(call: &mut Call<'_>) -> Result<(), Error> {
    let body = call.fields();
    if body.raw("reasoning_effort").is_none() || Caps::of(call.target).adaptive {
        return Ok(());
    }
    let limit = match body.get::<u64>("max_completion_tokens")? {
        Some(limit) => Some(limit),
        None => body.get::<u64>("max_tokens")?,
    };
    if limit.is_some_and(thinking::no_room) {
        call.notice(
            "reasoning_effort",
            "not sent: the limit on output tokens leaves no room for thinking",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn personal_data_is_told_from_ids() {
        for personal in ["a@b.co", "+49 170 1234567", "(555) 123-4567", "15551234567"] {
            assert!(is_personal(personal), "{personal}");
        }
        for id in [
            "user-123",
            "u_1234567",
            "42",
            "3f2b9c1e-77aa-4c1d-9b8e-000000000000",
            "@me",
            "",
        ] {
            assert!(!is_personal(id), "{id}");
        }
    }
}
