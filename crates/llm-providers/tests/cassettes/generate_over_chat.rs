//! generateContent where a client speaks it: recorded traffic passed through, and told over chat.

use bytes::Bytes;
use llm_providers::{
    Answer, Body, Call, CallOptions, Chunk, Payload, Step,
    bridges::{Bridge, generate::Generate},
};
use llm_types::{JsonObject, Op};
use serde_json::{Value, json};

use crate::{
    Cassette, Tally, decode_stream,
    fold::same_json,
    gemini::{events, target},
    however_cut,
};

fn recordings() -> Vec<Cassette> {
    Cassette::all(|line| line["wire"] == "gemini_generate_content")
}

fn model(cassette: &Cassette) -> String {
    let model = cassette.model.clone().unwrap_or("gemini-x".into());
    model.rsplit('/').next().unwrap_or_default().to_owned()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn asked(cassette: &Cassette) -> JsonObject {
    let body = cassette.request().cloned();
    let body = body.unwrap_or_else(|| json!({"contents": [{"parts": [{"text": "x"}]}]}));
    let mut body = JsonObject::from_serialize(&body).expect("an object");
    if cassette.is_stream() {
        body.set("stream", &true);
    }
    body
}

/// Goes out as it came, comes back as it was.
fn passed(cassette: &Cassette) -> Result<(), String> {
    let target = target(&cassette.provider, &model(cassette));
    let options = CallOptions::default();
    let call = Call::prepare(
        Op::GenerateContent,
        &target,
        Body::from(asked(cassette)),
        &options,
    )
    .map_err(|e| e.to_string())?;
    if let Some(recorded) = cassette.request() {
        let sent = call.encode().map_err(|e| e.to_string())?;
        let sent: Value =
            serde_json::from_slice(sent.body().bytes().expect("in memory")).expect("json");
        let mut recorded = recorded.clone();
        recorded.as_object_mut().expect("an object").remove("model");
        same_json(&sent, &recorded)?;
    }
    let body = cassette.body();
    if !cassette.status().is_success() {
        return match call.decode(cassette.reply()) {
            Err(e) if !e.message.is_empty() => Ok(()),
            _ => Err("an answer was made of a refusal".into()),
        };
    }
    if !cassette.is_stream() {
        let Ok(Step::Done(answer)) = call.decode(cassette.reply()) else {
            return Err("not decoded".into());
        };
        return match answer.payload {
            Payload::Raw { body: passed, .. } if passed == body => Ok(()),
            _ => Err("changed".into()),
        };
    }
    let stream = decode_stream(&call, &body, usize::MAX);
    if let Some(error) = &stream.error {
        return Err(error.clone());
    }
    let ours: Vec<Value> = stream.chunks.iter().map(json_of).collect();
    let theirs = events(&body);
    if ours != theirs {
        return Err(format!("{} events are not {}", ours.len(), theirs.len()));
    }
    however_cut(&call, &body, &stream)
}

fn json_of(chunk: &Chunk) -> Value {
    let data = chunk.clone().into_data().expect("data");
    serde_json::from_slice(&data).expect("json")
}

/// Recordings that do not pass, each with the reason.
const NOT_PASSED: &[(&str, &str)] = &[];

#[test]
fn traffic_is_passed_through() {
    let mut tally = Tally::proving(Op::GenerateContent);
    for cassette in recordings() {
        tally.check(&cassette.id, passed(&cassette));
    }
    tally.settle("generateContent passed through", NOT_PASSED);
}

/// What an answer says: texts, thoughts, calls, pictures, its end, its counts.
#[derive(Debug, Default, PartialEq)]
struct Said {
    text: String,
    thoughts: String,
    calls: Vec<(String, Value)>,
    media: usize,
    finish: String,
    counts: [u64; 4],
    /// What tools brought into the prompt, which counts as prompt except where Google searched.
    tools: u64,
}

impl Said {
    fn says_the_same(&self, theirs: &Self) -> bool {
        // Chat has fewer reasons than Google, and always one.
        let finish = matches!(theirs.finish.as_str(), "STOP" | "MAX_TOKENS");
        let prompt = [theirs.counts[0], theirs.counts[0] + theirs.tools].contains(&self.counts[0]);
        (&self.text, &self.thoughts, &self.calls, self.media)
            == (&theirs.text, &theirs.thoughts, &theirs.calls, theirs.media)
            && (!finish || self.finish == theirs.finish)
            && prompt
            && self.counts[1..] == theirs.counts[1..]
    }
}

fn said(events: &[Value]) -> Said {
    let mut all = Said::default();
    for event in events {
        let candidate = &event["candidates"][0];
        for part in list(&candidate["content"]["parts"]) {
            let text = text(&part["text"]);
            if let Some(call) = part.get("functionCall") {
                let args = call.get("args").cloned().unwrap_or_else(|| json!({}));
                all.calls.push((self::text(&call["name"]), args));
            } else if part["thought"] == true {
                all.thoughts += &text;
            } else {
                all.text += &text;
                all.media += usize::from(part.get("inlineData").is_some());
            }
        }
        let finish = match &candidate["finishReason"] {
            // Some clients ask for numbers.
            Value::Number(n) if n.as_u64() == Some(1) => Some("STOP"),
            Value::Number(n) if n.as_u64() == Some(2) => Some("MAX_TOKENS"),
            other => other.as_str(),
        };
        if let Some(finish) = finish {
            all.finish = match finish {
                "STOP" | "MAX_TOKENS" => finish.to_owned(),
                _ => "OTHER".into(),
            };
        }
        let usage = &event["usageMetadata"];
        let count = |key: &str| usage[key].as_u64().unwrap_or(0);
        if usage.is_object() {
            all.tools = count("toolUsePromptTokenCount");
            all.counts = [
                count("promptTokenCount"),
                count("candidatesTokenCount"),
                count("thoughtsTokenCount"),
                count("cachedContentTokenCount"),
            ];
        }
    }
    all
}

/// Tells a recorded answer over chat: Google's own codec makes chat of it, and the bridge makes it Google's again.
fn told(cassette: &Cassette) -> Result<Option<Said>, String> {
    let target = target(&cassette.provider, &model(cassette));
    let options = CallOptions::default();
    let chat =
        json!({"messages": [{"role": "user", "content": "x"}], "stream": cassette.is_stream()});
    let chat = JsonObject::from_serialize(&chat).expect("an object");
    let call =
        Call::prepare(Op::Chat, &target, Body::from(chat), &options).map_err(|e| e.to_string())?;
    let asked = asked(cassette);
    if !cassette.is_stream() {
        let Ok(Step::Done(answer)) = call.decode(cassette.reply()) else {
            return Ok(None);
        };
        let chat = Answer::into_chat(answer).map_err(|e| e.to_string())?;
        let bytes: Bytes = Generate.response(&asked, chat).map_err(|e| e.to_string())?;
        return Ok(Some(said(&[serde_json::from_slice(&bytes).expect("json")])));
    }
    let stream = decode_stream(&call, &cassette.body(), usize::MAX);
    if stream.error.is_some() {
        return Ok(None);
    }
    let (mut bridge, mut out) = (Generate.stream(&asked), Vec::new());
    for chunk in stream.chunks {
        let chunk = chunk.into_chat().map_err(|e| e.to_string())?;
        bridge.push(chunk, &mut out).map_err(|e| e.to_string())?;
    }
    bridge.finish(&mut out).map_err(|e| e.to_string())?;
    let events: Vec<Value> = out
        .iter()
        .map(|event| serde_json::from_slice(&event.data).expect("json"))
        .collect();
    let mut ours = said(&events);
    // The counts come with a chunk that was not asked for.
    let usage = stream.usage.unwrap_or_default();
    let thoughts = usage.reasoning_tokens();
    ours.counts = [
        usage.prompt_tokens,
        usage.completion_tokens - thoughts,
        thoughts,
        usage.cached_tokens(),
    ];
    Ok(Some(ours))
}

/// Recordings that do not pass, each with the reason.
const NOT_TOLD: &[(&str, &str)] = &[(
    "gemini.chat.stream.lingua.49b27eb2",
    "speech, which the bridge does not carry back",
)];

#[test]
fn answers_survive_the_way_over_chat() {
    let mut tally = Tally::default();
    for cassette in recordings() {
        if !cassette.status().is_success() {
            continue;
        }
        let result =
            told(&cassette).and_then(|ours| match (ours, said(&events(&cassette.body()))) {
                (None, _) => Ok(()),
                (Some(ours), theirs) if ours.says_the_same(&theirs) => Ok(()),
                (Some(ours), theirs) => Err(format!("\n  ours   {ours:?}\n  theirs {theirs:?}")),
            });
        tally.check(&cassette.id, result);
    }
    tally.settle("generateContent, answers over chat", NOT_TOLD);
}

/// A list, or one alone.
fn some(value: &Value) -> &[Value] {
    match value {
        Value::Null => &[],
        Value::Array(list) => list,
        one => std::slice::from_ref(one),
    }
}

fn get<'a>(value: &'a Value, names: [&str; 2]) -> &'a Value {
    let found = names.iter().find_map(|name| value.get(*name));
    found.unwrap_or(&Value::Null)
}

/// What a request holds: who says what, calls, results, media.
fn meaning(body: &Value) -> Vec<String> {
    let mut facts = Vec::new();
    let system = get(body, ["systemInstruction", "system_instruction"]);
    let system = some(&system["parts"])
        .iter()
        .map(|part| text(&part["text"]));
    facts.push(format!("system {}", system.collect::<String>()));
    for content in list(&body["contents"]) {
        for part in list(&content["parts"]) {
            let call = get(part, ["functionCall", "function_call"]);
            let result = get(part, ["functionResponse", "function_response"]);
            if call.is_object() {
                let args = call.get("args").filter(|a| !a.is_null()).cloned();
                facts.push(format!(
                    "call {} {}",
                    text(&call["name"]),
                    args.unwrap_or_else(|| json!({}))
                ));
            } else if result.is_object() {
                facts.extend(list(&result["parts"]).iter().map(|_| "media".to_owned()));
                facts.push(format!("result {}", result["response"]));
            } else if part["thought"] == true {
                facts.push(format!("thought {}", text(&part["text"])));
            } else if part.get("text").is_some() {
                facts.push(format!("said {}", text(&part["text"])));
            } else if ["inlineData", "inline_data", "fileData", "file_data"]
                .iter()
                .any(|key| part.get(*key).is_some())
            {
                facts.push("media".into());
            }
        }
    }
    facts.retain(|fact| !fact.ends_with(' '));
    facts.sort();
    facts
}

fn chat_meaning(chat: &Value) -> Vec<String> {
    let mut facts = Vec::new();
    for message in list(&chat["messages"]) {
        let word = match message["role"].as_str().expect("a role") {
            "system" => "system",
            "tool" => "result",
            _ => "said",
        };
        match &message["content"] {
            Value::String(text) => facts.push(format!("{word} {text}")),
            content => facts.extend(list(content).iter().map(|part| match part.get("text") {
                Some(said) => format!("{word} {}", text(said)),
                None => "media".into(),
            })),
        }
        facts.push(format!("thought {}", text(&message["reasoning_content"])));
        for call in list(&message["tool_calls"]) {
            let function = &call["function"];
            facts.push(format!(
                "call {} {}",
                text(&function["name"]),
                text(&function["arguments"])
            ));
        }
    }
    facts.retain(|fact| !fact.ends_with(' '));
    facts.sort();
    facts
}

/// Only Google can do this: such a request is refused by name.
fn is_foreign(body: &Value) -> bool {
    let tools = some(&body["tools"]).iter();
    let mut keys = tools
        .filter_map(Value::as_object)
        .flat_map(|tool| tool.keys());
    let config = get(body, ["generationConfig", "generation_config"]);
    let role = |content: &Value| content["role"] == "invalid_role";
    let cached = body.get("cachedContent").is_some();
    keys.any(|key| !key.starts_with("function") && !key.starts_with("google"))
        || cached
        || config.get("speechConfig").is_some()
        || config["responseMimeType"] == "text/x.enum"
        || list(&body["contents"]).iter().any(role)
        || list(&body["contents"]).is_empty()
}

fn request(body: &Value) -> Result<(), String> {
    let object = JsonObject::from_serialize(body).expect("an object");
    let chat = Generate.request(&object, &CallOptions::default());
    if is_foreign(body) {
        return match chat {
            Err(e) if e.param.is_some() => Ok(()),
            _ => Err("not refused by name".into()),
        };
    }
    let chat = chat.map_err(|e| e.to_string())?;
    let chat: Value = serde_json::from_slice(&chat.to_bytes()).expect("json");
    let (theirs, ours) = (meaning(body), chat_meaning(&chat));
    if theirs != ours {
        return Err(format!("\n  theirs {theirs:?}\n  ours   {ours:?}"));
    }
    let config = get(body, ["generationConfig", "generation_config"]);
    for (own, name) in [
        ("temperature", "temperature"),
        ("topP", "top_p"),
        ("maxOutputTokens", "max_tokens"),
    ] {
        if config.get(own).is_some_and(|value| *value != chat[name]) {
            return Err(format!("{own} is {}", chat[name]));
        }
    }
    let functions = some(&body["tools"])
        .iter()
        .flat_map(|tool| list(get(tool, ["functionDeclarations", "function_declarations"])));
    let named: Vec<String> = functions.map(|function| text(&function["name"])).collect();
    let ours: Vec<String> = list(&chat["tools"])
        .iter()
        .map(|tool| text(&tool["function"]["name"]))
        .collect();
    match named == ours
        || ours.len() < named.len()
            && body
                .pointer("/toolConfig/functionCallingConfig/allowedFunctionNames")
                .is_some()
    {
        true => Ok(()),
        false => Err(format!("tools {ours:?} are not {named:?}")),
    }
}

/// Recordings that do not pass, each with the reason.
const NOT_ASKED: &[(&str, &str)] = &[];

#[test]
fn requests_survive_the_way_to_chat() {
    let (mut tally, mut refused) = (Tally::default(), 0);
    for cassette in recordings() {
        let Some(body) = cassette.request() else {
            continue;
        };
        refused += usize::from(is_foreign(body));
        tally.check(&cassette.id, request(body));
    }
    eprintln!("of which {refused} are refused by name");
    tally.settle("generateContent, requests over chat", NOT_ASKED);
}
