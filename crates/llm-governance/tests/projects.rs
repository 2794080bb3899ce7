//! Projects, and who manages them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod kit;

use std::sync::Arc;

use kit::Office;
use llm_cost::NanoDollars;
use llm_governance::{Caller, Work};
use llm_ledger::Estimate;
use llm_store::rows::{Team, TeamMember, User};
use serde_json::json;

/// A key of a user in a team.
async fn member(office: &Office, team: &str, user: &str, role: &str) -> String {
    let store = office.governance.store();
    let row = User {
        user_id: user.to_owned(),
        user_role: Some("internal_user".to_owned()),
        ..User::default()
    };
    store.insert(&row).await.unwrap();
    let place = TeamMember {
        team_id: team.to_owned(),
        user_id: user.to_owned(),
        role: role.to_owned(),
        ..TeamMember::default()
    };
    store.insert(&place).await.unwrap();
    let key = office
        .post("/key/generate", json!({"user_id": user}))
        .await
        .unwrap();
    key["key"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn projects_belong_to_teams_and_so_do_those_who_manage_them() {
    for office in Office::everywhere().await {
        for team in ["red", "blue"] {
            let row = Team {
                team_id: team.to_owned(),
                models: vec!["gpt-4o".to_owned()],
                ..Team::default()
            };
            office.governance.store().insert(&row).await.unwrap();
        }
        let lead = member(&office, "red", "lead", "admin").await;
        let hand = member(&office, "red", "hand", "user").await;
        let other = member(&office, "blue", "other", "admin").await;
        let new = json!({"project_id": "p", "project_alias": "Apollo", "team_id": "red", "max_budget": 1});
        for (who, status) in [(&hand, 403), (&other, 400)] {
            let refused = office
                .by(who, "POST", "/project/new", new.clone())
                .await
                .unwrap_err();
            assert_eq!(refused.status.as_u16(), status);
        }
        let made = office.by(&lead, "POST", "/project/new", new).await.unwrap();
        assert_eq!(made["litellm_budget_table"]["max_budget"], 1.0);
        let beyond = json!({"project_id": "p", "models": ["o3"]});
        let refused = office
            .by(&lead, "POST", "/project/update", beyond)
            .await
            .unwrap_err();
        assert_eq!(refused.param.as_deref(), Some("models"));

        let info = "/project/info?project_id=p";
        office.by(&hand, "GET", info, json!({})).await.unwrap();
        let hidden = office.by(&other, "GET", info, json!({})).await.unwrap_err();
        assert_eq!(hidden.status.as_u16(), 404);
        let hidden = office
            .by(
                &other,
                "POST",
                "/project/update",
                json!({"project_id": "p", "blocked": true}),
            )
            .await
            .unwrap_err();
        assert_eq!(hidden.status.as_u16(), 404);
        let seen = office
            .by(&other, "GET", "/project/list", json!({}))
            .await
            .unwrap();
        assert_eq!(seen, json!([]));

        let key = office
            .post("/key/generate", json!({"project_id": "p"}))
            .await
            .unwrap();
        let key = key["key"].as_str().unwrap();
        let caller = office.governance.caller(key).await.unwrap().unwrap();
        let work = Work {
            model: "gpt-4o",
            estimate: Estimate::AtMost(NanoDollars(2_000_000_000)),
            ..Work::default()
        };
        let refused = office.governance.admit(&caller, work).await.unwrap_err();
        assert!(refused.message.contains("Project=p"), "{}", refused.message);
        let master = Arc::new(Caller::master());
        let delete = json!({"project_ids": ["p"]});
        let refused = office
            .call(
                Arc::clone(&master),
                "DELETE",
                "/project/delete",
                delete.clone(),
            )
            .await;
        assert_eq!(refused.unwrap_err().status.as_u16(), 400);
        office
            .by(
                &lead,
                "POST",
                "/project/update",
                json!({"project_id": "p", "blocked": true}),
            )
            .await
            .unwrap();
        assert_eq!(
            office
                .governance
                .caller(key)
                .await
                .unwrap_err()
                .status
                .as_u16(),
            401
        );
        office
            .post("/key/delete", json!({"keys": [key]}))
            .await
            .unwrap();
        let gone = office
            .call(master, "DELETE", "/project/delete", delete)
            .await
            .unwrap();
        assert_eq!(gone[0]["project_id"], "p");
    }
}
