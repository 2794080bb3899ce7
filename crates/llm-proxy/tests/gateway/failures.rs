//! Vendors that fail, in all the ways that vendors do.

use std::time::Duration;

use axum::body::Body;
use http::Response;
use http_body_util::BodyExt;
use llm_providers::{Credential, Target, lookup};
use serde_json::json;
use tokio::sync::mpsc;

use crate::support::*;

/// What a client of a stream sees when it ends early.
fn ends_in_error(text: &str) -> bool {
    let last = text.trim_end().rsplit("\n\n").next().unwrap_or_default();
    last.starts_with("data: {\"error\":{") && !text.contains("[DONE]")
}

#[tokio::test]
async fn a_vendors_error_keeps_its_status_and_says_what_was_tried() {
    let vendor = Vendor::answering(|_| {
        let error = json!({"error": {"message": "slow down", "type": "requests", "code": "rate_limit_exceeded"}});
        let mut reply = reply(429, "application/json", error.to_string());
        reply.headers_mut().insert("retry-after", "7".parse().unwrap());
        reply
    })
    .await;
    let gateway = Gateway::before(&vendor).await;
    let got = gateway.chat().await;
    let (status, kind, message) = got.error();
    assert_eq!((status, kind.as_str()), (429, "throttling_error"));
    assert!(
        message.starts_with("litellm.RateLimitError: OpenAIException - slow down"),
        "{message}"
    );
    assert!(
        message
            .ends_with("model group 'gpt' failed with the error above. No fallback was attempted."),
        "{message}"
    );
    assert_eq!(got.header("retry-after"), "7");
    assert_eq!(got.header("x-litellm-attempted-retries"), "0");
    assert_eq!(got.header("llm_provider-x-request-id"), "req_1");
}

#[tokio::test]
async fn while_everybody_rests_clients_are_told_for_how_long_and_nobody_is_asked() {
    let vendor = Vendor::answering(|_| {
        let mut reply = reply(429, "application/json", "{}");
        reply
            .headers_mut()
            .insert("retry-after", "30".parse().unwrap());
        reply
    })
    .await;
    let mut settings = settings(&vendor.url);
    let mut second = deployment("gpt", &vendor.url);
    second.id = "second".into();
    settings.deployments.push(second);
    settings.router.num_retries = 1;
    let gateway = Gateway::with(settings).await;
    assert_eq!(gateway.chat().await.status, 429);
    assert_eq!(vendor.asked().len(), 2);
    let mut messages = streamed("gpt");
    messages["max_tokens"] = 5.into();
    for (path, body) in [
        ("/v1/chat/completions", chat("gpt")),
        ("/v1/chat/completions", streamed("gpt")),
        ("/v1/messages", messages),
        ("/v1/responses", json!({"model": "gpt", "input": "Hi"})),
    ] {
        let got = gateway.post(path, &body).await;
        let wait: u64 = got.header("retry-after").parse().unwrap();
        assert_eq!(got.status, 429, "{path}: {}", got.text());
        assert!((20..=30).contains(&wait), "{path}: {wait}");
        let message = got.json()["error"]["message"].to_string();
        assert!(message.contains("in cooldown"), "{path}: {message}");
    }
    assert_eq!(vendor.asked().len(), 2);
}

#[tokio::test]
async fn errors_speak_the_clients_dialect() {
    let vendor = Vendor::answering(|_| {
        reply(
            401,
            "application/json",
            r#"{"error":{"message":"bad key"}}"#,
        )
    })
    .await;
    let gateway = Gateway::before(&vendor).await;
    let mut body = chat("gpt");
    body["max_tokens"] = 5.into();
    let got = gateway.post("/v1/messages", &body).await;
    assert_eq!(got.status, 401);
    let error = got.json();
    assert_eq!(error["type"], "error");
    assert_eq!(error["error"]["type"], "authentication_error");
    assert!(
        error["error"]["message"]
            .as_str()
            .unwrap()
            .contains("bad key")
    );
}

#[tokio::test]
async fn what_is_no_answer_is_an_error() {
    let cases: [(&str, u16, &str, &str); 5] = [
        ("HTML", 200, "text/html", "<html>maintenance</html>"),
        ("nothing", 200, "application/json", ""),
        (
            "half",
            200,
            "application/json",
            "{\"id\":\"x\",\"choices\":[",
        ),
        ("an HTML error", 503, "text/html", "<html>busy</html>"),
        ("an error without words", 500, "text/plain", ""),
    ];
    for (name, status, content_type, body) in cases {
        let vendor = Vendor::answering(move |_| reply(status, content_type, body)).await;
        let gateway = Gateway::before(&vendor).await;
        let got = gateway.chat().await;
        let (status, kind, _) = got.error();
        assert!(status >= 500, "{name}: {status}");
        assert_eq!(kind, "internal_server_error", "{name}");
        let got = gateway.post("/v1/chat/completions", &streamed("gpt")).await;
        assert!(
            got.status.as_u16() >= 500 || ends_in_error(got.text()),
            "{name}: {}",
            got.text()
        );
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_is_an_error() {
    let vendor = Vendor::answering(|_| reply(200, "application/json", broken("{\"id\":"))).await;
    let gateway = Gateway::before(&vendor).await;
    assert!(gateway.chat().await.error().0 >= 500);
}

#[tokio::test]
async fn nobody_there_is_an_error() {
    let gateway = Gateway::with(settings("http://127.0.0.1:1/v1")).await;
    let (status, _, message) = gateway.chat().await.error();
    assert_eq!(status, 500);
    assert!(message.contains("APIConnectionError"), "{message}");
}

#[tokio::test]
async fn a_stream_that_was_cut_ends_with_an_error_and_without_a_mark() {
    let cut = CHUNKS[..3]
        .iter()
        .map(|c| format!("data: {c}\n\n"))
        .collect::<String>();
    let clean = cut.clone();
    let ends: [fn(String) -> Body; 2] = [Body::from, |text| {
        Body::from(
            text + "data: {\"error\":{\"message\":\"overloaded\",\"type\":\"server_error\"}}\n\n",
        )
    }];
    for end in ends {
        let text = clean.clone();
        let vendor =
            Vendor::answering(move |_| reply(200, "text/event-stream", end(text.clone()))).await;
        let gateway = Gateway::before(&vendor).await;
        let got = gateway.post("/v1/chat/completions", &streamed("gpt")).await;
        assert_eq!(got.status, 200);
        assert!(
            got.text().contains("\"lo\""),
            "what came is passed on: {}",
            got.text()
        );
        assert!(ends_in_error(got.text()), "{}", got.text());
    }
}

#[tokio::test]
async fn a_connection_that_breaks_within_a_stream_ends_it_with_an_error() {
    let (vendor, say) = Vendor::told().await;
    let gateway = Gateway::before(&vendor).await;
    say.send(Ok(format!("data: {}\n\n", CHUNKS[1]).into()))
        .unwrap();
    let body = streamed("gpt").to_string();
    let mut got = gateway
        .begin("POST", "/v1/chat/completions", &[], body)
        .await;
    got.body_mut().frame().await.unwrap().unwrap();
    say.send(Err(std::io::Error::other("gone"))).unwrap();
    let rest = got.into_body().collect().await.unwrap().to_bytes();
    assert!(
        ends_in_error(std::str::from_utf8(&rest).unwrap()),
        "{rest:?}"
    );
}

#[tokio::test]
async fn a_cut_stream_ends_in_anthropics_words_for_its_clients() {
    let cut: String = CHUNKS[..3]
        .iter()
        .map(|c| format!("data: {c}\n\n"))
        .collect();
    let vendor = Vendor::answering(move |_| events(&cut)).await;
    let gateway = Gateway::before(&vendor).await;
    let mut body = streamed("gpt");
    body["max_tokens"] = 5.into();
    let got = gateway.post("/v1/messages", &body).await;
    let last = got
        .text()
        .trim_end()
        .rsplit("\n\n")
        .next()
        .unwrap()
        .to_owned();
    assert!(
        last.starts_with("event: error\ndata: {\"type\":\"error\",\"error\":{"),
        "{last}"
    );
    assert!(!got.text().contains("message_stop"));
}

/// Vendors that speak these dialects themselves: their answers are not carried on, and never pass for whole ones.
#[tokio::test]
async fn cut_streams_of_responses_and_generated_content_end_in_an_error() {
    let created = r#"{"type":"response.created","sequence_number":0,"response":{"id":"resp_1","object":"response","status":"in_progress","model":"m","output":[]}}"#;
    let delta = r#"{"type":"response.output_text.delta","sequence_number":1,"item_id":"i","output_index":0,"content_index":0,"delta":"Hel"}"#;
    let responses = format!(
        "event: response.created\ndata: {created}\n\nevent: response.output_text.delta\ndata: {delta}\n\n"
    );
    let piece = r#"{"candidates":[{"content":{"role":"model","parts":[{"text":"Hel"}]},"index":0}],"modelVersion":"m"}"#;
    let generated = format!("data: {piece}\n\n");
    let vendor = Vendor::answering(move |asked| {
        let native = asked.path.ends_with("/responses");
        events(if native { &responses } else { &generated })
    })
    .await;
    let mut settings = settings(&vendor.url);
    let mut gemini = deployment("gem", &vendor.url);
    let key = Credential::key("sk-vendor");
    gemini.target = Target::new(lookup("gemini").unwrap(), "gemini-2.5-flash", key).at(&vendor.url);
    settings.deployments.push(gemini);
    let gateway = Gateway::with(settings).await;

    let body = json!({"model": "gpt", "input": "Hi", "stream": true});
    let got = gateway.post("/v1/responses", &body).await;
    let text = got.text();
    assert!(
        text.contains("\"Hel\"") && !text.contains("response.completed"),
        "{text}"
    );
    let last = text.trim_end().rsplit("\n\n").next().unwrap();
    assert!(last.contains("error"), "{last}");

    let body = json!({"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]});
    let path = "/v1beta/models/gem:streamGenerateContent?alt=sse";
    let got = gateway.post(path, &body).await;
    let text = got.text();
    assert!(
        text.contains("Hel") && !text.contains("finishReason"),
        "{text}"
    );
    let last = text.trim_end().rsplit("\n\n").next().unwrap();
    assert!(last.contains("\"error\""), "{last}");
}

#[tokio::test]
async fn a_stalled_stream_ends_with_an_error() {
    let vendor = Vendor::answering(|_| {
        let pieces = vec![format!("data: {}\n\n", CHUNKS[1])];
        reply(200, "text/event-stream", endless(pieces, ()))
    })
    .await;
    let mut settings = settings(&vendor.url);
    settings.deployments[0].timeouts.stall = Some(Duration::from_millis(50));
    let gateway = Gateway::with(settings).await;
    let got = gateway.post("/v1/chat/completions", &streamed("gpt")).await;
    assert!(ends_in_error(got.text()), "{}", got.text());
    assert!(got.text().contains("timeout_error"), "{}", got.text());
}

#[tokio::test]
async fn an_error_before_the_first_event_is_a_real_error() {
    let vendor = Vendor::answering(|_| {
        reply(
            400,
            "application/json",
            r#"{"error":{"message":"no","param":"temperature"}}"#,
        )
    })
    .await;
    let gateway = Gateway::before(&vendor).await;
    let got = gateway.post("/v1/chat/completions", &streamed("gpt")).await;
    assert_eq!(got.error().0, 400);
    assert_eq!(got.json()["error"]["param"], "temperature");
}

/// Says when it is dropped.
struct Held(mpsc::UnboundedSender<()>);

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.0.send(());
    }
}

#[tokio::test]
async fn who_hangs_up_hangs_up_on_the_vendor_and_is_recorded() {
    let (left, mut leaves) = mpsc::unbounded_channel();
    let vendor = Vendor::answering(move |asked| {
        let first = format!("data: {}\n\n", CHUNKS[1]);
        let pieces = if asked.json()["stream"] == true {
            vec![first]
        } else {
            vec![]
        };
        reply(
            200,
            "text/event-stream",
            endless(pieces, Held(left.clone())),
        )
    })
    .await;
    let gateway = Gateway::before(&vendor).await;
    let body = streamed("gpt").to_string();
    let mut got = gateway
        .begin("POST", "/v1/chat/completions", &[], body)
        .await;
    assert!(got.body_mut().frame().await.unwrap().is_ok());
    drop(got);
    leaves
        .recv()
        .await
        .expect("the vendor's stream was dropped");
    gateway.settled().await;
    let parts = [
        "litellm_proxy_total_requests_metric_total",
        "model_id=\"id-gpt\"",
        "status_code=\"499\"",
    ];
    assert_eq!(gateway.metric(&parts).await, 1.0);
}

#[tokio::test]
async fn who_does_not_wait_for_a_whole_answer_is_recorded_too() {
    let (left, mut leaves) = mpsc::unbounded_channel();
    let vendor = Vendor::answering(move |_| {
        reply(200, "application/json", endless(vec![], Held(left.clone())))
    })
    .await;
    let gateway = Gateway::before(&vendor).await;
    {
        let body = chat("gpt").to_string();
        let waiting = gateway.begin("POST", "/v1/chat/completions", &[], body);
        let asked = async {
            while vendor.asked().is_empty() {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            _ = waiting => panic!("nobody answers"),
            () = asked => {}
        }
    }
    leaves.recv().await.expect("the vendor was left");
    gateway.settled().await;
    let parts = [
        "litellm_proxy_total_requests_metric_total",
        "status_code=\"499\"",
    ];
    assert_eq!(gateway.metric(&parts).await, 1.0);
}

#[tokio::test]
async fn a_fallback_answers_under_its_own_name() {
    let vendor = Vendor::answering(|asked| {
        if asked.headers["authorization"] == "Bearer sk-vendor"
            && asked.json()["model"] == "vendor-model"
        {
            return reply(500, "application/json", "{}");
        }
        whole(&completion("from the other"))
    })
    .await;
    let mut settings = settings(&vendor.url);
    let mut other = deployment("other", &vendor.url);
    other.target.model = "other-model".into();
    settings.deployments.push(other);
    let to = vec![llm_router::Fallback::to("other")];
    settings.router.fallbacks.general.insert("gpt".into(), to);
    let gateway = Gateway::with(settings).await;
    let got = gateway.chat().await;
    assert_eq!(got.status, 200);
    assert_eq!(got.header("x-litellm-attempted-fallbacks"), "1");
    assert_eq!(got.header("x-litellm-model-group"), "other");
    assert_eq!(
        got.json()["model"],
        "vendor-model",
        "after a fallback the client is told who answered"
    );
}

/// The request says it, in its body or in a header; without it, this vendor would be waited for.
#[tokio::test]
async fn limits_of_the_first_byte_and_of_a_stall_are_set_apart() {
    let vendor = Vendor::answering(|asked| {
        let pieces = match asked.json()["user"].as_str() {
            Some("stall") => vec![format!("data: {}\n\n", CHUNKS[1])],
            _ => vec![],
        };
        reply(200, "text/event-stream", endless(pieces, ()))
    })
    .await;
    let gateway = Gateway::before(&vendor).await;
    let mut silent = streamed("gpt");
    silent["first_byte_timeout"] = json!(0.05);
    let got = gateway.post("/v1/chat/completions", &silent).await;
    assert_eq!(
        (got.status.as_u16(), got.error().1.as_str()),
        (408, "timeout_error")
    );
    let mut stalled = streamed("gpt");
    stalled["user"] = json!("stall");
    let headers = [("x-litellm-stall-timeout", "0.05")];
    let got = gateway
        .send(
            "POST",
            "/v1/chat/completions",
            &headers,
            stalled.to_string(),
        )
        .await;
    assert_eq!(got.status, 200);
    assert!(ends_in_error(got.text()) && got.text().contains("timeout_error"));
    for asked in vendor.asked() {
        assert!(asked.json().get("first_byte_timeout").is_none());
    }
    let mut wrong = streamed("gpt");
    wrong["stall_timeout"] = json!(-1);
    let got = gateway.post("/v1/chat/completions", &wrong).await;
    assert_eq!(got.json()["error"]["param"], "stall_timeout");
}

#[tokio::test]
async fn headers_steer_time_and_retries() {
    let vendor = Vendor::answering(|_| {
        Response::builder()
            .status(200)
            .body(endless(vec![], ()))
            .unwrap()
    })
    .await;
    let gateway = Gateway::before(&vendor).await;
    let headers = [("x-litellm-timeout", "0.05")];
    let body = chat("gpt").to_string();
    let got = gateway
        .send("POST", "/v1/chat/completions", &headers, body.clone())
        .await;
    assert_eq!(got.error().1, "timeout_error");
    for bad in [
        ("x-litellm-timeout", "soon"),
        ("x-litellm-num-retries", "-1"),
        ("x-litellm-timeout", "0"),
    ] {
        let got = gateway
            .send("POST", "/v1/chat/completions", &[bad], body.clone())
            .await;
        assert_eq!(got.json()["error"]["param"], bad.0);
    }
}
