//! Requests that are counted beforehand, over a real Redis: cheap, exact, and never at anybody's expense.

mod kit;
#[allow(
    dead_code,
    clippy::expect_used,
    clippy::panic,
    reason = "tests of the router use all of it"
)]
#[path = "../../../../llm-router/tests/redis/server.rs"]
mod server;

use std::{collections::HashSet, time::Duration};

use llm_governance::limits::{CaughtUp, Counts, Kind, SharedCounts};

use kit::{Instance, counted, scripts, slots, told, until, want};
use server::RedisServer;

#[tokio::test]
async fn requests_that_come_quickly_ask_redis_seldom_and_hear_of_each_other() {
    let server = RedisServer::start();
    let instance = Instance::before(&server).await;
    for attempt in 0..10 {
        let id = attempt.to_string();
        let wants = [want("api_key", &id, [None, Some(1_000_000), None], 5)];
        let before = scripts(&server);
        let (mut leases, mut heard) = (HashSet::new(), Vec::new());
        for _ in 0..1_000 {
            let taken = instance.ask(&wants).await;
            assert_eq!(taken.refused, None);
            heard.push(told(&taken, Kind::Requests));
            assert!(leases.insert(taken.lease), "each has a name of its own");
        }
        let asked = scripts(&server) - before;
        instance.rest().await;
        assert_eq!(counted(&server, "api_key", &id, "r"), Some(1_000));
        if asked <= 100 && heard.iter().copied().eq(1..=1_000) {
            return;
        }
        // The machine was busy elsewhere, and some were given back in between.
    }
    panic!("Redis is asked too often, or what it says counts what nobody asked for");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn instances_hand_out_the_limit_together_and_no_more() {
    const LIMIT: u64 = 20_000;
    let server = RedisServer::start();
    let instances = [
        Instance::before(&server).await,
        Instance::before(&server).await,
    ];
    let wants = [
        want("api_key", "one", [None, Some(LIMIT), None], 5),
        want("team", "crew", [None, Some(LIMIT * 10), None], 5),
    ];
    let clients = instances.iter().flat_map(|instance| {
        (0..8).map(|_| async {
            let mut served = 0;
            while instance.is_let_in(&wants).await {
                served += 1;
                tokio::task::yield_now().await;
            }
            served
        })
    });
    let mut served: u64 = futures_util::future::join_all(clients)
        .await
        .into_iter()
        .sum();
    assert!((LIMIT * 95 / 100..=LIMIT).contains(&served), "{served}");
    for instance in &instances {
        instance.rest().await;
    }
    // What one of them had counted and nobody needed is there for all again.
    while instances[0].is_let_in(&wants).await {
        served += 1;
    }
    assert_eq!(served, LIMIT);
    assert_eq!(counted(&server, "api_key", "one", "r"), Some(LIMIT));
    assert_eq!(counted(&server, "team", "crew", "r"), Some(LIMIT));
}

#[tokio::test]
async fn at_rest_redis_knows_what_requests_used_and_nothing_else() {
    let server = RedisServer::start();
    let instance = Instance::before(&server).await;
    let all = |tokens| {
        [
            want(
                "api_key",
                "one",
                [Some(10_000), None, Some(100_000_000)],
                tokens,
            ),
            want(
                "team",
                "crew",
                [None, Some(1_000_000), Some(900_000_000)],
                tokens,
            ),
        ]
    };
    let (mut used, mut beforehand) = (0, 0);
    for request in 0..600 {
        // Some are larger than what was counted beforehand, and most are smaller.
        let wants = all(100 + (request * 37) % 250);
        let taken = instance.ask(&wants).await;
        assert_eq!(taken.refused, None);
        if let Some(counted) = &taken.counted {
            beforehand += 1;
            for (counted, want) in counted.iter().zip(&wants) {
                let tokens = Kind::Tokens as usize;
                assert!(
                    counted[tokens] >= want.asks[tokens],
                    "none is let in for less"
                );
            }
        }
        let tokens = (request * 53) % 400;
        used += tokens;
        instance.end(&wants, &taken, tokens);
    }
    assert!(beforehand > 300, "{beforehand} of 600");
    instance.rest().await;
    for (scope, id) in [("api_key", "one"), ("team", "crew")] {
        assert_eq!(counted(&server, scope, id, "t"), Some(used), "{scope}");
        assert_eq!(counted(&server, scope, id, "r"), Some(600), "{scope}");
    }
    assert_eq!(slots(&server, "api_key", "one"), 0);
    assert!(instance.counters.open.lock().is_empty());
}

#[tokio::test]
async fn what_nobody_needs_is_given_back_without_being_asked_for() {
    let server = RedisServer::start();
    let instance = Instance::before(&server).await;
    let wants = [want(
        "api_key",
        "one",
        [Some(100_000), Some(1_000_000), None],
        5,
    )];
    let asked = instance.expect_more(&wants).await;
    assert!(counted(&server, "api_key", "one", "r").unwrap() > asked);
    assert!(slots(&server, "api_key", "one") > asked);
    until("it is given back", || {
        counted(&server, "api_key", "one", "r") == Some(asked)
            && slots(&server, "api_key", "one") == asked
    })
    .await;
    assert!(instance.has_none());
    // Signs of life are shown of those alone that somebody made.
    assert_eq!(instance.counters.open.lock().len() as u64, asked);
}

#[tokio::test]
async fn a_gateway_that_stops_gives_back_what_it_holds() {
    let server = RedisServer::start();
    let instance = Instance::before(&server).await;
    let wants = [want("api_key", "one", [None, Some(1_000_000), None], 5)];
    let asked = instance.expect_more(&wants).await;
    instance.counters.close().await;
    until("it is given back", || {
        counted(&server, "api_key", "one", "r") == Some(asked)
    })
    .await;
    for _ in 0..10 {
        assert!(instance.is_let_in(&wants).await);
        assert!(instance.has_none());
    }
    assert_eq!(counted(&server, "api_key", "one", "r"), Some(asked + 10));
}

#[tokio::test]
async fn nobody_is_refused_for_the_sake_of_what_another_key_may_need() {
    const LIMIT: u64 = 1_280_000;
    let server = RedisServer::start();
    let instance = Instance::before(&server).await;
    let of = |key, tokens| {
        [
            want("api_key", key, [None, Some(1_000_000), None], tokens),
            want("team", "crew", [None, None, Some(LIMIT)], tokens),
        ]
    };
    let asked = instance.expect_more(&of("one", 100)).await;
    // All that is left, as far as anybody asked for it.
    let rest = of("other", LIMIT - 100 * asked);
    let taken = instance.ask(&rest).await;
    assert_eq!(taken.refused, None);
    assert_eq!(counted(&server, "team", "crew", "t"), Some(LIMIT));
    assert!(!instance.is_let_in(&of("one", 100)).await);
}

#[tokio::test]
async fn of_small_limits_nothing_is_counted_beforehand() {
    let server = RedisServer::start();
    let instance = Instance::before(&server).await;
    let few = |id, limits| [want("api_key", id, limits, 5)];
    for (id, limits, kind) in [
        ("requests", [None, Some(10), None], Kind::Requests),
        ("tokens", [None, Some(1_000_000), Some(50)], Kind::Tokens),
        ("slots", [Some(10), Some(1_000_000), None], Kind::Parallel),
    ] {
        let wants = few(id, limits);
        for request in 1..=10 {
            let before = scripts(&server);
            let taken = instance.ask(&wants).await;
            assert_eq!((taken.refused, &taken.counted), (None, &None), "{id}");
            assert_eq!(told(&taken, Kind::Requests), request, "{id}");
            assert!(instance.has_none(), "{id}");
            assert!(scripts(&server) > before, "{id}");
        }
        let refused = instance.ask(&wants).await;
        assert_eq!(refused.refused, Some((0, kind)));
    }
}

#[tokio::test]
async fn what_was_counted_in_a_window_is_of_no_use_in_the_next_one() {
    let server = RedisServer::start();
    let instance = Instance::before(&server).await;
    let mut short = want("api_key", "one", [None, Some(1_000_000), None], 5);
    short.window = Duration::from_millis(150);
    let wants = [short];
    instance.expect_more(&wants).await;
    until("the window is over", || {
        counted(&server, "api_key", "one", "r").is_none()
    })
    .await;
    assert!(instance.counters.take_at_once(&wants).is_none());
    let mut long = wants;
    long[0].window = kit::LONG;
    let taken = instance.ask_redis(&long, &[]).await;
    assert_eq!(told(&taken, Kind::Requests), 1);
    // What it gives back late takes nothing from the new one.
    instance.rest().await;
    assert_eq!(counted(&server, "api_key", "one", "r"), Some(1));
}

#[tokio::test]
async fn what_another_redis_counted_is_not_taken() {
    let mut server = RedisServer::start();
    let instance = Instance::before(&server).await;
    let wants = [want("api_key", "one", [None, Some(1_000_000), None], 5)];
    let mut asked = instance.expect_more(&wants).await;
    let last = loop {
        let taken = instance.ask(&wants).await;
        asked += 1;
        if taken.counted.is_some() {
            break taken;
        }
    };
    let seen = last.standings[0].counts;
    let epoch = instance.counters.epoch();
    server.kill();
    server.start_again();
    until("the new one is found", || instance.counters.epoch() > epoch).await;
    assert!(instance.counters.take_at_once(&wants).is_none());
    let known = CaughtUp {
        begun: Some(last.standings[0].begun),
        age: Duration::ZERO,
        seen,
        apart: Counts::default(),
    };
    let taken = instance.ask_redis(&wants, &[Some(known)]).await;
    assert_eq!(taken.refused, None);
    instance.rest().await;
    let now = counted(&server, "api_key", "one", "r").unwrap();
    assert!(now > asked, "none that asked is forgotten: {now}");
}

#[tokio::test]
async fn one_that_redis_counted_before_it_was_away_is_left_to_be_given_back() {
    let server = RedisServer::start();
    let instance = Instance::before(&server).await;
    let wants = [want("api_key", "one", [None, Some(1_000_000), None], 5)];
    let desk = &instance.counters.desk;
    let (key, epoch) = (desk.spares.key(&wants), instance.counters.epoch());
    let take = |epoch| {
        let asks = wants.iter().map(|want| &want.asks);
        desk.spares.take(key, |_| true, asks, epoch)
    };
    loop {
        instance.expect_more(&wants).await;
        assert!(take(epoch + 1).is_none());
        if take(epoch).is_some() {
            return;
        }
        // The machine was busy elsewhere: it is too late for them.
        tokio::task::yield_now().await;
    }
}
