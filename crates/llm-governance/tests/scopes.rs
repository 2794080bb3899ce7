//! Budgets of every scope: the exhausted one refuses, the others do not; and nothing of ten thousand requests stays held.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod kit;

use std::{collections::BTreeMap, sync::Arc};

use kit::Office;
use llm_cost::NanoDollars;
use llm_governance::{Admission, Caller, Refusal, Settings, Work};
use llm_ledger::Estimate;
use llm_store::{
    Account, Moment, Scope,
    rows::{Organization, SpendRow, Team, TeamMember, User},
};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::TestRunner,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

const DOLLAR: i64 = 1_000_000_000;

/// The most that everybody may spend.
const MAX: i64 = 100 * DOLLAR;

/// Where every scope has a budget of a hundred dollars.
async fn bounded() -> Vec<Office> {
    let settings = Settings {
        max_budget: Some(NanoDollars(MAX)),
        user_budget_on_team_keys: true,
        ..Settings::default()
    };
    let offices = Office::everywhere_with(settings).await;
    for office in &offices {
        fill(office).await;
    }
    offices
}

async fn fill(office: &Office) {
    let budget = json!({"budget_id": "hundred", "max_budget": 100});
    office.post("/budget/new", budget).await.unwrap();
    let store = office.governance.store();
    let shared = Some("hundred".to_owned());
    let per_model = |max: f64| -> serde_json::Map<String, Value> {
        let one = json!({"budget_limit": max, "time_period": "30d"});
        [("gpt-4o".to_owned(), one)].into_iter().collect()
    };
    let windows = json!([{"budget_duration": "1d", "max_budget": 100}]);
    let organization = Organization {
        organization_id: "org".into(),
        budget_id: shared.clone(),
        ..Organization::default()
    };
    store.insert(&organization).await.unwrap();
    let user = User {
        user_id: "ada".into(),
        user_role: Some("internal_user".into()),
        max_budget: Some(NanoDollars(MAX)),
        model_max_budget: per_model(100.0),
        ..User::default()
    };
    store.insert(&user).await.unwrap();
    let team = Team {
        team_id: "red".into(),
        organization_id: Some("org".into()),
        max_budget: Some(NanoDollars(MAX)),
        budget_limits: Some(windows.clone()),
        model_max_budget: per_model(100.0),
        ..Team::default()
    };
    store.insert(&team).await.unwrap();
    let member = TeamMember {
        team_id: "red".into(),
        user_id: "ada".into(),
        role: "user".into(),
        budget_id: shared,
        ..TeamMember::default()
    };
    store.insert(&member).await.unwrap();
    let budget_id = "hundred";
    for (path, body) in [
        ("/tag/new", json!({"name": "tag", "budget_id": budget_id})),
        (
            "/customer/new",
            json!({"user_id": "customer", "budget_id": budget_id}),
        ),
        (
            "/project/new",
            json!({"project_id": "project", "team_id": "red", "budget_id": budget_id}),
        ),
        (
            "/access_group/new",
            json!({"access_group": "group", "model_names": ["gpt-4o"]}),
        ),
    ] {
        office.post(path, body).await.unwrap();
    }
    let bound = json!({"budget_id": budget_id});
    let master = Arc::new(Caller::master());
    office
        .call(master, "PUT", "/access_group/group/budget", bound)
        .await
        .unwrap();
}

async fn key(office: &Office, body: Value) -> Arc<Caller> {
    let key = office.post("/key/generate", body).await.unwrap();
    let caller = office
        .governance
        .caller(key["key"].as_str().unwrap())
        .await
        .unwrap();
    caller.unwrap()
}

/// A request that every scope pays for.
async fn ask(
    office: &Office,
    caller: &Arc<Caller>,
    estimate: Estimate,
) -> Result<Admission, Refusal> {
    let tags = ["tag".to_owned()];
    let work = Work {
        model: "gpt-4o",
        tags: &tags,
        customer: Some("customer"),
        estimate,
        ..Work::default()
    };
    office.governance.admit(caller, work).await
}

#[tokio::test]
async fn the_exhausted_scope_refuses_and_the_others_do_not() {
    for office in bounded().await {
        let body = json!({
            "user_id": "ada", "team_id": "red", "project_id": "project", "max_budget": 100,
            "budget_limits": [{"budget_duration": "1d", "max_budget": 100}],
            "model_max_budget": {"gpt-4o": {"budget_limit": 100, "time_period": "30d"}},
        });
        let caller = key(&office, body).await;
        let own = |scope, id: &str| Account::of(scope, id);
        let hash = caller.key_hash();
        let scopes = [
            (own(Scope::Key, hash), "Key="),
            (own(Scope::Key, hash).metered("window:1d"), "over 1d budget"),
            (
                own(Scope::Key, hash).metered("model:gpt-4o"),
                "over budget for model=gpt-4o",
            ),
            (own(Scope::Team, "red"), "Team=red"),
            (
                own(Scope::Team, "red").metered("window:1d"),
                "Team=red over 1d budget",
            ),
            (
                own(Scope::Team, "red").metered("model:gpt-4o"),
                "Team=red over budget for model",
            ),
            (Account::member("red", "ada"), "TeamMember=red:ada"),
            (own(Scope::User, "ada"), "User=ada"),
            (
                own(Scope::User, "ada").metered("model:gpt-4o"),
                "User=ada over budget for model",
            ),
            (own(Scope::Organization, "org"), "Organization=org"),
            (own(Scope::Project, "project"), "Project=project"),
            (own(Scope::Tag, "tag"), "Tag=tag"),
            (own(Scope::AccessGroup, "group"), "Model access group=group"),
            (own(Scope::Customer, "customer"), "End User=customer"),
            (own(Scope::Global, ""), "Proxy"),
        ];
        let ledger = office.governance.ledger();
        let cent = Estimate::AtMost(NanoDollars(DOLLAR / 100));
        for (account, named) in &scopes {
            ledger.set_spent(account, NanoDollars(MAX)).await.unwrap();
            for estimate in [cent, Estimate::About(NanoDollars(1)), Estimate::Unpriced] {
                let refused = ask(&office, &caller, estimate).await.unwrap_err();
                let said = &refused.message;
                assert_eq!(
                    (refused.status.as_u16(), refused.kind),
                    (422, "budget_exceeded")
                );
                assert!(said.contains(named), "{}: {account}: {said}", office.on);
            }
            // What costs nothing is served; who does not pay from it is, too.
            drop(ask(&office, &caller, Estimate::Free).await.unwrap());
            if account.scope != Scope::Global && account.scope != Scope::AccessGroup {
                let stranger = Work {
                    model: "gpt-4o",
                    estimate: cent,
                    ..Work::default()
                };
                let master = Arc::new(Caller::master());
                drop(office.governance.admit(&master, stranger).await.unwrap());
            }
            ledger
                .set_spent(account, NanoDollars(MAX - DOLLAR / 100))
                .await
                .unwrap();
            drop(ask(&office, &caller, cent).await.unwrap());
            until_nothing_is_held(&office).await;
            ledger.set_spent(account, NanoDollars(0)).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_users_own_budget_is_for_its_own_keys() {
    let office = Office::open().await;
    fill(&office).await;
    let own = key(&office, json!({"user_id": "ada"})).await;
    let of_team = key(&office, json!({"user_id": "ada", "team_id": "red"})).await;
    let user = Account::of(Scope::User, "ada");
    let ledger = office.governance.ledger();
    ledger.set_spent(&user, NanoDollars(MAX)).await.unwrap();
    let cent = Estimate::AtMost(NanoDollars(1));
    assert!(
        ask(&office, &own, cent)
            .await
            .unwrap_err()
            .message
            .contains("User=ada")
    );
    ask(&office, &of_team, cent).await.unwrap();
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy)]
enum End {
    Charged(i64),
    Failed(i64),
    SentAndLost,
    HungUp,
    TimedOut,
}

fn ends() -> impl Strategy<Value = (usize, i64, End)> {
    let end = proptest::prop_oneof![
        4 => (0..=100_i64).prop_map(End::Charged),
        1 => (0..=100_i64).prop_map(End::Failed),
        1 => proptest::strategy::Just(End::SentAndLost),
        1 => proptest::strategy::Just(End::HungUp),
        1 => proptest::strategy::Just(End::TimedOut),
    ];
    (0..4_usize, 1..2_000_000_i64, end)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_ten_thousand_requests_nothing_stays_held_and_every_dollar_has_a_row() {
    for office in bounded().await {
        let office = Arc::new(office);
        let requests = match office.on {
            "SQLite" => 10_000,
            // Every one is a round trip there.
            _ => 2_500,
        };
        let callers = [
            key(
                &office,
                json!({"user_id": "ada", "team_id": "red", "max_budget": 0.3}),
            )
            .await,
            key(&office, json!({"team_id": "red", "project_id": "project"})).await,
            key(
                &office,
                json!({"user_id": "ada", "max_budget": 0.2, "budget_duration": "30d"}),
            )
            .await,
            Arc::new(Caller::master()),
        ];
        let mut runner = TestRunner::deterministic();
        let mut tasks = JoinSet::new();
        let mut refused = 0;
        for _ in 0..requests {
            let (who, amount, end) = ends().new_tree(&mut runner).unwrap().current();
            let (office, caller) = (Arc::clone(&office), Arc::clone(&callers[who]));
            tasks.spawn(async move { live(&office, &caller, amount, end).await });
            if tasks.len() >= 64 {
                refused += u32::from(!tasks.join_next().await.unwrap().unwrap());
            }
        }
        while let Some(served) = tasks.join_next().await {
            refused += u32::from(!served.unwrap());
        }
        assert!(refused > 0, "no budget was ever exhausted");
        let ledger = office.governance.ledger();
        ledger.flush().await;
        until_nothing_is_held(&office).await;
        let rows = office
            .governance
            .store()
            .list::<SpendRow>(&[], i64::MAX, 0)
            .await
            .unwrap()
            .rows;
        let mut sums: BTreeMap<&Account, i64> = BTreeMap::new();
        for row in &rows {
            for account in &row.accounts {
                *sums.entry(account).or_default() += row.spend.0;
            }
        }
        for (account, sum) in sums {
            let balance = ledger.balance(account).await.unwrap();
            let on = office.on;
            assert_eq!(balance.total.0, sum, "{on}: {account}");
            if balance.resets_at.is_none() {
                assert_eq!(balance.spent.0, sum, "{on}: {account}");
            }
        }
        for (caller, max) in [(&callers[0], 300_000_000), (&callers[2], 200_000_000)] {
            let balance = ledger
                .balance(&Account::of(Scope::Key, caller.key_hash()))
                .await
                .unwrap();
            assert!(balance.spent.0 <= max, "{balance:?}");
        }
        let (sum, count) = office.governance.store().sum_of_rows(None).await.unwrap();
        let all = ledger
            .balance(&Account::of(Scope::Global, ""))
            .await
            .unwrap();
        assert_eq!(
            (all.total, count),
            (sum, i64::try_from(rows.len()).unwrap())
        );
    }
}

/// One request; says whether it was served.
async fn live(office: &Office, caller: &Arc<Caller>, amount: i64, end: End) -> bool {
    let estimate = Estimate::AtMost(NanoDollars(amount));
    let Ok(admission) = ask(office, caller, estimate).await else {
        return false;
    };
    let row = |cost: i64, status: &str| SpendRow {
        spend: NanoDollars(cost),
        status: status.to_owned(),
        model: "gpt-4o".to_owned(),
        provider: "openai".to_owned(),
        start_time: Moment::now(),
        end_time: Moment::now(),
        ..admission.row()
    };
    match end {
        End::Charged(share) => {
            let row = row(amount * share / 100, "success");
            admission.charge(row).written().await.unwrap();
        }
        End::Failed(share) => {
            let row = row(amount * share / 100, "failure");
            // Nobody waits for the row.
            drop(admission.charge(row));
        }
        End::SentAndLost => {
            let row = row(amount, "unknown");
            let sent = row.clone();
            admission.sent(move || sent);
            admission
                .charge(SpendRow {
                    spend: NanoDollars(0),
                    ..row
                })
                .written()
                .await
                .unwrap();
        }
        End::HungUp => drop(admission),
        End::TimedOut => {
            let held = tokio::spawn(async move {
                let _held = admission;
                std::future::pending::<()>().await;
            });
            tokio::task::yield_now().await;
            held.abort();
            let _ = held.await;
        }
    }
    true
}

/// Holds in a database are let go a moment later.
async fn until_nothing_is_held(office: &Office) {
    for _ in 0..1_000 {
        if office.governance.ledger().all_held().await.unwrap() == NanoDollars(0) {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
    }
    panic!("something is held on {}", office.on);
}
