//! The shares of this process: who takes from which, and what goes back when. Pure: what is to be told to the database is
//! answered.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use foldhash::HashMap;
use llm_store::{Account, Charged, Limit, Moment};
use uuid::Uuid;

use crate::{
    pace::{Asked, Pace, is_modest},
    share::{End, Return, Share, TICK_MILLIS, Terms},
    shared::Holding,
};

/// Whose requests nobody sends any more is forgotten.
const REST: Duration = Duration::from_millis(2 * TICK_MILLIS);

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    /// By accounts, limits and windows: what changes any of them begins anew.
    keys: HashMap<Arc<[Limit]>, Key>,
    shares: HashMap<Number, Share>,
    last: Number,
    /// Requests that took from a share and whose charge the database does not have.
    unshipped: HashMap<Uuid, Unshipped>,
    /// What the rows of all shares hold, by account.
    held: HashMap<Account, i64>,
    back: Vec<Return>,
    is_closed: bool,
}

/// A share's name in this process.
pub(crate) type Number = u64;

/// Requests of the same accounts and limits.
#[derive(Debug, Default)]
struct Key {
    pace: Pace,
    open: Option<Number>,
}

#[derive(Debug)]
struct Unshipped {
    share: Number,
    amount: i64,
}

impl Shares {
    /// What is to be returned now.
    pub(crate) fn back(&mut self) -> Vec<Return> {
        std::mem::take(&mut self.back)
    }

    /// Takes from the share of these accounts, if there is one with as much.
    pub(crate) fn take(&mut self, limits: &[Limit], amount: i64, now: Moment) -> Option<Holding> {
        let number = self.keys.get(limits)?.open.filter(|_| amount > 0)?;
        let share = self.shares.get_mut(&number)?;
        match share.take(amount, now) {
            Ok(()) => Some(Holding {
                amount: Some(amount),
                windows: Arc::clone(&share.terms.windows),
                found: share.spent(),
                share: Some(number),
            }),
            Err(end) => {
                self.end(number, end);
                None
            }
        }
    }

    /// Requests of these accounts ask the database now. Answers how much to hold beforehand, too.
    pub(crate) fn asks(
        &mut self,
        limits: &Arc<[Limit]>,
        asked: Asked,
        now: Instant,
    ) -> Option<i64> {
        let Self { keys, held, .. } = self;
        let key = keys.entry(Arc::clone(limits)).or_default();
        let held = |at: usize| {
            let limit = limits.get(at);
            let held = limit.and_then(|limit| held.get(&limit.account));
            held.copied().unwrap_or(0)
        };
        let amount = key.pace.asks(asked, now, held);
        amount.filter(|_| key.open.is_none() && !self.is_closed)
    }

    /// The database has answered: so much is left on each of these accounts.
    pub(crate) fn answered(&mut self, limits: &[Limit], rooms: Box<[i64]>, now: Instant) {
        if let Some(key) = self.keys.get_mut(limits) {
            key.pace.answered(rooms, now);
        }
    }

    /// The database holds a share; `rooms` is what was left on its accounts before.
    pub(crate) fn open(&mut self, terms: Terms, rooms: &[i64]) {
        let limits = Arc::clone(&terms.limits);
        let share = Share::new(terms);
        let mut is_right = !self.is_closed;
        for (limit, room) in limits.iter().zip(rooms) {
            let held = self.held.entry(limit.account.clone()).or_default();
            *held = held.saturating_add(share.row());
            // Others may have spent meanwhile what it was a part of.
            is_right &= is_modest(*room, *held);
        }
        self.last += 1;
        self.shares.insert(self.last, share);
        let key = self.keys.entry(limits).or_default();
        let before = key.open.replace(self.last);
        if let Some(before) = before {
            self.change(before, Share::close);
        }
        if !is_right {
            self.end(self.last, End::Idle);
        }
    }

    /// A request that took from a share reached no provider.
    pub(crate) fn release(&mut self, number: Number, amount: i64) {
        self.change(number, |share| share.released(amount));
    }

    /// A request that took from a share cost so much: its charge is written next.
    pub(crate) fn settle(&mut self, number: Number, id: &str, amount: i64, cost: i64) {
        // Every request has such an id.
        let Ok(id) = id.parse() else { return };
        if let Some(share) = self.shares.get_mut(&number) {
            share.settled(cost);
            let unshipped = Unshipped {
                share: number,
                amount,
            };
            self.unshipped.insert(id, unshipped);
        }
    }

    /// The database has these requests now.
    pub(crate) fn shipped(&mut self, batch: &[Arc<Charged>]) {
        // What was only sent is still under way.
        for charged in batch.iter().filter(|charged| !charged.under_way) {
            if self.unshipped.is_empty() {
                return;
            }
            let id: Option<Uuid> = charged.row.id.parse().ok();
            if let Some(one) = id.and_then(|id| self.unshipped.remove(&id)) {
                self.change(one.share, |share| share.shipped(one.amount));
            }
        }
    }

    /// A moment has passed. Says whether there is anything to look after.
    pub(crate) fn tick(&mut self, now: Moment, instant: Instant) -> bool {
        let open: Vec<Number> = self.keys.values().filter_map(|key| key.open).collect();
        for number in open {
            let share = self.shares.get_mut(&number);
            if let Some(end) = share.and_then(|share| share.tick(now)) {
                self.end(number, end);
            }
        }
        self.keys
            .retain(|_, key| key.open.is_some() || !key.pace.is_at_rest(instant, REST));
        !self.keys.is_empty()
    }

    /// Gives back what shares of an account hold beyond what their requests need.
    pub(crate) fn recall(&mut self, account: &Account) {
        if !self.held.contains_key(account) {
            return;
        }
        let is_of = |share: &Share| {
            share
                .terms
                .limits
                .iter()
                .any(|limit| limit.account == *account)
        };
        let shares = self.shares.iter().filter(|(_, share)| is_of(share));
        let numbers: Vec<Number> = shares.map(|(number, _)| *number).collect();
        for number in numbers {
            self.end(number, End::Idle);
            self.change(number, Share::give_back);
        }
    }

    /// What shares hold on an account.
    pub(crate) fn held(&self, account: &Account) -> i64 {
        self.held.get(account).copied().unwrap_or(0)
    }

    /// Nothing is held beforehand any more.
    pub(crate) fn close(&mut self) {
        self.is_closed = true;
        let open: Vec<Number> = self.keys.values().filter_map(|key| key.open).collect();
        for number in open {
            self.end(number, End::Idle);
        }
    }

    /// Forgets what the database has let go of by itself: a row that it never takes would keep its share for ever.
    pub(crate) fn expire(&mut self, now: Moment) {
        let shares = self.shares.iter();
        let late = shares.filter(|(_, share)| share.terms.deadline <= now);
        let late: Vec<Number> = late.map(|(number, _)| *number).collect();
        for number in &late {
            self.end(*number, End::Idle);
            self.change(*number, Share::forget);
        }
        if !late.is_empty() {
            let shares = &self.shares;
            self.unshipped
                .retain(|_, one| shares.contains_key(&one.share));
        }
    }

    /// Nobody takes from this share any more.
    fn end(&mut self, number: Number, end: End) {
        let Some(share) = self.shares.get(&number) else {
            return;
        };
        if let Some(key) = self.keys.get_mut(&share.terms.limits)
            && key.open == Some(number)
        {
            key.open = None;
            key.pace.ended(end);
        }
        self.change(number, Share::close);
    }

    fn change(&mut self, number: Number, act: impl FnOnce(&mut Share) -> Option<Return>) {
        let Some(share) = self.shares.get_mut(&number) else {
            return;
        };
        let before = share.row();
        self.back.extend(act(share));
        let less = before - share.row();
        if less == 0 {
            return;
        }
        for limit in share.terms.limits.iter() {
            if let Some(held) = self.held.get_mut(&limit.account) {
                *held -= less;
                if *held <= 0 {
                    self.held.remove(&limit.account);
                }
            }
        }
        if share.is_over() {
            self.shares.remove(&number);
        }
    }
}

#[cfg(test)]
mod tests;
