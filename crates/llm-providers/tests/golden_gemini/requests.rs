//! What goes out.

use llm_providers::{Call, CallOptions, Credential, Kind, Target, lookup};
use llm_types::Op;
use serde_json::json;

use crate::{ask, chat, object, sent, target, vertex};

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
