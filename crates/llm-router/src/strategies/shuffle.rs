//! Random, by weight.

use crate::{Candidate, Dice, Strategy};

/// Random, by weight. The first of the request's own weights, `weight`, `rpm` and `tpm` that any candidate has decides;
/// without any, all are equal.
///
/// As in LiteLLM, what has no weight gets nothing beside what has one: give every deployment of a group a weight, or
/// none.
#[derive(Debug, Clone, Copy, Default)]
pub struct SimpleShuffle;

/// What may be a weight, in this order.
const METRICS: [Metric; 4] = [
    |candidate| candidate.weight,
    |candidate| candidate.deployment.weight,
    |candidate| candidate.deployment.quota.rpm.map(|n| n as f64),
    |candidate| candidate.deployment.quota.tpm.map(|n| n as f64),
];

type Metric = fn(&Candidate<'_>) -> Option<f64>;

impl Strategy for SimpleShuffle {
    fn name(&self) -> &'static str {
        "simple-shuffle"
    }

    fn score(&self, candidate: &Candidate<'_>) -> f64 {
        let mut weights = METRICS.iter().filter_map(|metric| metric(candidate));
        weights.next().unwrap_or(1.0)
    }

    fn pick(&self, candidates: &[Candidate<'_>], dice: &mut Dice) -> usize {
        let Some(shares) = Shares::of(candidates) else {
            return dice.index(candidates.len());
        };
        let total: f64 = candidates.iter().map(|c| shares.of_one(c)).sum();
        let mut left = dice.unit() * total;
        let mut last = 0;
        for (i, candidate) in candidates.iter().enumerate() {
            let share = shares.of_one(candidate);
            if share > 0.0 {
                left -= share;
                last = i;
            }
            if left < 0.0 {
                break;
            }
        }
        last
    }
}

/// What each candidate's part of the traffic is in proportion to.
#[derive(Clone, Copy)]
pub(super) struct Shares {
    metric: Metric,
    /// Shares are in proportion to the largest one, so that no sum is too large.
    largest: f64,
}

impl Shares {
    /// By the first metric that any candidate has; `None` if none has any.
    pub(super) fn of(candidates: &[Candidate<'_>]) -> Option<Self> {
        let mut largest = [0.0f64; METRICS.len()];
        for candidate in candidates {
            for (metric, largest) in METRICS.into_iter().zip(&mut largest) {
                *largest = largest.max(weight(metric, candidate));
            }
        }
        let all = METRICS.into_iter().zip(largest);
        all.map(|(metric, largest)| Self { metric, largest })
            .find(|shares| shares.largest > 0.0)
    }

    pub(super) fn of_one(&self, candidate: &Candidate<'_>) -> f64 {
        weight(self.metric, candidate) / self.largest
    }
}

fn weight(metric: Metric, candidate: &Candidate<'_>) -> f64 {
    match metric(candidate) {
        Some(weight) if weight.is_finite() && weight > 0.0 => weight,
        _ => 0.0,
    }
}
