//! What to do about a failure: again, elsewhere, or give up.

use std::time::Duration;

use llm_providers::{Error, Kind};

use crate::Dice;

/// The longest `Retry-After` that is waited for, as in LiteLLM.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// Retries by class of error. `None`: the general number.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[expect(
    missing_docs,
    reason = "the fields are LiteLLM's policy, without its suffix `ErrorRetries`"
)]
pub struct RetryPolicy {
    pub bad_request: Option<u32>,
    pub authentication: Option<u32>,
    pub timeout: Option<u32>,
    pub rate_limit: Option<u32>,
    pub content_policy_violation: Option<u32>,
    pub internal_server: Option<u32>,
    pub service_unavailable: Option<u32>,
    pub bad_gateway: Option<u32>,
    pub not_found: Option<u32>,
    pub default: Option<u32>,
}

impl RetryPolicy {
    /// The number for one of LiteLLM's classes of errors: `RateLimitError`, or `Default`.
    pub fn of_class(&mut self, class: &str) -> Option<&mut Option<u32>> {
        Some(match class {
            "BadRequestError" => &mut self.bad_request,
            "AuthenticationError" => &mut self.authentication,
            "TimeoutError" => &mut self.timeout,
            "RateLimitError" => &mut self.rate_limit,
            "ContentPolicyViolationError" => &mut self.content_policy_violation,
            "InternalServerError" => &mut self.internal_server,
            "ServiceUnavailableError" => &mut self.service_unavailable,
            "BadGatewayError" => &mut self.bad_gateway,
            "NotFoundError" => &mut self.not_found,
            "Default" => &mut self.default,
            _ => return None,
        })
    }

    /// The number of retries for a failure of `kind`, if the policy says one.
    pub fn retries(&self, kind: Kind) -> Option<u32> {
        let own = match kind {
            Kind::ContentPolicy => self.content_policy_violation.or(self.bad_request),
            Kind::BadRequest
            | Kind::UnsupportedParams
            | Kind::ContextWindow
            | Kind::Unprocessable => self.bad_request,
            Kind::Auth => self.authentication,
            Kind::Timeout => self.timeout,
            Kind::RateLimit => self.rate_limit,
            Kind::Upstream => self.internal_server,
            Kind::Overloaded => self.service_unavailable,
            Kind::BadGateway => self.bad_gateway,
            Kind::NotFound => self.not_found,
            _ => None,
        };
        own.or(self.default)
    }
}

/// Whether another attempt in the same group can succeed.
pub(crate) fn can_help(kind: Kind, others: bool) -> bool {
    match kind {
        Kind::RateLimit
        | Kind::Timeout
        | Kind::Connection
        | Kind::Overloaded
        | Kind::BadGateway
        | Kind::Upstream
        | Kind::Decode => true,
        // Another deployment may have another key, or a model of that name.
        Kind::Auth | Kind::Denied | Kind::PaymentRequired | Kind::NotFound => others,
        _ => false,
    }
}

/// Whether the same deployment can succeed when it is asked again: otherwise it is left for this request. One that was
/// silent until the time was up would most likely be silent again, at the same price.
pub(crate) fn may_return(error: &Error) -> bool {
    let silent = error.kind == Kind::Timeout && error.status.is_none();
    !silent
        && !matches!(
            error.kind,
            Kind::Auth | Kind::Denied | Kind::PaymentRequired | Kind::NotFound
        )
}

/// How long to wait before retry number `n` (the first is 0).
pub(crate) fn wait(error: &Error, n: u32, least: Duration, dice: &mut Dice) -> Duration {
    let jitter = Duration::from_secs_f64(0.75 * dice.unit());
    match error.retry_after {
        Some(asked) if asked > Duration::ZERO && asked <= LONGEST_WAIT => asked + jitter,
        _ => {
            let grown = Duration::from_millis(500).saturating_mul(2u32.saturating_pow(n.min(10)));
            grown.max(least).min(Duration::from_secs(8)) + jitter
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_obey() {
        let mut dice = Dice::seeded(1);
        let plain = Error::new(Kind::Upstream, "");
        for (n, low) in [(0, 500), (1, 1000), (2, 2000), (9, 8000)] {
            let wait = wait(&plain, n, Duration::ZERO, &mut dice).as_millis();
            assert!((low..low + 751).contains(&wait), "{n}: {wait}");
        }
        let mut asked = Error::new(Kind::RateLimit, "");
        asked.retry_after = Some(Duration::from_secs(7));
        let got = wait(&asked, 0, Duration::ZERO, &mut dice);
        assert!(got >= Duration::from_secs(7) && got < Duration::from_secs(8));
    }

    #[test]
    fn a_policy_answers_by_class() {
        let policy = RetryPolicy {
            rate_limit: Some(4),
            bad_request: Some(0),
            default: Some(1),
            ..RetryPolicy::default()
        };
        assert_eq!(policy.retries(Kind::RateLimit), Some(4));
        assert_eq!(policy.retries(Kind::ContentPolicy), Some(0));
        assert_eq!(policy.retries(Kind::Timeout), Some(1));
    }
}
