use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::{Kind, Want};

/// The length of a window, which begins with its first request.
pub(crate) const WINDOW: Duration = Duration::from_secs(60);

/// Windows in memory; beyond, those at rest are let go.
const MOST: usize = 200_000;

/// Counts what is asked for. Everything is decided under one short lock: a request is let in by all of its limits or by
/// none, so that no limit is exceeded, and none bites for a request that another one refuses.
#[derive(Debug, Default)]
pub(crate) struct Limiter {
    windows: Mutex<HashMap<(&'static str, String), Window>>,
}

#[derive(Debug)]
struct Window {
    begun: Instant,
    requests: u64,
    tokens: u64,
    in_flight: u64,
}

/// A limit that is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Over {
    pub(crate) scope: &'static str,
    pub(crate) id: String,
    pub(crate) kind: Kind,
    pub(crate) limit: u64,
    pub(crate) remaining: u64,
    /// When it is worth asking again.
    pub(crate) resets: Instant,
}

/// What one request holds of its limits. Dropped, its slots are free, and tokens that nobody settled are returned.
#[derive(Debug)]
pub(crate) struct Permit {
    limiter: Arc<Limiter>,
    held: Vec<Held>,
}

#[derive(Debug)]
struct Held {
    key: (&'static str, String),
    /// The window that its tokens count in.
    begun: Instant,
    tokens: u64,
}

/// What is left of a limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Left {
    pub(crate) scope: &'static str,
    pub(crate) kind: Kind,
    pub(crate) limit: u64,
    pub(crate) remaining: u64,
}

impl Window {
    fn new(now: Instant) -> Self {
        Self {
            begun: now,
            requests: 0,
            tokens: 0,
            in_flight: 0,
        }
    }

    fn roll(&mut self, now: Instant) {
        if now.saturating_duration_since(self.begun) >= WINDOW {
            self.begun = now;
            self.requests = 0;
            self.tokens = 0;
        }
    }

    fn refuses(&self, want: &Want, tokens: u64, now: Instant) -> Option<Over> {
        let over = |kind, limit: u64, used: u64, resets| {
            Some(Over {
                scope: want.scope,
                id: want.id.clone(),
                kind,
                limit,
                remaining: limit.saturating_sub(used),
                resets,
            })
        };
        let end = self.begun + WINDOW;
        match want {
            Want {
                parallel: Some(limit),
                ..
            } if self.in_flight >= *limit => over(
                Kind::Parallel,
                *limit,
                self.in_flight,
                now + Duration::from_secs(1),
            ),
            Want {
                rpm: Some(limit), ..
            } if self.requests >= *limit => over(Kind::Requests, *limit, self.requests, end),
            Want {
                tpm: Some(limit), ..
            } if self.tokens.saturating_add(tokens) > *limit => {
                over(Kind::Tokens, *limit, self.tokens, end)
            }
            _ => None,
        }
    }
}

impl Limiter {
    /// Lets a request in that will use about `tokens`, or says which limit it is that refuses it.
    pub(crate) fn take(
        self: &Arc<Self>,
        wants: Vec<Want>,
        tokens: impl Fn(&Want) -> u64,
        now: Instant,
    ) -> Result<(Permit, Vec<Left>), Box<Over>> {
        let mut windows = self.lock();
        if windows.len() > MOST {
            windows.retain(|_, window| {
                window.in_flight > 0 || now.saturating_duration_since(window.begun) < WINDOW
            });
        }
        for want in &wants {
            let key = (want.scope, want.id.clone());
            let window = windows.entry(key).or_insert_with(|| Window::new(now));
            window.roll(now);
            if let Some(over) = window.refuses(want, tokens(want), now) {
                return Err(Box::new(over));
            }
        }
        let mut held = Vec::with_capacity(wants.len());
        let mut left = Vec::new();
        for want in wants {
            let more = tokens(&want);
            let key = (want.scope, want.id.clone());
            let Some(window) = windows.get_mut(&key) else {
                continue;
            };
            window.requests += 1;
            window.in_flight += 1;
            window.tokens = window.tokens.saturating_add(more);
            for (kind, limit, used) in [
                (Kind::Requests, want.rpm, window.requests),
                (Kind::Tokens, want.tpm, window.tokens),
                (Kind::Parallel, want.parallel, window.in_flight),
            ] {
                left.extend(limit.map(|limit| Left {
                    scope: want.scope,
                    kind,
                    limit,
                    remaining: limit.saturating_sub(used),
                }));
            }
            held.push(Held {
                key,
                begun: window.begun,
                tokens: more,
            });
        }
        drop(windows);
        let limiter = Arc::clone(self);
        Ok((Permit { limiter, held }, left))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(&'static str, String), Window>> {
        // Nothing panics under this lock; if something did, the counts are still the best there are.
        self.windows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Permit {
    /// The request is over and used this.
    pub(crate) fn settle(mut self, tokens: u64) {
        self.end(tokens);
    }

    /// The request was refused after all: it counts for nothing.
    pub(crate) fn withdraw(mut self) {
        let mut windows = self.limiter.lock();
        for held in &self.held {
            if let Some(window) = windows.get_mut(&held.key)
                && window.begun == held.begun
            {
                window.requests = window.requests.saturating_sub(1);
            }
        }
        drop(windows);
        self.end(0);
    }

    fn end(&mut self, tokens: u64) {
        let mut windows = self.limiter.lock();
        for held in self.held.drain(..) {
            let Some(window) = windows.get_mut(&held.key) else {
                continue;
            };
            window.in_flight = window.in_flight.saturating_sub(1);
            // A late answer belongs to the window that it was let in by, which may be over.
            if window.begun == held.begun {
                window.tokens = window
                    .tokens
                    .saturating_sub(held.tokens)
                    .saturating_add(tokens);
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.held.is_empty() {
            self.end(0);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn want(scope: &'static str, rpm: u64, tpm: u64, parallel: u64) -> Want {
        Want {
            scope,
            id: "one".to_owned(),
            rpm: Some(rpm),
            tpm: Some(tpm),
            parallel: Some(parallel),
        }
    }

    #[test]
    fn a_request_is_let_in_by_all_limits_or_counts_for_none() {
        let limiter: Arc<Limiter> = Arc::default();
        let now = Instant::now();
        let both = || vec![want("api_key", 10, 1000, 10), want("team", 1, 1000, 10)];
        let (first, left) = limiter.take(both(), |_| 10, now).unwrap();
        assert_eq!(left[0].remaining, 9);
        let over = limiter.take(both(), |_| 10, now).unwrap_err();
        assert_eq!((over.scope, over.kind), ("team", Kind::Requests));
        // The key has room for nine more, not eight.
        for _ in 0..9 {
            let alone = vec![want("api_key", 10, 1000, 10)];
            limiter.take(alone, |_| 10, now).unwrap();
        }
        drop(first);
    }

    #[test]
    fn slots_come_back_and_tokens_are_what_they_were() {
        let limiter: Arc<Limiter> = Arc::default();
        let now = Instant::now();
        let one = || vec![want("api_key", 100, 100, 1)];
        let (permit, _) = limiter.take(one(), |_| 90, now).unwrap();
        assert_eq!(
            limiter.take(one(), |_| 1, now).unwrap_err().kind,
            Kind::Parallel
        );
        permit.settle(20);
        let (permit, left) = limiter.take(one(), |_| 80, now).unwrap();
        assert_eq!(left[1].remaining, 0);
        // It was never sent: its tokens are free again.
        drop(permit);
        limiter.take(one(), |_| 80, now).unwrap();
    }

    #[test]
    fn a_window_begins_anew_and_an_answer_of_the_old_one_does_not_count_in_it() {
        let limiter: Arc<Limiter> = Arc::default();
        let now = Instant::now();
        let one = || vec![want("api_key", 1, 100, 9)];
        let (late, _) = limiter.take(one(), |_| 50, now).unwrap();
        let over = limiter.take(one(), |_| 1, now).unwrap_err();
        assert_eq!(over.resets, now + WINDOW);
        let (next, _) = limiter.take(one(), |_| 100, now + WINDOW).unwrap();
        late.settle(5000);
        next.settle(1);
        let over = limiter.take(one(), |_| 1, now + WINDOW).unwrap_err();
        assert_eq!(over.kind, Kind::Requests);
    }

    proptest! {
        #[test]
        fn no_limit_is_exceeded_and_none_bites_early(
            rpm in 1u64..20, tpm in 1u64..200, parallel in 1u64..5,
            asks in prop::collection::vec((1u64..40, 0u64..60, any::<bool>()), 1..60),
        ) {
            let limiter: Arc<Limiter> = Arc::default();
            let now = Instant::now();
            let (mut requests, mut tokens, mut open) = (0, 0, Vec::new());
            for (about, real, ends) in asks {
                let fits = requests < rpm && tokens + about <= tpm && (open.len() as u64) < parallel;
                match limiter.take(vec![want("api_key", rpm, tpm, parallel)], |_| about, now) {
                    Ok((permit, _)) => {
                        prop_assert!(fits);
                        requests += 1;
                        tokens += about;
                        open.push((permit, about));
                    }
                    Err(_) => prop_assert!(!fits),
                }
                if ends && let Some((permit, about)) = open.pop() {
                    permit.settle(real);
                    tokens = tokens - about + real;
                }
            }
        }
    }
}
