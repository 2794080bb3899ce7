//! State shared over a real Redis: exact together, and no worse than alone when Redis is in trouble.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod server;
mod speeds;
mod trials;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use llm_providers::{Credential, Error, Kind, Target, lookup};
use llm_router::{
    Ask, Attempt, Attempts, Budget, Deployment, Finish, Quota, Reason, RedisSettings, Routed,
    Router, Settings, Shared, Standing, strategy,
};
use llm_types::Map;
use tokio::{sync::Semaphore, task::JoinSet};

use crate::server::RedisServer;

/// Answers when there is a permit.
struct Gate {
    open: Semaphore,
    begun: AtomicUsize,
}

impl Gate {
    fn new(permits: usize) -> Arc<Self> {
        Arc::new(Self {
            open: Semaphore::new(permits),
            begun: AtomicUsize::new(0),
        })
    }
}

impl Attempts for Gate {
    type Answer = ();

    async fn make(&self, _: Attempt<'_>) -> Result<(), Error> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        self.open.acquire().await.expect("it stays open").forget();
        Ok(())
    }
}

/// Takes a moment, and counts who is there.
#[derive(Default)]
struct Room {
    inside: AtomicUsize,
    most: AtomicUsize,
}

impl Attempts for Room {
    type Answer = ();

    async fn make(&self, _: Attempt<'_>) -> Result<(), Error> {
        let inside = self.inside.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(inside, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(2)).await;
        self.inside.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    }
}

/// Always fails so.
struct Fails(Kind, Option<Duration>);

impl Attempts for Fails {
    type Answer = ();

    async fn make(&self, _: Attempt<'_>) -> Result<(), Error> {
        let mut error = Error::new(self.0, "scripted");
        error.retry_after = self.1;
        Err(error)
    }
}

fn quota(change: impl FnOnce(&mut Quota)) -> Quota {
    let mut quota = Quota::default();
    change(&mut quota);
    quota
}

/// One instance: two deployments, the first of them limited.
fn instance(server: &RedisServer, quota: Quota) -> (Arc<Router>, Arc<dyn Shared>) {
    changed(server, quota, |_| {})
}

fn changed(
    server: &RedisServer,
    quota: Quota,
    change: impl FnOnce(&mut Settings),
) -> (Arc<Router>, Arc<dyn Shared>) {
    let mut settings = Settings {
        num_retries: 0,
        redis: Some(RedisSettings::at(server.url())),
        ..Settings::default()
    };
    settings.queue.wait = Duration::ZERO;
    change(&mut settings);
    let target = || Target::new(lookup("openai").expect("a row"), "m", Credential::None);
    let mut limited = Deployment::new("limited", "g", target());
    limited.quota = quota;
    let other = Deployment::new("other", "other", target());
    let twin = Deployment::new("twin", "other", target());
    let router = Router::new(vec![limited, other, twin], settings).expect("sound");
    let shared = router.settings().shared.clone().expect("it is shared");
    (Arc::new(router), shared)
}

/// Makes both know that Redis is there.
async fn meet(instances: &[&(Arc<Router>, Arc<dyn Shared>)]) {
    for (router, shared) in instances {
        let gate = Gate::new(1);
        let routed = router
            .run(&Ask::new("other"), &*gate)
            .await
            .expect("an answer");
        routed.lease.finish(&Finish::default());
        until("Redis is reached", || shared.is_up()).await;
    }
}

/// Waits for something that other tasks bring about.
async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let wait = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let limit = Duration::from_secs(20);
    assert!(tokio::time::timeout(limit, wait).await.is_ok(), "{what}");
}

/// Sends `n` requests to each instance at once, and opens the gate when each is either refused or under way: how many
/// were admitted, and how many refused.
async fn rush(instances: &[&Arc<Router>], n: usize, gate: &Arc<Gate>) -> (usize, usize) {
    let refused = Arc::new(AtomicUsize::new(0));
    let mut all = JoinSet::new();
    for router in instances {
        for _ in 0..n {
            let (router, gate) = (Arc::clone(router), Arc::clone(gate));
            let refused = Arc::clone(&refused);
            all.spawn(async move {
                match router.run(&Ask::new("g"), &*gate).await {
                    Ok(routed) => keep(routed),
                    Err(failed) => {
                        assert_eq!(failed.error.kind, Kind::RateLimit, "{}", failed.error);
                        refused.fetch_add(1, Ordering::SeqCst);
                    }
                }
            });
        }
    }
    let total = n * instances.len();
    let known = || refused.load(Ordering::SeqCst);
    until("each is refused or under way", || {
        known() + gate.begun.load(Ordering::SeqCst) == total
    })
    .await;
    gate.open.add_permits(total);
    while let Some(result) = all.join_next().await {
        result.expect("no panic");
    }
    (total - known(), known())
}

fn keep(routed: Routed<()>) {
    routed.lease.finish(&Finish::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn together_they_never_exceed_a_limit_and_use_it_whole() {
    let server = RedisServer::start();
    let parallel = quota(|q| q.max_parallel = Some(10));
    let (a, b) = (instance(&server, parallel), instance(&server, parallel));
    meet(&[&a, &b]).await;
    for _ in 0..3 {
        let gate = Gate::new(0);
        let (admitted, refused) = rush(&[&a.0, &b.0], 40, &gate).await;
        assert_eq!((admitted, refused), (10, 70));
        until("all slots are free", || {
            server.count("interlingua:{limited}:slots") == 0
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_is_served_when_another_instance_is_done() {
    let server = RedisServer::start();
    let one = || {
        let parallel = quota(|q| q.max_parallel = Some(1));
        changed(&server, parallel, |settings| {
            settings.queue.wait = Duration::from_secs(60);
        })
    };
    let (a, b) = (one(), one());
    meet(&[&a, &b]).await;
    let gate = Gate::new(100);
    let held = a.0.run(&Ask::new("g"), &*gate).await.expect("a slot");
    let mut waiting = JoinSet::new();
    for router in [&a.0, &b.0] {
        for _ in 0..5 {
            let (router, gate) = (Arc::clone(router), Arc::clone(&gate));
            waiting.spawn(async move {
                let routed = router.run(&Ask::new("g"), &*gate).await;
                keep(routed.expect("a slot"));
            });
        }
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(gate.begun.load(Ordering::SeqCst), 1);
    keep(held);
    let all = async { while waiting.join_next().await.is_some() {} };
    let in_time = tokio::time::timeout(Duration::from_secs(20), all).await;
    assert!(in_time.is_ok(), "everybody's turn comes");
    assert_eq!(gate.begun.load(Ordering::SeqCst), 11);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_hangs_up_while_redis_is_asked_leaves_no_slot() {
    let server = RedisServer::start();
    let parallel = quota(|q| q.max_parallel = Some(10));
    let a = instance(&server, parallel);
    meet(&[&a]).await;
    server.freeze();
    let gate = Gate::new(0);
    let mut asking = JoinSet::new();
    for _ in 0..5 {
        let (router, gate) = (Arc::clone(&a.0), Arc::clone(&gate));
        asking.spawn(async move { drop(router.run(&Ask::new("g"), &*gate).await) });
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    asking.shutdown().await;
    server.thaw();
    until("what was asked in vain is given back", || {
        server.count("interlingua:{limited}:slots") == 0 && a.1.is_up()
    })
    .await;
    let limited = a.0.deployment("limited").expect("it is there");
    assert_eq!(a.0.load(limited), Default::default());
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_a_minute_are_counted_together() {
    let server = RedisServer::start();
    let limited = quota(|q| q.rpm = Some(50));
    let (a, b) = (instance(&server, limited), instance(&server, limited));
    meet(&[&a, &b]).await;
    let minutes = |seconds: u64| seconds / 60;
    let before = minutes(server.time());
    let gate = Gate::new(1000);
    let (admitted, _) = rush(&[&a.0, &b.0], 60, &gate).await;
    let passed = usize::try_from(minutes(server.time()) - before).unwrap();
    assert!(
        admitted >= 50 && admitted <= 50 * (passed + 1),
        "{admitted}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn rests_and_recoveries_are_told() {
    let server = RedisServer::start();
    let (a, b) = (
        instance(&server, Quota::default()),
        instance(&server, Quota::default()),
    );
    meet(&[&a, &b]).await;
    let limited = Fails(Kind::RateLimit, Some(Duration::from_millis(1_500)));
    a.0.run(&Ask::new("other"), &limited)
        .await
        .expect_err("it fails");
    let rests = |router: &Router| {
        let all = router.deployments("other").iter();
        all.filter(|d| router.standing(d) != Standing::Well).count()
    };
    assert_eq!(rests(&a.0), 1);
    until("the other instance knows", || rests(&b.0) == 1).await;
    // One that comes later knows it too.
    let c = instance(&server, Quota::default());
    meet(&[&c]).await;
    until("a late instance knows", || rests(&c.0) == 1).await;
    let well = || async {
        for _ in 0..4 {
            let gate = Gate::new(1);
            if let Ok(routed) = a.0.run(&Ask::new("other"), &*gate).await {
                routed.lease.finish(&Finish::default());
            }
        }
    };
    let both = async {
        while rests(&a.0) + rests(&b.0) > 0 {
            well().await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let limit = Duration::from_secs(20);
    assert!(
        tokio::time::timeout(limit, both).await.is_ok(),
        "it recovers everywhere"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_requests_go_on_and_it_is_found_again() {
    let mut server = RedisServer::start();
    let parallel = quota(|q| q.max_parallel = Some(4));
    let (a, b) = (instance(&server, parallel), instance(&server, parallel));
    meet(&[&a, &b]).await;
    server.kill();
    let gate = Gate::new(0);
    let (admitted, _) = rush(&[&a.0, &b.0], 20, &gate).await;
    assert!((4..=8).contains(&admitted), "local limits hold: {admitted}");
    server.start_again();
    until("Redis is found again", || a.1.is_up() && b.1.is_up()).await;
    let gate = Gate::new(0);
    let (admitted, _) = rush(&[&a.0, &b.0], 20, &gate).await;
    assert_eq!(admitted, 4, "the limit is common again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_redis_holds_nobody_up_for_long() {
    let server = RedisServer::start();
    let parallel = quota(|q| q.max_parallel = Some(1_000));
    let a = instance(&server, parallel);
    meet(&[&a]).await;
    server.freeze();
    let gate = Gate::new(1_000);
    let only = [&a.0];
    let work = rush(&only, 100, &gate);
    let (admitted, _) = tokio::time::timeout(Duration::from_secs(10), work)
        .await
        .expect("nobody hangs");
    assert_eq!(admitted, 100);
    assert!(!a.1.is_up());
    server.thaw();
    until("Redis is found again", || a.1.is_up()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn under_load_redis_may_die_be_replaced_freeze_and_fill() {
    const EACH: usize = 6;
    let mut server = RedisServer::start();
    let parallel = quota(|q| q.max_parallel = Some(EACH as u64));
    let (a, b) = (instance(&server, parallel), instance(&server, parallel));
    meet(&[&a, &b]).await;
    let (room, done) = (Arc::new(Room::default()), Arc::new(AtomicUsize::new(0)));
    let mut load = JoinSet::new();
    for n in 0..24 {
        let router = Arc::clone(if n % 2 == 0 { &a.0 } else { &b.0 });
        let (room, done) = (Arc::clone(&room), Arc::clone(&done));
        load.spawn(async move {
            loop {
                match router.run(&Ask::new("g"), &*room).await {
                    Ok(routed) => keep(routed),
                    Err(failed) => assert_eq!(failed.error.kind, Kind::RateLimit),
                }
                done.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
    }
    let goes_on = async || {
        let before = done.load(Ordering::SeqCst);
        until("requests go on", || {
            done.load(Ordering::SeqCst) > before + 200
        })
        .await;
    };
    let shared = |up: bool| a.1.is_up() == up && b.1.is_up() == up;
    goes_on().await;
    assert!(
        room.most.load(Ordering::SeqCst) <= EACH,
        "the limit is common"
    );
    server.kill();
    until("it is missed", || shared(false)).await;
    goes_on().await;
    server.start_again();
    until("the new one is found", || shared(true)).await;
    server.freeze();
    until("it is missed", || shared(false)).await;
    goes_on().await;
    server.thaw();
    until("it is found again", || shared(true)).await;
    server.say(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    server.say(&["CONFIG", "SET", "maxmemory", "1"]);
    until("it is missed", || shared(false)).await;
    goes_on().await;
    server.say(&["CONFIG", "SET", "maxmemory", "0"]);
    until("it is found again", || shared(true)).await;
    goes_on().await;
    let most = room.most.load(Ordering::SeqCst);
    assert!(most <= 2 * EACH, "alone, each keeps to the limit: {most}");
    // They go on for good: one that ended met an error.
    if let Some(ended) = load.try_join_next() {
        panic!("no request fails for another reason: {:?}", ended.err());
    }
    load.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_redis_is_as_good_as_none() {
    let server = RedisServer::start();
    let a = instance(&server, quota(|q| q.max_parallel = Some(3)));
    meet(&[&a]).await;
    server.say(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    server.say(&["CONFIG", "SET", "maxmemory", "1"]);
    let gate = Gate::new(0);
    let (admitted, _) = rush(&[&a.0], 9, &gate).await;
    assert!((1..=3).contains(&admitted), "{admitted}");
    until("it counts as gone", || !a.1.is_up()).await;
    server.say(&["CONFIG", "SET", "maxmemory", "0"]);
    until("it is found again", || a.1.is_up()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_budget_is_spent_together_and_outlives_an_instance() {
    let server = RedisServer::start();
    let budget = Budget {
        limit: 100,
        period: "1d".parse().expect("a duration"),
    };
    let one = || {
        changed(&server, Quota::default(), |settings| {
            settings.budgets.providers.insert("openai".into(), budget);
        })
    };
    let (a, b) = (one(), one());
    meet(&[&a, &b]).await;
    let spend = async |router: &Router, cost| {
        let routed = router.run(&Ask::new("other"), &*Gate::new(1)).await;
        routed.expect("there is money left").lease.finish(&Finish {
            cost: Some(cost),
            ..Finish::default()
        });
    };
    spend(&a.0, 60).await;
    spend(&b.0, 40).await;
    let spent = |router: &Router| router.spent().iter().map(|spent| spent.nanos).sum::<u64>();
    until("both know all of it", || {
        spent(&a.0) == 100 && spent(&b.0) == 100
    })
    .await;
    for router in [&a.0, &b.0] {
        let failed = router.run(&Ask::new("other"), &*Gate::new(1)).await;
        let error = failed.expect_err("it is spent").error;
        assert!(error.message.contains("budget"), "{error}");
    }
    drop((a, b));
    let late = one();
    let first = late.0.run(&Ask::new("other"), &*Gate::new(1)).await;
    drop(first);
    until("a late one knows it", || spent(&late.0) == 100).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_stays_where_it_is_whoever_is_asked() {
    let server = RedisServer::start();
    let one = || {
        changed(&server, Quota::default(), |settings| {
            settings.affinity.bonds.session = true;
        })
    };
    let (a, b) = (one(), one());
    meet(&[&a, &b]).await;
    for session in 0..4 {
        let mut ask = Ask::new("other");
        ask.session = Some(format!("session {session}"));
        let gate = Gate::new(1);
        let routed = a.0.run(&ask, &*gate).await.expect("an answer");
        let there = routed.lease.deployment().id.clone();
        routed.lease.finish(&Finish::default());
        until("the other instance knows", || {
            let known = b.0.explain(&ask).expect("it is known");
            let bound = known.skipped.iter().any(|s| s.reason == Reason::Affinity);
            bound && known.picked.as_ref() == Some(&there)
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn latencies_and_loads_are_told() {
    let server = RedisServer::start();
    let one = |name: &str| {
        changed(&server, Quota::default(), |settings| {
            settings.strategy = strategy::named(name, &Map::new()).expect("a strategy");
        })
    };
    let (a, b) = (one("least-busy"), one("least-busy"));
    meet(&[&a, &b]).await;
    let score = |router: &Router, id: &str| {
        let told = router.explain(&Ask::new("other")).expect("it is known");
        let score = told.scores.iter().find(|score| score.deployment == id);
        score.expect("it is a candidate").score
    };
    let at = |id: &str| Ask {
        prefer: Some(id.into()),
        ..Ask::new("other")
    };
    let mut held = Vec::new();
    for _ in 0..3 {
        let routed = a.0.run(&at("other"), &*Gate::new(1)).await;
        held.push(routed.expect("an answer"));
    }
    until("the other instance knows what is under way", || {
        score(&b.0, "other") == 3.0 && score(&b.0, "twin") == 0.0
    })
    .await;
    held.into_iter().for_each(keep);
    until("and that it is over", || score(&b.0, "other") == 0.0).await;

    let (a, b) = (one("latency-based-routing"), one("latency-based-routing"));
    meet(&[&a, &b]).await;
    let routed = a.0.run(&at("other"), &*Gate::new(1)).await;
    let slow = routed.expect("an answer");
    tokio::time::sleep(Duration::from_millis(300)).await;
    keep(slow);
    until("the other instance knows how slow it was", || {
        score(&b.0, "other") >= 0.1
    })
    .await;
}
