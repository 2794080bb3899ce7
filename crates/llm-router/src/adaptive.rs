//! How many attempts a deployment bears at the same time, learned from its latencies.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

/// How the limit of parallel attempts is learned.
///
/// A gradient limiter: while latencies are like the best of late, the limit grows by the square root of itself; as they
/// rise, it shrinks in proportion. An overload that the vendor reports shrinks it too. Now and then the limit is halved
/// for a moment to find out what the best is when there is no queue at the vendor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct AdaptiveRules {
    /// Where it begins.
    pub start: u32,
    /// Never fewer.
    pub least: u32,
    /// Never more.
    pub most: u32,
    /// How much slower than the best is still good.
    pub tolerance: f64,
}

impl Default for AdaptiveRules {
    fn default() -> Self {
        Self {
            start: 20,
            least: 1,
            most: 1000,
            tolerance: 1.5,
        }
    }
}

/// The share of a new limit in the next one.
const SMOOTHING: f64 = 0.2;
/// Samples after which the best latency is learned anew.
const REMEMBERED: u32 = 1000;
/// What is left of the limit after an overload.
const BACK_OFF: f64 = 0.9;

/// One deployment's learned limit.
#[derive(Debug, Default)]
pub(crate) struct Adaptive(Mutex<Option<Gradient>>);

#[derive(Debug, Clone, Copy)]
struct Gradient {
    limit: f64,
    /// The best latency in seconds, and of how many samples.
    best: f64,
    samples: u32,
}

impl Adaptive {
    /// How many attempts may be under way.
    pub(crate) fn limit(&self, rules: &AdaptiveRules) -> u64 {
        self.with(rules, |gradient| gradient.limit.floor() as u64)
    }

    /// An attempt took `latency` until its answer (or its stream) began, with `in_flight` beside it.
    pub(crate) fn answered(&self, rules: &AdaptiveRules, latency: Duration, in_flight: u64) {
        self.with(rules, |gradient| {
            gradient.learn(rules, latency.as_secs_f64(), in_flight)
        });
    }

    /// The vendor says that it is too much, or does not answer.
    pub(crate) fn overloaded(&self, rules: &AdaptiveRules) {
        self.with(rules, |gradient| {
            gradient.limit = rules.bound(gradient.limit * BACK_OFF);
        });
    }

    fn with<T>(&self, rules: &AdaptiveRules, work: impl FnOnce(&mut Gradient) -> T) -> T {
        let mut gradient = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        work(gradient.get_or_insert(Gradient {
            limit: f64::from(rules.start),
            best: f64::INFINITY,
            samples: 0,
        }))
    }
}

impl AdaptiveRules {
    fn bound(&self, limit: f64) -> f64 {
        limit.clamp(
            f64::from(self.least.max(1)),
            f64::from(self.most.max(self.least).max(1)),
        )
    }
}

impl Gradient {
    fn learn(&mut self, rules: &AdaptiveRules, latency: f64, in_flight: u64) {
        let latency = latency.max(1e-6);
        self.samples += 1;
        if self.samples > REMEMBERED {
            self.samples = 0;
            self.best = f64::INFINITY;
            self.limit = rules.bound(self.limit / 2.0);
            return;
        }
        self.best = self.best.min(latency);
        // Without demand, latency says nothing about the limit.
        if (in_flight as f64) < self.limit / 2.0 {
            return;
        }
        let gradient = (rules.tolerance * self.best / latency).clamp(0.5, 1.0);
        let next = self.limit * gradient + self.limit.sqrt();
        self.limit = rules.bound(self.limit * (1.0 - SMOOTHING) + next * SMOOTHING);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A vendor that serves `capacity` at once in 100 ms each, and slows down in proportion beyond.
    fn settled(capacity: f64, rounds: usize) -> u64 {
        let (adaptive, rules) = (Adaptive::default(), AdaptiveRules::default());
        for _ in 0..rounds {
            let limit = adaptive.limit(&rules);
            let latency = 0.1 * (limit as f64 / capacity).max(1.0);
            adaptive.answered(&rules, Duration::from_secs_f64(latency), limit);
        }
        adaptive.limit(&rules)
    }

    #[test]
    fn the_limit_finds_the_vendors_capacity() {
        let low = settled(10.0, 5000);
        let high = settled(200.0, 5000);
        assert!((8..60).contains(&low), "{low}");
        assert!((150..700).contains(&high), "{high}");
    }

    #[test]
    fn overloads_shrink_it_and_no_demand_leaves_it() {
        let (adaptive, rules) = (Adaptive::default(), AdaptiveRules::default());
        adaptive.answered(&rules, Duration::from_secs(1), 1);
        assert_eq!(adaptive.limit(&rules), 20);
        for _ in 0..100 {
            adaptive.overloaded(&rules);
        }
        assert_eq!(adaptive.limit(&rules), 1);
    }
}
