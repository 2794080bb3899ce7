//! What health checks found, what a group may still take, and what fallbacks add up to.

use axum::body::Body;
use http::Response;
use llm_router::Fallback;
use serde_json::{Value, json};

use crate::support::{Gateway, Vendor, chat, completion, deployment, reply, settings};

#[tokio::test]
async fn checks_are_remembered() {
    let friendly = Vendor::friendly().await;
    let mut settings = settings(&friendly.url);
    settings
        .deployments
        .push(deployment("dead", "http://127.0.0.1:1/v1"));
    let gateway = Gateway::with(settings).await;
    let none = gateway.get("/health/latest").await.json();
    assert_eq!(none, json!({"latest_health_checks": {}, "total_models": 0}));
    gateway.get("/health").await;
    gateway.get("/health?model=dead").await;
    let latest = gateway.get("/health/latest").await.json();
    assert_eq!(latest["total_models"], 2);
    let well = &latest["latest_health_checks"]["id-gpt"];
    assert_eq!(
        (&well["status"], &well["error_message"]),
        (&json!("healthy"), &Value::Null)
    );
    let history = async |query: &str| {
        let path = format!("/health/history?{query}");
        gateway.get(&path).await.json()
    };
    let all = history("").await;
    assert_eq!(
        (&all["total_records"], &all["limit"]),
        (&json!(3), &json!(100))
    );
    let newest = &all["health_checks"][0];
    assert_eq!(newest["model_name"], "dead");
    assert!(newest["error_message"].is_string() && newest["response_time_ms"].is_f64());
    let ill = history("status_filter=unhealthy&limit=1&offset=1").await;
    assert_eq!(ill["total_records"], 2);
    assert_eq!(ill["health_checks"].as_array().unwrap().len(), 1);
    assert_eq!(history("model=gpt").await["total_records"], 1);
}

#[tokio::test]
async fn without_details_health_names_models_alone() {
    let mut settings = settings("http://127.0.0.1:1/v1");
    settings.health.details = false;
    let gateway = Gateway::with(settings).await;
    let health = gateway.get("/health").await.json();
    let entry = health["unhealthy_endpoints"][0].as_object().unwrap();
    assert_eq!(entry.keys().collect::<Vec<_>>(), ["model"]);
}

#[tokio::test]
async fn groups_that_are_not_named_are_not_checked_in_the_background() {
    let friendly = Vendor::friendly().await;
    let mut settings = settings(&friendly.url);
    settings
        .deployments
        .push(deployment("quiet", &friendly.url));
    settings.health.background = true;
    settings.health.groups = vec!["gpt".into()];
    let gateway = Gateway::with(settings).await;
    while gateway.get("/health/latest").await.json()["total_models"] == 0 {
        tokio::task::yield_now().await;
    }
    let latest = gateway.get("/health/latest").await.json();
    let checks = latest["latest_health_checks"].as_object().unwrap();
    assert_eq!(checks.keys().collect::<Vec<_>>(), ["id-gpt"]);
    assert_eq!(checks["id-gpt"]["checked_by"], "background");
}

#[tokio::test]
async fn what_a_group_may_still_take_is_told_where_its_vendor_does_not_say() {
    let silent = Vendor::answering(|_| {
        let body = Body::from(completion("Hello").to_string());
        let mut response = Response::new(body);
        let json = http::HeaderValue::from_static("application/json");
        response.headers_mut().insert("content-type", json);
        response
    })
    .await;
    let mut settings = settings(&silent.url);
    settings.deployments[0].quota.rpm = Some(10);
    settings.deployments[0].quota.tpm = Some(1000);
    let mut second = deployment("gpt", &silent.url);
    second.id = "second".into();
    second.quota.rpm = Some(5);
    settings.deployments.push(second);
    settings.deployments.push(deployment("free", &silent.url));
    let gateway = Gateway::with(settings).await;
    let got = gateway.chat().await;
    let number = |name: &str| got.header(name).parse::<u64>().unwrap();
    assert_eq!(number("x-ratelimit-limit-requests"), 15);
    assert_eq!(number("x-ratelimit-remaining-requests"), 14);
    assert_eq!(number("x-ratelimit-limit-tokens"), 1000);
    assert!((980..=1000).contains(&number("x-ratelimit-remaining-tokens")));
    let free = gateway.post("/v1/chat/completions", &chat("free")).await;
    assert_eq!(free.header("x-ratelimit-limit-requests"), "");

    let vendor = Vendor::friendly().await;
    let mut settings = crate::support::settings(&vendor.url);
    settings.deployments[0].quota.rpm = Some(10);
    let got = Gateway::with(settings).await.chat().await;
    assert_eq!(got.header("x-ratelimit-remaining-requests"), "41");
    assert_eq!(got.header("x-ratelimit-limit-requests"), "");
}

#[tokio::test]
async fn fallbacks_are_counted_with_their_cause() {
    let ill = Vendor::answering(|_| reply(503, "application/json", "{}")).await;
    let friendly = Vendor::friendly().await;
    let mut settings = settings(&ill.url);
    settings.router.num_retries = 0;
    settings
        .deployments
        .push(deployment("spare", &friendly.url));
    settings.deployments.push(deployment("bad", &ill.url));
    let general = &mut settings.router.fallbacks.general;
    general.insert("gpt".into(), vec![Fallback::to("spare")]);
    general.insert("spare".into(), vec![Fallback::to("bad")]);
    let gateway = Gateway::with(settings).await;
    assert_eq!(gateway.chat().await.status, 200);
    gateway.settled().await;
    let got = gateway.get("/metrics").await;
    let line = got
        .text()
        .lines()
        .find(|line| line.starts_with("litellm_deployment_successful_fallbacks"))
        .expect("it is counted");
    for label in [
        r#"requested_model="gpt""#,
        r#"fallback_model="spare""#,
        r#"exception_status="503""#,
        r#"exception_class="ServiceUnavailableError""#,
        r#"model_id="id-spare""#,
        "hashed_api_key=",
    ] {
        assert!(line.contains(label), "{label}: {line}");
    }
}
