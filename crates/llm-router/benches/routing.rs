//! What routing costs: `cargo bench -p llm-router`. Figures are for people: nothing fails because of them.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use llm_providers::{Credential, Error, Target, lookup};
use llm_router::{
    Ask, Attempt, Attempts, Deployment, Finish, Router, Settings, TokenPrice, strategy,
};
use llm_types::Map;

/// Answers at once.
struct AtOnce;

impl Attempts for AtOnce {
    type Answer = ();

    async fn make(&self, attempt: Attempt<'_>) -> Result<(), Error> {
        black_box(attempt.deployment);
        Ok(())
    }
}

/// How long each figure is measured.
const LONG: Duration = Duration::from_millis(300);

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_time()
        .build()
        .unwrap();
    println!("nanoseconds for a whole request: plan, pick, hold, attempt, learn");
    println!("{:<26}{:>10}{:>10}{:>10}", "strategy", 1, 10, 1000);
    for name in strategy::NAMES {
        let row = [1, 10, 1000].map(|n| runtime.block_on(request(name, n)));
        println!("{name:<26}{:>10.0}{:>10.0}{:>10.0}", row[0], row[1], row[2]);
    }
    println!("\nthe attempt alone: {:.0} ns", runtime.block_on(alone()));
    for tasks in [1, 8, 64] {
        let each = runtime.block_on(hot(tasks));
        println!(
            "one group of 10 from {tasks} tasks: {:.0} requests a second",
            1e9 / each
        );
    }
}

fn router(name: &str, n: usize) -> Arc<Router> {
    let provider = lookup("openai").unwrap();
    let one = |i: usize| {
        let target = Target::new(provider, "gpt-4o", Credential::None);
        let mut deployment = Deployment::new(format!("{i:064x}"), "g", target);
        deployment.weight = Some(1.0 + (i % 7) as f64);
        deployment.price = Some(TokenPrice {
            input: 1000 + (i % 5) as u64,
            output: 2000,
            ..TokenPrice::default()
        });
        deployment
    };
    let settings = Settings {
        strategy: strategy::named(name, &Map::new()).unwrap(),
        ..Settings::default()
    };
    Arc::new(Router::new((0..n).map(one).collect(), settings).unwrap())
}

async fn request(name: &str, n: usize) -> f64 {
    let router = router(name, n);
    let mut ask = Ask::new("g");
    ask.user = Some("somebody".into());
    measured(async || once(&router, &ask).await).await
}

async fn once(router: &Router, ask: &Ask) {
    let routed = router.run(ask, &AtOnce).await;
    let lease = routed.map(|routed| routed.lease).ok().unwrap();
    lease.finish(&Finish {
        tokens: 100,
        completion_tokens: 50,
        ..Finish::default()
    });
}

/// The attempt without a router.
async fn alone() -> f64 {
    let router = router("simple-shuffle", 1);
    let deployment = &router.deployments("g")[0];
    let none = Map::new();
    measured(async || {
        let attempt = Attempt {
            deployment,
            target: std::borrow::Cow::Borrowed(&deployment.target),
            group: "g",
            overrides: &none,
            timeouts: Default::default(),
            refusal_fails: false,
        };
        black_box(AtOnce.make(attempt).await.is_ok());
    })
    .await
}

/// Nanoseconds for each request of many tasks at the same time.
async fn hot(tasks: usize) -> f64 {
    let router = router("simple-shuffle", 10);
    let started = Instant::now();
    let work = |_| {
        let router = Arc::clone(&router);
        tokio::spawn(async move {
            let ask = Ask::new("g");
            let mut done = 0u64;
            while started.elapsed() < LONG {
                for _ in 0..64 {
                    once(&router, &ask).await;
                }
                done += 64;
                tokio::task::yield_now().await;
            }
            done
        })
    };
    let all: Vec<_> = (0..tasks).map(work).collect();
    let mut done = 0;
    for task in all {
        done += task.await.unwrap();
    }
    started.elapsed().as_nanos() as f64 / done as f64
}

/// Nanoseconds for one, in the best of five rounds.
async fn measured(work: impl AsyncFn()) -> f64 {
    let mut best = f64::MAX;
    for _ in 0..5 {
        let started = Instant::now();
        let mut done = 0;
        while started.elapsed() < LONG / 5 {
            for _ in 0..16 {
                work().await;
            }
            done += 16;
        }
        best = best.min(started.elapsed().as_nanos() as f64 / f64::from(done));
    }
    best
}
