//! Users: made, changed, listed, invited and signed in.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod kit;

use std::sync::Arc;

use kit::Office;
use llm_governance::{Caller, Settings};
use serde_json::{Value, json};

const GOOD: &str = "Correct-Horse-1";

#[tokio::test]
async fn a_user_is_made_with_a_key_and_its_places() {
    for office in Office::everywhere().await {
        office
            .post("/team/new", json!({"team_id": "t"}))
            .await
            .unwrap();
        let organization = json!({"organization_id": "o", "organization_alias": "O"});
        office
            .post("/organization/new", organization)
            .await
            .unwrap();
        let body = json!({
            "user_id": "u", "user_email": "Ann@Example.com", "user_role": "internal_user", "max_budget": 5,
            "budget_duration": "30d", "key_alias": "first", "duration": "7d", "organizations": ["o"],
            "teams": [{"team_id": "t", "max_budget_in_team": 2, "user_role": "admin"}],
        });
        let made = office.post("/user/new", body).await.unwrap();
        assert!(made["key"].as_str().unwrap().starts_with("sk-"));
        assert_eq!(made["user_email"], "ann@example.com");
        assert_eq!(
            (&made["teams"], &made["max_budget"]),
            (&json!(["t"]), &json!(5.0))
        );
        assert!(made["expires"].is_string());

        let info = office.get("/user/info?user_id=u").await.unwrap();
        assert_eq!(
            info["user_info"]["organization_memberships"][0]["organization_id"],
            "o"
        );
        assert_eq!(info["keys"][0]["key_alias"], "first");
        assert_eq!(info["teams"][0]["team_id"], "t");
        let team = office.get("/team/info?team_id=t").await.unwrap();
        let members = team["team_memberships"].as_array().unwrap();
        let own = members.iter().find(|one| one["user_id"] == "u").unwrap();
        assert_eq!(own["litellm_budget_table"]["max_budget"], 2.0);
        assert_eq!(
            (&own["role"], &own["budget_source"]),
            (&json!("admin"), &json!("member"))
        );

        for (body, status, param) in [
            (json!({"user_id": "u"}), 409, "user_id"),
            (json!({"user_email": "ann@example.COM"}), 409, "user_email"),
            (json!({"user_email": "nobody"}), 400, "user_email"),
            (json!({"user_role": "king"}), 400, "user_role"),
            (json!({"password": "x"}), 422, "password"),
            (json!({"teams": ["nowhere"]}), 400, "teams"),
            (json!({"organizations": ["nowhere"]}), 400, "organizations"),
            (json!({"max_budget": -1}), 400, "max_budget"),
        ] {
            let refused = office.post("/user/new", body.clone()).await.unwrap_err();
            let named = refused.param.as_deref().unwrap_or_default();
            assert_eq!((refused.status.as_u16(), named), (status, param), "{body}");
        }
        // What was refused left nothing behind.
        let users = office.get("/user/list?user_email=nobody").await.unwrap();
        assert_eq!(users["total"], 0);
        let body = json!({"user_id": "bare", "auto_create_key": false});
        let bare = office.post("/user/new", body).await.unwrap();
        assert_eq!(bare["key"], Value::Null);
    }
}

#[tokio::test]
async fn a_user_is_changed_and_deleted_with_all_it_has() {
    for office in Office::everywhere().await {
        office
            .post("/team/new", json!({"team_id": "t"}))
            .await
            .unwrap();
        let key = office.user("u", "internal_user").await;
        let member = json!({"team_id": "t", "member": {"user_id": "u", "role": "user"}});
        office.post("/team/member_add", member).await.unwrap();
        let body =
            json!({"user_id": "u", "user_email": "u@example.com", "max_budget": 3, "spend": 1.5});
        let changed = office.post("/user/update", body).await.unwrap();
        assert_eq!(changed["user_id"], "u");
        assert_eq!(
            (&changed["data"]["max_budget"], &changed["data"]["spend"]),
            (&json!(3.0), &json!(1.5))
        );
        // Its role holds at once, by its address, too.
        let body = json!({"user_email": "U@example.com", "user_role": "proxy_admin"});
        office.post("/user/update", body).await.unwrap();
        office
            .by(&key, "POST", "/key/generate", json!({"user_id": "x"}))
            .await
            .unwrap();
        let body = json!({"users": [{"user_id": "u", "user_role": "internal_user"}, {"user_id": "nobody"}]});
        let done = office.post("/user/bulk_update", body).await.unwrap();
        assert_eq!(
            (&done["successful_updates"], &done["failed_updates"]),
            (&json!(1), &json!(1))
        );
        assert_eq!(done["results"][1]["error"], "there is no such user");
        let all = json!({"all_users": true, "user_updates": {"tpm_limit": 9}});
        let done = office.post("/user/bulk_update", all).await.unwrap();
        // The admin who made the team is a user, too.
        assert_eq!(done["successful_updates"], 2);

        let deleted = office
            .post("/user/delete", json!({"user_ids": ["u"]}))
            .await
            .unwrap();
        assert_eq!(deleted, json!(1));
        assert!(office.governance.caller(&key).await.unwrap().is_none());
        let team = office.get("/team/info?team_id=t").await.unwrap();
        assert_eq!(team["team_info"]["members"], json!(["default_user_id"]));
        let refused = office
            .post("/user/delete", json!({"user_ids": ["u"]}))
            .await
            .unwrap_err();
        assert_eq!(refused.status.as_u16(), 404);
    }
}

#[tokio::test]
async fn users_are_listed_to_admins() {
    for office in Office::everywhere().await {
        for (id, role) in [
            ("a", "internal_user"),
            ("b", "proxy_admin_viewer"),
            ("c_1", "internal_user"),
        ] {
            office.user(id, role).await;
        }
        let listed = async |query: &str| -> Vec<String> {
            let answer = office.get(&format!("/user/list?{query}")).await.unwrap();
            let users = answer["users"].as_array().unwrap().iter();
            users
                .map(|user| user["user_id"].as_str().unwrap().to_owned())
                .collect()
        };
        assert_eq!(
            listed("sort_by=user_id&sort_order=asc").await,
            ["a", "b", "c_1"]
        );
        assert_eq!(listed("role=proxy_admin_viewer").await, ["b"]);
        assert_eq!(
            listed("user_ids=a,c_1&sort_by=user_id&sort_order=desc").await,
            ["c_1", "a"]
        );
        assert_eq!(listed("search=C_").await, ["c_1"]);
        assert!(listed("search=_").await == ["c_1"]);
        assert!(listed("organization_ids=o").await.is_empty());
        let page = office
            .get("/user/list?page_size=2&page=2&sort_by=user_id&sort_order=asc")
            .await
            .unwrap();
        assert_eq!(page["users"][0]["user_id"], "c_1");
        assert_eq!(page["users"][0]["key_count"], 1);
        assert_eq!(
            (&page["total"], &page["total_pages"]),
            (&json!(3), &json!(2))
        );
        let key = office.user("d", "internal_user").await;
        let refused = office
            .by(&key, "GET", "/user/list", json!({}))
            .await
            .unwrap_err();
        assert_eq!(refused.status.as_u16(), 403);
        let told = json!({"error": "Only proxy admins and organization admins can list users."});
        assert_eq!(refused.detail, Some(told));
        let own = office
            .by(&key, "GET", "/user/info", json!({}))
            .await
            .unwrap();
        assert_eq!(own["user_id"], "d");
        let refused = office
            .by(&key, "GET", "/v2/user/info?user_id=a", json!({}))
            .await
            .unwrap_err();
        assert_eq!(refused.status.as_u16(), 404);
    }
}

#[tokio::test]
async fn an_invitation_is_used_once_and_lets_its_user_in() {
    for office in Office::everywhere().await {
        let body = json!({"user_id": "u", "user_email": "u@example.com"});
        office.post("/user/new", body).await.unwrap();
        let made = office
            .post("/invitation/new", json!({"user_id": "u"}))
            .await
            .unwrap();
        let id = made["id"].as_str().unwrap();
        let nobody = || Arc::new(Caller::anyone());
        let claim =
            |password: &str| json!({"invitation_link": id, "user_id": "u", "password": password});
        let ask =
            async |method, path: String, body| office.call(nobody(), method, &path, body).await;
        let open = ask(
            "GET",
            format!("/onboarding/get_token?invite_link={id}"),
            json!({}),
        )
        .await;
        assert_eq!(open.unwrap()["user_email"], "u@example.com");
        let path = "/onboarding/claim_token".to_owned();
        let weak = ask("POST", path.clone(), claim("password"))
            .await
            .unwrap_err();
        assert_eq!(
            (weak.status.as_u16(), weak.param.as_deref()),
            (400, Some("password"))
        );
        ask("POST", path.clone(), claim(GOOD)).await.unwrap();
        let again = ask("POST", path.clone(), claim("Another-Horse-2"))
            .await
            .unwrap_err();
        assert_eq!(again.status.as_u16(), 401);
        let info = office
            .get(&format!("/invitation/info?invitation_id={id}"))
            .await
            .unwrap();
        assert_eq!(info["is_accepted"], true);

        let user = office
            .governance
            .sign_in("U@Example.com", GOOD)
            .await
            .unwrap();
        assert_eq!(user.user_id, "u");
        let wrong = office
            .governance
            .sign_in("u@example.com", "Wrong-Horse-12")
            .await
            .unwrap_err();
        let nobody = office
            .governance
            .sign_in("v@example.com", GOOD)
            .await
            .unwrap_err();
        assert_eq!(wrong, nobody);
        for _ in 0..4 {
            office
                .governance
                .sign_in("v@example.com", GOOD)
                .await
                .unwrap_err();
        }
        let slow = office
            .governance
            .sign_in("v@example.com", GOOD)
            .await
            .unwrap_err();
        assert_eq!(slow.status.as_u16(), 429);
        assert!(slow.retry_after.is_some());
    }
}

#[tokio::test]
async fn a_password_is_changed_by_its_owner() {
    let office = Office::open().await;
    let key = office.user("u", "internal_user_viewer").await;
    let made = office
        .post("/invitation/new", json!({"user_id": "u"}))
        .await
        .unwrap();
    let claim = json!({"invitation_link": made["id"], "password": GOOD});
    office.post("/onboarding/claim_token", claim).await.unwrap();
    let path = "/user/password/change";
    let wrong = json!({"current_password": "Wrong-Horse-12", "new_password": "Another-Horse-2"});
    let refused = office.by(&key, "POST", path, wrong).await.unwrap_err();
    assert_eq!(
        (refused.status.as_u16(), refused.param.as_deref()),
        (400, Some("current_password"))
    );
    let right = json!({"current_password": GOOD, "new_password": "Another-Horse-2"});
    office.by(&key, "POST", path, right).await.unwrap();
    office
        .governance
        .sign_in("u", "Another-Horse-2")
        .await
        .unwrap();
    office.governance.sign_in("u", GOOD).await.unwrap_err();
    // What is stored of it is never told.
    let info = office.get("/user/info?user_id=u").await.unwrap();
    assert!(!info.to_string().contains("scrypt") && !info.to_string().contains("password"));
}

#[tokio::test]
async fn what_the_configuration_says_of_users_holds() {
    let object = |value: Value| value.as_object().unwrap().clone();
    let office = Office::with(Settings {
        user_defaults: object(json!({"user_role": "internal_user_viewer", "max_budget": 1, "available_teams": ["open"]})),
        user_bounds: object(json!({"max_budget": 10})),
        ..Settings::default()
    })
    .await;
    for id in ["open", "closed"] {
        office
            .post("/team/new", json!({"team_id": id}))
            .await
            .unwrap();
    }
    let made = office
        .post("/user/new", json!({"user_id": "u"}))
        .await
        .unwrap();
    assert_eq!(
        (&made["user_role"], &made["max_budget"]),
        (&json!("internal_user_viewer"), &json!(1.0))
    );
    let refused = office
        .post("/user/new", json!({"max_budget": 11}))
        .await
        .unwrap_err();
    assert_eq!(refused.param.as_deref(), Some("max_budget"));
    let key = office.user("v", "internal_user").await;
    let open = office
        .by(&key, "GET", "/team/available", json!({}))
        .await
        .unwrap();
    assert_eq!(open[0]["team_id"], "open");
    let join =
        |team: &str, role: &str| json!({"team_id": team, "member": {"user_id": "v", "role": role}});
    for body in [join("closed", "user"), join("open", "admin")] {
        office
            .by(&key, "POST", "/team/member_add", body)
            .await
            .unwrap_err();
    }
    office
        .by(&key, "POST", "/team/member_add", join("open", "user"))
        .await
        .unwrap();
    let open = office
        .by(&key, "GET", "/team/available", json!({}))
        .await
        .unwrap();
    assert_eq!(open, json!([]));
}
