use std::{
    fmt,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use llm_cost::NanoDollars;
use llm_store::{Account, Balance, Charged, Dialect, Moment, Position, Store, rows::SpendRow};
use tokio::{
    runtime::Handle,
    sync::{mpsc, watch},
    task::JoinHandle,
};
use uuid::Uuid;

use crate::{
    Ask, Error, Estimate, Overflow, Reservation, Settings, Spender, Unpriced,
    journal::{self, Fallback, Journal},
    lease,
    local::Local,
    returns::{self, Message},
    shared::{Holding, Shared},
    shipper::Shipper,
};

/// Who decides whether a request fits.
#[derive(Debug)]
pub(crate) enum Mode {
    /// This process: it is alone with an SQLite file.
    Local(Local),
    /// The database: several processes share it.
    Shared(Arc<Shared>),
}

impl Mode {
    /// The database has these requests now.
    pub(crate) fn shipped(&self, batch: &[Arc<Charged>]) {
        match self {
            Self::Local(local) => local.shipped(batch),
            Self::Shared(shared) => shared.shipped(batch),
        }
    }
}

/// The ledger of one process. Clones are the same ledger.
#[derive(Clone)]
pub struct Ledger {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    store: Store,
    settings: Settings,
    pub(crate) mode: Arc<Mode>,
    pub(crate) journal: Journal,
    shipped: Arc<watch::Sender<Position>>,
    tasks: Mutex<Vec<JoinHandle<()>>>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        let tasks = self.tasks.get_mut().unwrap_or_else(PoisonError::into_inner);
        for task in tasks {
            task.abort();
        }
    }
}

impl fmt::Debug for Ledger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ledger")
            .field("mode", &self.inner.mode)
            .finish_non_exhaustive()
    }
}

/// How the ledger is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    /// Bytes of the journal that the database does not have yet.
    pub backlog: u64,
    /// Whether the journal's last write failed.
    pub journal_fails: bool,
}

impl Ledger {
    /// Opens the ledger: what an earlier process left in the journal is in the database when this returns, and nothing is
    /// held any more for requests that died with it.
    pub async fn open(store: Store, settings: Settings) -> Result<Self, Error> {
        let owner = Uuid::now_v7().to_string();
        let folder = journal::folder(&settings.journal, &owner)?;
        let (mode, released) = match store.dialect() {
            Dialect::Sqlite => (Mode::Local(Local::default()), None),
            Dialect::Postgres => {
                let (shared, released) = Shared::new(owner, settings.lease);
                (Mode::Shared(Arc::new(shared)), Some(released))
            }
        };
        let mode = Arc::new(mode);
        let position = store.position(&folder.name).await?;
        let shipped = Arc::new(watch::Sender::new(position));
        let shipper = Shipper {
            store: store.clone(),
            folder: Arc::clone(&folder),
            mode: Arc::clone(&mode),
            shipped: Arc::clone(&shipped),
        };
        shipper.recover().await?;
        if let (Mode::Shared(_), Some(dead)) = (&*mode, &folder.previous_owner) {
            store.end_lease(dead).await?;
        }
        let fallback = fallback(store.clone(), Arc::clone(&mode), folder.name.clone());
        let position = *shipped.borrow();
        let journal = Journal::start(folder, position, &settings, fallback)?;
        let ships = tokio::spawn(shipper.run(Arc::clone(&journal.state)));
        let inner = Inner {
            store,
            settings,
            mode,
            journal,
            shipped,
            tasks: Mutex::new(vec![ships]),
        };
        inner.start(released).await?;
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// Holds the estimate on every account of the request, or on none. The first account without enough is named.
    pub async fn reserve(&self, ask: Ask) -> Result<Reservation, Error> {
        if self.inner.is_full() {
            Box::pin(self.inner.has_room()).await?;
        }
        if ask.estimate == Estimate::Unpriced && self.inner.settings.unpriced == Unpriced::Block {
            return Err(Error::Unpriced);
        }
        let id = Uuid::now_v7().to_string();
        let length = i64::try_from(self.inner.settings.longest_request.as_millis());
        let now = Moment::now();
        let deadline = now.plus(length.unwrap_or(i64::MAX));
        // What nobody needs to wait for is not worth a future.
        let at_once = match &*self.inner.mode {
            Mode::Local(local) => local
                .reserve_at_once(&id, &ask, deadline)
                .transpose()?
                .map(|held| (held, Holding::default())),
            Mode::Shared(shared) => shared
                .reserve_at_once(&ask, now)
                .map(|holding| (holding.amount.unwrap_or(0), holding)),
        };
        if let Some((held, holding)) = at_once {
            return Ok(Inner::reservation(&self.inner, id, ask, held, holding));
        }
        let reserving = Arc::clone(&self.inner).reserve(id, ask, deadline);
        Box::pin(self.in_time(reserving)).await
    }

    async fn in_time(
        &self,
        reserving: impl Future<Output = Result<Reservation, Error>> + Send + 'static,
    ) -> Result<Reservation, Error> {
        let patience = self.inner.settings.patience;
        match &*self.inner.mode {
            Mode::Local(_) => tokio::time::timeout(patience, reserving)
                .await
                .map_err(|_| Error::TimedOut)?,
            // On its own task: if nobody waits any more when the database holds the money, it is let go.
            Mode::Shared(_) => tokio::time::timeout(patience, tokio::spawn(reserving))
                .await
                .map_err(|_| Error::TimedOut)?
                .map_err(|_| Error::Closed)?,
        }
    }

    /// A reservation that holds nothing and asks nobody: for requests that are served while the database is away. What
    /// they cost is charged.
    pub fn unchecked(&self, ask: Ask) -> Reservation {
        let id = Uuid::now_v7().to_string();
        if let Mode::Local(local) = &*self.inner.mode {
            local.join(&ask.spenders);
        }
        Inner::reservation(&self.inner, id, ask, 0, Holding::default())
    }

    /// Charges what may be told of again, here or by another process: `row` has an id that is made of what it tells, and the
    /// first row of that id stays the only one. A process tells each only once.
    pub async fn charge_once(&self, spenders: &[Spender], row: SpendRow) -> Result<(), Error> {
        // A database that does not answer cannot have been asked: it refuses the row when it is there.
        if matches!(
            self.inner.store.get::<SpendRow>(&[&row.id]).await,
            Ok(Some(_))
        ) {
            return Ok(());
        }
        let ask = Ask::new(spenders.to_vec(), Estimate::Free);
        let mut told = self.unchecked(ask);
        told.id.clone_from(&row.id);
        told.settle(row).await.map(drop)
    }

    /// What an account has spent, and what is held on it.
    pub async fn balance(&self, account: &Account) -> Result<Balance, Error> {
        let store = &self.inner.store;
        match &*self.inner.mode {
            Mode::Local(local) => local.balance(store, account).await,
            Mode::Shared(_) => Ok(store.balance(account).await?),
        }
    }

    /// What an account has spent, where this process decides alone and has it in memory. Nobody is asked.
    pub fn known(&self, account: &Account) -> Option<NanoDollars> {
        match &*self.inner.mode {
            Mode::Local(local) => local.spent(account),
            Mode::Shared(_) => None,
        }
    }

    /// The balances of several accounts, in their order.
    pub async fn balances(&self, accounts: &[Account]) -> Result<Vec<Balance>, Error> {
        let store = &self.inner.store;
        match &*self.inner.mode {
            Mode::Local(local) => local.balances(store, accounts).await,
            Mode::Shared(_) => Ok(store.balances(accounts).await?),
        }
    }

    /// Sets what an account has spent in its present window. Rows and totals stay.
    pub async fn set_spent(&self, account: &Account, spent: NanoDollars) -> Result<(), Error> {
        let store = &self.inner.store;
        match &*self.inner.mode {
            Mode::Local(local) => local.set_spent(store, account, spent).await,
            Mode::Shared(shared) => {
                shared.forget(account).await;
                let present = store.balance(account).await?;
                Ok(store.set_spent(account, spent, present.resets_at).await?)
            }
        }
    }

    /// Lets an account's present window end as its new budget says, rather than as the old one did. What was spent in it
    /// stays.
    pub async fn set_window(&self, spender: &Spender) -> Result<(), Error> {
        let store = &self.inner.store;
        match &*self.inner.mode {
            Mode::Local(local) => local.set_window(store, spender).await,
            Mode::Shared(shared) => {
                shared.forget(&spender.account).await;
                let until = spender.until(Moment::now());
                Ok(store.set_window(&spender.account, until).await?)
            }
        }
    }

    /// Sets what the entities of `accounts` have spent to nothing, in their windows and ever, as they are gone: who is made
    /// under such a name has spent nothing. Rows stay, and so does what is held.
    pub async fn forget(&self, accounts: &[Account]) -> Result<(), Error> {
        let store = &self.inner.store;
        // What was charged to them a moment ago goes with them.
        let patience = self.inner.settings.patience;
        let _ = tokio::time::timeout(patience, self.flush()).await;
        for account in accounts {
            if let Mode::Local(local) = &*self.inner.mode {
                for one in store.accounts_of(account).await? {
                    local.set_spent(store, &one, NanoDollars(0)).await?;
                    local.set_window(store, &Spender::of(one)).await?;
                }
            }
            store.forget_spent(account).await?;
        }
        Ok(())
    }

    /// Everything that is held on all accounts.
    pub async fn all_held(&self) -> Result<NanoDollars, Error> {
        match &*self.inner.mode {
            Mode::Local(local) => Ok(local.all_held()),
            Mode::Shared(_) => Ok(self.inner.store.all_held().await?),
        }
    }

    /// How the ledger is.
    pub fn status(&self) -> Status {
        Status {
            backlog: self.inner.journal.state.backlog(),
            journal_fails: self.inner.journal.state.is_failing(),
        }
    }

    /// Waits until the database has everything that was settled before.
    pub async fn flush(&self) {
        let state = &self.inner.journal.state;
        let end = *state.written.borrow();
        let mut shipped = self.inner.shipped.subscribe();
        state.hurry.notify_one();
        // The sender lives as long as this ledger.
        let _ = shipped.wait_for(|position| *position >= end).await;
    }

    /// Writes and ships what is settled, returns what is held, and ends. Requests under way should have ended before.
    /// What the database does not take in time stays in the journal for the next start.
    pub async fn close(self) {
        let inner = Arc::clone(&self.inner);
        // The writer may be waiting for this runtime.
        let _ = tokio::task::spawn_blocking(move || inner.journal.close()).await;
        let patience = self.inner.settings.patience;
        if tokio::time::timeout(patience, self.say_goodbye())
            .await
            .is_err()
        {
            tracing::warn!("the database is away: the journal keeps what it does not have");
        }
        self.inner.stop().await;
    }
}

impl Ledger {
    async fn say_goodbye(&self) {
        if let Mode::Shared(shared) = &*self.inner.mode {
            shared.close();
        }
        self.flush().await;
        if let Mode::Shared(shared) = &*self.inner.mode
            && let Err(error) = self.inner.store.end_lease(&shared.owner).await
        {
            tracing::warn!(%error, "what this process held is returned when its lease ends");
        }
    }
}

impl Inner {
    async fn reserve(
        self: Arc<Self>,
        id: String,
        ask: Ask,
        deadline: Moment,
    ) -> Result<Reservation, Error> {
        let (held, holding) = match &*self.mode {
            Mode::Local(local) => {
                let held = local.reserve(&self.store, &id, &ask, deadline).await?;
                (held, Holding::default())
            }
            Mode::Shared(shared) => {
                let holding = shared.reserve(&self.store, &id, &ask, deadline).await?;
                (holding.amount.unwrap_or(0), holding)
            }
        };
        Ok(Self::reservation(&self, id, ask, held, holding))
    }

    fn reservation(
        ledger: &Arc<Self>,
        id: String,
        ask: Ask,
        held: i64,
        holding: Holding,
    ) -> Reservation {
        Reservation {
            ledger: Arc::clone(ledger),
            id,
            spenders: ask.spenders,
            held,
            holding,
            note: OnceLock::new(),
            ended: false,
        }
    }

    /// Whether the journal cannot take what a new request will cost.
    fn is_full(&self) -> bool {
        let state = &self.journal.state;
        state.backlog() >= self.settings.journal_bytes || state.is_stuck()
    }

    /// Waits for room in the journal, as the settings say.
    async fn has_room(&self) -> Result<(), Error> {
        let Overflow::Block(longest) = self.settings.overflow else {
            return Err(Error::JournalFull);
        };
        let room = async {
            while self.is_full() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(longest, room)
            .await
            .map_err(|_| Error::JournalFull)
    }

    async fn start(&self, released: Option<mpsc::UnboundedReceiver<Message>>) -> Result<(), Error> {
        let store = self.store.clone();
        let mut tasks = Vec::new();
        if let (Mode::Shared(shared), Some(released)) = (&*self.mode, released) {
            let length = self.settings.lease;
            lease::renew(&store, shared, length).await?;
            let returns = returns::return_released(store.clone(), released);
            let keeper = lease::keep_lease(store, Arc::clone(shared), length);
            let shares = Arc::clone(shared).look_after_shares();
            tasks.extend([
                tokio::spawn(returns),
                tokio::spawn(keeper),
                tokio::spawn(shares),
            ]);
        } else {
            let mode = Arc::clone(&self.mode);
            tasks.push(tokio::spawn(tidy(mode, self.settings.accounts_in_memory)));
        }
        self.tasks().extend(tasks);
        Ok(())
    }

    /// Ends the tasks, and with them their hold on the database.
    async fn stop(&self) {
        let tasks = std::mem::take(&mut *self.tasks());
        for task in tasks {
            task.abort();
            // The only answer there is: it was aborted.
            let _ = task.await;
        }
    }

    fn tasks(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn tidy(mode: Arc<Mode>, accounts: usize) {
    let mut ticks = tokio::time::interval(Duration::from_secs(5));
    loop {
        ticks.tick().await;
        if let Mode::Local(local) = &*mode {
            local.tidy(accounts);
        }
    }
}

/// The database takes records that the disk does not: either makes them last.
fn fallback(store: Store, mode: Arc<Mode>, journal: String) -> Fallback {
    let runtime = Handle::current();
    Box::new(move |batch| {
        let taken = runtime.block_on(store.ship(batch, &journal, None));
        if taken.is_ok() {
            mode.shipped(batch);
        }
        taken.is_ok()
    })
}
