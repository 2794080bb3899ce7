//! What is put right in every request, whoever it goes to. Reads first bytes, and parses only what must change.

use llm_types::{Map, Op};
use serde_json::{Value, json};

use super::history;
use crate::{Call, Error};

/// OpenAI's limit, which others copied.
const MAX_STOPS: usize = 4;

/// The thinking budget that `thinking: true` stands for.
const DEFAULT_THINKING_BUDGET: u64 = 2048;

/// Puts the body's loose spellings right.
pub(super) fn tidy(call: &mut Call<'_>) -> Result<(), Error> {
    if !matches!(call.op, Op::Chat | Op::Completion) {
        return Ok(());
    }
    stop(call)?;
    limit(call)?;
    if call.op == Op::Chat {
        tool_choice(call)?;
        thinking(call)?;
        history::tidy(call)?;
    }
    Ok(())
}

fn stop(call: &mut Call<'_>) -> Result<(), Error> {
    let body = call.fields_mut();
    if !body.raw("stop").is_some_and(|raw| raw.starts_with(b"[")) {
        return Ok(());
    }
    let mut stops: Vec<Value> = body.get("stop")?.unwrap_or_default();
    if stops.len() <= MAX_STOPS {
        return Ok(());
    }
    stops.truncate(MAX_STOPS);
    body.set("stop", &stops);
    call.notice("stop", "only the first four stop sequences are sent");
    Ok(())
}

/// `modify_params`: no more output tokens than the model has.
fn limit(call: &mut Call<'_>) -> Result<(), Error> {
    let Some(most) = call.target.facts.max_output_tokens else {
        return Ok(());
    };
    if !call.options.modify_params {
        return Ok(());
    }
    for key in ["max_tokens", "max_completion_tokens"] {
        let body = call.fields_mut();
        if body.get::<u64>(key)?.is_some_and(|asked| asked > most) {
            body.set(key, &most);
            call.notice(key, format!("lowered to the model's {most}"));
        }
    }
    Ok(())
}

/// A string and a named function pass; `{"type": "auto"}` becomes its string.
fn tool_choice(call: &mut Call<'_>) -> Result<(), Error> {
    let body = call.fields_mut();
    let Some(raw) = body.raw("tool_choice") else {
        return Ok(());
    };
    if raw.starts_with(b"\"") {
        return Ok(());
    }
    let wrong = || {
        Error::bad_request(
            "tool_choice",
            "'tool_choice' must be a string, or an object with 'type' and 'function'",
        )
    };
    let choice: Map = body
        .get("tool_choice")
        .map_err(|_| wrong())?
        .unwrap_or_default();
    if choice.contains_key("function") {
        return Ok(());
    }
    let kind = choice
        .get("type")
        .and_then(Value::as_str)
        .ok_or_else(wrong)?;
    let new = match kind {
        "auto" | "none" | "required" => json!(kind),
        // Anthropic's spellings.
        "any" => json!("required"),
        "tool" => {
            let name = choice
                .get("name")
                .and_then(Value::as_str)
                .ok_or_else(wrong)?;
            json!({"type": "function", "function": {"name": name}})
        }
        // OpenAI's `allowed_tools` and `custom`, and whatever else names its content after its type.
        other if choice.contains_key(other) => return Ok(()),
        _ => return Err(wrong()),
    };
    body.set("tool_choice", &new);
    Ok(())
}

/// `true`, `false`, and the spelling of JavaScript clients.
fn thinking(call: &mut Call<'_>) -> Result<(), Error> {
    let body = call.fields_mut();
    let Some(raw) = body.raw("thinking") else {
        return Ok(());
    };
    match &raw[..] {
        b"true" => {
            let on = json!({"type": "enabled", "budget_tokens": DEFAULT_THINKING_BUDGET});
            body.set("thinking", &on);
        }
        b"false" => {
            body.remove("thinking");
        }
        raw if memchr::memmem::find(raw, b"\"budgetTokens\"").is_some() => {
            let mut thinking: Map = body.get("thinking")?.unwrap_or_default();
            if let Some(budget) = thinking.shift_remove("budgetTokens") {
                thinking.entry("budget_tokens").or_insert(budget);
            }
            body.set("thinking", &thinking);
        }
        _ => {}
    }
    Ok(())
}
