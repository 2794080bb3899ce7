use llm_types::{Map, Op};
use serde_json::{Value, json};

use crate::{Call, Edit, Error, Params, Provider, Setting, params, protocols::rerank};

/// OpenRouter: <https://openrouter.ai/docs/api-reference/overview>
pub(super) const ROW: Provider = Provider {
    name: "openrouter",
    base_url: "https://openrouter.ai/api/v1",
    base_env: &["OPENROUTER_API_BASE"],
    key_env: &["OPENROUTER_API_KEY", "OR_API_KEY"],
    settings: &[
        Setting::new("site_url", &["OR_SITE_URL"]),
        Setting::new("app_name", &["OR_APP_NAME"]),
    ],
    headers: &[("http-referer", "{site_url}"), ("x-title", "{app_name}")],
    ops: &[
        Op::Chat,
        Op::Completion,
        Op::Embedding,
        Op::Rerank,
        Op::Responses,
    ],
    params: Params {
        developer: true,
        ..Params::STANDARD
            .with(&["reasoning_effort", "thinking", "verbosity"])
            .with_user()
    },
    // It passes each model what that model knows, cache markers included.
    keeps: &["*"],
    quirk: Some(quirk),
    wires: &[(Op::Rerank, &rerank::TEXTS)],
    docs: "https://openrouter.ai/docs/api-reference/overview",
    ..Provider::OPENAI_LIKE
};

fn quirk(call: &mut Call<'_>) -> Result<(), Error> {
    if !matches!(call.op, Op::Chat | Op::Completion) {
        return Ok(());
    }
    // Cost and cached tokens come only if they are asked for.
    let usage = [Edit::Default("usage", r#"{"include":true}"#)];
    crate::edit::apply(&usage, call.fields_mut());
    let body = call.fields_mut();
    if body.str("reasoning_effort").as_deref() == Some("max") {
        body.set_str("reasoning_effort", "xhigh");
    }
    thinking(call)?;
    let body = call.fields_mut();
    if params::mentions(body, "messages", "\"cache_control\"") {
        params::edit_messages(body, marker_to_last_part)?;
    }
    Ok(())
}

/// Anthropic's `thinking` is OpenRouter's `reasoning`, for every model.
fn thinking(call: &mut Call<'_>) -> Result<(), Error> {
    let body = call.fields_mut();
    let Some(thinking) = body.take::<Map>("thinking")? else {
        return Ok(());
    };
    if body.raw("reasoning").is_some() {
        return Ok(());
    }
    let off = thinking.get("type").and_then(Value::as_str) == Some("disabled");
    let reasoning = match thinking.get("budget_tokens") {
        _ if off => json!({"enabled": false}),
        Some(budget) => json!({ "max_tokens": budget }),
        None => json!({"enabled": true}),
    };
    body.set("reasoning", &reasoning);
    call.notice("thinking", "sent as reasoning");
    Ok(())
}

/// A cache marker counts on a part of the content, not on a message.
fn marker_to_last_part(message: &mut Map) {
    let Some(marker) = message.shift_remove("cache_control") else {
        return;
    };
    if let Some(Value::String(text)) = message.get("content") {
        let parts = json!([{"type": "text", "text": text}]);
        message.insert("content".into(), parts);
    }
    let last = message
        .get_mut("content")
        .and_then(Value::as_array_mut)
        .and_then(|parts| parts.last_mut())
        .and_then(Value::as_object_mut);
    if let Some(last) = last {
        last.entry("cache_control").or_insert(marker);
    }
}
