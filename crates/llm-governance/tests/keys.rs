//! Keys: made, seen, changed, used and taken away.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod kit;

use kit::Office;
use llm_governance::{Access, Refusal};
use serde_json::{Value, json};

fn field<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("no {name} in {value}"))
}

#[tokio::test]
async fn a_key_is_shown_once_and_works_until_it_is_deleted() {
    let office = Office::open().await;
    let made = office
        .post(
            "/key/generate",
            json!({"key_alias": "ci", "models": ["gpt-4o"], "max_budget": 0.5, "duration": "30d"}),
        )
        .await
        .unwrap();
    let key = field(&made, "key");
    assert!(key.starts_with("sk-") && key.len() == 25, "{key}");
    assert_eq!(field(&made, "token"), llm_store::hash_token(key));
    assert_eq!(
        field(&made, "key_name"),
        format!("sk-...{}", &key[key.len() - 4..])
    );
    assert!(field(&made, "expires").ends_with('Z'));
    assert_eq!(made["max_budget"], 0.5);

    let caller = office.governance.caller(key).await.unwrap().expect("known");
    assert_eq!(caller.key_alias(), Some("ci"));
    office.governance.may_ask(&caller, "gpt-4o", &[]).unwrap();
    let denied = office.governance.may_ask(&caller, "o3", &[]).unwrap_err();
    assert_eq!(
        (denied.status.as_u16(), denied.kind),
        (403, "key_model_access_denied")
    );

    let info = office.get(&format!("/key/info?key={key}")).await.unwrap();
    assert_eq!(info["info"]["key_alias"], "ci");
    assert!(
        !info
            .to_string()
            .contains(&format!("\"{}\"", field(&made, "token")))
    );

    office
        .post("/key/delete", json!({"keys": [key]}))
        .await
        .unwrap();
    assert!(office.governance.caller(key).await.unwrap().is_none());
    let gone = office
        .get(&format!("/key/info?key={key}"))
        .await
        .unwrap_err();
    assert_eq!(gone.status.as_u16(), 404);
}

#[tokio::test]
async fn a_change_holds_at_once() {
    let office = Office::open().await;
    let made = office
        .post("/key/generate", json!({"models": ["a"]}))
        .await
        .unwrap();
    let key = field(&made, "key");
    let models = async || {
        let caller = office.governance.caller(key).await.unwrap().expect("known");
        caller.key.as_ref().expect("a key").row.models.clone()
    };
    assert_eq!(models().await, ["a"]);
    office
        .post(
            "/key/update",
            json!({"key": key, "models": ["b"], "rpm_limit": 7}),
        )
        .await
        .unwrap();
    assert_eq!(models().await, ["b"]);
    // What is not named stays; a null clears.
    let updated = office
        .post("/key/update", json!({"key": key, "models": null}))
        .await
        .unwrap();
    assert_eq!(
        (&updated["rpm_limit"], &updated["models"]),
        (&json!(7), &json!([]))
    );
    office
        .post("/key/block", json!({"key": key}))
        .await
        .unwrap();
    let refused = office.governance.caller(key).await.unwrap_err();
    assert_eq!((refused.status.as_u16(), refused.kind), (401, "auth_error"));
    office
        .post("/key/unblock", json!({"key": key}))
        .await
        .unwrap();
    office.governance.caller(key).await.unwrap().expect("known");
}

#[tokio::test]
async fn what_is_wrong_with_a_key_is_named() {
    let office = Office::open().await;
    office
        .post("/key/generate", json!({"key_alias": "one"}))
        .await
        .unwrap();
    for (body, status, param) in [
        (json!({"max_budget": -1}), 400, "max_budget"),
        (json!({"max_budget": "much"}), 422, "max_budget"),
        (json!({"budget_duration": "30x"}), 400, "budget_duration"),
        (json!({"duration": ""}), 400, "duration"),
        (json!({"rpm_limit": 1.5}), 422, "rpm_limit"),
        (json!({"models": "gpt-4o"}), 422, "models"),
        (json!({"key_alias": "one"}), 400, "key_alias"),
        (json!({"key": "sk-short"}), 400, "key"),
        (json!({"key": "no-prefix-but-long-enough"}), 400, "key"),
        (json!({"team_id": "nowhere"}), 400, "team_id"),
        (
            json!({"metadata": {"x": "y".repeat(300_000)}}),
            400,
            "metadata",
        ),
        (
            json!({"model_max_budget": {"m": {"budget_limit": -3}}}),
            400,
            "model_max_budget.m.budget_limit",
        ),
        (
            json!({"soft_budget": 5, "max_budget": 3}),
            400,
            "soft_budget",
        ),
    ] {
        let refused: Refusal = office
            .post("/key/generate", body.clone())
            .await
            .unwrap_err();
        let named = refused.param.as_deref().unwrap_or_default();
        assert_eq!((refused.status.as_u16(), named), (status, param), "{body}");
    }
    let made = office
        .post("/key/generate", json!({"max_bugdet": 3}))
        .await
        .unwrap();
    assert_eq!(
        made["notices"][0],
        "unknown field 'max_bugdet': did you mean 'max_budget'?"
    );
    let locked = json!({"prompts": ["greeting"], "guardrails": []});
    let made = office.post("/key/generate", locked).await.unwrap();
    let told = json!(["'prompts' is kept and has no effect yet"]);
    assert_eq!(made["notices"], told);
}

#[tokio::test]
async fn hostile_values_are_values() {
    let office = Office::open().await;
    for alias in [
        "'; DROP TABLE keys; --",
        "{{7*7}}",
        "\u{0}x",
        "${jndi:ldap://x}",
    ] {
        let made = office
            .post("/key/generate", json!({"key_alias": alias}))
            .await
            .unwrap();
        let info = office
            .get(&format!("/key/info?key={}", field(&made, "key")))
            .await
            .unwrap();
        assert_eq!(info["info"]["key_alias"], alias.replace('\0', "\u{fffd}"));
    }
}

#[tokio::test]
async fn keys_without_an_owner_manage_nothing() {
    let office = Office::open().await;
    let made = office.post("/key/generate", json!({})).await.unwrap();
    let key = field(&made, "key");
    let refused = office
        .by(key, "POST", "/key/generate", json!({}))
        .await
        .unwrap_err();
    assert_eq!(refused.status.as_u16(), 401);
    let own = office.by(key, "GET", "/key/info", json!({})).await.unwrap();
    assert_eq!(own["key"], made["token"]);
    let other = office.post("/key/generate", json!({})).await.unwrap();
    let path = format!("/key/info?key={}", field(&other, "key"));
    let refused = office.by(key, "GET", &path, json!({})).await.unwrap_err();
    assert_eq!(refused.status.as_u16(), 404);
}

#[tokio::test]
async fn a_key_goes_where_it_may() {
    let office = Office::open().await;
    let body = json!({"allowed_routes": ["llm_api_routes", "/key/info"]});
    let made = office.post("/key/generate", body).await.unwrap();
    let caller = office
        .governance
        .caller(field(&made, "key"))
        .await
        .unwrap()
        .expect("known");
    let may = |access, path| {
        office
            .governance
            .may_call(&caller, access, &http::Method::GET, path)
    };
    may(Access::Model, "/v1/chat/completions").unwrap();
    may(Access::Info, "/key/info").unwrap();
    let refused = may(Access::Info, "/key/list").unwrap_err();
    assert_eq!(refused.status.as_u16(), 403);
    assert!(
        refused
            .detail
            .expect("a detail")
            .to_string()
            .contains("not allowed to call this route")
    );
}
