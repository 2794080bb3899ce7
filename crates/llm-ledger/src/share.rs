//! Money that this process holds beforehand, for requests of the same accounts that come quickly one after the other.

use std::sync::Arc;

use llm_cost::NanoDollars;
use llm_store::{Account, Limit, Moment};

/// How often shares are looked after.
pub(crate) const TICK_MILLIS: u64 = 125;

/// Ticks that an open share lasts, and those that it lasts without anybody who takes from it.
const OLD: u8 = 8;
const IDLE: u8 = 2;

/// A share drained in so many ticks was too small.
const SOON: u8 = 2;

/// A hold in the database that many requests are served from. What they cost is charged beside it when the journal is
/// shipped; the hold itself becomes smaller only afterwards, so that no nano-dollar counts less than once.
#[derive(Debug)]
pub(crate) struct Share {
    pub(crate) terms: Terms,
    row: i64,
    left: i64,
    due: i64,
    settled: i64,
    age: u8,
    idle: u8,
    is_open: bool,
}

/// A share that becomes smaller.
#[derive(Debug)]
pub(crate) struct Return {
    pub(crate) id: String,
    /// What stays held; with nothing, its hold ends.
    pub(crate) keep: i64,
}

/// How a share came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// What was asked for was more than was left, soon.
    DrainedSoon,
    /// The same, or its time was over, while requests came.
    Used,
    /// Nobody asked.
    Idle,
}

/// What a share was made with.
#[derive(Debug)]
pub(crate) struct Terms {
    /// Of the row in the database.
    pub(crate) id: String,
    pub(crate) limits: Arc<[Limit]>,
    pub(crate) windows: Arc<[(Account, Moment)]>,
    /// What the first account had spent when the share was made.
    pub(crate) found: Option<i64>,
    pub(crate) amount: i64,
    /// Nothing is taken from then on: a window ends, or who knows how long this process was stopped.
    pub(crate) expires: Moment,
    /// When the database lets go of it in any case.
    pub(crate) deadline: Moment,
}

impl Share {
    pub(crate) fn new(mut terms: Terms) -> Self {
        let ends = terms.windows.iter().map(|(_, end)| *end);
        terms.expires = ends.fold(terms.expires, Moment::min);
        Self {
            row: terms.amount,
            left: terms.amount,
            due: 0,
            settled: 0,
            age: 0,
            idle: 0,
            is_open: true,
            terms,
        }
    }

    /// What its row holds.
    pub(crate) fn row(&self) -> i64 {
        self.row
    }

    /// What the first account had spent, with what was settled from this share since.
    pub(crate) fn spent(&self) -> Option<NanoDollars> {
        let found = self.terms.found?;
        Some(NanoDollars(found.saturating_add(self.settled)))
    }

    /// Takes so much for a request; else says how the share ends.
    pub(crate) fn take(&mut self, amount: i64, now: Moment) -> Result<(), End> {
        if now >= self.terms.expires {
            return Err(End::Used);
        }
        if amount > self.left {
            return Err(if self.age < SOON {
                End::DrainedSoon
            } else {
                End::Used
            });
        }
        self.left -= amount;
        self.due += amount;
        self.idle = 0;
        Ok(())
    }

    /// A request that took so much reached no provider.
    pub(crate) fn released(&mut self, amount: i64) -> Option<Return> {
        self.due -= amount;
        if self.is_open {
            self.left += amount;
        }
        self.worthwhile()
    }

    /// A request cost so much. What it took is held until the database has that.
    pub(crate) fn settled(&mut self, cost: i64) {
        self.settled = self.settled.saturating_add(cost);
    }

    /// The database has a request that took so much. That is not there to be taken again: what the request cost counts against
    /// the budget now, and nobody looked whether both fit.
    pub(crate) fn shipped(&mut self, amount: i64) -> Option<Return> {
        self.due -= amount;
        self.worthwhile()
    }

    /// A moment has passed; says if the share ends with it.
    pub(crate) fn tick(&mut self, now: Moment) -> Option<End> {
        self.age = self.age.saturating_add(1);
        self.idle = self.idle.saturating_add(1);
        if self.idle >= IDLE {
            return Some(End::Idle);
        }
        (self.age >= OLD || now >= self.terms.expires).then_some(End::Used)
    }

    /// Nobody takes from it any more.
    pub(crate) fn close(&mut self) -> Option<Return> {
        self.is_open = false;
        self.left = 0;
        self.worthwhile()
    }

    /// Returns all that its requests do not need, however little that is.
    pub(crate) fn give_back(&mut self) -> Option<Return> {
        self.is_open = false;
        self.left = 0;
        self.shrink(self.row)
    }

    /// Lets go of it as the database has, or will in a moment.
    pub(crate) fn forget(&mut self) -> Option<Return> {
        self.due = 0;
        self.give_back()
    }

    /// Whether it holds nothing any more.
    pub(crate) fn is_over(&self) -> bool {
        self.row == 0
    }

    /// Returns what a closed share's requests do not need, where that is half of it: it is a statement, and a share of many
    /// long requests would need as many.
    fn worthwhile(&mut self) -> Option<Return> {
        if self.is_open {
            return None;
        }
        self.shrink(self.row / 2 + 1)
    }

    fn shrink(&mut self, below: i64) -> Option<Return> {
        let keep = self.due;
        if keep >= self.row || keep >= below {
            return None;
        }
        self.row = keep;
        Some(Return {
            id: self.terms.id.clone(),
            keep,
        })
    }
}
