//! Recorded traffic of the Responses API, passed through: nothing is changed, everything that counts is read.

use bytes::Bytes;
use llm_providers::{
    Body, Call, CallOptions, Chunk, Credential, Payload, Step, Target, bridges, lookup,
};
use llm_types::{JsonObject, Op, Usage};
use serde_json::Value;

use crate::{Cassette, Tally, decode_stream, fold::same_json, however_cut};

/// Recordings that do not pass, each with the reason.
const NO_STREAMS: &[(&str, &str)] = &[(
    "openai.responses.stream.lingua.30404920",
    "events of a shape that was never published",
)];

pub(crate) fn recordings(stream: bool) -> Vec<Cassette> {
    Cassette::all(|line| line["wire"] == "openai_responses" && line["stream"] == stream)
}

fn target(cassette: &Cassette) -> Target {
    let row = lookup(&cassette.provider)
        .filter(|row| row.speaks(Op::Responses))
        .or_else(|| lookup("openai"))
        .expect("a row");
    let model = cassette.model.as_deref().unwrap_or("gpt-5");
    Target::new(row, model, Credential::None).at("https://example.com/v1")
}

fn asked(cassette: &Cassette) -> JsonObject {
    match cassette.request() {
        Some(body) => JsonObject::from_serialize(body).expect("an object"),
        None => {
            let mut body = JsonObject::new();
            body.set_str("input", "x");
            body.set("stream", &cassette.is_stream());
            body
        }
    }
}

fn counts(usage: &Usage) -> (u64, u64, u64, u64) {
    (
        usage.prompt_tokens,
        usage.completion_tokens,
        usage.cached_tokens(),
        usage.reasoning_tokens(),
    )
}

/// The counts under the wire's own names.
fn counted(response: &Value) -> Option<(u64, u64, u64, u64)> {
    let usage = response.get("usage").filter(|usage| usage.is_object())?;
    let number = |at: &str| usage.pointer(at).and_then(Value::as_u64).unwrap_or(0);
    Some((
        number("/input_tokens"),
        number("/output_tokens"),
        number("/input_tokens_details/cached_tokens"),
        number("/output_tokens_details/reasoning_tokens"),
    ))
}

fn passed_on(cassette: &Cassette) -> Result<(), String> {
    let target = target(cassette);
    let options = CallOptions::default();
    let sent = asked(cassette);
    let call = Call::prepare(Op::Responses, &target, Body::from(sent.clone()), &options)
        .map_err(|e| e.to_string())?;
    let request = call.encode().map_err(|e| e.to_string())?;
    if !request.uri().path().ends_with("/responses") {
        return Err(request.uri().to_string());
    }
    let body: Value =
        serde_json::from_slice(request.body().bytes().expect("in memory")).expect("json");
    let mut expected: Value = serde_json::from_slice(&sent.to_bytes()).expect("json");
    expected["model"] = body["model"].clone();
    same_json(&body, &expected)
}

#[test]
fn requests_go_out_as_they_came() {
    let mut tally = Tally::default();
    for cassette in recordings(false).into_iter().chain(recordings(true)) {
        if cassette.request().is_some() {
            tally.check(&cassette.id, passed_on(&cassette));
        }
    }
    tally.settle("Responses, requests passed on", &[]);
}

fn whole(cassette: &Cassette) -> Result<(), String> {
    let target = target(cassette);
    let options = CallOptions::default();
    let call = Call::prepare(
        Op::Responses,
        &target,
        Body::from(asked(cassette)),
        &options,
    )
    .map_err(|e| e.to_string())?;
    let body = cassette.body();
    match call.decode(cassette.reply()) {
        Ok(Step::Done(answer)) => {
            let theirs: Value = serde_json::from_slice(&body).expect("json");
            let ours = answer.usage.as_ref().map(counts);
            let Payload::Raw { body: passed, .. } = answer.payload else {
                return Err("not passed on".into());
            };
            if passed != body {
                return Err("changed".into());
            }
            match (ours, counted(&theirs)) {
                (ours, theirs) if ours == theirs => Ok(()),
                (ours, theirs) => Err(format!("{ours:?} is not {theirs:?}")),
            }
        }
        Ok(_) => Err("not done".into()),
        Err(e) if cassette.status().as_u16() >= 400 && !e.message.is_empty() => Ok(()),
        Err(e) => Err(e.to_string()),
    }
}

#[test]
fn answers_pass_untouched() {
    let mut tally = Tally::default();
    for cassette in recordings(false) {
        tally.check(&cassette.id, whole(&cassette));
    }
    tally.settle("Responses, answers passed on", &[]);
}

/// The data of every event, as it was sent.
pub(crate) fn events(body: &Bytes) -> Vec<Value> {
    let text = std::str::from_utf8(body).expect("text");
    let data = text.lines().filter_map(|line| line.strip_prefix("data:"));
    data.filter_map(|data| serde_json::from_str(data.trim()).ok())
        .collect()
}

/// What the last event's output says, item by item.
fn said(last: Option<&Chunk>) -> Vec<(Value, Value)> {
    let Some(Chunk::Raw { data, .. }) = last else {
        return Vec::new();
    };
    let event: Value = serde_json::from_slice(data).expect("json");
    let output = event["response"]["output"].as_array().into_iter().flatten();
    output
        .map(|item| (item["id"].clone(), item["content"][0]["text"].clone()))
        .collect()
}

fn streamed(cassette: &Cassette) -> Result<(), String> {
    let target = target(cassette);
    let options = CallOptions::default();
    let mut asked = asked(cassette);
    asked.set("stream", &true);
    let call = Call::prepare(Op::Responses, &target, Body::from(asked), &options)
        .map_err(|e| e.to_string())?;
    let body = cassette.body();
    let stream = decode_stream(&call, &body, usize::MAX);
    if let Some(error) = &stream.error {
        return Err(error.clone());
    }
    let theirs = events(&body);
    let last = theirs.last().ok_or("no events")?;
    let (mut names, mut ours) = (Vec::new(), Vec::new());
    for chunk in &stream.chunks {
        let Chunk::Raw { event, data } = chunk else {
            return Err("an event was translated".into());
        };
        names.push(event.clone().unwrap_or_default());
        ours.push(serde_json::from_slice::<Value>(data).expect("json"));
    }
    if ours != theirs {
        return Err("events are missing or changed".into());
    }
    if let Some((at, name)) = (0..)
        .zip(&names)
        .find(|(at, name)| *name != ours[*at]["type"].as_str().unwrap_or_default())
    {
        return Err(format!("event {at} is named {name:?}"));
    }
    if stream.usage.as_ref().map(counts) != counted(&last["response"]) {
        return Err(format!("usage {:?}", stream.usage));
    }
    let cut = body.slice(..body.len() - body.len() / 4);
    let cut = decode_stream(&call, &cut, usize::MAX);
    if cut.error.is_none() && said(cut.chunks.last()) != said(stream.chunks.last()) {
        return Err("taken for whole when it was cut".into());
    }
    however_cut(&call, &body, &stream)
}

#[test]
fn streams_pass_untouched() {
    let mut tally = Tally::default();
    for cassette in recordings(true) {
        tally.check(&cassette.id, streamed(&cassette));
    }
    tally.settle("Responses, streams passed on", NO_STREAMS);
}

/// Recordings that nobody can go on with from some event on.
const NOT_GONE_ON_WITH: [&str; 9] = [
    "web_search_call",
    "file_search_call",
    "tool_search_call",
    "apply_patch_call",
    "local_shell_call",
    "custom_tool_call",
    "program",
    "program_output",
    "mcp_list_tools",
];

/// After each event of a recording, its stream is ended by us: all items are closed, under the vendor's numbers.
fn gone_on(cassette: &Cassette) -> Result<(), String> {
    let sent: Vec<Bytes> = events(&cassette.body())
        .into_iter()
        .map(|event| event.to_string().into())
        .collect();
    for n in 1..sent.len() {
        let before = sent[..n].iter().map(|data| &data[..]);
        let Some(mut writer) = bridges::responses::stream_after(&JsonObject::new(), before) else {
            let last: Value = serde_json::from_slice(&sent[n - 1]).expect("json");
            let kind = last["item"]["type"].as_str().unwrap_or_default();
            return match NOT_GONE_ON_WITH.contains(&kind) {
                true => Ok(()),
                false => Err(format!("not after {last}")),
            };
        };
        let mut out = Vec::new();
        writer.finish(&mut out).map_err(|e| e.to_string())?;
        let all: Vec<Value> = sent[..n]
            .iter()
            .chain(out.iter().map(|event| &event.data))
            .map(|data| serde_json::from_slice(data).expect("json"))
            .collect();
        let count = |kind: &str| all.iter().filter(|event| event["type"] == kind).count();
        if count("response.output_item.added") > count("response.output_item.done") {
            return Err(format!("an item is open after event {n}"));
        }
        let numbers = all.iter().map(|event| event["sequence_number"].as_u64());
        if !numbers.clone().zip(numbers.skip(1)).all(|(a, b)| a <= b) {
            return Err(format!("the numbers go back after event {n}"));
        }
    }
    Ok(())
}

#[test]
fn streams_are_gone_on_with_after_every_event() {
    let mut tally = Tally::default();
    for cassette in recordings(true) {
        tally.check(&cassette.id, gone_on(&cassette));
    }
    tally.settle("Responses, streams gone on with", NO_STREAMS);
}
