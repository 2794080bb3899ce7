//! What of a chat request this model cannot take: refused, or dropped with a notice.

use llm_types::{ChatRequest, Op, ToolChoice};

use super::{
    embedding, images,
    invoke::Dialect,
    model::{Api, Family, Model},
    tools::sends_strict,
};
use crate::{
    Call, Error, params,
    protocols::{anthropic, batch, legacy},
};

/// The row's quirk: settles what depends on the model.
pub(crate) fn settle(call: &mut Call<'_>) -> Result<(), Error> {
    let model = Model::of(call.target);
    match call.op {
        Op::Batch => {
            batch::settle(call);
            Ok(())
        }
        Op::Embedding => embedding::settle(call),
        Op::ImageGeneration => images::settle(call),
        Op::Chat if model.api == Some(Api::Invoke) => match Dialect::of(&model)? {
            Dialect::Anthropic => anthropic::settle(call),
            Dialect::Nova => converse(call, &model),
            Dialect::OpenAi => Ok(()),
        },
        Op::Chat => converse(call, &model),
        _ => Ok(()),
    }
}

fn converse(call: &mut Call<'_>, model: &Model<'_>) -> Result<(), Error> {
    legacy::modernise(call.fields_mut())?;
    let request = ChatRequest::from_object(call.fields())?;
    if request.tool_choice.as_ref().and_then(ToolChoice::mode) == Some("none") {
        params::refuse(call, &["tool_choice"])?;
    }
    let thinks = matches!(
        model.family,
        Family::Claude(..) | Family::Nova2 | Family::OpenAi
    );
    if !thinks {
        params::refuse(call, &["reasoning_effort", "thinking"])?;
    }
    if !matches!(model.family, Family::Nova | Family::Nova2) {
        params::refuse(call, &["web_search_options"])?;
    }
    if call.target.facts.supports("sampling_params") == Some(false) {
        let is_one =
            |n: &Option<serde_json::Number>| n.as_ref().is_none_or(|n| n.as_f64() == Some(1.0));
        for (param, harmless) in [
            ("temperature", is_one(&request.temperature)),
            ("top_p", is_one(&request.top_p)),
            ("top_k", !request.extra.contains_key("top_k")),
        ] {
            if !harmless {
                params::refuse(call, &[param])?;
            }
        }
    }
    report(call, model, &request)
}

/// What goes on without a word to the vendor, but not without one to the caller.
fn report(call: &mut Call<'_>, model: &Model<'_>, request: &ChatRequest) -> Result<(), Error> {
    let has_tools = request.tools.is_some();
    if request.parallel_tool_calls == Some(false) && has_tools && !model.claude_since(4, 5) {
        call.notice(
            "parallel_tool_calls",
            "dropped: this model cannot be held to one call at a time",
        );
    }
    let marked = |key| params::mentions(call.fields(), key, "\"cache_control\"");
    if (marked("messages") || marked("tools")) && !model.caches(call) {
        call.notice("cache_control", "dropped: this model has no prompt cache");
    }
    let strict = request.tools.iter().flatten().any(|tool| {
        tool.function
            .as_ref()
            .is_some_and(|f| f.strict == Some(true))
    });
    if strict && !sends_strict(call, model) {
        call.notice(
            "tools[*].function.strict",
            "dropped: this model has no strict tools",
        );
    }
    let kind = request
        .response_format
        .as_ref()
        .and_then(|format| format.get("type")?.as_str());
    if kind == Some("json_object") {
        call.notice(
            "response_format",
            "Bedrock has no JSON mode without a schema: only the prompt asks for JSON",
        );
    }
    for param in [
        "prompt_cache_key",
        "safety_identifier",
        "prompt_cache_retention",
        "verbosity",
    ] {
        if call.fields_mut().remove(param).is_some() {
            call.notice(param, "dropped: Bedrock has no such parameter");
        }
    }
    Ok(())
}
