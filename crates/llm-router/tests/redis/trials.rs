//! A rested deployment gets one attempt to prove itself, over all instances together.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use llm_providers::{Error, Kind};
use llm_router::{Ask, Attempt, Attempts, Quota, Router, Shared, Standing};
use tokio::{
    sync::Semaphore,
    task::{AbortHandle, JoinSet},
};

use crate::{Fails, instance, keep, meet, server::RedisServer, until};

/// `other` answers when there is a permit; its twin at once.
struct Probed {
    begun: AtomicUsize,
    open: Semaphore,
    is_ill: AtomicBool,
}

impl Attempts for Probed {
    type Answer = ();

    async fn make(&self, attempt: Attempt<'_>) -> Result<(), Error> {
        if attempt.deployment.id != "other" {
            return Ok(());
        }
        self.begun.fetch_add(1, Ordering::SeqCst);
        self.open.acquire().await.expect("it stays open").forget();
        if !self.is_ill.load(Ordering::SeqCst) {
            return Ok(());
        }
        let mut error = Error::new(Kind::RateLimit, "scripted");
        error.retry_after = Some(Duration::from_secs(60));
        Err(error)
    }
}

impl Probed {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            begun: AtomicUsize::new(0),
            open: Semaphore::new(0),
            is_ill: AtomicBool::new(false),
        })
    }

    fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }
}

type Instance = (Arc<Router>, Arc<dyn Shared>);

fn standing(instance: &Instance) -> Standing {
    let router = &instance.0;
    router.standing(router.deployment("other").expect("it is there"))
}

/// Asks for `other`, which is asked if it can be.
fn ask() -> Ask {
    Ask {
        prefer: Some("other".into()),
        ..Ask::new("other")
    }
}

/// Two instances that know of a deployment's rest, which has just ended. It is long enough that both hear of it on a busy
/// machine, too.
async fn rested(server: &RedisServer) -> (Instance, Instance) {
    let (a, b) = (
        instance(server, Quota::default()),
        instance(server, Quota::default()),
    );
    meet(&[&a, &b]).await;
    let limited = Fails(Kind::RateLimit, Some(Duration::from_secs(2)));
    a.0.run(&ask(), &limited).await.expect_err("it fails");
    until("both know that it rested", || {
        standing(&a) == Standing::OnTrial && standing(&b) == Standing::OnTrial
    })
    .await;
    (a, b)
}

/// Sends `n` requests to each instance at once.
fn send(
    all: &mut JoinSet<bool>,
    instances: &[&Instance],
    n: usize,
    probed: &Arc<Probed>,
) -> Vec<AbortHandle> {
    let mut handles = Vec::new();
    for (router, _) in instances {
        for _ in 0..n {
            let (router, probed) = (Arc::clone(router), Arc::clone(probed));
            handles.push(all.spawn(async move {
                let routed = router.run(&ask(), &*probed).await;
                routed.map(keep).is_ok()
            }));
        }
    }
    handles
}

/// Waits until so many requests have ended well.
async fn answered(all: &mut JoinSet<bool>, n: usize) {
    let wait = async {
        for _ in 0..n {
            let ended = all.join_next().await.expect("it is under way");
            assert!(ended.expect("no panic"), "the twin answers");
        }
    };
    let limit = Duration::from_secs(20);
    assert!(tokio::time::timeout(limit, wait).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn of_all_instances_one_request_finds_out() {
    let server = RedisServer::start();
    let (a, b) = rested(&server).await;
    let (probed, mut all) = (Probed::new(), JoinSet::new());
    send(&mut all, &[&a, &b], 50, &probed);
    answered(&mut all, 99).await;
    // It may still be on its way there.
    until("one finds out", || probed.begun() == 1).await;
    // It is still ill: nobody else tries it now.
    probed.is_ill.store(true, Ordering::SeqCst);
    probed.open.add_permits(1);
    let ended = all.join_next().await.expect("the one that tries");
    assert!(!ended.expect("no panic"));
    send(&mut all, &[&a, &b], 50, &probed);
    answered(&mut all, 100).await;
    assert_eq!(probed.begun(), 1);
    until("both know that it rests", || {
        let rests = |instance| matches!(standing(instance), Standing::Cooling(_));
        rests(&a) && rests(&b)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_answer_ends_the_rest_for_all_instances() {
    let server = RedisServer::start();
    let (a, b) = rested(&server).await;
    let (probed, mut all) = (Probed::new(), JoinSet::new());
    send(&mut all, &[&a, &b], 10, &probed);
    answered(&mut all, 19).await;
    probed.open.add_permits(100);
    answered(&mut all, 1).await;
    until("both know that it is well", || {
        standing(&a) == Standing::Well && standing(&b) == Standing::Well
    })
    .await;
    send(&mut all, &[&a, &b], 10, &probed);
    answered(&mut all, 20).await;
    assert_eq!(probed.begun(), 21);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_that_is_given_up_is_left_to_others() {
    let server = RedisServer::start();
    let (a, b) = rested(&server).await;
    let (probed, mut all) = (Probed::new(), JoinSet::new());
    let handles = send(&mut all, &[&a], 1, &probed);
    until("it is tried", || probed.begun() == 1).await;
    handles[0].abort();
    drop(all);
    let mut all = JoinSet::new();
    probed.open.add_permits(100);
    let again = async {
        while probed.begun() == 1 {
            send(&mut all, &[&b], 1, &probed);
            answered(&mut all, 1).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let limit = Duration::from_secs(20);
    assert!(tokio::time::timeout(limit, again).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_of_an_instance_that_died_ends_at_its_deadline() {
    const KEY: &str = "interlingua:{other}:trial";
    let server = RedisServer::start();
    let (a, b) = rested(&server).await;
    let ends = server.time() + 3;
    server.say(&["ZADD", KEY, &format!("{ends}000"), "gone:0"]);
    server.say(&["PEXPIRE", KEY, "60000"]);
    let (probed, mut all) = (Probed::new(), JoinSet::new());
    probed.open.add_permits(100);
    let tried = async {
        while probed.begun() == 0 {
            send(&mut all, &[&a, &b], 5, &probed);
            answered(&mut all, 10).await;
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let limit = Duration::from_secs(20);
    assert!(tokio::time::timeout(limit, tried).await.is_ok());
    assert!(server.time() >= ends);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_trial_stays_the_only_one_and_is_kept_alive() {
    let server = RedisServer::start();
    let (a, b) = rested(&server).await;
    let (probed, mut all) = (Probed::new(), JoinSet::new());
    send(&mut all, &[&a], 1, &probed);
    until("it is tried", || probed.begun() == 1).await;
    let ends = || {
        server.say(&[
            "ZRANGE",
            "interlingua:{other}:trial",
            "0",
            "-1",
            "WITHSCORES",
        ])
    };
    let first = ends();
    until("its deadline moves", || ends() != first).await;
    // While somebody is at it, the others ask Redis hardly ever.
    let before = scripts(&server);
    send(&mut all, &[&b], 200, &probed);
    answered(&mut all, 200).await;
    assert_eq!(probed.begun(), 1);
    let asked = scripts(&server) - before;
    assert!(asked < 100, "{asked}");
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_well_and_unlimited_costs_no_round_trip() {
    let server = RedisServer::start();
    let a = instance(&server, Quota::default());
    meet(&[&a]).await;
    let before = scripts(&server);
    let (probed, mut all) = (Probed::new(), JoinSet::new());
    probed.open.add_permits(100);
    send(&mut all, &[&a], 100, &probed);
    answered(&mut all, 100).await;
    assert_eq!(scripts(&server), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_redis_each_instance_finds_out_for_itself() {
    let mut server = RedisServer::start();
    let (a, b) = rested(&server).await;
    server.kill();
    until("it is missed", || !a.1.is_up() && !b.1.is_up()).await;
    let (probed, mut all) = (Probed::new(), JoinSet::new());
    send(&mut all, &[&a, &b], 20, &probed);
    answered(&mut all, 38).await;
    until("each finds out", || probed.begun() == 2).await;
}

/// How many scripts Redis has run.
fn scripts(server: &RedisServer) -> u64 {
    let stats = server.say(&["INFO", "commandstats"]);
    let calls = stats.iter().filter_map(|line| {
        let (_, rest) = line.split_once("cmdstat_evalsha:calls=")?;
        rest.split(',').next()?.parse::<u64>().ok()
    });
    calls.sum()
}
