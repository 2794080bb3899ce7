//! Who goes back to where it was; routing groups; strategies of single requests.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{sync::Arc, time::Duration};

use llm_providers::{Credential, Error, Kind, Target, lookup};
use llm_router::{
    Ask, Attempt, Attempts, Deployment, Finish, Lease, LeastBusy, Priority, Quota, Router,
    RoutingGroup, Settings, TokenPrice,
};

/// Answers at once with the deployment's id, unless it is the one that fails.
struct Answers(Option<&'static str>);

impl Attempts for Answers {
    type Answer = String;

    async fn make(&self, attempt: Attempt<'_>) -> Result<String, Error> {
        let id = &attempt.deployment.id;
        match self.0 {
            Some(broken) if broken == id => Err(Error::new(Kind::Auth, "scripted")),
            _ => Ok(id.clone()),
        }
    }
}

fn deployment(id: &str, group: &str) -> Deployment {
    let target = Target::new(lookup("openai").unwrap(), "m", Credential::None);
    Deployment::new(id, group, target)
}

fn router(n: usize, change: impl FnOnce(&mut Settings)) -> Router {
    let mut settings = Settings::default();
    change(&mut settings);
    let all = (0..n).map(|i| deployment(&format!("d{i}"), "g")).collect();
    Router::new(all, settings).unwrap()
}

async fn answer(router: &Router, ask: &Ask) -> String {
    let routed = router.run(ask, &Answers(None)).await.unwrap();
    routed.lease.finish(&Finish::default());
    routed.value
}

/// Asks until another one than `avoided` answers, and does not let go.
async fn held(router: &Router, ask: &Ask) -> (String, Lease) {
    let routed = router.run(ask, &Answers(None)).await.unwrap();
    (routed.value, routed.lease)
}

fn of_session(session: &str) -> Ask {
    Ask {
        session: Some(session.into()),
        ..Ask::new("g")
    }
}

#[tokio::test(start_paused = true)]
async fn sessions_stay_for_their_time_and_survive_a_new_configuration() {
    let router = router(8, |settings| settings.affinity.bonds.session = true);
    let mut firsts = Vec::new();
    for n in 0..50 {
        firsts.push(answer(&router, &of_session(&n.to_string())).await);
    }
    let router = router.succeeded_by(
        (0..8).map(|i| deployment(&format!("d{i}"), "g")).collect(),
        router.settings().clone(),
    );
    let router = router.unwrap();
    for (n, first) in firsts.iter().enumerate() {
        for _ in 0..5 {
            assert_eq!(&answer(&router, &of_session(&n.to_string())).await, first);
        }
    }
    tokio::time::sleep(Duration::from_secs(3601)).await;
    let mut moved = 0;
    for (n, first) in firsts.iter().enumerate() {
        moved += usize::from(&answer(&router, &of_session(&n.to_string())).await != first);
    }
    assert!(moved > 25, "{moved}");
}

#[tokio::test(start_paused = true)]
async fn a_bond_is_a_wish() {
    let router = router(3, |settings| settings.affinity.bonds.user = true);
    let ask = Ask {
        caller: Some("key".into()),
        ..Ask::new("g")
    };
    let first = answer(&router, &ask).await;
    let broken = ["d0", "d1", "d2"].into_iter().find(|id| *id == first);
    let routed = router.run(&ask, &Answers(broken)).await.unwrap();
    assert_ne!(routed.value, first);
    let second = routed.value;
    routed.lease.finish(&Finish::default());
    // From now on it is where it was answered.
    for _ in 0..5 {
        assert_eq!(answer(&router, &ask).await, second);
    }
}

#[tokio::test(start_paused = true)]
async fn a_cached_prompt_is_left_where_it_is_too_crowded() {
    let router = router(2, |settings| {
        settings.affinity.bonds.prompt = true;
        settings.affinity.prompt_worth = Some(4.0);
        settings.strategy = Arc::new(LeastBusy);
    });
    let ask = Ask {
        prefix: Some(7),
        ..Ask::new("g")
    };
    assert!(router.wants_prefix(&ask));
    let first = answer(&router, &ask).await;
    let mut leases = Vec::new();
    // With the next one, four times what the other one would carry with it.
    for _ in 0..4 {
        let (id, lease) = held(&router, &ask).await;
        assert_eq!(id, first);
        leases.push(lease);
    }
    let (id, lease) = held(&router, &ask).await;
    assert_ne!(id, first);
    drop((leases, lease));
    assert_eq!(answer(&router, &ask).await, first);
    tokio::time::sleep(Duration::from_secs(301)).await;
    let mut others = 0;
    for _ in 0..20 {
        others += usize::from(
            answer(
                &router,
                &Ask {
                    prefix: Some(7),
                    ..Ask::new("g")
                },
            )
            .await
                != first,
        );
        tokio::time::sleep(Duration::from_secs(301)).await;
    }
    assert!(others > 0);
}

#[tokio::test(start_paused = true)]
async fn a_cached_prompt_is_worth_what_its_price_says() {
    // What a prompt costs where it is kept, and how many requests more than elsewhere that is worth.
    for (input, cached, most) in [
        (1000, Some(100), 10),
        (1000, Some(500), 2),
        (1000, Some(1000), 1),
        (1000, Some(0), 20),
        // Nobody knows.
        (1000, None, 2),
        (0, Some(0), 2),
    ] {
        let mut settings = Settings {
            strategy: Arc::new(LeastBusy),
            ..Settings::default()
        };
        settings.affinity.bonds.prompt = true;
        let priced = |id: &str| {
            let mut one = deployment(id, "g");
            one.price = Some(TokenPrice {
                input,
                output: 1,
                cached,
            });
            one
        };
        let router = Router::new(vec![priced("a"), priced("b")], settings).unwrap();
        let ask = Ask {
            prefix: Some(7),
            ..Ask::new("g")
        };
        let first = answer(&router, &ask).await;
        let mut leases = Vec::new();
        while leases.len() < 40 {
            let (id, lease) = held(&router, &ask).await;
            if id != first {
                break;
            }
            leases.push(lease);
        }
        assert_eq!(leases.len(), most, "{input} {cached:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_routing_group_unites_groups_in_their_order() {
    let group = |models: &[&str]| RoutingGroup {
        name: "all".into(),
        models: models.iter().map(|model| (*model).to_owned()).collect(),
        strategy: Arc::new(Priority {
            ranks: [("h".to_owned(), 1), ("g".to_owned(), 2)].into(),
        }),
    };
    let make = |models: &[&str]| {
        let settings = Settings {
            routing_groups: vec![group(models)],
            ..Settings::default()
        };
        Router::new(
            vec![deployment("cheap", "g"), deployment("good", "h")],
            settings,
        )
    };
    let router = make(&["g", "h"]).unwrap();
    for _ in 0..10 {
        assert_eq!(answer(&router, &Ask::new("all")).await, "good");
        assert_eq!(answer(&router, &Ask::new("g")).await, "cheap");
    }
    let routed = router.run(&Ask::new("all"), &Answers(Some("good"))).await;
    let routed = routed.unwrap();
    assert_eq!(routed.value, "cheap");
    assert_eq!(
        routed.journey.trace().attempts[0].decision.strategy,
        "priority"
    );
    let refused = |models: &[&str]| make(models).unwrap_err().0;
    assert!(refused(&["g", "nowhere"]).contains("'nowhere', which does not exist"));
    assert!(refused(&["g", "g"]).contains("is in 'all' already"));
}

#[tokio::test(start_paused = true)]
async fn a_request_may_ask_for_another_strategy() {
    let router = router(2, |_| {});
    let mut ask = Ask::new("g");
    let strategy = async |ask: &Ask| {
        let routed = router.run(ask, &Answers(None)).await.unwrap();
        routed.journey.trace().attempts[0].decision.strategy
    };
    assert_eq!(strategy(&ask).await, "simple-shuffle");
    ask.strategy = Some("least-busy".into());
    assert_eq!(strategy(&ask).await, "least-busy");
    ask.strategy = Some("no-such".into());
    assert_eq!(strategy(&ask).await, "simple-shuffle");
}

#[test]
fn parallel_attempts_are_bounded_by_what_is_known() {
    let of = |quota: Quota| {
        let mut one = deployment("d", "g");
        one.quota = quota;
        let settings = Settings {
            default_max_parallel: Some(9),
            ..Settings::default()
        };
        let router = Router::new(vec![one], settings).unwrap();
        router.deployments("g")[0].quota.max_parallel
    };
    let quota = Quota::default();
    assert_eq!(of(quota), Some(9));
    let tpm = Quota {
        tpm: Some(2000),
        ..quota
    };
    assert_eq!(of(tpm), Some(12));
    assert_eq!(
        of(Quota {
            rpm: Some(4),
            ..tpm
        }),
        Some(4)
    );
    let own = Quota {
        max_parallel: Some(2),
        rpm: Some(4),
        ..tpm
    };
    assert_eq!(of(own), Some(2));
}
