//! A whole chat answer, and what it shares with a streamed one.

use llm_types::{ChatResponse, Choice, Content, FunctionCall, Message, ToolCall};
use serde_json::{Value, json};

use super::{think::Splitter, wire};
use crate::{Answer, Call, Error, Reply, protocols::emit};

pub(super) fn chat(call: &Call<'_>, reply: &Reply) -> Result<Answer, Error> {
    let name = call.target.provider.name;
    let line: wire::Line =
        serde_json::from_slice(&reply.body).map_err(|e| Error::decode(name, e))?;
    if !line.done {
        return Err(Error::decode(name, "the answer is not complete"));
    }
    let native = line.done_reason.as_deref().unwrap_or("stop");
    let (id, created, usage) = (
        line.id("chatcmpl-", 0),
        wire::seconds(&line.created_at),
        line.usage(),
    );
    let calls = line
        .message
        .as_ref()
        .map_or(0, |message| message.tool_calls.len());
    let finish_reason = finish_reason(native, calls > 0);
    let choice = Choice {
        provider_specific_fields: emit::native_reason(native, finish_reason),
        finish_reason: Some(finish_reason.into()),
        logprobs: line.logprobs.clone().map(logprobs),
        message: message(line),
        ..Choice::default()
    };
    Ok(Answer::chat(ChatResponse {
        id,
        object: "chat.completion".into(),
        created,
        model: call.model().to_owned(),
        choices: vec![choice],
        usage,
        ..ChatResponse::default()
    }))
}

fn message(mut line: wire::Line) -> Message {
    let native = line.message.take().unwrap_or_default();
    let mut splitter = Splitter::default();
    let mut split = splitter.push(&native.content);
    let rest = splitter.finish();
    split.answer.push_str(&rest.answer);
    split.thinking.push_str(&rest.thinking);
    let mut thinking = native.thinking.unwrap_or_default();
    thinking.push_str(&split.thinking);
    let tool_calls = (0..)
        .zip(native.tool_calls)
        .map(|(nth, call)| tool_call(&line, nth, call, None))
        .collect();
    Message {
        role: "assistant".into(),
        content: Some(Content::Text(split.answer)),
        tool_calls,
        reasoning_content: Some(thinking).filter(|text| !text.is_empty()),
        images: images(native.images, 0),
        ..Message::default()
    }
}

/// The `nth` call of an answer. Old servers give calls no ids.
pub(super) fn tool_call(
    line: &wire::Line,
    nth: usize,
    call: wire::Call,
    index: Option<u64>,
) -> ToolCall {
    let arguments = match call.function.arguments {
        Value::Null => "{}".to_owned(),
        Value::String(text) => text,
        value => value.to_string(),
    };
    ToolCall {
        index,
        id: Some(call.id.unwrap_or_else(|| line.id("call_", nth))),
        kind: Some("function".into()),
        function: FunctionCall {
            name: Some(call.function.name),
            arguments,
        },
        ..ToolCall::default()
    }
}

/// Generated images, from the `first`th on. Ollama does not say their type; what its models write are PNGs.
pub(super) fn images(native: Vec<String>, first: usize) -> Vec<Value> {
    (first..)
        .zip(native)
        .map(|(index, data)| {
            let url = format!("data:image/png;base64,{data}");
            json!({"index": index, "type": "image_url", "image_url": {"url": url}})
        })
        .collect()
}

/// Ollama's entries are OpenAI's already.
pub(super) fn logprobs(entries: Vec<Value>) -> Value {
    json!({"content": entries, "refusal": null})
}

/// Ollama says `stop` where it stopped for a tool call.
pub(super) fn finish_reason(native: &str, called: bool) -> &'static str {
    match native {
        _ if called => "tool_calls",
        "length" => "length",
        _ => "stop",
    }
}
