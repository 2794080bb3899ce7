//! Thousands of requests over scripted vendors in virtual time: what must hold in every one of them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod overload;
mod strategies;
mod world;

use std::time::Duration;

use llm_providers::Kind;
use llm_router::{Ask, Fallback, Quota, Settings, TokenPrice, strategy};
use llm_types::Map;

use world::{Arrivals, Vendor, World, simulate};

fn ask(_: u64) -> Ask {
    Ask::new("g")
}

fn with_strategy(name: &str) -> Settings {
    Settings {
        strategy: strategy::named(name, &Map::new()).unwrap(),
        ..Settings::default()
    }
}

const STEADY: Arrivals = Arrivals {
    count: 3000,
    per_second: 20.0,
};

#[test]
fn stumbling_vendors_lose_no_answer_and_nobody_starves() {
    for name in ["simple-shuffle", "least-busy", "usage-based-routing-v2"] {
        simulate(async |seed| {
            let vendor = |id| Vendor::new(id, (200, 2000)).failing(0, 10_000, 0.05, Kind::Upstream);
            let vendors = vec![vendor("a"), vendor("b"), vendor("c")];
            let world = World::new(seed, vendors, with_strategy(name), |_| {});
            let asking = |_| Ask {
                prompt_tokens: 100,
                ..Ask::new("g")
            };
            world.run(STEADY, asking).await;
            let answered = world.answered() as f64 / STEADY.count as f64;
            assert!(answered >= 0.999, "{name}: {answered}");
            for id in ["a", "b", "c"] {
                let share = world.seen(id).asked as f64 / world.attempts() as f64;
                assert!((0.25..0.42).contains(&share), "{name}: {id} has {share}");
            }
        });
    }
}

#[test]
fn the_fast_one_is_found_and_the_slow_ones_are_looked_at() {
    simulate(async |seed| {
        let vendors = vec![
            Vendor::new("slow", (3000, 4000)),
            Vendor::new("fast", (100, 200)),
            Vendor::new("slower", (5000, 6000)),
        ];
        let world = World::new(
            seed,
            vendors,
            with_strategy("latency-based-routing"),
            |_| {},
        );
        world.run(STEADY, ask).await;
        assert_eq!(world.answered(), STEADY.count);
        assert!(world.seen("fast").asked >= STEADY.count * 9 / 10);
        assert!(world.seen("slow").asked >= 1 && world.seen("slower").asked >= 1);
    });
}

#[test]
fn a_total_outage_costs_a_tenth_more_and_ends_at_once() {
    simulate(async |seed| {
        let vendor = |id| Vendor::new(id, (50, 150)).failing(0, 60, 1.0, Kind::Upstream);
        let vendors = vec![vendor("a"), vendor("b")];
        let mut settings = Settings::default();
        // Everybody is asked all the time: only the budget stands between the vendors and a storm.
        settings.health.disabled = true;
        let world = World::new(seed, vendors, settings, |_| {});
        let during = Arrivals {
            count: 1000,
            per_second: 20.0,
        };
        world.run(during, ask).await;
        let attempts = world.attempts();
        assert!((1000..=1110).contains(&attempts), "{attempts}");
        tokio::time::sleep(Duration::from_secs(60)).await;
        let failed = during.count - world.answered();
        world.run(during, ask).await;
        assert_eq!(world.answered() + failed, 2 * during.count);
    });
}

#[test]
fn an_outage_of_one_is_covered_by_the_other_and_over_when_it_is_over() {
    simulate(async |seed| {
        let vendors = vec![
            Vendor::new("broken", (100, 300)).failing(20, 80, 1.0, Kind::Overloaded),
            Vendor::new("well", (100, 300)),
        ];
        let world = World::new(seed, vendors, Settings::default(), |_| {});
        world.run(STEADY, ask).await;
        let answered = world.answered() as f64 / STEADY.count as f64;
        assert!(answered >= 0.999, "{answered}");
        let broken = world.seen("broken");
        // It rests when most of its latest attempts have failed, however many good ones there were before; then it is asked
        // only to see whether it is well.
        assert!(broken.failed <= 35, "{}", broken.failed);
        let back = broken.answers.iter().find(|second| **second >= 80.0);
        assert!(back.is_some_and(|second| *second <= 87.0), "{back:?}");
        let after = broken
            .answers
            .iter()
            .filter(|s| (90.0..140.0).contains(*s))
            .count();
        assert!(after > 300, "{after}");
    });
}

#[test]
fn whoever_asks_for_a_rest_gets_it_and_one_request_finds_out() {
    simulate(async |seed| {
        let vendors = vec![
            Vendor::new("tired", (500, 900)).resting(10, 100, 7),
            Vendor::new("well", (100, 300)),
        ];
        let world = World::new(seed, vendors, Settings::default(), |_| {});
        world.run(STEADY, ask).await;
        assert_eq!(world.answered(), STEADY.count);
        // Those under way when it began, and one every seven seconds.
        let failed = world.seen("tired").failed;
        assert!((12..=40).contains(&failed), "{failed}");
    });
}

#[test]
fn limits_hold_in_every_minute_and_bite_no_earlier() {
    let limits = [
        (Some(50), None, 50),
        // 44 requests of 90 tokens are 3960.
        (None, Some(4000), 44),
        (Some(30), Some(4000), 30),
    ];
    for (rpm, tpm, expected) in limits {
        simulate(async |seed| {
            let vendor = |id| Vendor::new(id, (100, 1500));
            let quota = Quota {
                rpm,
                tpm,
                max_parallel: Some(8),
                ..Quota::default()
            };
            let vendors = vec![vendor("a"), vendor("b")];
            let world = World::new(seed, vendors, Settings::default(), |d| d.quota = quota);
            let demand = Arrivals {
                count: 1000,
                per_second: 4.0,
            };
            let asking = |_| Ask {
                prompt_tokens: 90,
                num_retries: Some(0),
                ..Ask::new("g")
            };
            world.run(demand, asking).await;
            for id in ["a", "b"] {
                let seen = world.seen(id);
                assert!(seen.most_in_flight <= 8);
                // The first minute and the last are not whole.
                let whole = seen.minutes.len() - 1;
                let mut whole = seen.minutes.values().take(whole).skip(1);
                assert!(
                    whole.all(|count| *count == expected),
                    "{id}: {:?}",
                    seen.minutes
                );
            }
        });
    }
}

#[test]
fn a_deadline_is_the_end_whatever_happens() {
    simulate(async |seed| {
        let vendors = vec![
            Vendor::new("stuck", (60_000, 90_000)),
            Vendor::new("late", (4000, 9000)).failing(0, 10_000, 0.3, Kind::Overloaded),
            Vendor::new("tired", (100, 200)).resting(0, 10_000, 30),
        ];
        let world = World::new(seed, vendors, Settings::default(), |_| {});
        let asking = |_| Ask {
            deadline: Some(Duration::from_secs(5)),
            ..Ask::new("g")
        };
        let arrivals = Arrivals {
            count: 1000,
            per_second: 10.0,
        };
        world.run(arrivals, asking).await;
        let slowest = world.callers.lock().unwrap().slowest;
        assert!(slowest <= Duration::from_millis(5010), "{slowest:?}");
    });
}

#[test]
fn flapping_vendors_are_lived_with_as_long_as_one_is_well() {
    simulate(async |seed| {
        let mut rng = fastrand::Rng::with_seed(seed);
        let kinds = [
            Kind::Upstream,
            Kind::Overloaded,
            Kind::Connection,
            Kind::RateLimit,
        ];
        let mut flapping = |id| {
            let mut vendor = Vendor::new(id, (50, 3000));
            let mut second = 0;
            while second < 200 {
                let from = second + rng.u64(0..10);
                second = from + rng.u64(1..10);
                let (share, kind) = (rng.f64(), kinds[rng.usize(..kinds.len())]);
                vendor = vendor.failing(from, second, share, kind);
            }
            vendor
        };
        let vendors = vec![
            flapping("x"),
            flapping("y"),
            flapping("z"),
            Vendor::new("well", (50, 3000)),
        ];
        let world = World::new(seed, vendors, Settings::default(), |_| {});
        world.run(STEADY, ask).await;
        let answered = world.answered() as f64 / STEADY.count as f64;
        assert!(
            answered >= 0.97,
            "{answered}: {:?}",
            world.callers.lock().unwrap().failed
        );
        for id in ["x", "y", "z", "well"] {
            assert!(world.seen(id).answers.len() > 50, "{id} starves");
        }
    });
}

#[test]
fn conversations_keep_their_prompts_and_the_load_stays_even() {
    simulate(async |seed| {
        let ids = ["a", "b", "c", "d"];
        let vendors = ids.iter().map(|id| Vendor::new(id, (500, 1500))).collect();
        let mut settings = with_strategy("least-busy");
        settings.affinity.bonds.prompt = true;
        let world = World::new(seed, vendors, settings, |_| {});
        // 100 conversations, which go on in turn.
        let asking = |n| Ask {
            prefix: Some(n % 100),
            ..Ask::new("g")
        };
        world.run(STEADY, asking).await;
        assert_eq!(world.answered(), STEADY.count);
        for id in ids {
            let share = world.seen(id).asked as f64 / STEADY.count as f64;
            assert!((0.20..0.30).contains(&share), "{id} has {share}");
        }
        let stayed = world.callers.lock().unwrap().stayed as f64 / (STEADY.count - 100) as f64;
        assert!(stayed >= 0.97, "{stayed}");
    });
}

#[test]
fn a_conversation_leaves_its_prompt_where_the_load_outweighs_the_price() {
    const IDS: [&str; 4] = ["a", "b", "c", "d"];
    /// What the prompts cost, how many stayed, and how crowded a vendor was.
    async fn outcome(seed: u64, times_cheaper: u64, bound: bool) -> (u64, u64, f64) {
        let vendors = IDS.iter().map(|id| Vendor::new(id, (500, 1500))).collect();
        let mut settings = with_strategy("least-busy");
        settings.affinity.bonds.prompt = bound;
        let world = World::new(seed, vendors, settings, |deployment| {
            deployment.price = Some(TokenPrice {
                input: 1000,
                output: 5000,
                cached: Some(1000 / times_cheaper),
            });
        });
        // Every second request is of one conversation, the others of a hundred.
        let asking = |n| Ask {
            prefix: Some(if n % 2 == 0 { 0 } else { 1 + n % 199 }),
            ..Ask::new("g")
        };
        world.run(STEADY, asking).await;
        assert_eq!(world.answered(), STEADY.count);
        let crowding = IDS.map(|id| world.seen(id).crowding);
        let callers = world.callers.lock().unwrap();
        let most = crowding.into_iter().fold(0.0, f64::max);
        (callers.paid, callers.stayed, most)
    }
    simulate(async |seed| {
        let mut stayed_before = 0;
        for times_cheaper in [1, 2, 10] {
            let (paid, stayed, crowding) = outcome(seed, times_cheaper, true).await;
            let (without, _, _) = outcome(seed, times_cheaper, false).await;
            assert!(crowding <= times_cheaper as f64, "{crowding}");
            assert!(stayed > stayed_before, "{times_cheaper}: {stayed}");
            assert!(times_cheaper == 1 || paid < without, "{paid} {without}");
            stayed_before = stayed;
        }
        assert!(stayed_before as f64 > 0.9 * STEADY.count as f64);
    });
}

#[test]
fn a_group_without_anybody_falls_back() {
    simulate(async |seed| {
        let vendors = vec![
            Vendor::new("a", (50, 100)).failing(0, 10_000, 1.0, Kind::Overloaded),
            Vendor::new("other", (50, 100)),
        ];
        let mut settings = Settings::default();
        let list = vec![Fallback::to("h")];
        settings.fallbacks.general.insert("g".into(), list);
        let world = World::new(seed, vendors, settings, |deployment| {
            if deployment.id == "other" {
                deployment.group = "h".into();
            }
        });
        world.run(STEADY, ask).await;
        assert_eq!(world.answered(), STEADY.count);
    });
}
