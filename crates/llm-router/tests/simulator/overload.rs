//! More requests than vendors bear, and answers that take too long.

use std::time::Duration;

use llm_router::{AdaptiveRules, Ask, HedgeRules, QueueRules, Settings};

use crate::{
    STEADY, ask,
    world::{Arrivals, Vendor, World, simulate},
};

#[test]
fn a_learned_limit_keeps_a_vendor_fast_and_refuses_honestly() {
    let most = |adaptive: Option<AdaptiveRules>| {
        let seen = std::cell::Cell::new((0, Duration::ZERO));
        simulate(async |seed| {
            let vendors = vec![Vendor::new("narrow", (200, 300)).bearing(20)];
            let settings = Settings {
                adaptive,
                num_retries: 0,
                queue: QueueRules {
                    wait: Duration::from_secs(5),
                    ..QueueRules::default()
                },
                ..Settings::default()
            };
            let world = World::new(seed, vendors, settings, |_| {});
            // A quarter more than the vendor bears.
            let flood = Arrivals {
                count: 6000,
                per_second: 100.0,
            };
            world.run(flood, ask).await;
            let callers = world.callers.lock().unwrap();
            assert_eq!(callers.without_advice, 0);
            let refused: u64 = callers.failed.values().sum();
            assert_eq!(callers.answered + refused, flood.count);
            drop(callers);
            let most = world.seen("narrow").most_in_flight;
            let slowest = world.callers.lock().unwrap().quantile(0.99);
            seen.set((most, slowest));
        });
        seen.get()
    };
    let (unbounded, endless) = most(None);
    let (bounded, in_time) = most(Some(AdaptiveRules::default()));
    assert!(
        bounded < 100 && unbounded > 4 * bounded,
        "{bounded} and {unbounded}"
    );
    let soon = in_time < Duration::from_secs(6);
    assert!(soon && in_time * 2 < endless, "{in_time:?} and {endless:?}");
}

#[test]
fn a_flood_of_one_user_does_not_starve_the_others() {
    simulate(async |seed| {
        let vendors = vec![Vendor::new("a", (90, 110)), Vendor::new("b", (90, 110))];
        let settings = Settings {
            num_retries: 0,
            queue: QueueRules {
                size: 200,
                wait: Duration::from_secs(10),
                ..QueueRules::default()
            },
            ..Settings::default()
        };
        let world = World::new(seed, vendors, settings, |deployment| {
            deployment.quota.max_parallel = Some(5);
        });
        // A hundred a second are borne, 150 come: nine of ten from one user, one from others; some are less urgent.
        let asking = |n| Ask {
            user: Some(match n % 10 {
                0 => format!("user {}", n % 70),
                _ => "flood".into(),
            }),
            priority: Some(if n % 10 == 5 { 9 } else { 0 }),
            ..Ask::new("g")
        };
        let flood = Arrivals {
            count: 4500,
            per_second: 150.0,
        };
        world.run(flood, asking).await;
        let callers = world.callers.lock().unwrap();
        assert_eq!(
            callers.without_advice, 0,
            "who is refused is told when to come again"
        );
        let others = callers.waits.iter().filter(|(user, _)| *user != "flood");
        let others: Vec<Duration> = others.flat_map(|(_, waits)| waits.clone()).collect();
        assert_eq!(others.len(), 450, "all of the others are answered");
        let longest = others.iter().max().unwrap();
        assert!(*longest < Duration::from_secs(1), "{longest:?}");
        // What the vendors bear is used whole all the same.
        let rate = callers.answered as f64 / 30.0;
        assert!(rate > 95.0, "{rate} a second");
    });
}

#[test]
fn rivals_cut_the_long_waits_and_cost_little() {
    let long = |hedge: Option<HedgeRules>| {
        let seen = std::cell::Cell::new((Duration::ZERO, 0));
        simulate(async |seed| {
            // One answer in fifty takes twenty times as long.
            let vendors = vec![
                Vendor::new("a", (100, 200)).stumbling(0.02, 20),
                Vendor::new("b", (100, 200)).stumbling(0.02, 20),
            ];
            let settings = Settings {
                hedge,
                ..Settings::default()
            };
            let world = World::new(seed, vendors, settings, |_| {});
            world.run(STEADY, ask).await;
            assert_eq!(world.answered(), STEADY.count);
            let tail = world.callers.lock().unwrap().quantile(0.985);
            seen.set((tail, world.attempts()));
        });
        seen.get()
    };
    let (without, alone) = long(None);
    let (with, attempts) = long(Some(HedgeRules::default()));
    assert_eq!(alone, STEADY.count);
    let extra = attempts - alone;
    assert!(
        (1..=STEADY.count / 20 + 1).contains(&extra),
        "{extra} rivals"
    );
    assert!(with * 3 < without, "{with:?} and {without:?}");
}
