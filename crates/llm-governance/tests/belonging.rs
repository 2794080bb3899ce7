//! What somebody belongs to bounds it: nobody gets around that by naming something else, or by what is deleted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod kit;

use std::sync::Arc;

use kit::Office;
use llm_governance::{Caller, Refusal, Settings};
use serde_json::{Value, json};

/// A moment that is far away.
const LATER: &str = "2099-01-01T00:00:00Z";

/// An organization `acme` with its admin `boss`, and in it the team `red` with its admin `ada` and the member `bob`.
struct Acme {
    boss: String,
    ada: String,
    bob: String,
}

impl Acme {
    async fn found(office: &Office) -> Self {
        for id in ["acme", "other"] {
            let body = json!({"organization_id": id, "organization_alias": id, "max_budget": 1});
            office.post("/organization/new", body).await.unwrap();
        }
        let mut keys = Vec::new();
        for id in ["boss", "ada", "bob"] {
            keys.push(office.user(id, "internal_user").await);
        }
        let boss =
            json!({"organization_id": "acme", "member": {"user_id": "boss", "role": "org_admin"}});
        office.post("/organization/member_add", boss).await.unwrap();
        let members = [("ada", "admin"), ("bob", "user")];
        let members = members.map(|(id, role)| json!({"user_id": id, "role": role}));
        let team = json!({"team_id": "red", "organization_id": "acme", "members_with_roles": members,
            "team_member_permissions": ["/key/generate"]});
        office.post("/team/new", team).await.unwrap();
        let mut keys = keys.into_iter();
        let mut next = || keys.next().unwrap();
        Self {
            boss: next(),
            ada: next(),
            bob: next(),
        }
    }
}

fn said(refused: Result<Value, Refusal>) -> (u16, Option<String>) {
    let refused = refused.unwrap_err();
    let param = refused.param.map(|param| param.into_owned());
    (refused.status.as_u16(), param)
}

fn is(status: u16, param: &str) -> (u16, Option<String>) {
    (status, Some(param.to_owned()))
}

async fn patch(office: &Office, key: Option<&str>, path: &str, body: Value) -> Value {
    let caller = match key {
        Some(key) => office.governance.caller(key).await.unwrap().unwrap(),
        None => Arc::new(Caller::master()),
    };
    office.call(caller, "PATCH", path, body).await.unwrap()
}

/// The organization that a key is charged to.
async fn organization(office: &Office, key: &str) -> Option<String> {
    let caller = office.governance.caller(key).await.unwrap().unwrap();
    caller.organization_id().map(str::to_owned)
}

#[tokio::test]
async fn a_teams_key_is_charged_to_the_teams_organization_whatever_it_names() {
    for office in Office::everywhere().await {
        let acme = Acme::found(&office).await;
        for (who, id) in [(&acme.ada, "ada"), (&acme.bob, "bob")] {
            for organization in ["other", "nowhere"] {
                let body =
                    json!({"team_id": "red", "user_id": id, "organization_id": organization});
                let refused = office.by(who, "POST", "/key/generate", body).await;
                assert_eq!(said(refused), is(403, "organization_id"), "{id}");
            }
            let body = json!({"team_id": "red", "user_id": id, "organization_id": "acme"});
            let made = office.by(who, "POST", "/key/generate", body).await.unwrap();
            assert_eq!(made["organization_id"], "acme");
        }
        for organization in ["other", "nowhere"] {
            let body = json!({"team_id": "red", "organization_id": organization});
            let refused = office.post("/key/generate", body).await;
            assert_eq!(said(refused), is(400, "organization_id"));
        }
        let alone = office
            .post("/key/generate", json!({"organization_id": "nowhere"}))
            .await;
        assert_eq!(said(alone), is(400, "organization_id"));
        let key = office.key(json!({"organization_id": "other"})).await;
        let body = json!({"key": key, "organization_id": "nowhere"});
        let refused = office.post("/key/update", body).await;
        assert_eq!(said(refused), is(400, "organization_id"));
        assert_eq!(organization(&office, &key).await.as_deref(), Some("other"));
    }
}

#[tokio::test]
async fn keys_go_with_their_team_to_another_organization() {
    for office in Office::everywhere().await {
        let acme = Acme::found(&office).await;
        let key = office.key(json!({"team_id": "red"})).await;
        let body = json!({"team_id": "red", "organization_id": "other"});
        office.post("/team/update", body).await.unwrap();
        assert_eq!(organization(&office, &key).await.as_deref(), Some("other"));
        // Whoever ran it before has no more say in its keys.
        let refused = office
            .by(&acme.boss, "POST", "/key/block", json!({"key": key}))
            .await;
        assert_eq!(said(refused), is(404, "key"));
        let listed = office.get("/key/list?organization_id=other").await.unwrap();
        assert_eq!(listed["total_count"], 1);
    }
}

#[tokio::test]
async fn a_key_names_a_project_that_there_is_and_that_its_team_has() {
    for office in Office::everywhere().await {
        let acme = Acme::found(&office).await;
        office
            .post("/team/new", json!({"team_id": "blue"}))
            .await
            .unwrap();
        for (project, team) in [("ours", "red"), ("theirs", "blue")] {
            let body = json!({"project_id": project, "team_id": team, "max_budget": 1});
            office.post("/project/new", body).await.unwrap();
        }
        for body in [
            json!({"project_id": "nowhere"}),
            json!({"project_id": "nowhere", "team_id": "red"}),
            json!({"project_id": "theirs", "team_id": "red"}),
        ] {
            let refused = office.post("/key/generate", body.clone()).await;
            assert_eq!(said(refused), is(400, "project_id"), "{body}");
        }
        let refused = office.by(
            &acme.bob,
            "POST",
            "/key/generate",
            json!({"project_id": "theirs"}),
        );
        assert_eq!(said(refused.await), is(403, "project_id"));
        let body = json!({"project_id": "ours", "team_id": "red", "user_id": "bob"});
        let made = office
            .by(&acme.bob, "POST", "/key/generate", body)
            .await
            .unwrap();
        let moved = json!({"key": made["key"], "team_id": "blue"});
        let refused = office.post("/key/update", moved).await;
        assert_eq!(said(refused), is(400, "project_id"));
    }
}

#[tokio::test]
async fn those_who_are_bounded_raise_no_budget_by_metadata() {
    for office in Office::everywhere().await {
        let acme = Acme::found(&office).await;
        let raised = json!({"temp_budget_increase": 1000, "temp_budget_expiry": LATER, "note": 1});
        let bounds =
            json!({"organization_id": "acme", "model_rpm_limit": {"gpt": 3}, "tags": ["t"]});
        patch(&office, None, "/organization/update", bounds).await;
        let body = json!({"organization_id": "acme", "metadata": raised});
        let changed = patch(&office, Some(&acme.boss), "/organization/update", body).await;
        let kept = json!({"note": 1, "model_rpm_limit": {"gpt": 3}, "tags": ["t"]});
        assert_eq!(changed["metadata"], kept);

        let of_team = json!({"team_id": "red", "metadata": {"model_itpm_limit": {"gpt": 3}, "priority": "low"}});
        office.post("/team/update", of_team).await.unwrap();
        let mut wanted = raised.clone();
        wanted["priority"] = "high".into();
        let body = json!({"team_id": "red", "metadata": wanted});
        let changed = office
            .by(&acme.ada, "POST", "/team/update", body)
            .await
            .unwrap();
        let kept = json!({"note": 1, "model_itpm_limit": {"gpt": 3}, "priority": "low"});
        assert_eq!(changed["data"]["metadata"], kept);

        let body = json!({"metadata": raised});
        let refused = office.by(&acme.bob, "POST", "/key/generate", body).await;
        assert_eq!(said(refused), is(403, "metadata"));
    }
}

#[tokio::test]
async fn who_replaces_a_key_that_an_admin_made_keeps_what_bounds_it() {
    for office in Office::everywhere().await {
        let _ = office.user("ada", "internal_user").await;
        let key = office
            .key(json!({"user_id": "ada", "model_rpm_limit": {"gpt": 3}, "metadata": {"mine": 1}}))
            .await;
        let raised = json!({"temp_budget_increase": 1000, "temp_budget_expiry": LATER});
        let body = json!({"key": key, "metadata": raised});
        let made = office
            .by(&key, "POST", "/key/regenerate", body)
            .await
            .unwrap();
        assert_eq!(made["metadata"], json!({"model_rpm_limit": {"gpt": 3}}));
    }
}

#[tokio::test]
async fn nobody_raises_its_own_keys_above_what_keys_may_have() {
    let bounds = json!({"max_budget": 5});
    let settings = Settings {
        key_bounds: bounds.as_object().cloned().unwrap(),
        ..Settings::default()
    };
    for office in Office::everywhere_with(settings).await {
        let ada = office.user("ada", "internal_user").await;
        let made = office
            .by(&ada, "POST", "/key/generate", json!({}))
            .await
            .unwrap();
        assert_eq!(made["max_budget"], 5.0);
        let body =
            json!({"key": made["key"], "temp_budget_increase": 1000, "temp_budget_expiry": LATER});
        let refused = office.by(&ada, "POST", "/key/update", body.clone()).await;
        assert_eq!(said(refused), is(403, "temp_budget_increase"));
        office.post("/key/update", body).await.unwrap();
    }
}

#[tokio::test]
async fn a_teams_budget_for_members_is_its_own() {
    for office in Office::everywhere().await {
        let acme = Acme::found(&office).await;
        let info = office
            .get("/organization/info?organization_id=acme")
            .await
            .unwrap();
        let metadata = json!({"team_member_budget_id": info["budget_id"]});
        let body = json!({"team_id": "sly", "organization_id": "acme", "metadata": metadata});
        let made = office
            .by(&acme.boss, "POST", "/team/new", body)
            .await
            .unwrap();
        assert_eq!(made["metadata"], json!({}));
        let body = json!({"team_id": "sly", "team_member_budget": 9999});
        office
            .by(&acme.boss, "POST", "/team/update", body)
            .await
            .unwrap();
        let body = json!({"team_ids": ["sly"]});
        office
            .by(&acme.boss, "POST", "/team/delete", body)
            .await
            .unwrap();
        let info = office
            .get("/organization/info?organization_id=acme")
            .await
            .unwrap();
        assert_eq!(info["litellm_budget_table"]["max_budget"], 1.0);
    }
}

#[tokio::test]
async fn a_budget_that_somebody_names_outlives_whoever_had_it_first() {
    for office in Office::everywhere().await {
        Acme::found(&office).await;
        let body = json!({"team_id": "red", "user_id": "bob", "max_budget_in_team": 2});
        let updated = office.post("/team/member_update", body).await.unwrap();
        let budget = updated["team_membership"]["budget_id"].clone();
        let key = office.key(json!({"budget_id": budget})).await;
        let body = json!({"team_id": "red", "user_id": "bob"});
        office.post("/team/member_delete", body).await.unwrap();
        let info = office
            .post("/budget/info", json!({"budgets": [budget]}))
            .await
            .unwrap();
        assert_eq!(info[0]["max_budget"], 2.0);
        office
            .post("/key/delete", json!({"keys": [key]}))
            .await
            .unwrap();
        office
            .post("/budget/delete", json!({"id": budget}))
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn what_bounds_others_is_not_deleted() {
    for office in Office::everywhere().await {
        Acme::found(&office).await;
        for id in ["for customers", "For_Customers"] {
            let body = json!({"budget_id": id, "max_budget": 1});
            office.post("/budget/new", body).await.unwrap();
        }
        office
            .key(json!({"end_user_budget_id": "for customers"}))
            .await;
        let refused = office
            .post("/budget/delete", json!({"id": "for customers"}))
            .await;
        assert_eq!(said(refused), is(400, "id"));
        office
            .post("/budget/delete", json!({"id": "For_Customers"}))
            .await
            .unwrap();

        let body = json!({"team_id": "blue", "team_member_budget": 3});
        let made = office.post("/team/new", body).await.unwrap();
        for member in made["members"].as_array().unwrap() {
            let body = json!({"team_id": "blue", "user_id": member});
            office.post("/team/member_delete", body).await.unwrap();
        }
        let id = &made["metadata"]["team_member_budget_id"];
        let refused = office.post("/budget/delete", json!({"id": id})).await;
        assert_eq!(said(refused), is(400, "id"));

        let key = office.key(json!({"organization_id": "other"})).await;
        let caller = Arc::new(Caller::master());
        let body = json!({"organization_ids": ["other"]});
        let refused = office.call(caller, "DELETE", "/organization/delete", body);
        assert_eq!(said(refused.await), is(400, "organization_ids"));
        assert_eq!(organization(&office, &key).await.as_deref(), Some("other"));
    }
}

#[tokio::test]
async fn a_promise_is_counted_once_when_its_key_is_replaced() {
    for office in Office::everywhere().await {
        let team = json!({"team_id": "red", "rpm_limit": 100});
        office.post("/team/new", team).await.unwrap();
        let key = office
            .key(json!({"team_id": "red", "rpm_limit": 60, "rpm_limit_type": "guaranteed_throughput"}))
            .await;
        let made = office
            .post("/key/regenerate", json!({"key": key}))
            .await
            .unwrap();
        let more = json!({"key": made["key"], "rpm_limit": 101});
        let refused = office.post("/key/regenerate", more).await;
        assert_eq!(said(refused), is(400, "rpm_limit"));
    }
}
