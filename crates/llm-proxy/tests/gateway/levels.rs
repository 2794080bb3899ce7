//! Gauges of what is left, and counters of what is made.

use llm_proxy::settings::Settings;
use serde_json::json;

use crate::{governed::Kept, operations, scopes::configured, support::*};

/// A gateway that shows its metrics to everybody.
async fn open(vendor: &Vendor, more: &str, change: impl FnOnce(&mut Settings)) -> Kept {
    let mut settings = configured(&(operations::models(&vendor.url, "") + more));
    settings.metrics_need_key = false;
    change(&mut settings);
    Kept::with(settings).await
}

#[tokio::test]
async fn what_is_left_of_limits_and_budgets_is_told() {
    let vendor = Vendor::answering(operations::answer).await;
    let kept = open(
        &vendor,
        "router_settings: {provider_budget_config: {openai: {budget_limit: 50, time_period: 1d}}}\n",
        |settings| settings.metrics.end_users = true,
    )
    .await;
    let team = json!({"team_id": "t", "team_alias": "crew", "rpm_limit": 20});
    assert_eq!(kept.manage("/team/new", team).await.status, 200);
    let customer = json!({"user_id": "c", "max_budget": 3, "budget_duration": "1d"});
    assert_eq!(kept.manage("/customer/new", customer).await.status, 200);
    let key = json!({
        "key_alias": "ci", "team_id": "t", "rpm_limit": 10, "tpm_limit": 100_000, "model_rpm_limit": {"talk": 5},
    });
    let key = kept.key(key).await;
    let mut body = chat("talk");
    body["user"] = "c".into();
    body["max_tokens"] = 5.into();
    assert_eq!(kept.chat_with(&key, body).await.status, 200);
    kept.gateway.settled().await;
    for (words, value) in [
        // The vendor's own words.
        (
            &[
                "litellm_remaining_requests_metric{",
                "api_key_alias=\"ci\"",
                "model_group=\"talk\"",
            ][..],
            41.0,
        ),
        (
            &[
                "litellm_api_key_rate_limit_allowed_metric{",
                "rate_limit_type=\"requests\"",
            ],
            10.0,
        ),
        (
            &[
                "litellm_api_key_rate_limit_used_metric{",
                "rate_limit_type=\"requests\"",
            ],
            1.0,
        ),
        (
            &[
                "litellm_team_rate_limit_allowed_metric{",
                "team_alias=\"crew\"",
                "\"requests\"",
            ],
            20.0,
        ),
        (
            &[
                "litellm_team_rate_limit_used_metric{",
                "team=\"t\"",
                "\"requests\"",
            ],
            1.0,
        ),
        (
            &[
                "litellm_remaining_api_key_requests_for_model{",
                "model=\"talk\"",
            ],
            4.0,
        ),
        (
            &["litellm_customer_max_budget_metric{", "end_user=\"c\""],
            3.0,
        ),
        (&["litellm_teams_count"], 1.0),
    ] {
        assert_eq!(kept.gateway.metric(words).await, value, "{words:?}");
    }
    let left = kept
        .gateway
        .metric(&[
            "litellm_remaining_customer_budget_metric{",
            "end_user=\"c\"",
        ])
        .await;
    assert!(left > 2.9 && left < 3.0, "{left}");
    let left = kept
        .gateway
        .metric(&["litellm_provider_remaining_budget_metric{", "openai"])
        .await;
    assert!(left > 49.9 && left < 50.0, "{left}");
    let hours = kept
        .gateway
        .metric(&["litellm_customer_budget_remaining_hours_metric{", "\"c\""])
        .await;
    assert!(hours > 0.0 && hours <= 24.0, "{hours}");
}

#[tokio::test]
async fn what_is_made_is_counted() {
    let vendor = Vendor::answering(operations::answer).await;
    let kept = open(&vendor, "", |_| {}).await;
    let headers = [("authorization", "Bearer sk-master")];
    for row in operations::all() {
        if ["image", "video", "file", "batch", "chat"].contains(&row.name) {
            let got = operations::send(&kept.gateway, &row, "", &headers).await;
            assert_eq!(got.status, 200, "{}", got.text());
        }
    }
    kept.gateway.settled().await;
    for (words, value) in [
        (
            &[
                "litellm_images_generated_metric_total{",
                "requested_model=\"paint\"",
            ][..],
            1.0,
        ),
        (
            &[
                "litellm_video_duration_seconds_metric_total{",
                "requested_model=\"film\"",
            ],
            4.0,
        ),
        (
            &[
                "litellm_managed_file_created_total{",
                "api_provider=\"openai\"",
            ],
            1.0,
        ),
        (
            &[
                "litellm_managed_batch_created_total{",
                "api_provider=\"openai\"",
            ],
            1.0,
        ),
    ] {
        assert_eq!(kept.gateway.metric(words).await, value, "{words:?}");
    }
    let page = kept.gateway.get("/metrics").await;
    // A chat makes no picture, and does not say that it made none.
    let chats = page
        .text()
        .lines()
        .filter(|line| line.contains("images") && line.contains("talk"));
    assert_eq!(chats.count(), 0);
}

#[tokio::test]
async fn budgets_of_those_who_never_asked_are_told_where_that_is_wanted() {
    let vendor = Vendor::answering(operations::answer).await;
    for (wanted, value) in [(true, 7.0), (false, 0.0)] {
        let more =
            format!("litellm_settings: {{prometheus_initialize_budget_metrics: {wanted}}}\n");
        let kept = open(&vendor, &more, |_| {}).await;
        kept.key(json!({"key_alias": "idle", "max_budget": 7}))
            .await;
        let team = json!({"team_id": "idle", "max_budget": 7});
        assert_eq!(kept.manage("/team/new", team).await.status, 200);
        for words in [
            [
                "litellm_remaining_api_key_budget_metric{",
                "api_key_alias=\"idle\"",
            ],
            ["litellm_remaining_team_budget_metric{", "team=\"idle\""],
        ] {
            assert_eq!(kept.gateway.metric(&words).await, value, "{words:?}");
        }
    }
}

#[tokio::test]
async fn a_replaced_key_still_tells_what_it_has_left() {
    let vendor = Vendor::answering(operations::answer).await;
    let kept = open(&vendor, "", |_| {}).await;
    let old = kept.key(json!({"key_alias": "ci", "max_budget": 1})).await;
    assert_eq!(kept.chat_with(&old, chat("talk")).await.status, 200);
    let replaced = kept.manage("/key/regenerate", json!({"key": old})).await;
    let new = replaced.json()["key"].as_str().unwrap().to_owned();
    assert_eq!(kept.chat_with(&new, chat("talk")).await.status, 200);
    kept.gateway.settled().await;
    let hash = format!("hashed_api_key=\"{}\"", llm_store::hash_token(&new));
    let left = kept
        .gateway
        .metric(&["litellm_remaining_api_key_budget_metric{", &hash])
        .await;
    // Both were charged: 9 tokens each, at a hundred-thousandth of a dollar.
    assert!((left - 0.999_82).abs() < 1e-9, "{left}");
}
