//! What routing costs: `cargo bench -p llm-router`. Figures are for people: nothing fails because of them.
#![allow(clippy::unwrap_used, clippy::print_stdout, missing_docs)]

use std::{
    hint::black_box,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use futures_util::stream;
use http::{Request, Response};
use llm_providers::{
    Call, Client, Credential, Error, Limits, Outcome, Outgoing, Target, lookup,
    transport::{BoxFuture, ByteStream, Transport},
};
use llm_router::{
    Ask, Attempt, Attempts, Deployment, Finish, Router, Settings, TokenPrice, strategy,
};
use llm_types::{JsonObject, Map, Op};

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
    println!("nanoseconds for a pick alone: who may be asked, who would be");
    table(|name, n| runtime.block_on(picking(name, n)));
    println!("\nnanoseconds for a whole request: plan, pick, hold, attempt, learn");
    table(|name, n| runtime.block_on(request(name, n)));
    let alone = runtime.block_on(alone());
    let (direct, routed) = (runtime.block_on(direct()), runtime.block_on(through()));
    println!("\nthe attempt alone: {alone:.0} ns");
    println!("a chat by the provider crate, from a vendor in memory: {direct:.0} ns");
    println!(
        "the same through the router: {routed:.0} ns, {:.0} more",
        routed - direct
    );
    for tasks in [1, 8, 64] {
        let each = runtime.block_on(hot(tasks));
        println!(
            "one group of 10 from {tasks} tasks: {:.0} requests a second",
            1e9 / each
        );
    }
}

fn table(figure: impl Fn(&str, usize) -> f64) {
    println!("{:<26}{:>10}{:>10}{:>10}", "strategy", 1, 10, 1000);
    for name in strategy::NAMES {
        let row = [1, 10, 1000].map(|n| figure(name, n));
        println!("{name:<26}{:>10.0}{:>10.0}{:>10.0}", row[0], row[1], row[2]);
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

fn somebody() -> Ask {
    let mut ask = Ask::new("g");
    ask.user = Some("somebody".into());
    ask
}

async fn picking(name: &str, n: usize) -> f64 {
    let (router, ask) = (router(name, n), somebody());
    // Latencies and counts as after some traffic.
    for _ in 0..2 * n {
        once(&router, &ask).await;
    }
    measured(async || {
        black_box(router.would_ask(&ask).is_ok());
    })
    .await
}

async fn request(name: &str, n: usize) -> f64 {
    let (router, ask) = (router(name, n), somebody());
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

/// Answers each request with the same chat.
struct Memory;

const ANSWER: &[u8] = br#"{"id":"chatcmpl-1","object":"chat.completion","created":1700000000,"model":"gpt-4o","choices":[{"index":0,"message":{"role":"assistant","content":"Good morning."},"finish_reason":"stop"}],"usage":{"prompt_tokens":9,"completion_tokens":3,"total_tokens":12}}"#;
const QUESTION: &[u8] =
    br#"{"model":"gpt-4o","messages":[{"role":"user","content":"Say good morning."}]}"#;

impl Transport for Memory {
    fn send(&self, _: Request<Outgoing>) -> BoxFuture<'_, Result<Response<ByteStream>, Error>> {
        let body: ByteStream = Box::pin(stream::iter([Ok(Bytes::from_static(ANSWER))]));
        let mut answer = Response::new(body);
        let json = http::HeaderValue::from_static("application/json");
        answer.headers_mut().insert("content-type", json);
        Box::pin(async { Ok(answer) })
    }
}

/// Attempts as they are made: prepared, encoded, sent, decoded.
struct Calling {
    client: Client,
    question: JsonObject,
}

impl Calling {
    fn new() -> Self {
        Self {
            client: Client::over(Arc::new(Memory)),
            question: JsonObject::parse(&Bytes::from_static(QUESTION)).unwrap(),
        }
    }

    async fn call(&self, deployment: &Deployment) -> Result<Outcome, Error> {
        let (target, options) = (&deployment.target, &deployment.options);
        let call = Call::prepare(Op::Chat, target, self.question.clone(), options)?;
        self.client.call(&call, &Limits::default()).await
    }
}

impl Attempts for Calling {
    type Answer = Outcome;

    async fn make(&self, attempt: Attempt<'_>) -> Result<Outcome, Error> {
        self.call(attempt.deployment).await
    }
}

/// The provider crate without a router.
async fn direct() -> f64 {
    let (router, calling) = (router("simple-shuffle", 1), Calling::new());
    let deployment = &router.deployments("g")[0];
    measured(async || {
        black_box(calling.call(deployment).await.unwrap());
    })
    .await
}

/// The same call as an attempt of a routed request.
async fn through() -> f64 {
    let (router, calling) = (router("simple-shuffle", 1), Calling::new());
    let ask = somebody();
    measured(async || {
        let routed = router.run(&ask, &calling).await.ok().unwrap();
        black_box(&routed.value);
        routed.lease.finish(&Finish::default());
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
