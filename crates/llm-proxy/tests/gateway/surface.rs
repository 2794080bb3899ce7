//! The HTTP around the operations: paths, methods, lists, documents, CORS, metrics.

use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn every_path_of_an_operation_leads_to_it() {
    let vendor = Vendor::friendly().await;
    let gateway = Gateway::before(&vendor).await;
    for path in [
        "/chat/completions",
        "/v1/chat/completions",
        "/v1/chat/completions/",
        "/openai/v1/chat/completions",
        "/engines/gpt/chat/completions",
        "/openai/deployments/gpt/chat/completions",
        "/cursor/chat/completions",
    ] {
        assert_eq!(gateway.post(path, &chat("gpt")).await.status, 200, "{path}");
    }
    for path in [
        "/embeddings",
        "/v1/embeddings",
        "/engines/gpt/embeddings",
        "/openai/deployments/gpt/embeddings",
    ] {
        let body = json!({"model": "gpt", "input": "x"});
        assert_eq!(gateway.post(path, &body).await.status, 200, "{path}");
    }
}

#[tokio::test]
async fn what_is_not_built_says_so() {
    let gateway = Gateway::with(settings("http://127.0.0.1:1/v1")).await;
    for (path, missing) in [
        ("/v1/images/edits", "image"),
        ("/v1/audio/transcriptions", "file"),
        ("/v1/files", "file"),
        ("/v1/batches", "input_file_id"),
    ] {
        let got = gateway.post(path, &json!({"model": "gpt"})).await;
        let named = format!("'{missing}'");
        assert!(got.text().contains(&named), "{path}: {}", got.text());
        assert_eq!(got.error().0, 400, "{path}");
    }
    let got = gateway.post("/v1/realtime", &json!({"model": "gpt"})).await;
    assert_eq!(got.error().0, 501);
    let body = json!({"model": "gpt", "query": "x", "documents": ["y"]});
    let got = gateway.post("/v2/rerank", &body).await;
    let message = got.text();
    assert_eq!(got.error().0, 400);
    assert!(message.contains("does not support rerank"), "{message}");
}

#[tokio::test]
async fn unknown_paths_and_methods_are_told_apart() {
    let gateway = Gateway::with(settings("http://127.0.0.1:1/v1")).await;
    let got = gateway.get("/nowhere").await;
    assert_eq!(
        (got.status.as_u16(), got.text()),
        (404, r#"{"detail":"Not Found"}"#)
    );
    for path in ["/v1/chat/completions", "/engines/x/embeddings"] {
        let got = gateway.get(path).await;
        assert_eq!(
            (got.status.as_u16(), got.text()),
            (405, r#"{"detail":"Method Not Allowed"}"#)
        );
        assert_eq!(got.header("allow"), "POST");
    }
    let got = gateway.send("DELETE", "/v1/models", &[], "").await;
    assert_eq!(
        (got.status.as_u16(), got.header("allow")),
        (405, "GET,HEAD")
    );
    let got = gateway.send("OPTIONS", "/health/liveliness", &[], "").await;
    assert_eq!(
        (got.status.as_u16(), got.header("allow")),
        (200, "GET, OPTIONS")
    );
}

#[tokio::test]
async fn models_are_listed() {
    let mut settings = settings("http://127.0.0.1:1/v1");
    settings
        .deployments
        .push(deployment("org/*", "http://127.0.0.1:1/v1"));
    settings.router.aliases.insert("short".into(), "gpt".into());
    settings
        .router
        .aliases
        .insert("secret".into(), "gpt".into());
    settings.hidden.insert("secret".into());
    settings.deployments[0].target.facts.max_input_tokens = Some(1000);
    let gateway = Gateway::with(settings).await;
    let ids = |body: serde_json::Value| -> Vec<String> {
        let data = body["data"].as_array().unwrap().clone();
        data.iter()
            .map(|m| m["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let got = gateway.get("/v1/models").await.json();
    assert_eq!(got["object"], "list");
    assert_eq!(got["data"][0]["max_input_tokens"], 1000);
    assert_eq!(ids(got), ["gpt", "short"]);
    assert_eq!(
        ids(gateway
            .get("/models?return_wildcard_routes=true")
            .await
            .json()),
        ["gpt", "org/*", "short"]
    );
    let headers = [("anthropic-version", "2023-06-01")];
    let got = gateway.send("GET", "/v1/models", &headers, "").await.json();
    assert_eq!(
        (&got["data"][0]["type"], &got["last_id"]),
        (&json!("model"), &json!("short"))
    );
    assert_eq!(
        gateway.get("/v1/models/org/one").await.json()["id"],
        "org/one"
    );
    let got = gateway.get("/v1/models/nobody").await;
    assert_eq!(got.status, 404);
    assert_eq!(
        got.json()["detail"],
        "The model `nobody` does not exist or is not accessible"
    );
}

#[tokio::test]
async fn details_of_models_show_no_secrets() {
    let gateway = Gateway::with(settings("http://127.0.0.1:1/v1")).await;
    for path in [
        "/model/info",
        "/v1/model/info",
        "/model_group/info",
        "/v1/models",
        "/health",
    ] {
        let got = gateway.get(path).await;
        assert_eq!(got.status, 200, "{path}");
        assert!(!got.text().contains("sk-vendor"), "{path}");
    }
    let info = gateway.get("/model/info").await.json();
    assert_eq!(info["data"][0]["model_name"], "gpt");
    assert_eq!(info["data"][0]["model_info"]["id"], "id-gpt");
    let groups = gateway
        .get("/model_group/info?model_group=gpt")
        .await
        .json();
    assert_eq!(groups["data"][0]["providers"], json!(["openai"]));
    let got = gateway
        .get("/utils/supported_openai_params?model=gpt")
        .await
        .json();
    assert!(
        got["supported_openai_params"]
            .as_array()
            .unwrap()
            .contains(&json!("temperature"))
    );
}

#[tokio::test]
async fn health_asks_the_deployments() {
    let vendor = Vendor::friendly().await;
    let mut settings = settings(&vendor.url);
    settings
        .deployments
        .push(deployment("dead", "http://127.0.0.1:1/v1"));
    let gateway = Gateway::with(settings).await;
    let got = gateway.get("/health").await;
    assert_eq!(got.status, 200);
    let health = got.json();
    assert_eq!(
        (&health["healthy_count"], &health["unhealthy_count"]),
        (&json!(1), &json!(1))
    );
    assert_eq!(health["unhealthy_endpoints"][0]["model_id"], "id-dead");
    assert_eq!(vendor.asked()[0].json()["max_tokens"], 16);
    assert_eq!(gateway.get("/health?model=dead").await.status, 503);
    assert_eq!(gateway.get("/health?model=nobody").await.status, 503);
    assert_eq!(gateway.get("/health?model=gpt").await.status, 200);
}

#[tokio::test]
async fn health_says_what_it_did_not_ask_and_why() {
    let vendor = Vendor::friendly().await;
    let mut settings = settings(&vendor.url);
    for (group, model, info) in [
        ("all/*", "*", json!({})),
        ("some/*", "*", json!({"health_check_model": "openai/small"})),
        ("voice", "tts", json!({"mode": "audio_speech"})),
    ] {
        let mut deployment = deployment(group, &vendor.url);
        deployment.target.model = model.into();
        deployment.model_info = serde_json::from_value(info).unwrap();
        settings.deployments.push(deployment);
    }
    let gateway = Gateway::with(settings).await;
    let health = gateway.get("/health").await.json();
    assert_eq!(
        [
            &health["healthy_count"],
            &health["unhealthy_count"],
            &health["not_checked_count"]
        ],
        [&json!(2), &json!(0), &json!(2)]
    );
    let not_checked = health["not_checked_endpoints"].as_array().unwrap();
    for (entry, id, words) in [
        (&not_checked[0], "id-all/*", "model_info.health_check_model"),
        (&not_checked[1], "id-voice", "audio_speech"),
    ] {
        assert_eq!(entry["model_id"], id);
        assert!(entry["reason"].as_str().unwrap().contains(words), "{entry}");
    }
    let asked: Vec<_> = vendor
        .asked()
        .iter()
        .map(|asked| asked.json()["model"].clone())
        .collect();
    assert!(asked.contains(&json!("small")), "{asked:?}");
    assert_eq!(gateway.get("/health?model=voice").await.status, 200);
}

#[tokio::test]
async fn details_come_by_pages() {
    let mut settings = settings("http://127.0.0.1:1/v1");
    for (group, cost) in [("alpha", 3.0), ("beta", 1.0), ("gpt-mini", 2.0)] {
        let mut deployment = deployment(group, "http://127.0.0.1:1/v1");
        deployment
            .model_info
            .insert("input_cost_per_token".into(), cost.into());
        settings.deployments.push(deployment);
    }
    let gateway = Gateway::with(settings).await;
    let names = async |query: &str| -> Vec<String> {
        let got = gateway.get(&format!("/v2/model/info{query}")).await;
        assert_eq!(got.status, 200, "{}", got.text());
        let data = got.json()["data"].as_array().unwrap().clone();
        data.iter()
            .map(|entry| entry["model_name"].as_str().unwrap().to_owned())
            .collect()
    };
    assert_eq!(names("").await, ["alpha", "beta", "gpt", "gpt-mini"]);
    assert_eq!(names("?page=2&size=3").await, ["gpt-mini"]);
    assert_eq!(names("?page=9").await, [""; 0]);
    assert_eq!(names("?search=GPT").await, ["gpt", "gpt-mini"]);
    assert_eq!(names("?modelId=id-beta").await, ["beta"]);
    assert_eq!(names("?model=gpt").await, ["gpt"]);
    assert_eq!(names("?teamId=red").await, [""; 0]);
    let sorted = names("?sortBy=costs&sortOrder=desc&size=2").await;
    assert_eq!(sorted, ["alpha", "gpt-mini"]);
    let page = gateway.get("/v2/model/info?page=2&size=3").await.json();
    assert_eq!(
        [
            &page["total_count"],
            &page["current_page"],
            &page["total_pages"],
            &page["size"]
        ],
        [&json!(4), &json!(2), &json!(2), &json!(3)]
    );
    for (query, param) in [
        ("page=0", "page"),
        ("size=0", "size"),
        ("sortBy=x", "sortBy"),
        ("sortBy=costs&sortOrder=x", "sortOrder"),
    ] {
        let got = gateway.get(&format!("/v2/model/info?{query}")).await;
        assert_eq!(
            (got.status.as_u16(), &got.json()["error"]["param"]),
            (400, &json!(param))
        );
    }
}

#[tokio::test]
async fn a_request_is_shown_as_its_vendor_would_see_it_and_not_sent() {
    let vendor = Vendor::friendly().await;
    let mut settings = settings(&vendor.url);
    settings.deployments[0].defaults.set("temperature", &0.5);
    let mut claude = deployment("claude", "http://127.0.0.1:1");
    claude.target = llm_providers::Target::new(
        llm_providers::lookup("anthropic").unwrap(),
        "claude-sonnet-4-5",
        llm_providers::Credential::key("sk-ant-vendor"),
    )
    .at("http://127.0.0.1:1");
    settings.deployments.push(claude);
    let gateway = Gateway::with(settings).await;
    let show = async |call_type: &str, body: serde_json::Value| {
        let asked = json!({"call_type": call_type, "request_body": body});
        gateway.post("/utils/transform_request", &asked).await
    };
    let got = show("completion", chat("gpt")).await;
    let shown = got.json();
    assert_eq!(
        shown["raw_request_api_base"],
        format!("{}/chat/completions", vendor.url)
    );
    assert_eq!(
        shown["raw_request_body"],
        json!({"model": "vendor-model", "temperature": 0.5, "messages": [{"role": "user", "content": "Hi"}]})
    );
    assert!(
        shown["raw_request_headers"]["authorization"]
            .as_str()
            .unwrap()
            .contains("*****")
    );
    let shown = show("completion", chat("claude")).await.json();
    assert_eq!(shown["raw_request_body"]["messages"][0]["role"], "user");
    assert!(shown["raw_request_body"]["max_tokens"].is_number());
    assert!(vendor.asked().is_empty() && !got.text().contains("sk-vendor"));
    for (call_type, body, param) in [
        ("dance", chat("gpt"), "call_type"),
        ("completion", chat("nobody"), "model"),
        (
            "embedding",
            json!({"model": "claude", "input": "x"}),
            "null",
        ),
    ] {
        let got = show(call_type, body).await;
        assert!(!got.status.is_success(), "{}", got.text());
        let param = if param == "null" {
            json!(null)
        } else {
            json!(param)
        };
        assert_eq!(got.json()["error"]["param"], param, "{}", got.text());
    }
}

#[tokio::test]
async fn the_page_is_served_from_here_alone() {
    let gateway = Gateway::with(settings("http://127.0.0.1:1/v1")).await;
    for path in ["/", "/docs"] {
        let got = gateway.get(path).await;
        assert!(
            got.header("content-security-policy")
                .starts_with("default-src 'none'")
        );
        assert!(!got.text().contains("http://") && !got.text().contains("https://"));
    }
    assert!(
        gateway
            .get("/docs/page.js")
            .await
            .header("content-type")
            .starts_with("text/javascript")
    );
    assert!(
        gateway
            .get("/docs/page.css")
            .await
            .header("content-type")
            .starts_with("text/css")
    );
    let document = gateway.get("/openapi.json").await.json();
    assert_eq!(document["openapi"], "3.1.0");
    for path in ["/v1/chat/completions", "/v1/embeddings", "/v1/messages"] {
        let example = &document["paths"][path]["post"]["requestBody"]["content"]["application/json"]
            ["example"];
        assert_eq!(example["model"], "demo", "{path}");
    }
}

#[tokio::test]
async fn browsers_may_call_from_where_they_are_allowed() {
    let vendor = Vendor::friendly().await;
    let gateway = Gateway::before(&vendor).await;
    let asks = [
        ("origin", "https://a.example"),
        ("access-control-request-method", "POST"),
        ("access-control-request-headers", "authorization"),
    ];
    let got = gateway
        .send("OPTIONS", "/v1/chat/completions", &asks, "")
        .await;
    assert_eq!(got.status, 200);
    assert_eq!(got.header("access-control-allow-origin"), "*");
    assert_eq!(got.header("access-control-allow-headers"), "authorization");
    assert_eq!(got.header("access-control-max-age"), "600");
    assert_eq!(got.header("access-control-allow-credentials"), "");
    let origin = [("origin", "https://a.example")];
    let got = gateway
        .send(
            "POST",
            "/v1/chat/completions",
            &origin,
            chat("gpt").to_string(),
        )
        .await;
    assert_eq!(got.header("access-control-allow-origin"), "*");
    assert!(
        got.header("access-control-expose-headers")
            .contains("x-litellm-cache-key")
    );

    let mut settings = settings(&vendor.url);
    settings.cors.origins = vec!["https://b.example".into()];
    settings.cors.credentials = true;
    let gateway = Gateway::with(settings).await;
    let got = gateway
        .send("OPTIONS", "/v1/chat/completions", &asks, "")
        .await;
    assert_eq!(
        (
            got.status.as_u16(),
            got.header("access-control-allow-origin")
        ),
        (400, "")
    );
    let got = gateway
        .send("GET", "/test", &[("origin", "https://b.example")], "")
        .await;
    assert_eq!(
        got.header("access-control-allow-origin"),
        "https://b.example"
    );
    assert_eq!(got.header("access-control-allow-credentials"), "true");
    assert_eq!(got.header("vary"), "Origin");
}

#[tokio::test]
async fn requests_are_counted() {
    let vendor = Vendor::friendly().await;
    let gateway = Gateway::before(&vendor).await;
    gateway.chat().await;
    gateway.post("/v1/chat/completions", &streamed("gpt")).await;
    gateway.post("/v1/chat/completions", &chat("nobody")).await;
    gateway
        .send("POST", "/v1/chat/completions", &[], "no json")
        .await;
    gateway.settled().await;
    let of = "requested_model=\"gpt\"";
    for (parts, value) in [
        (
            [
                "litellm_proxy_total_requests_metric_total{",
                "status_code=\"200\"",
            ],
            2.0,
        ),
        (
            [
                "litellm_proxy_failed_requests_metric_total{",
                "exception_class=\"BadRequestError\"",
            ],
            1.0,
        ),
        (
            [
                "litellm_proxy_failed_requests_metric_total{",
                "exception_class=\"ProxyException\"",
            ],
            1.0,
        ),
        (["litellm_input_tokens_metric_total{", of], 14.0),
        (["litellm_output_tokens_metric_total{", of], 4.0),
        (["litellm_total_tokens_metric_total{", of], 18.0),
        (["litellm_request_total_latency_metric_count{", of], 2.0),
        (["litellm_llm_api_latency_metric_count{", of], 2.0),
        (["litellm_overhead_latency_metric_count{", "id-gpt"], 2.0),
        (
            ["litellm_llm_api_time_to_first_token_metric_count{", of],
            1.0,
        ),
        (
            ["litellm_deployment_success_responses_total{", "id-gpt"],
            2.0,
        ),
        (["litellm_deployment_state{", "id-gpt"], 0.0),
        (["litellm_in_flight_requests", ""], 0.0),
    ] {
        assert_eq!(gateway.metric(&parts).await, value, "{parts:?}");
    }
}

#[tokio::test]
async fn a_gateway_may_live_below_a_path() {
    let vendor = Vendor::friendly().await;
    let mut settings = settings(&vendor.url);
    settings.root_path = "/llm".into();
    let gateway = Gateway::with(settings).await;
    assert_eq!(
        gateway
            .post("/llm/v1/chat/completions", &chat("gpt"))
            .await
            .status,
        200
    );
    assert_eq!(gateway.get("/llm/v1/models").await.status, 200);
    assert_eq!(gateway.get("/llm/metrics/").await.status, 200);
}
