//! Who makes keys and what these must have; changes to many at once; what batches may have in a day.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod kit;

use kit::Office;
use llm_governance::{KeyMakers, Settings, Work};
use llm_ledger::Estimate;
use serde_json::{Value, json};

#[tokio::test]
async fn keys_are_made_by_the_roles_and_with_the_fields_that_the_configuration_says() {
    let settings = Settings {
        key_makers: KeyMakers {
            roles: Some(vec!["proxy_admin".into()]),
            fields: Vec::new(),
            team_roles: Some(vec!["admin".into()]),
            team_fields: vec!["key_alias".into()],
        },
        ..Settings::default()
    };
    let office = Office::with(settings).await;
    let ada = office.user("ada", "internal_user").await;
    let bob = office.user("bob", "internal_user").await;
    let members = json!([{"user_id": "ada", "role": "admin"}, {"user_id": "bob", "role": "user"}]);
    let team = json!({"team_id": "t", "members_with_roles": members, "team_member_permissions": ["/key/generate"]});
    office.post("/team/new", team).await.unwrap();
    let make = async |key: &str, body: Value| {
        let made = office.by(key, "POST", "/key/generate", body).await;
        made.map_err(|refusal| (refusal.status.as_u16(), refusal.param))
    };
    assert_eq!(make(&ada, json!({})).await.unwrap_err().0, 403);
    let refused = make(&ada, json!({"team_id": "t"})).await.unwrap_err();
    assert_eq!((refused.0, refused.1.as_deref()), (400, Some("key_alias")));
    make(&ada, json!({"team_id": "t", "key_alias": "ci"}))
        .await
        .unwrap();
    assert_eq!(
        make(&bob, json!({"team_id": "t", "key_alias": "x"}))
            .await
            .unwrap_err()
            .0,
        403
    );
    // Whoever runs the gateway makes any.
    office
        .post("/key/generate", json!({"team_id": "t"}))
        .await
        .unwrap();
}

#[tokio::test]
async fn keys_of_a_team_are_changed_alike() {
    for office in Office::everywhere().await {
        office
            .post("/team/new", json!({"team_id": "t"}))
            .await
            .unwrap();
        let own = office.key(json!({"team_id": "t"})).await;
        office.key(json!({"team_id": "t"})).await;
        let foreign = office.key(json!({})).await;
        let change = async |body: Value| office.post("/team/key/bulk_update", body).await;
        let all =
            json!({"team_id": "t", "all_keys_in_team": true, "update_fields": {"rpm_limit": 7}});
        let done = change(all).await.unwrap();
        assert_eq!(
            (
                &done["total_requested"],
                done["successful_updates"].as_array().unwrap().len()
            ),
            (&json!(2), 2)
        );
        let one = json!({"team_id": "t", "key_ids": [own], "update_fields": {"rpm_limit": 9, "max_budget": "x"}});
        let done = change(one).await.unwrap();
        let failed = done["failed_updates"][0]["failed_reason"].as_str().unwrap();
        assert!(failed.contains("max_budget"), "{failed}");
        let info = office.get(&format!("/key/info?key={own}")).await.unwrap();
        assert_eq!(info["info"]["rpm_limit"], 7);
        for (body, status, param) in [
            (
                json!({"team_id": "t", "key_ids": [foreign], "update_fields": {"rpm_limit": 1}}),
                404,
                "key_ids",
            ),
            (
                json!({"team_id": "t", "update_fields": {"rpm_limit": 1}}),
                400,
                "key_ids",
            ),
            (
                json!({"team_id": "t", "all_keys_in_team": true}),
                422,
                "update_fields",
            ),
            (
                json!({"all_keys_in_team": true, "update_fields": {"rpm_limit": 1}}),
                422,
                "team_id",
            ),
        ] {
            let refused = change(body.clone()).await.unwrap_err();
            assert_eq!(
                (refused.status.as_u16(), refused.param.as_deref()),
                (status, Some(param)),
                "{body}"
            );
        }
        let info = office
            .get(&format!("/key/info?key={foreign}"))
            .await
            .unwrap();
        assert_eq!(info["info"]["rpm_limit"], Value::Null);
    }
}

#[tokio::test]
async fn somebody_elses_team_is_changed_by_nobody() {
    let office = Office::open().await;
    let eve = office.user("eve", "internal_user").await;
    office
        .post("/team/new", json!({"team_id": "t"}))
        .await
        .unwrap();
    let key = office.key(json!({"team_id": "t"})).await;
    for body in [
        json!({"team_id": "t", "all_keys_in_team": true, "update_fields": {"rpm_limit": 1}}),
        json!({"team_id": "t", "key_ids": [key], "update_fields": {"rpm_limit": 1}}),
    ] {
        if let Ok(done) = office.by(&eve, "POST", "/team/key/bulk_update", body).await {
            assert_eq!(done["total_requested"], 0, "{done}");
        }
    }
    let info = office.get(&format!("/key/info?key={key}")).await.unwrap();
    assert_eq!(info["info"]["rpm_limit"], Value::Null);
    let append = json!({"permissions": ["/key/list"], "apply_to_all_teams": true});
    let refused = office
        .by(&eve, "POST", "/team/permissions_bulk_update", append)
        .await;
    assert_eq!(refused.unwrap_err().status.as_u16(), 401);
}

#[tokio::test]
async fn permissions_are_added_to_many_teams() {
    for office in Office::everywhere().await {
        for (id, has) in [("a", json!(["/key/list"])), ("b", json!([]))] {
            let team = json!({"team_id": id, "team_member_permissions": has});
            office.post("/team/new", team).await.unwrap();
        }
        let append = async |body: Value| office.post("/team/permissions_bulk_update", body).await;
        let done = append(
            json!({"permissions": ["/key/list", "/key/update"], "apply_to_all_teams": true}),
        )
        .await
        .unwrap();
        assert_eq!(done["teams_updated"], 2);
        for id in ["a", "b"] {
            let info = office
                .get(&format!("/team/info?team_id={id}"))
                .await
                .unwrap();
            let now = &info["team_info"]["team_member_permissions"];
            assert_eq!(*now, json!(["/key/list", "/key/update"]), "{info}");
        }
        for (body, param) in [
            (
                json!({"permissions": ["/fly"], "apply_to_all_teams": true}),
                "team_member_permissions",
            ),
            (json!({"permissions": ["/key/list"]}), "team_ids"),
            (
                json!({"permissions": ["/key/list"], "team_ids": ["nowhere"]}),
                "team_id",
            ),
        ] {
            let refused = append(body).await.unwrap_err();
            assert_eq!(refused.param.as_deref(), Some(param));
        }
    }
}

#[tokio::test]
async fn pages_name_what_fits_and_nothing_else() {
    for office in Office::everywhere().await {
        office
            .post(
                "/team/new",
                json!({"team_id": "t", "team_alias": "Research"}),
            )
            .await
            .unwrap();
        office
            .post("/team/new", json!({"team_id": "u", "team_alias": "Sales"}))
            .await
            .unwrap();
        let teams = office
            .get("/team/filter/ui?team_alias=resea")
            .await
            .unwrap();
        assert_eq!(
            teams,
            json!([{"team_id": "t", "team_alias": "Research", "organization_id": null}])
        );
        let ann = office
            .post(
                "/user/new",
                json!({"user_id": "ann", "user_email": "ann@example.com"}),
            )
            .await
            .unwrap();
        office
            .post(
                "/user/new",
                json!({"user_id": "bob", "user_email": "bob@example.com"}),
            )
            .await
            .unwrap();
        let users = office.get("/user/filter/ui?user_email=ANN").await.unwrap();
        assert_eq!(
            (users.as_array().unwrap().len(), &users[0]["user_id"]),
            (1, &json!("ann"))
        );
        assert!(users[0].get("key").is_none() && users[0].get("spend").is_none());
        let key = ann["key"].as_str().unwrap();
        let refused = office
            .by(key, "GET", "/user/filter/ui?user_email=bob", json!({}))
            .await;
        assert_eq!(refused.unwrap_err().status.as_u16(), 403);
        let seen = office
            .by(key, "GET", "/team/filter/ui", json!({}))
            .await
            .unwrap();
        assert_eq!(seen, json!([]));
    }
}

#[tokio::test]
async fn batches_have_so_many_tokens_a_day() {
    let office = Office::open().await;
    office
        .post("/team/new", json!({"team_id": "t", "tpd_limit": 150}))
        .await
        .unwrap();
    let made = office
        .post("/key/generate", json!({"team_id": "t", "tpd_limit": 100}))
        .await
        .unwrap();
    assert_eq!(made["notices"], Value::Null);
    let key = made["key"].as_str().unwrap().to_owned();
    let other = office.key(json!({"team_id": "t"})).await;
    let batch = async |key: &str, tokens: u64, status: &str| {
        let caller = office.governance.caller(key).await.unwrap().expect("known");
        assert!(caller.has_daily_limit());
        let work = Work {
            batch_tokens: Some(tokens),
            estimate: Estimate::Free,
            ..Work::default()
        };
        let admission = office
            .governance
            .admit(&caller, work)
            .await
            .map_err(|refusal| refusal.message)?;
        let mut row = admission.row();
        row.status = status.to_owned();
        admission.charge(row).written().await.unwrap();
        Ok::<(), String>(())
    };
    // What no vendor took counts for nothing.
    batch(&key, 90, "failure").await.unwrap();
    batch(&key, 60, "success").await.unwrap();
    let refused = batch(&key, 50, "success").await.unwrap_err();
    assert!(
        refused.contains("api_key_per_day") && refused.contains("about 50 tokens"),
        "{refused}"
    );
    batch(&other, 80, "success").await.unwrap();
    let refused = batch(&other, 20, "success").await.unwrap_err();
    assert!(refused.contains("team_per_day"), "{refused}");
    // Requests that are no batches are not counted by the day.
    let caller = office
        .governance
        .caller(&key)
        .await
        .unwrap()
        .expect("known");
    office
        .governance
        .admit(&caller, Work::default())
        .await
        .unwrap();
}
