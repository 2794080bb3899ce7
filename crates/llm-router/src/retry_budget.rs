//! What retries may cost: an outage must not be made worse by those who wait for its end.

use std::sync::{Mutex, PoisonError};

use crate::Moment;

/// Failed retries of one group, in proportion to its requests.
///
/// A retry that brings an answer is what retries are for and costs nothing; one that fails too is only load on a vendor
/// that is in trouble. So a deployment that stumbles is retried as often as it helps, while in an outage the extra
/// traffic stays within the budget.
#[derive(Debug, Default)]
pub(crate) struct RetryBudget(Mutex<Spent>);

/// The share of extra attempts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryShare {
    /// Failed retries for each request of the last minute.
    pub ratio: f64,
    /// Failed retries that are granted in any case: with few requests, a share says nothing.
    pub least: u32,
}

impl Default for RetryShare {
    fn default() -> Self {
        Self {
            ratio: 0.1,
            least: 10,
        }
    }
}

/// What was asked and what was retried in vain. Both halve every minute: the share holds over any length of time, and
/// old troubles are forgotten.
#[derive(Debug, Default)]
struct Spent {
    minute: u64,
    requests: f64,
    retries: f64,
}

impl RetryBudget {
    /// A request came.
    pub(crate) fn request(&self, now: Moment) {
        self.with(now, |spent| spent.requests += 1.0);
    }

    /// Takes one retry out of the budget. `false`: there is none left.
    pub(crate) fn take(&self, now: Moment, share: &RetryShare) -> bool {
        self.with(now, |spent| {
            let allowed = (spent.requests * share.ratio).max(f64::from(share.least));
            let granted = spent.retries + 1.0 <= allowed;
            if granted {
                spent.retries += 1.0;
            }
            granted
        })
    }

    /// The retry brought an answer.
    pub(crate) fn give_back(&self, now: Moment) {
        self.with(now, |spent| spent.retries = (spent.retries - 1.0).max(0.0));
    }

    fn with<T>(&self, now: Moment, work: impl FnOnce(&mut Spent) -> T) -> T {
        let mut spent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let minute = now.minute();
        if minute > spent.minute {
            let left = 0.5f64.powi((minute - spent.minute).min(64) as i32);
            spent.requests *= left;
            spent.retries *= left;
            spent.minute = minute;
        }
        work(&mut spent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outage_costs_a_tenth_more() {
        let (budget, share) = (RetryBudget::default(), RetryShare::default());
        let mut retries = 0;
        for n in 0..10_000u64 {
            let now = Moment::from_millis(n);
            budget.request(now);
            while budget.take(now, &share) {
                retries += 1;
            }
        }
        assert_eq!(retries, 1000);
        for n in 0..100_000u64 {
            let now = Moment::from_millis(10_000 + n * 10);
            budget.request(now);
            retries += u32::from(budget.take(now, &share));
        }
        assert!((10_900..=11_000).contains(&retries), "{retries}");
    }

    #[test]
    fn retries_that_help_are_free() {
        let (budget, share) = (RetryBudget::default(), RetryShare::default());
        for n in 0..10_000u64 {
            let now = Moment::from_millis(n * 3);
            budget.request(now);
            assert!(budget.take(now, &share));
            budget.give_back(now);
        }
    }

    #[test]
    fn few_requests_may_always_retry_a_little_and_time_heals() {
        let (budget, share) = (RetryBudget::default(), RetryShare::default());
        let at = |seconds: u64| Moment::from_millis(seconds * 1000);
        let granted = (0..20).filter(|_| budget.take(at(0), &share)).count();
        assert_eq!(granted, 10);
        assert!(!budget.take(at(59), &share));
        let later = (0..20).filter(|_| budget.take(at(60), &share)).count();
        assert_eq!(later, 5);
    }
}
