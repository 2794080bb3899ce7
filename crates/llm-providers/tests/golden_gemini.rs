//! Gemini's wire, over AI Studio and Vertex: what goes out, what comes back, and the laws that hold for both.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use bytes::Bytes;
use llm_providers::{
    Body, Call, CallOptions, Chunk, Chunks, Credential, Error, Fetched, Kind, Reply, Step, Target,
    frame::Splitter, lookup,
};
use llm_types::{JsonObject, Op};
use serde_json::{Map, Value, json};

fn target(model: &str) -> Target {
    Target::new(lookup("gemini").unwrap(), model, Credential::key("k"))
}

fn vertex(model: &str) -> Target {
    let row = lookup("vertex_ai").unwrap();
    let token = Credential::Token(llm_providers::Secret::new("t"));
    Target::new(row, model, token)
        .with("vertex_project", "my-project")
        .with("vertex_location", "europe-west4")
}

fn object(value: &Value) -> Body {
    Body::Json(JsonObject::from_serialize(value).unwrap())
}

fn fixture(name: &str) -> String {
    let folder = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../fixtures/upstream/gemini"
    );
    std::fs::read_to_string(format!("{folder}/{name}")).unwrap()
}

fn chat(name: &str) -> Value {
    serde_json::from_str(&fixture(name)).unwrap()
}

/// What goes out for `body`.
fn sent(target: &Target, op: Op, body: &Value) -> Result<Value, Error> {
    let options = CallOptions::default();
    let mut call = Call::prepare(op, target, object(body), &options)?;
    for url in call.fetches() {
        let file = Fetched {
            content_type: Some("image/jpeg".into()),
            bytes: Bytes::from_static(b"pixels"),
        };
        call.fetched.insert(url, file);
    }
    let request = call.encode()?;
    let body: Value = serde_json::from_slice(request.body()).unwrap();
    let notices: Vec<_> = call.notices.iter().map(|notice| &notice.param).collect();
    Ok(json!({"uri": request.uri().to_string(), "body": body, "notices": notices}))
}

fn ask() -> Value {
    json!({"messages": [{"role": "user", "content": "Hi"}]})
}

#[test]
fn requests() {
    let conversation = chat("conversation.chat.json");
    let third = chat("third_generation.chat.json");
    insta::assert_json_snapshot!(
        "conversation",
        sent(&target("gemini-2.5-flash"), Op::Chat, &conversation).unwrap()
    );
    insta::assert_json_snapshot!(
        "third_generation",
        sent(&target("gemini-3-pro-preview"), Op::Chat, &third).unwrap()
    );
}

#[test]
fn the_least_request_is_small() {
    let got = sent(
        &target("gemini-2.5-flash"),
        Op::Chat,
        &json!({"messages": [{"role": "system", "content": "Be."}]}),
    );
    assert_eq!(
        got.unwrap()["body"],
        json!({"contents": [{"role": "user", "parts": [{"text": "."}]}], "systemInstruction": {"parts": [{"text": "Be."}]}})
    );
}

#[test]
fn addresses() {
    let of = |target: &Target| {
        sent(target, Op::Chat, &ask()).unwrap()["uri"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    let google = "https://generativelanguage.googleapis.com/v1beta/models";
    let here = "projects/my-project/locations/europe-west4";
    let v1 = format!("https://europe-west4-aiplatform.googleapis.com/v1/{here}");
    let beta = format!("https://europe-west4-aiplatform.googleapis.com/v1beta1/{here}");
    let cases = [
        (target("gemini-2.5-flash"), format!("{google}/gemini-2.5-flash:generateContent")),
        (target("models/x").at("http://localhost:1/base/"), "http://localhost:1/base/models/x:generateContent".into()),
        (vertex("gemini-2.5-flash"), format!("{beta}/publishers/google/models/gemini-2.5-flash:generateContent")),
        (vertex("1234567890"), format!("{beta}/endpoints/1234567890:generateContent")),
        (
            vertex("gemini-x").with("vertex_location", "global"),
            "https://aiplatform.googleapis.com/v1beta1/projects/my-project/locations/global/publishers/google/models/gemini-x:generateContent".into(),
        ),
        (
            vertex("gemini-x").with("vertex_location", "eu"),
            "https://aiplatform.eu.rep.googleapis.com/v1beta1/projects/my-project/locations/eu/publishers/google/models/gemini-x:generateContent".into(),
        ),
        (vertex("claude-opus-4-1@20250805"), format!("{v1}/publishers/anthropic/models/claude-opus-4-1@20250805:rawPredict")),
        (vertex("mistral-large@2411"), format!("{v1}/publishers/mistralai/models/mistral-large@2411:rawPredict")),
        (vertex("meta/llama-4-maverick-maas"), format!("{v1}/endpoints/openapi/chat/completions")),
        (vertex("openai/123"), format!("{beta}/endpoints/123/chat/completions")),
        (vertex("gemma/123"), format!("{v1}/endpoints/123:predict")),
        (vertex("gemini-x").at("http://localhost:1"), format!("http://localhost:1/v1beta1/{here}/publishers/google/models/gemini-x:generateContent")),
        (vertex("gemini-x").at("http://localhost:1/a/v1"), format!("http://localhost:1/a/v1/{here}/publishers/google/models/gemini-x:generateContent")),
        (vertex("gemini-x").at("http://localhost:1/v1/projects/p/locations/l"), "http://localhost:1/v1/projects/p/locations/l/publishers/google/models/gemini-x:generateContent".into()),
        (vertex("gemini-x").at("http://localhost:1/my/model"), "http://localhost:1/my/model:generateContent".into()),
        (vertex("meta/x").at("http://localhost:1/v1/projects/p/locations/l/endpoints/openapi"), "http://localhost:1/v1/projects/p/locations/l/endpoints/openapi/chat/completions".into()),
        (
            Target::new(lookup("vertex_ai").unwrap(), "gemini-x", Credential::key("AIza")),
            "https://aiplatform.googleapis.com/v1beta1/publishers/google/models/gemini-x:generateContent".into(),
        ),
    ];
    for (target, expected) in cases {
        assert_eq!(of(&target), expected);
    }
    let streamed = json!({"messages": [{"role": "user", "content": "Hi"}], "stream": true});
    let uri = sent(&vertex("claude-x"), Op::Chat, &streamed).unwrap()["uri"].clone();
    assert!(
        uri.as_str()
            .unwrap()
            .ends_with("/claude-x:streamRawPredict")
    );
    let uri = sent(&target("x"), Op::Chat, &streamed).unwrap()["uri"].clone();
    assert!(
        uri.as_str()
            .unwrap()
            .ends_with("/x:streamGenerateContent?alt=sse")
    );
}

#[test]
fn hostile_names_reach_no_other_host_or_path() {
    for location in ["evil.com/", "a.b", "x@y", "a#", "UP"] {
        let target = vertex("gemini-x").with("vertex_location", location);
        let error = sent(&target, Op::Chat, &ask()).unwrap_err();
        assert_eq!(
            error.param.as_deref(),
            Some("vertex_location"),
            "{location}"
        );
    }
    for model in ["../../x", "a?key=1", "a#b"] {
        let uri = sent(&vertex(model), Op::Chat, &ask())
            .map(|sent| sent["uri"].as_str().unwrap().to_owned());
        if let Ok(uri) = uri {
            assert!(
                !uri.contains("..") && !uri.contains('#') && !uri.contains("?key"),
                "{uri}"
            );
        }
    }
    let mut homeless = vertex("gemini-x");
    homeless.settings.clear();
    let error = sent(&homeless, Op::Chat, &ask()).unwrap_err();
    assert_eq!(error.param.as_deref(), Some("vertex_project"));
}

#[test]
fn partners_speak_their_own_wires() {
    let body = |model: &str| sent(&vertex(model), Op::Chat, &ask()).unwrap()["body"].clone();
    let messages = ask()["messages"].clone();
    assert_eq!(
        body("meta/llama-4-maas"),
        json!({"messages": messages, "model": "meta/llama-4-maas"})
    );
    assert_eq!(body("kimi-k2-maas")["model"], "moonshotai/kimi-k2-maas");
    assert_eq!(
        body("mistral-large@2411"),
        json!({"messages": messages, "model": "mistral-large"})
    );
    assert_eq!(
        body("gemma/1"),
        json!({"instances": [{"messages": messages, "@requestFormat": "chatCompletions"}]})
    );
    let claude = body("claude-sonnet-4-5");
    assert_eq!(claude["anthropic_version"], "vertex-2023-10-16");
    assert_eq!(claude.get("model"), None);
}

#[test]
fn claude_speaks_messages_and_counts_natively() {
    let asked = json!({"model": "any", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}], "thinking": {"type": "adaptive"}});
    let got = sent(&vertex("claude-x"), Op::Messages, &asked).unwrap();
    let mut expected = asked.clone();
    expected.as_object_mut().unwrap().remove("model");
    expected["anthropic_version"] = "vertex-2023-10-16".into();
    assert_eq!(got["body"], expected);
    let count = sent(&vertex("claude-x"), Op::CountTokens, &asked).unwrap();
    assert!(
        count["uri"]
            .as_str()
            .unwrap()
            .ends_with("/publishers/anthropic/models/count-tokens:rawPredict")
    );
    assert_eq!(count["body"]["model"], "claude-x");
    let error = sent(&vertex("gemini-x"), Op::Messages, &asked).unwrap_err();
    assert_eq!(error.kind, Kind::Unsupported);
}

#[test]
fn pictures_on_the_web_are_fetched_where_the_vendor_fetches_none() {
    let asked = json!({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "https://a.example/cat"}}]}]});
    let gemini = sent(&target("gemini-2.5-flash"), Op::Chat, &asked).unwrap();
    let picture = json!({"inlineData": {"mimeType": "image/jpeg", "data": "cGl4ZWxz"}});
    assert_eq!(
        gemini["body"]["contents"][0]["parts"],
        json!([picture, {"text": " "}])
    );
    let claude = sent(&vertex("claude-x"), Op::Chat, &asked).unwrap();
    let source = &claude["body"]["messages"][0]["content"][0]["source"];
    assert_eq!(
        *source,
        json!({"type": "base64", "media_type": "image/jpeg", "data": "cGl4ZWxz"})
    );
    let options = CallOptions::default();
    let target = target("gemini-2.5-flash");
    let call = Call::prepare(Op::Chat, &target, object(&asked), &options).unwrap();
    assert!(
        call.encode()
            .unwrap_err()
            .message
            .contains("was not fetched")
    );
}

#[test]
fn what_a_model_cannot_take_is_refused_or_dropped_with_a_word() {
    let tool = |name: &str| json!({"type": "function", "function": {"name": name}});
    let two =
        json!({"messages": [], "tools": [tool("a"), tool("b")], "parallel_tool_calls": false});
    let cases = [
        (
            "gemini-2.0-flash",
            json!({"messages": [], "reasoning_effort": "low"}),
            "reasoning_effort",
        ),
        ("gemini-2.5-flash", two, "parallel_tool_calls"),
        (
            "gemini-2.5-flash",
            json!({"messages": [], "logit_bias": {"1": 2}}),
            "logit_bias",
        ),
    ];
    for (model, body, param) in cases {
        let target = target(model);
        let error = sent(&target, Op::Chat, &body).unwrap_err();
        assert_eq!(
            (error.kind, error.param.as_deref()),
            (Kind::UnsupportedParams, Some(param))
        );
        let options = CallOptions {
            drop_params: true,
            ..CallOptions::default()
        };
        let call = Call::prepare(Op::Chat, &target, object(&body), &options).unwrap();
        assert!(call.notices.iter().any(|notice| notice.param == param));
        call.encode().unwrap();
    }
    let searching = json!({"messages": [], "tools": [tool("a"), {"googleSearch": {}}]});
    let got = sent(&target("gemini-2.5-flash"), Op::Chat, &searching).unwrap();
    assert_eq!(
        got["body"]["tools"],
        json!([{"functionDeclarations": [{"name": "a"}]}])
    );
    assert_eq!(got["notices"], json!(["tools"]));
    let bad = [
        (
            json!({"messages": [{"role": "tool", "tool_call_id": "x", "content": "y"}]}),
            "messages[0].tool_call_id",
        ),
        (
            json!({"messages": [{"role": "user", "content": [{"type": "odd"}]}]}),
            "messages[0].content[0]",
        ),
        (
            json!({"messages": [{"role": "assistant", "tool_calls": [{"id": "x", "function": {"name": "f", "arguments": "{"}}]}]}),
            "messages[0].tool_calls[0].function.arguments",
        ),
        (
            json!({"messages": [], "tools": [{"type": "custom"}]}),
            "tools[0].type",
        ),
        (
            json!({"messages": [], "audio": {"format": "mp3"}}),
            "audio.format",
        ),
        (
            json!({"messages": [], "reasoning_effort": "max"}),
            "reasoning_effort",
        ),
    ];
    for (body, param) in bad {
        let error = sent(&target("gemini-2.5-flash"), Op::Chat, &body).unwrap_err();
        assert_eq!(
            (error.kind, error.param.as_deref()),
            (Kind::BadRequest, Some(param))
        );
    }
}

fn answer(call: &Call<'_>, body: &str) -> Result<Value, Error> {
    let Step::Done(answer) = call.decode(Reply::ok(body.to_owned()))? else {
        panic!("not done");
    };
    Ok(serde_json::from_slice(&answer.into_bytes()?).unwrap())
}

fn asking(target: &Target, stream: bool) -> Call<'_> {
    static OPTIONS: std::sync::LazyLock<CallOptions> =
        std::sync::LazyLock::new(CallOptions::default);
    let body = json!({"messages": [], "stream": stream, "stream_options": {"include_usage": true}});
    Call::prepare(Op::Chat, target, object(&body), &OPTIONS).unwrap()
}

#[test]
fn an_answer() {
    let target = target("gemini-2.5-flash");
    insta::assert_json_snapshot!(
        "answer",
        answer(&asking(&target, false), &fixture("answer.json")).unwrap()
    );
}

fn decode(call: &Call<'_>, body: &[u8], size: usize) -> (Chunks, Result<(), Error>) {
    let (mut splitter, mut frames, mut chunks) = (
        Splitter::new(call.target.provider.protocol.framing(call)),
        Vec::new(),
        Chunks::default(),
    );
    let mut decoder = call.decoder().unwrap();
    for piece in body.chunks(size.max(1)) {
        splitter
            .push(Bytes::copy_from_slice(piece), &mut frames)
            .unwrap();
    }
    splitter.finish(&mut frames).unwrap();
    for frame in frames {
        if let Err(e) = decoder.push(frame, &mut chunks) {
            return (chunks, Err(e));
        }
    }
    let end = decoder.finish(&mut chunks);
    (chunks, end)
}

fn json_of(chunks: Vec<Chunk>) -> Vec<Value> {
    let data = chunks.into_iter().map(|chunk| chunk.into_data().unwrap());
    data.map(|data| serde_json::from_slice(&data).unwrap())
        .collect()
}

#[test]
fn a_stream() {
    let target = target("gemini-2.5-flash");
    let (chunks, end) = decode(
        &asking(&target, true),
        fixture("answer.sse").as_bytes(),
        usize::MAX,
    );
    end.unwrap();
    insta::assert_json_snapshot!("stream", json_of(chunks.items));
}

/// Puts a stream's chunks together, as a client would.
fn fold(chunks: &[Value]) -> Value {
    let (mut whole, mut message, mut choice) = (Map::new(), Map::new(), Map::new());
    for chunk in chunks {
        for (key, value) in chunk.as_object().unwrap() {
            if key != "choices" && key != "object" {
                whole.insert(key.clone(), value.clone());
            }
        }
        let Some(new) = chunk["choices"].get(0) else {
            continue;
        };
        for (key, value) in new.as_object().unwrap() {
            if key != "delta" {
                choice.insert(key.clone(), value.clone());
            }
        }
        add(&mut message, new["delta"].as_object().unwrap());
    }
    for call in message
        .get_mut("tool_calls")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        call.as_object_mut().unwrap().remove("index");
    }
    message.entry("content").or_insert(Value::Null);
    choice.insert("message".into(), message.into());
    whole.insert("object".into(), "chat.completion".into());
    whole.insert("choices".into(), json!([choice]));
    whole.into()
}

fn add(into: &mut Map<String, Value>, delta: &Map<String, Value>) {
    for (key, value) in delta {
        match (into.get_mut(key), value) {
            (Some(Value::String(text)), Value::String(more)) if key != "role" => {
                text.push_str(more)
            }
            (Some(Value::Array(blocks)), Value::Array(more)) if key == "thinking_blocks" => {
                let last = blocks.last_mut().unwrap();
                let more = more[0]["thinking"].as_str().unwrap();
                last["thinking"] = format!("{}{more}", last["thinking"].as_str().unwrap()).into();
            }
            (Some(Value::Array(list)), Value::Array(more)) => list.extend(more.iter().cloned()),
            (Some(Value::Object(map)), Value::Object(more)) => add(map, more),
            (_, value) => {
                into.insert(key.clone(), value.clone());
            }
        }
    }
}

#[test]
fn a_stream_says_what_the_whole_answer_says() {
    let target = target("gemini-2.5-flash");
    let whole = answer(&asking(&target, false), &fixture("answer.json")).unwrap();
    let (chunks, end) = decode(
        &asking(&target, true),
        fixture("answer.sse").as_bytes(),
        usize::MAX,
    );
    end.unwrap();
    let usage = serde_json::to_value(&chunks.usage).unwrap();
    assert_eq!(usage, whole["usage"]);
    assert_eq!(fold(&json_of(chunks.items)), whole);
}

#[test]
fn a_stream_says_the_same_however_it_is_cut() {
    let target = target("gemini-2.5-flash");
    let call = asking(&target, true);
    let body = fixture("answer.sse");
    let whole = decode(&call, body.as_bytes(), usize::MAX).0.items;
    for size in [1, 2, 3, 7, 64, 1021] {
        assert_eq!(
            decode(&call, body.as_bytes(), size).0.items,
            whole,
            "{size}"
        );
    }
    let crlf = body.replace('\n', "\r\n");
    assert_eq!(decode(&call, crlf.as_bytes(), 5).0.items, whole);
}

#[test]
fn a_stream_that_was_cut_is_an_error() {
    let target = target("gemini-2.5-flash");
    let call = asking(&target, true);
    let body = fixture("answer.sse");
    let finished = body.find("finishReason").unwrap();
    let finished = finished + body[finished..].find('\n').unwrap();
    for end in 0..finished {
        let (_, result) = decode(&call, &body.as_bytes()[..end], usize::MAX);
        assert!(result.is_err(), "cut at {end}");
    }
    assert!(
        decode(&call, &body.as_bytes()[..finished], usize::MAX)
            .1
            .is_ok()
    );
}

#[test]
fn a_stream_may_break_off_with_an_error() {
    let target = target("gemini-2.5-flash");
    let call = asking(&target, true);
    let first = fixture("answer.sse").lines().next().unwrap().to_owned();
    let broken = format!(
        "{first}\n\ndata: {}\n\n",
        json!({"error": {"code": 503, "message": "The model is overloaded.", "status": "UNAVAILABLE"}})
    );
    let (chunks, end) = decode(&call, broken.as_bytes(), usize::MAX);
    assert_eq!(chunks.items.len(), 1);
    let error = end.unwrap_err();
    assert_eq!(error.status.unwrap().as_u16(), 503);
    assert!(error.message.contains("overloaded"), "{error}");
}

#[test]
fn usage_has_a_chunk_only_where_it_is_wanted() {
    let target = target("gemini-2.5-flash");
    let mut call = asking(&target, true);
    call.include_usage = false;
    let (chunks, _) = decode(&call, fixture("answer.sse").as_bytes(), usize::MAX);
    assert!(chunks.usage.is_some());
    assert!(
        json_of(chunks.items)
            .iter()
            .all(|chunk| chunk["choices"][0]["index"] == 0 && chunk.get("usage").is_none())
    );
}

#[test]
fn a_blocked_prompt_is_an_answer_without_content() {
    let target = target("gemini-2.5-flash");
    let blocked = json!({"promptFeedback": {"blockReason": "SAFETY", "blockReasonMessage": "no"}, "responseId": "r"}).to_string();
    let whole = answer(&asking(&target, false), &blocked).unwrap();
    let choice = &whole["choices"][0];
    assert_eq!(choice["finish_reason"], "content_filter");
    assert_eq!(choice["message"]["content"], Value::Null);
    assert_eq!(
        choice["provider_specific_fields"],
        json!({"native_finish_reason": "SAFETY", "finish_message": "no"})
    );
    let (chunks, end) = decode(
        &asking(&target, true),
        format!("data: {blocked}\n\n").as_bytes(),
        usize::MAX,
    );
    end.unwrap();
    assert_eq!(fold(&json_of(chunks.items)), whole);
}

#[test]
fn every_candidate_must_finish() {
    let target = target("gemini-2.5-flash");
    let call = asking(&target, true);
    let part = |text: &str, index: u64, finish: Option<&str>| {
        let content = json!({"role": "model", "parts": [{"text": text}]});
        let event = json!({"candidates": [{"index": index, "content": content, "finishReason": finish}], "responseId": "r"});
        format!("data: {event}\n\n")
    };
    let both = part("a", 0, Some("STOP")) + &part("b", 1, Some("MAX_TOKENS"));
    let (chunks, end) = decode(&call, both.as_bytes(), usize::MAX);
    end.unwrap();
    let last = json_of(chunks.items).pop().unwrap();
    assert_eq!(last["choices"][1]["finish_reason"], "length");
    let one = part("a", 0, Some("STOP")) + &part("b", 1, None);
    assert!(decode(&call, one.as_bytes(), usize::MAX).1.is_err());
}

#[test]
fn clients_that_speak_generate_content_are_passed_through() {
    let asked = json!({"contents": [{"parts": [{"text": "Hi"}]}], "generation_config": {"top_k": 3}, "odd": [1]});
    let gemini = target("gemini-2.5-flash");
    assert_eq!(
        sent(&gemini, Op::GenerateContent, &asked).unwrap()["body"],
        asked
    );
    let here = sent(&vertex("gemini-x"), Op::GenerateContent, &asked).unwrap();
    assert!(
        here["uri"]
            .as_str()
            .unwrap()
            .ends_with("/models/gemini-x:generateContent")
    );
    let mut streamed = asked.clone();
    streamed["stream"] = true.into();
    let streaming = sent(&gemini, Op::GenerateContent, &streamed).unwrap();
    assert_eq!(streaming["body"], asked);
    assert!(
        streaming["uri"]
            .as_str()
            .unwrap()
            .ends_with(":streamGenerateContent?alt=sse")
    );
    let options = CallOptions::default();
    let call = Call::prepare(Op::GenerateContent, &gemini, object(&streamed), &options).unwrap();
    let whole = answer(&call, &fixture("answer.json")).unwrap();
    assert_eq!(whole, chat("answer.json"));
    let body = fixture("answer.sse");
    let (chunks, end) = decode(&call, body.as_bytes(), 11);
    end.unwrap();
    assert_eq!(chunks.usage.unwrap().completion_tokens, 28);
    let events: Vec<Value> = body
        .lines()
        .filter_map(|line| serde_json::from_str(line.strip_prefix("data: ")?).ok())
        .collect();
    assert_eq!(json_of(chunks.items), events);
    let cut = body.find("finishReason").unwrap();
    assert!(
        decode(
            &call,
            &body.as_bytes()[..body[..cut].rfind("data").unwrap()],
            11
        )
        .1
        .is_err()
    );
    let error = sent(&vertex("claude-x"), Op::GenerateContent, &asked).unwrap_err();
    assert_eq!(error.kind, Kind::Unsupported);
}

#[test]
fn replaced_tool_names_come_back_as_the_callers() {
    let target = target("gemini-2.5-flash");
    let options = CallOptions::default();
    let body = json!({"messages": [], "tools": [{"type": "function", "function": {"name": "look up/it"}}]});
    let call = Call::prepare(Op::Chat, &target, object(&body), &options).unwrap();
    let reply = json!({"candidates": [{"content": {"parts": [{"functionCall": {"name": "look_up_it", "args": {}}}]}, "finishReason": "STOP"}]});
    let got = answer(&call, &reply.to_string()).unwrap();
    let call = &got["choices"][0]["message"]["tool_calls"][0];
    assert_eq!(call["function"]["name"], "look up/it");
}

#[test]
fn embeddings() {
    let texts = json!({"input": ["a", "b"], "dimensions": 3, "input_type": "search_query"});
    let studio = sent(&target("gemini-embedding-001"), Op::Embedding, &texts).unwrap();
    let one = |text: &str| json!({"model": "models/gemini-embedding-001", "content": {"parts": [{"text": text}]}, "taskType": "RETRIEVAL_QUERY", "outputDimensionality": 3});
    assert_eq!(studio["body"], json!({"requests": [one("a"), one("b")]}));
    assert!(
        studio["uri"]
            .as_str()
            .unwrap()
            .ends_with("/models/gemini-embedding-001:batchEmbedContents")
    );
    let predict = sent(&vertex("text-embedding-005"), Op::Embedding, &texts).unwrap();
    let one = |text: &str| json!({"content": text, "task_type": "RETRIEVAL_QUERY"});
    assert_eq!(
        predict["body"],
        json!({"instances": [one("a"), one("b")], "parameters": {"outputDimensionality": 3}})
    );
    let image = json!({"input": ["a cat", "data:image/png;base64,AAAA", "gs://b/c.mp4"], "dimensions": 128});
    let many = sent(&vertex("multimodalembedding@001"), Op::Embedding, &image).unwrap();
    assert_eq!(
        many["body"],
        json!({"instances": [{"text": "a cat"}, {"image": {"bytesBase64Encoded": "AAAA", "mimeType": "image/png"}}, {"video": {"gcsUri": "gs://b/c.mp4"}}],
            "parameters": {"dimension": 128}})
    );
    let single = sent(
        &vertex("gemini-embedding-2"),
        Op::Embedding,
        &json!({"input": "a"}),
    )
    .unwrap();
    assert_eq!(
        single["body"],
        json!({"content": {"parts": [{"text": "a"}]}})
    );
    for wrong in [json!({"input": [1, 2]}), json!({})] {
        let error = sent(&target("gemini-embedding-001"), Op::Embedding, &wrong).unwrap_err();
        assert_eq!(error.param.as_deref(), Some("input"));
    }
}

#[test]
fn embeddings_come_back_in_openais_shape() {
    let read = |target: &Target, reply: Value| {
        let options = CallOptions::default();
        let body = object(&json!({"input": "x"}));
        let call = Call::prepare(Op::Embedding, target, body, &options).unwrap();
        answer(&call, &reply.to_string()).unwrap()
    };
    let studio = read(
        &target("gemini-embedding-2"),
        json!({"embeddings": [{"values": [0.5, -1]}], "usageMetadata": {"promptTokenCount": 4}}),
    );
    assert_eq!(
        studio["data"],
        json!([{"object": "embedding", "index": 0, "embedding": [0.5, -1]}])
    );
    assert_eq!(studio["usage"]["prompt_tokens"], 4);
    let predict = read(
        &vertex("text-embedding-005"),
        json!({"predictions": [{"embeddings": {"values": [1], "statistics": {"token_count": 2.0}}}, {"embeddings": {"values": [2], "statistics": {"token_count": 3}}}]}),
    );
    assert_eq!(
        (
            &predict["data"][1]["embedding"],
            &predict["usage"]["total_tokens"]
        ),
        (&json!([2]), &json!(5))
    );
    let many = read(
        &vertex("multimodalembedding@001"),
        json!({"predictions": [{"textEmbedding": [1], "imageEmbedding": [2]}]}),
    );
    assert_eq!(many["data"].as_array().unwrap().len(), 2);
    assert_eq!(
        read(&vertex("bge/1"), json!({"predictions": [[[0.25]]]}))["data"][0]["embedding"],
        json!([0.25])
    );
}

#[test]
fn gemmas_answer_is_inside_predicts() {
    let target = vertex("gemma/1");
    let inner = json!({"id": "1", "object": "chat.completion", "created": 1, "model": "gemma", "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}]});
    let reply = json!({ "predictions": inner }).to_string();
    assert_eq!(answer(&asking(&target, false), &reply).unwrap(), inner);
    let (chunks, end) = decode(&asking(&target, true), reply.as_bytes(), 9);
    end.unwrap();
    let folded = fold(&json_of(chunks.items));
    assert_eq!(folded["choices"], inner["choices"]);
    assert!(
        decode(&asking(&target, true), &reply.as_bytes()[..20], 9)
            .1
            .is_err()
    );
}
