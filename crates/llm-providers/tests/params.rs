//! What becomes of OpenAI's parameters at each kind of provider.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "tests"
)]

use bytes::Bytes;
use llm_providers::{
    Body, Call, CallOptions, Credential, Error, Kind, ModelFacts, Reply, Step, Target, lookup,
    supported_params,
};
use llm_types::{JsonObject, Op};
use serde_json::{Value, json};

/// What is sent, and the parameters that were noted.
type Sent = Result<(Value, Vec<String>), Error>;

fn target(model: &str) -> Target {
    let (provider, model) = model.split_once('/').expect("provider/model");
    Target::new(lookup(provider).expect("a row"), model, Credential::None)
        .at("https://x.example/v1")
}

fn object(value: &Value) -> JsonObject {
    JsonObject::parse(&Bytes::from(value.to_string())).expect("an object")
}

fn send_to(target: &Target, body: &Value, options: &CallOptions) -> Sent {
    let mut body = body.clone();
    if body.get("messages").is_none() {
        body["messages"] = json!([{"role": "user", "content": "Hi"}]);
    }
    let call = Call::prepare(Op::Chat, target, Body::from(object(&body)), options)?;
    let sent =
        serde_json::from_slice(call.encode()?.body().bytes().expect("in memory")).expect("json");
    Ok((
        sent,
        call.notices
            .iter()
            .map(|notice| notice.param.clone())
            .collect(),
    ))
}

fn send(model: &str, body: &Value) -> Sent {
    send_to(&target(model), body, &CallOptions::default())
}

/// Sends `body` to each model and checks keys of what goes out; `null` stands for nothing.
fn check(cases: &[(&str, Value, Value)]) {
    for (model, body, expected) in cases {
        let (sent, _) = send(model, body).unwrap_or_else(|e| panic!("{model} {body}: {e}"));
        for (key, value) in expected.as_object().expect("an object") {
            assert_eq!(&sent[key], value, "{model} {body}: {key}");
        }
    }
}

fn dropping() -> CallOptions {
    CallOptions {
        drop_params: true,
        ..CallOptions::default()
    }
}

#[test]
fn what_is_not_taken_is_refused_by_name() {
    let cases: &[(&str, Value, &str)] = &[
        (
            "openai/gpt-4o",
            json!({"thinking": {"type": "enabled"}}),
            "thinking",
        ),
        (
            "openai/gpt-4o",
            json!({"reasoning_effort": "low"}),
            "reasoning_effort",
        ),
        ("openai/o3-mini", json!({"top_p": 0.5}), "top_p"),
        ("openai/o3-mini", json!({"temperature": 0.5}), "temperature"),
        ("openai/gpt-5", json!({"temperature": 0.5}), "temperature"),
        ("openai/gpt-5", json!({"stop": "x"}), "stop"),
        (
            "openai/gpt-5.1",
            json!({"reasoning_effort": "low", "top_p": 0.5}),
            "top_p",
        ),
        (
            "mistral/mistral-small",
            json!({"logit_bias": {"1": 1}}),
            "logit_bias",
        ),
        ("perplexity/sonar", json!({"seed": 1}), "seed"),
        ("perplexity/sonar", json!({"n": 2}), "n"),
        (
            "groq/llama-3.3-70b",
            json!({"web_search_options": {}}),
            "web_search_options",
        ),
        ("xai/grok-4", json!({"stop": "x"}), "stop"),
        (
            "xai/grok-code-fast-1",
            json!({"frequency_penalty": 1}),
            "frequency_penalty",
        ),
        ("moonshot/kimi-k2", json!({"functions": []}), "functions"),
        (
            "meta_llama/llama",
            json!({"response_format": {"type": "json_object"}}),
            "response_format",
        ),
        ("together_ai/x", json!({"thinking": true}), "thinking"),
    ];
    for (model, body, param) in cases {
        let error = send(model, body).expect_err(model);
        assert_eq!(
            error.kind,
            Kind::UnsupportedParams,
            "{model} {body}: {error}"
        );
        assert_eq!(error.param.as_deref(), Some(*param), "{model} {body}");
        for word in [param, "drop_params", "allowed_openai_params"] {
            assert!(error.message.contains(word), "{}", error.message);
        }
        let (sent, notices) = send_to(&target(model), body, &dropping()).expect(model);
        assert!(sent.get(param).is_none(), "{model}: {sent}");
        assert!(
            notices.iter().any(|noted| noted == param),
            "{model}: {notices:?}"
        );
        let insisting = CallOptions {
            allowed_openai_params: vec![(*param).to_owned()],
            ..CallOptions::default()
        };
        if !matches!(*param, "response_format" | "thinking") {
            let (sent, _) = send_to(&target(model), body, &insisting).expect(model);
            assert_eq!(sent[param], body[param], "{model}");
        }
    }
}

#[test]
fn one_error_names_all() {
    let error = send(
        "perplexity/sonar",
        &json!({"seed": 1, "stop": "x", "temperature": 1}),
    )
    .expect_err("refused");
    assert!(
        error.message.contains("['seed', 'stop']"),
        "{}",
        error.message
    );
}

#[test]
fn some_never_raise() {
    let body = json!({"user": "u", "stream": true, "stream_options": {"include_usage": true}, "n": 1, "seed": null, "top_p": null});
    let (sent, notices) = send("perplexity/sonar", &body).expect("sent");
    assert_eq!(
        sent,
        json!({"stream": true, "messages": [{"role": "user", "content": "Hi"}], "model": "sonar"})
    );
    assert_eq!(notices, ["user", "stream_options"]);
    let (sent, _) = send("openai/gpt-4o", &json!({"user": "u"})).expect("sent");
    assert_eq!(sent["user"], "u");
}

#[test]
fn a_plain_request_is_the_client_s_own_bytes() {
    let text = r#"{ "model":"gpt-4o", "messages":[{"role":"user","content":"\u0041 \"developer\": null"}] , "x":1.50 }"#;
    let target = target("openai/gpt-4o");
    let options = CallOptions::default();
    let body = JsonObject::parse(&Bytes::from_static(text.as_bytes())).expect("an object");
    let call = Call::prepare(Op::Chat, &target, Body::from(body), &options).expect("a call");
    assert_eq!(
        call.encode()
            .expect("a request")
            .body()
            .bytes()
            .expect("in memory"),
        text
    );
}

#[test]
fn additional_drop_params_reach_inside() {
    let options = CallOptions {
        additional_drop_params: vec![
            "seed".into(),
            "tools[*].function.strict".into(),
            "absent".into(),
        ],
        ..CallOptions::default()
    };
    let body = json!({"seed": 1, "tools": [{"type": "function", "function": {"name": "f", "strict": true}}]});
    let (sent, notices) = send_to(&target("openai/gpt-4o"), &body, &options).expect("sent");
    assert_eq!(
        sent["tools"],
        json!([{"type": "function", "function": {"name": "f"}}])
    );
    assert_eq!(notices, ["seed", "tools[*].function.strict"]);
}

#[test]
fn loose_spellings_are_put_right() {
    check(&[
        (
            "openai/gpt-4o",
            json!({"stop": ["a", "b", "c", "d", "e"]}),
            json!({"stop": ["a", "b", "c", "d"]}),
        ),
        (
            "openai/gpt-4o",
            json!({"tool_choice": {"type": "auto"}}),
            json!({"tool_choice": "auto"}),
        ),
        (
            "openai/gpt-4o",
            json!({"tool_choice": {"type": "any"}}),
            json!({"tool_choice": "required"}),
        ),
        (
            "openai/gpt-4o",
            json!({"tool_choice": {"type": "tool", "name": "f"}}),
            json!({"tool_choice": {"type": "function", "function": {"name": "f"}}}),
        ),
        (
            "openai/gpt-4o",
            json!({"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto"}}}),
            json!({"tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto"}}}),
        ),
        (
            "deepseek/x",
            json!({"thinking": true}),
            json!({"thinking": {"type": "enabled"}}),
        ),
        (
            "deepseek/x",
            json!({"thinking": false}),
            json!({"thinking": null}),
        ),
        (
            "litellm_proxy/x",
            json!({"thinking": {"type": "enabled", "budgetTokens": 7}}),
            json!({"thinking": {"type": "enabled", "budget_tokens": 7}}),
        ),
        (
            "openai/gpt-4o",
            json!({"messages": [{"content": "x", "name": null}, {"role": "developer", "content": null}]}),
            json!({"messages": [{"content": "x", "role": "assistant"}, {"role": "system", "content": null}]}),
        ),
        (
            "openai/gpt-4o",
            json!({"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]}]}),
            json!({"messages": [{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{\"a\":1}"}}]}]}),
        ),
        (
            "openai/o3",
            json!({"messages": [{"role": "developer", "content": "x"}]}),
            json!({"messages": [{"role": "developer", "content": "x"}]}),
        ),
    ]);
    for choice in [json!({"name": "f"}), json!(5), json!({"type": "odd"})] {
        let error = send("openai/gpt-4o", &json!({ "tool_choice": choice })).expect_err("refused");
        assert_eq!(
            (error.kind, error.param.as_deref()),
            (Kind::BadRequest, Some("tool_choice"))
        );
    }
}

#[test]
fn a_model_without_system_messages_is_told_as_the_user() {
    let mut target = target("openai/o1-mini");
    target
        .facts
        .supports
        .insert("system_messages".into(), false);
    let body = json!({"messages": [{"role": "system", "content": "x"}]});
    let (sent, _) = send_to(&target, &body, &CallOptions::default()).expect("sent");
    assert_eq!(sent["messages"][0]["role"], "user");
}

#[test]
fn foreign_keys_leave_the_history_unless_the_vendor_knows_them() {
    let body = json!({
        "messages": [{
            "role": "assistant", "content": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}],
            "reasoning_content": "hm", "thinking_blocks": [{"type": "thinking"}], "provider_specific_fields": {"a": 1},
            "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}, "provider_specific_fields": {}}],
        }],
        "tools": [{"type": "function", "function": {"name": "f"}, "cache_control": {"type": "ephemeral"}, "input_examples": []}],
    });
    let (sent, notices) = send("groq/llama", &body).expect("sent");
    assert_eq!(
        sent["messages"][0],
        json!({
            "role": "assistant", "content": [{"type": "text", "text": "x"}],
            "tool_calls": [{"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
        })
    );
    assert_eq!(
        sent["tools"],
        json!([{"type": "function", "function": {"name": "f"}}])
    );
    assert!(
        notices.contains(&"cache_control".to_owned())
            && notices.contains(&"reasoning_content".to_owned())
    );
    let (sent, _) = send("deepseek/x", &body).expect("sent");
    assert_eq!(sent["messages"][0]["reasoning_content"], "hm");
    assert!(sent["messages"][0].get("thinking_blocks").is_none());
    let (sent, notices) = send("litellm_proxy/x", &body).expect("sent");
    assert_eq!(
        (&sent["messages"], &sent["tools"]),
        (&body["messages"], &body["tools"])
    );
    assert!(notices.is_empty());
}

#[test]
fn vendors_quirks() {
    let strict = json!([{"type": "function", "function": {"name": "f", "strict": true, "parameters": {"type": "object", "additionalProperties": false}}}]);
    check(&[
        (
            "openai/o3",
            json!({"max_tokens": 5}),
            json!({"max_tokens": null, "max_completion_tokens": 5}),
        ),
        (
            "openai/gpt-5",
            json!({"max_tokens": 5, "temperature": 1}),
            json!({"max_completion_tokens": 5, "temperature": 1}),
        ),
        (
            "openai/gpt-5.1",
            json!({"temperature": 0.2}),
            json!({"temperature": 0.2}),
        ),
        (
            "openai/gpt-5",
            json!({"reasoning_effort": {"effort": "low", "summary": "auto"}}),
            json!({"reasoning_effort": "low"}),
        ),
        (
            "groq/x",
            json!({"max_completion_tokens": 5}),
            json!({"max_tokens": 5, "max_completion_tokens": null}),
        ),
        (
            "groq/openai/gpt-oss-20b",
            json!({"web_search_options": {}}),
            json!({"tools": [{"type": "browser_search"}]}),
        ),
        (
            "deepseek/x",
            json!({"reasoning_effort": "none"}),
            json!({"thinking": {"type": "disabled"}, "reasoning_effort": null}),
        ),
        (
            "deepseek/x",
            json!({"reasoning_effort": "high"}),
            json!({"thinking": {"type": "enabled"}, "reasoning_effort": "high"}),
        ),
        (
            "deepseek/x",
            json!({"thinking": {"type": "enabled", "budget_tokens": 9}}),
            json!({"thinking": {"type": "enabled"}}),
        ),
        (
            "deepseek/x",
            json!({"tools": [{"type": "web_search"}]}),
            json!({"tools": []}),
        ),
        (
            "mistral/m",
            json!({"seed": 3, "tool_choice": "required"}),
            json!({"random_seed": 3, "seed": null, "tool_choice": "any"}),
        ),
        (
            "mistral/magistral-small",
            json!({"reasoning_effort": "low"}),
            json!({"prompt_mode": "reasoning", "reasoning_effort": null}),
        ),
        (
            "mistral/m",
            json!({"reasoning_effort": "medium"}),
            json!({"reasoning_effort": "high"}),
        ),
        (
            "openrouter/openai/gpt-4o",
            json!({"reasoning_effort": "max", "provider": {"order": []}}),
            json!({"reasoning_effort": "xhigh", "usage": {"include": true}, "provider": {"order": []}}),
        ),
        (
            "openrouter/x/y",
            json!({"thinking": {"type": "enabled", "budget_tokens": 9}}),
            json!({"reasoning": {"max_tokens": 9}, "thinking": null}),
        ),
        (
            "openrouter/anthropic/claude",
            json!({"messages": [{"role": "user", "content": "x", "cache_control": {"type": "ephemeral"}}]}),
            json!({"messages": [{"role": "user", "content": [{"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}]}]}),
        ),
        (
            "xai/grok-3",
            json!({ "tools": strict }),
            json!({"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "additionalProperties": false}}}]}),
        ),
        (
            "hosted_vllm/m",
            json!({ "tools": strict }),
            json!({"tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]}),
        ),
        (
            "hosted_vllm/m",
            json!({"thinking": {"type": "enabled", "budget_tokens": 2048}}),
            json!({"reasoning_effort": "medium", "thinking": null}),
        ),
        (
            "hosted_vllm/m",
            json!({"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_data": "data:video/mp4;base64,AA"}}]}]}),
            json!({"messages": [{"role": "user", "content": [{"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AA"}}]}]}),
        ),
        (
            "xai/grok-3",
            json!({"messages": [{"role": "user", "name": "n", "content": "x"}]}),
            json!({"messages": [{"role": "user", "content": "x"}]}),
        ),
        (
            "moonshot/k",
            json!({"temperature": 1.5}),
            json!({"temperature": 1.0}),
        ),
        (
            "moonshot/k",
            json!({"temperature": 0.1, "n": 2}),
            json!({"temperature": 0.3}),
        ),
        (
            "moonshot/k",
            json!({"tool_choice": "required"}),
            json!({"tool_choice": null}),
        ),
        ("minimax/m", json!({}), json!({"reasoning_split": true})),
        (
            "minimax/m",
            json!({"reasoning_split": false}),
            json!({"reasoning_split": false}),
        ),
        (
            "fireworks_ai/llama",
            json!({"tool_choice": "required"}),
            json!({"model": "accounts/fireworks/models/llama", "tool_choice": "any"}),
        ),
        (
            "fireworks_ai/accounts/me/models/x",
            json!({}),
            json!({"model": "accounts/me/models/x"}),
        ),
        (
            "zai/glm",
            json!({"max_completion_tokens": 5, "thinking": {"type": "disabled"}}),
            json!({"max_tokens": 5, "thinking": {"type": "disabled"}}),
        ),
        (
            "parasail/m",
            json!({"store": true}),
            json!({"store": false}),
        ),
        (
            "scx-ai/m",
            json!({"temperature": 2.0}),
            json!({"temperature": 1.99}),
        ),
        (
            "clarifai/openai.chat.gpt",
            json!({}),
            json!({"model": "https://clarifai.com/openai/chat/models/gpt"}),
        ),
    ]);
}

#[test]
fn fireworks_refuses_what_it_cannot_take() {
    for body in [
        json!({"thinking": {"type": "enabled"}, "reasoning_effort": "low"}),
        json!({"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]}),
    ] {
        let error = send("fireworks_ai/x", &body).expect_err("refused");
        assert_eq!(error.kind, Kind::BadRequest, "{error}");
    }
}

#[test]
fn groq_answers_to_a_schema_through_a_tool() {
    let target = target("groq/llama-3.1-8b-instant");
    let schema = json!({"type": "object", "properties": {"a": {"type": "integer"}}});
    let body = json!({
        "messages": [{"role": "user", "content": "Hi"}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}},
    });
    let options = CallOptions::default();
    let call =
        Call::prepare(Op::Chat, &target, Body::from(object(&body)), &options).expect("a call");
    let sent: Value = serde_json::from_slice(
        call.encode()
            .expect("a request")
            .body()
            .bytes()
            .expect("in memory"),
    )
    .expect("json");
    assert_eq!(
        sent["tools"][0]["function"],
        json!({"name": "json_tool_call", "parameters": schema})
    );
    assert_eq!(sent["tool_choice"]["function"]["name"], "json_tool_call");
    assert!(sent.get("response_format").is_none());

    let reply = json!({"id": "1", "object": "chat.completion", "created": 1, "model": "m", "choices": [{"index": 0, "finish_reason": "tool_calls", "message": {
        "role": "assistant", "content": null,
        "tool_calls": [{"id": "c", "type": "function", "function": {"name": "json_tool_call", "arguments": "{\"a\":1}"}}]}}]});
    let Step::Done(answer) = call
        .decode(Reply::ok(reply.to_string()))
        .expect("an answer")
    else {
        panic!("not at once");
    };
    let answer = answer.into_chat().expect("chat");
    let choice = &answer.choices[0];
    assert_eq!(
        choice.message.content.as_ref().map(|c| c.text()).as_deref(),
        Some("{\"a\":1}")
    );
    assert!(choice.message.tool_calls.is_empty());
    assert_eq!(choice.finish_reason.as_deref(), Some("stop"));

    let with_tools = json!({"response_format": body["response_format"], "tools": [{"type": "function", "function": {"name": "f"}}]});
    assert_eq!(
        send_to(&target, &with_tools, &options)
            .expect_err("refused")
            .kind,
        Kind::BadRequest
    );
}

#[test]
fn gigachat_s_functions_are_tools() {
    let target = target("gigachat/GigaChat");
    let body = json!({
        "messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": null, "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{\"a\":1}"}}]},
            {"role": "tool", "tool_call_id": "c", "content": "2"},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}], "tool_choice": "required",
    });
    let options = CallOptions::default();
    let call =
        Call::prepare(Op::Chat, &target, Body::from(object(&body)), &options).expect("a call");
    let sent: Value = serde_json::from_slice(
        call.encode()
            .expect("a request")
            .body()
            .bytes()
            .expect("in memory"),
    )
    .expect("json");
    assert_eq!(sent["functions"], json!([{"name": "f", "parameters": {}}]));
    assert_eq!(
        (&sent["function_call"], sent.get("tools")),
        (&json!({"name": "f"}), None)
    );
    assert_eq!(
        sent["messages"][1]["function_call"],
        json!({"name": "f", "arguments": {"a": 1}})
    );
    assert_eq!(
        sent["messages"][2],
        json!({"role": "function", "content": "2"})
    );

    let reply = json!({"object": "chat.completion", "created": 1, "model": "m", "choices": [{"index": 0, "finish_reason": "function_call",
        "message": {"role": "assistant", "content": "", "function_call": {"name": "f", "arguments": {"a": 1}}}}]});
    let Step::Done(answer) = call
        .decode(Reply::ok(reply.to_string()))
        .expect("an answer")
    else {
        panic!("not at once");
    };
    let choice = &answer.into_chat().expect("chat").choices[0];
    let call = &choice.message.tool_calls[0];
    assert_eq!(
        (
            call.function.name.as_deref(),
            call.function.arguments.as_str()
        ),
        (Some("f"), "{\"a\":1}")
    );
    assert!(call.id.is_some());
    assert_eq!(choice.finish_reason.as_deref(), Some("tool_calls"));
}

#[test]
fn tools_of_json_configured_providers_follow_the_price_table() {
    let tools = json!({"tools": [{"type": "function", "function": {"name": "f"}}]});
    let mut target = target("publicai/x");
    send_to(&target, &tools, &CallOptions::default()).expect("an unknown model may try");
    target.facts.mode = Some("chat".into());
    let error = send_to(&target, &tools, &CallOptions::default()).expect_err("refused");
    assert_eq!(error.kind, Kind::UnsupportedParams);
    target
        .facts
        .supports
        .insert("function_calling".into(), true);
    send_to(&target, &tools, &CallOptions::default()).expect("the model calls functions");
}

#[test]
fn modify_params_keeps_the_limit_within_the_model() {
    let mut target = target("openai/gpt-4o");
    target.facts.max_output_tokens = Some(100);
    let body = json!({"max_tokens": 5000});
    let (sent, _) = send_to(&target, &body, &CallOptions::default()).expect("sent");
    assert_eq!(sent["max_tokens"], 5000);
    let options = CallOptions {
        modify_params: true,
        ..CallOptions::default()
    };
    let (sent, notices) = send_to(&target, &body, &options).expect("sent");
    assert_eq!(
        (&sent["max_tokens"], notices.as_slice()),
        (&json!(100), &["max_tokens".to_owned()][..])
    );
}

#[test]
fn embeddings_have_parameters_too() {
    let send = |model: &str, body: Value| {
        let target = target(model);
        let options = CallOptions::default();
        let call = Call::prepare(Op::Embedding, &target, Body::from(object(&body)), &options)?;
        Ok::<Value, Error>(
            serde_json::from_slice(call.encode()?.body().bytes().expect("in memory"))
                .expect("json"),
        )
    };
    let error = send(
        "openai/text-embedding-ada-002",
        json!({"input": "x", "dimensions": 5}),
    )
    .expect_err("refused");
    assert_eq!(
        (error.kind, error.param.as_deref()),
        (Kind::UnsupportedParams, Some("dimensions"))
    );
    let sent = send(
        "openai/text-embedding-3-small",
        json!({"input": "x", "dimensions": 5, "user": "u"}),
    )
    .expect("sent");
    assert_eq!(
        (&sent["dimensions"], &sent["user"]),
        (&json!(5), &json!("u"))
    );
    let sent = send(
        "voyage/v",
        json!({"input": "x", "dimensions": 5, "input_type": "query"}),
    )
    .expect("sent");
    assert_eq!(
        (&sent["output_dimension"], &sent["input_type"]),
        (&json!(5), &json!("query"))
    );
    assert!(send("volcengine/v", json!({"input": "x", "dimensions": 5})).is_err());
}

#[test]
fn the_supported_list_is_what_is_taken() {
    let list = |model: &str, op| {
        let target = target(model);
        supported_params(target.provider, &target.model, &ModelFacts::default(), op)
    };
    let chat = list("perplexity/sonar", Op::Chat);
    assert!(
        chat.contains(&"temperature")
            && !chat.contains(&"seed")
            && !chat.contains(&"stream_options")
    );
    assert!(list("litellm_proxy/x", Op::Chat).contains(&"thinking"));
    assert_eq!(
        list("volcengine/x", Op::Embedding),
        ["encoding_format", "user"]
    );
}
