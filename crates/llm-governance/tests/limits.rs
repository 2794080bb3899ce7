//! Limits of every scope: the exhausted one refuses, the others do not; and how limits are meant.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod kit;

use std::sync::Arc;

use kit::Office;
use llm_cost::NanoDollars;
use llm_governance::{
    Admission, Caller, ModelLimits, Refusal, Settings, Work,
    limits::{LimitRules, Priorities, Reserved},
};
use llm_ledger::Estimate;
use llm_store::rows::{Organization, SpendRow, Team, TeamMember, User};
use serde_json::{Map, Value, json};

async fn office(limits: LimitRules) -> Office {
    let settings = Settings {
        limits,
        ..Settings::default()
    };
    Office::with(settings).await
}

async fn key(office: &Office, body: Value) -> Arc<Caller> {
    let made = office.post("/key/generate", body).await.unwrap();
    let caller = office.governance.caller(made["key"].as_str().unwrap());
    caller.await.unwrap().unwrap()
}

fn work() -> Work<'static> {
    Work {
        model: "gpt-4o",
        answer_tokens: Some(50),
        prompt_tokens: 50,
        ..Work::default()
    }
}

async fn ask(office: &Office, caller: &Arc<Caller>, work: Work<'_>) -> Result<Admission, Refusal> {
    office.governance.admit(caller, work).await
}

async fn done(office: &Office, caller: &Arc<Caller>, work: Work<'_>) -> Result<(), Refusal> {
    let admission = ask(office, caller, work).await?;
    let row = SpendRow {
        prompt_tokens: 50,
        completion_tokens: 50,
        total_tokens: 100,
        spend: NanoDollars(1_000_000_000),
        ..admission.row()
    };
    admission.charge(row).written().await.unwrap();
    Ok(())
}

/// Which limit refuses.
fn limited(refused: Refusal) -> (String, String) {
    assert_eq!(
        (refused.status.as_u16(), refused.kind),
        (429, "throttling_error"),
        "{}",
        refused.message
    );
    let whose = refused.message.strip_prefix("Rate limit exceeded for ");
    let whose = whose.unwrap().split(':').next().unwrap().to_owned();
    let kind = refused
        .headers
        .iter()
        .find(|(name, _)| *name == "rate_limit_type");
    (whose, kind.unwrap().1.clone())
}

/// Everybody that a request may be limited by, where only `tight` is.
async fn everybody(tight: &str, kind: &str) -> (Office, Arc<Caller>) {
    let most = |scope: &str, of: &str| {
        let amount = match kind {
            "requests" if of == "rpm" => 2,
            "tokens" if of == "tpm" => 200,
            _ => 1_000_000,
        };
        if scope == tight { amount } else { 1_000_000 }
    };
    let both =
        |scope: &str| json!({"rpm_limit": most(scope, "rpm"), "tpm_limit": most(scope, "tpm")});
    let of_model = |scope: &str| {
        json!({
            "model_rpm_limit": {"gpt-4o": most(scope, "rpm")},
            "model_tpm_limit": {"gpt-4o": most(scope, "tpm")},
        })
    };
    let map = |value: Value| -> Map<String, Value> { serde_json::from_value(value).unwrap() };
    let office = office(LimitRules::default()).await;
    let store = office.governance.store();
    for scope in ["organization", "project", "team_member", "end_user", "tag"] {
        let mut body = map(both(scope));
        body.insert("budget_id".into(), scope.into());
        office.post("/budget/new", body.into()).await.unwrap();
    }
    let number = |scope: &str, of: &str| Some(most(scope, of));
    let organization = Organization {
        organization_id: "org".into(),
        budget_id: Some("organization".into()),
        metadata: map(of_model("model_per_organization")),
        ..Organization::default()
    };
    store.insert(&organization).await.unwrap();
    let user = User {
        user_id: "ada".into(),
        user_role: Some("internal_user".into()),
        rpm_limit: number("user", "rpm"),
        tpm_limit: number("user", "tpm"),
        ..User::default()
    };
    store.insert(&user).await.unwrap();
    let team = Team {
        team_id: "red".into(),
        organization_id: Some("org".into()),
        rpm_limit: number("team", "rpm"),
        tpm_limit: number("team", "tpm"),
        metadata: map(of_model("model_per_team")),
        ..Team::default()
    };
    store.insert(&team).await.unwrap();
    let member = TeamMember {
        team_id: "red".into(),
        user_id: "ada".into(),
        role: "user".into(),
        budget_id: Some("team_member".into()),
        ..TeamMember::default()
    };
    store.insert(&member).await.unwrap();
    let mut project = map(of_model("model_per_project"));
    project.extend(map(
        json!({"project_id": "project", "team_id": "red", "budget_id": "project"}),
    ));
    office.post("/project/new", project.into()).await.unwrap();
    for (path, body) in [
        ("/tag/new", json!({"name": "tag", "budget_id": "tag"})),
        (
            "/customer/new",
            json!({"user_id": "customer", "budget_id": "end_user"}),
        ),
    ] {
        office.post(path, body).await.unwrap();
    }
    let mut own = map(both("api_key"));
    own.extend(map(of_model("model_per_key")));
    own.extend(map(json!({
        "user_id": "ada", "team_id": "red", "project_id": "project", "organization_id": "org",
    })));
    let caller = key(&office, own.into()).await;
    (office, caller)
}

#[tokio::test]
async fn the_exhausted_scope_refuses_and_the_others_do_not() {
    for kind in ["requests", "tokens"] {
        for scope in [
            "api_key",
            "model_per_key",
            "user",
            "team",
            "team_member",
            "model_per_team",
            "project",
            "model_per_project",
            "organization",
            "model_per_organization",
            "end_user",
            "tag",
        ] {
            let (office, caller) = everybody(scope, kind).await;
            let tags = ["tag".to_owned()];
            let work = Work {
                tags: &tags,
                customer: Some("customer"),
                ..work()
            };
            for _ in 0..2 {
                done(&office, &caller, work).await.unwrap();
            }
            let refused = ask(&office, &caller, work).await.unwrap_err();
            let wanted = (scope.to_owned(), kind.to_owned());
            assert_eq!(limited(refused), wanted);
            // Whoever is not bounded by it is served.
            let stranger = key(&office, json!({})).await;
            done(&office, &stranger, self::work()).await.unwrap();
        }
    }
}

#[tokio::test]
async fn requests_at_the_same_time_are_limited_for_keys_that_say_nothing_and_for_all() {
    let limits = LimitRules {
        at_once: Some(3),
        at_once_of_key: Some(2),
        ..LimitRules::default()
    };
    let office = office(limits).await;
    let (one, other) = (key(&office, json!({})).await, key(&office, json!({})).await);
    let mut under_way = Vec::new();
    for _ in 0..2 {
        under_way.push(ask(&office, &one, work()).await.unwrap());
    }
    let parallel = "max_parallel_requests".to_owned();
    let refused = ask(&office, &one, work()).await.unwrap_err();
    assert_eq!(limited(refused), ("api_key".to_owned(), parallel.clone()));
    under_way.push(ask(&office, &other, work()).await.unwrap());
    let refused = ask(&office, &other, work()).await.unwrap_err();
    assert_eq!(limited(refused), ("global".to_owned(), parallel));
    under_way.clear();
    ask(&office, &one, work()).await.unwrap();
}

#[tokio::test]
async fn a_key_has_the_usual_limits_of_a_model_and_projects_limits_of_prompts_and_answers() {
    let office = office(LimitRules::default()).await;
    let caller = key(&office, json!({})).await;
    let usual = Work {
        usual: ModelLimits {
            rpm: Some(1),
            ..ModelLimits::default()
        },
        ..work()
    };
    done(&office, &caller, usual).await.unwrap();
    let refused = ask(&office, &caller, usual).await.unwrap_err();
    assert_eq!(limited(refused).0, "model_per_key");
    let own = key(&office, json!({"model_rpm_limit": {"gpt-4o": 2}})).await;
    for _ in 0..2 {
        done(&office, &own, usual).await.unwrap();
    }
    ask(&office, &own, usual).await.unwrap_err();

    office
        .post("/team/new", json!({"team_id": "t"}))
        .await
        .unwrap();
    for (field, kind) in [
        ("model_itpm_limit", "input_tokens"),
        ("model_otpm_limit", "output_tokens"),
    ] {
        let project = json!({"project_id": field, "team_id": "t", field: {"gpt-4o": 120}});
        office.post("/project/new", project).await.unwrap();
        let caller = key(&office, json!({"team_id": "t", "project_id": field})).await;
        for _ in 0..2 {
            done(&office, &caller, work()).await.unwrap();
        }
        let refused = ask(&office, &caller, work()).await.unwrap_err();
        let wanted = ("model_per_project".to_owned(), kind.to_owned());
        assert_eq!(limited(refused), wanted);
    }
}

#[tokio::test]
async fn a_dynamic_limit_holds_while_the_model_is_in_trouble() {
    let office = office(LimitRules::default()).await;
    let body = json!({"rpm_limit": 2, "rpm_limit_type": "dynamic", "tpm_limit": 1000});
    let caller = key(&office, body).await;
    assert!(caller.has_dynamic_limits());
    let ailing = Work {
        is_ailing: true,
        ..work()
    };
    for _ in 0..4 {
        done(&office, &caller, work()).await.unwrap();
    }
    let refused = ask(&office, &caller, ailing).await.unwrap_err();
    assert_eq!(limited(refused).1, "requests");
    for _ in 0..6 {
        done(&office, &caller, work()).await.unwrap();
    }
    // The other limit is not dynamic.
    let refused = ask(&office, &caller, work()).await.unwrap_err();
    assert_eq!(limited(refused).1, "tokens");
}

#[tokio::test]
async fn a_session_ends_after_its_requests_or_its_money() {
    let office = office(LimitRules::default()).await;
    let of = |session| Work {
        session: Some(session),
        estimate: Estimate::AtMost(NanoDollars(1_000_000_000)),
        ..work()
    };
    let caller = key(&office, json!({"metadata": {"max_iterations": 3}})).await;
    for _ in 0..3 {
        done(&office, &caller, of("one")).await.unwrap();
    }
    let refused = ask(&office, &caller, of("one")).await.unwrap_err();
    assert_eq!(limited(refused), ("session".into(), "requests".into()));
    done(&office, &caller, of("two")).await.unwrap();
    done(&office, &caller, work()).await.unwrap();

    let caller = key(&office, json!({"max_budget_per_session": 2.5})).await;
    for _ in 0..2 {
        done(&office, &caller, of("one")).await.unwrap();
    }
    let refused = ask(&office, &caller, of("one")).await.unwrap_err();
    assert!(
        refused.message.contains("Current limit: $2.5"),
        "{}",
        refused.message
    );
    assert_eq!(limited(refused), ("session".into(), "spend".into()));
    done(&office, &caller, of("two")).await.unwrap();
}

#[tokio::test]
async fn what_is_reserved_for_a_priority_is_there_when_the_model_is_busy() {
    let reserved = [("prod", 0.75), ("dev", 0.25)];
    let reserved = reserved.map(|(name, share)| (name.to_owned(), Reserved::Share(share)));
    let limits = LimitRules {
        priorities: Some(Priorities {
            reserved: reserved.into(),
            ..Priorities::default()
        }),
        ..LimitRules::default()
    };
    let office = office(limits).await;
    let prod = key(&office, json!({"metadata": {"priority": "prod"}})).await;
    let dev = key(&office, json!({"priority": "dev"})).await;
    let work = Work {
        capacity: ModelLimits {
            rpm: Some(100),
            ..ModelLimits::default()
        },
        ..work()
    };
    let mut served = 0;
    let refused = loop {
        match done(&office, &dev, work).await {
            Ok(()) => served += 1,
            Err(refused) => break refused,
        }
    };
    assert_eq!(
        served, 50,
        "what nobody needs is lent until half of it is gone"
    );
    let header = |name: &str| {
        let found = refused.headers.iter().find(|(header, _)| *header == name);
        found.map(|(_, value)| value.clone())
    };
    assert_eq!(header("x-litellm-priority").as_deref(), Some("dev"));
    assert_eq!(header("x-litellm-saturation").as_deref(), Some("0.500"));
    assert_eq!(limited(refused).0, "priority_model");
    for _ in 0..50 {
        done(&office, &prod, work).await.unwrap();
    }
    let refused = done(&office, &prod, work).await.unwrap_err();
    assert_eq!(limited(refused).0, "model");
    // A model without limits has nothing to be shared out.
    done(&office, &dev, self::work()).await.unwrap();
}

#[tokio::test]
async fn a_key_over_its_budget_goes_on_slowly_where_it_may() {
    let limits = LimitRules {
        throttle: Some(0.1),
        ..LimitRules::default()
    };
    let office = office(limits).await;
    let body = json!({"max_budget": 2, "rpm_limit": 40, "throttle_on_budget_exceeded": true});
    let caller = key(&office, body.clone()).await;
    let dollar = Work {
        estimate: Estimate::AtMost(NanoDollars(1_000_000_000)),
        ..work()
    };
    for _ in 0..4 {
        done(&office, &caller, dollar).await.unwrap();
    }
    let refused = done(&office, &caller, dollar).await.unwrap_err();
    assert!(
        refused.message.contains("Current limit: 4,"),
        "{}",
        refused.message
    );
    assert_eq!(limited(refused).0, "api_key");
    // Whoever may not, or has no limit that could be less, is refused.
    for change in [
        json!({"throttle_on_budget_exceeded": false}),
        json!({"rpm_limit": null}),
    ] {
        let mut body = body.clone();
        body.as_object_mut()
            .unwrap()
            .extend(change.as_object().unwrap().clone());
        let caller = key(&office, body).await;
        for _ in 0..2 {
            done(&office, &caller, dollar).await.unwrap();
        }
        let refused = done(&office, &caller, dollar).await.unwrap_err();
        assert_eq!(refused.kind, "budget_exceeded");
    }
}

#[tokio::test]
async fn a_request_without_a_budget_counts_for_no_limit() {
    let office = office(LimitRules::default()).await;
    let caller = key(
        &office,
        json!({"max_budget": 1, "rpm_limit": 2, "tpm_limit": 1000}),
    )
    .await;
    let dear = Work {
        estimate: Estimate::AtMost(NanoDollars(2_000_000_000)),
        ..work()
    };
    for _ in 0..5 {
        let refused = done(&office, &caller, dear).await.unwrap_err();
        assert_eq!(refused.kind, "budget_exceeded");
    }
    for _ in 0..2 {
        done(&office, &caller, work()).await.unwrap();
    }
}

#[tokio::test]
async fn an_answer_counts_what_its_key_says_where_the_request_does_not() {
    let office = office(LimitRules::default()).await;
    let body = json!({
        "tpm_limit": 1000, "default_estimated_output_tokens": 200,
        "default_estimated_output_tokens_per_model": {"gpt-4o": 700},
    });
    let caller = key(&office, body).await;
    let open = |model| Work {
        model,
        answer_tokens: None,
        ..work()
    };
    let first = ask(&office, &caller, open("gpt-4o")).await.unwrap();
    let left = |admission: &Admission| {
        let mut headers = http::HeaderMap::new();
        admission.remains().describe(&mut headers);
        headers.remove("x-ratelimit-api_key-remaining-tokens")
    };
    assert_eq!(left(&first).unwrap(), "250");
    let second = ask(&office, &caller, open("other")).await.unwrap();
    assert_eq!(left(&second).unwrap(), "0");
}
