//! Responses that were begun earlier: told again, and charged once.

use axum::body::Body;
use http::Response;
use llm_providers::{Credential, Target, lookup};
use serde_json::{Value, json};

use crate::{sessions::measured, support::*};

const KEY: (&str, &str) = ("authorization", "Bearer sk-master");
const SPENT: &str = "litellm_spend_metric_total";

fn response(background: bool, status: &str) -> Value {
    let usage = match status {
        "queued" => Value::Null,
        _ => json!({"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100}),
    };
    json!({
        "id": "resp_1", "object": "response", "created_at": 5, "model": "gpt-4.1", "status": status,
        "background": background, "output": [], "tools": [], "usage": usage,
    })
}

/// A vendor that keeps what it is asked for: at first only queued, where it is asked in the background.
pub(crate) async fn keeping() -> Vendor {
    Vendor::answering(|asked| {
        if asked.path.ends_with("/responses") {
            let background = asked.json()["background"] == true;
            let status = if background { "queued" } else { "completed" };
            return whole(&response(background, status));
        }
        let background = asked.path.ends_with("resp_1");
        match asked.query.contains("stream=true") {
            true => told(&response(background, "completed")),
            false => whole(&response(background, "completed")),
        }
    })
    .await
}

fn told(response: &Value) -> Response<Body> {
    let delta = json!({"type": "response.output_text.delta", "sequence_number": 4, "delta": "Hi"});
    let done = json!({"type": "response.completed", "sequence_number": 5, "response": response});
    events(&format!(
        "event: response.output_text.delta\ndata: {delta}\n\nevent: response.completed\ndata: {done}\n\n"
    ))
}

async fn before(vendor: &Vendor) -> Gateway {
    let mut settings = with_master_key(settings(&vendor.url));
    settings.deployments[0].target.model = "gpt-4.1".into();
    Gateway::with(settings).await
}

pub(crate) async fn made(gateway: &Gateway, body: Value) -> String {
    let got = gateway
        .send("POST", "/v1/responses", &[KEY], body.to_string())
        .await;
    assert_eq!(got.status, 200, "{}", got.text());
    got.json()["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_response_is_streamed_again_and_costs_nothing_more() {
    let vendor = Vendor::answering(|asked| match asked.query.contains("stream=true") {
        true => told(&response(false, "completed")),
        false => whole(&response(false, "completed")),
    })
    .await;
    let gateway = before(&vendor).await;
    let id = made(&gateway, json!({"model": "gpt", "input": "Hi"})).await;
    let once = measured(&gateway, SPENT).await;
    // 1000 and 100 tokens at 2 and 8 dollars a million.
    assert!((once - 0.0028).abs() < 1e-9, "{once}");
    let path = format!("/v1/responses/{id}?stream=true&starting_after=3");
    let got = gateway.send("GET", &path, &[KEY], "").await;
    assert_eq!(got.status, 200, "{}", got.text());
    assert!(got.header("content-type").starts_with("text/event-stream"));
    let text = got.text();
    assert!(
        text.starts_with("event: response.output_text.delta\n"),
        "{text}"
    );
    assert!(
        text.contains("event: response.completed\n") && text.contains(&id),
        "{text}"
    );
    let asked = vendor.asked().pop().unwrap();
    assert_eq!(asked.path, "/v1/responses/resp_1");
    assert_eq!(asked.query, "stream=true&starting_after=3");
    assert_eq!(measured(&gateway, SPENT).await, once);
}

#[tokio::test]
async fn a_response_of_the_background_is_charged_once() {
    for ways in [
        ["", "", "?stream=true"],
        ["?stream=true", "", "?stream=true"],
    ] {
        let vendor = keeping().await;
        let gateway = before(&vendor).await;
        let body = json!({"model": "gpt", "input": "Hi", "background": true});
        let id = made(&gateway, body).await;
        assert_eq!(measured(&gateway, SPENT).await, 0.0);
        for way in ways {
            let path = format!("/v1/responses/{id}{way}");
            let got = gateway.send("GET", &path, &[KEY], "").await;
            assert_eq!(got.status, 200, "{}", got.text());
            let spent = measured(&gateway, SPENT).await;
            assert!((spent - 0.0028).abs() < 1e-9, "{ways:?} {way}: {spent}");
        }
    }
}

#[tokio::test]
async fn a_stream_of_the_background_is_charged_once() {
    let vendor = Vendor::answering(|asked| match asked.path.ends_with("/responses") {
        true => told(&response(true, "completed")),
        false => whole(&response(true, "completed")),
    })
    .await;
    let gateway = before(&vendor).await;
    let body = json!({"model": "gpt", "input": "Hi", "background": true, "stream": true});
    let got = gateway
        .send("POST", "/v1/responses", &[KEY], body.to_string())
        .await;
    let last = got.text().lines().rfind(|line| line.starts_with("data: {"));
    let last: Value = serde_json::from_str(last.unwrap().trim_start_matches("data: ")).unwrap();
    let spent = measured(&gateway, SPENT).await;
    assert!((spent - 0.0028).abs() < 1e-9, "{spent}");
    let path = format!("/v1/responses/{}", last["response"]["id"].as_str().unwrap());
    let got = gateway.send("GET", &path, &[KEY], "").await;
    assert_eq!(got.json()["status"], "completed", "{}", got.text());
    assert_eq!(measured(&gateway, SPENT).await, spent);
}

#[tokio::test]
async fn what_is_kept_here_is_told_as_events() {
    let vendor = Vendor::answering(|_| {
        whole(&json!({
            "id": "msg_1", "type": "message", "role": "assistant", "model": "m", "content": [{"type": "text", "text": "Hello"}],
            "stop_reason": "end_turn", "usage": {"input_tokens": 7, "output_tokens": 2},
        }))
    })
    .await;
    let mut settings = with_master_key(settings(&vendor.url));
    let row = lookup("anthropic").unwrap();
    let target = Target::new(row, "claude-sonnet-4-5", Credential::key("sk-ant"));
    let base = vendor.url.trim_end_matches("/v1");
    settings.deployments[0].target = target.at(base);
    let gateway = Gateway::with(settings).await;
    let id = made(&gateway, json!({"model": "gpt", "input": "Hi"})).await;
    let path = format!("/v1/responses/{id}?stream=true");
    let got = gateway.send("GET", &path, &[KEY], "").await;
    assert_eq!(
        got.header("content-type"),
        "text/event-stream",
        "{}",
        got.text()
    );
    let names = got
        .text()
        .lines()
        .filter_map(|line| line.strip_prefix("event: "));
    let names: Vec<&str> = names.collect();
    assert_eq!(
        names,
        [
            "response.created",
            "response.in_progress",
            "response.output_item.added",
            "response.content_part.added",
            "response.output_text.delta",
            "response.output_text.done",
            "response.content_part.done",
            "response.output_item.done",
            "response.completed",
        ]
    );
    assert!(got.text().contains(r#""delta":"Hello""#), "{}", got.text());
    let path = format!("{path}&starting_after=2");
    let got = gateway.send("GET", &path, &[KEY], "").await;
    let (status, _, message) = got.error();
    assert!(
        status == 400 && message.contains("kept as a whole"),
        "{message}"
    );
}
