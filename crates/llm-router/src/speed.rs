//! How fast one deployment has been.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::Moment;

/// What a silent deployment is worth: LiteLLM's seconds for a time-out.
const SILENCE: f64 = 1000.0;

/// How latencies are kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpeedRules {
    /// Samples of each kind, at most.
    pub samples: usize,
    /// How long they count.
    pub ttl: Duration,
}

impl Default for SpeedRules {
    fn default() -> Self {
        Self {
            samples: 10,
            ttl: Duration::from_secs(3600),
        }
    }
}

impl SpeedRules {
    /// Keeps whatever these or `other` need.
    pub(crate) fn covering(self, other: Self) -> Self {
        Self {
            samples: self.samples.max(other.samples),
            ttl: self.ttl.max(other.ttl),
        }
    }
}

/// One deployment's recent latencies.
#[derive(Debug, Default)]
pub(crate) struct Speed(Mutex<Samples>);

#[derive(Debug, Default)]
struct Samples {
    /// Seconds for each token of an answer, or for an answer without tokens.
    answers: VecDeque<f64>,
    /// Seconds to the first event of a stream.
    first_events: VecDeque<f64>,
    latest: Moment,
}

impl Speed {
    /// An answer took `took` and has `tokens`; a stream's first event took `first_event`.
    pub(crate) fn answered(
        &self,
        now: Moment,
        rules: &SpeedRules,
        took: Duration,
        tokens: u64,
        first_event: Option<Duration>,
    ) {
        let seconds = took.as_secs_f64();
        self.add(now, rules, |samples| {
            let each = if tokens > 0 {
                seconds / tokens as f64
            } else {
                seconds
            };
            push(&mut samples.answers, rules, each);
            if let Some(first) = first_event {
                push(&mut samples.first_events, rules, first.as_secs_f64());
            }
        });
    }

    /// Nothing came in time.
    pub(crate) fn silent(&self, now: Moment, rules: &SpeedRules) {
        self.add(now, rules, |samples| {
            push(&mut samples.answers, rules, SILENCE)
        });
    }

    /// The mean, or `percentile` of the samples: of first events for a stream that has any, else of whole answers.
    pub(crate) fn latency(
        &self,
        now: Moment,
        rules: &SpeedRules,
        stream: bool,
        percentile: Option<f64>,
    ) -> Option<f64> {
        let samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if samples.latest.until(now) >= rules.ttl {
            return None;
        }
        if stream && !samples.first_events.is_empty() {
            match percentile {
                Some(p) => at_percentile(latest(&samples.first_events, rules), p),
                None => mean(latest(&samples.first_events, rules)),
            }
        } else {
            mean(latest(&samples.answers, rules))
        }
    }

    fn add(&self, now: Moment, rules: &SpeedRules, work: impl FnOnce(&mut Samples)) {
        let mut samples = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if samples.latest.until(now) >= rules.ttl {
            *samples = Samples::default();
        }
        samples.latest = samples.latest.max(now);
        work(&mut samples);
    }
}

fn push(samples: &mut VecDeque<f64>, rules: &SpeedRules, sample: f64) {
    while samples.len() >= rules.samples.max(1) {
        samples.pop_front();
    }
    samples.push_back(sample);
}

/// The samples that count: more may be kept, for somebody with other rules.
fn latest<'a>(
    samples: &'a VecDeque<f64>,
    rules: &SpeedRules,
) -> impl ExactSizeIterator<Item = f64> + 'a {
    let old = samples.len().saturating_sub(rules.samples.max(1));
    samples.iter().skip(old).copied()
}

fn mean(samples: impl ExactSizeIterator<Item = f64>) -> Option<f64> {
    let n = samples.len();
    (n > 0).then(|| samples.sum::<f64>() / n as f64)
}

/// The nearest-rank percentile; `p` between 0 and 1.
fn at_percentile(samples: impl Iterator<Item = f64>, p: f64) -> Option<f64> {
    let mut sorted: Vec<f64> = samples.collect();
    sorted.sort_by(f64::total_cmp);
    let rank = (p.clamp(0.0, 1.0) * sorted.len() as f64).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    const S: Duration = Duration::from_secs(1);

    fn at(seconds: u64) -> Moment {
        Moment::from_millis(seconds * 1000)
    }

    #[test]
    fn answers_count_by_token_and_streams_by_their_first_event() {
        let (speed, rules) = (Speed::default(), SpeedRules::default());
        assert_eq!(speed.latency(at(0), &rules, false, None), None);
        speed.answered(at(0), &rules, 10 * S, 100, None);
        speed.answered(at(0), &rules, 3 * S, 10, None);
        let mean = speed.latency(at(1), &rules, false, None).expect("known");
        assert!((mean - 0.2).abs() < 1e-9);
        assert_eq!(speed.latency(at(1), &rules, true, None), Some(mean));
        for first in 1..=4 {
            speed.answered(at(1), &rules, 9 * S, 1, Some(first * S));
        }
        assert_eq!(speed.latency(at(1), &rules, true, None), Some(2.5));
        assert_eq!(speed.latency(at(1), &rules, true, Some(0.75)), Some(3.0));
    }

    #[test]
    fn only_recent_samples_count() {
        let rules = SpeedRules {
            samples: 2,
            ttl: 60 * S,
        };
        let speed = Speed::default();
        for seconds in [100, 2, 4] {
            speed.answered(at(0), &rules, seconds * S, 0, None);
        }
        assert_eq!(speed.latency(at(1), &rules, false, None), Some(3.0));
        assert_eq!(speed.latency(at(60), &rules, false, None), None);
        speed.silent(at(60), &rules);
        assert_eq!(speed.latency(at(61), &rules, false, None), Some(SILENCE));
    }
}
