//! What answers say of the key that asked, and what refusals call whoever has no more.

use std::time::Duration;

use llm_proxy::settings::Settings;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::{governed::Kept, stored::kit, support::*};

/// A gateway whose answers cost something.
fn priced(vendor: &Vendor) -> Settings {
    let mut settings = settings(&vendor.url);
    let info = &mut settings.deployments[0].model_info;
    info.insert("input_cost_per_token".into(), 0.001.into());
    info.insert("output_cost_per_token".into(), 0.01.into());
    settings
}

fn said(tokens: u64) -> Value {
    let mut body = chat("gpt");
    body["max_tokens"] = tokens.into();
    body
}

fn dollars(got: &Got, name: &str) -> Option<f64> {
    got.header(name).parse().ok()
}

#[tokio::test]
async fn every_answer_says_what_its_key_has_spent() {
    for database in kit::databases().await {
        let vendor = Vendor::friendly().await;
        let name = database.name;
        let kept = Kept::on(database, priced(&vendor)).await;
        let key = kept.key(json!({"max_budget": 100})).await;
        let first = kept.chat_with(&key, said(5)).await;
        let cost = dollars(&first, "x-litellm-response-cost").unwrap();
        assert!(cost > 0.0);
        assert_eq!(dollars(&first, "x-litellm-key-spend"), Some(cost), "{name}");
        assert_eq!(dollars(&first, "x-litellm-key-max-budget"), Some(100.0));
        kept.gateway.settled().await;
        // What one answer cost is known to the next, also to one that is streamed or comes from somewhere else.
        let mut streamed = said(5);
        streamed["stream"] = true.into();
        let spent = async |path: &str, body: Value| {
            let bearer = format!("Bearer {key}");
            let headers = [("authorization", bearer.as_str())];
            let got = kept
                .gateway
                .send("POST", path, &headers, body.to_string())
                .await;
            (got.status.as_u16(), dollars(&got, "x-litellm-key-spend"))
        };
        let known = async || {
            let admin = [("authorization", "Bearer sk-master")];
            let path = format!("/key/info?key={key}");
            loop {
                let info = kept.gateway.send("GET", &path, &admin, "").await.json();
                match info["info"]["spend"].as_f64() {
                    Some(spent) if spent > 0.0 => return spent,
                    _ => tokio::task::yield_now().await,
                }
            }
        };
        assert_eq!(known().await, cost);
        assert_eq!(
            spent("/v1/chat/completions", streamed).await,
            (200, Some(cost)),
            "{name}"
        );
        let passed = spent("/openai/chat/completions", said(5)).await;
        assert!(
            passed.0 == 200 && passed.1 >= Some(2.0 * cost),
            "{passed:?}"
        );
        // A key without a budget.
        let free = kept.key(json!({})).await;
        let got = kept.chat_with(&free, said(5)).await;
        assert_eq!(got.header("x-litellm-key-max-budget"), "");
        if name == "SQLite" {
            assert_eq!(dollars(&got, "x-litellm-key-spend"), Some(cost));
        }
        kept.rows().await;
    }
}

#[tokio::test]
async fn refusals_name_whom_an_administrator_knows() {
    let vendor = Vendor::friendly().await;
    let kept = Kept::with(priced(&vendor)).await;
    let team = json!({"team_id": "t-1", "team_alias": "crew", "max_budget": 0.01});
    assert_eq!(kept.manage("/team/new", team).await.status, 200);
    let last = |key: &str| format!("sk-...{}", &key[key.len() - 4..]);
    let refused = async |key: &str, tokens: u64| {
        let got = kept.chat_with(key, said(tokens)).await;
        let (_, _, message) = got.error();
        let hash = llm_store::hash_token(key);
        assert!(!message.contains(&hash), "{message}");
        message
    };

    let plain = kept.key(json!({"max_budget": 0.01})).await;
    let message = refused(&plain, 50).await;
    let named = format!(
        "Budget has been exceeded! Key={} Current cost: 0, Max budget: 0.01",
        last(&plain)
    );
    assert!(message.starts_with(&named), "{message}");

    let named = kept
        .key(json!({"key_alias": "ci", "max_budget": 0.01}))
        .await;
    let message = refused(&named, 50).await;
    let whose = format!("Key=ci ({}) Current cost", last(&named));
    assert!(message.contains(&whose), "{message}");

    let of_team = kept.key(json!({"team_id": "t-1"})).await;
    let message = refused(&of_team, 50).await;
    assert!(
        message.contains("Team=crew (t-1) Current cost"),
        "{message}"
    );

    let user = json!({"user_id": "ada", "max_budget": 0.01, "auto_create_key": false});
    assert_eq!(kept.manage("/user/new", user).await.status, 200);
    let of_user = kept.key(json!({"user_id": "ada"})).await;
    let message = refused(&of_user, 50).await;
    let whose = "ExceededBudget: User=ada over budget. Current cost: 0, Max budget: 0.01";
    assert!(message.contains(whose), "{message}");

    let limited = json!({"key_alias": "slow", "rpm_limit": 1, "model_rpm_limit": {"gpt": 1}});
    let limited = kept.key(limited).await;
    assert_eq!(kept.chat_with(&limited, said(5)).await.status, 200);
    let message = refused(&limited, 5).await;
    let whose = format!(
        "Rate limit exceeded for api_key: slow ({}). Limit type: requests.",
        last(&limited)
    );
    assert!(message.starts_with(&whose), "{message}");
}

#[tokio::test]
async fn what_a_key_may_spend_for_a_time_ends_when_that_does() {
    let vendor = Vendor::friendly().await;
    let kept = Kept::with(priced(&vendor)).await;
    let key = kept.key(json!({"max_budget": 0.01})).await;
    let more = Duration::from_secs(2);
    let until = llm_store::Moment::now().plus(2_000).to_jiff().to_string();
    let change = json!({"key": key, "temp_budget_increase": 100, "temp_budget_expiry": until});
    let changed = kept.manage("/key/update", change).await;
    assert_eq!(changed.status, 200, "{}", changed.text());
    let got = kept.chat_with(&key, said(50)).await;
    assert_eq!(got.status, 200, "{}", got.text());
    // Rows are remembered for a minute.
    sleep(more).await;
    let refused = kept.chat_with(&key, said(50)).await;
    assert_eq!(refused.error().1, "budget_exceeded");
}

#[tokio::test]
async fn rows_say_what_scripts_read_in_their_metadata() {
    for database in kit::databases().await {
        let vendor = Vendor::friendly().await;
        let mut settings = settings(&vendor.url);
        // A model whose listed prices are known.
        let credential = llm_providers::Credential::key("sk-vendor");
        let row = llm_providers::lookup("openai").unwrap();
        settings.deployments[0].target =
            llm_providers::Target::new(row, "gpt-4o", credential).at(&vendor.url);
        let kept = Kept::on(database, settings).await;
        let team = json!({"team_id": "t-1", "team_alias": "crew"});
        assert_eq!(kept.manage("/team/new", team).await.status, 200);
        let made = json!({"team_id": "t-1", "key_alias": "ci", "user_id": "ada"});
        let key = kept.key(made).await;
        let got = kept.chat_with(&key, said(5)).await;
        let id = got.header("x-litellm-call-id").to_owned();
        let admin = [("authorization", "Bearer sk-master")];
        let rows = loop {
            let path = format!("/spend/logs?request_id={id}");
            let rows = kept.gateway.send("GET", &path, &admin, "").await.json();
            if rows[0].is_object() {
                break rows;
            }
            tokio::task::yield_now().await;
        };
        let metadata = &rows[0]["metadata"];
        for (name, expected) in [
            ("user_api_key", llm_store::hash_token(&key)),
            ("user_api_key_alias", "ci".to_owned()),
            ("user_api_key_team_id", "t-1".to_owned()),
            ("user_api_key_team_alias", "crew".to_owned()),
            ("user_api_key_user_id", "ada".to_owned()),
            ("status", "success".to_owned()),
            ("litellm_call_id", id.clone()),
        ] {
            assert_eq!(metadata[name], expected, "{name}: {metadata}");
        }
        let part = |name: &str| metadata["cost_breakdown"][name].as_f64().unwrap();
        let sum = part("input_cost") + part("output_cost");
        assert!(part("input_cost") > 0.0 && part("output_cost") > 0.0);
        assert!((part("total_cost") - sum).abs() < 1e-9, "{metadata}");
        assert_eq!(rows[0]["spend"], metadata["cost_breakdown"]["total_cost"]);
        assert!(metadata["usage_object"]["prompt_tokens"].is_number());
        let path = format!("/spend/logs/ui/{id}");
        let one = kept.gateway.send("GET", &path, &admin, "").await.json();
        assert_eq!(one["metadata"]["user_api_key_alias"], "ci");
        kept.rows().await;
    }
}

#[tokio::test]
async fn who_is_made_again_has_spent_nothing_and_its_rows_stay() {
    for database in kit::databases().await {
        let vendor = Vendor::friendly().await;
        let name = database.name;
        let kept = Kept::on(database, priced(&vendor)).await;
        let budget = json!({"max_budget": 0.02, "budget_duration": "30d"});
        let with = |mut body: Value| {
            for (key, value) in budget.as_object().unwrap() {
                body[key] = value.clone();
            }
            body
        };
        let secret = "sk-chosen-by-somebody-1234";
        for (make, delete, body, gone, asking) in [
            (
                "/key/generate",
                "/key/delete",
                with(json!({"key": secret})),
                json!({"keys": [secret]}),
                json!({}),
            ),
            (
                "/team/new",
                "/team/delete",
                with(json!({"team_id": "t"})),
                json!({"team_ids": ["t"]}),
                json!({"team_id": "t"}),
            ),
            (
                "/customer/new",
                "/customer/delete",
                with(json!({"user_id": "c"})),
                json!({"user_ids": ["c"]}),
                json!({}),
            ),
            (
                "/tag/new",
                "/tag/delete",
                with(json!({"name": "dear"})),
                json!({"name": "dear"}),
                json!({"metadata": {"tags": ["dear"]}}),
            ),
        ] {
            for _ in 0..2 {
                let made = kept.manage(make, body.clone()).await;
                assert_eq!(made.status, 200, "{make}: {}", made.text());
                let key = match make {
                    "/key/generate" => secret.to_owned(),
                    _ => kept.key(asking.clone()).await,
                };
                // Nobody says how long the answer gets: one may overrun.
                let mut chat = chat("gpt");
                if make == "/customer/new" {
                    chat["user"] = "c".into();
                }
                let got = kept.chat_with(&key, chat.clone()).await;
                assert_eq!(got.status, 200, "{name} {make}: {}", got.text());
                let refused = kept.chat_with(&key, chat).await;
                assert_eq!(refused.error().1, "budget_exceeded", "{name} {make}");
                let deleted = kept.manage(delete, gone.clone()).await;
                assert_eq!(deleted.status, 200, "{delete}: {}", deleted.text());
            }
        }
        let rows = kept.rows().await;
        assert_eq!(rows.iter().filter(|row| row.spend.0 > 0).count(), 8);
    }
}
