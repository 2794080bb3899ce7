//! Gemini's recorded answers, over AI Studio and Vertex, read by two readers: ours, and the small one here that knows
//! nothing of ours.

use std::collections::BTreeMap;

use bytes::Bytes;
use llm_providers::{
    Body, Call, CallOptions, Chunks, Credential, Framing, Step, Target, frame::Splitter, lookup,
};
use llm_types::{JsonObject, Op};
use serde_json::{Value, json};

use crate::{Cassette, Tally, cuts};

/// What an answer says, in neither dialect.
#[derive(Debug, Default, PartialEq)]
struct Said {
    text: String,
    thoughts: String,
    calls: Vec<(String, Value)>,
    finish: String,
    /// Base64 of images, their media types before them.
    images: Vec<String>,
    audio: String,
    signatures: Vec<String>,
    /// Parts that chat has no place for.
    native: Vec<Value>,
    cited: Vec<String>,
    /// prompt, completion, total, cached, reasoning
    tokens: [u64; 5],
    grounding: Option<Value>,
}

pub(crate) fn target(provider: &str, model: &str) -> Target {
    let row = lookup(provider).expect("a row");
    Target::new(row, model, Credential::key("k"))
        .with("vertex_project", "p")
        .with("vertex_location", "global")
}

fn chat_body(stream: bool) -> Body {
    let body = json!({"messages": [{"role": "user", "content": "x"}], "stream": stream});
    Body::from(JsonObject::from_serialize(&body).expect("a body"))
}

/// The vendor's events: one, a list, or server-sent ones.
pub(crate) fn events(body: &Bytes) -> Vec<Value> {
    let text = std::str::from_utf8(body).expect("text").trim();
    if text.starts_with('[') {
        return serde_json::from_str(text).expect("a list");
    }
    if text.starts_with('{') {
        return vec![serde_json::from_str(text).expect("an object")];
    }
    let data = text.lines().filter_map(|line| line.strip_prefix("data:"));
    data.map(|data| serde_json::from_str(data).expect("an event"))
        .collect()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Reads the vendor's events.
fn expected(events: &[Value]) -> Said {
    let mut said = Said::default();
    let (mut native_finish, mut usage) = (None, json!({}));
    for event in events {
        let counts = &event["usageMetadata"];
        if counts["promptTokenCount"].is_u64() || counts["candidatesTokenCount"].is_u64() {
            usage = counts.clone();
        }
        if let Some(reason) = event["promptFeedback"].get("blockReason") {
            native_finish = Some(reason.clone());
        }
        let candidate = &event["candidates"][0];
        if let Some(reason) = candidate.get("finishReason") {
            native_finish = Some(reason.clone());
        }
        if let Some(grounding) = candidate.get("groundingMetadata") {
            said.grounding = Some(grounding.clone());
        }
        for part in list(&candidate["content"]["parts"]) {
            said.part(part);
        }
    }
    if let Some(grounding) = said.grounding.clone() {
        for support in list(&grounding["groundingSupports"]) {
            for index in list(&support["groundingChunkIndices"]) {
                let chunk =
                    &grounding["groundingChunks"][index.as_u64().expect("an index") as usize];
                said.cited
                    .extend(chunk["web"]["uri"].as_str().map(str::to_owned));
            }
        }
    }
    let native = match native_finish.unwrap_or_default() {
        Value::Number(one) if one == 1.into() => "STOP".to_owned(),
        Value::Number(two) if two == 2.into() => "MAX_TOKENS".to_owned(),
        other => other.as_str().unwrap_or_default().to_owned(),
    };
    said.finish = match native.as_str() {
        _ if !said.calls.is_empty() => "tool_calls",
        "STOP" | "MALFORMED_FUNCTION_CALL" | "UNEXPECTED_TOOL_CALL" => "stop",
        "MAX_TOKENS" => "length",
        "OTHER" | "SAFETY" | "MODEL_ARMOR" => "content_filter",
        other => panic!("a finish reason this test does not know: {other}"),
    }
    .into();
    said.tokens = tokens(&usage, said.grounding.as_ref());
    said.signatures.sort();
    said
}

fn tokens(usage: &Value, grounding: Option<&Value>) -> [u64; 5] {
    let count = |name: &str| usage[name].as_u64().unwrap_or(0);
    let searched = grounding.is_some_and(|g| {
        list(&g["webSearchQueries"]).iter().any(|q| q != "")
            || list(&g["groundingChunks"])
                .iter()
                .any(|c| c.get("web").is_some())
    });
    let tools = if searched {
        0
    } else {
        count("toolUsePromptTokenCount")
    };
    let prompt = count("promptTokenCount") + tools;
    let completion = count("candidatesTokenCount") + count("thoughtsTokenCount");
    [
        prompt,
        completion,
        usage["totalTokenCount"]
            .as_u64()
            .unwrap_or(prompt + completion),
        count("cachedContentTokenCount"),
        count("thoughtsTokenCount"),
    ]
}

impl Said {
    fn part(&mut self, part: &Value) {
        let signature = part["thoughtSignature"].as_str();
        let text = part["text"].as_str();
        if let Some(call) = part.get("functionCall") {
            let args = call.get("args").cloned().unwrap_or(json!({}));
            self.calls
                .push((call["name"].as_str().expect("a name").into(), args));
        } else if let Some(blob) = part.get("inlineData") {
            let kind = blob["mimeType"].as_str().expect("a type");
            let data = blob["data"].as_str().expect("data");
            match kind.starts_with("audio/") {
                true => self.audio.push_str(data),
                false => self.images.push(format!("{kind} {data}")),
            }
        } else if part["thought"] == true {
            self.thoughts.push_str(text.unwrap_or_default());
        } else if let Some(text) = text {
            self.text.push_str(text);
        } else {
            self.native.push(part.clone());
        }
        self.signatures.extend(signature.map(str::to_owned));
    }

    /// Adds a chat message, or what is new of one.
    fn message(&mut self, message: &Value) {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let signature = |value: &Value| {
            let fields = &value["provider_specific_fields"];
            fields["thought_signature"].as_str().map(str::to_owned)
        };
        self.text.push_str(&text(&message["content"]));
        self.thoughts.push_str(&text(&message["reasoning_content"]));
        for call in list(&message["tool_calls"]) {
            let args = text(&call["function"]["arguments"]);
            let args = serde_json::from_str(&args).expect("arguments");
            self.calls.push((text(&call["function"]["name"]), args));
            self.signatures.extend(signature(call));
            if let Some(signature) = signature(call) {
                assert!(text(&call["id"]).ends_with(&format!("__thought__{signature}")));
            }
        }
        for image in list(&message["images"]) {
            let url = text(&image["image_url"]["url"]);
            let (kind, data) = url.split_once(";base64,").expect("a data address");
            let kind = kind.strip_prefix("data:").expect("a data address");
            self.images.push(format!("{kind} {data}"));
            self.signatures.extend(signature(image));
        }
        self.audio.push_str(&text(&message["audio"]["data"]));
        let mut thoughts = String::new();
        for block in list(&message["thinking_blocks"]) {
            thoughts.push_str(&text(&block["thinking"]));
            self.signatures
                .extend(block["signature"].as_str().map(str::to_owned));
        }
        assert_eq!(thoughts, text(&message["reasoning_content"]));
        let fields = &message["provider_specific_fields"];
        self.signatures
            .extend(list(&fields["thought_signatures"]).iter().map(text));
        for part in list(&fields["gemini_parts"]) {
            self.signatures
                .extend(part["thoughtSignature"].as_str().map(str::to_owned));
            self.native.push(part.clone());
        }
        for annotation in list(&message["annotations"]) {
            self.cited.push(text(&annotation["url_citation"]["url"]));
        }
    }

    /// Adds what stands over the choices.
    fn whole(&mut self, answer: &Value) {
        if let Some(finish) = answer["choices"][0]["finish_reason"].as_str() {
            self.finish = finish.into();
        }
        if let Some(grounding) = answer["vertex_ai_grounding_metadata"].get(0) {
            self.grounding = Some(grounding.clone());
        }
    }

    fn usage(&mut self, usage: Option<&llm_types::Usage>) {
        let Some(usage) = usage else { return };
        self.tokens = [
            usage.prompt_tokens,
            usage.completion_tokens,
            usage.total_tokens,
            usage.cached_tokens(),
            usage.reasoning_tokens(),
        ];
    }
}

fn whole(cassette: &Cassette, model: &str) -> Result<(), String> {
    let target = target(&cassette.provider, model);
    let options = CallOptions::default();
    let call = Call::prepare(Op::Chat, &target, chat_body(false), &options).expect("a call");
    let reply = cassette.reply();
    if !reply.status.is_success() {
        let error = call.decode(reply).expect_err("an error");
        return sane(&error, cassette);
    }
    let expected = expected(&events(&cassette.body()));
    let Step::Done(answer) = call.decode(reply).map_err(|e| e.to_string())? else {
        return Err("not done".into());
    };
    let mut got = Said::default();
    got.usage(answer.usage.as_ref());
    let answer: Value = serde_json::from_slice(&answer.into_bytes().expect("bytes")).expect("json");
    got.message(&answer["choices"][0]["message"]);
    got.whole(&answer);
    got.signatures.sort();
    ids_are_unique(list(&answer["choices"][0]["message"]["tool_calls"]))?;
    same(&got, &expected)
}

/// As the client would: a stream that comes as one JSON document is one frame.
fn stream(cassette: &Cassette, model: &str) -> Result<(), String> {
    let target = target(&cassette.provider, model);
    let options = CallOptions::default();
    let call = Call::prepare(Op::Chat, &target, chat_body(true), &options).expect("a call");
    let body = cassette.body();
    let expected = expected(&events(&body));
    let framing = match body.trim_ascii_start().starts_with(b"[") {
        true => Framing::Whole,
        false => Framing::Sse,
    };
    for size in cuts(&body).chain([usize::MAX]) {
        let mut got = Said::default();
        let (mut splitter, mut frames, mut chunks) =
            (Splitter::new(framing), Vec::new(), Chunks::default());
        let mut decoder = call.decoder().expect("a decoder");
        for piece in body.chunks(size.min(body.len())) {
            splitter
                .push(body.slice_ref(piece), &mut frames)
                .map_err(|e| e.to_string())?;
        }
        splitter.finish(&mut frames).map_err(|e| e.to_string())?;
        for frame in frames {
            decoder
                .push(frame, &mut chunks)
                .map_err(|e| e.to_string())?;
        }
        decoder.finish(&mut chunks).map_err(|e| e.to_string())?;
        got.usage(chunks.usage.as_ref());
        let mut calls = Vec::new();
        for chunk in chunks.items {
            let chunk: Value =
                serde_json::from_slice(&chunk.into_data().expect("bytes")).expect("json");
            got.message(&chunk["choices"][0]["delta"]);
            got.whole(&chunk);
            calls.extend_from_slice(list(&chunk["choices"][0]["delta"]["tool_calls"]));
        }
        got.signatures.sort();
        ids_are_unique(&calls)?;
        same(&got, &expected)?;
    }
    Ok(())
}

fn ids_are_unique(calls: &[Value]) -> Result<(), String> {
    let mut seen = BTreeMap::new();
    for call in calls {
        let id = call["id"].as_str().unwrap_or_default();
        if id.is_empty() || seen.insert(id, ()).is_some() {
            return Err(format!("the id '{id}' is empty or there twice"));
        }
    }
    Ok(())
}

fn same(got: &Said, expected: &Said) -> Result<(), String> {
    if got == expected {
        return Ok(());
    }
    let (got, expected) = (format!("{got:#?}"), format!("{expected:#?}"));
    let lines = got.lines().zip(expected.lines());
    let differing = lines.filter(|(a, b)| a != b).take(4);
    Err(differing
        .map(|(a, b)| format!("\n  got      {a:.300}\n  expected {b:.300}"))
        .collect())
}

/// Errors keep the vendor's words and status.
fn sane(error: &llm_providers::Error, cassette: &Cassette) -> Result<(), String> {
    use llm_providers::Kind;
    let kinds: &[Kind] = match cassette.status().as_u16() {
        400 => &[
            Kind::BadRequest,
            Kind::Auth,
            Kind::ContextWindow,
            Kind::ContentPolicy,
        ],
        404 => &[Kind::NotFound],
        _ => &[],
    };
    let body: Value = serde_json::from_slice(&cassette.body()).unwrap_or_default();
    let message = body["error"]["message"].as_str().unwrap_or_default();
    if kinds.contains(&error.kind) && error.message.contains(message) {
        return Ok(());
    }
    Err(format!("{:?}: {}", error.kind, error.message))
}

fn check(provider: &'static str) {
    let mut tally = Tally::default();
    let wanted = |line: &Value| {
        line["provider"] == provider
            && line["endpoint"] == "chat"
            && line["wire"] == "gemini_generate_content"
    };
    for cassette in Cassette::all(wanted) {
        let model = cassette.model.clone().unwrap_or_default();
        let model = model.trim_start_matches("models/");
        let result = match cassette.is_stream() {
            true => stream(&cassette, model),
            false => whole(&cassette, model),
        };
        tally.check(&cassette.id, result);
    }
    tally.settle(&format!("{provider} generateContent answers"), &[]);
}

#[test]
fn answers_of_ai_studio() {
    check("gemini");
}

#[test]
fn answers_of_vertex() {
    check("vertex_ai");
}
