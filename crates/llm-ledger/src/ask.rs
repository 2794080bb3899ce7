use std::sync::Arc;

use llm_cost::NanoDollars;
use llm_store::{Account, Limit, Moment};

use crate::Window;

/// An account that a request is charged to, and its budget.
#[derive(Debug, Clone)]
pub struct Spender {
    /// The account.
    pub account: Arc<Account>,
    /// The most it may spend in one window; no limit, if absent.
    pub max: Option<NanoDollars>,
    /// The window; forever, if absent.
    pub window: Option<Window>,
}

/// More than anybody has; half of what a column holds, so that nothing overflows beside it.
const UNLIMITED: NanoDollars = NanoDollars(i64::MAX / 2);

impl Spender {
    /// An account without a limit.
    pub fn of(account: impl Into<Arc<Account>>) -> Self {
        Self {
            account: account.into(),
            max: None,
            window: None,
        }
    }

    /// With a limit.
    pub fn at_most(self, max: NanoDollars) -> Self {
        Self {
            max: Some(max),
            ..self
        }
    }

    /// With a window.
    pub fn within(self, window: Window) -> Self {
        Self {
            window: Some(window),
            ..self
        }
    }

    pub(crate) fn until(&self, now: Moment) -> Option<Moment> {
        self.window.as_ref().map(|window| window.end(now))
    }

    /// What the store needs to know; nothing, if there is neither a limit nor a window to keep.
    pub(crate) fn limit(&self, now: Moment) -> Option<Limit> {
        if self.max.is_none() && self.window.is_none() {
            return None;
        }
        Some(Limit {
            account: Account::clone(&self.account),
            max: self.max.unwrap_or(UNLIMITED),
            until: self.until(now),
        })
    }
}

/// What a request will cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Estimate {
    /// Nothing: it is served whatever has been spent.
    Free,
    /// This, or less: it is served if all of it fits.
    AtMost(NanoDollars),
    /// Nobody knows how much at most: this is held, or what is left. It may overrun a budget, once.
    About(NanoDollars),
    /// Nobody knows the price.
    Unpriced,
}

/// A request that wants to spend.
#[derive(Debug, Clone)]
pub struct Ask {
    /// Whom it is charged to. The first that has not enough left is named in the refusal.
    pub spenders: Arc<[Spender]>,
    /// What it will cost.
    pub estimate: Estimate,
}

impl Ask {
    /// A request of these, that costs this much. An account counts once, with its first limit.
    pub fn new(mut spenders: Vec<Spender>, estimate: Estimate) -> Self {
        // They are few.
        let mut known: Vec<Arc<Account>> = Vec::with_capacity(spenders.len());
        spenders.retain(|spender| {
            let is_new = !known.contains(&spender.account);
            known.extend(is_new.then(|| Arc::clone(&spender.account)));
            is_new
        });
        Self {
            spenders: spenders.into(),
            estimate,
        }
    }

    /// How much to hold, and the least that will do; nothing for a free request.
    pub(crate) fn bounds(&self) -> Option<Bounds> {
        let (amount, at_least) = match self.estimate {
            Estimate::Free => return None,
            Estimate::AtMost(NanoDollars(amount)) => (amount.max(0), amount.max(0)),
            Estimate::About(NanoDollars(amount)) => (amount.max(0), 0),
            Estimate::Unpriced => (0, 0),
        };
        Some(Bounds { amount, at_least })
    }
}

/// How much to hold, in nano-dollars.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Bounds {
    pub(crate) amount: i64,
    pub(crate) at_least: i64,
}

impl Bounds {
    /// How much is held where `room` is left; nothing if that will not do.
    pub(crate) fn granted(self, room: i64) -> Option<i64> {
        let granted = self.amount.min(room);
        (granted >= self.at_least && room > 0).then_some(granted)
    }
}
