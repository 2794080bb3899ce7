//! Explanations of picks, models that come and go, and health checks in the background.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::body::Body;
use http::Response;
use llm_router::Fallback;
use serde_json::{Value, json};

use crate::support::{
    CHUNKS, Gateway, Vendor, chat, completion, deployment, reply, settings, streamed, whole,
    with_master_key,
};

const ADMIN: (&str, &str) = ("authorization", "Bearer sk-master");

async fn failing() -> Vendor {
    Vendor::answering(|_| reply(500, "application/json", "{}")).await
}

#[tokio::test]
async fn an_explanation_says_who_would_be_asked_and_asks_nobody() {
    let vendor = Vendor::friendly().await;
    let mut settings = settings(&vendor.url);
    let mut second = deployment("gpt", &vendor.url);
    second.id = "second".into();
    second.order = Some(2);
    settings.deployments[0].order = Some(1);
    settings.deployments.push(second);
    settings.deployments.push(deployment("spare", &vendor.url));
    let general = &mut settings.router.fallbacks.general;
    general.insert("gpt".into(), vec![Fallback::to("spare")]);
    let gateway = Gateway::with(settings).await;

    let got = gateway.get("/v1/router/explain?model=gpt").await.json();
    assert_eq!(got["picked"], "id-gpt");
    assert_eq!(
        got["skipped"],
        json!([{"deployment": "second", "reason": "order"}])
    );
    assert_eq!(got["fallbacks"]["general"], json!(["spare"]));
    assert_eq!(got["deployments"][0]["standing"], "well");

    let mut body = chat("gpt");
    body["max_tokens"] = 10.into();
    let got = gateway.post("/v1/router/explain", &body).await.json();
    assert_eq!(got["expected"]["max_output_tokens"], 10);
    assert!(
        got["expected"]["input_tokens"].as_u64().unwrap() > 3,
        "{got}"
    );

    for (path, status) in [
        ("/v1/router/explain?model=nobody", 400),
        ("/v1/router/explain", 400),
    ] {
        assert_eq!(gateway.get(path).await.status.as_u16(), status);
    }
    assert!(vendor.asked().is_empty());
}

#[tokio::test]
async fn an_explanation_costs_a_range_of_dollars() {
    let vendor = Vendor::friendly().await;
    let mut settings = settings(&vendor.url);
    settings.deployments[0].target.model = "gpt-4o".into();
    let gateway = Gateway::with(settings).await;
    let mut body = chat("gpt");
    body["max_tokens"] = 1000.into();
    let got = gateway.post("/v1/router/explain", &body).await.json();
    let cost = &got["expected"]["cost_usd"];
    let (least, most) = (
        cost["least"].as_f64().unwrap(),
        cost["most"].as_f64().unwrap(),
    );
    assert!(least > 0.0 && most > least * 10.0, "{got}");
}

#[tokio::test]
async fn the_way_of_a_request_is_shown_to_who_asks_for_it() {
    let (bad, good) = (failing().await, Vendor::friendly().await);
    let mut settings = settings(&bad.url);
    settings.deployments.push(deployment("spare", &good.url));
    let general = &mut settings.router.fallbacks.general;
    general.insert("gpt".into(), vec![Fallback::to("spare")]);
    let gateway = Gateway::with(settings).await;
    for body in [chat("gpt"), streamed("gpt")] {
        let path = "/v1/chat/completions";
        let headers = [("x-interlingua-debug", "router")];
        let got = gateway.send("POST", path, &headers, body.to_string()).await;
        let route: Value = serde_json::from_str(got.header("x-interlingua-route")).unwrap();
        let attempts = route["attempts"].as_array().unwrap();
        assert_eq!((attempts.len(), &route["fallbacks"]), (2, &json!(1)));
        assert_eq!(attempts[0]["error"], "InternalServerError");
        assert_eq!(
            (&attempts[1]["group"], &attempts[1]["error"]),
            (&json!("spare"), &Value::Null)
        );
        assert_eq!(attempts[0]["pick"]["strategy"], "simple-shuffle");
    }
    let got = gateway.chat().await;
    assert_eq!(got.header("x-interlingua-route"), "");
}

#[tokio::test]
async fn a_request_may_bring_its_own_fallbacks_and_rehearse_them() {
    let vendor = Vendor::friendly().await;
    let mut settings = settings(&vendor.url);
    settings.deployments.push(deployment("spare", &vendor.url));
    let gateway = Gateway::with(settings).await;
    for (key, rehearsal) in [
        ("fallbacks", "mock_testing_fallbacks"),
        ("context_window_fallbacks", "mock_testing_context_fallbacks"),
        (
            "content_policy_fallbacks",
            "mock_testing_content_policy_fallbacks",
        ),
    ] {
        let mut body = chat("gpt");
        body[rehearsal] = true.into();
        let refused = gateway.post("/v1/chat/completions", &body).await;
        assert!(refused.status.is_client_error() || refused.status.is_server_error());
        body[key] = json!([{"gpt": ["spare"]}]);
        let got = gateway.post("/v1/chat/completions", &body).await;
        assert_eq!(
            got.header("x-litellm-model-group"),
            "spare",
            "{key}: {}",
            got.text()
        );
        assert_eq!(got.header("x-litellm-attempted-fallbacks"), "1");
    }
}

fn entry(name: &str, id: &str, url: &str) -> Value {
    json!({
        "model_name": name, "model_info": {"id": id},
        "litellm_params": {"model": "openai/vendor-model", "api_key": "sk-vendor", "api_base": url},
    })
}

#[tokio::test]
async fn models_come_change_and_go_while_the_gateway_runs() {
    let vendor = Vendor::friendly().await;
    let gateway = Gateway::with(with_master_key(settings(&vendor.url))).await;
    let send = |path: &'static str, body: Value| {
        let gateway = &gateway;
        async move { gateway.send("POST", path, &[ADMIN], body.to_string()).await }
    };
    let new = entry("fresh", "one", &vendor.url);
    assert_eq!(gateway.post("/model/new", &new).await.status.as_u16(), 401);
    let got = send("/model/new", new.clone()).await;
    assert_eq!(
        (got.status.as_u16(), &got.json()["model_id"]),
        (200, &json!("one"))
    );
    assert!(!got.text().contains("sk-vendor"), "{}", got.text());
    assert_eq!(send("/model/new", new.clone()).await.status.as_u16(), 400);
    assert_eq!(
        send("/v1/chat/completions", chat("fresh"))
            .await
            .status
            .as_u16(),
        200
    );

    // It outlives a new configuration.
    let next = with_master_key(settings(&vendor.url));
    gateway.running.reload(next).unwrap();
    let got = send("/v1/chat/completions", chat("fresh")).await;
    assert_eq!(got.header("x-litellm-model-id"), "one");

    let change = json!({"model_info": {"id": "one"}, "litellm_params": {"rpm": 0}});
    assert_eq!(send("/model/update", change).await.status.as_u16(), 200);
    assert_eq!(
        send("/v1/chat/completions", chat("fresh"))
            .await
            .status
            .as_u16(),
        429
    );

    assert_eq!(
        send("/model/delete", json!({"id": "one"}))
            .await
            .status
            .as_u16(),
        200
    );
    assert_eq!(
        send("/v1/chat/completions", chat("fresh"))
            .await
            .status
            .as_u16(),
        400
    );
    for (path, body, words) in [
        ("/model/delete", json!({"id": "one"}), "no model has the id"),
        (
            "/model/delete",
            json!({"id": "id-gpt"}),
            "stands in the configuration",
        ),
        (
            "/model/new",
            json!({"model_name": "x", "litellm_params": {}}),
            "has no 'model'",
        ),
        (
            "/model/new",
            json!({"litellm_params": {"model": "openai/x"}}),
            "model_name",
        ),
        (
            "/model/new",
            json!({"model_name": "x", "litellm_params": {"model": "openai/x", "weight": -1}}),
            "weight",
        ),
        (
            "/model/update",
            json!({"litellm_params": {}}),
            "'model_info' has no 'id'",
        ),
    ] {
        let got = send(path, body.clone()).await;
        assert_eq!(got.status.as_u16(), 400, "{body}");
        assert!(got.error().2.contains(words), "{body}: {}", got.text());
    }
}

#[tokio::test]
async fn a_stream_of_a_removed_model_goes_on_to_its_end() {
    let (vendor, say) = Vendor::told().await;
    let gateway = Gateway::with(with_master_key(settings(&vendor.url))).await;
    let new = entry("fresh", "one", &vendor.url).to_string();
    gateway.send("POST", "/model/new", &[ADMIN], new).await;
    say.send(Ok(format!("data: {}\n\n", CHUNKS[0]).into()))
        .unwrap();
    let path = "/v1/chat/completions";
    let stream = gateway
        .begin("POST", path, &[ADMIN], streamed("fresh").to_string())
        .await;
    let gone = json!({"id": "one"}).to_string();
    let removed = gateway.send("POST", "/model/delete", &[ADMIN], gone).await;
    assert_eq!(removed.status.as_u16(), 200);
    for chunk in &CHUNKS[1..] {
        say.send(Ok(format!("data: {chunk}\n\n").into())).unwrap();
    }
    drop(say);
    let body = http_body_util::BodyExt::collect(stream.into_body())
        .await
        .unwrap();
    let text = String::from_utf8(body.to_bytes().to_vec()).unwrap();
    assert!(
        text.contains("lo") && text.trim_end().ends_with("data: [DONE]"),
        "{text}"
    );
}

#[tokio::test]
async fn no_request_is_lost_while_models_and_configurations_change() {
    let vendor = Vendor::friendly().await;
    let gateway = Arc::new(Gateway::with(settings(&vendor.url)).await);
    let over = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicU32::new(0));
    let mut clients = tokio::task::JoinSet::new();
    for n in 0..8 {
        let (gateway, over) = (Arc::clone(&gateway), Arc::clone(&over));
        let answered = Arc::clone(&answered);
        clients.spawn(async move {
            while !over.load(Ordering::Relaxed) {
                let body = if n % 2 == 0 {
                    chat("gpt")
                } else {
                    streamed("gpt")
                };
                let got = gateway.post("/v1/chat/completions", &body).await;
                assert_eq!(got.status.as_u16(), 200, "{}", got.text());
                let end = if n % 2 == 0 { "Hello" } else { "data: [DONE]" };
                assert!(got.text().contains(end), "{}", got.text());
                answered.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    for round in 0..30 {
        let id = format!("more-{}", round % 3);
        let new = entry("gpt", &id, &vendor.url);
        assert_eq!(gateway.post("/model/new", &new).await.status.as_u16(), 200);
        gateway.running.reload(settings(&vendor.url)).unwrap();
        let change = json!({"model_info": {"id": id}, "litellm_params": {"weight": 3}});
        assert_eq!(
            gateway.post("/model/update", &change).await.status.as_u16(),
            200
        );
        let gone = gateway.post("/model/delete", &json!({ "id": id })).await;
        assert_eq!(gone.status.as_u16(), 200);
    }
    while answered.load(Ordering::Relaxed) < 50 {
        tokio::task::yield_now().await;
    }
    over.store(true, Ordering::Relaxed);
    while let Some(client) = clients.join_next().await {
        client.expect("no client met a failure");
    }
    gateway.settled().await;
}

#[tokio::test]
async fn health_checks_in_the_background_lead_requests_around_the_ill() {
    let ill = Arc::new(AtomicBool::new(true));
    let told = Arc::clone(&ill);
    let shaky = Vendor::answering(move |_| -> Response<Body> {
        match told.load(Ordering::Relaxed) {
            true => reply(500, "application/json", "{}"),
            false => whole(&completion("Hello")),
        }
    })
    .await;
    let friendly = Vendor::friendly().await;
    let make = || {
        let mut settings = settings(&friendly.url);
        let mut second = deployment("gpt", &shaky.url);
        second.id = "shaky".into();
        settings.deployments.push(second);
        settings.health.background = true;
        settings.health.routing = true;
        settings.health.interval = Duration::from_secs(3600);
        settings.router.filters = vec![Arc::new(llm_router::HealthChecks {
            staleness: Duration::from_secs(3600),
        })];
        settings
    };
    let gateway = Gateway::with(make()).await;
    let explained = async || gateway.get("/v1/router/explain?model=gpt").await.json();
    while explained().await["skipped"] == json!([]) {
        tokio::task::yield_now().await;
    }
    assert_eq!(
        explained().await["skipped"],
        json!([{"deployment": "shaky", "reason": "unhealthy"}])
    );
    let checks = shaky.asked().len();
    for _ in 0..20 {
        assert_eq!(gateway.chat().await.status.as_u16(), 200);
    }
    while gateway.get("/health").await.json()["unhealthy_count"] != 1 {
        tokio::task::yield_now().await;
    }
    let health = gateway.get("/health").await.json();
    assert_eq!(health["unhealthy_endpoints"][0]["model_id"], "shaky");
    assert_eq!(
        shaky.asked().len(),
        checks,
        "what is known is not asked again"
    );

    ill.store(false, Ordering::Relaxed);
    gateway.running.reload(make()).unwrap();
    while explained().await["skipped"] != json!([]) {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn rests_are_counted_and_shown() {
    let vendor = Vendor::answering(|_| reply(401, "application/json", "{}")).await;
    let gateway = Gateway::before(&vendor).await;
    assert_eq!(gateway.chat().await.status.as_u16(), 401);
    gateway.settled().await;
    let cooled = [
        "litellm_deployment_cooled_down_total",
        "exception_status=\"401\"",
    ];
    assert_eq!(gateway.metric(&cooled).await, 1.0);
    assert_eq!(gateway.metric(&["litellm_deployment_state"]).await, 2.0);
}
