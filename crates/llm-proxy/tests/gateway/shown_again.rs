//! What a vendor made on its own and shows again and again is charged once, whichever process shows it.

use llm_proxy::settings::Place;
use llm_store::rows::SpendRow;
use serde_json::json;

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
