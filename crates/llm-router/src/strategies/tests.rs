//! What every strategy promises, over generated candidates.

use llm_providers::{Credential, Target, lookup};
use proptest::{
    collection::vec,
    prelude::{
        ProptestConfig, any as arbitrary, prop_assert, prop_assert_eq, prop_assume, proptest,
    },
    strategy::Strategy as Generator,
};
use serde_json::json;

use super::*;
use crate::{Deployment, Load, TokenPrice};

/// Picks of which shares are taken.
const PICKS: usize = 20_000;

fn deployment(id: usize) -> Deployment {
    let target = Target::new(lookup("openai").expect("a row"), "m", Credential::None);
    Deployment::new(format!("d{id}"), format!("g{id}"), target)
}

fn weighted(weights: &[Option<f64>]) -> Vec<Deployment> {
    let one = |(i, weight): (usize, &Option<f64>)| {
        let mut deployment = deployment(i);
        deployment.weight = *weight;
        deployment
    };
    weights.iter().enumerate().map(one).collect()
}

fn candidates(deployments: &[Deployment]) -> Vec<Candidate<'_>> {
    let one = |deployment| Candidate {
        deployment,
        load: Load::default(),
        latency: None,
        lot: None,
        weight: None,
    };
    deployments.iter().map(one).collect()
}

/// How often each is picked.
fn counts(strategy: &dyn Strategy, candidates: &[Candidate<'_>], seed: u64) -> Vec<usize> {
    let mut dice = Dice::seeded(seed);
    let mut counts = vec![0; candidates.len()];
    for _ in 0..PICKS {
        counts[strategy.pick(candidates, &mut dice)] += 1;
    }
    counts
}

/// Whether a count fits a share: within five standard deviations, which chance leaves once in two million.
fn fits(count: usize, share: f64) -> bool {
    let n = PICKS as f64;
    let spread = (n * share * (1.0 - share)).sqrt();
    (count as f64 - n * share).abs() <= 5.0 * spread + 1e-9
}

fn args(value: serde_json::Value) -> Map {
    value.as_object().cloned().expect("an object")
}

/// With any load, any latency, any price and any weight.
fn anybody() -> impl Generator<Value = Vec<Deployment>> {
    let one = (
        arbitrary::<Option<f64>>(),
        arbitrary::<Option<u64>>(),
        arbitrary::<Option<u64>>(),
        arbitrary::<Option<(u64, u64)>>(),
    );
    vec(one, 1..12).prop_map(|all| {
        let mut made = Vec::new();
        for (i, (weight, rpm, tpm, price)) in all.into_iter().enumerate() {
            let mut deployment = deployment(i);
            deployment.weight = weight;
            (deployment.quota.rpm, deployment.quota.tpm) = (rpm, tpm);
            deployment.price = price.map(|(input, output)| TokenPrice {
                input,
                output,
                ..TokenPrice::default()
            });
            made.push(deployment);
        }
        made
    })
}

fn seen<'a>(
    deployments: &'a [Deployment],
    loads: &[(u64, u64, u64)],
    latencies: &[Option<f64>],
    lots: &[f64],
) -> Vec<Candidate<'a>> {
    let mut all = candidates(deployments);
    for (i, candidate) in all.iter_mut().enumerate() {
        let (in_flight, requests, tokens) = loads[i % loads.len()];
        candidate.load = Load {
            in_flight,
            requests,
            tokens,
            expected: tokens / 2,
            ..Load::default()
        };
        candidate.latency = latencies[i % latencies.len()];
        candidate.lot = lots.get(i % lots.len().max(1)).copied();
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn shuffled_shares_follow_the_weights(
        weights in vec(0u32..100, 1..8),
        seed: u64,
    ) {
        let total: u32 = weights.iter().sum();
        prop_assume!(total > 0);
        let all = weighted(&weights.iter().map(|w| Some(f64::from(*w))).collect::<Vec<_>>());
        let counts = counts(&SimpleShuffle, &candidates(&all), seed);
        for (count, weight) in counts.iter().zip(&weights) {
            let share = f64::from(*weight) / f64::from(total);
            prop_assert!(fits(*count, share), "{counts:?} of {weights:?}");
        }
    }

    #[test]
    fn every_strategy_picks_somebody_and_the_same_seed_the_same(
        deployments in anybody(),
        loads in vec(arbitrary::<(u64, u64, u64)>(), 1..5),
        latencies in vec(arbitrary::<Option<f64>>(), 1..5),
        lots in vec(arbitrary::<f64>(), 0..5),
        seed: u64,
    ) {
        let candidates = seen(&deployments, &loads, &latencies, &lots);
        for name in NAMES {
            let strategy = named(name, &Map::new()).expect("known");
            let (mut one, mut other) = (Dice::seeded(seed), Dice::seeded(seed));
            for _ in 0..20 {
                let pick = strategy.pick(&candidates, &mut one);
                prop_assert!(pick < candidates.len(), "{name}");
                prop_assert_eq!(pick, strategy.pick(&candidates, &mut other), "{}", name);
            }
        }
    }

    #[test]
    fn the_least_is_picked_and_every_equal_sometimes(
        loads in vec((0u64..3, 0u64..3, 0u64..3), 1..6),
        prices in vec(0u64..3, 1..6),
        seed: u64,
    ) {
        let n = loads.len().max(prices.len());
        let mut deployments = weighted(&vec![None; n]);
        for (i, deployment) in deployments.iter_mut().enumerate() {
            let input = prices[i % prices.len()];
            deployment.price = Some(TokenPrice { input, output: 7, ..TokenPrice::default() });
        }
        let candidates = seen(&deployments, &loads, &[None], &[]);
        let strategies: [&dyn Strategy; 3] = [&LeastBusy, &UsageBasedV2, &CostBased];
        for strategy in strategies {
            let scores: Vec<f64> = candidates.iter().map(|c| strategy.score(c)).collect();
            let least = scores.iter().copied().fold(f64::INFINITY, f64::min);
            let equals = scores.iter().filter(|score| **score == least).count();
            for (count, score) in counts(strategy, &candidates, seed).iter().zip(&scores) {
                let share = if *score == least { 1.0 / equals as f64 } else { 0.0 };
                prop_assert!(fits(*count, share), "{}", strategy.name());
            }
        }
    }

    #[test]
    fn the_fastest_are_picked_within_the_buffer(
        latencies in vec(0.01f64..10.0, 1..6),
        buffer in 0.0f64..2.0,
        seed: u64,
    ) {
        let deployments = weighted(&vec![None; latencies.len()]);
        let known: Vec<Option<f64>> = latencies.iter().copied().map(Some).collect();
        let candidates = seen(&deployments, &[(1, 1, 1)], &known, &[]);
        let strategy = LatencyBased { buffer, ..LatencyBased::default() };
        let fastest = latencies.iter().copied().fold(f64::INFINITY, f64::min);
        let near = |latency: f64| latency <= fastest * (1.0 + buffer);
        let many = latencies.iter().filter(|latency| near(**latency)).count();
        for (count, latency) in counts(&strategy, &candidates, seed).iter().zip(&latencies) {
            let share = if near(*latency) { 1.0 / many as f64 } else { 0.0 };
            prop_assert!(fits(*count, share), "{latency} beside {fastest}");
        }
    }
}

#[test]
fn a_weight_of_a_tenth_is_a_tenth_of_the_traffic() {
    let all = weighted(&[Some(0.9), Some(0.1)]);
    let counts = counts(&SimpleShuffle, &candidates(&all), 1);
    assert!(fits(counts[1], 0.1), "{counts:?}");
}

#[test]
fn no_weight_beside_a_weight_gets_nothing() {
    let all = weighted(&[Some(2.0), None, Some(f64::NAN), Some(-1.0)]);
    assert_eq!(
        counts(&SimpleShuffle, &candidates(&all), 1),
        [PICKS, 0, 0, 0]
    );
}

#[test]
fn the_largest_weights_still_share() {
    let all = weighted(&[Some(f64::MAX), Some(f64::MAX), Some(f64::INFINITY)]);
    let counts = counts(&SimpleShuffle, &candidates(&all), 1);
    assert!(fits(counts[0], 0.5) && counts[2] == 0, "{counts:?}");
}

#[test]
fn requests_a_minute_count_where_nobody_has_a_weight() {
    let mut all = weighted(&[None, None]);
    all[1].quota.rpm = Some(10);
    assert_eq!(counts(&SimpleShuffle, &candidates(&all), 1), [0, PICKS]);
}

#[test]
fn unknown_latencies_are_found_out_one_request_at_a_time() {
    let all = weighted(&[None, None]);
    let idle = seen(&all, &[(3, 0, 0), (0, 0, 0)], &[Some(0.1), None], &[]);
    let strategy = LatencyBased::default();
    assert_eq!(counts(&strategy, &idle, 1), [0, PICKS]);
    let asked = seen(&all, &[(3, 0, 0), (1, 0, 0)], &[Some(0.1), None], &[]);
    assert_eq!(counts(&strategy, &asked, 1), [PICKS, 0]);
    let nobody_known = seen(&all, &[(1, 0, 0)], &[None], &[]);
    assert!(fits(counts(&strategy, &nobody_known, 1)[0], 0.5));
}

#[test]
fn the_first_version_of_usage_does_not_see_what_is_under_way() {
    let all = weighted(&[None, None]);
    let mut both = candidates(&all);
    (both[0].load.tokens, both[0].load.expected) = (100, 100);
    both[1].load.tokens = 10;
    assert_eq!(counts(&UsageBased, &both, 1), [PICKS, 0]);
    assert_eq!(counts(&UsageBasedV2, &both, 1), [0, PICKS]);
    both[1].load.tokens = 0;
    both[0].load.requests = 1;
    assert_eq!(counts(&UsageBased, &both, 1), [0, PICKS]);
}

#[test]
fn an_unknown_price_is_the_highest() {
    let mut all = weighted(&[None, None]);
    all[0].price = Some(TokenPrice {
        input: 9_000_000_000_000,
        output: 9_000_000_000_000,
        ..TokenPrice::default()
    });
    assert_eq!(counts(&CostBased, &candidates(&all), 1), [PICKS, 0]);
}

#[test]
fn ranks_come_before_weights() {
    let mut all = weighted(&[Some(1.0), Some(3.0), Some(100.0)]);
    all[1].group = "g0".into();
    let args = args(json!({"model_priorities": {"g0": 1, "g2": 2}}));
    let strategy = named("priority", &args).expect("sound");
    let counts = counts(&*strategy, &candidates(&all), 1);
    assert!(fits(counts[0], 0.25) && counts[2] == 0, "{counts:?}");
    let second = counts_of_last(&*strategy, &all);
    assert_eq!(second, PICKS);
}

fn counts_of_last(strategy: &dyn Strategy, all: &[Deployment]) -> usize {
    counts(strategy, &candidates(&all[2..]), 1)[0]
}

/// Where each of many askers is sent.
fn sides(all: &[Deployment]) -> Vec<usize> {
    let side = |asker: usize| {
        let mut candidates = candidates(all);
        for candidate in &mut candidates {
            let id = crate::hash::of(candidate.deployment.id.as_bytes());
            let asker = crate::hash::of(format!("user-{asker}").as_bytes());
            candidate.lot = Some(crate::hash::unit(crate::hash::both(asker, id)));
        }
        // Chance has no part in it.
        let mut dice = Dice::seeded(asker as u64);
        StickyShuffle.pick(&candidates, &mut dice)
    };
    (0..PICKS).map(side).collect()
}

#[test]
fn askers_keep_their_side_and_only_those_move_who_go_to_the_new_one() {
    let before = sides(&weighted(&[Some(60.0), Some(30.0)]));
    let share = before.iter().filter(|side| **side == 1).count();
    assert!(fits(share, 1.0 / 3.0), "{share}");
    assert_eq!(before, sides(&weighted(&[Some(60.0), Some(30.0)])));
    let after = sides(&weighted(&[Some(60.0), Some(30.0), Some(10.0)]));
    let moved = before.iter().zip(&after).filter(|(b, a)| a != b);
    assert!(moved.clone().all(|(_, after)| *after == 2));
    assert!(fits(moved.count(), 0.1));
}

#[test]
fn the_earliest_of_a_thousand_is_found_without_looking_closely_at_all() {
    let weights: Vec<Option<f64>> = (0..1000).map(|n| Some(f64::from(n % 7) / 3.0)).collect();
    let all = weighted(&weights);
    let mut dice = Dice::seeded(1);
    for _ in 0..20 {
        let mut seen = candidates(&all);
        for candidate in &mut seen {
            candidate.lot = Some(crate::hash::unit(dice.index(usize::MAX) as u64));
        }
        let time = |candidate: &Candidate<'_>| {
            let weight = candidate.deployment.weight.expect("each has one");
            -candidate.lot.expect("each has one").ln() / weight
        };
        let order = |a: &usize, b: &usize| time(&seen[*a]).total_cmp(&time(&seen[*b]));
        let earliest = (0..seen.len()).min_by(order);
        assert_eq!(Some(StickyShuffle.pick(&seen, &mut dice)), earliest);
    }
}

#[test]
fn a_weight_of_nothing_gets_no_askers() {
    assert!(
        sides(&weighted(&[Some(0.0), Some(1.0)]))
            .iter()
            .all(|side| *side == 1)
    );
}

#[test]
fn nobody_in_particular_is_shuffled() {
    let all = weighted(&[Some(0.75), Some(0.25)]);
    assert!(fits(counts(&StickyShuffle, &candidates(&all), 1)[1], 0.25));
}

#[test]
fn arguments_are_read_and_unknown_ones_refused() {
    let given = args(json!({
        "ttl": 60, "lowest_latency_buffer": 0.5, "max_latency_list_size": 3, "ttft_percentile": 95,
    }));
    let strategy = named("latency-based-routing", &given).expect("sound");
    let looks = strategy.looks();
    assert_eq!(looks.percentile, Some(0.95));
    let speed = looks.speed.expect("its own");
    assert_eq!((speed.samples, speed.ttl.as_secs()), (3, 60));

    let refused = |name: &str, given| named(name, &args(given)).map(|_| ()).unwrap_err().0;
    assert_eq!(
        refused("latency-based-routing", json!({"lowest_latency_bufer": 1})),
        "routing_strategy_args: 'latency-based-routing' has no argument 'lowest_latency_bufer': did you mean \
         'lowest_latency_buffer'?"
    );
    assert_eq!(
        refused("latency-based-routing", json!({"ttl": "soon"})),
        "routing_strategy_args: 'ttl': expected a number from 0.001 to 3200000000"
    );
    assert_eq!(
        refused("least-bussy", json!({})),
        "unknown routing_strategy 'least-bussy': did you mean 'least-busy'?"
    );
    assert!(refused("magic", json!({})).contains("expected one of simple-shuffle, "));
    assert!(refused("least-busy", json!({"ttl": 3})).contains("has no argument 'ttl'"));
    assert!(named("usage-based-routing-v2", &args(json!({"ttl": 60}))).is_ok());
    assert!(
        refused("priority", json!({"model_priorities": {"a": "b"}})).contains("model_priorities")
    );
}

#[test]
fn every_name_is_known_by_itself() {
    for name in NAMES {
        let strategy = named(name, &Map::new()).expect("known");
        let is = strategy.name();
        assert!(is == *name || (is, *name) == ("simple-shuffle", "provider-budget-routing"));
    }
}
