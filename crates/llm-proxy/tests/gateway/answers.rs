//! Requests that are answered.

use llm_providers::{Credential, Target, lookup};
use llm_router::Deployment;
use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn a_chat_is_answered_under_the_name_that_was_asked_for() {
    let vendor = Vendor::friendly().await;
    let gateway = Gateway::before(&vendor).await;
    let mut body = chat("gpt");
    body["unknown_to_us"] = json!({"kept": [1, 2]});
    let got = gateway.post("/v1/chat/completions", &body).await;
    assert_eq!(got.status, 200);
    let mut expected = completion("Hello");
    expected["model"] = "gpt".into();
    assert_eq!(got.json(), expected);
    let [asked] = &vendor.asked()[..] else {
        panic!("one call")
    };
    assert_eq!(asked.path, "/v1/chat/completions");
    assert_eq!(asked.headers["authorization"], "Bearer sk-vendor");
    assert_eq!(asked.json()["model"], "vendor-model");
    assert_eq!(asked.json()["unknown_to_us"], body["unknown_to_us"]);
}

#[tokio::test]
async fn headers_say_who_answered() {
    let vendor = Vendor::friendly().await;
    let gateway = Gateway::before(&vendor).await;
    let headers = [("x-litellm-call-id", "my-call")];
    let got = gateway
        .send(
            "POST",
            "/v1/chat/completions",
            &headers,
            chat("gpt").to_string(),
        )
        .await;
    for (name, value) in [
        ("x-litellm-call-id", "my-call"),
        ("x-litellm-model-id", "id-gpt"),
        ("x-litellm-model-name", "vendor-model"),
        ("x-litellm-model-group", "gpt"),
        ("x-litellm-model-api-base", &vendor.url),
        ("x-litellm-attempted-retries", "0"),
        ("x-litellm-attempted-fallbacks", "0"),
        ("llm_provider-x-request-id", "req_1"),
        ("x-ratelimit-remaining-requests", "41"),
        ("content-type", "application/json"),
        ("x-frame-options", "DENY"),
        ("x-content-type-options", "nosniff"),
    ] {
        assert_eq!(got.header(name), value, "{name}");
    }
    assert!(
        got.header("x-litellm-response-duration-ms")
            .parse::<f64>()
            .unwrap()
            > 0.0
    );
    assert_eq!(got.header("content-length"), got.body.len().to_string());
    let long = "x".repeat(257);
    let headers = [("x-litellm-call-id", long.as_str())];
    let got = gateway
        .send(
            "POST",
            "/v1/chat/completions",
            &headers,
            chat("gpt").to_string(),
        )
        .await;
    assert_ne!(got.header("x-litellm-call-id"), long);
}

#[tokio::test]
async fn a_stream_passes_event_by_event_and_ends_with_its_mark() {
    let vendor = Vendor::friendly().await;
    let gateway = Gateway::before(&vendor).await;
    let got = gateway.post("/chat/completions", &streamed("gpt")).await;
    assert_eq!(
        got.header("content-type"),
        "text/event-stream; charset=utf-8"
    );
    assert_eq!(got.header("cache-control"), "no-cache");
    assert_eq!(got.header("x-accel-buffering"), "no");
    let text = got.text();
    assert!(text.starts_with("data: {\"id\":\"c1\""), "{text}");
    assert!(text.ends_with("\n\ndata: [DONE]\n\n"), "{text}");
    assert_eq!(text.matches("\"model\":\"gpt\"").count(), 4, "{text}");
    assert_eq!(text.matches("[DONE]").count(), 1);
}

#[tokio::test]
async fn embeddings_keep_their_digits() {
    let vendor = Vendor::friendly().await;
    let gateway = Gateway::before(&vendor).await;
    let body = json!({"model": "gpt", "input": "Hi"});
    let got = gateway.post("/v1/embeddings", &body).await;
    assert!(got.text().contains("[0.25,-1.5e-7]"), "{}", got.text());
    assert_eq!(got.json()["model"], "gpt");
}

#[tokio::test]
async fn anthropics_clients_are_answered_in_their_dialect() {
    let vendor = Vendor::friendly().await;
    let gateway = Gateway::before(&vendor).await;
    let mut body = chat("gpt");
    body["max_tokens"] = 10.into();
    let got = gateway.post("/v1/messages", &body).await;
    let answer = got.json();
    assert_eq!(answer["type"], "message", "{answer}");
    assert_eq!(answer["model"], "gpt");
    assert_eq!(answer["content"][0]["text"], "Hello");
    body["stream"] = true.into();
    let got = gateway.post("/v1/messages", &body).await;
    let text = got.text();
    assert!(text.starts_with("event: message_start\n"), "{text}");
    assert!(
        text.trim_end()
            .ends_with("data: {\"type\":\"message_stop\"}"),
        "{text}"
    );
    assert!(!text.contains("[DONE]"));
}

#[tokio::test]
async fn tokens_are_counted_for_anthropics_clients() {
    let vendor = Vendor::friendly().await;
    let gateway = Gateway::before(&vendor).await;
    let got = gateway
        .post("/v1/messages/count_tokens", &chat("gpt"))
        .await;
    assert!(got.json()["input_tokens"].as_u64().unwrap() > 0);
    assert!(vendor.asked().is_empty());
    let got = gateway.post("/utils/token_counter", &chat("gpt")).await;
    assert_eq!(got.json()["request_model"], "gpt");
    assert!(got.json()["total_tokens"].as_u64().unwrap() > 0);
}

#[tokio::test]
async fn google_counts_what_google_is_asked() {
    let vendor = Vendor::answering(|asked| {
        assert!(
            asked.path.ends_with("gemini-2.5-flash:countTokens"),
            "{}",
            asked.path
        );
        whole(&json!({"totalTokens": 7, "cachedContentTokenCount": 2}))
    });
    let vendor = vendor.await;
    let mut settings = settings(&vendor.url);
    let row = lookup("gemini").unwrap();
    let target = Target::new(row, "gemini-2.5-flash", Credential::key("sk-vendor"));
    settings.deployments = vec![Deployment::new("g", "gemini", target.at(&vendor.url))];
    let gateway = Gateway::with(settings).await;
    let contents = json!({"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]});
    let got = gateway
        .post("/v1beta/models/gemini:countTokens", &contents)
        .await;
    assert_eq!(
        got.json(),
        json!({"totalTokens": 7, "cachedContentTokenCount": 2})
    );
    let mut asked = chat("gemini");
    asked["max_tokens"] = 9.into();
    let got = gateway.post("/v1/messages/count_tokens", &asked).await;
    assert_eq!(got.json(), json!({"input_tokens": 7}));
}

#[tokio::test]
async fn a_model_in_the_path_wins() {
    let vendor = Vendor::friendly().await;
    let mut settings = settings(&vendor.url);
    settings
        .deployments
        .push(deployment("org/model", &vendor.url));
    let gateway = Gateway::with(settings).await;
    for path in [
        "/engines/org/model/chat/completions",
        "/openai/deployments/org/model/chat/completions?api-version=2024-10-21",
        "/openai/deployments/org%2Fmodel/chat/completions",
    ] {
        let got = gateway.post(path, &chat("gpt")).await;
        assert_eq!(got.header("x-litellm-model-group"), "org/model", "{path}");
    }
    let messages = json!({"messages": [{"role": "user", "content": "Hi"}]});
    let got = gateway
        .post("/engines/gpt/chat/completions", &messages)
        .await;
    assert_eq!(got.json()["model"], "gpt");
}

#[tokio::test]
async fn control_fields_stay_here() {
    let vendor = Vendor::friendly().await;
    let gateway = Gateway::before(&vendor).await;
    let mut body = chat("gpt");
    for key in [
        "mock_response",
        "weights",
        "callbacks",
        "custom_llm_provider",
        "litellm_call_id",
    ] {
        body[key] = "x".into();
    }
    body["metadata"] = json!({"tags": ["a"]});
    let got = gateway.post("/v1/chat/completions", &body).await;
    assert_eq!(got.json()["choices"][0]["message"]["content"], "Hello");
    let [asked] = &vendor.asked()[..] else {
        panic!("one call")
    };
    let sent = asked.json();
    let keys: Vec<&String> = sent.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["model", "messages"]);
}

#[tokio::test]
async fn mocks_are_for_those_who_allow_them() {
    let vendor = Vendor::friendly().await;
    let mut settings = settings(&vendor.url);
    settings.allow_client_mock_response = true;
    let gateway = Gateway::with(settings).await;
    let mut body = chat("gpt");
    body["mock_response"] = "canned".into();
    let got = gateway.post("/v1/chat/completions", &body).await;
    assert_eq!(got.json()["choices"][0]["message"]["content"], "canned");
    assert!(vendor.asked().is_empty());
}

#[tokio::test]
async fn long_answers_are_compressed_for_those_who_ask() {
    let vendor = Vendor::answering(|_| whole(&completion(&"Hello ".repeat(200)))).await;
    let gateway = Gateway::before(&vendor).await;
    let body = chat("gpt").to_string();
    let plain = gateway.chat().await;
    let headers = [("accept-encoding", "gzip, deflate")];
    let got = gateway
        .send("POST", "/v1/chat/completions", &headers, body)
        .await;
    assert_eq!(got.header("content-encoding"), "gzip");
    assert_eq!(got.header("vary"), "Accept-Encoding");
    let mut text = String::new();
    let mut decoder = flate2::read::GzDecoder::new(&got.body[..]);
    std::io::Read::read_to_string(&mut decoder, &mut text).unwrap();
    assert_eq!(text, plain.text());
    assert!(got.body.len() < plain.body.len());
}

#[tokio::test]
async fn the_default_model_answers_whoever_names_none() {
    let vendor = Vendor::friendly().await;
    let mut settings = settings(&vendor.url);
    settings.default_model = Some("gpt".into());
    let gateway = Gateway::with(settings).await;
    let body = json!({"messages": [{"role": "user", "content": "Hi"}]});
    let got = gateway.post("/v1/chat/completions", &body).await;
    assert_eq!(got.json()["model"], "gpt");
}
