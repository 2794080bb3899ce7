//! Who may ask.

use crate::support::*;

#[tokio::test]
async fn without_a_master_key_any_key_will_do() {
    let vendor = Vendor::friendly().await;
    let gateway = Gateway::before(&vendor).await;
    assert_eq!(gateway.chat().await.status, 200);
    let headers = [("authorization", "nonsense")];
    let got = gateway
        .send(
            "POST",
            "/v1/chat/completions",
            &headers,
            chat("gpt").to_string(),
        )
        .await;
    assert_eq!(got.status, 200);
}

#[tokio::test]
async fn the_key_is_taken_from_every_header_that_clients_use() {
    let vendor = Vendor::friendly().await;
    let gateway = Gateway::with(with_master_key(settings(&vendor.url))).await;
    let signed = "AWS4-HMAC-SHA256 Credential=Bearer sk-master/20260101/eu/bedrock/aws4_request, Signature=x";
    for header in [
        ("x-litellm-api-key", "sk-master"),
        ("x-litellm-api-key", "Bearer sk-master"),
        ("authorization", "Bearer sk-master"),
        ("authorization", "bearer sk-master"),
        ("authorization", "Basic sk-master"),
        ("authorization", signed),
        ("api-key", "sk-master"),
        ("x-api-key", "sk-master"),
        ("x-goog-api-key", "sk-master"),
        ("ocp-apim-subscription-key", "sk-master"),
    ] {
        let got = gateway
            .send(
                "POST",
                "/v1/chat/completions",
                &[header],
                chat("gpt").to_string(),
            )
            .await;
        assert_eq!(got.status, 200, "{header:?}: {}", got.text());
    }
    // The gateway's key never travels on.
    for asked in vendor.asked() {
        assert!(
            asked
                .headers
                .values()
                .all(|value| !value.to_str().unwrap().contains("sk-master"))
        );
    }
}

#[tokio::test]
async fn every_other_key_is_refused_in_words_that_show_none() {
    let vendor = Vendor::friendly().await;
    let gateway = Gateway::with(with_master_key(settings(&vendor.url))).await;
    type Headers<'a> = &'a [(&'a str, &'a str)];
    let cases: [(Headers<'_>, &str, &str); 9] = [
        (&[], "auth_error", "No api key passed in"),
        (
            &[("authorization", "sk-master")],
            "auth_error",
            "Malformed API Key",
        ),
        (
            &[("authorization", "Bearer ")],
            "auth_error",
            "Malformed API Key",
        ),
        (
            &[("authorization", "Bearer not-a-key-of-ours")],
            "auth_error",
            "Received=not-****ours, expected to start with 'sk-'",
        ),
        (
            &[("authorization", "Bearer sk-maste")],
            "token_not_found_in_db",
            "Invalid proxy server token",
        ),
        (
            &[("authorization", "Bearer sk-master2")],
            "token_not_found_in_db",
            "Invalid proxy server token",
        ),
        (
            &[("x-api-key", "sk-long-enough-to-show-its-end")],
            "token_not_found_in_db",
            "sk-...-end",
        ),
        (&[("api-key", "")], "auth_error", "No api key passed in"),
        // The first header that is there decides.
        (
            &[
                ("x-litellm-api-key", "sk-wrong"),
                ("authorization", "Bearer sk-master"),
            ],
            "token_not_found_in_db",
            "Invalid",
        ),
    ];
    for (headers, kind, words) in cases {
        let got = gateway
            .send(
                "POST",
                "/v1/chat/completions",
                headers,
                chat("gpt").to_string(),
            )
            .await;
        let (status, got_kind, message) = got.error();
        assert_eq!((status, got_kind.as_str()), (401, kind), "{headers:?}");
        assert!(message.contains(words), "{headers:?}: {message}");
        assert!(!message.contains("sk-long-enough"), "{message}");
    }
    assert!(vendor.asked().is_empty());
}

#[tokio::test]
async fn pages_about_models_ask_for_the_key_and_health_does_not() {
    let gateway = Gateway::with(with_master_key(settings("http://127.0.0.1:1/v1"))).await;
    let key = [("authorization", "Bearer sk-master")];
    for path in [
        "/v1/models",
        "/models/gpt",
        "/model/info",
        "/v1/model/info",
        "/model_group/info",
        "/health",
        "/health/readiness/details",
        "/utils/supported_openai_params?model=gpt",
        "/health/backlog",
        "/health/history",
        "/health/latest",
    ] {
        assert_eq!(gateway.get(path).await.status, 401, "{path}");
        assert_eq!(
            gateway.send("GET", path, &key, "").await.status,
            200,
            "{path}"
        );
    }
    for path in [
        "/health/liveliness",
        "/health/liveness",
        "/health/readiness",
        "/test",
        "/",
        "/docs",
        "/openapi.json",
    ] {
        assert_eq!(gateway.get(path).await.status, 200, "{path}");
    }
    let got = gateway.get("/metrics").await;
    assert_eq!(got.status, 401);
    assert!(got.json().is_string());
    assert_eq!(gateway.send("GET", "/metrics", &key, "").await.status, 200);
}

#[tokio::test]
async fn metrics_can_be_opened() {
    let mut settings = with_master_key(settings("http://127.0.0.1:1/v1"));
    settings.metrics_need_key = false;
    let gateway = Gateway::with(settings).await;
    assert_eq!(gateway.get("/metrics").await.status, 200);
}

#[tokio::test]
async fn anthropics_clients_are_refused_in_their_dialect() {
    let gateway = Gateway::with(with_master_key(settings("http://127.0.0.1:1/v1"))).await;
    let got = gateway.post("/v1/messages", &chat("gpt")).await;
    assert_eq!(got.status, 401);
    assert_eq!(got.json()["error"]["type"], "authentication_error");
}
