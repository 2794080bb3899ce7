use llm_types::{Map, Op};
use serde_json::{Value, json};

use crate::{Call, Error, Params, Prefill, Provider, params, protocols::rerank};

/// A vLLM server of one's own: <https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html>
pub(super) const ROW: Provider = Provider {
    name: "hosted_vllm",
    base_env: &["HOSTED_VLLM_API_BASE"],
    key_env: &["HOSTED_VLLM_API_KEY"],
    key_default: "fake-api-key",
    ops: &[
        Op::Chat,
        Op::Completion,
        Op::Embedding,
        Op::Rerank,
        Op::Responses,
    ],
    params: Params::THINKING,
    keeps: &["reasoning_content", "reasoning"],
    prefill: Prefill::ContinueFinal,
    quirk: Some(quirk),
    wires: &[(Op::Rerank, &rerank::PARTS)],
    docs: "https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html",
    ..Provider::OPENAI_LIKE
};

/// Also `vllm`'s.
pub(super) fn quirk(call: &mut Call<'_>) -> Result<(), Error> {
    if call.op != Op::Chat {
        return Ok(());
    }
    thinking(call)?;
    tools(call)?;
    videos(call)
}

/// A budget becomes the nearest effort.
fn thinking(call: &mut Call<'_>) -> Result<(), Error> {
    let body = call.fields_mut();
    let Some(thinking) = body.take::<Map>("thinking")? else {
        return Ok(());
    };
    if body.raw("reasoning_effort").is_some() {
        return Ok(());
    }
    let effort = match thinking.get("budget_tokens").and_then(Value::as_u64) {
        _ if thinking.get("type").and_then(Value::as_str) == Some("disabled") => "none",
        Some(4096..) => "high",
        Some(2048..) => "medium",
        Some(1024..) => "low",
        Some(_) => "minimal",
        None => "medium",
    };
    body.set_str("reasoning_effort", effort);
    call.notice(
        "thinking",
        format!("sent as a reasoning_effort of {effort}"),
    );
    Ok(())
}

/// Its grammar knows neither `additionalProperties` nor `strict`, and its tools are functions.
fn tools(call: &mut Call<'_>) -> Result<(), Error> {
    let body = call.fields_mut();
    let suspicious = ["\"additionalProperties\"", "\"strict\"", "\"custom\""];
    if !suspicious
        .iter()
        .any(|word| params::mentions(body, "tools", word))
    {
        return Ok(());
    }
    let mut tools: Vec<Value> = body.get("tools")?.unwrap_or_default();
    for tool in &mut tools {
        if let Some(custom) = tool.get("custom").cloned() {
            *tool = from_custom(&custom);
        }
        if let Some(function) = tool.get_mut("function").and_then(Value::as_object_mut) {
            function.shift_remove("strict");
            if let Some(parameters) = function.get_mut("parameters") {
                open(parameters);
            }
        }
    }
    body.set("tools", &tools);
    Ok(())
}

/// A tool of free text is a function of one text.
fn from_custom(custom: &Value) -> Value {
    json!({"type": "function", "function": {
        "name": custom.get("name"),
        "description": custom.get("description").cloned().unwrap_or_else(|| "".into()),
        "parameters": {"type": "object", "properties": {"input": {"type": "string"}}, "required": ["input"]},
    }})
}

fn open(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if map
                .get("additionalProperties")
                .is_some_and(Value::is_boolean)
            {
                map.shift_remove("additionalProperties");
            }
            map.values_mut().for_each(open);
        }
        Value::Array(list) => list.iter_mut().for_each(open),
        _ => {}
    }
}

/// A video among the files goes as `video_url`.
fn videos(call: &mut Call<'_>) -> Result<(), Error> {
    let body = call.fields_mut();
    if !params::mentions(body, "messages", "data:video/") {
        return Ok(());
    }
    params::edit_messages(body, |message| {
        let parts = message.get_mut("content").and_then(Value::as_array_mut);
        for part in parts.into_iter().flatten() {
            let data = part.pointer("/file/file_data").and_then(Value::as_str);
            if let Some(url) = data.filter(|data| data.starts_with("data:video/")) {
                *part = json!({"type": "video_url", "video_url": {"url": url}});
            }
        }
    })?;
    Ok(())
}
