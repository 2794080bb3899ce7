//! What agents cost.

use serde_json::json;

use crate::{support::*, wishes::*};

#[tokio::test]
async fn what_an_agent_costs_is_summed_up_by_day() {
    let vendor = Vendor::friendly().await;
    let kept = Kept::with(two(&vendor.url)).await;
    let of_agent = kept.key(json!({"agent_id": "planner"})).await;
    let plain = kept.key(json!({})).await;
    let ask = async |key: &str, says: &str| {
        let bearer = format!("Bearer {key}");
        let headers = [
            ("authorization", bearer.as_str()),
            ("x-litellm-agent-id", says),
        ];
        let body = chat("gpt").to_string();
        let got = kept
            .gateway
            .send("POST", "/v1/chat/completions", &headers, body)
            .await;
        assert_eq!(got.status, 200, "{}", got.text());
    };
    // What the key is for goes before what a client says.
    ask(&of_agent, "other").await;
    ask(&of_agent, "").await;
    ask(&plain, "writer").await;
    ask(&plain, "").await;
    let path = "/agent/daily/activity?start_date=2020-01-01&end_date=2099-01-01";
    for (more, agents, requests) in [
        ("", vec!["planner", "writer"], 3),
        ("&agent_ids=planner", vec!["planner"], 2),
        ("&exclude_agent_ids=planner", vec!["writer"], 1),
    ] {
        let got = kept.manage_get(&format!("{path}{more}")).await;
        assert_eq!(got.status, 200, "{}", got.text());
        let told = got.json();
        assert_eq!(told["metadata"]["total_api_requests"], requests, "{told}");
        let entities = told["results"][0]["breakdown"]["entities"]
            .as_object()
            .unwrap();
        let mut named: Vec<&str> = entities.keys().map(String::as_str).collect();
        named.sort_unstable();
        assert_eq!(named, agents, "{told}");
    }
}
