//! Slow and busy deployments: rivals for slow attempts, and lines before busy groups. All time is virtual.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use llm_providers::{Credential, Error, Kind, Target, lookup};
use llm_router::{
    AdaptiveRules, Ask, Attempt, Attempts, Deployment, Finish, HedgeRules, QueueRules, Router,
    Settings, TokenPrice,
};
use tokio::{task::JoinSet, time::Instant};

const MS: Duration = Duration::from_millis(1);

/// Deployment id -> how long it takes, and whether it then fails.
#[derive(Default)]
struct Slow {
    by: BTreeMap<&'static str, (u32, Option<Kind>)>,
    begun: Mutex<Vec<String>>,
    ended: Mutex<Vec<String>>,
}

impl Slow {
    fn new<const N: usize>(by: [(&'static str, u32, Option<Kind>); N]) -> Self {
        Self {
            by: by.map(|(id, ms, end)| (id, (ms, end))).into(),
            ..Self::default()
        }
    }
}

impl Attempts for Slow {
    type Answer = String;

    async fn make(&self, attempt: Attempt<'_>) -> Result<String, Error> {
        let id = attempt.deployment.id.clone();
        self.begun.lock().unwrap().push(id.clone());
        let (ms, end) = self.by[id.as_str()];
        tokio::time::sleep(ms * MS).await;
        self.ended.lock().unwrap().push(id.clone());
        end.map_or(Ok(id), |kind| Err(Error::new(kind, "scripted")))
    }
}

fn deployment(id: &str, change: impl FnOnce(&mut Deployment)) -> Deployment {
    let openai = lookup("openai").expect("a row");
    let mut deployment = Deployment::new(id, "g", Target::new(openai, "m", Credential::None));
    change(&mut deployment);
    deployment
}

/// `first` is always asked first: it has the lower order.
fn hedged(change: impl FnOnce(&mut Settings, &mut Deployment)) -> Router {
    let mut settings = Settings {
        hedge: Some(HedgeRules::default()),
        num_retries: 0,
        ..Settings::default()
    };
    let first = deployment("first", |d| {
        d.order = Some(1);
        d.price = Some(TokenPrice {
            input: 10,
            output: 10,
            ..TokenPrice::default()
        });
    });
    let mut second = deployment("second", |d| d.order = Some(2));
    change(&mut settings, &mut second);
    Router::new(vec![first, second], settings).expect("sound")
}

/// Teaches the router that 100 ms are usual.
async fn warm(router: &Router) {
    let usual = Slow::new([("first", 100, None)]);
    for _ in 0..100 {
        let routed = router.run(&Ask::new("g"), &usual).await.expect("an answer");
        routed.lease.finish(&Finish::default());
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_attempt_gets_a_rival_and_the_faster_one_wins() {
    let router = hedged(|_, _| {});
    warm(&router).await;
    let slow = Slow::new([("first", 60_000, None), ("second", 50, None)]);
    let began = Instant::now();
    let routed = router.run(&Ask::new("g"), &slow).await.expect("an answer");
    assert_eq!(routed.value, "second");
    let took = began.elapsed();
    assert!((150 * MS..155 * MS).contains(&took), "{took:?}");
    let attempts = &routed.journey.trace().attempts;
    assert!(attempts[0].lost && !attempts[1].lost, "{attempts:?}");
    assert_eq!(
        *slow.ended.lock().unwrap(),
        ["second"],
        "the loser is hung up on"
    );
    let first = router.deployment("first").expect("it is there");
    assert_eq!(router.load(first).in_flight, 0);
}

#[tokio::test(start_paused = true)]
async fn a_rival_that_fails_leaves_the_first_one_to_answer() {
    let router = hedged(|_, _| {});
    warm(&router).await;
    let slow = Slow::new([("first", 500, None), ("second", 5, Some(Kind::Upstream))]);
    let routed = router.run(&Ask::new("g"), &slow).await.expect("an answer");
    assert_eq!(routed.value, "first");
    let both = Slow::new([
        ("first", 500, Some(Kind::Overloaded)),
        ("second", 5, Some(Kind::Upstream)),
    ]);
    let failed = router
        .run(&Ask::new("g"), &both)
        .await
        .expect_err("no answer");
    assert_eq!(failed.error.kind, Kind::Overloaded);
}

#[tokio::test(start_paused = true)]
async fn rivals_are_few_and_not_dear() {
    let router = hedged(|_, _| {});
    warm(&router).await;
    let all = Slow::new([("first", 1_000, None), ("second", 950, None)]);
    for _ in 0..100 {
        router.run(&Ask::new("g"), &all).await.expect("an answer");
    }
    let rivals = all.begun.lock().unwrap().len() - 100;
    assert!((1..=10).contains(&rivals), "{rivals}");

    let dear = hedged(|_, second| {
        second.price = Some(TokenPrice {
            input: 30,
            output: 11,
            ..TokenPrice::default()
        });
    });
    warm(&dear).await;
    let all = Slow::new([("first", 1_000, None), ("second", 900, None)]);
    dear.run(&Ask::new("g"), &all).await.expect("an answer");
    assert_eq!(all.begun.lock().unwrap().len(), 1);

    // A third one that is not dear stands in.
    let third = deployment("third", |d| d.order = Some(3));
    let both = dear.deployments("g").iter().map(|d| (**d).clone());
    let three = dear.succeeded_by(both.chain([third]).collect(), dear.settings().clone());
    let all = Slow::new([("first", 1_000, None), ("third", 5, None)]);
    let routed = three.expect("sound").run(&Ask::new("g"), &all).await;
    assert_eq!(routed.expect("an answer").value, "third");
}

#[tokio::test(start_paused = true)]
async fn a_rival_has_the_rest_of_the_requests_time() {
    let router = hedged(|_, _| {});
    warm(&router).await;
    let hurried = Ask {
        deadline: Some(400 * MS),
        ..Ask::new("g")
    };
    let limits = Limits::default();
    let began = Instant::now();
    let failed = router.run(&hurried, &limits).await.expect_err("too late");
    assert_eq!(failed.error.kind, Kind::Timeout);
    assert_eq!(began.elapsed(), 400 * MS);
    let limits = limits.0.lock().unwrap();
    assert_eq!((limits.len(), limits[0]), (2, 400 * MS));
    assert!((295 * MS..=300 * MS).contains(&limits[1]), "{limits:?}");
}

#[tokio::test(start_paused = true)]
async fn a_rival_that_cannot_start_is_not_counted() {
    let router = hedged(|_, second| second.quota.max_parallel = Some(1));
    warm(&router).await;
    let quick = Slow::new([("second", 1, None)]);
    let held = router.run(&Ask::new("second"), &quick).await;
    let held = held.expect("an answer").lease;
    let slow = Slow::new([("first", 900, None)]);
    for _ in 0..20 {
        router.run(&Ask::new("g"), &slow).await.expect("an answer");
    }
    held.finish(&Finish::default());
    let stuck = Slow::new([("first", 60_000, None), ("second", 50, None)]);
    let routed = router.run(&Ask::new("g"), &stuck).await;
    assert_eq!(routed.expect("an answer").value, "second");
}

/// Takes as long as it may, and remembers how long that was.
#[derive(Default)]
struct Limits(Mutex<Vec<Duration>>);

impl Attempts for Limits {
    type Answer = ();

    async fn make(&self, attempt: Attempt<'_>) -> Result<(), Error> {
        let limit = attempt.timeouts.total.expect("a deadline");
        self.0.lock().unwrap().push(limit);
        tokio::time::sleep(limit).await;
        Err(Error::new(Kind::Timeout, "too slow"))
    }
}

#[tokio::test(start_paused = true)]
async fn without_experience_or_without_the_setting_there_are_no_rivals() {
    let slow = Slow::new([("first", 60_000, None), ("second", 1, None)]);
    let cold = hedged(|_, _| {});
    let off = hedged(|settings, _| settings.hedge = None);
    warm(&off).await;
    for router in [cold, off] {
        let routed = router.run(&Ask::new("g"), &slow).await.expect("an answer");
        assert_eq!(routed.value, "first");
    }
}

fn narrow(parallel: u64, change: impl FnOnce(&mut Settings)) -> Arc<Router> {
    let mut settings = Settings {
        num_retries: 0,
        ..Settings::default()
    };
    change(&mut settings);
    let only = deployment("only", |d| d.quota.max_parallel = Some(parallel));
    Arc::new(Router::new(vec![only], settings).expect("sound"))
}

/// Sends requests in this order, and says in which order and when they were answered, or why not.
async fn send(router: &Arc<Router>, asks: Vec<(&'static str, Ask)>) -> Vec<(String, u64)> {
    let slow = Arc::new(Slow::new([("only", 100, None)]));
    let mut all = JoinSet::new();
    let began = Instant::now();
    for (name, ask) in asks {
        let (router, slow) = (Arc::clone(router), Arc::clone(&slow));
        all.spawn(async move {
            let result = router.run(&ask, &*slow).await;
            let name = match &result {
                Ok(_) => name.to_owned(),
                Err(failed) => format!("{name}: {}", failed.error.code.clone().unwrap_or_default()),
            };
            // The clock of tests wakes sleepers up to a millisecond late.
            let at = (began.elapsed().as_millis() + 5) / 10 * 10;
            (name, u64::try_from(at).unwrap_or(u64::MAX))
        });
        tokio::task::yield_now().await;
    }
    let mut done = Vec::new();
    while let Some(one) = all.join_next().await {
        done.push(one.expect("no panic"));
    }
    done
}

fn ask(priority: i64, user: &str) -> Ask {
    Ask {
        priority: Some(priority),
        user: Some(user.to_owned()),
        ..Ask::new("g")
    }
}

#[tokio::test(start_paused = true)]
async fn a_busy_group_is_waited_for_the_urgent_first_and_users_in_turns() {
    let router = narrow(1, |_| {});
    let asks = vec![
        ("a1", ask(0, "a")),
        ("a2", ask(0, "a")),
        ("a3", ask(0, "a")),
        ("b1", ask(0, "b")),
        ("late", ask(9, "b")),
        ("urgent", ask(-1, "c")),
    ];
    let done = send(&router, asks).await;
    let expected = [
        ("a1", 100),
        ("urgent", 200),
        ("a2", 300),
        ("b1", 400),
        ("a3", 500),
        ("late", 600),
    ];
    assert_eq!(done, expected.map(|(name, at)| (name.to_owned(), at)));
}

#[tokio::test(start_paused = true)]
async fn a_full_line_turns_the_least_urgent_away_and_a_long_wait_ends() {
    let router = narrow(1, |s| {
        s.queue = QueueRules {
            size: 1,
            wait: 50 * MS,
            ..QueueRules::default()
        };
    });
    let asks = vec![
        ("first", ask(0, "a")),
        ("low", ask(5, "a")),
        ("high", ask(0, "b")),
    ];
    let done = send(&router, asks).await;
    let expected = [
        ("low: queue_full", 0),
        ("high: no_deployments_available", 50),
        ("first", 100),
    ];
    assert_eq!(done, expected.map(|(name, at)| (name.to_owned(), at)));
}

#[tokio::test(start_paused = true)]
async fn who_waits_notices_that_a_rest_is_over() {
    let settings = Settings {
        num_retries: 0,
        ..Settings::default()
    };
    let busy = deployment("busy", |d| d.quota.max_parallel = Some(1));
    let tired = deployment("tired", |d| d.cooldown = Some(2 * 1000 * MS));
    let router = Router::new(vec![busy, tired], settings).expect("sound");
    let at = |id: &str| Ask {
        prefer: Some(id.to_owned()),
        ..Ask::new("g")
    };
    let ill = Slow::new([("tired", 1, Some(Kind::RateLimit))]);
    let failed = router.run(&at("tired"), &ill).await;
    assert!(failed.is_err());
    let (at_busy, quick) = (at("busy"), Slow::new([("busy", 1, None)]));
    let _held = router.run(&at_busy, &quick).await.expect("an answer").lease;
    let began = Instant::now();
    let well = Slow::new([("tired", 1, None)]);
    let routed = router.run(&Ask::new("g"), &well).await.expect("an answer");
    assert_eq!(routed.value, "tired");
    let waited = began.elapsed();
    assert!((1900 * MS..2100 * MS).contains(&waited), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_deployment_is_back_when_it_begins_to_answer() {
    let both = vec![deployment("a", |_| {}), deployment("b", |_| {})];
    let router = Router::new(both, Settings::default()).expect("sound");
    let at_a = Ask {
        prefer: Some("a".into()),
        num_retries: Some(0),
        ..Ask::new("g")
    };
    let limited = Slow::new([("a", 1, Some(Kind::RateLimit))]);
    assert!(router.run(&at_a, &limited).await.is_err());
    tokio::time::sleep(6 * 1000 * MS).await;
    let well = Slow::new([("a", 1, None), ("b", 1, None)]);
    let trial = router.run(&at_a, &well).await.expect("an answer");
    assert_eq!(trial.value, "a");
    // The first one's answer goes on; the next request may go there, too.
    let next = router.run(&at_a, &well).await.expect("an answer");
    assert_eq!(next.value, "a");
    // If that answer breaks after all, the deployment rests again at once.
    let broken = Error::new(Kind::Connection, "cut");
    trial.lease.break_off(&broken, &Finish::default());
    let other = router.run(&at_a, &well).await.expect("an answer");
    assert_eq!(other.value, "b");
}

#[tokio::test(start_paused = true)]
async fn parallel_attempts_never_exceed_the_limit_and_use_it_whole() {
    let router = narrow(7, |_| {});
    let asks = (0..70).map(|_| ("r", ask(0, "u"))).collect();
    let done = send(&router, asks).await;
    for (i, (name, at)) in done.iter().enumerate() {
        let wave = 100 * (i as u64 / 7 + 1);
        assert!((wave..wave + 20).contains(at), "{i}: {name} at {at}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_learned_limit_holds_like_a_configured_one() {
    let settings = Settings {
        adaptive: Some(AdaptiveRules {
            start: 2,
            ..AdaptiveRules::default()
        }),
        ..Settings::default()
    };
    let only = deployment("only", |_| {});
    let router = Arc::new(Router::new(vec![only], settings).expect("sound"));
    let done = send(&router, (0..4).map(|_| ("r", ask(0, "u"))).collect()).await;
    let at: Vec<u64> = done.into_iter().map(|(_, at)| at).collect();
    assert_eq!(at, [100, 100, 200, 200]);
}
