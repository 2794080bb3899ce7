//! How much may be asked for at once: requests and tokens a minute, and requests at the same time.
//!
//! [`wants`](wants::wants) lists what bounds a request, [`Limiter`] decides all of it together, in memory
//! (`windows.rs`) or where several instances count together ([`SharedCounts`]).

mod daily;
mod holders;
mod limiter;
mod rules;
mod shared;
#[cfg(test)]
mod tests;
mod wants;
mod windows;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use http::StatusCode;
use llm_cost::NanoDollars;
use llm_store::Moment;

use crate::{Caller, Refusal, names};
pub(crate) use daily::{has_daily_limit, wants as daily_wants};
pub(crate) use limiter::{Left, Limiter, Permit, Refused};
pub use rules::{LimitRules, Priorities, Reserved, TokenKind};
pub use shared::{BoxFuture, CaughtUp, Ended, SharedCounts, Standing, Taken};
pub(crate) use wants::{Asked, Priority, counted, wants};

/// One limit that a request falls under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    /// Whose: `api_key`, `team`, `model_per_key`, …
    pub scope: &'static str,
    /// Which one.
    pub id: Arc<str>,
    /// How long is counted before it begins anew.
    pub window: Duration,
    /// The most of each kind; `None`: it is counted and not limited.
    pub limits: Bounds,
    /// How much of each kind the request asks for.
    pub asks: Counts,
}

/// The most of each [`Kind`].
pub type Bounds = [Option<u64>; Kind::ALL.len()];

/// How much of each [`Kind`].
pub type Counts = [u64; Kind::ALL.len()];

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Requests at the same time. Not of a window: a request's end gives it back.
    Parallel,
    /// Requests.
    Requests,
    /// Tokens.
    Tokens,
    /// Tokens of prompts.
    Input,
    /// Tokens of answers.
    Output,
    /// Nano-dollars.
    Spend,
}

impl Kind {
    /// All of them, in the order in which an exhausted one is named.
    pub const ALL: [Self; 6] = [
        Self::Parallel,
        Self::Requests,
        Self::Tokens,
        Self::Input,
        Self::Output,
        Self::Spend,
    ];

    /// Its name in messages and headers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Parallel => "max_parallel_requests",
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::Input => "input_tokens",
            Self::Output => "output_tokens",
            Self::Spend => "spend",
        }
    }
}

impl Want {
    /// Nothing of `id` yet.
    pub(crate) fn of(scope: &'static str, id: impl Into<Arc<str>>, window: Duration) -> Self {
        Self {
            scope,
            id: id.into(),
            window,
            limits: Bounds::default(),
            asks: Counts::default(),
        }
    }

    /// At most so much of one kind.
    pub(crate) fn at_most(mut self, kind: Kind, limit: Option<u64>) -> Self {
        self.limits[kind as usize] = limit;
        self
    }

    /// Whether anything of it is limited.
    pub(crate) fn is_limited(&self) -> bool {
        self.limits.iter().any(Option::is_some)
    }

    /// The first limit that leaves no room for what is asked, where `used` are gone of it.
    pub(crate) fn refuses(&self, limits: &Bounds, used: &Counts) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| {
            let at = *kind as usize;
            limits[at].is_some_and(|limit| used[at].saturating_add(self.asks[at]) > limit)
        })
    }
}

/// A limit that is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Over {
    pub(crate) want: Want,
    pub(crate) kind: Kind,
    pub(crate) remaining: u64,
    /// When it is worth asking again.
    pub(crate) resets: Instant,
}

impl Over {
    /// `want` has no room left for its `kind`.
    fn of(want: &Want, kind: Kind, used: &Counts, ends: Instant, now: Instant) -> Self {
        let limit = want.limits[kind as usize].unwrap_or_default();
        Self {
            kind,
            remaining: limit.saturating_sub(used[kind as usize]),
            resets: match kind {
                // Whoever is under way may end at any moment.
                Kind::Parallel => now + Duration::from_secs(1),
                _ => ends,
            },
            want: want.clone(),
        }
    }
}

/// What is said to `caller` of a limit that is reached: which, whose, and when it is worth asking again.
pub(crate) fn exceeded(over: &Over, caller: &Caller, now: Instant) -> Refusal {
    let wait = over.resets.saturating_duration_since(now);
    let milliseconds = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
    let at = Moment::now().plus(milliseconds).to_jiff();
    let at = at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    let limit = over.want.limits[over.kind as usize].unwrap_or_default();
    let shown = |count: u64| match over.kind {
        Kind::Spend => format!("${}", count as f64 / 1e9),
        _ => count.to_string(),
    };
    let message = format!(
        "Rate limit exceeded for {}: {}. Limit type: {}. Current limit: {}, Remaining: {}. Limit resets at: {at}",
        over.want.scope,
        names::limited(&over.want.id, caller),
        over.kind.name(),
        shown(limit),
        shown(over.remaining),
    );
    let left = i64::try_from(over.remaining).unwrap_or(i64::MAX);
    Refusal {
        left: (over.kind == Kind::Spend).then_some(NanoDollars(left)),
        retry_after: Some(wait.as_secs_f64().ceil().max(1.0) as u64),
        headers: vec![
            ("rate_limit_type", over.kind.name().to_owned()),
            ("reset_at", at),
        ],
        ..Refusal::new(StatusCode::TOO_MANY_REQUESTS, "throttling_error", message)
    }
}

/// What is said where the instances cannot count together, and may not count apart.
pub(crate) fn uncounted() -> Refusal {
    Refusal {
        retry_after: Some(1),
        ..Refusal::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "internal_server_error",
            "rate limits cannot be checked: Redis cannot be reached, and fail_closed_rate_limit_enforcement is on",
        )
    }
}
