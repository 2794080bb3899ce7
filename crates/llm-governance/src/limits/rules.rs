//! How limits are meant, as a configuration says.

use std::{collections::BTreeMap, time::Duration};

/// How limits are meant.
#[derive(Debug, Clone, PartialEq)]
pub struct LimitRules {
    /// How long is counted before it begins anew (`LITELLM_RATE_LIMIT_WINDOW_SIZE`).
    pub window: Duration,
    /// Which tokens count (`token_rate_limit_type`).
    pub tokens: TokenKind,
    /// Whether tokens are counted about before an answer is there (`LITELLM_TPM_TOKEN_RESERVATION_ENABLED`).
    pub reserve_tokens: bool,
    /// The most requests of everybody at the same time (`global_max_parallel_requests`).
    pub at_once: Option<u64>,
    /// The most requests at the same time of keys that say nothing (`max_parallel_requests`).
    pub at_once_of_key: Option<u64>,
    /// Whether nobody is let in while instances cannot count together (`fail_closed_rate_limit_enforcement`).
    pub fail_closed: bool,
    /// What is left of the limits of a key that is over its budget and goes on, from 0 to 1
    /// (`budget_exceeded_throttle_percentage`).
    pub throttle: Option<f64>,
    /// Who comes first where a model is at its limit.
    pub priorities: Option<Priorities>,
}

/// Which tokens count for a limit of tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenKind {
    /// All.
    Total,
    /// Those of prompts.
    Input,
    /// Those of answers.
    Output,
}

/// Who comes first where a model is at its limit (`priority_reservation`).
#[derive(Debug, Clone, PartialEq)]
pub struct Priorities {
    /// What is reserved, by the names that keys and teams have in `priority`.
    pub reserved: BTreeMap<String, Reserved>,
    /// The share of those that have no name, or one that is not here.
    pub default: f64,
    /// How much of a model must be in use before reservations count, from 0 to 1.
    pub threshold: f64,
}

/// What is reserved for a priority.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Reserved {
    /// A share of what the model can take.
    Share(f64),
    /// Requests a minute.
    Rpm(u64),
    /// Tokens a minute.
    Tpm(u64),
}

impl Default for LimitRules {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(60),
            tokens: TokenKind::Total,
            reserve_tokens: true,
            at_once: None,
            at_once_of_key: None,
            fail_closed: false,
            throttle: None,
            priorities: None,
        }
    }
}

impl Default for Priorities {
    fn default() -> Self {
        Self {
            reserved: BTreeMap::new(),
            default: 0.25,
            threshold: 0.5,
        }
    }
}

impl Priorities {
    /// Whether `name` has something of its own.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.reserved.contains_key(name)
    }

    /// What `name` may have of a model that can take `rpm` and `tpm`: requests and tokens. Shares that come to more than
    /// the whole are made smaller together.
    pub(crate) fn of(
        &self,
        name: &str,
        rpm: Option<u64>,
        tpm: Option<u64>,
    ) -> (Option<u64>, Option<u64>) {
        let shares = self.reserved.values().map(|reserved| match reserved {
            Reserved::Share(share) => *share,
            Reserved::Rpm(_) | Reserved::Tpm(_) => 0.0,
        });
        let whole = shares.sum::<f64>().max(1.0);
        let share = match self.reserved.get(name) {
            Some(Reserved::Share(share)) => share / whole,
            Some(Reserved::Rpm(rpm)) => return (Some(*rpm), None),
            Some(Reserved::Tpm(tpm)) => return (None, Some(*tpm)),
            None => self.default,
        };
        let part = |limit: u64| ((limit as f64 * share) as u64).max(1.min(limit));
        (rpm.map(part), tpm.map(part))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_beyond_the_whole_are_made_smaller_and_counts_are_taken_as_they_are() {
        let reserved = [
            ("prod", Reserved::Share(1.5)),
            ("dev", Reserved::Share(0.5)),
            ("batch", Reserved::Rpm(7)),
            ("nightly", Reserved::Tpm(900)),
        ];
        let reserved = reserved.map(|(name, reserved)| (name.to_owned(), reserved));
        let priorities = Priorities {
            reserved: reserved.into(),
            ..Priorities::default()
        };
        let of = |name| priorities.of(name, Some(100), Some(1000));
        assert_eq!(of("prod"), (Some(75), Some(750)));
        assert_eq!(of("dev"), (Some(25), Some(250)));
        assert_eq!(of("batch"), (Some(7), None));
        assert_eq!(of("nightly"), (None, Some(900)));
        assert_eq!(of("nobody"), (Some(25), Some(250)));
        assert_eq!(priorities.of("prod", None, Some(10)), (None, Some(7)));
    }
}
