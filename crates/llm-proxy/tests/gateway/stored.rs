//! Models of the database: there after a restart, and on every instance; with credentials that are kept beside them.

#[path = "../../../llm-store/tests/kit/mod.rs"]
pub(crate) mod kit;

use std::time::Duration;

use llm_proxy::settings::{Place, Settings};
use serde_json::{Value, json};

use crate::support::*;

const MASTER: [(&str, &str); 1] = [("authorization", "Bearer sk-master")];

async fn gateway(vendor: &Vendor, database: &kit::Database, journal: &str) -> Gateway {
    let mut settings: Settings = with_master_key(settings(&vendor.url));
    settings.database.place = Place::Named(database.settings.url.clone());
    settings.database.journal = Some(database.folder().join(journal));
    Gateway::with(settings).await
}

async fn post(gateway: &Gateway, path: &str, body: Value) -> Got {
    gateway.send("POST", path, &MASTER, body.to_string()).await
}

/// The status of a chat with this model.
async fn asked(gateway: &Gateway, model: &str) -> u16 {
    let got = post(gateway, "/v1/chat/completions", chat(model)).await;
    got.status.as_u16()
}

fn model(vendor: &Vendor, id: &str) -> Value {
    json!({
        "model_name": "added",
        "litellm_params": {"model": "openai/gpt-4o", "api_base": vendor.url, "api_key": "sk-of-the-model"},
        "model_info": {"id": id},
    })
}

#[tokio::test]
async fn a_model_stays_until_it_is_removed() {
    let vendor = Vendor::friendly().await;
    let database = kit::sqlite();
    let first = gateway(&vendor, &database, "one").await;
    let got = post(&first, "/model/new", model(&vendor, "one")).await;
    assert_eq!(got.status, 200, "{}", got.text());
    assert!(!got.text().contains("sk-of-the-model"), "{}", got.text());
    assert_eq!(got.json()["model_id"], "one");
    assert_eq!(asked(&first, "added").await, 200);
    let twice = post(&first, "/model/new", model(&vendor, "one")).await;
    assert_eq!(twice.status, 400);
    first.running.stop().await;

    let second = gateway(&vendor, &database, "two").await;
    assert_eq!(asked(&second, "added").await, 200);
    let renamed = json!({"model_name": "renamed", "model_info": {"id": "one"}});
    assert_eq!(post(&second, "/model/update", renamed).await.status, 200);
    assert_eq!(asked(&second, "renamed").await, 200);
    assert_ne!(asked(&second, "added").await, 200);
    let wrong = json!({"litellm_params": {"model": ""}, "model_info": {"id": "one"}});
    let refused = post(&second, "/model/update", wrong).await;
    assert_eq!(refused.error().0, 400);
    assert_eq!(asked(&second, "renamed").await, 200);

    let which = json!({"model_id": "one"});
    assert_eq!(
        post(&second, "/model/block", which.clone()).await.status,
        200
    );
    assert_ne!(asked(&second, "renamed").await, 200);
    assert_eq!(post(&second, "/model/unblock", which).await.status, 200);
    assert_eq!(asked(&second, "renamed").await, 200);
    let gone = post(&second, "/model/delete", json!({"id": "one"})).await;
    assert_eq!(gone.status, 200, "{}", gone.text());
    assert_ne!(asked(&second, "renamed").await, 200);
    let twice = post(&second, "/model/delete", json!({"id": "one"})).await;
    assert_eq!(twice.error().0, 400);
}

#[tokio::test]
async fn a_model_uses_the_credentials_it_names_as_they_are_now() {
    let vendor = Vendor::friendly().await;
    let database = kit::sqlite();
    let gateway = gateway(&vendor, &database, "journal").await;
    let mut new = model(&vendor, "one");
    new["litellm_params"] = json!({"model": "openai/gpt-4o", "api_base": vendor.url, "litellm_credential_name": "ours"});
    let refused = post(&gateway, "/model/new", new.clone()).await;
    assert_eq!(refused.error().0, 400);
    assert!(
        refused.text().contains("litellm_credential_name"),
        "{}",
        refused.text()
    );
    for key in ["sk-first-credential", "sk-second-credential"] {
        let values = json!({"credential_name": "ours", "credential_values": {"api_key": key}});
        match key {
            "sk-first-credential" => {
                assert_eq!(post(&gateway, "/credentials", values).await.status, 200);
                assert_eq!(post(&gateway, "/model/new", new.clone()).await.status, 200);
            }
            _ => {
                let body = values.to_string();
                let got = gateway
                    .send("PATCH", "/credentials/ours", &MASTER, body)
                    .await;
                assert_eq!(got.status, 200, "{}", got.text());
            }
        }
        let bearer = format!("Bearer {key}");
        until(async || {
            assert_eq!(asked(&gateway, "added").await, 200);
            let last = vendor.asked().pop().unwrap();
            last.headers
                .get("authorization")
                .is_some_and(|value| *value == *bearer)
        })
        .await;
    }
}

#[tokio::test]
async fn every_instance_has_a_model_within_a_second() {
    let Some(database) = kit::postgres().await else {
        return;
    };
    let vendor = Vendor::friendly().await;
    let one = gateway(&vendor, &database, "one").await;
    let two = gateway(&vendor, &database, "two").await;
    assert_eq!(
        post(&one, "/model/new", model(&vendor, "m")).await.status,
        200
    );
    until(async || asked(&two, "added").await == 200).await;
    assert_eq!(
        post(&two, "/model/delete", json!({"id": "m"})).await.status,
        200
    );
    until(async || asked(&one, "added").await != 200).await;
}

/// Waits until something is so. A change is told in the background; how soon is no matter of this test.
async fn until(mut holds: impl AsyncFnMut() -> bool) {
    let waiting = async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), waiting)
        .await
        .expect("it never holds");
}

#[tokio::test]
async fn models_are_for_admins_and_those_of_a_team_for_its_own() {
    let vendor = Vendor::friendly().await;
    let database = kit::sqlite();
    let gateway = gateway(&vendor, &database, "journal").await;
    let made = post(&gateway, "/key/generate", json!({"user_id": "ada"})).await;
    let bearer = format!("Bearer {}", made.json()["key"].as_str().unwrap());
    let headers = [("authorization", bearer.as_str())];
    let body = model(&vendor, "one").to_string();
    let refused = gateway.send("POST", "/model/new", &headers, body).await;
    assert!(
        [401, 403].contains(&refused.error().0),
        "{}",
        refused.text()
    );
}
