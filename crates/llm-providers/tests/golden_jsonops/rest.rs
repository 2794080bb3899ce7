//! What is spoken in few places, or in few words: a request and an answer as the vendors document them.

use http::Method;
use llm_providers::{Body, Call, CallOptions, Credential, Framing, Reply, Step, Target, Upload};
use llm_types::{Op, Verb};
use serde_json::{Value, json};

use crate::{answered, object, sent, target};

/// Azure's and SageMaker's resources, as their users name them.
fn of(provider: &str, model: &str) -> Target {
    let target = match provider {
        "azure" | "azure_text" => {
            let row = llm_providers::lookup(provider).expect("a row");
            let target = Target::new(row, model, Credential::key("hidden"));
            target
                .at("https://r.openai.azure.com")
                .with("api_version", "2024-10-21")
        }
        "azure_ai" => target(provider, model).at("https://r.services.ai.azure.com"),
        "databricks" => target(provider, model).at("https://w.databricks.com/serving-endpoints"),
        _ => target(provider, model).with("aws_region_name", "us-west-2"),
    };
    match provider.starts_with("sagemaker") {
        // Signatures are tested with credentials.
        true => Target {
            credential: Credential::None,
            ..target
        },
        false => target,
    }
}

fn completion() -> (Value, Value) {
    (
        json!({"prompt": "Say this is a test", "max_tokens": 7, "temperature": 0}),
        json!({
            "id": "cmpl-1", "object": "text_completion", "created": 1589478378, "model": "gpt-35-turbo-instruct",
            "choices": [{"text": "This is indeed a test", "index": 0, "logprobs": null, "finish_reason": "length"}],
            "usage": {"prompt_tokens": 5, "completion_tokens": 7, "total_tokens": 12},
        }),
    )
}

fn chat(model: &str) -> (Value, Value) {
    (
        json!({"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 50}),
        json!({
            "id": "chatcmpl-1", "object": "chat.completion", "created": 1700000000, "model": model,
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi!"}, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 3, "total_tokens": 12},
        }),
    )
}

fn response() -> (Value, Value) {
    (
        json!({"input": "Hello", "max_output_tokens": 50}),
        json!({
            "id": "resp_1", "object": "response", "created_at": 1700000000, "status": "completed", "model": "gpt-5",
            "output": [{"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
                        "content": [{"type": "output_text", "text": "Hi!", "annotations": []}]}],
            "usage": {"input_tokens": 9, "output_tokens": 3, "total_tokens": 12},
        }),
    )
}

fn count() -> (Value, Value) {
    (
        json!({"messages": [{"role": "user", "content": "Hello"}], "system": "Be kind."}),
        json!({"input_tokens": 14}),
    )
}

#[test]
fn what_few_speak() {
    let embedding = || {
        (
            json!({"input": ["first", "second"]}),
            json!({
                "object": "list", "model": "embed-v-4-0",
                "data": [{"object": "embedding", "index": 0, "embedding": [0.1]}, {"object": "embedding", "index": 1, "embedding": [0.2]}],
                "usage": {"prompt_tokens": 4, "total_tokens": 4},
            }),
        )
    };
    let generated = || {
        (
            json!({"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 50}),
            json!([{"generated_text": "Hi!"}]),
        )
    };
    let vectors = || {
        (
            json!({"input": ["first", "second"]}),
            json!({"embedding": [[0.1], [0.2]]}),
        )
    };
    let claude = || {
        (
            json!({"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 50}),
            json!({"id": "compl_1", "type": "completion", "completion": " Hi!", "stop_reason": "stop_sequence", "model": "claude-2.1"}),
        )
    };
    let cases = [
        (
            "completion",
            "azure",
            "my-instruct",
            Op::Completion,
            completion(),
        ),
        (
            "completion",
            "azure_text",
            "my-instruct",
            Op::Completion,
            completion(),
        ),
        (
            "completion",
            "azure_ai",
            "my-model",
            Op::Completion,
            completion(),
        ),
        (
            "completion",
            "databricks",
            "my-endpoint",
            Op::Completion,
            completion(),
        ),
        (
            "embedding",
            "azure_ai",
            "embed-v-4-0",
            Op::Embedding,
            embedding(),
        ),
        ("response", "azure_ai", "gpt-5", Op::Responses, response()),
        ("response", "databricks", "gpt-5", Op::Responses, response()),
        (
            "count",
            "azure_ai",
            "claude-sonnet-4-5",
            Op::CountTokens,
            count(),
        ),
        (
            "count",
            "vertex_ai",
            "claude-sonnet-4-5",
            Op::CountTokens,
            count(),
        ),
        ("chat", "anthropic_text", "claude-2.1", Op::Chat, claude()),
        ("chat", "sagemaker", "my-endpoint", Op::Chat, generated()),
        (
            "embedding",
            "sagemaker",
            "my-endpoint",
            Op::Embedding,
            vectors(),
        ),
        (
            "chat",
            "sagemaker_chat",
            "my-endpoint",
            Op::Chat,
            chat("my-endpoint"),
        ),
        (
            "chat",
            "sagemaker_nova",
            "my-endpoint",
            Op::Chat,
            chat("my-endpoint"),
        ),
    ];
    for (word, provider, model, op, (mut request, answer)) in cases {
        let target = of(provider, model);
        request["model"] = model.into();
        let body = object(&request).to_bytes();
        let mut both = json!({
            "sent": sent(op, &target, &body).expect(provider),
            "answered": answered(op, &target, &body, answer.to_string().into()).expect(provider),
        });
        // Made where the answer has none.
        if let Some(made) = both.pointer_mut("/answered/body/created") {
            *made = json!("(when)");
        }
        if provider.starts_with("sagemaker")
            && let Some(id) = both.pointer_mut("/answered/body/id")
        {
            *id = json!("(id)");
        }
        insta::assert_json_snapshot!(format!("{word}_{provider}"), both);
    }
}

/// One request for what is kept, and what becomes of the answer.
fn asked(target: &Target, op: Op, verb: Verb, body: Body, answer: &Value) -> Value {
    let options = CallOptions::default();
    let id = verb.needs_id().then(|| "thing-1".to_owned());
    let call = match verb {
        Verb::Create => Call::prepare(op, target, body, &options),
        _ => Call::resource(op, verb, id, target, body, &options),
    };
    let mut call = call.expect("a call");
    if verb == Verb::List {
        call.query = vec![("limit".into(), "2".into())];
    }
    if verb == Verb::List && target.provider.name != "mistral" {
        call.query.push(("after".into(), "thing-0".into()));
    }
    let request = call.encode().expect("a request");
    let sent = match request.body().bytes() {
        Some(bytes) if request.method() == Method::POST && !bytes.is_empty() => {
            serde_json::from_slice(bytes).unwrap_or(json!("(a form)"))
        }
        Some(_) => Value::Null,
        None => json!("(a form)"),
    };
    let told = match call.wire().framing(&call) {
        Framing::Bytes => json!("(bytes)"),
        _ => match call
            .decode(Reply::ok(answer.to_string()))
            .expect("an answer")
        {
            Step::Done(answer) => {
                serde_json::from_slice(&answer.into_bytes().expect("bytes")).expect("json")
            }
            other => panic!("{other:?}"),
        },
    };
    json!({"request": format!("{} {}", request.method(), request.uri()), "body": sent, "answer": told})
}

fn uploaded() -> Body {
    let mut body = Body::from(object(&json!({"purpose": "batch"})));
    body.attach("file", Upload::new("lines.jsonl", "{}\n"));
    body
}

#[test]
fn what_vendors_keep() {
    let file = json!({"id": "thing-1", "object": "file", "bytes": 3, "created_at": 1700000000, "filename": "lines.jsonl", "purpose": "batch"});
    let batch = json!({
        "id": "thing-1", "object": "batch", "endpoint": "/v1/chat/completions", "input_file_id": "file-1",
        "completion_window": "24h", "status": "validating", "created_at": 1700000000,
        "request_counts": {"total": 0, "completed": 0, "failed": 0},
    });
    let mistral = json!({
        "id": "thing-1", "object": "batch", "input_files": ["file-1"], "endpoint": "/v1/chat/completions", "model": "mistral-small-latest",
        "status": "RUNNING", "created_at": 1700000000, "total_requests": 2, "completed_requests": 1, "succeeded_requests": 1, "failed_requests": 0, "errors": [],
    });
    let video = json!({"id": "thing-1", "object": "video", "model": "sora-2", "status": "queued", "progress": 0, "created_at": 1700000000, "size": "720x1280", "seconds": "4"});
    let job = json!({
        "id": "thing-1", "object": "fine_tuning.job", "model": "gpt-4o-mini-2024-07-18", "status": "queued", "created_at": 1700000000,
        "training_file": "file-1", "hyperparameters": {"n_epochs": "auto"},
    });
    let batch_of = json!({"input_file_id": "file-1", "endpoint": "/v1/chat/completions", "completion_window": "24h"});
    let cases = [
        (
            "file",
            Op::File,
            ["openai", "azure", "groq", "mistral"].as_slice(),
            Value::Null,
            &file,
        ),
        (
            "batch",
            Op::Batch,
            &["openai", "azure", "groq"],
            batch_of.clone(),
            &batch,
        ),
        ("batch", Op::Batch, &["mistral"], batch_of, &mistral),
        (
            "video",
            Op::Video,
            &["openai", "azure"],
            json!({"model": "sora-2", "prompt": "A calm sea", "seconds": "4"}),
            &video,
        ),
        (
            "tuning",
            Op::FineTuning,
            &["openai", "azure"],
            json!({"model": "gpt-4o-mini-2024-07-18", "training_file": "file-1"}),
            &job,
        ),
    ];
    for (word, op, providers, request, answer) in cases {
        for provider in providers {
            let target = of(provider, "sora-2");
            let mut shown = serde_json::Map::new();
            for verb in op.verbs() {
                let body = match (op, verb) {
                    (Op::File, Verb::Create) => uploaded(),
                    (_, Verb::Create) => Body::from(object(&request)),
                    (_, Verb::Remix) => Body::from(object(&json!({"prompt": "At night"}))),
                    _ => Body::default(),
                };
                let answer = match (verb, *provider) {
                    (Verb::List, _) => {
                        json!({"object": "list", "data": [answer], "has_more": false})
                    }
                    _ => answer.clone(),
                };
                shown.insert(
                    format!("{verb:?}"),
                    asked(&target, op, *verb, body, &answer),
                );
            }
            insta::assert_json_snapshot!(format!("{word}_{provider}"), shown);
        }
    }
}

#[test]
fn speech_is_translated() {
    let text = json!({"text": "Hello, my name is Ada."});
    let gemini = json!({
        "candidates": [{"content": {"role": "model", "parts": [text]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 40, "candidatesTokenCount": 8, "totalTokenCount": 48},
    });
    for (provider, model, answer) in [
        ("azure", "my-whisper", &text),
        ("groq", "whisper-large-v3", &text),
        ("gemini", "gemini-2.5-flash", &gemini),
        ("vertex_ai", "gemini-2.5-flash", &gemini),
    ] {
        let mut body = Body::from(object(&json!({"model": model, "prompt": "Names: Ada"})));
        body.attach("file", Upload::new("a.wav", "SOUND"));
        let shown = asked(
            &of(provider, model),
            Op::Translation,
            Verb::Create,
            body,
            answer,
        );
        insta::assert_json_snapshot!(format!("translate_{provider}"), shown);
    }
}
