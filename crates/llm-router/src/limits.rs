//! Requests, tokens and parallel attempts of one deployment, counted exactly.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use serde::{Deserialize, Serialize};

use crate::{Moment, Reason};

/// What one deployment may take. `None`: as much as comes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Quota {
    /// Requests a minute.
    pub rpm: Option<u64>,
    /// Tokens a minute, those of the answers included.
    pub tpm: Option<u64>,
    /// Tokens of prompts a minute.
    pub itpm: Option<u64>,
    /// Tokens of answers a minute. Nobody knows before how long an answer gets: the one that crosses it is whole.
    pub otpm: Option<u64>,
    /// Attempts at the same time.
    pub max_parallel: Option<u64>,
}

/// What one deployment carries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Load {
    /// Attempts under way.
    pub in_flight: u64,
    /// Requests admitted this minute.
    pub requests: u64,
    /// Tokens of this minute: used, and expected by attempts under way.
    pub tokens: u64,
    /// Those of prompts among them.
    #[serde(default)]
    pub input: u64,
    /// Those of answers among them.
    #[serde(default)]
    pub output: u64,
    /// Those of them that attempts under way are expected to use.
    #[serde(default)]
    pub expected: u64,
}

/// Counts one deployment's load. Everything is decided under one short lock, so that an attempt is admitted by all of
/// its limits or by none: no limit is exceeded, and none bites for a claim that another one refuses.
#[derive(Debug, Default)]
pub(crate) struct Meter {
    window: Mutex<Window>,
    /// The same, for those who only look: a look at a thousand deployments takes no lock.
    shown: Shown,
}

/// A load that can be read at any time. Each count is one that was true, though perhaps not all at the same instant: who
/// is admitted is decided under the lock.
#[derive(Debug, Default)]
struct Shown {
    minute: AtomicU64,
    requests: AtomicU64,
    tokens: AtomicU64,
    input: AtomicU64,
    output: AtomicU64,
    expected: AtomicU64,
    in_flight: AtomicU64,
}

#[derive(Debug, Default)]
struct Window {
    minute: u64,
    requests: u64,
    tokens: u64,
    input: u64,
    output: u64,
    expected: u64,
    in_flight: u64,
}

/// What an admitted attempt holds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Claim {
    minute: u64,
    tokens: u64,
}

/// What an attempt used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Used {
    /// All its tokens.
    pub tokens: u64,
    /// Those of the answer.
    pub output: u64,
}

impl Used {
    /// Those of the prompt.
    pub fn input(self) -> u64 {
        self.tokens.saturating_sub(self.output)
    }
}

impl Quota {
    /// Whether anything is limited.
    pub fn is_limited(&self) -> bool {
        *self != Self::default()
    }

    /// How many attempts at the same time, where nothing says so: as many as may begin in a minute, or six for each
    /// thousand tokens of a minute, or `usual`. As LiteLLM counts.
    pub(crate) fn parallel_or(&self, usual: u64) -> u64 {
        let by_tokens = self.tpm.map(|tpm| (tpm.saturating_mul(6) / 1000).max(1));
        let own = self.max_parallel.or(self.rpm).or(by_tokens);
        own.unwrap_or(usual)
    }

    /// One of `n` equal parts of it.
    pub(crate) fn part(self, n: u64) -> Self {
        let part = |limit: Option<u64>| limit.map(|limit| (limit / n.max(1)).max(1.min(limit)));
        Self {
            rpm: part(self.rpm),
            tpm: part(self.tpm),
            itpm: part(self.itpm),
            otpm: part(self.otpm),
            max_parallel: part(self.max_parallel),
        }
    }

    /// The limit that a load leaves no room under for one more attempt of `tokens`.
    pub fn refuses(&self, load: &Load, tokens: u64) -> Option<Reason> {
        let over = |used: u64, more: u64, limit: Option<u64>| {
            limit.is_some_and(|limit| used.saturating_add(more) > limit)
        };
        if over(load.in_flight, 1, self.max_parallel) {
            Some(Reason::Parallel)
        } else if over(load.requests, 1, self.rpm) {
            Some(Reason::Rpm)
        } else if over(load.tokens, tokens, self.tpm) {
            Some(Reason::Tpm)
        } else if over(load.input, tokens, self.itpm) {
            Some(Reason::Itpm)
        } else if over(load.output, 1, self.otpm) {
            Some(Reason::Otpm)
        } else {
            None
        }
    }
}

impl Meter {
    /// Admits one attempt that will use about `tokens`, or says which limit refuses it.
    pub(crate) fn admit(&self, now: Moment, quota: &Quota, tokens: u64) -> Result<Claim, Reason> {
        self.with(now, |window| {
            if let Some(reason) = quota.refuses(&window.load(), tokens) {
                return Err(reason);
            }
            window.in_flight += 1;
            window.requests += 1;
            window.tokens = window.tokens.saturating_add(tokens);
            window.input = window.input.saturating_add(tokens);
            window.expected = window.expected.saturating_add(tokens);
            Ok(Claim {
                minute: window.minute,
                tokens,
            })
        })
    }

    /// The attempt is over and used this, as far as known.
    pub(crate) fn settle(&self, now: Moment, claim: Claim, used: Used) {
        self.with(now, |window| {
            window.in_flight = window.in_flight.saturating_sub(1);
            let same = window.minute == claim.minute;
            if same {
                window.expected = window.expected.saturating_sub(claim.tokens);
            }
            // What was expected and not used is given back to its own minute; what was used beyond counts now.
            let corrected = |count: u64, used: u64| match used.checked_sub(claim.tokens) {
                Some(more) => count.saturating_add(more),
                None if same => count.saturating_sub(claim.tokens - used),
                None => count,
            };
            window.tokens = corrected(window.tokens, used.tokens);
            window.input = corrected(window.input, used.input());
            window.output = window.output.saturating_add(used.output);
        });
    }

    /// The attempt was not made after all.
    pub(crate) fn cancel(&self, now: Moment, claim: Claim) {
        self.settle(now, claim, Used::default());
        self.with(now, |window| {
            if window.minute == claim.minute {
                window.requests = window.requests.saturating_sub(1);
            }
        });
    }

    /// What the deployment carries.
    pub(crate) fn load(&self, now: Moment) -> Load {
        self.shown.load(now)
    }

    fn with<T>(&self, now: Moment, work: impl FnOnce(&mut Window) -> T) -> T {
        let mut window = self.window.lock().unwrap_or_else(PoisonError::into_inner);
        let minute = now.minute();
        // Forward only: a request that read the clock before another one must not bring an old minute back.
        if minute > window.minute {
            window.minute = minute;
            window.requests = 0;
            window.tokens = 0;
            window.input = 0;
            window.output = 0;
            window.expected = 0;
        }
        let result = work(&mut window);
        self.shown.show(&window);
        result
    }
}

impl Shown {
    fn show(&self, window: &Window) {
        for (shown, count) in [
            (&self.requests, window.requests),
            (&self.tokens, window.tokens),
            (&self.input, window.input),
            (&self.output, window.output),
            (&self.expected, window.expected),
            (&self.in_flight, window.in_flight),
        ] {
            shown.store(count, Ordering::Relaxed);
        }
        // Last: who sees the minute sees its counts.
        self.minute.store(window.minute, Ordering::Release);
    }

    fn load(&self, now: Moment) -> Load {
        let minute = self.minute.load(Ordering::Acquire);
        let in_flight = self.in_flight.load(Ordering::Relaxed);
        if minute < now.minute() {
            return Load {
                in_flight,
                ..Load::default()
            };
        }
        let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Load {
            in_flight,
            requests: count(&self.requests),
            tokens: count(&self.tokens),
            input: count(&self.input),
            output: count(&self.output),
            expected: count(&self.expected),
        }
    }
}

impl Window {
    fn load(&self) -> Load {
        Load {
            in_flight: self.in_flight,
            requests: self.requests,
            tokens: self.tokens,
            input: self.input,
            output: self.output,
            expected: self.expected,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const T: Moment = Moment::ZERO;

    fn used(tokens: u64) -> Used {
        Used { tokens, output: 0 }
    }

    #[test]
    fn an_attempt_is_admitted_by_all_limits_or_none() {
        let meter = Meter::default();
        let quota = Quota {
            rpm: Some(2),
            tpm: Some(100),
            max_parallel: Some(5),
            ..Quota::default()
        };
        assert_eq!(meter.admit(T, &quota, 101).err(), Some(Reason::Tpm));
        let first = meter.admit(T, &quota, 60).expect("room");
        assert_eq!(meter.admit(T, &quota, 60).err(), Some(Reason::Tpm));
        meter.settle(T, first, used(10));
        meter.admit(T, &quota, 60).expect("room again");
        assert_eq!(meter.admit(T, &quota, 0).err(), Some(Reason::Rpm));
        let load = meter.load(T);
        assert_eq!((load.in_flight, load.requests, load.tokens), (1, 2, 70));
        let next = T.after(Duration::from_secs(60));
        meter.admit(next, &quota, 100).expect("a new minute");
        assert_eq!(meter.load(next).in_flight, 2);
    }

    #[test]
    fn parallel_attempts_end() {
        let meter = Meter::default();
        let quota = Quota {
            max_parallel: Some(1),
            ..Quota::default()
        };
        let claim = meter.admit(T, &quota, 0).expect("room");
        assert_eq!(meter.admit(T, &quota, 0).err(), Some(Reason::Parallel));
        meter.settle(T, claim, used(0));
        meter.admit(T, &quota, 0).expect("room");
    }

    #[test]
    fn tokens_beyond_the_estimate_count_when_they_are_known() {
        let meter = Meter::default();
        let claim = meter.admit(T, &Quota::default(), 10).expect("room");
        let later = T.after(Duration::from_secs(70));
        meter.settle(later, claim, used(50));
        assert_eq!(meter.load(later).tokens, 40);
    }

    #[test]
    fn prompts_and_answers_have_limits_of_their_own() {
        let meter = Meter::default();
        let quota = Quota {
            itpm: Some(100),
            otpm: Some(50),
            ..Quota::default()
        };
        assert_eq!(meter.admit(T, &quota, 101).err(), Some(Reason::Itpm));
        let claim = meter.admit(T, &quota, 80).expect("room");
        let answered = Used {
            tokens: 110,
            output: 40,
        };
        meter.settle(T, claim, answered);
        let load = meter.load(T);
        assert_eq!((load.tokens, load.input, load.output), (110, 70, 40));
        assert_eq!(meter.admit(T, &quota, 31).err(), Some(Reason::Itpm));
        let claim = meter.admit(T, &quota, 0).expect("room for an answer");
        let long = Used {
            tokens: 30,
            output: 30,
        };
        meter.settle(T, claim, long);
        assert_eq!(meter.admit(T, &quota, 0).err(), Some(Reason::Otpm));
        let next = T.after(Duration::from_secs(60));
        meter.admit(next, &quota, 100).expect("a new minute");
    }
}
