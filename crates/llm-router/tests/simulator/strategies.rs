//! What each strategy promises of the traffic.

use std::time::Duration;

use llm_providers::Kind;
use llm_router::{Ask, Budget, Period, Settings, TokenPrice};

use crate::{
    STEADY, ask, with_strategy,
    world::{Arrivals, Vendor, World, simulate},
};

#[test]
fn traffic_is_split_by_weight() {
    simulate(async |seed| {
        let vendors = vec![
            Vendor::new("old", (100, 300)),
            Vendor::new("new", (100, 300)).failing(0, 10_000, 0.02, Kind::Upstream),
        ];
        let world = World::new(seed, vendors, Settings::default(), |deployment| {
            let weight = if deployment.id == "new" { 1.0 } else { 9.0 };
            deployment.weight = Some(weight);
        });
        world.run(STEADY, ask).await;
        assert_eq!(world.answered(), STEADY.count);
        let share = world.seen("new").asked as f64 / STEADY.count as f64;
        assert!((0.08..0.12).contains(&share), "{share}");
    });
}

#[test]
fn the_least_busy_carry_the_same_however_slow_they_are() {
    simulate(async |seed| {
        let vendors = vec![
            Vendor::new("quick", (100, 200)),
            Vendor::new("slow", (900, 1100)),
            Vendor::new("slower", (1800, 2200)),
        ];
        let world = World::new(seed, vendors, with_strategy("least-busy"), |_| {});
        world.run(STEADY, ask).await;
        assert_eq!(world.answered(), STEADY.count);
        let most = ["quick", "slow", "slower"].map(|id| world.seen(id).most_in_flight);
        let (least, most) = (most.iter().min().unwrap(), most.iter().max().unwrap());
        assert!(most - least <= 1, "{least} to {most} at a time");
        assert!(world.seen("quick").asked > 3 * world.seen("slow").asked);
    });
}

/// How far the vendors' tokens are apart, in a look at each of twenty moments of a flood.
async fn spreads(seed: u64, strategy: &str, tokens: fn(u64) -> u64) -> Vec<u64> {
    let vendors = vec![
        Vendor::new("a", (100, 300)),
        Vendor::new("b", (500, 1500)),
        Vendor::new("c", (100, 3000)),
    ];
    let world = World::new(seed, vendors, with_strategy(strategy), |_| {});
    let asking = |n| Ask {
        prompt_tokens: tokens(n),
        ..Ask::new("g")
    };
    let some = Arrivals {
        count: 100,
        per_second: 20.0,
    };
    let mut spreads = Vec::new();
    for _ in 0..20 {
        world.run(some, asking).await;
        let router = world.router();
        let tokens = ["a", "b", "c"].map(|id| {
            let deployment = router.deployment(id).unwrap();
            router.load(deployment).tokens
        });
        spreads.push(tokens.iter().max().unwrap() - tokens.iter().min().unwrap());
    }
    spreads.sort();
    spreads
}

#[test]
fn tokens_of_a_minute_are_spread_evenly() {
    simulate(async |seed| {
        // One request in ten is a hundred times as long as the others.
        let tokens = |n| if n % 10 == 0 { 10_000 } else { 100 };
        let spreads = spreads(seed, "usage-based-routing-v2", tokens).await;
        // No more than one long request apart.
        assert!(spreads[19] <= 10_100, "{spreads:?}");
    });
}

#[test]
fn tokens_that_are_counted_late_are_spread_in_the_long_run() {
    simulate(async |seed| {
        let spreads = spreads(seed, "usage-based-routing", |_| 100).await;
        // A burst goes one way until its first answer comes, three seconds later at the worst.
        assert!(spreads[10] <= 6_000, "{spreads:?}");
    });
}

#[test]
fn the_cheapest_is_asked_as_long_as_it_may_be() {
    simulate(async |seed| {
        let vendors = vec![
            Vendor::new("cheap", (100, 300)),
            Vendor::new("dear", (100, 300)),
            Vendor::new("dearest", (100, 300)),
        ];
        let world = World::new(
            seed,
            vendors,
            with_strategy("cost-based-routing"),
            |deployment| {
                let (price, rpm) = match deployment.id.as_str() {
                    "cheap" => (10, Some(60)),
                    "dear" => (20, None),
                    _ => (30, None),
                };
                deployment.price = Some(TokenPrice {
                    input: price,
                    output: price,
                    ..TokenPrice::default()
                });
                deployment.quota.rpm = rpm;
            },
        );
        let demand = Arrivals {
            count: 600,
            per_second: 2.0,
        };
        world.run(demand, ask).await;
        assert_eq!(world.answered(), demand.count);
        assert_eq!(world.seen("dearest").asked, 0);
        let cheap = world.seen("cheap");
        let whole = cheap.minutes.len() - 1;
        let mut whole = cheap.minutes.values().take(whole).skip(1);
        assert!(whole.all(|count| *count == 60), "{:?}", cheap.minutes);
    });
}

#[test]
fn users_keep_their_side_of_a_split() {
    simulate(async |seed| {
        let vendors = vec![Vendor::new("a", (100, 300)), Vendor::new("b", (100, 900))];
        let settings = with_strategy("sticky-shuffle");
        let world = World::new(seed, vendors, settings, |deployment| {
            let weight = if deployment.id == "a" { 4.0 } else { 1.0 };
            deployment.weight = Some(weight);
        });
        let asking = |n| Ask {
            user: Some(format!("user {}", n % 500)),
            ..Ask::new("g")
        };
        world.run(STEADY, asking).await;
        let callers = world.callers.lock().unwrap();
        assert!(callers.sides.values().all(|sides| sides.len() == 1));
        let of_b = callers.sides.values().filter(|sides| sides.contains("b"));
        let share = of_b.count() as f64 / 500.0;
        assert!((0.15..0.25).contains(&share), "{share}");
    });
}

#[test]
fn a_spent_budget_is_spared_until_it_begins_anew() {
    simulate(async |seed| {
        let vendors = vec![
            Vendor::new("bounded", (100, 300)).costing(10),
            Vendor::new("free", (100, 300)),
        ];
        let settings = with_strategy("provider-budget-routing");
        let world = World::new(seed, vendors, settings, |deployment| {
            if deployment.id == "bounded" {
                deployment.budget = Some(Budget {
                    limit: 1000,
                    period: Period::Of(Duration::from_secs(60)),
                });
            }
        });
        let demand = Arrivals {
            count: 3000,
            per_second: 10.0,
        };
        world.run(demand, ask).await;
        assert_eq!(world.answered(), demand.count);
        // A hundred answers in a window, and those under way when it was spent; five windows, or six.
        let bounded = world.seen("bounded").asked;
        assert!((500..=630).contains(&bounded), "{bounded}");
    });
}
