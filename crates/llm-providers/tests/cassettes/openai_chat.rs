//! Chat in OpenAI's shape, whoever sent it.

use bytes::Bytes;
use llm_providers::{Call, CallOptions, Credential, Kind, Provider, Step, Target, lookup};
use llm_types::{JsonObject, Op};
use serde_json::Value;

use crate::{
    Cassette, Tally, decode_stream, however_cut,
    openai_facts::{Facts, of_chunks, of_document},
};

/// Recordings that do not pass, each with the reason.
const KNOWN_ANSWERS: &[(&str, &str)] = &[
    (
        "mistral.chat.prism.7b426e96",
        "the recorded answer is a transcription",
    ),
    (
        "openai.chat.openai-dotnet.50a51a4e",
        "a list of stored completions",
    ),
    (
        "openai.chat.vercel-ai.30f02a01",
        "the recorded answer is a skill",
    ),
];

fn all() -> Vec<Cassette> {
    Cassette::all(|line| line["wire"] == "openai_chat" && line["endpoint"] == "chat")
}

/// The row that the recording's provider has, or OpenAI's where its row speaks another wire.
pub(crate) fn row(provider: &str) -> &'static Provider {
    lookup(provider)
        .filter(|row| row.protocol.forwards_chat())
        .unwrap_or_else(|| lookup("openai").expect("a row"))
}

pub(crate) fn target(cassette: &Cassette) -> Target {
    let model = cassette.model.clone().unwrap_or_else(|| "model".into());
    Target::new(row(&cassette.provider), model, Credential::key("k")).at("https://example.com/v1")
}

/// A request that asks for what the recording answers.
pub(crate) fn asking(op: Op, cassette: &Cassette) -> JsonObject {
    let mut body = JsonObject::new();
    match op {
        Op::Chat => body.set_raw("messages", r#"[{"role":"user","content":"Hi"}]"#),
        Op::Completion => body.set_str("prompt", "Hi"),
        _ => body.set_str("input", "Hi"),
    }
    if cassette.is_stream() {
        body.set("stream", &true);
        body.set_raw("stream_options", r#"{"include_usage":true}"#);
    }
    body
}

#[test]
fn answers_keep_every_fact() {
    let mut tally = Tally::default();
    for cassette in all() {
        tally.check(&cassette.id, answer(Op::Chat, &cassette));
    }
    tally.settle("openai chat answers", KNOWN_ANSWERS);
}

/// Decodes a recorded answer and compares it with what the record says.
pub(crate) fn answer(op: Op, cassette: &Cassette) -> Result<(), String> {
    let target = target(cassette);
    let options = CallOptions::default();
    let body = llm_providers::Body::from(asking(op, cassette));
    let call = Call::prepare(op, &target, body, &options).map_err(|e| e.to_string())?;
    if cassette.status().as_u16() >= 400 {
        return refusal(&call, cassette);
    }
    if cassette.is_stream() {
        return stream(&call, cassette);
    }
    let document: Value = serde_json::from_slice(&cassette.body()).map_err(|e| e.to_string())?;
    let expected = of_document(&document);
    let answer = match call.decode(cassette.reply()).map_err(|e| e.to_string())? {
        Step::Done(answer) => answer,
        _ => return Err("not answered at once".into()),
    };
    let usage = answer.usage.clone();
    let bytes = answer.into_bytes().map_err(|e| e.to_string())?;
    strict(&bytes)?;
    let document: Value = serde_json::from_slice(&bytes).map_err(|e| e.to_string())?;
    let mut got = of_document(&document);
    got.usage = usage.map(|usage| (usage.prompt_tokens, usage.completion_tokens));
    expected.same_as(&got)
}

/// Our own type must be able to read what we hand on.
fn strict(bytes: &Bytes) -> Result<(), String> {
    if memchr::memmem::find(bytes, b"\"text_completion\"").is_some() {
        return Ok(());
    }
    serde_json::from_slice::<llm_types::ChatResponse>(bytes)
        .map(drop)
        .map_err(|e| format!("the answer is not typed: {e}"))
}

fn refusal(call: &Call<'_>, cassette: &Cassette) -> Result<(), String> {
    let error = match call.decode(cassette.reply()) {
        Ok(_) => return Err("an answer was made of a refusal".into()),
        Err(error) => error,
    };
    if error.message.is_empty() {
        return Err("the message is lost".into());
    }
    let has = |tag: &str| cassette.features.iter().any(|feature| feature == tag);
    let wanted: &[Kind] = if has("context_window_exceeded") {
        &[Kind::ContextWindow]
    } else if has("auth_error") {
        &[Kind::Auth, Kind::Denied]
    } else if has("not_found") {
        &[Kind::NotFound]
    } else if has("rate_limit_or_quota") {
        &[Kind::RateLimit]
    } else if has("content_policy_violation") {
        &[Kind::ContentPolicy]
    } else {
        return Ok(());
    };
    if wanted.contains(&error.kind) {
        Ok(())
    } else {
        Err(format!("{:?}: {}", error.kind, error.message))
    }
}

fn stream(call: &Call<'_>, cassette: &Cassette) -> Result<(), String> {
    let body = cassette.body();
    let whole = decode_stream(call, &body, usize::MAX);
    however_cut(call, &body, &whole)?;
    let expected = Facts::of_sse(&body);
    if let Some(error) = &whole.error {
        return if expected.error {
            Ok(())
        } else {
            Err(error.clone())
        };
    }
    let mut got = of_chunks(whole.chunks)?;
    got.usage = whole.usage.map(|u| (u.prompt_tokens, u.completion_tokens));
    expected.same_as(&got)
}

#[test]
fn requests_keep_their_meaning() {
    let mut tally = Tally::default();
    for cassette in all() {
        let mine = lookup(&cassette.provider).is_some_and(|row| row.protocol.forwards_chat())
            // Recorded at its OpenAI-like address; the row uses watsonx's own, which names things otherwise.
            && cassette.provider != "watsonx";
        if let (true, Some(body)) = (mine, cassette.request()) {
            tally.check(&cassette.id, request(Op::Chat, &cassette, body));
        }
    }
    tally.settle("openai chat requests", &[]);
}

/// Encodes a recorded request and compares it with what was sent.
pub(crate) fn request(op: Op, cassette: &Cassette, recorded: &Value) -> Result<(), String> {
    let target = target(cassette);
    let options = CallOptions::default();
    let bytes = Bytes::from(serde_json::to_vec(recorded).map_err(|e| e.to_string())?);
    let body = JsonObject::parse(&bytes).map_err(|e| e.to_string())?;
    let sent = Call::prepare(op, &target, llm_providers::Body::from(body), &options)
        .and_then(|call| call.encode());
    let sent = match sent {
        Ok(request) => request,
        // What the vendor refused, we may refuse too.
        Err(_) if cassette.status().as_u16() >= 400 => return Ok(()),
        Err(e) => return Err(e.to_string()),
    };
    let sent: Value = serde_json::from_slice(sent.body().bytes().expect("in memory"))
        .map_err(|e| e.to_string())?;
    same_meaning(
        &meaning(recorded, &cassette.provider),
        &meaning(&sent, &cassette.provider),
    )
}

/// A request without what may differ: nulls, the model's name, defaults that we add, renames of one meaning, and what
/// this provider's row is known to take out.
fn meaning(body: &Value, provider: &str) -> Value {
    const OURS: [&str; 4] = ["model", "stream_options", "usage", "reasoning_split"];
    const SAME: [(&str, &str); 3] = [
        ("max_completion_tokens", "max_tokens"),
        ("random_seed", "seed"),
        ("output_dimension", "dimensions"),
    ];
    let mut map = body.as_object().cloned().unwrap_or_default();
    map.retain(|key, value| {
        !value.is_null() && !OURS.contains(&key.as_str()) && !is_default(key, value)
    });
    for (from, to) in SAME {
        if let Some(value) = map.remove(from) {
            map.insert(to.into(), value);
        }
    }
    if let Some(choice) = map.get_mut("tool_choice") {
        if *choice == "required" {
            *choice = "any".into();
        } else if choice["type"] == "tool" {
            *choice = serde_json::json!({"type": "function", "function": {"name": choice["name"]}});
        }
    }
    for message in map
        .get_mut("messages")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        if let Some(message) = message.as_object_mut() {
            message_meaning(message, provider);
        }
    }
    if let ("xai" | "vllm", Some(tools)) = (provider, map.get_mut("tools")) {
        strip(tools);
    }
    map.into()
}

fn message_meaning(message: &mut serde_json::Map<String, Value>, provider: &str) {
    message.retain(|_, value| !value.is_null());
    if matches!(provider, "groq" | "xai") {
        message.remove("name");
    }
    if message.get("role").is_some_and(|role| role == "developer") {
        message.insert("role".into(), "system".into());
    }
    if provider != "openrouter" {
        return;
    }
    // A marker moves to the last part, and the text becomes one.
    message.remove("cache_control");
    if let Some(Value::String(text)) = message.get("content") {
        let parts = serde_json::json!([{"type": "text", "text": text}]);
        message.insert("content".into(), parts);
    }
    let parts = message.get_mut("content").and_then(Value::as_array_mut);
    for part in parts.into_iter().flatten().filter_map(Value::as_object_mut) {
        part.remove("cache_control");
    }
}

fn is_default(key: &str, value: &Value) -> bool {
    (key == "n" && value == 1) || (key == "stream" && value == false)
}

/// Keys of tools that some vendors do not take.
fn strip(tools: &mut Value) {
    match tools {
        Value::Object(map) => {
            map.remove("strict");
            map.remove("additionalProperties");
            map.values_mut().for_each(strip);
        }
        Value::Array(list) => list.iter_mut().for_each(strip),
        _ => {}
    }
}

fn same_meaning(recorded: &Value, sent: &Value) -> Result<(), String> {
    let empty = serde_json::Map::new();
    let recorded = recorded.as_object().unwrap_or(&empty);
    let sent = sent.as_object().unwrap_or(&empty);
    for (key, value) in recorded {
        match sent.get(key) {
            Some(ours)
                if ours == value || ours.as_f64().is_some_and(|n| Some(n) == value.as_f64()) => {}
            ours => {
                let ours = ours.map_or("nothing".into(), Value::to_string);
                let cut = |text: String| text.chars().take(300).collect::<String>();
                return Err(format!(
                    "{key}: {} became {}",
                    cut(value.to_string()),
                    cut(ours)
                ));
            }
        }
    }
    for key in sent.keys() {
        // DeepSeek's switch follows the effort.
        if !recorded.contains_key(key) && key != "thinking" {
            return Err(format!("{key} was added"));
        }
    }
    Ok(())
}
