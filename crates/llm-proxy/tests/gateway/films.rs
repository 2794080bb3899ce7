//! A video from its order to its bytes, through the gateway, with vendors that have a wire of their own.

use axum::body::Body;
use http::Response;
use llm_providers::{Credential, Target, lookup};
use llm_router::Deployment;
use serde_json::{Value, json};

use crate::support::*;

/// A gateway before one model of `provider`.
async fn before(vendor: &Vendor, provider: &str, model: &str) -> Gateway {
    let root = vendor.url.trim_end_matches("/v1");
    let target = Target::new(
        lookup(provider).unwrap(),
        model,
        Credential::key("sk-vendor"),
    );
    let target = target.with("vertex_project", "p-1").at(root);
    let mut settings = with_master_key(settings(&vendor.url));
    settings.deployments = vec![Deployment::new("films", "film", target)];
    Gateway::with(settings).await
}

const KEY: &[(&str, &str)] = &[("authorization", "Bearer sk-master")];

async fn ask(gateway: &Gateway, method: &str, path: &str, body: &Value) -> Got {
    let body = match body {
        Value::Null => String::new(),
        body => body.to_string(),
    };
    gateway.send(method, path, KEY, body).await
}

fn runway(asked: Asked) -> Response<Body> {
    match asked.path.as_str() {
        "/v1/text_to_video" => whole(&json!({"id": "t-1"})),
        "/film.mp4" => reply(200, "video/mp4", "film"),
        _ => {
            let host = asked.headers["host"].to_str().unwrap();
            let place = format!("http://{host}/film.mp4");
            whole(&json!({"id": "t-1", "status": "SUCCEEDED", "output": [place]}))
        }
    }
}

#[tokio::test]
async fn a_video_is_ordered_asked_after_fetched_and_deleted() {
    let vendor = Vendor::answering(runway).await;
    let gateway = before(&vendor, "runwayml", "gen4_turbo").await;
    let order = json!({"model": "film", "prompt": "A cat", "seconds": "8", "size": "1280x720"});
    let made = ask(&gateway, "POST", "/v1/video/generations", &order).await;
    assert_eq!(made.header("x-litellm-response-cost"), "0.4");
    let film = made.json();
    let id = film["id"].as_str().unwrap();
    assert!(film["created_at"].as_u64().unwrap() > 1_700_000_000 && id != "t-1");

    let shown = ask(&gateway, "GET", &format!("/v1/videos/{id}"), &Value::Null).await;
    assert_eq!(
        (&shown.json()["status"], &shown.json()["id"]),
        (&json!("completed"), &json!(id))
    );
    // What was paid for when it was ordered is not paid for again.
    assert!(matches!(shown.header("x-litellm-response-cost"), "" | "0"));

    let bytes = ask(
        &gateway,
        "GET",
        &format!("/v1/videos/{id}/content"),
        &Value::Null,
    )
    .await;
    assert_eq!(
        (bytes.text(), bytes.header("content-type")),
        ("film", "video/mp4")
    );

    let gone = ask(
        &gateway,
        "DELETE",
        &format!("/v1/videos/{id}"),
        &Value::Null,
    )
    .await;
    assert_eq!(
        (&gone.json()["deleted"], &gone.json()["id"]),
        (&json!(true), &json!(id))
    );
    let other = ask(
        &gateway,
        "POST",
        &format!("/v1/videos/{id}/remix"),
        &json!({"prompt": "B"}),
    )
    .await;
    let (status, _, message) = other.error();
    assert!(
        status == 400 && message.contains("video_remix") && message.contains("openai"),
        "{message}"
    );
}

#[tokio::test]
async fn a_video_that_is_not_there_yet_harms_no_deployment() {
    let vendor = Vendor::answering(|asked: Asked| {
        let name = "models/veo-3.0-generate-001/operations/o-1";
        match asked.path.ends_with(":predictLongRunning") {
            true => whole(&json!({"name": name})),
            false => whole(&json!({"name": name, "done": false})),
        }
    })
    .await;
    let gateway = before(&vendor, "gemini", "veo-3.1-fast-generate-preview").await;
    let order = json!({"model": "film", "prompt": "A cat", "size": "1920x1080"});
    let made = ask(&gateway, "POST", "/v1/videos", &order).await;
    assert_eq!(made.header("x-litellm-response-cost"), "0.96");
    let path = format!("/v1/videos/{}/content", made.json()["id"].as_str().unwrap());
    for _ in 0..3 {
        let got = ask(&gateway, "GET", &path, &Value::Null).await;
        let (status, _, message) = got.error();
        assert!(status == 400 && message.contains("not ready"), "{message}");
    }
    assert_eq!(
        ask(&gateway, "POST", "/v1/videos", &order).await.status,
        200
    );
}

#[tokio::test]
async fn a_film_inside_an_answer_is_handed_on_as_bytes() {
    let vendor = Vendor::answering(|asked: Asked| {
        let name = "projects/p-1/locations/us-central1/publishers/google/models/veo-2.0-generate-001/operations/o-1";
        match asked.path.ends_with(":predictLongRunning") {
            true => whole(&json!({"name": name})),
            false => whole(&json!({"name": name, "done": true, "response": {
                "videos": [{"bytesBase64Encoded": "ZmlsbQ==", "mimeType": "video/mp4"}]}})),
        }
    })
    .await;
    let gateway = before(&vendor, "vertex_ai", "veo-2.0-generate-001").await;
    let order = json!({"model": "film", "prompt": "A cat", "sampleCount": 2, "seconds": "5"});
    let made = ask(&gateway, "POST", "/v1/videos", &order).await;
    assert_eq!(made.header("x-litellm-response-cost"), "5");
    let path = format!("/v1/videos/{}/content", made.json()["id"].as_str().unwrap());
    let got = ask(&gateway, "GET", &path, &Value::Null).await;
    assert_eq!(
        (got.text(), got.header("content-type")),
        ("film", "video/mp4")
    );
}
