//! Organizations: their budgets, teams, members and admins.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod kit;

use std::sync::Arc;

use kit::Office;
use llm_governance::Caller;
use serde_json::{Value, json};

async fn admin(office: &Office, method: &str, path: &str, body: Value) -> Value {
    let caller = Arc::new(Caller::master());
    office.call(caller, method, path, body).await.unwrap()
}

#[tokio::test]
async fn an_organization_has_a_budget_and_models_that_cap_its_teams() {
    for office in Office::everywhere().await {
        let refused = office
            .post("/organization/new", json!({}))
            .await
            .unwrap_err();
        assert_eq!(
            (refused.status.as_u16(), refused.param.as_deref()),
            (422, Some("organization_alias"))
        );
        let body = json!({
            "organization_id": "o", "organization_alias": "Acme", "models": ["a"], "max_budget": 100,
            "budget_duration": "30d",
        });
        let made = office.post("/organization/new", body).await.unwrap();
        assert_eq!(made["litellm_budget_table"]["max_budget"], 100.0);
        let refused = office
            .post(
                "/team/new",
                json!({"organization_id": "o", "models": ["b"]}),
            )
            .await
            .unwrap_err();
        assert_eq!(refused.param.as_deref(), Some("models"));
        let team = json!({"team_id": "t", "organization_id": "o"});
        office.post("/team/new", team).await.unwrap();
        let key = office.key(json!({"team_id": "t"})).await;
        let caller = office
            .governance
            .caller(&key)
            .await
            .unwrap()
            .expect("known");
        assert_eq!(caller.organization_id(), Some("o"));
        let denied = office.governance.may_ask(&caller, "b", &[]).unwrap_err();
        assert_eq!(denied.kind, "org_model_access_denied");

        let body =
            json!({"organization_id": "o", "max_budget": 50, "organization_alias": "Acme & Co"});
        let changed = admin(&office, "PATCH", "/organization/update", body).await;
        assert_eq!(changed["litellm_budget_table"]["max_budget"], 50.0);
        assert_eq!(changed["litellm_budget_table"]["budget_duration"], "30d");
        let info = office
            .get("/organization/info?organization_id=o")
            .await
            .unwrap();
        assert_eq!(info["organization_alias"], "Acme & Co");
        assert_eq!(info["teams"][0]["team_id"], "t");
        let caller = Arc::new(Caller::master());
        let delete = json!({"organization_ids": ["o"]});
        let refused = office
            .call(caller, "DELETE", "/organization/delete", delete.clone())
            .await
            .unwrap_err();
        assert_eq!(refused.param.as_deref(), Some("organization_ids"));
        office
            .post("/team/delete", json!({"team_ids": ["t"]}))
            .await
            .unwrap();
        let gone = admin(&office, "DELETE", "/organization/delete", delete).await;
        assert_eq!(gone[0]["organization_id"], "o");
        assert_eq!(office.get("/organization/list").await.unwrap(), json!([]));
    }
}

#[tokio::test]
async fn an_organizations_admin_runs_what_is_in_it() {
    for office in Office::everywhere().await {
        for id in ["o", "p"] {
            let body = json!({"organization_id": id, "organization_alias": id, "max_budget": 1});
            office.post("/organization/new", body).await.unwrap();
        }
        let boss = office.user("boss", "internal_user").await;
        let worker = office.user("worker", "internal_user").await;
        let body = json!({"organization_id": "o", "member": [
            {"user_id": "boss", "role": "org_admin"}, {"user_id": "worker", "role": "internal_user"},
        ]});
        let added = office.post("/organization/member_add", body).await.unwrap();
        assert_eq!(
            added["updated_organization_memberships"][0]["user_role"],
            "org_admin"
        );

        // Teams, users and keys of its own.
        let team = |organization: &str| json!({"team_id": format!("t-{organization}"), "organization_id": organization});
        office
            .by(&boss, "POST", "/team/new", team("o"))
            .await
            .unwrap();
        for (who, organization) in [(&boss, "p"), (&worker, "o")] {
            let refused = office
                .by(who, "POST", "/team/new", team(organization))
                .await
                .unwrap_err();
            assert_eq!(refused.status.as_u16(), 403);
        }
        let user = json!({"user_id": "new", "organizations": ["o"]});
        office.by(&boss, "POST", "/user/new", user).await.unwrap();
        for body in [
            json!({"organizations": ["p"]}),
            json!({}),
            json!({"organizations": ["o"], "user_role": "proxy_admin"}),
        ] {
            let refused = office
                .by(&boss, "POST", "/user/new", body)
                .await
                .unwrap_err();
            assert_eq!(refused.status.as_u16(), 403);
        }
        let listed = office
            .by(
                &boss,
                "GET",
                "/user/list?sort_by=user_id&sort_order=asc",
                json!({}),
            )
            .await
            .unwrap();
        let ids: Vec<&Value> = listed["users"]
            .as_array()
            .unwrap()
            .iter()
            .map(|user| &user["user_id"])
            .collect();
        assert_eq!(ids, ["boss", "new", "worker"]);
        let info = office
            .by(&boss, "GET", "/user/info?user_id=worker", json!({}))
            .await
            .unwrap();
        assert_eq!(info["user_id"], "worker");
        office
            .by(
                &boss,
                "GET",
                "/user/info?user_id=default_user_id",
                json!({}),
            )
            .await
            .unwrap_err();
        office
            .by(
                &boss,
                "POST",
                "/invitation/new",
                json!({"user_id": "worker"}),
            )
            .await
            .unwrap();
        office
            .by(
                &boss,
                "POST",
                "/invitation/new",
                json!({"user_id": "default_user_id"}),
            )
            .await
            .unwrap_err();
        let of_all = office.key(json!({"organization_id": "o"})).await;
        office
            .by(&boss, "POST", "/key/block", json!({"key": of_all}))
            .await
            .unwrap();
        let other = office.key(json!({"organization_id": "p"})).await;
        let refused = office
            .by(&boss, "POST", "/key/block", json!({"key": other}))
            .await
            .unwrap_err();
        assert_eq!(refused.status.as_u16(), 404);

        // Its name is its own to change; its budget is not, and another's is nothing to it.
        let body = json!({"organization_id": "o", "organization_alias": "Acme"});
        office
            .by(&boss, "PATCH", "/organization/update", body)
            .await
            .unwrap();
        let body = json!({"organization_id": "o", "max_budget": 1000});
        let refused = office
            .by(&boss, "PATCH", "/organization/update", body)
            .await
            .unwrap_err();
        assert_eq!(
            (refused.status.as_u16(), refused.param.as_deref()),
            (403, Some("max_budget"))
        );
        let body = json!({"organization_id": "p", "organization_alias": "Mine"});
        let refused = office
            .by(&boss, "PATCH", "/organization/update", body)
            .await
            .unwrap_err();
        assert_eq!(refused.status.as_u16(), 404);
        let seen = office
            .by(&worker, "GET", "/organization/list", json!({}))
            .await
            .unwrap();
        assert_eq!(seen[0]["organization_id"], "o");
        assert_eq!(
            (seen.as_array().unwrap().len(), &seen[0]["members"]),
            (1, &Value::Null)
        );

        // Once it is no admin any more, it is one no more.
        let body = json!({"organization_id": "o", "user_id": "boss", "role": "internal_user"});
        admin(&office, "PATCH", "/organization/member_update", body).await;
        office
            .by(&boss, "POST", "/key/unblock", json!({"key": of_all}))
            .await
            .unwrap_err();
        let body = json!({"organization_id": "o", "user_id": "boss"});
        admin(&office, "DELETE", "/organization/member_delete", body).await;
        let seen = office
            .by(&boss, "GET", "/organization/list", json!({}))
            .await
            .unwrap();
        assert_eq!(seen, json!([]));
    }
}
