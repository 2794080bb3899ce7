//! How much may be asked for at once: requests and tokens a minute, and requests at the same time.

mod meter;
mod wants;

use std::{sync::Arc, time::Instant};

use http::StatusCode;
use llm_store::Moment;

use crate::Refusal;
pub(crate) use meter::{Left, Limiter, Over, Permit};
pub(crate) use wants::{Asked, wants};

/// One limit that a request falls under.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Want {
    /// Whose: `api_key`, `team`, `model_per_key`, …
    pub(crate) scope: &'static str,
    /// Which one.
    pub(crate) id: String,
    /// Requests in one window.
    pub(crate) rpm: Option<u64>,
    /// Tokens in one window.
    pub(crate) tpm: Option<u64>,
    /// Requests at the same time.
    pub(crate) parallel: Option<u64>,
}

/// What is limited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Requests,
    Tokens,
    Parallel,
}

impl Kind {
    /// Its name in messages and headers.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::Parallel => "max_parallel_requests",
        }
    }
}

/// What is said of a limit that is reached: which, whose, and when it is worth asking again.
pub(crate) fn exceeded(over: &Over, now: Instant) -> Refusal {
    let wait = over.resets.saturating_duration_since(now);
    let milliseconds = i64::try_from(wait.as_millis()).unwrap_or(i64::MAX);
    let at = Moment::now().plus(milliseconds).to_jiff();
    let at = at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    let message = format!(
        "Rate limit exceeded for {}: {}. Limit type: {}. Current limit: {}, Remaining: {}. Limit resets at: {at}",
        over.scope,
        over.id,
        over.kind.name(),
        over.limit,
        over.remaining,
    );
    Refusal {
        retry_after: Some(wait.as_secs_f64().ceil().max(1.0) as u64),
        headers: vec![
            ("rate_limit_type", over.kind.name().to_owned()),
            ("reset_at", at),
        ],
        ..Refusal::new(StatusCode::TOO_MANY_REQUESTS, "throttling_error", message)
    }
}

/// The limiter of a process.
pub(crate) fn limiter() -> Arc<Limiter> {
    Arc::default()
}
