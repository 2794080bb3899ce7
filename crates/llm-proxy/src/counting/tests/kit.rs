//! Instances of a gateway, as far as they count, before a Redis of the test's own.

use std::{future::Future, sync::Arc, time::Duration};

use llm_governance::limits::{Bounds, CaughtUp, Counts, Ended, Kind, SharedCounts, Taken, Want};
use llm_router::{RedisSettings, Router, Settings};

use super::server::RedisServer;
use crate::counting::Counters;

/// Longer than any test.
pub(super) const LONG: Duration = Duration::from_secs(600);

pub(super) struct Instance {
    pub(super) counters: Arc<Counters>,
    /// Its tasks find out whether Redis is there.
    _router: Router,
}

impl Instance {
    pub(super) async fn before(server: &RedisServer) -> Self {
        let mut redis = RedisSettings::at(server.url());
        // However busy the machine is.
        redis.patience = Duration::from_secs(30);
        let settings = Settings {
            redis: Some(redis),
            ..Settings::default()
        };
        let router = Router::new(Vec::new(), settings).unwrap();
        router.attend();
        let line = router
            .settings()
            .shared
            .as_ref()
            .and_then(|shared| shared.line());
        let line = line.unwrap();
        line.settled().await;
        Self {
            counters: Counters::over(line, router.board()),
            _router: router,
        }
    }

    /// Asks as limits do.
    pub(super) async fn ask(&self, wants: &[Want]) -> Taken {
        match self.counters.take_at_once(wants) {
            Some(taken) => taken,
            None => self.ask_redis(wants, &[]).await,
        }
    }

    pub(super) async fn ask_redis(&self, wants: &[Want], known: &[Option<CaughtUp>]) -> Taken {
        self.counters
            .take(wants, known)
            .await
            .expect("Redis is there")
    }

    /// Whether a request is let in, which then is under way.
    pub(super) async fn is_let_in(&self, wants: &[Want]) -> bool {
        self.ask(wants).await.refused.is_none()
    }

    /// A request ends that used so many tokens.
    pub(super) fn end(&self, wants: &[Want], taken: &Taken, tokens: u64) {
        let ended = wants.iter().enumerate().map(|(at, want)| {
            let counted = taken
                .counted
                .as_ref()
                .map_or(want.asks, |counted| counted[at]);
            let mut change = [0; Kind::ALL.len()];
            let token = Kind::Tokens as usize;
            change[token] = tokens as i64 - counted[token] as i64;
            change[Kind::Parallel as usize] = -1;
            Ended {
                scope: want.scope,
                id: want.id.clone(),
                begun: taken.standings[at].begun,
                change,
            }
        });
        self.counters.end(taken.lease, ended.collect());
    }

    /// Makes it expect more of the same, and hold some that are counted beforehand.
    pub(super) async fn expect_more(&self, wants: &[Want]) -> u64 {
        let mut asked = 0;
        while self.has_none() {
            assert!(self.is_let_in(wants).await);
            asked += 1;
        }
        asked
    }

    /// Whether it holds nothing that was counted beforehand.
    pub(super) fn has_none(&self) -> bool {
        self.counters.desk.spares.is_empty()
    }

    /// Waits until nothing is counted that nobody asked for, and all is told.
    pub(super) async fn rest(&self) {
        until("all is given back and told", || {
            self.has_none() && self.counters.post.is_empty()
        })
        .await;
    }
}

/// A counter of `id` with these limits of requests at the same time, requests and tokens, asked for one request of so many tokens.
pub(super) fn want(scope: &'static str, id: &str, limits: [Option<u64>; 3], tokens: u64) -> Want {
    let mut bounds = Bounds::default();
    bounds[..3].copy_from_slice(&limits);
    let mut asks = Counts::default();
    asks[..3].copy_from_slice(&[1, 1, tokens]);
    Want {
        scope,
        id: id.into(),
        window: LONG,
        limits: bounds,
        asks,
    }
}

/// What requests have taken, as a request hears it.
pub(super) fn told(taken: &Taken, kind: Kind) -> u64 {
    let standing = taken.standings[0];
    standing.counts[kind as usize] - standing.spare[kind as usize]
}

/// What Redis counts in the window of `id`: a field of it.
pub(super) fn counted(server: &RedisServer, scope: &str, id: &str, field: &str) -> Option<u64> {
    let key = format!("interlingua:{{{scope}:{id}}}:window");
    server.say(&["HGET", &key, field]).get(1)?.parse().ok()
}

pub(super) fn slots(server: &RedisServer, scope: &str, id: &str) -> u64 {
    server.count(&format!("interlingua:{{{scope}:{id}}}:slots"))
}

/// How many scripts Redis ran.
pub(super) fn scripts(server: &RedisServer) -> u64 {
    let said = server.say(&["INFO", "commandstats"]);
    let calls = said.iter().find_map(|line| {
        let line = line.strip_prefix("cmdstat_evalsha:calls=")?;
        line.split(',').next()?.parse().ok()
    });
    calls.unwrap_or_default()
}

pub(super) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let all = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    in_time(what, all).await;
}

async fn in_time<T>(what: &str, work: impl Future<Output = T>) -> T {
    let timeout = tokio::time::timeout(Duration::from_secs(30), work);
    timeout.await.unwrap_or_else(|_| panic!("{what}"))
}
