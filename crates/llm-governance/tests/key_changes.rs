//! Keys: replaced, reset, listed, promised and bounded.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod kit;

use kit::Office;
use llm_cost::NanoDollars;
use llm_governance::{Settings, Work};
use llm_ledger::Estimate;
use llm_store::Moment;
use serde_json::{Value, json};

fn hash(key: &str) -> String {
    llm_store::hash_token(key)
}

/// Charges a key with as much.
async fn spend(office: &Office, key: &str, nano: i64) {
    let caller = office.governance.caller(key).await.unwrap().expect("known");
    let work = Work {
        model: "m",
        estimate: Estimate::AtMost(NanoDollars(nano)),
        ..Work::default()
    };
    let admission = office.governance.admit(&caller, work).await.unwrap();
    let row = llm_store::rows::SpendRow {
        spend: NanoDollars(nano),
        ..admission.row()
    };
    admission.charge(row).written().await.unwrap();
    office.governance.ledger().flush().await;
}

#[tokio::test]
async fn a_replaced_key_works_through_its_grace_and_keeps_its_account() {
    for office in Office::everywhere().await {
        let old = office
            .key(json!({"key_alias": "ci", "max_budget": 1}))
            .await;
        spend(&office, &old, 250_000_000).await;
        let body = json!({"key": old, "grace_period": "1h", "max_budget": 2});
        let made = office.post("/key/regenerate", body).await.unwrap();
        let new = made["key"].as_str().unwrap();
        assert_ne!(new, old);
        assert_eq!(made["token"], hash(new));
        assert_eq!(
            (&made["max_budget"], &made["spend"]),
            (&json!(2.0), &json!(0.25))
        );
        for key in [old.as_str(), new] {
            let caller = office.governance.caller(key).await.unwrap().expect("known");
            assert_eq!(caller.key_hash(), hash(new));
        }
        spend(&office, &old, 250_000_000).await;
        let path = format!("/key/info?key={new}");
        let info = office.get(&path).await.unwrap();
        assert_eq!(info["info"]["spend"], 0.5);

        // Without a grace the old one ends at once, and so does what led to it before.
        let path = format!("/key/{}/regenerate", hash(new));
        let last = office
            .post(&path, json!({"new_key": "sk-chosen-by-somebody"}))
            .await
            .unwrap();
        assert_eq!(last["key"], "sk-chosen-by-somebody");
        assert!(office.governance.caller(new).await.unwrap().is_none());
        let by_first = office
            .governance
            .caller(&old)
            .await
            .unwrap()
            .expect("known");
        assert_eq!(by_first.key_hash(), hash("sk-chosen-by-somebody"));
        let refused = office
            .post(
                "/key/regenerate",
                json!({"key": old, "new_master_key": "sk-x"}),
            )
            .await
            .unwrap_err();
        assert_eq!(refused.param.as_deref(), Some("new_master_key"));
    }
}

#[tokio::test]
async fn keys_are_replaced_by_themselves_when_they_are_due() {
    for office in Office::everywhere().await {
        let refused = office
            .post("/key/generate", json!({"auto_rotate": true}))
            .await
            .unwrap_err();
        assert_eq!(refused.param.as_deref(), Some("rotation_interval"));
        let old = office
            .key(json!({"auto_rotate": true, "rotation_interval": "30d"}))
            .await;
        office.key(json!({})).await;
        let now = Moment::now();
        assert_eq!(office.governance.rotate_due(now).await.unwrap(), 0);
        let later = now.plus(31 * 86_400_000);
        assert_eq!(office.governance.rotate_due(later).await.unwrap(), 1);
        let caller = office
            .governance
            .caller(&old)
            .await
            .unwrap()
            .expect("in its grace");
        let row = &caller.key.as_ref().unwrap().row;
        assert_ne!(row.token, hash(&old));
        assert_eq!(row.rotation_count, Some(1));
    }
}

#[tokio::test]
async fn what_was_spent_can_be_reset_downwards() {
    for office in Office::everywhere().await {
        let key = office.key(json!({"max_budget": 1})).await;
        spend(&office, &key, 900_000_000).await;
        let path = format!("/key/{key}/reset_spend");
        let refused = office
            .post(&path, json!({"reset_to": 0.95}))
            .await
            .unwrap_err();
        assert_eq!(
            (refused.status.as_u16(), refused.param.as_deref()),
            (400, Some("reset_to"))
        );
        let refused = office.post(&path, json!({})).await.unwrap_err();
        assert_eq!(refused.status.as_u16(), 422);
        let reset = office.post(&path, json!({"reset_to": 0.5})).await.unwrap();
        assert_eq!(reset["spend"], 0.5);
        let info = office.get(&format!("/key/info?key={key}")).await.unwrap();
        assert_eq!(
            (&info["info"]["spend"], &info["info"]["total_spend"]),
            (&json!(0.5), &json!(0.9))
        );
        // There is room again for what did not fit before.
        spend(&office, &key, 400_000_000).await;
    }
}

#[tokio::test]
async fn several_keys_are_changed_each_by_itself() {
    let office = Office::open().await;
    let key = office.key(json!({})).await;
    let body = json!({"keys": [
        {"key": key, "max_budget": 3, "tags": ["a"]},
        {"key": key, "max_budget": -1},
        {"key": "sk-nobody-knows-this-one"},
        {"max_budget": 1},
    ]});
    let done = office.post("/key/bulk_update", body).await.unwrap();
    assert_eq!(done["total_requested"], 4);
    assert_eq!(done["successful_updates"][0]["key"], json!(key));
    assert_eq!(done["successful_updates"][0]["key_info"]["max_budget"], 3.0);
    let failed: Vec<&str> = done["failed_updates"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["failed_reason"].as_str().unwrap())
        .collect();
    assert_eq!(
        failed,
        [
            "'max_budget' must not be negative",
            "no key ends in ...-one",
            "key: Field required"
        ]
    );
}

#[tokio::test]
async fn keys_are_found_by_what_is_known_of_them() {
    for office in Office::everywhere().await {
        let team = office
            .post("/team/new", json!({"team_id": "t"}))
            .await
            .unwrap();
        assert_eq!(team["team_id"], "t");
        let one = office
            .key(json!({"key_alias": "Alpha_1", "team_id": "t", "max_budget": 2}))
            .await;
        let two = office
            .key(json!({"key_alias": "beta%", "user_id": "u", "max_budget": 1}))
            .await;
        let three = office.key(json!({"duration": "1s"})).await;
        office
            .post("/key/block", json!({"key": two}))
            .await
            .unwrap();
        let listed = async |query: &str| -> Vec<String> {
            let answer = office.get(&format!("/key/list?{query}")).await.unwrap();
            let keys = answer["keys"].as_array().unwrap().iter();
            keys.map(|key| key.as_str().unwrap().to_owned()).collect()
        };
        assert_eq!(listed("search=ALPHA").await, [hash(&one)]);
        assert_eq!(listed("search=a%").await, [hash(&two)]);
        assert!(listed("search=pha%251").await.is_empty());
        assert_eq!(
            listed("key_alias=lph&substring_matching=true").await,
            [hash(&one)]
        );
        assert_eq!(listed("team_id=t").await, [hash(&one)]);
        assert_eq!(listed("status=revoked").await, [hash(&two)]);
        assert_eq!(listed(&format!("key_hash={one}")).await, [hash(&one)]);
        assert_eq!(
            listed("sort_by=max_budget&sort_order=asc").await,
            [hash(&two), hash(&one), hash(&three)]
        );
        assert_eq!(
            listed("sort_by=key_alias&sort_order=desc&size=1").await,
            [hash(&two)]
        );
        let soon = Moment::now().plus(60_000).to_jiff();
        assert_eq!(listed(&format!("expires={soon}")).await, [hash(&three)]);
        let refused = office.get("/key/list?sort_by=password").await.unwrap_err();
        assert_eq!(refused.param.as_deref(), Some("sort_by"));

        office
            .post("/key/delete", json!({"keys": [one]}))
            .await
            .unwrap();
        assert_eq!(listed("status=deleted").await, [hash(&one)]);
        let path = "/key/list?status=deleted&return_full_object=true";
        let deleted = office.get(path).await.unwrap();
        assert_eq!(deleted["keys"][0]["key_alias"], "Alpha_1");
        assert_eq!(deleted["keys"][0]["status"], "deleted");

        let aliases = office.get("/key/aliases").await.unwrap();
        assert_eq!(
            aliases,
            json!({"aliases": ["beta%"], "total_count": 1, "current_page": 1, "total_pages": 1, "size": 50})
        );
        let infos = office
            .post(
                "/v2/key/info",
                json!({"keys": [two, "sk-nobody-knows-this-one"]}),
            )
            .await
            .unwrap();
        assert_eq!(infos["key"], json!([two]));
        assert_eq!(infos["info"][0]["status"], "blocked");
    }
}

#[tokio::test]
async fn no_more_is_promised_than_there_is() {
    for office in Office::everywhere().await {
        let team = json!({"team_id": "t", "rpm_limit": 100, "model_tpm_limit": {"m": 1000}});
        office.post("/team/new", team).await.unwrap();
        let promise = |rpm: u64| json!({"team_id": "t", "rpm_limit": rpm, "rpm_limit_type": "guaranteed_throughput"});
        let key = office.key(promise(60)).await;
        let refused = office.post("/key/generate", promise(41)).await.unwrap_err();
        assert_eq!(
            (refused.status.as_u16(), refused.param.as_deref()),
            (400, Some("rpm_limit"))
        );
        office.key(promise(40)).await;
        // A limit that is no promise takes nothing away.
        office.key(json!({"team_id": "t", "rpm_limit": 100})).await;
        let more = json!({"key": key, "rpm_limit": 61});
        office.post("/key/update", more).await.unwrap_err();
        let less = json!({"key": key, "rpm_limit": 59});
        office.post("/key/update", less).await.unwrap();
        let of_model = json!({
            "team_id": "t", "tpm_limit_type": "guaranteed_throughput", "model_tpm_limit": {"m": 1001},
        });
        let refused = office.post("/key/generate", of_model).await.unwrap_err();
        assert_eq!(refused.param.as_deref(), Some("model_tpm_limit"));
    }
}

#[tokio::test]
async fn what_the_configuration_says_bounds_and_fills() {
    let object = |value: Value| value.as_object().unwrap().clone();
    let office = Office::with(Settings {
        key_defaults: object(json!({"models": ["a"]})),
        key_bounds: object(json!({"max_budget": 5, "duration": "7d"})),
        ..Settings::default()
    })
    .await;
    let made = office.post("/key/generate", json!({})).await.unwrap();
    assert_eq!(
        (&made["models"], &made["max_budget"]),
        (&json!(["a"]), &json!(5.0))
    );
    assert!(made["expires"].is_string());
    for (body, param) in [
        (json!({"max_budget": 5.01}), "max_budget"),
        (json!({"duration": "8d"}), "duration"),
        (json!({"duration": "-1"}), "duration"),
    ] {
        let refused = office.post("/key/generate", body).await.unwrap_err();
        assert_eq!(
            (refused.status.as_u16(), refused.param.as_deref()),
            (400, Some(param))
        );
    }
    let body = json!({"key": made["key"], "max_budget": null});
    let refused = office.post("/key/update", body).await.unwrap_err();
    assert_eq!(refused.param.as_deref(), Some("max_budget"));
}

#[tokio::test]
async fn nobody_widens_a_key_that_was_given_to_it() {
    for office in Office::everywhere().await {
        let own = office.user("u", "internal_user").await;
        let given = office
            .key(json!({"user_id": "u", "max_budget": 1, "guardrails": ["pii"], "metadata": {"a": 1}}))
            .await;
        for body in [
            json!({"key": given, "max_budget": null}),
            json!({"key": given, "budget_duration": "1s"}),
            json!({"key": given, "guardrails": []}),
            json!({"key": given, "models": []}),
            json!({"key": given, "user_id": "v"}),
            json!({"key": given, "spend": 0}),
        ] {
            let refused = office
                .by(&own, "POST", "/key/update", body.clone())
                .await
                .unwrap_err();
            assert_eq!(refused.status.as_u16(), 403, "{body}");
        }
        let body = json!({"key": given, "key_alias": "mine", "metadata": {"b": 2}});
        let changed = office.by(&own, "POST", "/key/update", body).await.unwrap();
        assert_eq!(changed["metadata"], json!({"b": 2, "guardrails": ["pii"]}));
        assert_eq!(changed["max_budget"], 1.0);

        // Its own are its own.
        let made = office
            .by(&own, "POST", "/key/generate", json!({"max_budget": 1}))
            .await
            .unwrap();
        assert_eq!(
            (&made["user_id"], &made["created_by"]),
            (&json!("u"), &json!("u"))
        );
        let body = json!({"key": made["key"], "max_budget": 2});
        office.by(&own, "POST", "/key/update", body).await.unwrap();
        let refused = office
            .by(&own, "POST", "/key/generate", json!({"user_id": "v"}))
            .await
            .unwrap_err();
        assert!(
            refused
                .message
                .starts_with("User can only create keys for themselves.")
        );
        let listed = office
            .by(&own, "GET", "/key/list", json!({}))
            .await
            .unwrap();
        assert_eq!(listed["total_count"], 3);
        let other = office.key(json!({})).await;
        let refused = office
            .by(&own, "POST", "/key/delete", json!({"keys": [other]}))
            .await
            .unwrap_err();
        assert_eq!(refused.status.as_u16(), 404);
    }
}
