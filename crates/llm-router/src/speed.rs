//! How fast one deployment has been.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
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
    /// How many samples count: one at least.
    fn counted(self) -> usize {
        self.samples.max(1)
    }

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
pub(crate) struct Speed {
    samples: Mutex<Samples>,
    /// Their means, for those who only look: a look at a thousand deployments takes no lock.
    shown: Shown,
}

#[derive(Debug, Default)]
struct Samples {
    /// Seconds for each token of an answer, or for an answer without tokens.
    answers: VecDeque<f64>,
    /// Seconds to the first event of a stream.
    first_events: VecDeque<f64>,
    latest: Moment,
    /// Of how many samples those who look want the means.
    wanted: usize,
}

/// Means that can be read at any time.
#[derive(Debug, Default)]
struct Shown {
    /// Of how many samples they are; 0: of none yet.
    of: AtomicUsize,
    latest: AtomicU64,
    /// The bits of a number that is none where there are no samples.
    answers: AtomicU64,
    first_events: AtomicU64,
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
        let percentile = percentile.filter(|_| stream);
        if percentile.is_none() && self.shown.of.load(Ordering::Acquire) == rules.counted() {
            return self.shown.mean(now, rules, stream);
        }
        let mut samples = self.lock();
        if samples.latest.until(now) >= rules.ttl {
            return None;
        }
        if let Some(p) = percentile.filter(|_| !samples.first_events.is_empty()) {
            return at_percentile(latest(&samples.first_events, rules.counted()), p);
        }
        samples.wanted = rules.counted();
        self.shown.show(&samples);
        samples.mean(stream)
    }

    fn add(&self, now: Moment, rules: &SpeedRules, work: impl FnOnce(&mut Samples)) {
        let mut samples = self.lock();
        if samples.latest.until(now) >= rules.ttl {
            let wanted = samples.wanted;
            *samples = Samples {
                wanted,
                ..Samples::default()
            };
        }
        samples.latest = samples.latest.max(now);
        work(&mut samples);
        self.shown.show(&samples);
    }

    fn lock(&self) -> MutexGuard<'_, Samples> {
        self.samples.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Samples {
    fn mean(&self, stream: bool) -> Option<f64> {
        let first = mean(latest(&self.first_events, self.wanted));
        let first = first.filter(|_| stream);
        first.or_else(|| mean(latest(&self.answers, self.wanted)))
    }
}

impl Shown {
    /// Under the lock of the samples.
    fn show(&self, samples: &Samples) {
        if samples.wanted == 0 {
            return;
        }
        let mean = |all| mean(latest(all, samples.wanted)).unwrap_or(f64::NAN);
        let pairs = [
            (&self.latest, samples.latest.millis()),
            (&self.answers, mean(&samples.answers).to_bits()),
            (&self.first_events, mean(&samples.first_events).to_bits()),
        ];
        for (shown, now) in pairs {
            shown.store(now, Ordering::Release);
        }
        self.of.store(samples.wanted, Ordering::Release);
    }

    fn mean(&self, now: Moment, rules: &SpeedRules, stream: bool) -> Option<f64> {
        let latest = Moment::from_millis(self.latest.load(Ordering::Acquire));
        if latest.until(now) >= rules.ttl {
            return None;
        }
        let read = |mean: &AtomicU64| {
            let mean = f64::from_bits(mean.load(Ordering::Acquire));
            (!mean.is_nan()).then_some(mean)
        };
        let first = stream.then(|| read(&self.first_events)).flatten();
        first.or_else(|| read(&self.answers))
    }
}

fn push(samples: &mut VecDeque<f64>, rules: &SpeedRules, sample: f64) {
    while samples.len() >= rules.counted() {
        samples.pop_front();
    }
    samples.push_back(sample);
}

/// The latest `count` samples: more may be kept, for somebody with other rules.
fn latest<'a>(samples: &'a VecDeque<f64>, count: usize) -> impl ExactSizeIterator<Item = f64> + 'a {
    let old = samples.len().saturating_sub(count);
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
    fn those_who_look_see_what_is_there_by_whichever_rules() {
        let speed = Speed::default();
        let (ten, two) = (
            SpeedRules::default(),
            SpeedRules {
                samples: 2,
                ..SpeedRules::default()
            },
        );
        let look = |rules| speed.latency(at(1), rules, true, None);
        assert_eq!((look(&ten), look(&two)), (None, None));
        for seconds in 1..=4 {
            speed.answered(at(1), &ten, seconds * S, 0, None);
            let mean = f64::from(seconds + 1) / 2.0;
            assert_eq!(look(&ten), Some(mean));
            assert_eq!(look(&ten), Some(mean), "without a lock");
        }
        assert_eq!((look(&two), look(&two)), (Some(3.5), Some(3.5)));
        speed.answered(at(1), &ten, 9 * S, 0, Some(8 * S));
        assert_eq!((look(&two), look(&ten)), (Some(8.0), Some(8.0)));
        assert_eq!(speed.latency(at(1), &two, false, None), Some(6.5));
        assert_eq!(speed.latency(at(3601), &two, false, None), None);
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
