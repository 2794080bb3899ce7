//! A batch that a vendor with a wire of its own answers, from its input's upload to its answers.

use axum::body::Body;
use http::Response;
use llm_providers::{Credential, Target, lookup};
use llm_router::Deployment;
use serde_json::{Value, json};

use crate::support::*;

const FORM: &str = "multipart/form-data; boundary=X";

fn upload(provider: &str) -> String {
    let line = json!({"custom_id": "a", "method": "POST", "url": "/v1/chat/completions",
        "body": {"model": "claude", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9}});
    format!(
        "--X\r\ncontent-disposition: form-data; name=\"purpose\"\r\n\r\nbatch\r\n\
         --X\r\ncontent-disposition: form-data; name=\"custom_llm_provider\"\r\n\r\n{provider}\r\n\
         --X\r\ncontent-disposition: form-data; name=\"file\"; filename=\"in.jsonl\"\r\n\r\n{line}\n\r\n--X--\r\n"
    )
}

fn anthropic(asked: Asked) -> Response<Body> {
    let batch = json!({"id": "msgbatch_1", "type": "message_batch", "processing_status": "ended",
        "request_counts": {"processing": 0, "succeeded": 1, "errored": 0, "canceled": 0, "expired": 0},
        "created_at": "2026-08-20T18:37:24Z", "ended_at": "2026-08-20T19:00:00Z"});
    if !asked.path.ends_with("/results") {
        return whole(&batch);
    }
    let message = json!({"id": "msg_1", "type": "message", "role": "assistant",
        "model": "claude-sonnet-4-5-20250929", "content": [{"type": "text", "text": "Hello"}],
        "stop_reason": "end_turn", "usage": {"input_tokens": 1_000_000, "output_tokens": 0}});
    let line = json!({"custom_id": "a", "result": {"type": "succeeded", "message": message}});
    reply(200, "application/x-jsonl", format!("{line}\n"))
}

#[tokio::test]
async fn a_batch_is_sent_to_anthropic_read_back_and_charged_once() {
    let vendor = Vendor::answering(anthropic).await;
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(&vendor.url);
    let target = Target::new(
        lookup("anthropic").unwrap(),
        "claude-sonnet-4-5",
        Credential::key("sk-vendor"),
    );
    settings.deployments = vec![Deployment::new("c", "claude", target.at(&vendor.url))];
    settings.data_folder = Some(folder.path().to_owned());
    let gateway = Gateway::with(settings).await;

    let form = [("content-type", FORM)];
    let file = gateway
        .send("POST", "/v1/files", &form, upload("anthropic"))
        .await;
    let file = file.json()["id"].as_str().unwrap().to_owned();
    let order = json!({"input_file_id": file, "endpoint": "/v1/chat/completions",
        "completion_window": "24h", "custom_llm_provider": "anthropic"});
    let made = gateway.post("/v1/batches", &order).await.json();
    assert_eq!(made["input_file_id"], file.as_str());
    let sent = vendor.asked().pop().unwrap();
    assert_eq!(sent.path, "/v1/messages/batches");
    assert_eq!(
        sent.json()["requests"][0]["params"]["model"],
        "claude-sonnet-4-5"
    );
    assert_eq!(sent.headers["x-api-key"], "sk-vendor");

    let path = format!("/v1/batches/{}", made["id"].as_str().unwrap());
    let batch = gateway.get(&path).await.json();
    assert_eq!(batch["status"], "completed");
    let path = format!(
        "/v1/files/{}/content",
        batch["output_file_id"].as_str().unwrap()
    );
    for _ in 0..2 {
        let answers = gateway.get(&path).await;
        let line: Value = serde_json::from_slice(&answers.body).unwrap();
        assert_eq!(
            line["response"]["body"]["choices"][0]["message"]["content"],
            "Hello"
        );
    }
    gateway.settled().await;
    // Three dollars a million tokens, half of it in a batch, once.
    assert_eq!(gateway.metric(&["spend", "claude"]).await, 1.5);
}

#[tokio::test]
async fn a_batch_of_nobody_s_is_answered_here() {
    let vendor = Vendor::answering(anthropic).await;
    let folder = tempfile::tempdir().unwrap();
    let mut settings = settings(&vendor.url);
    settings.data_folder = Some(folder.path().to_owned());
    let gateway = Gateway::with(settings).await;
    let form = [("content-type", FORM)];
    let file = gateway
        .send("POST", "/v1/files", &form, upload("local"))
        .await;
    let order = json!({"input_file_id": file.json()["id"], "endpoint": "/v1/chat/completions",
        "completion_window": "24h"});
    let made = gateway.post("/v1/batches", &order).await.json();
    assert!(made["id"].as_str().unwrap().starts_with("batch_local-"));
}
