use llm_types::Op;
use serde_json::Value;

use crate::{Call, Edit, Error, Params, Provider, params};

/// xAI: <https://docs.x.ai/docs/api-reference>
pub(super) const ROW: Provider = Provider {
    name: "xai",
    base_url: "https://api.x.ai/v1",
    base_env: &["XAI_API_BASE"],
    key_env: &["XAI_API_KEY"],
    ops: &[Op::Chat, Op::Responses, Op::ImageGeneration, Op::Realtime],
    params: Params::STANDARD
        .without(&["modalities", "audio", "store"])
        .with(&["reasoning_effort"])
        .images(&["n", "response_format"])
        .with_user(),
    keeps: &["reasoning_content", "reasoning"],
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    quirk: Some(quirk),
    docs: "https://docs.x.ai/docs/api-reference",
    ..Provider::OPENAI_LIKE
};

fn quirk(call: &mut Call<'_>) -> Result<(), Error> {
    if call.op != Op::Chat {
        return Ok(());
    }
    let model = &call.target.model;
    let thinks = !model.contains("non-reasoning");
    let quick = model.contains("grok-4") || model.contains("code-fast");
    if thinks && (quick || model.contains("grok-3-mini")) {
        params::refuse(call, &["stop"])?;
    }
    if thinks && quick {
        params::refuse(call, &["frequency_penalty"])?;
    }
    if call.target.facts.mode.is_some() && call.target.facts.supports("reasoning") == Some(false) {
        params::refuse(call, &["reasoning_effort"])?;
    }
    if call.fields_mut().remove("web_search_options").is_some() {
        call.notice(
            "web_search_options",
            "not sent: xAI searches through its Responses API only",
        );
    }
    super::drop_message_names(call, |_| true)?;
    without_strict(call)
}

/// It does not know `strict` on a function.
fn without_strict(call: &mut Call<'_>) -> Result<(), Error> {
    let body = call.fields_mut();
    if !params::mentions(body, "tools", "\"strict\"") {
        return Ok(());
    }
    let mut tools: Vec<Value> = body.get("tools")?.unwrap_or_default();
    for tool in tools.iter_mut() {
        if let Some(function) = tool.get_mut("function").and_then(Value::as_object_mut) {
            function.shift_remove("strict");
        }
    }
    body.set("tools", &tools);
    Ok(())
}
