//! Cohere, Ollama, watsonx.ai, Replicate, Databricks and Hugging Face: what goes out and what comes back, as snapshots;
//! and the laws that hold for all of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode};
use llm_providers::{
    Body, Call, CallOptions, Chunk, Chunks, Credential, Error, Fetched, Kind, Reply, Step, Target,
    frame::Splitter, lookup,
};
use llm_types::{ChatResponse, JsonObject, Op};
use serde_json::{Value, json};

fn fixture(name: &str) -> Bytes {
    let path = format!("{}/../../fixtures/{name}", env!("CARGO_MANIFEST_DIR"));
    std::fs::read(&path)
        .unwrap_or_else(|e| panic!("{path}: {e}"))
        .into()
}

fn target(provider: &str, model: &str) -> Target {
    let row = lookup(provider).expect("a row");
    let target = Target::new(row, model, Credential::key("hidden"));
    match provider {
        "watsonx" => target
            .at("https://us-south.ml.cloud.ibm.com")
            .with("project_id", "p-1"),
        "databricks" => target.at("https://adb-1.azuredatabricks.net"),
        "huggingface" if model == "tgi" => target.at("https://e.endpoints.huggingface.cloud"),
        _ => target,
    }
}

/// A request that is to be encoded, parameters that do not fit dropped with a notice.
fn encoded(provider: &str, model: &str, op: Op, body: &Bytes) -> Value {
    let target = target(provider, model);
    let options = CallOptions {
        drop_params: true,
        ..CallOptions::default()
    };
    let body = Body::from(JsonObject::parse(body).expect("an object"));
    let call = Call::prepare(op, &target, body, &options).expect("a call");
    let request = call.encode().expect("a request");
    assert_eq!(request.method(), Method::POST);
    json!({
        "uri": request.uri().to_string(),
        "body": serde_json::from_slice::<Value>(request.body().bytes().expect("in memory")).expect("json"),
        "notices": call.notices,
    })
}

#[test]
fn chat_requests() {
    let cases = [
        ("cohere", "command-a-03-2025", "vendors"),
        ("cohere", "v1/command-r", "tools"),
        ("ollama_chat", "qwen3:8b", "vendors"),
        ("ollama", "gpt-oss:20b", "question"),
        ("watsonx", "ibm/granite-3-3-8b-instruct", "vendors"),
        ("watsonx", "deployment/d-1", "question"),
        ("databricks", "databricks-claude-sonnet-4", "vendors"),
        (
            "huggingface",
            "groq/moonshotai/Kimi-K2-Instruct",
            "question",
        ),
        ("huggingface", "tgi", "question"),
        ("replicate", "meta/llama-2-70b-chat", "question"),
        ("replicate", "meta/llama-2-70b-chat", "talk"),
        ("replicate", "owner/other:5797a99e", "talk"),
        ("replicate", "deployments/me/mine", "talk"),
    ];
    for (provider, model, name) in cases {
        let body = fixture(&format!("chat/{name}.json"));
        let snapshot = encoded(provider, model, Op::Chat, &body);
        let plain = model.replace(['/', ':'], "-");
        insta::assert_json_snapshot!(format!("chat_{provider}_{plain}_{name}"), snapshot);
    }
}

#[test]
fn embedding_requests() {
    let cases = [
        (
            "cohere",
            "embed-v4.0",
            json!({"input": "a", "dimensions": 256, "encoding_format": "base64"}),
        ),
        (
            "cohere",
            "embed-v4.0",
            json!({"input": ["a", "b"], "input_type": "search_query", "truncate": "END"}),
        ),
        (
            "cohere",
            "embed-v4.0",
            json!({"input": ["data:image/png;base64,AA=="]}),
        ),
        (
            "cohere",
            "embed-v4.0",
            json!({"input": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AA=="}}, {"type": "text", "text": "a"}]}),
        ),
        (
            "ollama",
            "nomic-embed-text",
            json!({"input": ["a"], "dimensions": 64, "encoding_format": "base64", "num_ctx": 512, "keep_alive": "5m"}),
        ),
        (
            "watsonx",
            "ibm/slate-125m",
            json!({"input": ["a", "b"], "encoding_format": "float", "truncate_input_tokens": 8}),
        ),
        (
            "huggingface",
            "BAAI/bge-m3",
            json!({"input": "a", "normalize": true}),
        ),
        ("huggingface", "tgi", json!({"input": ["a"]})),
        (
            "databricks",
            "databricks-gte-large-en",
            json!({"input": ["a"], "encoding_format": "base64"}),
        ),
        (
            "voyage",
            "voyage-3.5",
            json!({"input": ["a"], "dimensions": 256, "encoding_format": "float", "input_type": "search_query", "user": "u"}),
        ),
        (
            "voyage",
            "voyage-multimodal-3",
            json!({"input": [{"content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]}]}),
        ),
        ("voyage", "voyage-context-3", json!({"input": ["a", "b"]})),
        (
            "jina_ai",
            "jina-embeddings-v4",
            json!({"input": ["a"], "dimensions": 128, "encoding_format": "base64", "input_type": "search_document"}),
        ),
    ];
    for (i, (provider, model, body)) in cases.into_iter().enumerate() {
        let snapshot = encoded(
            provider,
            model,
            Op::Embedding,
            &Bytes::from(body.to_string()),
        );
        insta::assert_json_snapshot!(format!("embedding_{i:02}_{provider}"), snapshot);
    }
}

#[test]
fn completion_requests() {
    let body = json!({"prompt": "Once", "max_tokens": 9, "temperature": 0.1, "stop": "END", "seed": 1, "stream": true, "top_k": 3});
    for (provider, model) in [("ollama", "qwen3"), ("watsonx", "ibm/granite-13b")] {
        let snapshot = encoded(
            provider,
            model,
            Op::Completion,
            &Bytes::from(body.to_string()),
        );
        insta::assert_json_snapshot!(format!("completion_{provider}"), snapshot);
    }
}

/// Answers that are there whole and as a stream of the same content.
const PAIRS: [(&str, &str, &str, &str); 8] = [
    (
        "cohere",
        "command-a",
        "cohere/answer.json",
        "cohere/answer.sse",
    ),
    (
        "cohere",
        "command-a",
        "cohere/tools.json",
        "cohere/tools.sse",
    ),
    (
        "cohere",
        "v1/command-r",
        "cohere/v1.json",
        "cohere/v1.ndjson",
    ),
    (
        "ollama",
        "qwen3",
        "ollama/answer.json",
        "ollama/answer.ndjson",
    ),
    (
        "ollama_chat",
        "qwen3",
        "ollama/tools.json",
        "ollama/tools.ndjson",
    ),
    (
        "watsonx",
        "granite",
        "watsonx/answer.json",
        "watsonx/answer.sse",
    ),
    (
        "databricks",
        "claude",
        "databricks/answer.json",
        "databricks/answer.sse",
    ),
    (
        "replicate",
        "meta/llama",
        "replicate/succeeded.json",
        "replicate/succeeded.json",
    ),
];

fn chat<'a>(target: &'a Target, stream: bool, options: &'a CallOptions) -> Call<'a> {
    let body = json!({"messages": [{"role": "user", "content": "x"}], "stream": stream, "stream_options": {"include_usage": true}});
    let body = Body::from(JsonObject::parse(&Bytes::from(body.to_string())).expect("an object"));
    Call::prepare(Op::Chat, target, body, options).expect("a call")
}

fn whole(call: &Call<'_>, body: Bytes) -> ChatResponse {
    match call.decode(Reply::ok(body)).expect("an answer") {
        Step::Done(answer) => answer.into_chat().expect("chat"),
        _ => panic!("not at once"),
    }
}

fn streamed(call: &Call<'_>, body: &Bytes, size: usize) -> Result<Chunks, Error> {
    let mut splitter = Splitter::new(call.target.provider.protocol.framing(call));
    let mut decoder = call.decoder()?;
    let (mut frames, mut chunks) = (Vec::new(), Chunks::default());
    for piece in body.chunks(size) {
        splitter.push(Bytes::copy_from_slice(piece), &mut frames)?;
        for frame in frames.drain(..) {
            decoder.push(frame, &mut chunks)?;
        }
    }
    splitter.finish(&mut frames)?;
    for frame in frames.drain(..) {
        decoder.push(frame, &mut chunks)?;
    }
    decoder.finish(&mut chunks)?;
    Ok(chunks)
}

#[test]
fn answers() {
    let options = CallOptions::default();
    for (provider, model, answer, _) in PAIRS {
        let target = target(provider, model);
        let response = whole(
            &chat(&target, false, &options),
            fixture(&format!("upstream/{answer}")),
        );
        let name = answer.replace(['/', '.'], "_");
        insta::assert_json_snapshot!(format!("answer_{name}"), response);
    }
}

#[test]
fn streams() {
    let options = CallOptions::default();
    for (provider, model, _, stream) in PAIRS {
        let target = target(provider, model);
        let call = chat(&target, true, &options);
        let chunks =
            streamed(&call, &fixture(&format!("upstream/{stream}")), usize::MAX).expect("a stream");
        let items: Vec<Value> = chunks
            .items
            .into_iter()
            .map(|chunk| serde_json::from_slice(&chunk.into_data().expect("data")).expect("json"))
            .collect();
        let name = stream.replace(['/', '.'], "_");
        insta::assert_json_snapshot!(
            format!("stream_{name}"),
            json!({"chunks": items, "usage": chunks.usage})
        );
    }
}

/// A stream's content in the shape of a whole message.
fn folded(items: Vec<Chunk>) -> (Value, Option<String>) {
    let (mut text, mut thinking) = (String::new(), String::new());
    let (mut calls, mut annotations, mut citations): (Vec<Value>, Vec<Value>, Vec<Value>) =
        Default::default();
    let (mut plan, mut finish, mut id) = (Value::Null, None, String::new());
    for chunk in items {
        let chunk = chunk.into_chat().expect("chat");
        id = chunk.id;
        for choice in chunk.choices {
            let delta = choice.delta;
            text += &delta.content.unwrap_or_default();
            thinking += &delta.reasoning_content.unwrap_or_default();
            annotations.extend(delta.annotations);
            let own = delta.provider_specific_fields;
            citations.extend(
                own.get("citations")
                    .and_then(Value::as_array)
                    .cloned()
                    .unwrap_or_default(),
            );
            plan = own.get("tool_plan").cloned().unwrap_or(plan);
            for call in delta.tool_calls {
                let at = call.index.expect("an index") as usize;
                if at == calls.len() {
                    calls.push(json!({"id": call.id, "name": call.function.name, "arguments": ""}));
                }
                let all = calls[at]["arguments"].as_str().expect("text").to_owned()
                    + &call.function.arguments;
                calls[at]["arguments"] = all.into();
            }
            finish = choice.finish_reason.or(finish);
        }
    }
    let message = json!({
        "id": id, "text": text, "thinking": thinking, "calls": calls, "annotations": annotations,
        "citations": citations, "tool_plan": plan,
    });
    (message, finish)
}

fn flat(response: &ChatResponse) -> (Value, Option<String>) {
    let choice = &response.choices[0];
    let message = &choice.message;
    let own = |key: &str| message.provider_specific_fields.get(key).cloned();
    let calls: Vec<Value> = message
        .tool_calls
        .iter()
        .map(|call| json!({"id": call.id, "name": call.function.name, "arguments": call.function.arguments}))
        .collect();
    let message = json!({
        "id": response.id,
        "text": message.content.as_ref().map(|content| content.text()).unwrap_or_default(),
        "thinking": message.reasoning_content.clone().unwrap_or_default(),
        "calls": calls, "annotations": message.annotations,
        "citations": own("citations").unwrap_or(json!([])),
        "tool_plan": own("tool_plan").unwrap_or_default(),
    });
    (message, choice.finish_reason.clone())
}

#[test]
fn a_stream_says_what_the_whole_answer_says() {
    let options = CallOptions::default();
    for (provider, model, answer, stream) in PAIRS {
        let target = target(provider, model);
        let response = whole(
            &chat(&target, false, &options),
            fixture(&format!("upstream/{answer}")),
        );
        let call = chat(&target, true, &options);
        let chunks =
            streamed(&call, &fixture(&format!("upstream/{stream}")), usize::MAX).expect("a stream");
        assert_eq!(response.usage, chunks.usage, "{stream}");
        assert_eq!(folded(chunks.items), flat(&response), "{stream}");
    }
}

#[test]
fn a_stream_cut_anywhere_decodes_the_same_and_is_never_whole_too_soon() {
    let options = CallOptions::default();
    for (provider, model, _, stream) in PAIRS {
        let target = target(provider, model);
        let call = chat(&target, true, &options);
        let body = fixture(&format!("upstream/{stream}"));
        let expected = streamed(&call, &body, usize::MAX).expect("a stream");
        for size in 1..40 {
            let got = streamed(&call, &body, size).expect("a stream");
            assert_eq!(got.items, expected.items, "{stream} in pieces of {size}");
            assert_eq!(got.usage, expected.usage, "{stream} in pieces of {size}");
        }
        let ends = [
            "\"message-end\"",
            "\"stream-end\"",
            "\"done\":true",
            "\"finish_reason\":\"stop\"",
            "\"status\": \"succeeded\"",
        ];
        let text = std::str::from_utf8(&body).expect("text");
        let end = ends
            .iter()
            .find_map(|mark| text.find(mark))
            .expect("an end");
        for cut in 0..end {
            assert!(
                streamed(&call, &body.slice(..cut), usize::MAX).is_err(),
                "{stream} cut at {cut}"
            );
        }
    }
}

#[test]
fn an_error_ends_a_stream() {
    let options = CallOptions::default();
    let cases = [
        (
            "ollama",
            "m",
            "{\"error\":\"model runner has unexpectedly stopped\"}\n",
            Kind::Upstream,
        ),
        (
            "cohere",
            "m",
            "data: {\"message\":\"too many tokens: the prompt is long\"}\n\n",
            Kind::ContextWindow,
        ),
        (
            "cohere",
            "m",
            "data: {\"type\":\"message-end\",\"delta\":{\"finish_reason\":\"ERROR\",\"error\":\"boom\"}}\n\n",
            Kind::Upstream,
        ),
        (
            "cohere",
            "v1/m",
            "{\"message\":\"internal server error\"}\n",
            Kind::Upstream,
        ),
        (
            "watsonx",
            "m",
            "data: {\"errors\":[{\"code\":\"token_quota_reached\",\"message\":\"no more\"}]}\n\n",
            Kind::RateLimit,
        ),
    ];
    for (provider, model, body, kind) in cases {
        let target = target(provider, model);
        let call = chat(&target, true, &options);
        let error = streamed(&call, &Bytes::from_static(body.as_bytes()), usize::MAX).err();
        assert_eq!(error.map(|e| e.kind), Some(kind), "{body}");
    }
}

#[test]
fn refusals_are_classified() {
    let cases = [
        (
            "cohere",
            401,
            r#"{"message":"invalid api token"}"#,
            Kind::Auth,
            "invalid api token",
        ),
        (
            "cohere",
            400,
            r#"{"message":"too many tokens"}"#,
            Kind::ContextWindow,
            "too many tokens",
        ),
        (
            "cohere",
            429,
            r#"{"message":"slow down"}"#,
            Kind::RateLimit,
            "slow down",
        ),
        (
            "ollama",
            404,
            r#"{"error":"model 'x' not found"}"#,
            Kind::NotFound,
            "model 'x' not found",
        ),
        (
            "watsonx",
            400,
            r#"{"errors":[{"code":"invalid_input_argument","message":"bad"}],"trace":"t"}"#,
            Kind::BadRequest,
            "bad",
        ),
        (
            "watsonx",
            403,
            r#"{"errors":[{"code":"token_quota_reached","message":"quota"}]}"#,
            Kind::RateLimit,
            "quota",
        ),
        (
            "replicate",
            422,
            r#"{"title":"Invalid version","detail":"no such version","status":422}"#,
            Kind::Unprocessable,
            "no such version",
        ),
        (
            "huggingface",
            400,
            r#"{"error":"length limit exceeded"}"#,
            Kind::ContextWindow,
            "length limit exceeded",
        ),
        (
            "databricks",
            403,
            r#"{"error_code":"PERMISSION_DENIED","message":"no"}"#,
            Kind::Denied,
            "no",
        ),
        (
            "voyage",
            400,
            r#"{"detail":"Model x is not supported."}"#,
            Kind::BadRequest,
            "Model x is not supported.",
        ),
    ];
    let options = CallOptions::default();
    for (provider, status, body, kind, message) in cases {
        let target = target(provider, "m");
        let op = if provider == "voyage" {
            Op::Embedding
        } else {
            Op::Chat
        };
        let asked =
            Bytes::from_static(br#"{"messages":[{"role":"user","content":"x"}],"input":"x"}"#);
        let asked = Body::from(JsonObject::parse(&asked).expect("an object"));
        let call = Call::prepare(op, &target, asked, &options).expect("a call");
        let error = call
            .decode(Reply {
                status: StatusCode::from_u16(status).expect("a status"),
                headers: HeaderMap::new(),
                body: Bytes::from_static(body.as_bytes()),
            })
            .expect_err("refused");
        assert_eq!(
            (error.kind, error.message.as_str()),
            (kind, message),
            "{provider} {body}"
        );
        assert_eq!(error.provider, provider);
    }
}

#[test]
fn what_cannot_be_said_is_refused_by_name() {
    let options = CallOptions::default();
    let image = json!([{"type": "input_audio", "input_audio": {"data": "", "format": "wav"}}]);
    let cases = [
        (
            "cohere",
            json!({"messages": [{"role": "user", "content": image}]}),
            "messages[0].content[0]",
        ),
        (
            "ollama",
            json!({"messages": [{"role": "user", "content": image}]}),
            "messages[0].content[0]",
        ),
        (
            "replicate",
            json!({"messages": [{"role": "user", "content": image}]}),
            "messages[0].content[0]",
        ),
        (
            "ollama",
            json!({"messages": [{"role": "assistant", "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{"}}]}]}),
            "messages[0].tool_calls[0].function.arguments",
        ),
        (
            "cohere",
            json!({"messages": [], "tools": [{"type": "web_search"}]}),
            "tools[0]",
        ),
        (
            "cohere",
            json!({"messages": [], "logit_bias": {"1": 1}}),
            "logit_bias",
        ),
        (
            "replicate",
            json!({"messages": [], "tools": [{"type": "function", "function": {"name": "f"}}]}),
            "tools",
        ),
        (
            "watsonx",
            json!({"messages": [], "parallel_tool_calls": false}),
            "parallel_tool_calls",
        ),
        ("ollama_chat", json!({"messages": [], "n": 2}), "n"),
        ("cohere", json!({}), "messages"),
    ];
    for (provider, body, param) in cases {
        let target = target(provider, "m");
        let asked =
            Body::from(JsonObject::parse(&Bytes::from(body.to_string())).expect("an object"));
        let error = Call::prepare(Op::Chat, &target, asked, &options)
            .and_then(|call| call.encode())
            .expect_err("refused");
        assert_eq!(error.param.as_deref(), Some(param), "{provider} {body}");
        assert_eq!(error.status_code(), StatusCode::BAD_REQUEST);
    }
}

#[test]
fn a_prediction_is_polled_at_our_own_address_until_it_is_over() {
    let options = CallOptions::default();
    let target = target("replicate", "meta/llama");
    let call = chat(&target, false, &options);
    let step = call
        .decode(Reply::ok(fixture("upstream/replicate/processing.json")))
        .expect("a step");
    let Step::Again { request, .. } = step else {
        panic!("over");
    };
    assert_eq!(request.method(), Method::GET);
    assert_eq!(
        request.uri(),
        "https://api.replicate.com/v1/predictions/gm3qorzdhgbf"
    );
    let error = call
        .decode(Reply::ok(fixture("upstream/replicate/failed.json")))
        .expect_err("failed");
    assert_eq!(error.kind, Kind::ContextWindow);
}

#[test]
fn vectors_come_in_the_encoding_that_was_asked_for() {
    let cases = [
        (
            "cohere",
            r#"{"embeddings":{"base64":["AACAPwAAAL8="]},"meta":{"billed_units":{"input_tokens":2}}}"#,
            Some(2),
        ),
        (
            "ollama",
            r#"{"embeddings":[[1.0,-0.5]],"prompt_eval_count":2}"#,
            Some(2),
        ),
        (
            "watsonx",
            r#"{"results":[{"embedding":[1.0,-0.5]}],"input_token_count":2}"#,
            Some(2),
        ),
        ("huggingface", "[[1.0,-0.5]]", None),
        (
            "databricks",
            r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":[1.0,-0.5]}],"usage":{"prompt_tokens":2,"total_tokens":2}}"#,
            Some(2),
        ),
        (
            "voyage",
            r#"{"object":"list","data":[{"object":"embedding","index":0,"embedding":"AACAPwAAAL8="}],"usage":{"total_tokens":2}}"#,
            Some(2),
        ),
    ];
    let options = CallOptions::default();
    for (provider, reply, tokens) in cases {
        let target = target(provider, "m");
        let asked = Bytes::from_static(br#"{"input":["x"],"encoding_format":"base64"}"#);
        let asked = Body::from(JsonObject::parse(&asked).expect("an object"));
        let call = Call::prepare(Op::Embedding, &target, asked, &options).expect("a call");
        let Step::Done(answer) = call.decode(Reply::ok(reply)).expect("an answer") else {
            panic!("not at once");
        };
        assert_eq!(
            answer.usage.as_ref().map(|usage| usage.prompt_tokens),
            tokens,
            "{provider}"
        );
        let body: Value =
            serde_json::from_slice(&answer.into_bytes().expect("bytes")).expect("json");
        assert_eq!(body["data"][0]["embedding"], "AACAPwAAAL8=", "{provider}");
        assert_eq!(body["data"][0]["index"], 0, "{provider}");
    }
}

#[test]
fn images_of_addresses_are_fetched_for_ollama() {
    let url = "https://example.com/a.png";
    let body = json!({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": url}}]}]});
    let target = target("ollama", "llava");
    let options = CallOptions::default();
    let body = Body::from(JsonObject::parse(&Bytes::from(body.to_string())).expect("an object"));
    let mut call = Call::prepare(Op::Chat, &target, body, &options).expect("a call");
    assert_eq!(call.fetches(), [url]);
    assert!(call.encode().is_err(), "nothing is sent without its image");
    let file = Fetched {
        content_type: Some("image/png".into()),
        bytes: Bytes::from_static(b"png"),
    };
    call.fetched.insert(url.into(), file);
    let request = call.encode().expect("a request");
    let body: Value =
        serde_json::from_slice(request.body().bytes().expect("in memory")).expect("json");
    assert_eq!(body["messages"][0]["images"], json!(["cG5n"]));
}
