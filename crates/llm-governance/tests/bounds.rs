//! Budgets that several share, and whom they bound: customers, tags and access groups.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod kit;

use std::sync::Arc;

use kit::Office;
use llm_cost::NanoDollars;
use llm_governance::{Caller, Refusal, Settings, Work};
use llm_ledger::Estimate;
use serde_json::{Value, json};

/// A request for a customer that costs this many dollars.
async fn spend(office: &Office, customer: &str, dollars: i64) -> Result<(), Refusal> {
    let work = Work {
        customer: Some(customer),
        ..work(dollars)
    };
    charge(office, work, dollars).await
}

fn work(dollars: i64) -> Work<'static> {
    Work {
        model: "gpt-4o",
        estimate: Estimate::AtMost(NanoDollars(dollars * 1_000_000_000)),
        ..Work::default()
    }
}

async fn charge(office: &Office, work: Work<'_>, dollars: i64) -> Result<(), Refusal> {
    let caller = Arc::new(Caller::master());
    let admission = office.governance.admit(&caller, work).await?;
    let mut row = admission.row();
    row.spend = NanoDollars(dollars * 1_000_000_000);
    admission.charge(row).written().await.unwrap();
    office.governance.ledger().flush().await;
    Ok(())
}

#[tokio::test]
async fn a_shared_budget_bounds_everybody_who_names_it_from_the_moment_it_changes() {
    for office in Office::everywhere().await {
        let made = office
            .post(
                "/budget/new",
                json!({"budget_id": "free", "max_budget": 1, "budget_duration": "1d", "rpm_limit": 3}),
            )
            .await
            .unwrap();
        assert_eq!(
            (&made["max_budget"], &made["rpm_limit"]),
            (&json!(1.0), &json!(3))
        );
        assert!(
            made["budget_reset_at"]
                .as_str()
                .unwrap()
                .ends_with("T00:00:00.000Z"),
            "{made}"
        );
        for id in ["ada", "bob"] {
            let new = json!({"user_id": id, "budget_id": "free", "alias": "a customer"});
            let made = office.post("/customer/new", new).await.unwrap();
            assert_eq!(made["litellm_budget_table"]["max_budget"], 1.0);
        }
        spend(&office, "ada", 1).await.unwrap();
        let refused = spend(&office, "ada", 1).await.unwrap_err();
        assert_eq!(
            (refused.status.as_u16(), refused.kind),
            (422, "budget_exceeded")
        );
        assert!(
            refused.message.contains("End User=ada"),
            "{}",
            refused.message
        );
        // What one spends is not taken from the other.
        spend(&office, "bob", 1).await.unwrap();

        let raise = json!({"budget_id": "free", "max_budget": 3});
        office.post("/budget/update", raise).await.unwrap();
        spend(&office, "ada", 1).await.unwrap();
        spend(&office, "bob", 1).await.unwrap();
        let info = office.get("/customer/info?end_user_id=ada").await.unwrap();
        assert_eq!(info["spend"], 2.0, "{}", office.on);
        assert_eq!(info["litellm_budget_table"]["max_budget"], 3.0);
        let same = office.get("/end_user/info?end_user_id=ada").await.unwrap();
        assert_eq!(same, info);
    }
}

#[tokio::test]
async fn a_budget_that_bounds_somebody_is_not_deleted() {
    for office in Office::everywhere().await {
        office
            .post("/budget/new", json!({"budget_id": "b", "max_budget": 1}))
            .await
            .unwrap();
        office
            .post("/tag/new", json!({"name": "t", "budget_id": "b"}))
            .await
            .unwrap();
        let refused = office
            .post("/budget/delete", json!({"id": "b"}))
            .await
            .unwrap_err();
        assert_eq!(refused.status.as_u16(), 400);
        assert!(refused.message.contains("1 in tags"), "{}", refused.message);
        office
            .post("/tag/update", json!({"name": "t", "budget_id": null}))
            .await
            .unwrap();
        let gone = office
            .post("/budget/delete", json!({"id": "b"}))
            .await
            .unwrap();
        assert_eq!(gone["budget_id"], "b");
        assert_eq!(office.get("/budget/list").await.unwrap(), json!([]));
    }
}

#[tokio::test]
async fn budgets_are_looked_up_and_what_is_wrong_with_them_is_named() {
    let office = Office::open().await;
    office
        .post("/budget/new", json!({"budget_id": "b", "max_budget": 5}))
        .await
        .unwrap();
    let found = office
        .post("/budget/info", json!({"budgets": ["b", "none"]}))
        .await
        .unwrap();
    assert_eq!(found.as_array().unwrap().len(), 1);
    let settings = office.get("/budget/settings?budget_id=b").await.unwrap();
    let max = settings
        .as_array()
        .unwrap()
        .iter()
        .find(|one| one["field_name"] == "max_budget");
    assert_eq!(max.unwrap()["field_value"], 5.0);
    for (path, body, status, param) in [
        ("/budget/new", json!({"budget_id": "b"}), 400, "budget_id"),
        ("/budget/new", json!({"max_budget": -1}), 400, "max_budget"),
        (
            "/budget/new",
            json!({"budget_duration": "30x"}),
            400,
            "budget_duration",
        ),
        (
            "/budget/new",
            json!({"max_budget": 1, "soft_budget": 2}),
            400,
            "soft_budget",
        ),
        (
            "/budget/new",
            json!({"tpm_limit": "many"}),
            422,
            "tpm_limit",
        ),
        ("/budget/update", json!({"max_budget": 1}), 422, "budget_id"),
        (
            "/budget/update",
            json!({"budget_id": "none"}),
            404,
            "budget_id",
        ),
        ("/budget/info", json!({"budgets": []}), 400, "budgets"),
        ("/budget/delete", json!({"id": "none"}), 404, "budget_id"),
        (
            "/customer/new",
            json!({"user_id": "u", "budget_id": "b", "max_budget": 1}),
            400,
            "budget_id",
        ),
        (
            "/customer/new",
            json!({"user_id": "u", "budget_id": "none"}),
            400,
            "budget_id",
        ),
        (
            "/customer/new",
            json!({"user_id": "u", "allowed_model_region": "mars"}),
            400,
            "allowed_model_region",
        ),
        ("/customer/new", json!({}), 422, "user_id"),
        (
            "/customer/update",
            json!({"user_id": "nobody"}),
            404,
            "end_user_id",
        ),
        (
            "/customer/delete",
            json!({"user_ids": ["nobody"]}),
            404,
            "end_user_id",
        ),
        ("/tag/info", json!({"names": ["none"]}), 404, "names"),
        (
            "/project/new",
            json!({"team_id": "nowhere"}),
            400,
            "team_id",
        ),
        (
            "/access_group/new",
            json!({"access_group": "g"}),
            400,
            "model_names",
        ),
    ] {
        let refused = office.post(path, body.clone()).await.unwrap_err();
        let named = refused.param.as_deref().unwrap_or_default();
        assert_eq!(
            (refused.status.as_u16(), named),
            (status, param),
            "{path} {body}"
        );
    }
}

#[tokio::test]
async fn an_own_budget_changes_in_place_and_a_shared_one_stays_with_the_others() {
    let office = Office::open().await;
    let made = office
        .post("/customer/new", json!({"user_id": "a", "max_budget": 2}))
        .await
        .unwrap();
    let own = made["budget_id"].clone();
    let changed = office
        .post(
            "/customer/update",
            json!({"user_id": "a", "max_budget": 4, "budget_duration": "7d"}),
        )
        .await
        .unwrap();
    assert_eq!(changed["budget_id"], own);
    assert_eq!(changed["litellm_budget_table"]["max_budget"], 4.0);
    office
        .post("/customer/new", json!({"user_id": "b", "budget_id": own}))
        .await
        .unwrap();
    let changed = office
        .post("/customer/update", json!({"user_id": "b", "max_budget": 9}))
        .await
        .unwrap();
    assert_ne!(changed["budget_id"], own);
    // What was not said is as it was in the shared one.
    assert_eq!(changed["litellm_budget_table"]["budget_duration"], "7d");
    let other = office.get("/customer/info?end_user_id=a").await.unwrap();
    assert_eq!(other["litellm_budget_table"]["max_budget"], 4.0);
    let cleared = office
        .post(
            "/customer/update",
            json!({"user_id": "b", "budget_id": null}),
        )
        .await
        .unwrap();
    assert_eq!(
        (&cleared["budget_id"], &cleared["litellm_budget_table"]),
        (&json!(null), &json!(null))
    );
    assert_eq!(
        office
            .get("/customer/list")
            .await
            .unwrap()
            .as_array()
            .unwrap()
            .len(),
        2
    );
}

#[tokio::test]
async fn blocked_customers_are_not_served_known_or_not() {
    for office in Office::everywhere().await {
        spend(&office, "eve", 0).await.unwrap();
        let blocked = office
            .post("/customer/block", json!({"user_ids": ["eve", "mallory"]}))
            .await
            .unwrap();
        assert_eq!(blocked["blocked_users"].as_array().unwrap().len(), 2);
        for who in ["eve", "mallory"] {
            let refused = spend(&office, who, 0).await.unwrap_err();
            assert_eq!(refused.status.as_u16(), 401, "{who} on {}", office.on);
        }
        office
            .post("/end_user/unblock", json!({"user_ids": ["eve"]}))
            .await
            .unwrap();
        spend(&office, "eve", 0).await.unwrap();
        spend(&office, "mallory", 0).await.unwrap_err();
        office
            .post("/customer/delete", json!({"user_ids": ["eve", "mallory"]}))
            .await
            .unwrap();
        let gone = office
            .get("/customer/info?end_user_id=eve")
            .await
            .unwrap_err();
        assert_eq!((gone.status.as_u16(), gone.kind), (404, "not_found"));
    }
}

#[tokio::test]
async fn a_customer_nobody_made_has_the_usual_budget_from_its_first_request_on() {
    let settings = Settings {
        customer_budget_id: Some("usual".to_owned()),
        ..Settings::default()
    };
    let office = Office::with(settings).await;
    office
        .post(
            "/budget/new",
            json!({"budget_id": "usual", "max_budget": 2}),
        )
        .await
        .unwrap();
    let refused = spend(&office, "new", 3).await.unwrap_err();
    assert_eq!(refused.kind, "budget_exceeded");
    spend(&office, "new", 2).await.unwrap();
    // One of its own goes before.
    let update = json!({"user_id": "new", "max_budget": 3});
    office.post("/customer/update", update).await.unwrap();
    spend(&office, "new", 1).await.unwrap();
    spend(&office, "new", 1).await.unwrap_err();

    let key = office
        .post("/key/generate", json!({"end_user_budget_id": "small"}))
        .await
        .unwrap();
    office
        .post(
            "/budget/new",
            json!({"budget_id": "small", "max_budget": 1}),
        )
        .await
        .unwrap();
    let caller = office
        .governance
        .caller(key["key"].as_str().unwrap())
        .await
        .unwrap()
        .unwrap();
    let two = Work {
        customer: Some("other"),
        ..work(2)
    };
    let refused = office.governance.admit(&caller, two).await.unwrap_err();
    assert!(
        refused.message.contains("Max budget: 1"),
        "{}",
        refused.message
    );
}

#[tokio::test]
async fn tags_and_groups_of_models_have_budgets() {
    for office in Office::everywhere().await {
        let made = office
            .post(
                "/tag/new",
                json!({"name": "batch", "description": "at night", "max_budget": 1}),
            )
            .await
            .unwrap();
        assert_eq!(made["message"], "Tag batch created successfully");
        assert_eq!(made["tag"]["name"], "batch");
        let tags = ["batch".to_owned()];
        charge(
            &office,
            Work {
                tags: &tags,
                ..work(1)
            },
            1,
        )
        .await
        .unwrap();
        let refused = charge(
            &office,
            Work {
                tags: &tags,
                ..work(1)
            },
            1,
        )
        .await
        .unwrap_err();
        assert!(refused.message.contains("Tag=batch"), "{}", refused.message);
        let info = office
            .post("/tag/info", json!({"names": ["batch"]}))
            .await
            .unwrap();
        assert_eq!(info["batch"]["spend"], 1.0);
        let taken = office
            .post("/tag/new", json!({"name": "batch"}))
            .await
            .unwrap_err();
        assert_eq!(taken.status.as_u16(), 409);

        let made = office
            .post(
                "/access_group/new",
                json!({"access_group": "big", "model_names": ["gpt-4o"]}),
            )
            .await
            .unwrap();
        assert_eq!(
            (&made["access_group"], &made["models_updated"]),
            (&json!("big"), &json!(1))
        );
        let put = |path: &'static str, body: Value| {
            office.call(Arc::new(Caller::master()), "PUT", path, body)
        };
        let bounded = put("/access_group/big/budget", json!({"max_budget": 2}))
            .await
            .unwrap();
        assert_eq!(bounded["max_budget"], 2.0);
        charge(&office, work(2), 2).await.unwrap();
        let refused = charge(&office, work(1), 1).await.unwrap_err();
        assert!(
            refused.message.contains("Model access group=big"),
            "{}",
            refused.message
        );
        let seen = office.get("/access_group/big/budget").await.unwrap();
        assert_eq!(
            (&seen["spend"], &seen["access_group"]),
            (&json!(2.0), &json!("big"))
        );
        // Another model is not in it.
        put("/access_group/big/update", json!({"model_names": ["o3"]}))
            .await
            .unwrap();
        charge(&office, work(1), 1).await.unwrap();
        // A model that its configuration puts into the group is.
        let groups = ["big".to_owned()];
        charge(
            &office,
            Work {
                groups: &groups,
                ..work(1)
            },
            1,
        )
        .await
        .unwrap_err();
    }
}
