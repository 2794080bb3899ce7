//! Recorded generateContent requests, read as chat by a small reader and encoded again: what goes out must mean what was
//! recorded. And what Gemini answered must go back to it unchanged, signatures and all.

use std::collections::{BTreeMap, VecDeque};

use llm_providers::{Body, Call, CallOptions, Step};
use llm_types::{JsonObject, Op};
use serde_json::{Map, Value, json};

use crate::{Cassette, Tally, gemini::target};

/// Keys whose values are the user's own.
const OPAQUE: &[&str] = &[
    "args",
    "response",
    "parameters",
    "parametersJsonSchema",
    "responseSchema",
    "responseJsonSchema",
    "labels",
];

fn camel(key: &str) -> String {
    let mut upper = false;
    let mut out = String::new();
    for c in key.chars() {
        match c {
            '_' => upper = true,
            c if upper => {
                out.extend(c.to_uppercase());
                upper = false;
            }
            c => out.push(c),
        }
    }
    out
}

/// One spelling for keys, no nulls, no falsehoods, whole numbers whole.
fn canonical(value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let pairs = map
                .iter()
                .filter(|(_, v)| !v.is_null() && **v != json!(false));
            let pairs = pairs.map(|(key, v)| {
                let key = camel(key);
                let v = match OPAQUE.contains(&key.as_str()) {
                    true => v.clone(),
                    false => canonical(v),
                };
                (key, v)
            });
            Value::Object(pairs.collect())
        }
        Value::Array(list) => list.iter().map(canonical).collect(),
        Value::Number(n) => match n.as_f64() {
            Some(f) if f.fract() == 0.0 => json!(f as i64),
            _ => value.clone(),
        },
        other => other.clone(),
    }
}

fn list(value: &Value) -> Vec<Value> {
    match value {
        Value::Array(list) => list.clone(),
        Value::Null => Vec::new(),
        one => vec![one.clone()],
    }
}

/// Reads one request.
#[derive(Default)]
struct Reader {
    messages: Vec<Value>,
    ids: usize,
    open: BTreeMap<String, VecDeque<String>>,
}

impl Reader {
    fn content(&mut self, content: &Value) {
        let model = content["role"] == "model";
        let (mut parts, mut calls, mut fields, mut thinking, mut images) =
            (Vec::new(), Vec::new(), Map::new(), Vec::new(), Vec::new());
        for part in list(&content["parts"]) {
            let signature = &part["thoughtSignature"];
            let signed = |key: &str| match signature {
                Value::String(text) => json!({ key: text }),
                _ => json!({}),
            };
            if let Some(call) = part.get("functionCall") {
                let id = call["id"]
                    .as_str()
                    .map_or_else(|| self.fresh(), str::to_owned);
                let name = call["name"].as_str().expect("a name").to_owned();
                self.open
                    .entry(name.clone())
                    .or_default()
                    .push_back(id.clone());
                let args = call.get("args").cloned().unwrap_or(json!({}));
                calls.push(json!({"id": id, "type": "function", "function": {"name": name, "arguments": args.to_string()},
                    "provider_specific_fields": signed("thought_signature")}));
            } else if let Some(result) = part.get("functionResponse") {
                let name = result["name"].as_str().expect("a name");
                let open = self.open.get_mut(name).and_then(VecDeque::pop_front);
                let id = result["id"].as_str().map(str::to_owned).or(open);
                let mut content =
                    vec![json!({"type": "text", "text": result["response"].to_string()})];
                content.extend(list(&result["parts"]).iter().map(medium));
                self.messages.push(
                    json!({"role": "tool", "tool_call_id": id, "name": name, "content": content}),
                );
            } else if part["thought"] == true {
                thinking.push(
                    json!({"type": "thinking", "thinking": part["text"], "signature": signature}),
                );
            } else if part.get("text").is_some() {
                parts.push(json!({"type": "text", "text": part["text"]}));
                if signature.is_string() {
                    fields.insert("thought_signatures".into(), json!([signature]));
                }
            } else if model && part.get("inlineData").is_some() {
                let blob = &part["inlineData"];
                let url = format!(
                    "data:{};base64,{}",
                    text(&blob["mimeType"]),
                    text(&blob["data"])
                );
                images.push(json!({"image_url": {"url": url}, "provider_specific_fields": signed("thought_signature")}));
            } else if part.get("inlineData").is_some() || part.get("fileData").is_some() {
                parts.push(medium(&part));
            } else {
                let native = fields.entry("gemini_parts").or_insert(json!([]));
                native.as_array_mut().expect("a list").push(part.clone());
            }
        }
        if model {
            self.messages.push(json!({"role": "assistant", "content": parts, "tool_calls": calls, "thinking_blocks": thinking,
                "images": images, "provider_specific_fields": fields}));
        } else if !parts.is_empty() {
            self.messages
                .push(json!({"role": "user", "content": parts}));
        }
    }

    fn fresh(&mut self) -> String {
        self.ids += 1;
        format!("fresh_{}", self.ids)
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn medium(part: &Value) -> Value {
    let mut file = match part.get("inlineData") {
        Some(blob) => {
            let data = format!(
                "data:{};base64,{}",
                text(&blob["mimeType"]),
                text(&blob["data"])
            );
            json!({ "file_data": data })
        }
        None => {
            json!({"file_id": part["fileData"]["fileUri"], "format": part["fileData"]["mimeType"]})
        }
    };
    if let Some(video) = part.get("videoMetadata") {
        file["video_metadata"] = video.clone();
    }
    json!({"type": "file", "file": file})
}

/// The chat request that asks the same.
fn chat(request: &Value) -> Value {
    let mut reader = Reader::default();
    let system = list(&request["systemInstruction"]["parts"]);
    let system: Vec<Value> = system
        .iter()
        .map(|part| json!({"type": "text", "text": part["text"]}))
        .collect();
    if !system.is_empty() {
        reader
            .messages
            .push(json!({"role": "system", "content": system}));
    }
    for content in list(&request["contents"]) {
        reader.content(&content);
    }
    let mut chat = json!({ "messages": reader.messages });
    let mut config = request["generationConfig"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    for (theirs, ours) in [
        ("temperature", "temperature"),
        ("topP", "top_p"),
        ("topK", "top_k"),
        ("maxOutputTokens", "max_tokens"),
        ("candidateCount", "n"),
        ("stopSequences", "stop"),
        ("seed", "seed"),
        ("presencePenalty", "presence_penalty"),
        ("frequencyPenalty", "frequency_penalty"),
        ("logprobs", "top_logprobs"),
        ("responseLogprobs", "logprobs"),
    ] {
        if let Some(value) = config.remove(theirs) {
            chat[ours] = value;
        }
    }
    if config.get("responseMimeType") == Some(&json!("application/json")) {
        config.remove("responseMimeType");
        chat["response_format"] = match config.remove("responseJsonSchema") {
            Some(schema) => {
                json!({"type": "json_schema", "json_schema": {"name": "x", "schema": schema}})
            }
            None => json!({"type": "json_object"}),
        };
    }
    for (key, value) in config {
        chat[key] = value;
    }
    tools(request, &mut chat);
    for key in [
        "safetySettings",
        "labels",
        "cachedContent",
        "modelArmorConfig",
    ] {
        if let Some(value) = request.get(key) {
            chat[key] = value.clone();
        }
    }
    chat
}

fn tools(request: &Value, chat: &mut Value) {
    let mut tools = Vec::new();
    for tool in list(&request["tools"]) {
        for function in list(&tool["functionDeclarations"]) {
            tools.push(json!({"type": "function", "function": function}));
        }
        let hosted = tool.as_object().expect("a tool").iter();
        tools.extend(
            hosted
                .filter(|(key, _)| *key != "functionDeclarations")
                .map(|(key, value)| json!({key: value})),
        );
    }
    if !tools.is_empty() {
        chat["tools"] = tools.into();
    }
    let config = &request["toolConfig"]["functionCallingConfig"];
    let mode = text(&config["mode"]).to_lowercase();
    match (mode.as_str(), config["allowedFunctionNames"].as_array()) {
        ("", _) => {}
        ("any", Some(names)) if names.len() == 1 => {
            chat["tool_choice"] = json!({"type": "function", "function": {"name": names[0]}});
        }
        (mode, Some(names)) => {
            let mode = if mode == "any" { "required" } else { "auto" };
            let tools: Vec<Value> = names
                .iter()
                .map(|name| json!({"type": "function", "function": {"name": name}}))
                .collect();
            chat["tool_choice"] =
                json!({"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}});
        }
        ("any", None) => chat["tool_choice"] = "required".into(),
        (mode, None) => chat["tool_choice"] = mode.into(),
    }
}

/// What a request means, in a form in which two spellings of it are equal.
fn meaning(request: &Value, model: &str) -> Value {
    let request = canonical(request);
    let mut parts = Vec::new();
    for content in list(&request["contents"]) {
        let role = if content["role"] == "model" {
            "model"
        } else {
            "user"
        };
        let mut said: Vec<Value> = list(&content["parts"])
            .into_iter()
            .filter_map(|part| meant(role, part))
            .collect();
        // Native parts and images of an answer have no place among its texts.
        said.sort_by_key(|part| part["order"].as_u64());
        parts.extend(said);
    }
    let mut config = request["generationConfig"]
        .as_object()
        .cloned()
        .unwrap_or_default();
    if model.starts_with("gemini-3") {
        config.entry("temperature").or_insert(json!(1));
    }
    if let Some(schema) = config.get_mut("responseSchema") {
        *schema = shape(schema);
    }
    let mut functions = Vec::new();
    let mut hosted = Vec::new();
    for tool in list(&request["tools"]) {
        for function in list(&tool["functionDeclarations"]) {
            let schema = ["parameters", "parametersJsonSchema"]
                .iter()
                .find_map(|key| function.get(key));
            let schema = schema
                .map(shape)
                .filter(|schema| schema["properties"] != json!({}));
            let description = text(&function["description"]);
            functions.push(
                json!({"name": function["name"], "description": description, "schema": schema}),
            );
        }
        let others = tool.as_object().expect("a tool").iter();
        hosted.extend(
            others
                .filter(|(key, _)| *key != "functionDeclarations")
                .map(|(key, value)| json!({key: value})),
        );
    }
    let calling = &request["toolConfig"]["functionCallingConfig"];
    let system = list(&request["systemInstruction"]["parts"]);
    let system: Vec<Value> = system
        .into_iter()
        .map(|part| part["text"].clone())
        .filter(|text| text != "")
        .collect();
    json!({
        "parts": parts, "config": config, "functions": functions, "hosted": hosted, "system": system,
        "mode": text(&calling["mode"]).to_uppercase(), "names": calling["allowedFunctionNames"],
        "safety": request["safetySettings"], "labels": request["labels"], "cached": request["cachedContent"],
        "armor": request["modelArmorConfig"],
    })
}

fn meant(role: &str, mut part: Value) -> Option<Value> {
    for key in ["functionCall", "functionResponse"] {
        if let Some(call) = part.get_mut(key).and_then(Value::as_object_mut) {
            call.remove("id");
            call.entry("args").or_insert(json!({}));
        }
    }
    let signed = part.get("thoughtSignature").is_some();
    if matches!(part["text"].as_str(), Some("" | " ")) && !signed {
        return None;
    }
    // The stand-in for a signature that was never made is ours.
    if part["thoughtSignature"] == "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I=" {
        part.as_object_mut()?.remove("thoughtSignature");
    }
    let order = match role {
        // Chat has no way to say something before a tool's result.
        "user" if part.get("functionResponse").is_some() => 0,
        "user" => 1,
        _ if part["thought"] == true => 0,
        _ if part.get("text").is_some() => 2,
        _ if part.get("inlineData").is_some() => 3,
        _ if part.get("functionCall").is_some() => 4,
        _ => 1,
    };
    Some(json!({"role": role, "part": part, "order": order}))
}

/// The names, types and choices of a schema, without what only one of its two dialects has.
fn shape(schema: &Value) -> Value {
    let properties = schema["properties"].as_object();
    let properties: BTreeMap<_, _> = properties
        .into_iter()
        .flatten()
        .map(|(name, one)| (name.clone(), shape(one)))
        .collect();
    let items = schema.get("items").map(shape);
    let kind = match &schema["type"] {
        Value::String(kind) => json!(kind.to_lowercase()),
        Value::Array(kinds) => json!(kinds.iter().find(|kind| **kind != "null")),
        other => other.clone(),
    };
    json!({"type": kind, "properties": properties, "items": items, "required": schema["required"], "enum": schema["enum"]})
}

fn encoded(cassette: &Cassette, model: &str, chat: &Value) -> Result<Value, String> {
    let target = target(&cassette.provider, model);
    let options = CallOptions::default();
    let body = Body::from(JsonObject::from_serialize(chat).expect("a body"));
    let call = Call::prepare(Op::Chat, &target, body, &options).map_err(|e| e.to_string())?;
    let request = call.encode().map_err(|e| e.to_string())?;
    Ok(serde_json::from_slice(request.body().bytes().expect("in memory")).expect("json"))
}

fn difference(path: &str, got: &Value, expected: &Value) -> Option<String> {
    if got == expected {
        return None;
    }
    match (got, expected) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: std::collections::BTreeSet<_> = a.keys().chain(b.keys()).collect();
            keys.iter().find_map(|key| {
                difference(
                    &format!("{path}.{key}"),
                    a.get(*key).unwrap_or(&Value::Null),
                    b.get(*key).unwrap_or(&Value::Null),
                )
            })
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            let pairs = a.iter().zip(b).enumerate();
            pairs
                .map(|(i, (a, b))| difference(&format!("{path}[{i}]"), a, b))
                .find_map(|found| found)
        }
        _ => Some(format!("{path}: {got:.300} for {expected:.300}")),
    }
}

fn recordings() -> Vec<(Cassette, String)> {
    let all = Cassette::all(|line| {
        line["wire"] == "gemini_generate_content"
            && line["endpoint"] == "chat"
            && line["status"] == 200
    });
    all.into_iter()
        .map(|cassette| {
            let model = cassette.model.clone().unwrap_or_default();
            let model = model.trim_start_matches("models/").to_owned();
            (cassette, model)
        })
        .collect()
}

#[test]
fn requests_come_out_with_the_same_meaning() {
    let mut tally = Tally::default();
    for (cassette, model) in recordings() {
        let Some(request) = cassette.request().filter(|request| request.is_object()) else {
            continue;
        };
        let chat = chat(&canonical(request));
        let result = encoded(&cassette, &model, &chat).and_then(|got| {
            let difference = difference("", &meaning(&got, &model), &meaning(request, &model));
            difference.map_or(Ok(()), Err)
        });
        tally.check(&cassette.id, result);
    }
    let known = [(
        "gemini.chat.pydantic-ai.153ac3f2",
        "the recorded client put a film's excerpt into a part of its own; chat has it at the film",
    )];
    tally.settle("generateContent requests", &known);
}

/// An agent sends an answer back as it got it: every part and every signature must reach Gemini again.
#[test]
fn answers_go_back_unchanged() {
    let mut tally = Tally::default();
    for (cassette, model) in recordings() {
        if cassette.is_stream() {
            continue;
        }
        let target = target(&cassette.provider, &model);
        let options = CallOptions::default();
        let body = json!({"messages": []});
        let body = Body::from(JsonObject::from_serialize(&body).expect("a body"));
        let call = Call::prepare(Op::Chat, &target, body, &options).expect("a call");
        let Ok(Step::Done(answer)) = call.decode(cassette.reply()) else {
            panic!("{}", cassette.id)
        };
        let answer: Value =
            serde_json::from_slice(&answer.into_bytes().expect("bytes")).expect("json");
        let recorded: Value = serde_json::from_slice(&cassette.body()).expect("json");
        let mut message = answer["choices"][0]["message"].clone();
        if message.get("audio").is_some() {
            // OpenAI's clients send an id in place of speech.
            continue;
        }
        let model_turn = |message: &Value| {
            let chat = json!({"messages": [{"role": "user", "content": "x"}, message]});
            let got = encoded(&cassette, &model, &chat)?;
            Ok::<_, String>(
                got["contents"]
                    .get(1)
                    .cloned()
                    .unwrap_or(json!({"role": "model"})),
            )
        };
        let expected = json!({"contents": [recorded["candidates"][0]["content"]]});
        let expected = merged(meaning(&expected, "")["parts"].clone());
        let same = |turn: Value| {
            let got = merged(meaning(&json!({"contents": [turn]}), "")["parts"].clone());
            difference("", &got, &expected).map_or(Ok(()), Err)
        };
        tally.check(&cassette.id, model_turn(&message).and_then(same));
        // A client that drops every field it does not know still returns the ids, and with them the calls' signatures.
        for call in message["tool_calls"].as_array_mut().into_iter().flatten() {
            call.as_object_mut()
                .expect("a call")
                .remove("provider_specific_fields");
        }
        tally.check(
            &format!("{} (strict client)", cassette.id),
            model_turn(&message).and_then(same),
        );
    }
    tally.settle("answers that go back", &[]);
}

/// Texts that followed each other are one text, with the last one's signature.
fn merged(parts: Value) -> Value {
    let mut all: Vec<Value> = Vec::new();
    for mut one in list(&parts) {
        let kind = |part: &Value| {
            (
                part["part"]["text"].is_string(),
                part["part"]["thought"].clone(),
            )
        };
        match all.last_mut() {
            Some(last) if kind(last).0 && kind(last) == kind(&one) => {
                let text = format!(
                    "{}{}",
                    text(&last["part"]["text"]),
                    text(&one["part"]["text"])
                );
                last["part"]["text"] = text.into();
                if let Some(signature) = one["part"]
                    .as_object_mut()
                    .and_then(|part| part.remove("thoughtSignature"))
                {
                    last["part"]["thoughtSignature"] = signature;
                }
            }
            _ => all.push(one),
        }
    }
    all.into()
}
