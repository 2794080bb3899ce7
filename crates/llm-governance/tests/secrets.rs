//! What is sealed: credentials and models of the database. And who changed what.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod kit;

use std::sync::Arc;

use kit::Office;
use llm_governance::{Actor, Caller, ModelEntry, Refusal};
use llm_store::rows::{Object, Team};
use serde_json::{Value, json};

fn object(value: Value) -> Object {
    match value {
        Value::Object(object) => object,
        other => panic!("{other} is no object"),
    }
}

fn entry(name: &str, params: Value, info: Value) -> ModelEntry {
    ModelEntry {
        model_name: name.to_owned(),
        litellm_params: object(params),
        model_info: object(info),
    }
}

async fn call(office: &Office, method: &str, path: &str, body: Value) -> Result<Value, Refusal> {
    office
        .call(Arc::new(Caller::master()), method, path, body)
        .await
}

const KEY: &str = "sk-provider-0123456789";

#[tokio::test]
async fn credentials_are_sealed_and_shown_masked() {
    for office in Office::everywhere().await {
        let values = json!({"api_key": KEY, "api_base": "https://example.test"});
        let new = json!({
            "credential_name": "team/openai", "credential_values": values,
            "credential_info": {"custom_llm_provider": "openai"},
        });
        let made = office.post("/credentials", new.clone()).await.unwrap();
        assert_eq!(made["success"], true);
        let taken = office.post("/credentials", new).await.unwrap_err();
        assert_eq!(taken.param.as_deref(), Some("credential_name"));

        let list = office.get("/credentials").await.unwrap();
        assert_eq!(
            list["credentials"][0]["credential_values"]["api_key"],
            "sk****89"
        );
        let one = office
            .get("/credentials/by_name/team/openai")
            .await
            .unwrap();
        assert_eq!(one["credential_info"]["custom_llm_provider"], "openai");
        let governance = &office.governance;
        let opened = governance
            .credential_values("team/openai")
            .await
            .unwrap()
            .unwrap();
        assert_eq!(opened["api_key"], KEY);

        let change =
            json!({"credential_values": {"api_key": "sk-other-0123456789", "api_base": null}});
        call(&office, "PATCH", "/credentials/team/openai", change)
            .await
            .unwrap();
        let opened = governance
            .credential_values("team/openai")
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            Value::from(opened),
            json!({"api_key": "sk-other-0123456789"})
        );

        let audit = office
            .get("/audit?table_name=LiteLLM_CredentialsTable&page_size=50")
            .await
            .unwrap();
        let text = audit.to_string();
        assert!(!text.contains(KEY) && text.contains("sk****89"), "{text}");
        call(&office, "DELETE", "/credentials/team/openai", json!({}))
            .await
            .unwrap();
        let gone = office
            .get("/credentials/by_name/team/openai")
            .await
            .unwrap_err();
        assert_eq!(gone.status.as_u16(), 404);
    }
}

#[tokio::test]
async fn nothing_of_a_secret_is_in_the_database() {
    let office = Office::open().await;
    let actor = Actor::default();
    let new = entry(
        "gpt",
        json!({"model": "openai/gpt-4o", "api_key": KEY}),
        json!({}),
    );
    let model = office
        .governance
        .add_model(&actor, new, |_| Ok(()))
        .await
        .unwrap();
    let values = json!({"credential_name": "c", "credential_values": {"api_key": KEY}});
    office.post("/credentials", values).await.unwrap();
    let of_model = json!({"credential_name": "m", "model_id": model.row.model_id});
    office.post("/credentials", of_model).await.unwrap();
    let copied = office
        .governance
        .credential_values("m")
        .await
        .unwrap()
        .unwrap();
    assert_eq!(Value::from(copied), json!({"api_key": KEY}));
    let path = format!("/credentials/by_model/{}", model.row.model_id);
    let shown = office.get(&path).await.unwrap();
    assert_eq!(shown["credential_values"], json!({"api_key": "sk****89"}));
    for file in std::fs::read_dir(office.folder()).unwrap() {
        let path = file.unwrap().path();
        if path.is_file() {
            let bytes = std::fs::read(&path).unwrap();
            let found = bytes.windows(KEY.len()).any(|part| part == KEY.as_bytes());
            assert!(!found, "{}", path.display());
        }
    }
}

#[tokio::test]
async fn models_are_kept_changed_blocked_and_removed() {
    for office in Office::everywhere().await {
        let governance = &office.governance;
        let mut told = governance.changes();
        let actor = Actor::default();
        let new = entry(
            "gpt",
            json!({"model": "openai/gpt-4o", "api_key": KEY, "rpm": 5}),
            json!({"id": "one", "mode": "chat"}),
        );
        governance
            .add_model(&actor, new.clone(), |_| Ok(()))
            .await
            .unwrap();
        let change = told.recv().await.unwrap();
        assert_eq!(
            (change.table.as_str(), change.object.as_str()),
            ("models", "one")
        );
        let taken = governance
            .add_model(&actor, new, |_| Ok(()))
            .await
            .unwrap_err();
        assert_eq!(taken.param.as_deref(), Some("model_info.id"));

        let change = entry("", json!({"rpm": null, "tpm": 9}), json!({"tier": "paid"}));
        let changed = governance
            .change_model(&actor, "one", change, |_| Ok(()))
            .await
            .unwrap();
        assert_eq!(changed.row.model_name, "gpt");
        let known = governance.stored_model("one").await.unwrap().unwrap();
        assert_eq!(
            Value::from(known.params.clone()),
            json!({"model": "openai/gpt-4o", "api_key": KEY, "tpm": 9})
        );
        assert_eq!(known.masked_params()["api_key"], "sk****89");
        assert_eq!(known.row.model_info["tier"], "paid");

        // What makes no model is not kept.
        let wrong = entry("", json!({"model": ""}), json!({}));
        let refuse = |_: &_| Err(Refusal::bad("litellm_params.model", "no model"));
        governance
            .change_model(&actor, "one", wrong, refuse)
            .await
            .unwrap_err();
        let known = governance.stored_model("one").await.unwrap().unwrap();
        assert_eq!(known.params["model"], "openai/gpt-4o");

        assert!(
            governance
                .block_model(&actor, "one", true)
                .await
                .unwrap()
                .row
                .blocked
        );
        assert_eq!(governance.stored_models().await.unwrap().len(), 1);
        governance.delete_model(&actor, "one").await.unwrap();
        let unknown = governance.delete_model(&actor, "one").await.unwrap_err();
        assert_eq!(
            (unknown.status.as_u16(), unknown.param.as_deref()),
            (400, Some("id"))
        );
    }
}

#[tokio::test]
async fn a_models_team_alone_knows_its_name() {
    let office = Office::open().await;
    let governance = &office.governance;
    let team = Team {
        team_id: "red".into(),
        models: vec!["small".into()],
        ..Team::default()
    };
    governance.store().insert(&team).await.unwrap();
    let actor = Actor::default();
    let own = |id: &str| {
        entry(
            "own",
            json!({"model": "openai/x"}),
            json!({"id": id, "team_id": "red"}),
        )
    };
    let one = governance
        .add_model(&actor, own("1"), |_| Ok(()))
        .await
        .unwrap();
    let two = governance
        .add_model(&actor, own("2"), |_| Ok(()))
        .await
        .unwrap();
    assert_eq!(one.row.model_name, two.row.model_name);
    assert!(one.row.model_name.starts_with("model_name_red_"));
    assert_eq!(one.public_name(), "own");
    let team = async || {
        governance
            .store()
            .get::<Team>(&["red"])
            .await
            .unwrap()
            .unwrap()
    };
    assert_eq!(team().await.model_aliases["own"], one.row.model_name);
    governance.delete_model(&actor, "1").await.unwrap();
    assert!(team().await.models.contains(&"own".to_owned()));
    governance.delete_model(&actor, "2").await.unwrap();
    assert_eq!(team().await.models, ["small"]);
    assert!(team().await.model_aliases.is_empty());
    let lost = entry(
        "x",
        json!({"model": "openai/x"}),
        json!({"team_id": "nowhere"}),
    );
    let refused = governance
        .add_model(&actor, lost, |_| Ok(()))
        .await
        .unwrap_err();
    assert_eq!(refused.param.as_deref(), Some("model_info.team_id"));
}

#[tokio::test]
async fn the_audit_says_who_changed_what_and_is_narrowed() {
    for office in Office::everywhere().await {
        office
            .post("/budget/new", json!({"budget_id": "a_b", "max_budget": 1}))
            .await
            .unwrap();
        office
            .post("/budget/new", json!({"budget_id": "axb", "max_budget": 1}))
            .await
            .unwrap();
        office
            .post(
                "/budget/update",
                json!({"budget_id": "a_b", "max_budget": 2}),
            )
            .await
            .unwrap();
        office
            .post("/budget/delete", json!({"id": "axb"}))
            .await
            .unwrap();
        let all = office.get("/audit?page_size=3").await.unwrap();
        assert_eq!((&all["total"], &all["total_pages"]), (&json!(4), &json!(2)));
        let newest = &all["audit_logs"][0];
        assert_eq!(newest["action"], "deleted");
        assert_eq!(newest["table_name"], "LiteLLM_BudgetTable");
        assert_eq!(newest["changed_by"], "default_user_id");
        let count = async |query: &str| {
            let found = office.get(&format!("/audit?{query}")).await.unwrap();
            found["total"].as_i64().unwrap()
        };
        assert_eq!(count("action=updated").await, 1);
        assert_eq!(count("object_id=axb").await, 2);
        assert_eq!(count("search=a_").await, 2);
        assert_eq!(count("table_name=budgets").await, 4);
        assert_eq!(count("table_name=LiteLLM_TeamTable").await, 0);
        assert_eq!(count("start_date=2020-01-01&end_date=2020-01-02").await, 0);
        assert_eq!(count("start_date=2020-01-01").await, 4);
        let wrong = office.get("/audit?start_date=yesterday").await.unwrap_err();
        assert_eq!(wrong.param.as_deref(), Some("start_date"));
        let oldest = office.get("/audit?sort_order=asc").await.unwrap();
        let first = &oldest["audit_logs"][0];
        assert_eq!(
            (&first["action"], &first["object_id"]),
            (&json!("created"), &json!("a_b"))
        );
        let path = format!("/audit/{}", first["id"].as_str().unwrap());
        assert_eq!(office.get(&path).await.unwrap(), *first);
        let updated = office.get("/audit?action=updated").await.unwrap();
        assert_eq!(updated["audit_logs"][0]["before_value"]["max_budget"], 1.0);
        assert_eq!(
            updated["audit_logs"][0]["updated_values"]["max_budget"],
            2.0
        );
    }
}
