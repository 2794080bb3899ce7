//! Balances of a process that is alone with its database: memory decides, and the journal makes it last.
//!
//! Pure: the time is a parameter, and nothing here waits.

use std::sync::Arc;

use foldhash::HashMap;
use llm_cost::NanoDollars;
use llm_store::{Account, Balance, Charge, Charged, Moment};

use crate::{Ask, Refusal, Spender, ask::Bounds};

/// Accounts in memory and what is held on them.
#[derive(Debug, Default)]
pub(crate) struct Balances {
    entries: HashMap<Arc<Account>, Entry>,
    holds: HashMap<String, Hold>,
    /// Accounts that are being read from the database: meanwhile, none is let go.
    loading: usize,
}

#[derive(Debug, Default)]
struct Entry {
    spent: i64,
    reserved: i64,
    resets_at: Option<Moment>,
    /// Requests under way that will come back to it.
    live: usize,
    /// Charges that the database does not have yet.
    unshipped: usize,
    /// Whether `spent` is all of it; before, it is what the database does not have.
    loaded: bool,
}

#[derive(Debug)]
struct Hold {
    amount: i64,
    spenders: Arc<[Spender]>,
    deadline: Moment,
}

impl Entry {
    /// Begins a new window if the present one is over.
    fn roll(&mut self, until: Option<Moment>, now: Moment) {
        match self.resets_at {
            Some(end) if end <= now => {
                self.spent = 0;
                self.resets_at = until;
            }
            None => self.resets_at = until,
            Some(_) => {}
        }
    }

    fn room(&self, max: NanoDollars) -> i64 {
        max.0
            .saturating_sub(self.spent)
            .saturating_sub(self.reserved)
    }
}

impl Balances {
    /// The accounts of a request that are not in memory. Until [`Balances::loaded`], none is let go.
    pub(crate) fn missing(&mut self, spenders: &[Spender]) -> Vec<Arc<Account>> {
        self.loading += 1;
        let accounts = spenders.iter().map(|spender| &spender.account);
        accounts
            .filter(|account| !self.has(account))
            .cloned()
            .collect()
    }

    /// Whether an account is in memory as it is in the database.
    pub(crate) fn has(&self, account: &Account) -> bool {
        self.entries.get(account).is_some_and(|entry| entry.loaded)
    }

    /// Takes an account from the database, unless it came meanwhile.
    pub(crate) fn load(&mut self, account: Arc<Account>, balance: Balance) {
        let entry = self.entries.entry(account).or_default();
        if !entry.loaded {
            entry.loaded = true;
            entry.spent = entry.spent.saturating_add(balance.spent.0);
            entry.resets_at = balance.resets_at;
        }
    }

    /// Begins a request that nothing is held for, and nobody asked about.
    pub(crate) fn join(&mut self, spenders: &[Spender]) {
        for spender in spenders {
            let entry = self.entries.entry(spender.account.clone()).or_default();
            entry.live += 1;
        }
    }

    /// Ends what [`Balances::missing`] began.
    pub(crate) fn loaded(&mut self) {
        self.loading = self.loading.saturating_sub(1);
    }

    /// Holds the estimate on every account, or on none. The accounts are in memory.
    pub(crate) fn hold(
        &mut self,
        id: &str,
        ask: &Ask,
        now: Moment,
        deadline: Moment,
    ) -> Result<i64, Box<Refusal>> {
        let bounds = ask.bounds();
        let granted = match bounds {
            Some(bounds) => self.room(ask, bounds, now)?,
            None => 0,
        };
        for spender in &*ask.spenders {
            let entry = self.entries.entry(spender.account.clone()).or_default();
            entry.live += 1;
            entry.reserved = entry.reserved.saturating_add(granted);
        }
        if granted > 0 {
            let hold = Hold {
                amount: granted,
                spenders: Arc::clone(&ask.spenders),
                deadline,
            };
            self.holds.insert(id.to_owned(), hold);
        }
        Ok(granted)
    }

    fn room(&mut self, ask: &Ask, bounds: Bounds, now: Moment) -> Result<i64, Box<Refusal>> {
        let mut granted = bounds.amount;
        for spender in &*ask.spenders {
            let entry = self.entries.entry(spender.account.clone()).or_default();
            entry.roll(spender.until(now), now);
            let Some(max) = spender.max else { continue };
            match bounds.granted(entry.room(max)) {
                Some(here) => granted = granted.min(here),
                None => {
                    return Err(Box::new(Refusal {
                        account: Account::clone(&spender.account),
                        spent: NanoDollars(entry.spent),
                        reserved: NanoDollars(entry.reserved),
                        max,
                        wanted: NanoDollars(bounds.amount),
                        resets_at: entry.resets_at,
                    }));
                }
            }
        }
        Ok(granted)
    }

    /// Ends a request: what was held is returned, and what it cost is charged. `None` is a request that cost nothing
    /// because it never went out.
    pub(crate) fn end(
        &mut self,
        id: &str,
        spenders: &[Spender],
        cost: Option<NanoDollars>,
        now: Moment,
    ) -> Vec<Charge> {
        self.return_hold(id);
        let mut charges = Vec::with_capacity(spenders.len());
        for spender in spenders {
            let entry = self.entries.entry(spender.account.clone()).or_default();
            entry.live = entry.live.saturating_sub(1);
            let Some(cost) = cost else { continue };
            if entry.loaded {
                entry.roll(spender.until(now), now);
            }
            entry.spent = entry.spent.saturating_add(cost.0);
            entry.unshipped += 1;
            charges.push(Charge {
                account: Account::clone(&spender.account),
                until: entry.resets_at.map(|end| end.0),
            });
        }
        charges
    }

    fn return_hold(&mut self, id: &str) {
        let Some(hold) = self.holds.remove(id) else {
            return;
        };
        for spender in &*hold.spenders {
            if let Some(entry) = self.entries.get_mut(&spender.account) {
                entry.reserved -= hold.amount;
            }
        }
    }

    /// Returns what is held beyond its deadline; says how many.
    pub(crate) fn expire(&mut self, now: Moment) -> usize {
        let expired = self.holds.iter().filter(|(_, hold)| hold.deadline <= now);
        let expired: Vec<String> = expired.map(|(id, _)| id.clone()).collect();
        for id in &expired {
            self.return_hold(id);
        }
        expired.len()
    }

    /// The database has these requests now.
    pub(crate) fn shipped(&mut self, batch: &[Arc<Charged>]) {
        for charged in batch.iter().filter(|charged| !charged.under_way) {
            for charge in &charged.charges {
                let Some(entry) = self.entries.get_mut(&charge.account) else {
                    continue;
                };
                entry.unshipped = entry.unshipped.saturating_sub(1);
                // An account that is being read may have been read before: rather counted twice than not at all.
                if !entry.loaded && self.loading == 0 {
                    entry.spent = entry.spent.saturating_sub(charged.row.spend.0);
                }
            }
        }
    }

    /// Lets accounts at rest go if there are more than `most`: the database knows them.
    pub(crate) fn shrink(&mut self, most: usize) {
        if self.entries.len() > most && self.loading == 0 {
            self.entries
                .retain(|_, entry| entry.live > 0 || entry.unshipped > 0);
        }
    }

    /// Sets what an account in memory has spent in its window; answers the difference to what it was.
    pub(crate) fn set_spent(&mut self, account: &Account, spent: NanoDollars) -> NanoDollars {
        let entry = self.entries.entry(Arc::new(account.clone())).or_default();
        let difference = spent.0.saturating_sub(entry.spent);
        entry.spent = spent.0;
        NanoDollars(difference)
    }

    /// Sets when the window of an account in memory ends.
    pub(crate) fn set_window(&mut self, account: &Account, until: Option<Moment>) {
        if let Some(entry) = self.entries.get_mut(account) {
            entry.resets_at = until;
        }
    }

    /// Adds to what an account in memory has spent.
    pub(crate) fn adjust(&mut self, account: &Account, difference: i64) {
        if let Some(entry) = self.entries.get_mut(account) {
            entry.spent = entry.spent.saturating_add(difference);
        }
    }

    /// What is known of an account.
    pub(crate) fn get(&self, account: &Account) -> Option<Balance> {
        let entry = self.entries.get(account).filter(|entry| entry.loaded)?;
        Some(Balance {
            spent: NanoDollars(entry.spent),
            reserved: NanoDollars(entry.reserved),
            total: NanoDollars(0),
            resets_at: entry.resets_at,
        })
    }

    /// Everything that is held on all accounts.
    pub(crate) fn all_held(&self) -> NanoDollars {
        NanoDollars(self.entries.values().map(|entry| entry.reserved).sum())
    }
}

#[cfg(test)]
mod tests;
