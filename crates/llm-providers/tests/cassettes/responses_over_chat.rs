//! The Responses bridge: recorded requests to chat, recorded answers and streams told over chat.

use llm_providers::{
    CallOptions,
    bridges::{Bridge, responses::Responses},
};
use llm_types::{ChatChunk, JsonObject};
use serde_json::{Value, json};

use crate::{
    Cassette, Tally,
    openai_responses::{events, recordings},
};

/// Items and tools that only OpenAI's own API can do something with: such a request is refused by name.
const FOREIGN: [&str; 18] = [
    "item_reference",
    "additional_tools",
    "program",
    "mcp_approval_response",
    "computer_call_output",
    "apply_patch_call_output",
    "compaction",
    "tool_search",
    "mcp",
    "file_search",
    "namespace",
    "programmatic_tool_calling",
    "code_interpreter",
    "image_generation",
    "apply_patch",
    "computer_use_preview",
    "x_search",
    "shell",
];

/// Recordings that do not pass, each with the reason.
const NO_ANSWERS: &[(&str, &str)] = &[(
    "openai.responses.prism.36d6038c",
    "incomplete, and says not why: chat has no reason for that",
)];

/// The same of streams.
const NO_STREAMS: &[(&str, &str)] = &[(
    "xai.responses.stream.req-llm.10c366ec",
    "xAI's own tools look like the client's, which offered none",
)];

/// Keys that are refused by name.
const REFUSED: [&str; 3] = ["conversation", "prompt", "previous_response_id"];

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn is_foreign(body: &Value) -> bool {
    let kinds = list(&body["input"]).iter().chain(list(&body["tools"]));
    kinds
        .map(|it| text(&it["type"]))
        .any(|kind| FOREIGN.contains(&kind.as_str()))
        || REFUSED.iter().any(|key| !body[*key].is_null())
        || body["background"] == true
        || body["input"].is_null()
}

/// One thing that a conversation holds: who, and what.
type Fact = (&'static str, String);

/// The texts and the media of a content, in either dialect.
fn said(content: &Value) -> (String, usize) {
    match content {
        Value::String(text) => (text.clone(), 0),
        _ => list(content)
            .iter()
            .fold((String::new(), 0), |(all, media), part| {
                let more = text(&part["text"]) + &text(&part["refusal"]);
                let is_media = part.get("text").is_none() && part.get("refusal").is_none();
                (all + &more, media + usize::from(is_media))
            }),
    }
}

fn role(role: &str) -> &'static str {
    match role {
        "assistant" => "assistant",
        "system" => "system",
        "developer" => "developer",
        _ => "user",
    }
}

/// What is said, in order; and how many media there are.
fn asked(body: &Value) -> (Vec<Fact>, usize) {
    let (mut facts, mut media) = (Vec::new(), 0);
    if let Some(text) = body["instructions"].as_str().filter(|t| !t.is_empty()) {
        facts.push(("system", text.to_owned()));
    }
    if let Some(text) = body["input"].as_str() {
        facts.push(("user", text.to_owned()));
    }
    for item in list(&body["input"]) {
        match item["type"].as_str().unwrap_or("message") {
            "message" => {
                let (said, more) = said(&item["content"]);
                media += more;
                facts.push((role(&text(&item["role"])), said));
            }
            "function_call" => {
                let [id, name, given] = ["call_id", "name", "arguments"].map(|k| text(&item[k]));
                facts.push(("call", format!("{id} {name} {given}")));
            }
            "custom_tool_call" => {
                let [id, name] = ["call_id", "name"].map(|k| text(&item[k]));
                let given = json!({"input": item["input"]});
                facts.push(("call", format!("{id} {name} {given}")));
            }
            "function_call_output" | "custom_tool_call_output" => {
                let (said, more) = said(&item["output"]);
                media += more;
                let said = if said.is_empty() && more > 0 {
                    "MEDIA".into()
                } else {
                    said
                };
                facts.push(("output", format!("{} {said}", text(&item["call_id"]))));
            }
            "reasoning" => {
                let full: String = list(&item["content"])
                    .iter()
                    .map(|p| text(&p["text"]))
                    .collect();
                let short: Vec<_> = list(&item["summary"])
                    .iter()
                    .map(|p| text(&p["text"]))
                    .collect();
                let thought = if full.is_empty() {
                    short.join("\n\n")
                } else {
                    full
                };
                facts.push(("thought", thought));
            }
            _ => {}
        }
    }
    (settled(facts), media)
}

/// The same of the chat request.
fn chatted(body: &Value) -> (Vec<Fact>, usize) {
    let (mut facts, mut media) = (Vec::new(), 0);
    for message in list(&body["messages"]) {
        let (said, more) = said(&message["content"]);
        media += more;
        match message["role"].as_str().expect("a role") {
            "tool" => {
                let said = said.replace("The result follows in the user's message.", "MEDIA");
                facts.push((
                    "output",
                    format!("{} {said}", text(&message["tool_call_id"])),
                ));
            }
            "user" if said.is_empty() && more > 0 => {}
            who => {
                facts.push(("thought", text(&message["reasoning_content"])));
                facts.push((role(who), said + &text(&message["refusal"])));
                for call in list(&message["tool_calls"]) {
                    let function = &call["function"];
                    let [id, name, given] =
                        [&call["id"], &function["name"], &function["arguments"]].map(text);
                    facts.push(("call", format!("{id} {name} {given}")));
                }
            }
        }
    }
    (settled(facts), media)
}

/// What an assistant does between two others is one thing, whatever its order; and what is empty is nothing.
fn settled(facts: Vec<Fact>) -> Vec<Fact> {
    let mut all: Vec<Fact> = Vec::new();
    let mut own: Vec<Fact> = Vec::new();
    let rank = |fact: &Fact| {
        ["thought", "assistant", "call"]
            .iter()
            .position(|kind| *kind == fact.0)
    };
    for fact in facts {
        if fact.1.is_empty() {
            continue;
        }
        if rank(&fact).is_none() {
            own.sort_by_key(|fact| rank(fact));
            all.append(&mut own);
            all.push(fact);
        } else if let Some(same) = own.iter_mut().find(|o| o.0 == fact.0 && fact.0 != "call") {
            same.1 += &fact.1;
        } else {
            own.push(fact);
        }
    }
    own.sort_by_key(|fact| rank(fact));
    all.append(&mut own);
    all
}

fn request(body: &Value) -> Result<(), String> {
    let object = JsonObject::from_serialize(body).expect("an object");
    let chat = Responses.request(&object, &CallOptions::default());
    if is_foreign(body) {
        return match chat {
            Ok(_) => Err("not refused".into()),
            Err(e) if e.param.is_none() => Err(format!("refused without a name: {e}")),
            Err(_) => Ok(()),
        };
    }
    let chat = chat.map_err(|e| e.to_string())?;
    let chat: Value = serde_json::from_slice(&chat.to_bytes()).expect("json");
    let (theirs, ours) = (asked(body), chatted(&chat));
    if theirs != ours {
        return Err(format!("\n  theirs {theirs:?}\n  ours {ours:?}"));
    }
    let same = |what: &str, theirs: &Value, ours: &Value| match theirs == ours {
        true => Ok(()),
        false => Err(format!("{what}: {theirs} is not {ours}")),
    };
    same("limit", &body["max_output_tokens"], &chat["max_tokens"])?;
    same(
        "effort",
        &body["reasoning"]["effort"],
        &chat["reasoning_effort"],
    )?;
    for key in [
        "temperature",
        "top_p",
        "service_tier",
        "prompt_cache_key",
        "model",
    ] {
        same(key, &body[key], &chat[key])?;
    }
    let schema = &body["text"]["format"]["schema"];
    same(
        "schema",
        schema,
        &chat["response_format"]["json_schema"]["schema"],
    )?;
    tools(body, &chat)
}

fn tools(body: &Value, chat: &Value) -> Result<(), String> {
    let wanted = list(&body["tools"]).iter();
    let searches = wanted
        .clone()
        .any(|t| text(&t["type"]).starts_with("web_search"));
    if searches == chat["web_search_options"].is_null() {
        return Err("the search is lost".into());
    }
    let theirs: Vec<(String, Value)> = wanted
        .filter(|tool| tool["type"] == "function" || tool["type"] == "custom")
        .filter(|tool| {
            body["tool_choice"]["type"] != "allowed_tools"
                || list(&body["tool_choice"]["tools"])
                    .iter()
                    .any(|t| t["name"] == tool["name"])
        })
        .map(|tool| (text(&tool["name"]), tool["parameters"].clone()))
        .collect();
    let ours: Vec<(String, Value)> = list(&chat["tools"])
        .iter()
        .map(|tool| &tool["function"])
        .map(|function| (text(&function["name"]), function["parameters"].clone()))
        .collect();
    let named = |list: &[(String, Value)]| {
        list.iter()
            .map(|(name, _)| name.clone())
            .collect::<Vec<_>>()
    };
    if named(&theirs) != named(&ours) {
        return Err(format!(
            "tools {:?} are not {:?}",
            named(&theirs),
            named(&ours)
        ));
    }
    let differs = theirs
        .iter()
        .zip(&ours)
        .find(|(a, b)| !a.1.is_null() && a.1 != b.1);
    match differs {
        Some((tool, _)) => Err(format!("the tool {} changed", tool.0)),
        None => Ok(()),
    }
}

#[test]
fn requests_survive_the_way_to_chat() {
    let (mut tally, mut refused) = (Tally::default(), 0);
    for cassette in recordings(false).into_iter().chain(recordings(true)) {
        let Some(body) = cassette.request() else {
            continue;
        };
        refused += usize::from(is_foreign(body));
        tally.check(&cassette.id, request(body));
    }
    eprintln!("of which {refused} are refused by name");
    tally.settle("Responses, requests over chat", &[]);
}

/// What an answer says: thoughts, text and refusals, calls, annotations, its end, its counts.
#[derive(Debug, Default, PartialEq)]
struct Answered {
    thought: String,
    text: String,
    calls: Vec<(String, String, String)>,
    annotations: usize,
    status: String,
    missing: Value,
    usage: (u64, u64, u64),
}

fn answered(response: &Value) -> Answered {
    let usage = |at: &str| {
        response["usage"]
            .pointer(at)
            .and_then(Value::as_u64)
            .unwrap_or(0)
    };
    let mut all = Answered {
        status: text(&response["status"]),
        missing: response["incomplete_details"]["reason"].clone(),
        usage: (
            usage("/input_tokens"),
            usage("/output_tokens"),
            usage("/input_tokens_details/cached_tokens"),
        ),
        ..Answered::default()
    };
    for item in list(&response["output"]) {
        match item["type"].as_str().unwrap_or_default() {
            "reasoning" => {
                let parts = list(&item["summary"]).iter().chain(list(&item["content"]));
                all.thought.extend(parts.map(|part| text(&part["text"])));
            }
            "message" => {
                all.text += &said(&item["content"]).0;
                let parts = list(&item["content"]).iter();
                all.annotations += parts
                    .map(|part| list(&part["annotations"]).len())
                    .sum::<usize>();
            }
            "function_call" | "custom_tool_call" => {
                let given = text(&item["arguments"]) + &text(&item["input"]);
                all.calls
                    .push((text(&item["call_id"]), text(&item["name"]), given));
            }
            _ => {}
        }
    }
    all
}

fn finish(response: &Value) -> &'static str {
    match response["incomplete_details"]["reason"].as_str() {
        Some("max_output_tokens") => "length",
        Some("content_filter") => "content_filter",
        _ => "stop",
    }
}

fn chat_usage(response: &Value) -> Value {
    let usage = &response["usage"];
    json!({"prompt_tokens": usage["input_tokens"], "completion_tokens": usage["output_tokens"],
        "prompt_tokens_details": {"cached_tokens": usage["input_tokens_details"]["cached_tokens"]}})
}

fn annotation(given: &Value) -> Value {
    let kind = text(&given["type"]);
    let mut outer = json!({"type": kind});
    outer[&kind] = given.clone();
    outer
}

/// What chat says of a call.
fn chat_call(item: &Value, index: usize) -> Value {
    let given = match item["type"] == "custom_tool_call" {
        true => json!({"input": item["input"]}).to_string(),
        false => text(&item["arguments"]),
    };
    json!({"index": index, "id": item["call_id"], "type": "function",
        "function": {"name": item["name"], "arguments": given}})
}

fn is_call(item: &Value) -> bool {
    matches!(
        item["type"].as_str(),
        Some("function_call" | "custom_tool_call")
    )
}

fn object_of(cassette: &Cassette) -> JsonObject {
    JsonObject::from_serialize(cassette.request().unwrap_or(&json!({}))).expect("an object")
}

/// Vendors that have no name for what is complete, or are not done yet.
fn is_settled(response: &Value) -> bool {
    matches!(
        response["status"].as_str(),
        Some("completed" | "incomplete")
    )
}

#[test]
fn answers_survive_the_way_over_chat() {
    let mut tally = Tally::default();
    for cassette in recordings(false) {
        let theirs: Value = serde_json::from_slice(&cassette.body()).expect("json");
        if !cassette.status().is_success() || !is_settled(&theirs) {
            continue;
        }
        let said = answered(&theirs);
        let items = list(&theirs["output"]).iter();
        let calls: Vec<Value> = items
            .clone()
            .filter(|item| is_call(item))
            .enumerate()
            .map(|(i, item)| chat_call(item, i))
            .collect();
        let parts = items
            .filter(|item| item["type"] == "message")
            .flat_map(|item| list(&item["content"]));
        let refusal: String = parts.clone().map(|part| text(&part["refusal"])).collect();
        let content: String = parts.clone().map(|part| text(&part["text"])).collect();
        let annotations: Vec<Value> = parts
            .flat_map(|part| list(&part["annotations"]))
            .map(annotation)
            .collect();
        let chat = json!({"id": theirs["id"], "model": theirs["model"], "created": theirs["created_at"],
            "usage": chat_usage(&theirs), "choices": [{"index": 0, "finish_reason": finish(&theirs),
            "message": {"role": "assistant", "content": content, "refusal": refusal, "annotations": annotations,
                "reasoning_content": said.thought, "tool_calls": calls}}]});
        let chat = serde_json::from_value(chat).expect("a chat answer");
        let ours = Responses
            .response(&object_of(&cassette), chat)
            .expect("an answer");
        let ours: Value = serde_json::from_slice(&ours).expect("json");
        tally.check(
            &cassette.id,
            same(&answered(&ours), &said).and_then(|()| shape(&ours, &theirs)),
        );
    }
    tally.settle("Responses, answers over chat", NO_ANSWERS);
}

fn same(ours: &Answered, theirs: &Answered) -> Result<(), String> {
    match ours == theirs {
        true => Ok(()),
        false => Err(format!("\n  ours   {ours:?}\n  theirs {theirs:?}")),
    }
}

/// Keys that OpenAI's client requires have values of the same kind.
fn shape(ours: &Value, theirs: &Value) -> Result<(), String> {
    for key in [
        "id",
        "object",
        "created_at",
        "model",
        "parallel_tool_calls",
        "tools",
        "output",
    ] {
        if !theirs[key].is_null()
            && std::mem::discriminant(&ours[key]) != std::mem::discriminant(&theirs[key])
        {
            return Err(format!("{key} is {}", ours[key]));
        }
    }
    Ok(())
}

/// The chunks in which a chat vendor would have told the same stream.
fn chunks(events: &[Value]) -> Vec<ChatChunk> {
    let chunk = |delta: Value| json!({"id": "resp_1", "model": "m", "choices": [{"index": 0, "delta": delta}]});
    let mut chunks = Vec::new();
    let (mut calls, mut begun) = (Vec::<String>::new(), Vec::<String>::new());
    for event in events {
        let place = |id: &Value| calls.iter().position(|call| *call == text(id));
        match event["type"].as_str().unwrap_or_default() {
            "response.output_text.delta" => chunks.push(chunk(json!({"content": event["delta"]}))),
            "response.refusal.delta" => chunks.push(chunk(json!({"refusal": event["delta"]}))),
            "response.reasoning_summary_text.delta" | "response.reasoning_text.delta" => {
                chunks.push(chunk(json!({"reasoning_content": event["delta"]})));
            }
            "response.output_text.annotation.added" => {
                chunks.push(chunk(
                    json!({"annotations": [annotation(&event["annotation"])]}),
                ));
            }
            "response.output_item.added" if is_call(&event["item"]) => {
                let mut call = chat_call(&event["item"], calls.len());
                call["function"]["arguments"] = "".into();
                chunks.push(chunk(json!({"tool_calls": [call]})));
                calls.push(text(&event["item"]["id"]));
            }
            // Some hosts tell the arguments only when they are whole.
            "response.function_call_arguments.done"
                if !begun.contains(&text(&event["item_id"])) =>
            {
                let call = json!({"index": place(&event["item_id"]), "function": {"arguments": event["arguments"]}});
                chunks.push(chunk(json!({"tool_calls": [call]})));
            }
            "response.function_call_arguments.delta" => {
                begun.push(text(&event["item_id"]));
                let call = json!({"index": place(&event["item_id"]), "function": {"arguments": event["delta"]}});
                chunks.push(chunk(json!({"tool_calls": [call]})));
            }
            "response.custom_tool_call_input.done" => {
                let given = json!({"input": event["input"]}).to_string();
                let call =
                    json!({"index": place(&event["item_id"]), "function": {"arguments": given}});
                chunks.push(chunk(json!({"tool_calls": [call]})));
            }
            "response.completed" | "response.incomplete" => {
                let response = &event["response"];
                let mut last = chunk(json!({}));
                last["choices"][0]["finish_reason"] = finish(response).into();
                last["usage"] = chat_usage(response);
                chunks.push(last);
            }
            _ => {}
        }
    }
    chunks
        .into_iter()
        .map(|chunk| serde_json::from_value(chunk).expect("a chunk"))
        .collect()
}

#[test]
fn streams_survive_the_way_over_chat() {
    let mut tally = Tally::default();
    for cassette in recordings(true) {
        let theirs = events(&cassette.body());
        let Some(last) = theirs.last().filter(|last| is_settled(&last["response"])) else {
            continue;
        };
        let (mut stream, mut ours) = (Responses.stream(&object_of(&cassette)), Vec::new());
        for chunk in chunks(&theirs) {
            stream.push(chunk, &mut ours).expect("events");
        }
        stream.finish(&mut ours).expect("an end");
        let end: Value =
            serde_json::from_slice(&ours.last().expect("an event").data).expect("json");
        // Some hosts leave the output out of the last event: what was told counts.
        let mut whole = last["response"].clone();
        let done = theirs
            .iter()
            .filter(|event| event["type"] == "response.output_item.done");
        whole["output"] = done.map(|event| event["item"].clone()).collect();
        tally.check(
            &cassette.id,
            same(&answered(&end["response"]), &answered(&whole)),
        );
    }
    tally.settle("Responses, streams over chat", NO_STREAMS);
}
