//! Limits of keys and of whom they ask for, at the gateway.

use serde_json::json;

use crate::{governed::*, support::*};

#[tokio::test]
async fn tokens_are_counted_for_whom_the_model_is_and_within_limits() {
    let vendor = Vendor::friendly().await;
    let kept = Kept::before(&vendor).await;
    let stranger = kept.key(json!({"models": ["another"]})).await;
    let limited = kept.key(json!({"rpm_limit": 2})).await;
    let contents = json!({"contents": [{"role": "user", "parts": [{"text": "Hello"}]}]});
    let asked = [
        ("/v1/messages/count_tokens", chat("gpt"), "input_tokens"),
        ("/v1beta/models/gpt:countTokens", contents, "totalTokens"),
    ];
    for (path, body, field) in &asked {
        let ask = async |key: &str| {
            let bearer = format!("Bearer {key}");
            let headers = [("authorization", bearer.as_str())];
            let body = body.to_string();
            kept.gateway.send("POST", path, &headers, body).await
        };
        assert_eq!(ask(&stranger).await.status, 403, "{path}");
        let counted = ask(&limited).await;
        assert!(counted.json()[field].as_u64().unwrap() > 0, "{path}");
    }
    let over = kept.chat_with(&limited, chat("gpt")).await;
    assert_eq!(over.status, 429, "{}", over.text());
    assert!(vendor.asked().is_empty());
    assert!(kept.rows().await.is_empty());
}

#[tokio::test]
async fn limits_say_what_is_left_and_when_to_come_back() {
    let vendor = Vendor::friendly().await;
    let kept = Kept::before(&vendor).await;
    let key = kept
        .key(json!({"rpm_limit": 2, "tpm_limit": 100_000}))
        .await;
    let first = kept.chat_with(&key, chat("gpt")).await;
    assert_eq!(first.status, 200);
    assert_eq!(first.header("x-ratelimit-api_key-remaining-requests"), "1");
    assert_eq!(first.header("x-ratelimit-api_key-limit-tokens"), "100000");
    assert_eq!(kept.chat_with(&key, chat("gpt")).await.status, 200);
    let limited = kept.chat_with(&key, chat("gpt")).await;
    let (status, kind, message) = limited.error();
    assert_eq!((status, kind.as_str()), (429, "throttling_error"));
    assert!(
        message.contains("Limit type: requests. Current limit: 2, Remaining: 0."),
        "{message}"
    );
    assert_eq!(limited.header("rate_limit_type"), "requests");
    let wait: u64 = limited.header("retry-after").parse().unwrap();
    assert!((1..=60).contains(&wait), "{wait}");
    // Another key is nobody's business.
    let other = kept.key(json!({"rpm_limit": 2})).await;
    assert_eq!(kept.chat_with(&other, chat("gpt")).await.status, 200);
    assert_eq!(kept.rows().await.len(), 3);
}

#[tokio::test]
async fn the_limit_that_is_reached_refuses_streams_and_whole_answers_alike() {
    let vendor = Vendor::friendly().await;
    let kept = Kept::before(&vendor).await;
    for stream in [false, true] {
        for (scope, with) in [
            ("api_key", json!({"rpm_limit": 1})),
            ("model_per_key", json!({"model_rpm_limit": {"gpt": 1}})),
            ("tag", json!({"tag_rpm_limit": {"ci": 1}})),
            ("session", json!({"metadata": {"max_iterations": 1}})),
            ("user", json!({"user_id": format!("u-{stream}")})),
            ("team", json!({"team_id": format!("t-{stream}")})),
            ("end_user", json!({})),
        ] {
            let route = match scope {
                "user" => Some(("/user/new", json!({"user_id": with["user_id"]}))),
                "team" => Some(("/team/new", json!({"team_id": with["team_id"]}))),
                "end_user" => Some(("/customer/new", json!({"user_id": format!("c-{stream}")}))),
                _ => None,
            };
            if let Some((path, mut body)) = route {
                body["rpm_limit"] = 1.into();
                let made = kept.manage(path, body).await;
                assert_eq!(made.status, 200, "{}", made.text());
            }
            let key = kept.key(with.clone()).await;
            let mut body = chat("gpt");
            body["stream"] = stream.into();
            body["metadata"] = json!({"tags": ["ci"]});
            body["litellm_session_id"] = "a-session-of-an-agent".into();
            if scope == "end_user" {
                body["user"] = format!("c-{stream}").into();
            }
            let first = kept.chat_with(&key, body.clone()).await;
            assert_eq!(first.status, 200, "{scope}: {}", first.text());
            assert_eq!(first.text().contains("data: [DONE]"), stream);
            let remaining = format!("x-ratelimit-{scope}-remaining-requests");
            assert_eq!(first.header(&remaining), "0", "{scope}");
            let (status, kind, message) = kept.chat_with(&key, body.clone()).await.error();
            assert_eq!(
                (status, kind.as_str()),
                (429, "throttling_error"),
                "{scope}"
            );
            let named = format!("Rate limit exceeded for {scope}: ");
            assert!(message.starts_with(&named), "{message}");
            let other = kept.key(json!({})).await;
            body["user"] = "somebody-else".into();
            assert_eq!(kept.chat_with(&other, body).await.status, 200, "{scope}");
        }
    }
}
