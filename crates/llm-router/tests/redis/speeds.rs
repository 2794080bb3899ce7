//! How fast deployments answered, as others hear it.

use std::time::Duration;

use llm_providers::{Error, Kind};
use llm_router::{Ask, Finish, Quota, Router, strategy};
use llm_types::Map;

use crate::{Fails, Gate, changed, meet, server::RedisServer, until};

/// What the strategy knows of a deployment.
fn score(router: &Router, id: &str) -> f64 {
    let told = router.explain(&Ask::new("other")).expect("it is known");
    let score = told.scores.iter().find(|score| score.deployment == id);
    score.expect("it is a candidate").score
}

#[tokio::test(flavor = "multi_thread")]
async fn many_answers_are_told_in_few_words_and_count_each() {
    const ANSWERS: u64 = 200;
    let server = RedisServer::start();
    let one = || {
        changed(&server, Quota::default(), |settings| {
            settings.strategy =
                strategy::named("latency-based-routing", &Map::new()).expect("a strategy");
        })
    };
    let (a, b) = (one(), one());
    meet(&[&a, &b]).await;
    let ask = Ask {
        prefer: Some("other".into()),
        ..Ask::new("other")
    };
    for _ in 0..ANSWERS {
        let routed = a.0.run(&ask, &*Gate::new(1)).await.expect("an answer");
        routed.lease.finish(&Finish::default());
    }
    // One that stands out at their end.
    let late = Fails(Kind::Timeout, Some(Duration::ZERO));
    let failed: Error = a.0.run(&ask, &late).await.expect_err("it fails").error;
    assert_eq!(failed.kind, Kind::Timeout);
    until("the other instance knows the last of them", || {
        score(&b.0, "other") >= 50.0
    })
    .await;
    let latest = score(&b.0, "other");
    assert!(latest < 200.0, "it is one of ten that count: {latest}");
    let told = server.say(&["XLEN", "interlingua:news"]);
    let told: u64 = told[0].trim_start_matches(':').parse().expect("a number");
    assert!(told < ANSWERS / 2, "{told}");
}
