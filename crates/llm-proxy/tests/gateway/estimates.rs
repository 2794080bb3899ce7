//! What requests would cost.

use serde_json::{Value, json};

use crate::support::*;

async fn before(vendor: &Vendor) -> Gateway {
    let mut settings = with_master_key(settings(&vendor.url));
    settings.deployments.push(deployment("other", &vendor.url));
    for deployment in &mut settings.deployments {
        if deployment.group == "gpt" {
            let info = &mut deployment.model_info;
            info.insert("input_cost_per_token".into(), 0.001.into());
            info.insert("output_cost_per_token".into(), 0.01.into());
        }
    }
    Gateway::with(settings).await
}

async fn ask(gateway: &Gateway, path: &str, body: Value) -> Got {
    let master = ("authorization", "Bearer sk-master");
    gateway
        .send("POST", path, &[master], body.to_string())
        .await
}

#[tokio::test]
async fn an_answer_is_priced_by_its_usage_and_a_request_by_its_prompt() {
    let vendor = Vendor::friendly().await;
    let gateway = before(&vendor).await;
    let usage = json!({"prompt_tokens": 10, "completion_tokens": 20, "total_tokens": 30});
    let answer = json!({"model": "gpt", "usage": usage});
    let got = ask(
        &gateway,
        "/spend/calculate",
        json!({"completion_response": answer}),
    )
    .await;
    assert_eq!(got.json(), json!({"cost": 0.21}), "{}", got.text());
    let asked = json!({"model": "gpt", "messages": [{"role": "user", "content": "Hello"}]});
    let counted = ask(&gateway, "/utils/token_counter", asked.clone())
        .await
        .json();
    let tokens = counted["total_tokens"].as_f64().unwrap();
    let got = ask(&gateway, "/spend/calculate", asked).await.json();
    let cost = got["cost"].as_f64().unwrap();
    assert!(
        tokens > 0.0 && (cost - tokens * 0.001).abs() < 1e-9,
        "{got}"
    );
    assert!(vendor.asked().is_empty());
    for body in [
        json!({}),
        json!({"model": "gpt"}),
        json!({"model": "nobody's", "messages": []}),
        json!({"completion_response": {"model": "gpt", "usage": "much"}}),
    ] {
        let (status, _, message) = ask(&gateway, "/spend/calculate", body).await.error();
        assert_eq!(status, 400, "{message}");
    }
}

#[tokio::test]
async fn plans_are_priced_by_day_and_month() {
    let vendor = Vendor::friendly().await;
    let gateway = before(&vendor).await;
    let plan = json!({"model": "gpt", "input_tokens": 100, "output_tokens": 10, "num_requests_per_day": 2});
    let got = ask(&gateway, "/cost/estimate", plan).await.json();
    for (name, value) in [
        ("cost_per_request", 0.2),
        ("input_cost_per_request", 0.1),
        ("output_cost_per_request", 0.1),
        ("margin_cost_per_request", 0.0),
        ("daily_cost", 0.4),
        ("monthly_cost", 12.0),
    ] {
        assert_eq!(got[name], value, "{name} of {got}");
    }
    // Nobody knows what it costs: that is no zero.
    let plan = json!({"model": "other", "input_tokens": 100});
    let (status, _, message) = ask(&gateway, "/cost/estimate", plan).await.error();
    assert!(status == 400 && message.contains("price"), "{message}");
}
