use std::{collections::BTreeMap, sync::Mutex, time::Duration};

use llm_providers::{Credential, Error, Kind, Target, lookup};

use crate::{Ask, Attempt, Attempts, Deployment, Fallback, Router, Settings, Timeouts};

fn deployment(id: &str, group: &str) -> Deployment {
    Deployment::new(
        id,
        group,
        Target::new(lookup("openai").expect("a row"), id, Credential::None),
    )
}

fn router(deployments: &[(&str, &str)], change: impl FnOnce(&mut Settings)) -> Router {
    let mut settings = Settings::default();
    change(&mut settings);
    Router::new(
        deployments
            .iter()
            .map(|(id, group)| deployment(id, group))
            .collect(),
        settings,
    )
    .expect("sound")
}

fn lists(pairs: &[(&str, &[&str])]) -> BTreeMap<String, Vec<Fallback>> {
    pairs
        .iter()
        .map(|(from, to)| {
            (
                (*from).to_owned(),
                to.iter().map(|to| Fallback::to(*to)).collect(),
            )
        })
        .collect()
}

/// Deployment id -> the kinds of its failures, the next one last; then it answers with its model.
struct Script {
    left: Mutex<BTreeMap<String, Vec<Kind>>>,
    asked: Mutex<Vec<String>>,
}

impl Attempts for Script {
    type Answer = String;

    async fn make(&self, attempt: Attempt<'_>) -> Result<String, Error> {
        let id = attempt.deployment.id.clone();
        self.asked.lock().unwrap().push(id.clone());
        match self.left.lock().unwrap().get_mut(&id).and_then(Vec::pop) {
            Some(kind) => Err(Error::new(kind, "scripted")),
            None => Ok(attempt.target.model.clone()),
        }
    }
}

/// Runs against a script: deployment id -> the kinds of its failures in order, then success.
async fn run(
    router: &Router,
    ask: &Ask,
    script: &[(&str, &[Kind])],
) -> (Result<String, Kind>, Vec<String>) {
    let left = script
        .iter()
        .map(|(id, kinds)| ((*id).to_owned(), kinds.iter().rev().copied().collect()));
    let script = Script {
        left: Mutex::new(left.collect()),
        asked: Mutex::default(),
    };
    let result = router.run(ask, &script).await;
    (
        result
            .map(|routed| routed.value)
            .map_err(|failed| failed.error.kind),
        script.asked.into_inner().unwrap(),
    )
}

#[tokio::test(start_paused = true)]
async fn a_failure_goes_to_the_other_deployment_first() {
    let router = router(&[("a", "g"), ("b", "g")], |_| {});
    let (result, asked) = run(
        &router,
        &Ask::new("g"),
        &[("a", &[Kind::Upstream]), ("b", &[Kind::Upstream])],
    )
    .await;
    assert!(result.is_ok());
    assert_eq!(asked.len(), 3);
    assert_ne!(asked[0], asked[1]);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_succeed_is_not_tried_again() {
    let router = router(&[("a", "g"), ("b", "g")], |_| {});
    for kind in [
        Kind::BadRequest,
        Kind::ContextWindow,
        Kind::UnsupportedParams,
        Kind::ContentPolicy,
    ] {
        let (result, asked) = run(&router, &Ask::new("g"), &[("a", &[kind]), ("b", &[kind])]).await;
        assert_eq!((result, asked.len()), (Err(kind), 1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_wrong_key_bars_its_deployment() {
    let router = router(&[("a", "g"), ("b", "g")], |s| s.num_retries = 5);
    let forever = [Kind::Auth; 9];
    let (result, asked) = run(&router, &Ask::new("g"), &[("a", &forever), ("b", &forever)]).await;
    assert_eq!((result, asked.len()), (Err(Kind::Auth), 2));
}

#[tokio::test(start_paused = true)]
async fn retries_end() {
    let router = router(&[("a", "g")], |_| {});
    let (result, asked) = run(&router, &Ask::new("g"), &[("a", &[Kind::Upstream; 9])]).await;
    assert_eq!((result, asked.len()), (Err(Kind::Upstream), 3));
    let ask = Ask {
        num_retries: Some(0),
        ..Ask::new("g")
    };
    assert_eq!(
        run(&router, &ask, &[("a", &[Kind::Upstream])])
            .await
            .1
            .len(),
        1
    );
}

#[tokio::test(start_paused = true)]
async fn fallbacks_follow_the_cause() {
    let router = router(
        &[("a", "g"), ("b", "long"), ("c", "other"), ("d", "last")],
        |s| {
            s.num_retries = 0;
            s.fallbacks.general = lists(&[("g", &["other"]), ("other", &["last"])]);
            s.fallbacks.context_window = lists(&[("g", &["long"])]);
        },
    );
    let ask = Ask::new("g");
    let go = |script| run(&router, &ask, script);
    assert_eq!(go(&[("a", &[Kind::Upstream])]).await.1, ["a", "c"]);
    assert_eq!(go(&[("a", &[Kind::ContextWindow])]).await.1, ["a", "b"]);
    assert_eq!(
        go(&[("a", &[Kind::ContentPolicy])]).await.1,
        ["a"],
        "a refusal goes to the caller"
    );
    assert_eq!(
        go(&[("a", &[Kind::Upstream]), ("c", &[Kind::Upstream])])
            .await
            .1,
        ["a", "c", "d"]
    );
    let failed = go(&[
        ("a", &[Kind::RateLimit]),
        ("c", &[Kind::Upstream]),
        ("d", &[Kind::Upstream]),
    ])
    .await;
    assert_eq!(
        failed.0,
        Err(Kind::RateLimit),
        "the error is the one of the group that was asked for"
    );
}

#[tokio::test(start_paused = true)]
async fn lower_orders_come_first() {
    let mut second = deployment("b", "g");
    second.order = Some(2);
    let mut first = deployment("a", "g");
    first.order = Some(1);
    let router = Router::new(vec![second, first], Settings::default()).expect("sound");
    for _ in 0..20 {
        assert_eq!(run(&router, &Ask::new("g"), &[]).await.1, ["a"]);
    }
    assert_eq!(
        run(&router, &Ask::new("g"), &[("a", &[Kind::Upstream])])
            .await
            .1,
        ["a", "b"]
    );
}

#[tokio::test(start_paused = true)]
async fn names_are_found_by_alias_pattern_and_id() {
    let star = Deployment::new(
        "w",
        "openai/*",
        Target::new(lookup("openai").expect("a row"), "*", Credential::None),
    );
    let settings = Settings {
        aliases: [("mini".to_owned(), "g".to_owned())].into(),
        ..Settings::default()
    };
    let router = Router::new(vec![deployment("a", "g"), star], settings).expect("sound");
    assert_eq!(run(&router, &Ask::new("mini"), &[]).await.0, Ok("a".into()));
    assert_eq!(
        run(&router, &Ask::new("openai/gpt-x"), &[]).await.0,
        Ok("gpt-x".into())
    );
    assert_eq!(run(&router, &Ask::new("a"), &[]).await.0, Ok("a".into()));
    assert_eq!(
        run(&router, &Ask::new("nobody"), &[]).await,
        (Err(Kind::BadRequest), vec![])
    );
}

#[tokio::test(start_paused = true)]
async fn a_dropped_request_is_no_longer_in_flight() {
    let router = router(&[("a", "g")], |_| {});
    let ask = Ask::new("g");
    struct Hangs;
    impl Attempts for Hangs {
        type Answer = ();
        async fn make(&self, _: Attempt<'_>) -> Result<(), Error> {
            std::future::pending().await
        }
    }
    let hangs = router.run(&ask, &Hangs);
    assert!(
        tokio::time::timeout(Duration::from_secs(1), hangs)
            .await
            .is_err()
    );
    assert_eq!(router.load(&router.deployments("g")[0]).in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_timeout_limits_each_wait_of_a_stream_and_not_its_length() {
    struct Asked(Mutex<Option<Timeouts>>);
    impl Attempts for Asked {
        type Answer = ();
        async fn make(&self, attempt: Attempt<'_>) -> Result<(), Error> {
            *self.0.lock().unwrap() = Some(attempt.timeouts);
            Ok(())
        }
    }
    let minute = Duration::from_secs(60);
    let router = router(&[("a", "g")], |s| s.timeouts.total = Some(minute));
    let asked = Asked(Mutex::default());
    let whole = Ask::new("g");
    let stream = Ask {
        stream: true,
        ..Ask::new("g")
    };
    router.run(&whole, &asked).await.expect("an answer");
    assert_eq!(asked.0.lock().unwrap().unwrap().total, Some(minute));
    router.run(&stream, &asked).await.expect("an answer");
    let limits = asked.0.lock().unwrap().unwrap();
    assert_eq!(
        (limits.stream, limits.stall, limits.total),
        (Some(minute), Some(minute), None)
    );
}

#[tokio::test(start_paused = true)]
async fn a_silent_deployment_is_left() {
    let router = router(&[("a", "g"), ("b", "g")], |s| s.num_retries = 9);
    let forever = [Kind::Timeout; 9];
    let script: [(&str, &[Kind]); 2] = [("a", &forever), ("b", &forever)];
    let (result, asked) = run(&router, &Ask::new("g"), &script).await;
    assert_eq!((result, asked.len()), (Err(Kind::Timeout), 2));
}

#[tokio::test(start_paused = true)]
async fn who_is_rate_limited_rests_and_nobody_is_asked_while_all_do() {
    let router = router(&[("a", "g"), ("b", "g")], |s| s.num_retries = 0);
    let limited = [Kind::RateLimit; 9];
    let script: [(&str, &[Kind]); 2] = [("a", &limited), ("b", &limited)];
    let ask = Ask::new("g");
    assert_eq!(run(&router, &ask, &script).await.1.len(), 1);
    assert_eq!(run(&router, &ask, &script).await.1.len(), 1);
    let (result, asked) = run(&router, &ask, &script).await;
    assert_eq!((result, asked.len()), (Err(Kind::RateLimit), 0));
    tokio::time::advance(Duration::from_secs(6)).await;
    assert!(run(&router, &ask, &[]).await.0.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_caller_with_time_waits_for_the_first_to_come_back() {
    let router = router(&[("a", "g"), ("b", "g")], |_| {});
    let script: [(&str, &[Kind]); 2] = [("a", &[Kind::RateLimit]), ("b", &[Kind::RateLimit])];
    let ask = Ask {
        deadline: Some(Duration::from_secs(60)),
        ..Ask::new("g")
    };
    let began = tokio::time::Instant::now();
    let (result, asked) = run(&router, &ask, &script).await;
    assert_eq!((result.is_ok(), asked.len()), (true, 3));
    assert!(began.elapsed() >= Duration::from_secs(5));
    let ask = Ask {
        deadline: Some(Duration::from_secs(2)),
        ..Ask::new("g")
    };
    let began = tokio::time::Instant::now();
    assert!(run(&router, &ask, &script).await.0.is_err());
    assert_eq!(began.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_not_made_worse() {
    let router = router(&[("a", "g")], |s| {
        s.num_retries = 3;
        s.health.disabled = true;
    });
    let mut asked = 0;
    for _ in 0..1000 {
        let forever = [Kind::Overloaded; 9];
        asked += run(&router, &Ask::new("g"), &[("a", &forever)])
            .await
            .1
            .len();
    }
    // A tenth, and the few that are always granted while the clock goes on.
    assert!((1000..=1110).contains(&asked), "{asked}");
}

#[tokio::test(start_paused = true)]
async fn a_successor_knows_what_its_predecessor_learned() {
    let first = router(&[("a", "g"), ("b", "g")], |s| s.num_retries = 0);
    let limited: (&str, &[Kind]) = ("a", &[Kind::RateLimit; 9]);
    let only_a = Ask::new("a");
    assert!(run(&first, &only_a, &[limited]).await.0.is_err());
    let next = first
        .succeeded_by(
            vec![deployment("a", "g"), deployment("c", "g")],
            Settings::default(),
        )
        .expect("sound");
    let a = next.deployment("a").expect("it is there");
    assert_eq!(next.load(a).requests, 1);
}

#[tokio::test(start_paused = true)]
async fn a_broken_answer_goes_on_elsewhere() {
    let router = router(&[("a", "g"), ("b", "g")], |_| {});
    let script = Script {
        left: Mutex::default(),
        asked: Mutex::default(),
    };
    let ask = Ask::new("g");
    let first = router.run(&ask, &script).await.expect("an answer");
    let broken = Error::new(Kind::Connection, "cut");
    let second = router
        .resume(&ask, first.journey, first.lease, broken, &script)
        .await
        .expect("another answer");
    assert_ne!(first.value, second.value);
    let attempts = &second.journey.trace().attempts;
    assert_eq!((attempts.len(), attempts[0].in_stream), (2, true));
    drop(second.lease);
    for deployment in router.deployments("g") {
        assert_eq!(router.load(deployment).in_flight, 0);
    }
}

#[test]
fn unsound_settings_are_refused() {
    let twice = Router::new(
        vec![deployment("a", "g"), deployment("a", "h")],
        Settings::default(),
    );
    assert!(twice.is_err());
    let mut settings = Settings::default();
    settings.fallbacks.general = lists(&[("g", &["g"])]);
    assert!(Router::new(vec![], settings).is_err());
}
