//! Labels of metrics that the operator adds.

use llm_proxy::settings::{Metrics, OwnLabel};
use serde_json::json;

use crate::{support::*, wishes::*};

const TOTAL: &str = "litellm_proxy_total_requests_metric_total{";

async fn kept(vendor: &Vendor, change: impl FnOnce(&mut Metrics)) -> Kept {
    let mut settings = settings(&vendor.url);
    settings.metrics.own = ["metadata.run", "metadata.cost.center"]
        .into_iter()
        .filter_map(OwnLabel::of_metadata)
        .chain(OwnLabel::of_tag("ci"))
        .collect();
    change(&mut settings.metrics);
    Kept::with(settings).await
}

#[tokio::test]
async fn requests_keys_and_teams_say_what_own_labels_are() {
    let vendor = Vendor::friendly().await;
    let kept = kept(&vendor, |_| {}).await;
    let team = json!({"team_id": "t", "metadata": {"cost": {"center": 7}}});
    assert_eq!(kept.manage("/team/new", team).await.status, 200);
    let key = kept
        .key(json!({"team_id": "t", "metadata": {"run": "of-key", "tags": ["ci"]}}))
        .await;
    for (path, said) in [
        (
            "/v1/chat/completions",
            json!({"metadata": {"run": "of-request"}}),
        ),
        (
            "/openai/chat/completions",
            json!({"metadata": {"run": "passed"}}),
        ),
        ("/v1/chat/completions", json!({})),
    ] {
        let got = kept.ask(path, &key, with(chat("gpt"), said)).await;
        assert_eq!(got.status, 200, "{}", got.text());
    }
    let other = kept.chat("sk-master", chat("gpt")).await;
    assert_eq!(other.status, 200, "{}", other.text());
    kept.gateway.settled().await;
    let text = kept.manage_get("/metrics").await;
    for start in [TOTAL, "litellm_request_queue_time_seconds_count{"] {
        for own in [
            r#"metadata_run="of-request",metadata_cost_center="7",tag_ci="true""#,
            r#"metadata_run="passed",metadata_cost_center="7",tag_ci="true""#,
            r#"metadata_run="of-key",metadata_cost_center="7",tag_ci="true""#,
            r#"metadata_run="None",metadata_cost_center="None",tag_ci="false""#,
        ] {
            let has = |line: &str| line.starts_with(start) && line.contains(own);
            let line = text.text().lines().find(|line| has(line));
            assert!(
                line.is_some_and(|line| line.ends_with(" 1")),
                "{start} {own} {line:?}"
            );
        }
    }
    // What is left of a key's limits is not a request's.
    let left = |line: &&str| line.starts_with("litellm_api_key_") && line.contains("metadata_run");
    assert_eq!(text.text().lines().find(left), None);
}

#[tokio::test]
async fn clients_cannot_fill_the_memory_with_own_labels() {
    let vendor = Vendor::friendly().await;
    let kept = kept(&vendor, |metrics| metrics.most_series = 10).await;
    for run in 0..30 {
        let said = json!({"metadata": {"run": run}});
        let got = kept.chat("sk-master", with(chat("gpt"), said)).await;
        assert_eq!(got.status, 200);
    }
    kept.gateway.settled().await;
    let text = kept.manage_get("/metrics").await;
    let mine = |line: &&str| line.starts_with(TOTAL) && line.contains(r#"requested_model="gpt""#);
    let lines: Vec<&str> = text.text().lines().filter(mine).collect();
    assert!((2..=10).contains(&lines.len()), "{lines:#?}");
    let values = lines
        .iter()
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
    assert_eq!(values.sum::<f64>(), 30.0, "nobody is lost");
    assert!(
        lines
            .iter()
            .any(|line| line.contains(r#"metadata_run="other""#))
    );
}
