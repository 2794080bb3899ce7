//! The Messages bridge: recorded requests to chat and back, recorded answers to chat and back.

use bytes::Bytes;
use llm_providers::{
    Answer, Body, Call, CallOptions, Kind,
    bridges::{Bridge, messages::Messages},
};
use llm_types::Op;
use serde_json::{Value, json};

use super::{
    answer, asking, is_message, object,
    oracle::{Said, oracle, oracle_stream, same, text, without_nulls},
    recordings, target,
};
use crate::{Tally, decode_stream};

/// What chat says of hosted blocks is in fields that a Messages client does not see, and citations keep only their
/// addresses.
fn bridgeable(mut said: Said) -> Said {
    said.id = String::new();
    said.hosted.clear();
    said.citations.clear();
    said
}

#[test]
fn answers_survive_the_way_over_chat() {
    let mut tally = Tally::default();
    for cassette in recordings(false) {
        if !cassette.status().is_success() || !is_message(&cassette) {
            continue;
        }
        let target = target(&cassette);
        let options = CallOptions::default();
        let asked = asking(Op::Chat, false);
        let call = Call::prepare(Op::Chat, &target, Body::from(asked), &options).expect("a call");
        let chat = answer(&call, cassette.reply())
            .and_then(Answer::into_chat)
            .expect("a chat answer");
        let bytes = Messages
            .response(&asking(Op::Messages, false), chat)
            .expect("an answer");
        let ours: Value = serde_json::from_slice(&bytes).expect("json");
        let theirs: Value = serde_json::from_slice(&cassette.body()).expect("json");
        let mut result = same(&bridgeable(oracle(&ours)), &bridgeable(oracle(&theirs)));
        if ours["stop_reason"] != theirs["stop_reason"]
            || ours["stop_sequence"] != theirs["stop_sequence"]
        {
            result = Err(format!(
                "{} is not {}",
                ours["stop_reason"], theirs["stop_reason"]
            ));
        }
        tally.check(&cassette.id, result);
    }
    tally.settle("Claude's answers over chat", &[]);
}

#[test]
fn streams_survive_the_way_over_chat() {
    let mut tally = Tally::default();
    for cassette in recordings(true) {
        let target = target(&cassette);
        let options = CallOptions::default();
        let asked = asking(Op::Chat, true);
        let call = Call::prepare(Op::Chat, &target, Body::from(asked), &options).expect("a call");
        let body = cassette.body();
        let Some(theirs) = oracle_stream(&body) else {
            continue;
        };
        let mut bridge = Messages.stream(&asking(Op::Messages, true));
        let mut events = Vec::new();
        for chunk in decode_stream(&call, &body, usize::MAX).chunks {
            bridge
                .push(chunk.into_chat().expect("a chat chunk"), &mut events)
                .expect("events");
        }
        bridge.finish(&mut events).expect("an end");
        let sse: String = events
            .iter()
            .map(|event| format!("data: {}\n\n", String::from_utf8_lossy(&event.data)))
            .collect();
        let ours = oracle_stream(&Bytes::from(sse)).expect("an end");
        tally.check(&cassette.id, same(&bridgeable(ours), &bridgeable(theirs)));
    }
    tally.settle("Claude's streams over chat", &[]);
}

/// What a request asks, without what two right clients may write differently.
fn meaning(body: &Value) -> Value {
    let mut turns: Vec<(String, Vec<Value>)> = Vec::new();
    for turn in body["messages"].as_array().into_iter().flatten() {
        let role = text(&turn["role"]);
        let mut blocks = blocks(&turn["content"]);
        if role == "user" {
            results_first(&mut blocks);
        }
        match turns.last_mut() {
            Some((last, so_far)) if *last == role => so_far.extend(blocks),
            _ => turns.push((role, blocks)),
        }
    }
    let tools: Vec<Value> = body["tools"]
        .as_array()
        .into_iter()
        .flatten()
        // Ours, for calls in the history without tools.
        .filter(|tool| tool["name"] != "dummy_tool")
        .map(|tool| {
            let mut tool = without_nulls(tool);
            if tool.get("type").is_none() {
                tool["type"] = "custom".into();
            }
            if tool["type"] == "web_search_20250305" {
                tool.as_object_mut().expect("a tool").remove("max_uses");
            }
            tool
        })
        .collect();
    let mut choice = without_nulls(&body["tool_choice"]);
    // What is the case anyway.
    if choice == json!({"type": "auto"}) {
        choice = Value::Null;
    }
    if choice.is_object() && choice["disable_parallel_tool_use"] == false {
        choice
            .as_object_mut()
            .expect("a choice")
            .remove("disable_parallel_tool_use");
    }
    json!({
        "model": body["model"], "max_tokens": body["max_tokens"], "system": blocks(&body["system"]),
        "turns": turns, "tools": tools, "choice": choice, "stop": body["stop_sequences"],
        "temperature": body["temperature"].as_f64(), "top_p": body["top_p"].as_f64(), "top_k": body["top_k"].as_f64(),
        "level": level(body), "format": has_format(body), "user": user(body),
        "stream": body["stream"] == true, "tier": body["service_tier"],
    })
}

fn blocks(content: &Value) -> Vec<Value> {
    if let Some(one) = content.as_str() {
        return if one.trim().is_empty() {
            Vec::new()
        } else {
            vec![json!({"type": "text", "text": one})]
        };
    }
    let mut blocks = Vec::new();
    for block in content.as_array().into_iter().flatten() {
        let mut block = without_nulls(block);
        match text(&block["type"]).as_str() {
            "text" if text(&block["text"]).trim().is_empty() => continue,
            "text" => {
                block.as_object_mut().expect("a block").remove("citations");
            }
            "tool_use" => {
                block.as_object_mut().expect("a block").remove("caller");
            }
            "document" => block = document(block),
            "tool_result" => {
                result(&mut blocks, block);
                continue;
            }
            _ => {}
        }
        blocks.push(block);
    }
    blocks
}

/// Text documents travel as text; that a document may be cited is said in a notice.
fn document(mut block: Value) -> Value {
    let cache = block["cache_control"].clone();
    if block["source"]["type"] == "text" {
        let lines: Vec<_> = [&block["title"], &block["context"], &block["source"]["data"]]
            .into_iter()
            .filter_map(Value::as_str)
            .collect();
        let mut told = json!({"type": "text", "text": lines.join("\n\n")});
        if !cache.is_null() {
            told["cache_control"] = cache;
        }
        return told;
    }
    block
        .as_object_mut()
        .expect("a document")
        .remove("citations");
    block
}

/// A result's text in one piece; what is not text follows after it; a failure is said in words.
fn result(blocks: &mut Vec<Value>, mut block: Value) {
    let mut media = Vec::new();
    let mut said = String::new();
    for inner in self::blocks(&block["content"]) {
        match inner["type"].as_str() {
            Some("text") => said += &text(&inner["text"]),
            Some("tool_reference") => said += &format!("Tool found: {}", text(&inner["tool_name"])),
            Some("search_result") => {
                let inside: Vec<_> = self::blocks(&inner["content"])
                    .iter()
                    .map(|b| text(&b["text"]))
                    .collect();
                said += &[
                    text(&inner["title"]),
                    text(&inner["source"]),
                    inside.join("\n"),
                ]
                .join("\n");
            }
            _ => media.push(inner),
        }
    }
    if said.is_empty() && !media.is_empty() {
        said = "The result follows in the user's message.".into();
    }
    let map = block.as_object_mut().expect("a result");
    if map.remove("is_error") == Some(true.into()) && !said.to_lowercase().contains("error") {
        said.insert_str(0, "Error: ");
    }
    map.insert("content".into(), said.into());
    blocks.push(block);
    blocks.extend(media);
}

fn results_first(blocks: &mut Vec<Value>) {
    let (mut first, rest): (Vec<_>, Vec<_>) = blocks
        .drain(..)
        .partition(|block| block["type"] == "tool_result");
    first.extend(rest);
    *blocks = first;
}

/// How much thinking is asked for: budgets and efforts on one scale.
fn level(body: &Value) -> Value {
    if let Some(effort) = body["output_config"]["effort"].as_str() {
        return match effort {
            "xhigh" | "high" => "high",
            other => other,
        }
        .into();
    }
    match body["thinking"]["type"].as_str() {
        Some("adaptive") => "medium".into(),
        Some("enabled") => match body["thinking"]["budget_tokens"].as_u64() {
            Some(4096..) => "high".into(),
            Some(2048..) => "medium".into(),
            _ => "low".into(),
        },
        _ => Value::Null,
    }
}

/// Users that other vendors would refuse are hashed.
fn user(body: &Value) -> Value {
    match body["metadata"]["user_id"].as_str() {
        Some(user) if user.len() >= 64 => "a long one".into(),
        user => user.into(),
    }
}

fn has_format(body: &Value) -> Value {
    let format = [&body["output_format"], &body["output_config"]["format"]];
    let native = format.iter().any(|format| !format.is_null());
    native.into()
}

/// What the bridge must refuse by name, as no other vendor has it.
fn is_anthropics_own(request: &Value) -> bool {
    let hosted = |tool: &Value| {
        let kind = text(&tool["type"]);
        !kind.is_empty() && kind != "custom" && !kind.starts_with("web_search_")
    };
    let tools = request["tools"].as_array();
    tools.is_some_and(|tools| tools.iter().any(hosted))
        || !request["mcp_servers"].is_null()
        || !request["container"].is_null()
}

#[test]
fn requests_survive_the_way_over_chat() {
    let mut tally = Tally::default();
    for cassette in recordings(false).into_iter().chain(recordings(true)) {
        let Some(request) = cassette.request().filter(|request| request.is_object()) else {
            continue;
        };
        if !cassette.status().is_success() {
            continue;
        }
        let target = target(&cassette);
        let chat = Messages.request(&object(request), &CallOptions::default());
        if is_anthropics_own(request) {
            let refused = chat.is_err_and(|e| e.kind == Kind::BadRequest && e.param.is_some());
            tally.check(
                &cassette.id,
                if refused {
                    Ok(())
                } else {
                    Err("it was not refused".into())
                },
            );
            continue;
        }
        let mut expected = request.clone();
        expected["model"] = target.model.clone().into();
        let options = CallOptions::default();
        let result = chat
            .and_then(|chat| Call::prepare(Op::Chat, &target, Body::from(chat), &options)?.encode())
            .map_err(|e| e.to_string())
            .and_then(|sent| {
                let sent: Value =
                    serde_json::from_slice(sent.body().bytes().expect("in memory")).expect("json");
                let (ours, theirs) = (meaning(&sent), meaning(&expected));
                let differ = |key: &&String| ours[key.as_str()] != theirs[key.as_str()];
                match ours.as_object().expect("an object").keys().find(differ) {
                    None => Ok(()),
                    Some(key) => Err(format!(
                        "{key}\n  ours   {}\n  theirs {}",
                        ours[key], theirs[key]
                    )),
                }
            });
        tally.check(&cassette.id, result);
    }
    let known = [(
        "anthropic.chat.stream.mirascope.a9df9afb",
        "chat's web search has no place for a cache marker",
    )];
    tally.settle("Messages requests over chat", &known);
}
