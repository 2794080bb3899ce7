//! OpenAI's wire as some vendors bend it: content that is no text, empty objects for absent ones, missing finish reasons.

use std::collections::BTreeSet;

use bytes::Bytes;
use http::Request;
use llm_types::{EmbeddingResponse, Map, Op};
use serde_json::{Value, json};

use super::{openai::OpenAi, vectors};
use crate::{Answer, Call, Chunks, Decoder, Error, Protocol, Reply, Step, frame::Frame};

/// OpenAI's wire; answers are repaired before they are passed on.
#[derive(Debug)]
pub struct Loose;

impl Protocol for Loose {
    fn encode(&self, call: &Call<'_>) -> Result<Request<Bytes>, Error> {
        if call.op != Op::Embedding || !call.json()?.contains("encoding_format") {
            return OpenAi.encode(call);
        }
        // Not all of them know it, so vectors come as numbers and are packed here.
        let mut plain = call.clone();
        plain.json_mut()?.remove("encoding_format");
        OpenAi.encode(&plain)
    }

    fn decode(&self, call: &Call<'_>, reply: Reply) -> Result<Step, Error> {
        let step = OpenAi.decode(call, reply)?;
        match step {
            Step::Done(answer) if call.op == Op::Chat => Ok(repaired(call, answer)?.into()),
            Step::Done(answer) if call.op == Op::Embedding => Ok(packed(call, answer)?.into()),
            step => Ok(step),
        }
    }

    fn forwards_chat(&self) -> bool {
        true
    }

    fn decoder(&self, call: &Call<'_>) -> Result<Box<dyn Decoder>, Error> {
        let inner = OpenAi.decoder(call)?;
        if call.op != Op::Chat {
            return Ok(inner);
        }
        Ok(Box::new(Repair::new(call, inner)))
    }
}

/// A whole chat answer, repaired.
pub(crate) fn repaired(call: &Call<'_>, answer: Answer) -> Result<Answer, Error> {
    let failed = |e: serde_json::Error| Error::decode(call.target.provider.name, e);
    let usage = answer.usage.clone();
    let mut body: Value = serde_json::from_slice(&answer.into_bytes()?).map_err(failed)?;
    envelope(&mut body, "chat.completion");
    for choice in list(&mut body, "choices") {
        part(choice, "message");
        let called = has_calls(choice, "message");
        if choice["finish_reason"].as_str().is_none_or(str::is_empty) {
            choice["finish_reason"] = if called { "tool_calls" } else { "stop" }.into();
        }
    }
    let bytes = serde_json::to_vec(&body).map_err(failed)?;
    Ok(Answer::raw(bytes.into(), usage))
}

/// An answer's vectors in base64, where the client asked for that.
fn packed(call: &Call<'_>, answer: Answer) -> Result<Answer, Error> {
    if call.json()?.str("encoding_format").as_deref() != Some("base64") {
        return Ok(answer);
    }
    let usage = answer.usage.clone();
    let response: EmbeddingResponse = serde_json::from_slice(&answer.into_bytes()?)
        .map_err(|e| Error::decode(call.target.provider.name, e))?;
    let vectors = response
        .data
        .into_iter()
        .map(|item| item.embedding)
        .collect();
    vectors::answer(call, vectors, usage, response.extra)
}

/// Repairs the chunks of a stream, and hands them to OpenAI's own decoder.
pub(crate) struct Repair {
    provider: &'static str,
    inner: Box<dyn Decoder>,
    /// The choices that have begun and not yet said why they end.
    open: BTreeSet<u64>,
    called: BTreeSet<u64>,
    /// The keys that all chunks have, for one of our own.
    common: Map,
}

impl Repair {
    pub(crate) fn new(call: &Call<'_>, inner: Box<dyn Decoder>) -> Self {
        Self {
            provider: call.target.provider.name,
            inner,
            open: BTreeSet::new(),
            called: BTreeSet::new(),
            common: Map::new(),
        }
    }

    fn chunk(&mut self, chunk: &mut Value) {
        envelope(chunk, "chat.completion.chunk");
        self.common = ["id", "object", "created", "model"]
            .into_iter()
            .filter_map(|key| Some((key.to_owned(), chunk.get(key)?.clone())))
            .collect();
        for choice in list(chunk, "choices") {
            part(choice, "delta");
            let index = choice["index"].as_u64().unwrap_or(0);
            if has_calls(choice, "delta") {
                self.called.insert(index);
            }
            match choice["finish_reason"].as_str() {
                Some("") | None => {
                    choice["finish_reason"] = Value::Null;
                    self.open.insert(index);
                }
                Some(_) => {
                    self.open.remove(&index);
                }
            }
        }
    }

    /// The vendor is through without having said why: it says so for it.
    fn close(&mut self, out: &mut Chunks) -> Result<(), Error> {
        for index in std::mem::take(&mut self.open) {
            let reason = if self.called.contains(&index) {
                "tool_calls"
            } else {
                "stop"
            };
            let mut chunk = self.common.clone();
            let choice = json!({"index": index, "delta": {}, "finish_reason": reason});
            chunk.insert("choices".into(), json!([choice]));
            self.pass(&chunk.into(), out)?;
        }
        Ok(())
    }

    fn pass(&mut self, chunk: &Value, out: &mut Chunks) -> Result<(), Error> {
        let data = serde_json::to_vec(chunk).map_err(|e| Error::decode(self.provider, e))?;
        self.inner.push(Frame::data(data), out)
    }
}

impl Decoder for Repair {
    fn push(&mut self, frame: Frame, out: &mut Chunks) -> Result<(), Error> {
        if &frame.data[..] == b"[DONE]" {
            self.close(out)?;
            return self.inner.push(frame, out);
        }
        let Ok(mut chunk) = serde_json::from_slice::<Value>(&frame.data) else {
            return self.inner.push(frame, out);
        };
        if chunk.get("choices").is_none() {
            return self.inner.push(frame, out);
        }
        self.chunk(&mut chunk);
        let only_usage = chunk["choices"] == json!([]) && chunk["usage"].is_object();
        if only_usage {
            self.close(out)?;
        }
        self.pass(&chunk, out)
    }

    fn finish(&mut self, out: &mut Chunks) -> Result<(), Error> {
        self.inner.finish(out)
    }
}

/// What stands around the choices: `object` and `model` under the names that clients read.
fn envelope(body: &mut Value, object: &str) {
    let Some(map) = body.as_object_mut() else {
        return;
    };
    if !map.contains_key("object") {
        map.insert("object".into(), object.into());
    }
    if !map.contains_key("model")
        && let Some(model) = map.get("model_id").cloned()
    {
        map.insert("model".into(), model);
    }
    for key in ["service_tier", "system_fingerprint"] {
        if map.get(key).is_some_and(|value| value == "") {
            map.shift_remove(key);
        }
    }
}

fn list<'a>(body: &'a mut Value, key: &str) -> impl Iterator<Item = &'a mut Value> {
    body.get_mut(key)
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
        .filter(|item| item.is_object())
}

fn has_calls(choice: &Value, key: &str) -> bool {
    choice[key]["tool_calls"]
        .as_array()
        .is_some_and(|calls| !calls.is_empty())
}

/// A message or a delta.
fn part(choice: &mut Value, key: &str) {
    if let Some(logprobs) = choice.get_mut("logprobs")
        && logprobs["content"].is_null()
        && logprobs["refusal"].is_null()
    {
        *logprobs = Value::Null;
    }
    for call in choice
        .get_mut(key)
        .map(|part| list(part, "tool_calls"))
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
    {
        if call
            .get("custom")
            .is_some_and(|custom| is_blank(&custom["name"]))
        {
            call.shift_remove("custom");
        }
    }
    let Some(part) = choice.get_mut(key).and_then(Value::as_object_mut) else {
        return;
    };
    for (key, inner) in [("function_call", "name"), ("audio", "id")] {
        if part.get(key).is_some_and(|value| is_blank(&value[inner])) {
            part.shift_remove(key);
        }
    }
    if part.get("refusal").is_some_and(is_blank) {
        part.insert("refusal".into(), Value::Null);
    }
    content(part);
}

fn is_blank(value: &Value) -> bool {
    value.is_null() || value == ""
}

/// Blocks become text and thinking; JSON that stands there as such becomes its text.
fn content(part: &mut Map) {
    match part.get_mut("content") {
        None | Some(Value::Null | Value::String(_)) => {}
        Some(Value::Array(list)) if list.iter().all(is_block) => {
            let list = std::mem::take(list);
            blocks(part, list);
        }
        Some(json) => *json = Value::String(json.to_string()),
    }
}

fn is_block(value: &Value) -> bool {
    value["type"].is_string()
}

fn blocks(part: &mut Map, blocks: Vec<Value>) {
    let (mut text, mut thinking) = (None::<String>, String::new());
    let (mut signed, mut others) = (Vec::new(), Vec::new());
    for mut block in blocks {
        match block["type"].as_str() {
            Some("text") => text
                .get_or_insert_default()
                .push_str(block["text"].as_str().unwrap_or_default()),
            Some("reasoning") => {
                for summary in list(&mut block, "summary") {
                    let piece = summary["text"].as_str().unwrap_or_default();
                    thinking.push_str(piece);
                    let mut one = json!({"type": "thinking", "thinking": piece});
                    if summary["signature"].is_string() {
                        one["signature"] = summary["signature"].take();
                    }
                    signed.push(one);
                }
            }
            _ => others.push(block),
        }
    }
    part.insert("content".into(), text.into());
    if !signed.is_empty() {
        part.insert("reasoning_content".into(), thinking.into());
        part.insert("thinking_blocks".into(), signed.into());
    }
    if !others.is_empty() {
        let own = part
            .entry("provider_specific_fields")
            .or_insert_with(|| json!({}));
        own["content_blocks"] = others.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(message: Value) -> Value {
        let mut choice = json!({ "message": message });
        part(&mut choice, "message");
        choice["message"].take()
    }

    #[test]
    fn content_becomes_text() {
        assert_eq!(
            message(json!({"content": {"a": 1}}))["content"],
            r#"{"a":1}"#
        );
        assert_eq!(message(json!({"content": [1, 2]}))["content"], "[1,2]");
        assert_eq!(message(json!({"content": "x"}))["content"], "x");
        assert_eq!(message(json!({"content": null}))["content"], Value::Null);
    }

    #[test]
    fn reasoning_blocks_become_thinking() {
        let got = message(json!({"content": [
            {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm", "signature": "s"}]},
            {"type": "text", "text": "a"},
            {"type": "other", "x": 1},
        ]}));
        assert_eq!(
            got,
            json!({
                "content": "a",
                "reasoning_content": "hm",
                "thinking_blocks": [{"type": "thinking", "thinking": "hm", "signature": "s"}],
                "provider_specific_fields": {"content_blocks": [{"type": "other", "x": 1}]},
            })
        );
    }

    #[test]
    fn empty_objects_are_absent_ones() {
        let got = message(json!({
            "content": "x", "refusal": "", "function_call": {"name": "", "arguments": ""},
            "audio": {"id": ""}, "tool_calls": [{"id": "a", "custom": {"name": ""}}],
        }));
        assert_eq!(
            got,
            json!({"content": "x", "refusal": null, "tool_calls": [{"id": "a"}]})
        );
    }
}
