//! Teams: their members, what those may spend and do, and who changes what.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod kit;

use kit::Office;
use llm_cost::NanoDollars;
use llm_governance::{Refusal, Settings, Work};
use llm_ledger::Estimate;
use serde_json::{Value, json};

async fn spend(office: &Office, key: &str, nano: i64) -> Result<(), Refusal> {
    let caller = office.governance.caller(key).await?.expect("known");
    let work = Work {
        model: "m",
        estimate: Estimate::AtMost(NanoDollars(nano)),
        ..Work::default()
    };
    let admission = office.governance.admit(&caller, work).await?;
    let row = llm_store::rows::SpendRow {
        spend: NanoDollars(nano),
        ..admission.row()
    };
    admission.charge(row).written().await.unwrap();
    office.governance.ledger().flush().await;
    Ok(())
}

fn member<'a>(info: &'a Value, user: &str) -> &'a Value {
    let members = info["team_memberships"].as_array().unwrap();
    members.iter().find(|one| one["user_id"] == user).unwrap()
}

#[tokio::test]
async fn a_team_is_made_with_whoever_makes_it() {
    for office in Office::everywhere().await {
        let body = json!({
            "team_id": "t", "team_alias": "Research", "max_budget": 10, "budget_duration": "1d", "models": ["a"],
            "members_with_roles": [{"user_email": "Ann@example.com", "role": "user"}], "tags": ["x"],
        });
        let made = office.post("/team/new", body).await.unwrap();
        assert_eq!(
            (&made["team_id"], &made["max_budget"]),
            (&json!("t"), &json!(10.0))
        );
        assert_eq!(made["metadata"], json!({"tags": ["x"]}));
        let members = made["members_with_roles"].as_array().unwrap();
        assert_eq!(members.len(), 2);
        assert_eq!(made["admins"], json!(["default_user_id"]));
        let refused = office
            .post("/team/new", json!({"team_id": "t"}))
            .await
            .unwrap_err();
        assert_eq!(
            (refused.status.as_u16(), refused.param.as_deref()),
            (400, Some("team_id"))
        );
        let refused = office.get("/team/info?team_id=nowhere").await.unwrap_err();
        assert_eq!(refused.status.as_u16(), 404);
        let all = office.get("/team/list").await.unwrap();
        assert_eq!(all[0]["team_alias"], "Research");
        assert_eq!(all[0]["team_memberships"].as_array().unwrap().len(), 2);
        let page = office.get("/v2/team/list?search=RESEA").await.unwrap();
        assert_eq!(
            (&page["total"], &page["teams"][0]["team_id"]),
            (&json!(1), &json!("t"))
        );
    }
    let office = Office::with(Settings {
        admins_stay_out_of_teams: true,
        ..Settings::default()
    })
    .await;
    let made = office.post("/team/new", json!({})).await.unwrap();
    assert_eq!(made["members_with_roles"], json!([]));
}

#[tokio::test]
async fn members_spend_what_the_team_gives_them() {
    for office in Office::everywhere().await {
        let body =
            json!({"team_id": "t", "team_member_budget": 1, "team_member_budget_duration": "30d"});
        office.post("/team/new", body).await.unwrap();
        for user in ["a", "b"] {
            office.user(user, "internal_user").await;
            let body = json!({"team_id": "t", "member": {"user_id": user, "role": "user"}});
            let added = office.post("/team/member_add", body).await.unwrap();
            assert_eq!(added["updated_users"][0]["user_id"], user);
        }
        let again = json!({"team_id": "t", "member": {"user_id": "a", "role": "user"}});
        let refused = office.post("/team/member_add", again).await.unwrap_err();
        assert_eq!(
            (refused.status.as_u16(), refused.kind),
            (400, "team_member_already_in_team")
        );
        let a = office.key(json!({"team_id": "t", "user_id": "a"})).await;
        let b = office.key(json!({"team_id": "t", "user_id": "b"})).await;
        // Each has the team's usual budget for itself.
        spend(&office, &a, 900_000_000).await.unwrap();
        spend(&office, &b, 900_000_000).await.unwrap();
        let over = spend(&office, &a, 200_000_000).await.unwrap_err();
        assert_eq!((over.status.as_u16(), over.kind), (422, "budget_exceeded"));
        assert!(over.message.contains("TeamMember=t:a"), "{}", over.message);

        // More for one is not more for the other.
        let body = json!({"team_id": "t", "user_id": "a", "max_budget_in_team": 2});
        let changed = office.post("/team/member_update", body).await.unwrap();
        assert_eq!(
            (&changed["max_budget_in_team"], &changed["budget_duration"]),
            (&json!(2.0), &json!("30d"))
        );
        spend(&office, &a, 200_000_000).await.unwrap();
        spend(&office, &b, 200_000_000).await.unwrap_err();
        let info = office.get("/team/info?team_id=t").await.unwrap();
        assert_eq!(member(&info, "a")["budget_source"], "member");
        assert_eq!(member(&info, "b")["budget_source"], "team");
        assert_eq!(member(&info, "a")["spend"], 1.1);

        // For a while.
        let soon = llm_store::Moment::now()
            .plus(3_600_000)
            .to_jiff()
            .to_string();
        let body = json!({"team_id": "t", "user_id": "b", "temp_budget_increase": 0.5, "temp_budget_expiry": soon});
        office.post("/team/member_update", body).await.unwrap();
        spend(&office, &b, 200_000_000).await.unwrap();

        // The usual budget changes for those who have it.
        office
            .post(
                "/team/update",
                json!({"team_id": "t", "team_member_budget": 5}),
            )
            .await
            .unwrap();
        spend(&office, &b, 3_000_000_000).await.unwrap();
        spend(&office, &a, 1_000_000_000).await.unwrap_err();

        office
            .post("/team/t/member/a/reset_spend", json!({}))
            .await
            .unwrap();
        spend(&office, &a, 1_000_000_000).await.unwrap();
        let reset = office
            .post("/team/t/member/a/reset_budget", json!({}))
            .await
            .unwrap();
        assert_eq!(reset["budget_source"], "team");
        spend(&office, &a, 3_000_000_000).await.unwrap();
        assert_eq!(
            office.governance.ledger().all_held().await.unwrap(),
            NanoDollars(0)
        );
    }
}

#[tokio::test]
async fn a_team_goes_with_its_keys_and_members() {
    for office in Office::everywhere().await {
        office
            .post("/team/new", json!({"team_id": "t"}))
            .await
            .unwrap();
        office.user("a", "internal_user").await;
        let body = json!({"team_id": "t", "member": {"user_id": "a", "role": "user"}, "max_budget_in_team": 1});
        office.post("/team/member_add", body).await.unwrap();
        let of_member = office.key(json!({"team_id": "t", "user_id": "a"})).await;
        let of_team = office.key(json!({"team_id": "t"})).await;
        office
            .post("/team/block", json!({"team_id": "t"}))
            .await
            .unwrap();
        let refused = office.governance.caller(&of_team).await.unwrap_err();
        assert!(refused.message.starts_with("Team=t is blocked."));
        office
            .post("/team/unblock", json!({"team_id": "t"}))
            .await
            .unwrap();
        office
            .governance
            .caller(&of_team)
            .await
            .unwrap()
            .expect("known");

        let body = json!({"team_id": "t", "user_id": "a"});
        let left = office
            .post("/team/member_delete", body.clone())
            .await
            .unwrap();
        assert_eq!(left["members"], json!(["default_user_id"]));
        assert!(
            office
                .governance
                .caller(&of_member)
                .await
                .unwrap()
                .is_none()
        );
        let refused = office.post("/team/member_delete", body).await.unwrap_err();
        assert_eq!(refused.status.as_u16(), 404);
        let deleted = office
            .post("/team/delete", json!({"team_ids": ["t"]}))
            .await
            .unwrap();
        assert_eq!(deleted, json!({"deleted_teams": ["t"]}));
        assert!(office.governance.caller(&of_team).await.unwrap().is_none());
        office.get("/team/info?team_id=t").await.unwrap_err();
        let budgets = office.governance.store();
        let budgets = budgets
            .list::<llm_store::rows::Budget>(&[], 10, 0)
            .await
            .unwrap();
        assert_eq!(budgets.total, 0);
    }
}

#[tokio::test]
async fn models_come_and_go_and_never_become_all_of_them() {
    let office = Office::open().await;
    office
        .post("/team/new", json!({"team_id": "t", "models": ["a"]}))
        .await
        .unwrap();
    let body = json!({"team_id": "t", "models": ["a", "b"]});
    let row = office.post("/team/model/add", body).await.unwrap();
    assert_eq!(row["models"], json!(["a", "b"]));
    let body = json!({"team_id": "t", "models": ["a"]});
    let row = office.post("/team/model/delete", body).await.unwrap();
    assert_eq!(row["models"], json!(["b"]));
    let body = json!({"team_id": "t", "models": ["b"]});
    let refused = office.post("/team/model/delete", body).await.unwrap_err();
    assert_eq!(
        (refused.status.as_u16(), refused.param.as_deref()),
        (400, Some("models"))
    );
}

#[tokio::test]
async fn a_team_admin_runs_the_team_within_its_bounds() {
    for office in Office::everywhere().await {
        let team = json!({"team_id": "t", "max_budget": 10, "guardrails": ["pii"]});
        office.post("/team/new", team).await.unwrap();
        office
            .post("/team/new", json!({"team_id": "other"}))
            .await
            .unwrap();
        let boss = office.user("boss", "internal_user").await;
        let worker = office.user("worker", "internal_user").await;
        let stranger = office.user("stranger", "internal_user").await;
        let body = json!({"team_id": "t", "member": [
            {"user_id": "boss", "role": "admin"}, {"user_id": "worker", "role": "user"},
        ]});
        office.post("/team/member_add", body).await.unwrap();

        // With a key of its own, not of the team.
        let body =
            json!({"team_id": "t", "member": {"user_email": "new@example.com", "role": "user"}});
        office
            .by(&boss, "POST", "/team/member_add", body.clone())
            .await
            .unwrap();
        for who in [&worker, &stranger] {
            office
                .by(who, "POST", "/team/member_add", body.clone())
                .await
                .unwrap_err();
        }
        let body = json!({"team_id": "other", "member": {"user_id": "boss", "role": "admin"}});
        let refused = office
            .by(&boss, "POST", "/team/member_add", body)
            .await
            .unwrap_err();
        assert_eq!(refused.status.as_u16(), 404);

        let body = json!({"team_id": "t", "team_alias": "T", "metadata": {"a": 1}});
        let changed = office
            .by(&boss, "POST", "/team/update", body)
            .await
            .unwrap();
        assert_eq!(
            changed["data"]["metadata"],
            json!({"a": 1, "guardrails": ["pii"]})
        );
        for (field, value) in [
            ("max_budget", json!(1000)),
            ("models", json!([])),
            ("guardrails", json!([])),
            ("blocked", json!(false)),
            ("spend", json!(0)),
        ] {
            let body = json!({"team_id": "t", field: value});
            let refused = office
                .by(&boss, "POST", "/team/update", body)
                .await
                .unwrap_err();
            assert_eq!(
                (refused.status.as_u16(), refused.param.as_deref()),
                (403, Some(field))
            );
        }
        for path in ["/team/block", "/team/delete", "/team/model/add"] {
            let body = json!({"team_id": "t", "team_ids": ["t"], "models": ["x"]});
            let refused = office.by(&boss, "POST", path, body).await.unwrap_err();
            assert_eq!(refused.status.as_u16(), 403, "{path}");
        }

        // Keys of the team: by its admin for anybody in it, by its members once it lets them.
        let for_worker = json!({"team_id": "t", "user_id": "worker"});
        let made = office
            .by(&boss, "POST", "/key/generate", for_worker.clone())
            .await
            .unwrap();
        let outside = json!({"team_id": "t", "user_id": "stranger"});
        office
            .by(&boss, "POST", "/key/generate", outside)
            .await
            .unwrap_err();
        office
            .by(&worker, "POST", "/key/generate", for_worker.clone())
            .await
            .unwrap_err();
        let permissions =
            json!({"team_id": "t", "team_member_permissions": ["/key/generate", "/key/list"]});
        office
            .by(&boss, "POST", "/team/permissions_update", permissions)
            .await
            .unwrap();
        office
            .by(&worker, "POST", "/key/generate", for_worker)
            .await
            .unwrap();
        let for_boss = json!({"team_id": "t", "user_id": "boss"});
        office
            .by(&worker, "POST", "/key/generate", for_boss)
            .await
            .unwrap_err();
        let listed = office
            .by(&worker, "GET", "/key/list?team_id=t", json!({}))
            .await
            .unwrap();
        assert_eq!(listed["total_count"], 2);
        let listed = office
            .by(&stranger, "GET", "/key/list?team_id=t", json!({}))
            .await
            .unwrap();
        assert_eq!(listed["total_count"], 0);
        let delete = json!({"keys": [made["key"]]});
        office
            .by(&worker, "POST", "/key/delete", delete.clone())
            .await
            .unwrap_err();
        office
            .by(&boss, "POST", "/key/delete", delete)
            .await
            .unwrap();
        let unknown = json!({"team_id": "t", "team_member_permissions": ["/everything"]});
        let refused = office
            .by(&boss, "POST", "/team/permissions_update", unknown)
            .await
            .unwrap_err();
        assert_eq!(refused.status.as_u16(), 400);
        let list = office
            .by(
                &worker,
                "GET",
                "/team/permissions_list?team_id=t",
                json!({}),
            )
            .await
            .unwrap();
        assert_eq!(
            list["team_member_permissions"],
            json!(["/key/info", "/key/health", "/key/generate", "/key/list"])
        );

        let own = office
            .by(&worker, "GET", "/team/t/members/me", json!({}))
            .await
            .unwrap();
        assert_eq!(own["role"], "user");
        for path in ["/team/t/members/me", "/team/info?team_id=t"] {
            let refused = office
                .by(&stranger, "GET", path, json!({}))
                .await
                .unwrap_err();
            assert_eq!(refused.status.as_u16(), 404);
        }
        let all = office
            .by(&stranger, "GET", "/team/list", json!({}))
            .await
            .unwrap();
        assert_eq!(all, json!([]));
    }
}

#[tokio::test]
async fn where_a_team_is_logged_is_kept_secret() {
    let office = Office::open().await;
    office
        .post("/team/new", json!({"team_id": "t"}))
        .await
        .unwrap();
    let body = json!({
        "callback_name": "langfuse", "callback_type": "success",
        "callback_vars": {"langfuse_public_key": "pk-lf-1", "langfuse_secret_key": "sk-lf-secret"},
    });
    let added = office.post("/team/t/callback", body).await.unwrap();
    assert_eq!(added["data"]["success_callback"], json!(["langfuse"]));
    let info = office.get("/team/info?team_id=t").await.unwrap();
    let callbacks = office.get("/team/t/callback").await.unwrap();
    for told in [info, callbacks.clone()] {
        assert!(!told.to_string().contains("lf-"), "{told}");
    }
    assert_eq!(
        callbacks["data"]["callback_vars"]["langfuse_secret_key"],
        "****"
    );
    let caller = std::sync::Arc::new(llm_governance::Caller::master());
    let gone = office
        .call(caller, "DELETE", "/team/t/callback/langfuse", json!({}))
        .await;
    assert_eq!(gone.unwrap()["data"]["success_callback"], json!([]));
}
