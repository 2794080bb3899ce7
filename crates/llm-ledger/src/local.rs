//! One process alone with its database: a reservation is decided in memory.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use llm_cost::NanoDollars;
use llm_store::{Account, Balance, Charge, Charged, Moment, Store};

use crate::{Ask, Error, Spender, balances::Balances};

/// The balances of this process.
#[derive(Debug, Default)]
pub(crate) struct Local {
    balances: Mutex<Balances>,
    /// Many requests that need the same accounts read them once.
    reading: tokio::sync::Mutex<()>,
}

/// Keeps accounts in memory while some are read, also if the reader is dropped.
struct Loading<'a>(&'a Local);

impl Drop for Loading<'_> {
    fn drop(&mut self) {
        self.0.lock().loaded();
    }
}

impl Local {
    /// Holds the estimate; answers how much is held.
    pub(crate) async fn reserve(
        &self,
        store: &Store,
        id: &str,
        ask: &Ask,
        deadline: Moment,
    ) -> Result<i64, Error> {
        let _loading = self.load(store, &ask.spenders).await?;
        let held = self.lock().hold(id, ask, Moment::now(), deadline);
        held.map_err(Error::Refused)
    }

    /// The same where nothing has to be read for it; else nothing.
    pub(crate) fn reserve_at_once(
        &self,
        id: &str,
        ask: &Ask,
        deadline: Moment,
    ) -> Option<Result<i64, Error>> {
        let mut balances = self.lock();
        let is_loaded = ask
            .spenders
            .iter()
            .all(|spender| balances.has(&spender.account));
        let held = is_loaded.then(|| balances.hold(id, ask, Moment::now(), deadline));
        held.map(|held| held.map_err(Error::Refused))
    }

    async fn load(&self, store: &Store, spenders: &[Spender]) -> Result<Loading<'_>, Error> {
        let missing = self.lock().missing(spenders);
        let loading = Loading(self);
        if missing.is_empty() {
            return Ok(loading);
        }
        let _reading = self.reading.lock().await;
        for account in missing {
            // Another request may have brought it while this one waited.
            if !self.lock().has(&account) {
                let balance = store.balance(&account).await?;
                self.lock().load(account, balance);
            }
        }
        Ok(loading)
    }

    /// Begins a request that nothing is held for.
    pub(crate) fn join(&self, spenders: &[Spender]) {
        self.lock().join(spenders);
    }

    /// Ends a request; answers whom it is charged to.
    pub(crate) fn end(
        &self,
        id: &str,
        spenders: &[Spender],
        cost: Option<NanoDollars>,
        now: Moment,
    ) -> Vec<Charge> {
        self.lock().end(id, spenders, cost, now)
    }

    /// The database has these requests now.
    pub(crate) fn shipped(&self, batch: &[Arc<Charged>]) {
        self.lock().shipped(batch);
    }

    /// Returns what is held too long, and forgets accounts at rest beyond `most`.
    pub(crate) fn tidy(&self, most: usize) {
        let mut balances = self.lock();
        let expired = balances.expire(Moment::now());
        balances.shrink(most);
        drop(balances);
        if expired > 0 {
            tracing::warn!(expired, "reservations were held beyond the longest request");
        }
    }

    /// Sets what an account has spent, in memory and in the database.
    pub(crate) async fn set_spent(
        &self,
        store: &Store,
        account: &Account,
        spent: NanoDollars,
    ) -> Result<(), Error> {
        let _loading = self.load(store, &[Spender::of(account.clone())]).await?;
        // As a difference: charges that the database does not have yet come on top, before it or after.
        let difference = self.lock().set_spent(account, spent);
        match store.adjust_spent(account, difference).await {
            Ok(()) => Ok(()),
            Err(error) => {
                self.lock().adjust(account, -difference.0);
                Err(error.into())
            }
        }
    }

    /// Sets when an account's window ends, in memory and in the database.
    pub(crate) async fn set_window(&self, store: &Store, spender: &Spender) -> Result<(), Error> {
        let _loading = self.load(store, std::slice::from_ref(spender)).await?;
        let until = spender.until(Moment::now());
        store.set_window(&spender.account, until).await?;
        self.lock().set_window(&spender.account, until);
        Ok(())
    }

    /// An account's counts. What was ever spent is known to the database alone.
    pub(crate) async fn balance(&self, store: &Store, account: &Account) -> Result<Balance, Error> {
        let stored = store.balance(account).await?;
        let here = self.lock().get(account);
        Ok(here.map_or(stored, |here| Balance {
            total: stored.total,
            ..here
        }))
    }

    pub(crate) async fn balances(
        &self,
        store: &Store,
        accounts: &[Account],
    ) -> Result<Vec<Balance>, Error> {
        let mut all = store.balances(accounts).await?;
        let balances = self.lock();
        for (account, stored) in accounts.iter().zip(&mut all) {
            if let Some(here) = balances.get(account) {
                *stored = Balance {
                    total: stored.total,
                    ..here
                };
            }
        }
        Ok(all)
    }

    /// What an account in memory has spent.
    pub(crate) fn spent(&self, account: &Account) -> Option<NanoDollars> {
        self.lock().get(account).map(|balance| balance.spent)
    }

    pub(crate) fn all_held(&self) -> NanoDollars {
        self.lock().all_held()
    }

    fn lock(&self) -> MutexGuard<'_, Balances> {
        // Nothing panics under this lock; if something did, the counts are still the best there are.
        self.balances.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
