//! Groups of models, and the keys that they are opened to.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod kit;

use std::sync::Arc;

use kit::Office;
use llm_governance::Caller;
use serde_json::json;

#[tokio::test]
async fn an_access_group_opens_its_models_to_the_keys_that_have_it() {
    let office = Office::open().await;
    let key = office
        .post("/key/generate", json!({"models": ["small"]}))
        .await
        .unwrap();
    let (plain, token) = (key["key"].as_str().unwrap(), key["token"].as_str().unwrap());
    let may = async || {
        let caller = office.governance.caller(plain).await.unwrap().unwrap();
        let groups = office.governance.groups_of("gpt-4o", &[]).await.unwrap();
        office
            .governance
            .may_ask(&caller, "gpt-4o", &groups)
            .is_ok()
    };
    assert!(!may().await);
    let made = office
        .post(
            "/v1/access_group",
            json!({"access_group_name": "big", "access_model_names": ["gpt-4o"], "assigned_key_ids": [token]}),
        )
        .await
        .unwrap();
    assert!(may().await);
    let path = format!(
        "/v1/access_group/{}",
        made["access_group_id"].as_str().unwrap()
    );
    let master = Arc::new(Caller::master());
    let change = json!({"access_model_names": ["o3"]});
    office
        .call(Arc::clone(&master), "PUT", &path, change)
        .await
        .unwrap();
    assert!(!may().await);
    let back = json!({"access_model_names": ["gpt-*"]});
    office
        .call(Arc::clone(&master), "PUT", &path, back)
        .await
        .unwrap();
    assert!(may().await);
    office
        .call(master, "DELETE", &path, json!({}))
        .await
        .unwrap();
    assert!(!may().await);
    let info = office.get(&format!("/key/info?key={plain}")).await.unwrap();
    assert_eq!(info["info"]["access_group_ids"], json!([]));
}
