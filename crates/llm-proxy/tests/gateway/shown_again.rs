//! What a vendor made on its own and shows again and again is charged once, whichever process shows it.

use llm_providers::{Credential, Target, lookup};
use llm_proxy::settings::Place;
use llm_router::Deployment;
use llm_store::rows::SpendRow;
use serde_json::{Value, json};

use crate::{
    again,
    stored::kit::{self, Database},
    support::*,
};

const KEY: (&str, &str) = ("authorization", "Bearer sk-master");

/// A gateway over `database`.
async fn over(vendor: &Vendor, database: &Database, journal: &str) -> Gateway {
    let mut settings = with_master_key(settings(&vendor.url));
    settings.deployments[0].target.model = "gpt-4.1".into();
    settings.database.place = Place::Named(database.settings.url.clone());
    settings.database.journal = Some(database.folder().join(journal));
    Gateway::with(settings).await
}

#[tokio::test]
async fn a_response_of_the_background_is_charged_once_by_all_processes() {
    for database in kit::databases().await {
        let vendor = again::keeping().await;
        let first = over(&vendor, &database, "one").await;
        let body = json!({"model": "gpt", "input": "Hi", "background": true});
        let id = again::made(&first, body).await;
        let path = format!("/v1/responses/{id}");
        for journal in ["two", "three"] {
            let shown = first.send("GET", &path, &[KEY], "").await;
            assert_eq!(shown.status, 200, "{}", shown.text());
            if database.name == "postgres" {
                let other = over(&vendor, &database, journal).await;
                assert_eq!(other.send("GET", &path, &[KEY], "").await.status, 200);
                other.running.stop().await;
            }
        }
        first.running.stop().await;
        let second = over(&vendor, &database, "four").await;
        assert_eq!(second.send("GET", &path, &[KEY], "").await.status, 200);
        let spent = second.send("GET", "/global/spend", &[KEY], "").await;
        assert_eq!(spent.json()["spend"], 0.0028, "{}", spent.text());
        second.running.stop().await;

        let store = database.open().await;
        let rows = store.list::<SpendRow>(&[], 100, 0).await.unwrap().rows;
        let bills: Vec<&SpendRow> = rows.iter().filter(|row| row.spend.0 > 0).collect();
        // 1000 and 100 tokens at 2 and 8 dollars a million.
        let spends: Vec<i64> = bills.iter().map(|row| row.spend.0).collect();
        assert_eq!(spends, [2_800_000], "{}", database.name);
        assert!(bills[0].id.starts_with("response-"), "{}", bills[0].id);
        assert_eq!(bills[0].total_tokens, 1100);
        // Who showed it has a row of its own, as every request.
        let shown = rows.iter().filter(|row| row.id != bills[0].id);
        assert!(shown.clone().count() >= 3);
        assert!(shown.clone().all(|row| row.total_tokens == 0));
    }
}

/// What a vendor shows at its own paths of a batch, and of a response of the background.
fn own(asked: Asked) -> axum::http::Response<axum::body::Body> {
    let line = |id: &str| {
        let message = json!({
            "id": id, "type": "message", "role": "assistant", "model": "claude-sonnet-4-5",
            "content": [{"type": "text", "text": "x"}], "stop_reason": "end_turn",
            "usage": {"input_tokens": 1000, "output_tokens": 100},
        });
        json!({"custom_id": id, "result": {"type": "succeeded", "message": message}}).to_string()
    };
    let usage = json!({"input_tokens": 1000, "output_tokens": 100, "total_tokens": 1100});
    let (id, status) = ("of_the_vendor", "completed");
    match asked.path.as_str() {
        path if path.ends_with("/gone") => reply(204, "application/json", ""),
        path if path.ends_with("/results") => {
            let lines = [line("a"), line("b")].join("\n") + "\n";
            reply(200, "application/x-jsonl", lines)
        }
        path if path.contains("/responses/") => whole(&json!({
            "id": id, "object": "response", "status": status, "background": true, "model": "gpt-4.1", "output": [],
            "usage": usage,
        })),
        path if path.contains("/messages/") => {
            whole(&json!({"id": id, "processing_status": "ended"}))
        }
        _ => whole(&json!({
            "id": id, "object": "batch", "status": status, "model": "gpt-4.1", "usage": usage,
        })),
    }
}

#[tokio::test]
async fn what_passes_through_is_charged_the_first_time_that_it_is_shown() {
    let vendor = Vendor::answering(own).await;
    let database = kit::sqlite();
    let base = vendor.url.trim_end_matches("/v1");
    let mut settings = with_master_key(settings(&vendor.url));
    let claude = Target::new(
        lookup("anthropic").unwrap(),
        "claude",
        Credential::key("sk-ant"),
    );
    let claude = Deployment::new("claude", "claude", claude.at(base));
    settings.deployments.push(claude);
    settings.database.place = Place::Named(database.settings.url.clone());
    settings.database.journal = Some(database.folder().join("journal"));
    let gateway = Gateway::with(settings).await;
    // A thousand tokens in and a hundred out, at the prices of batches but for the response.
    let shown = [
        ("/anthropic/v1/messages/batches/b", 0),
        ("/anthropic/v1/messages/batches/b/results", 4_500_000),
        ("/openai/batches/b", 1_400_000),
        ("/openai/responses/resp_1", 2_800_000),
    ];
    let mut texts: Vec<String> = Vec::new();
    for _ in 0..2 {
        for (path, _) in shown {
            let got = gateway.send("GET", path, &[KEY], "").await;
            assert_eq!(got.status, 200, "{path}: {}", got.text());
            texts.push(got.text().to_owned());
        }
    }
    assert!(texts[1].lines().all(|line| line.contains("succeeded")));
    let disguised = "/anthropic/v1/messages/batches/b/result%73";
    assert_eq!(gateway.send("GET", disguised, &[KEY], "").await.status, 400);
    let got = gateway
        .send("DELETE", "/openai/files/gone", &[KEY], "")
        .await;
    assert_eq!(got.status, 204, "{}", got.text());
    gateway.running.stop().await;

    let store = database.open().await;
    let rows = store.list::<SpendRow>(&[], 100, 0).await.unwrap().rows;
    let (bills, requests): (Vec<_>, Vec<_>) = rows.iter().partition(|row| row.spend.0 > 0);
    let mut spends: Vec<i64> = bills.iter().map(|row| row.spend.0).collect();
    spends.sort_unstable();
    let mut expected: Vec<i64> = shown.iter().map(|(_, spend)| *spend).collect();
    expected.sort_unstable();
    assert_eq!(spends, expected[1..]);
    assert_eq!(requests.len(), 9);
    assert!(rows.iter().all(|row| row.status == "success"));
    assert!(
        rows.iter()
            .all(|row| row.call_type == "pass_through_endpoint")
    );
    let usage: Option<Value> = bills[0].usage_value.as_ref().map(|usage| json!(usage));
    assert!(usage.is_some());
}
