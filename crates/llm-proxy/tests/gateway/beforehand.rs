//! Requests that a gateway has counted in Redis before anybody makes them, as clients and other gateways see it.

use std::time::Duration;

use futures_util::future::join_all;
use llm_router::RedisSettings;
use serde_json::json;

use crate::{governed::*, support::*};

#[allow(dead_code, reason = "tests of the router use all of it")]
#[path = "../../../llm-router/tests/redis/server.rs"]
mod server;

use server::RedisServer;

const CLIENTS: u64 = 4;
const REQUESTS: u64 = 50;

/// How often Redis was asked to count: it writes a window each time.
fn asked(redis: &RedisServer) -> u64 {
    let said = redis.say(&["INFO", "commandstats"]);
    let calls = said.iter().find_map(|line| {
        let line = line.strip_prefix("cmdstat_hset:calls=")?;
        line.split(',').next()?.parse().ok()
    });
    calls.unwrap_or_default()
}

#[tokio::test]
async fn clients_never_hear_that_more_is_left_and_at_the_end_all_is_counted_as_it_was() {
    let redis = RedisServer::start();
    let vendor = Vendor::friendly().await;
    let mut settings = settings(&vendor.url);
    let mut shared = RedisSettings::at(redis.url());
    // However busy the machine is.
    shared.patience = Duration::from_secs(30);
    settings.router.redis = Some(shared);
    let kept = Kept::with(settings).await;
    let limits = json!({
        "rpm_limit": 1_000_000, "tpm_limit": 1_000_000_000, "max_parallel_requests": 100_000,
    });
    let key = kept.key(limits).await;
    let before = asked(&redis);
    let clients = (0..CLIENTS).map(|_| async {
        let mut last = u64::MAX;
        for _ in 0..REQUESTS {
            let got = kept.chat_with(&key, chat("gpt")).await;
            assert_eq!(got.status, 200, "{}", got.text());
            let left = got.header("x-ratelimit-api_key-remaining-requests");
            let left: u64 = left.parse().unwrap();
            assert!(left <= last, "{left} after {last}");
            last = left;
        }
        last
    });
    let last = join_all(clients).await.into_iter().min().unwrap();
    let requests = CLIENTS * REQUESTS;
    // What was given back may stay out of sight for a while.
    let left = 1_000_000 - requests;
    assert!((left - 64..=left).contains(&last), "{last}");
    let asked = asked(&redis) - before;
    assert!(asked < requests / 2, "{asked} times for {requests}");

    let rows = kept.rows().await;
    let used: i64 = rows.iter().map(|row| row.total_tokens).sum();
    // An array, the length of its only word, and that.
    let window = redis.say(&["KEYS", "*{api_key:*}:window"]).swap_remove(2);
    let field = |field| redis.say(&["HGET", &window, field]).swap_remove(1);
    assert_eq!(field("r"), requests.to_string());
    assert_eq!(field("t"), used.to_string());
    assert_eq!(redis.count(&window.replace("window", "slots")), 0);
}
