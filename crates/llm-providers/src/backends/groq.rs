use llm_types::{Map, Op};
use serde_json::{Value, json};

use crate::{
    Call, Edit, Error, Params, Provider,
    call::JSON_TOOL,
    params,
    protocols::{audio, batch},
};

/// Groq: <https://console.groq.com/docs/api-reference>
pub(super) const ROW: Provider = Provider {
    name: "groq",
    base_url: "https://api.groq.com/openai/v1",
    base_env: &["GROQ_API_BASE"],
    key_env: &["GROQ_API_KEY"],
    ops: &[
        Op::Chat,
        Op::Responses,
        Op::Transcription,
        Op::Translation,
        Op::Speech,
        Op::File,
        Op::Batch,
    ],
    params: Params::REASONING,
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    quirk: Some(quirk),
    wires: &[
        (Op::Transcription, &audio::GROQ),
        (Op::Translation, &audio::GROQ),
        (Op::File, &batch::Counted),
        (Op::Batch, &batch::Counted),
    ],
    docs: "https://console.groq.com/docs/api-reference",
    ..Provider::OPENAI_LIKE
};

fn quirk(call: &mut Call<'_>) -> Result<(), Error> {
    if call.op == Op::Speech && !call.fields().contains("voice") {
        call.fields_mut().set_str("voice", "Fritz-PlayAI");
    }
    if call.op != Op::Chat {
        return Ok(());
    }
    let facts = &call.target.facts;
    if facts.mode.is_some() && facts.supports("reasoning") != Some(true) {
        params::refuse(call, &["reasoning_effort"])?;
    }
    super::drop_message_names(call, |_| true)?;
    web_search(call)?;
    schema(call)
}

/// Compound models search by themselves; gpt-oss has a tool for it; the others cannot.
fn web_search(call: &mut Call<'_>) -> Result<(), Error> {
    let model = &call.target.model;
    if call.fields().raw("web_search_options").is_none() || model.contains("compound") {
        return Ok(());
    }
    if !model.contains("gpt-oss") {
        return params::refuse(call, &["web_search_options"]);
    }
    let body = call.fields_mut();
    body.remove("web_search_options");
    let mut tools: Vec<Value> = body.get("tools")?.unwrap_or_default();
    tools.push(json!({"type": "browser_search"}));
    body.set("tools", &tools);
    call.notice("web_search_options", "sent as the tool browser_search");
    Ok(())
}

/// Models that cannot be held to a schema are made to call a tool that has it for arguments.
fn schema(call: &mut Call<'_>) -> Result<(), Error> {
    let body = call.fields();
    let has_schema = params::mentions(body, "response_format", "\"json_schema\"");
    if !has_schema || takes_schema(call) {
        return Ok(());
    }
    if body.raw("tools").is_some() {
        return Err(Error::bad_request(
            "response_format",
            format!(
                "{} cannot have both tools and a schema for its answer",
                call.target.model
            ),
        ));
    }
    let format: Map = body.get("response_format")?.unwrap_or_default();
    let Some(schema) = format.get("json_schema").and_then(|s| s.get("schema")) else {
        return Ok(());
    };
    let tool = json!([{"type": "function", "function": {"name": JSON_TOOL, "parameters": schema}}]);
    let choice = json!({"type": "function", "function": {"name": JSON_TOOL}});
    let body = call.fields_mut();
    body.remove("response_format");
    body.set("tools", &tool);
    body.set("tool_choice", &choice);
    call.json_tool = true;
    Ok(())
}

/// <https://console.groq.com/docs/structured-outputs#supported-models>; the price table knows best.
fn takes_schema(call: &Call<'_>) -> bool {
    const WITHOUT: [&str; 7] = [
        "llama-3",
        "llama3",
        "gemma",
        "mixtral",
        "qwen",
        "deepseek-r1",
        "allam",
    ];
    call.target
        .facts
        .supports("response_schema")
        .unwrap_or_else(|| !WITHOUT.iter().any(|old| call.target.model.contains(old)))
}
