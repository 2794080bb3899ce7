//! Who of several candidates is asked: pure pickers over what is known of each.

use crate::{Deployment, Load};

/// What a strategy sees of one deployment.
#[derive(Debug, Clone, Copy)]
pub struct Candidate<'a> {
    /// The deployment.
    pub deployment: &'a Deployment,
    /// What it carries, where the strategy [looks](Strategy::looks) at it.
    pub load: Load,
    /// Its recent latency in seconds, where the strategy looks at it and there is any.
    pub latency: Option<f64>,
}

/// What a strategy looks at: only that is gathered before a pick.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Looks {
    /// At loads.
    pub load: bool,
    /// At latencies.
    pub latency: bool,
    /// At this percentile of the first events of streams, and not at their mean.
    pub percentile: Option<f64>,
}

/// Picks one of several candidates. Pure: the same candidates and dice give the same pick.
pub trait Strategy: Send + Sync + std::fmt::Debug {
    /// Its name in configurations.
    fn name(&self) -> &'static str;

    /// What it looks at.
    fn looks(&self) -> Looks {
        Looks::default()
    }

    /// What a candidate is worth to it, for people who ask why: what is compared or weighed.
    fn score(&self, candidate: &Candidate<'_>) -> f64;

    /// The index of the one to ask. There is at least one candidate.
    fn pick(&self, candidates: &[Candidate<'_>], dice: &mut Dice) -> usize;
}

/// Chance, from a seed.
#[derive(Debug)]
pub struct Dice(fastrand::Rng);

impl Dice {
    /// Dice that always fall the same way.
    pub fn seeded(seed: u64) -> Self {
        Self(fastrand::Rng::with_seed(seed))
    }

    /// At least 0, less than 1.
    pub fn unit(&mut self) -> f64 {
        self.0.f64()
    }

    /// An index below `n`, which is not 0.
    pub fn index(&mut self, n: usize) -> usize {
        self.0.usize(..n.max(1))
    }
}

/// Random, by weight. The first of `weight`, `rpm`, `tpm` that any candidate has decides; without any, all are equal.
#[derive(Debug, Clone, Copy, Default)]
pub struct SimpleShuffle;

impl Strategy for SimpleShuffle {
    fn name(&self) -> &'static str {
        "simple-shuffle"
    }

    fn score(&self, candidate: &Candidate<'_>) -> f64 {
        let deployment = candidate.deployment;
        let quota = deployment.quota;
        let limit = quota.rpm.or(quota.tpm).map(|n| n as f64);
        deployment.weight.or(limit).unwrap_or(1.0)
    }

    fn pick(&self, candidates: &[Candidate<'_>], dice: &mut Dice) -> usize {
        let metrics: [fn(&Deployment) -> Option<f64>; 3] = [
            |d| d.weight,
            |d| d.quota.rpm.map(|n| n as f64),
            |d| d.quota.tpm.map(|n| n as f64),
        ];
        for metric in metrics {
            let weights: Vec<f64> = candidates
                .iter()
                .map(|c| {
                    metric(c.deployment)
                        .filter(|w| w.is_finite())
                        .unwrap_or(0.0)
                        .max(0.0)
                })
                .collect();
            if let Some(i) = weighted(&weights, dice) {
                return i;
            }
        }
        dice.index(candidates.len())
    }
}

/// An index with a chance proportional to its weight; `None` if nothing has weight.
fn weighted(weights: &[f64], dice: &mut Dice) -> Option<usize> {
    let total: f64 = weights.iter().sum();
    if total <= 0.0 {
        return None;
    }
    let mut left = dice.unit() * total;
    for (i, weight) in weights.iter().enumerate() {
        left -= weight;
        if left < 0.0 {
            return Some(i);
        }
    }
    weights.iter().rposition(|weight| *weight > 0.0)
}

#[cfg(test)]
mod tests {
    use llm_providers::{Credential, Target, lookup};

    use super::*;

    fn deployments(weights: &[Option<f64>]) -> Vec<Deployment> {
        let target = || Target::new(lookup("openai").expect("a row"), "m", Credential::None);
        let make = |(i, weight): (usize, &Option<f64>)| {
            let mut deployment = Deployment::new(i.to_string(), "g", target());
            deployment.weight = *weight;
            deployment
        };
        weights.iter().enumerate().map(make).collect()
    }

    fn shares(all: &[Deployment]) -> Vec<usize> {
        let candidates: Vec<_> = all
            .iter()
            .map(|deployment| Candidate {
                deployment,
                load: Load::default(),
                latency: None,
            })
            .collect();
        let mut dice = Dice::seeded(7);
        let mut counts = vec![0; all.len()];
        for _ in 0..10_000 {
            counts[SimpleShuffle.pick(&candidates, &mut dice)] += 1;
        }
        counts
    }

    #[test]
    fn shares_follow_the_weights() {
        let counts = shares(&deployments(&[Some(9.0), Some(1.0)]));
        assert!((8_800..9_200).contains(&counts[0]), "{counts:?}");
    }

    #[test]
    fn no_weight_beside_a_weight_gets_nothing() {
        assert_eq!(
            shares(&deployments(&[Some(2.0), None, Some(f64::NAN)]))[0],
            10_000
        );
    }

    #[test]
    fn rpm_counts_where_nobody_has_a_weight() {
        let mut all = deployments(&[None, None]);
        all[1].quota.rpm = Some(10);
        assert_eq!(shares(&all), [0, 10_000]);
    }

    #[test]
    fn without_anything_all_are_equal() {
        let counts = shares(&deployments(&[None, None]));
        assert!((4_700..5_300).contains(&counts[0]), "{counts:?}");
    }
}
