//! Random, by weight.

use crate::{Candidate, Dice, Strategy};

/// Random, by weight. The first of the request's own weights, `weight`, `rpm` and `tpm` that any candidate has decides;
/// without any, all are equal.
///
/// As in LiteLLM, what has no weight gets nothing beside what has one: give every deployment of a group a weight, or
/// none.
#[derive(Debug, Clone, Copy, Default)]
pub struct SimpleShuffle;

/// What may be a weight, in this order: the request's own, then what is configured.
const METRICS: usize = 4;

impl Strategy for SimpleShuffle {
    fn name(&self) -> &'static str {
        "simple-shuffle"
    }

    fn score(&self, candidate: &Candidate<'_>) -> f64 {
        let mut weights = (0..METRICS).filter_map(|metric| said(metric, candidate));
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
    metric: usize,
    /// Shares are in proportion to the largest one, so that no sum is too large.
    largest: f64,
}

impl Shares {
    /// By the first metric that any candidate has; `None` if none has any.
    pub(super) fn of(candidates: &[Candidate<'_>]) -> Option<Self> {
        let largest = |metric: usize| {
            let all = candidates.iter().map(|one| weight(metric, one));
            all.fold(0.0, f64::max)
        };
        (0..METRICS)
            .map(|metric| Self {
                metric,
                largest: largest(metric),
            })
            .find(|shares| shares.largest > 0.0)
    }

    pub(super) fn of_one(&self, candidate: &Candidate<'_>) -> f64 {
        weight(self.metric, candidate) / self.largest
    }
}

fn said(metric: usize, candidate: &Candidate<'_>) -> Option<f64> {
    let deployment = candidate.deployment;
    match metric {
        0 => candidate.weight,
        1 => deployment.weight,
        2 => deployment.quota.rpm.map(|n| n as f64),
        _ => deployment.quota.tpm.map(|n| n as f64),
    }
}

fn weight(metric: usize, candidate: &Candidate<'_>) -> f64 {
    match said(metric, candidate) {
        Some(weight) if weight.is_finite() && weight > 0.0 => weight,
        _ => 0.0,
    }
}
