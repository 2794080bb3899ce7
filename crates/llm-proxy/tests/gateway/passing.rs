//! Requests in vendors' own formats.

use std::time::Duration;

use http_body_util::BodyExt;
use llm_providers::{Credential, Target, lookup};
use llm_proxy::{
    config,
    settings::{Endpoint, Settings},
};
use llm_router::Deployment;
use serde_json::json;

use crate::{sessions::measured, support::*};

const KEY: (&str, &str) = ("authorization", "Bearer sk-master");
const PLAIN: &str =
    r#"{ "model":"gpt-4o-mini",  "messages":[{"role":"user","content":"Hi"}], "new_field": 1.50 }"#;

async fn before(vendor: &Vendor) -> Gateway {
    Gateway::with(with_master_key(settings(&vendor.url))).await
}

fn no_key_of_ours_went_on(vendor: &Vendor) {
    for asked in vendor.asked() {
        for value in asked.headers.values() {
            assert!(!value.to_str().unwrap().contains("sk-master"), "{asked:?}");
        }
    }
}

#[tokio::test]
async fn a_vendors_own_request_goes_on_as_it_is_with_its_own_key() {
    let vendor = Vendor::friendly().await;
    let gateway = before(&vendor).await;
    let headers = [
        KEY,
        ("content-type", "application/json"),
        ("openai-beta", "x=1"),
    ];
    for path in ["/openai/chat/completions?a=1", "/openai/chat/completions"] {
        let got = gateway.send("POST", path, &headers, PLAIN).await;
        assert_eq!(got.status, 200, "{}", got.text());
        assert_eq!(got.body, completion("Hello").to_string());
        assert_eq!(got.header("x-request-id"), "req_1");
        assert_eq!(got.header("x-litellm-model-api-base"), vendor.url);
        // 7 and 2 tokens at 0.15 and 0.60 dollars a million.
        assert_eq!(got.header("x-litellm-response-cost"), "0.00000225");
    }
    let asked = &vendor.asked()[0];
    assert_eq!(asked.path, "/v1/chat/completions");
    assert_eq!(asked.headers["authorization"], "Bearer sk-vendor");
    assert_eq!(asked.headers["openai-beta"], "x=1");
    assert_eq!(asked.body, PLAIN);
    no_key_of_ours_went_on(&vendor);
    gateway.settled().await;
    let requests = gateway.send("GET", "/metrics", &[KEY], "").await;
    assert!(requests.text().contains(r#"route="pass_through_endpoint""#));
}

#[tokio::test]
async fn a_configured_model_is_answered_by_its_deployment() {
    let vendor = Vendor::friendly().await;
    let gateway = before(&vendor).await;
    let got = gateway
        .send(
            "POST",
            "/openai/chat/completions",
            &[KEY],
            chat("gpt").to_string(),
        )
        .await;
    assert_eq!(got.status, 200);
    assert_eq!(got.header("x-litellm-model-id"), "id-gpt");
    assert_eq!(vendor.asked()[0].json()["model"], "vendor-model");
}

#[tokio::test]
async fn streams_pass_byte_by_byte_and_are_counted() {
    let vendor = Vendor::friendly().await;
    let gateway = before(&vendor).await;
    let body = json!({"model": "gpt-4o-mini", "stream": true, "messages": []}).to_string();
    let got = gateway
        .send("POST", "/openai/chat/completions", &[KEY], body)
        .await;
    assert_eq!(got.header("content-type"), "text/event-stream");
    let sent = CHUNKS.map(|chunk| format!("data: {chunk}\n\n")).concat();
    assert_eq!(got.body, sent);
    gateway.settled().await;
    let metrics = gateway.send("GET", "/metrics", &[KEY], "").await;
    let line = metrics
        .text()
        .lines()
        .find(|line| line.starts_with("litellm_total_tokens_metric_total"))
        .map(str::to_owned);
    assert!(
        line.is_some_and(|line| line.ends_with(" 9")),
        "{}",
        metrics.text()
    );
}

/// A vendor that tells the usage of a stream to those who ask for it.
async fn telling() -> Vendor {
    Vendor::answering(|asked| {
        let asks = asked.json()["stream_options"]["include_usage"] == true;
        let told = json!({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}});
        let chunk = json!({"choices": [{"index": 0, "text": "Hi", "delta": {"content": "Hi"}, "finish_reason": "stop"}], "usage": null});
        let told = match asks {
            true => format!("data: {told}\n\n"),
            false => String::new(),
        };
        let text = format!("data: {chunk}\n\n{told}data: [DONE]\n\n");
        let mut reply = events(&text);
        let length = text.len().into();
        reply.headers_mut().insert("content-length", length);
        reply
    })
    .await
}

#[tokio::test]
async fn a_stream_is_counted_whose_client_did_not_ask_for_that() {
    let vendor = telling().await;
    let gateway = before(&vendor).await;
    let total = "litellm_total_tokens_metric_total";
    for (n, path) in ["chat/completions", "completions"].into_iter().enumerate() {
        let path = format!("/openai/{path}");
        let mut body = json!({"model": "gpt-3.5-turbo-instruct", "stream": true, "new_field": 1.5});
        let got = gateway.send("POST", &path, &[KEY], body.to_string()).await;
        assert_eq!(got.status, 200, "{}", got.text());
        assert!(!got.text().contains("prompt_tokens"), "{}", got.text());
        assert_eq!(got.text().matches("data: ").count(), 2, "{}", got.text());
        assert!(got.text().ends_with("data: [DONE]\n\n"), "{}", got.text());
        assert_eq!(measured(&gateway, total).await, 18.0 * n as f64 + 9.0);
        body["stream_options"] = json!({"include_usage": true});
        let got = gateway.send("POST", &path, &[KEY], body.to_string()).await;
        assert!(got.text().contains("prompt_tokens"), "{}", got.text());
        assert_eq!(measured(&gateway, total).await, 18.0 * n as f64 + 18.0);
        assert_eq!(vendor.asked().last().unwrap().body, body.to_string());
    }
    let spend = measured(&gateway, "litellm_spend_metric_total").await;
    // 7 and 2 tokens at 1.5 and 2 dollars a million, four times.
    assert!((spend - 0.000058).abs() < 1e-9, "{spend}");
}

const FORM: (&str, &str) = ("content-type", "multipart/form-data; boundary=XX");

/// A recording of so many bytes, to be written down by `model`.
fn recording(model: &str, bytes: usize) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(
        b"--XX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.wav\"\r\n\r\n",
    );
    body.resize(body.len() + bytes, 7);
    body.extend(b"\r\n--XX\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n");
    body.extend(model.as_bytes());
    body.extend(b"\r\n--XX--\r\n");
    body
}

#[tokio::test]
async fn a_form_is_its_models() {
    let vendor = Vendor::answering(|_| {
        whole(&json!({"text": "Hi", "usage": {"type": "duration", "seconds": 10}}))
    })
    .await;
    let gateway = before(&vendor).await;
    for bytes in [10, 700_000] {
        let path = "/openai/audio/transcriptions";
        let body = recording("whisper-1", bytes);
        let got = gateway.send("POST", path, &[KEY, FORM], body.clone()).await;
        assert_eq!(got.status, 200, "{}", got.text());
        assert_eq!(got.header("x-litellm-model-name"), "whisper-1");
        // A tenth of a thousandth of a dollar a second.
        assert_eq!(got.header("x-litellm-response-cost"), "0.001");
        assert_eq!(vendor.asked().last().unwrap().body, body);
        let body = recording("gpt", bytes);
        let got = gateway.send("POST", path, &[KEY, FORM], body).await;
        assert_eq!(got.header("x-litellm-model-id"), "id-gpt");
        let sent = recording("vendor-model", bytes);
        let asked = vendor.asked().pop().unwrap();
        assert_eq!(asked.headers["content-length"], sent.len().to_string());
        assert!(asked.body == sent, "the form was changed");
    }
}

#[tokio::test]
async fn what_cannot_be_read_does_not_go_on() {
    let vendor = Vendor::friendly().await;
    let gateway = before(&vendor).await;
    let text = ("content-type", "text/plain");
    let twice = r#" {"model":"a","model":"b"}"#;
    let long = format!(
        r#" {{"model":"a","x":"{}","model":"b"}}"#,
        "x".repeat(400_000)
    );
    let cut = String::from_utf8(recording("a", 9)).unwrap();
    let cut = cut.trim_end_matches("--\r\n");
    for (path, kind, body, why) in [
        ("chat/completions", text, twice, "twice"),
        ("unheard/of", text, twice, "twice"),
        ("chat/completions", text, long.as_str(), "twice"),
        ("chat/completions", text, "[]", "object"),
        (
            "chat/completions",
            ("content-encoding", "gzip"),
            "\u{1f}",
            "object",
        ),
        ("audio/transcriptions", FORM, cut, "boundary"),
        ("chat/%63ompletions", text, "{}", "percent"),
        ("chat%2fcompletions", text, "{}", "percent"),
    ] {
        let path = format!("/openai/{path}");
        let got = gateway
            .send("POST", &path, &[KEY, kind], body.to_owned())
            .await;
        assert_eq!(got.status, 400, "{path} {}", got.text());
        assert!(got.text().contains(why), "{path} {}", got.text());
    }
    assert!(vendor.asked().is_empty());
}

#[tokio::test]
async fn a_vendors_openai_like_paths_are_read_as_openais() {
    let vendor = Vendor::friendly().await;
    let row = lookup("gemini").unwrap();
    let target = Target::new(row, "gemini-2.5-flash", Credential::key("google-vendor"));
    let mut settings = settings(&vendor.url);
    let base = vendor.url.trim_end_matches("/v1");
    settings.deployments = vec![Deployment::new("g", "g", target.at(base))];
    let gateway = Gateway::with(with_master_key(settings)).await;
    let body = json!({"model": "gemini-2.5-flash", "messages": []}).to_string();
    let path = "/gemini/v1beta/openai/chat/completions";
    let got = gateway.send("POST", path, &[KEY], body).await;
    assert_eq!(got.status, 200, "{}", got.text());
    // 7 and 2 tokens at 0.3 and 2.5 dollars a million.
    assert_eq!(got.header("x-litellm-response-cost"), "0.0000071");
}

#[tokio::test]
async fn nobody_passes_without_a_key() {
    let vendor = Vendor::friendly().await;
    let gateway = before(&vendor).await;
    for header in [
        ("x-test", "1"),
        ("authorization", "Bearer sk-other"),
        ("x-pass-authorization", "Bearer sk-master"),
    ] {
        for path in [
            "/openai/chat/completions",
            "/openai/v1/unheard/of",
            "/bedrock/model/x/converse",
        ] {
            let got = gateway.send("POST", path, &[header], PLAIN).await;
            assert_eq!(got.status, 401, "{path} {header:?}");
        }
    }
    assert!(vendor.asked().is_empty());
}

#[tokio::test]
async fn keys_come_wherever_a_vendors_client_puts_them() {
    let vendor = Vendor::answering(|_| whole(&json!({"models": []}))).await;
    let row = lookup("gemini").unwrap();
    let target = Target::new(row, "gemini-2.5-flash", Credential::key("google-vendor"));
    let mut settings = settings(&vendor.url);
    settings.deployments = vec![Deployment::new(
        "g",
        "g",
        target.at(vendor.url.trim_end_matches("/v1")),
    )];
    let gateway = Gateway::with(with_master_key(settings)).await;
    for (path, header) in [
        ("/gemini/v1beta/models", ("x-goog-api-key", "sk-master")),
        (
            "/gemini/v1beta/models?key=sk-master&pageSize=2",
            ("x-test", "1"),
        ),
        (
            "/gemini/v1beta/models?key=other",
            ("litellm_user_api_key", "sk-master"),
        ),
    ] {
        let got = gateway.send("GET", path, &[header], "").await;
        assert_eq!(got.status, 200, "{path}: {}", got.text());
    }
    for asked in vendor.asked() {
        assert_eq!(asked.path, "/v1beta/models");
        assert_eq!(asked.headers["x-goog-api-key"], "google-vendor");
    }
    no_key_of_ours_went_on(&vendor);
}

#[tokio::test]
async fn a_vendors_refusal_is_its_own() {
    let vendor = Vendor::answering(|_| {
        reply(
            429,
            "application/json",
            r#"{"error":{"message":"slow","code":"x"}}"#,
        )
    })
    .await;
    let gateway = before(&vendor).await;
    for _ in 0..3 {
        let got = gateway
            .send("DELETE", "/openai/v1/unheard/of/1", &[KEY], "")
            .await;
        assert_eq!(got.status, 429);
        assert_eq!(got.text(), r#"{"error":{"message":"slow","code":"x"}}"#);
    }
    gateway.settled().await;
    let metrics = gateway.send("GET", "/metrics", &[KEY], "").await;
    let counted = metrics.text().lines().any(|line| {
        line.contains("failed_requests")
            && line.contains(r#"exception_status="429""#)
            && line.ends_with(" 3")
    });
    assert!(counted, "{}", metrics.text());
}

#[tokio::test]
async fn no_path_leads_elsewhere() {
    let vendor = Vendor::friendly().await;
    let gateway = before(&vendor).await;
    for path in [
        "/openai/../admin",
        "/openai/%2e%2e/admin",
        "/openai/a/..%2fb",
        "/openai//evil.example/x",
        "/openai/..%5c..",
    ] {
        let got = gateway.send("GET", path, &[KEY], "").await;
        assert!(got.status.is_client_error(), "{path}: {}", got.status);
    }
    assert!(vendor.asked().is_empty());
    assert_eq!(
        gateway.send("GET", "/nobody/x", &[KEY], "").await.status,
        404
    );
    let got = gateway
        .send("POST", "/groq/openai/v1/chat/completions", &[KEY], PLAIN)
        .await;
    assert_eq!(got.status, 400);
    assert!(got.text().contains("GROQ_API_KEY"), "{}", got.text());
}

#[tokio::test]
async fn uploads_of_any_kind_go_on() {
    let vendor = Vendor::answering(|asked| whole(&json!({"length": asked.body.len()}))).await;
    let gateway = before(&vendor).await;
    let body = vec![7_u8; 900_000];
    let headers = [KEY, ("content-type", "audio/wav")];
    let got = gateway
        .send("PUT", "/openai/v1/things", &headers, body.clone())
        .await;
    assert_eq!(got.json()["length"], 900_000);
    let asked = &vendor.asked()[0];
    assert_eq!(asked.headers["content-length"], "900000");
    assert_eq!(asked.headers["content-type"], "audio/wav");
    assert_eq!(asked.body, body);
}

#[tokio::test]
async fn whoever_hangs_up_hangs_up_on_the_vendor() {
    struct Told(std::sync::Mutex<Option<tokio::sync::oneshot::Sender<()>>>);
    impl Drop for Told {
        fn drop(&mut self) {
            if let Some(tell) = self.0.lock().unwrap().take() {
                tell.send(()).ok();
            }
        }
    }
    let (tell, told) = tokio::sync::oneshot::channel();
    let tell = std::sync::Arc::new(std::sync::Mutex::new(Some(tell)));
    let vendor = Vendor::answering(move |_| {
        let hold = Told(std::sync::Mutex::new(tell.lock().unwrap().take()));
        reply(
            200,
            "application/octet-stream",
            endless(vec!["piece".into()], hold),
        )
    })
    .await;
    let gateway = before(&vendor).await;
    let mut reply = gateway
        .begin("GET", "/openai/v1/unheard/of", &[KEY], "")
        .await;
    assert_eq!(
        reply.frame().await.unwrap().unwrap().into_data().unwrap(),
        "piece"
    );
    drop(reply);
    tokio::time::timeout(Duration::from_secs(20), told)
        .await
        .unwrap()
        .unwrap();
    gateway.settled().await;
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_none() {
    let (vendor, say) = Vendor::told().await;
    let gateway = before(&vendor).await;
    say.send(Ok("half".into())).unwrap();
    let mut reply = gateway
        .begin("GET", "/openai/v1/unheard/of", &[KEY], "")
        .await;
    let first = reply.frame().await.unwrap().unwrap();
    assert_eq!(first.into_data().unwrap(), "half");
    say.send(Err(std::io::Error::other("gone"))).unwrap();
    assert!(reply.into_body().collect().await.is_err());
}

/// Settings from a configuration with one endpoint.
fn configured(endpoint: &str) -> Settings {
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = format!(
        "general_settings:\n  master_key: sk-master\n  pass_through_endpoints:\n    - {endpoint}\n"
    );
    std::fs::write(file.path(), text).unwrap();
    let mut settings = config::load(file.path(), &Nothing).unwrap();
    settings.logs.requests = false;
    settings
}

#[tokio::test]
async fn an_endpoint_of_ones_own() {
    let vendor = Vendor::answering(|_| whole(&json!({"results": []}))).await;
    let target = vendor.url.replace("/v1", "/v9/rerank?tenant=a");
    let settings = configured(&format!(
        r#"{{path: "/v1/rerank", target: "{target}", include_subpath: true, cost_per_request: 0.25, merge_query_params: true,
            default_query_params: {{region: eu, page: 1}}, headers: {{authorization: "Bearer sk-service", x-team: 7, litellm_user_api_key: x-team-key}}}}"#
    ));
    let gateway = Gateway::with(settings).await;
    let key = ("x-team-key", "sk-master");
    let got = gateway
        .send(
            "POST",
            "/v1/rerank?page=2",
            &[
                key,
                ("accept", "a/b"),
                ("x-other", "1"),
                ("x-pass-x-more", "2"),
            ],
            "{}",
        )
        .await;
    assert_eq!(
        (got.status.as_u16(), got.header("x-litellm-response-cost")),
        (200, "0.25"),
        "{}",
        got.text()
    );
    assert_eq!(
        gateway
            .send("GET", "/v1/rerank/jobs/1", &[key], "")
            .await
            .status,
        200
    );
    assert_eq!(
        gateway.send("POST", "/v1/rerank", &[], "{}").await.status,
        401
    );
    let asked = vendor.asked();
    assert_eq!(asked[0].path, "/v9/rerank");
    assert_eq!(asked[1].path, "/v9/rerank/jobs/1");
    let headers = &asked[0].headers;
    assert_eq!(
        (&headers["authorization"], &headers["x-team"]),
        (&"Bearer sk-service".parse().unwrap(), &"7".parse().unwrap())
    );
    assert_eq!(
        (&headers["accept"], &headers["x-more"]),
        (&"a/b".parse().unwrap(), &"2".parse().unwrap())
    );
    assert!(!headers.contains_key("x-other") && !headers.contains_key("x-team-key"));
    no_key_of_ours_went_on(&vendor);
}

#[tokio::test]
async fn an_endpoint_for_everybody_and_one_method() {
    let vendor = Vendor::answering(|_| whole(&json!({}))).await;
    let settings = configured(&format!(
        r#"{{path: /open, target: "{}", auth: false, methods: [get], forward_headers: true}}"#,
        vendor.url
    ));
    let Endpoint { needs_key, .. } = settings.passing.endpoints[0];
    assert!(!needs_key);
    let gateway = Gateway::with(settings).await;
    assert_eq!(
        gateway
            .send("GET", "/open/", &[("x-other", "1")], "")
            .await
            .status,
        200
    );
    assert_eq!(gateway.send("POST", "/open", &[], "{}").await.status, 404);
    assert_eq!(gateway.send("GET", "/open/more", &[], "").await.status, 404);
    assert_eq!(gateway.send("GET", "/opener", &[], "").await.status, 404);
    assert_eq!(vendor.asked()[0].headers["x-other"], "1");
}

#[test]
fn endpoints_that_cannot_work_are_named() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let text = "general_settings:\n  pass_through_endpoints:\n    - {path: /a}\n    - {path: /b, target: nowhere}\n    - {path: /c, target: 'http://a.b', timeout: soon, auth: maybe}\n";
    std::fs::write(file.path(), text).unwrap();
    let problems = config::load(file.path(), &Nothing).unwrap_err();
    let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
    let all = all.join("\n");
    for expected in [
        "no 'target'",
        "'target' must be an address",
        "'timeout' must be",
        "'auth' must be",
    ] {
        assert!(all.contains(expected), "{expected}: {all}");
    }
}

#[tokio::test]
async fn pictures_and_speech_are_charged_in_passing() {
    let vendor = Vendor::answering(|asked| match asked.path.as_str() {
        "/v1/audio/speech" => reply(200, "audio/mpeg", "SOUND"),
        "/v1/videos" => {
            whole(&json!({"id": "video_1", "model": "sora-2", "seconds": "4", "size": "720x1280"}))
        }
        "/v1/moderations" => whole(&json!({"id": "m", "model": "omni", "results": []})),
        _ => whole(&json!({
            "created": 1, "data": [{"b64_json": "AAAA"}],
            "usage": {"input_tokens": 100, "output_tokens": 1000, "total_tokens": 1100},
        })),
    })
    .await;
    let gateway = before(&vendor).await;
    let picture = json!({"model": "gpt-image-1-mini", "prompt": "A cat"});
    for (path, body, cost) in [
        ("/openai/v1/../images/generations", json!({}), ""),
        ("/openai/images/generations", picture, "0.0082"),
        (
            "/openai/videos",
            json!({"model": "sora-2", "prompt": "A cat"}),
            "0.4",
        ),
        (
            "/openai/audio/speech",
            json!({"model": "tts-1", "input": "Hello", "voice": "alloy"}),
            "0.000075",
        ),
    ] {
        let got = gateway.send("POST", path, &[KEY], body.to_string()).await;
        let said: f64 = got.header("x-litellm-response-cost").parse().unwrap_or(0.0);
        let expected: f64 = cost.parse().unwrap_or(0.0);
        assert!(
            (said - expected).abs() < 1e-6,
            "{path}: {said} {}",
            got.text()
        );
    }
    gateway.settled().await;
    no_key_of_ours_went_on(&vendor);
}
