//! Several processes on one PostgreSQL: a reservation is decided by one statement there, and is a row.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use llm_cost::NanoDollars;
use llm_store::{Account, Balance, Charge, Charged, Held, Limit, Moment, Store};
use tokio::sync::{Notify, mpsc, oneshot};
use uuid::Uuid;

use crate::{
    Ask, Error, Gather, Refusal, Spender,
    ask::Bounds,
    returns::{Message, OnItsWay},
    share::{TICK_MILLIS, Terms},
    shares::{Number, Shares},
    together::{Asked, Holder},
};

/// Requests that one statement holds for, at most.
const TOGETHER: usize = 64;

/// How long a share is taken from, at most.
const LIFE: Duration = Duration::from_secs(1);

/// What is held in the database for one request.
#[derive(Debug, Default)]
pub(crate) struct Holding {
    /// How much; nothing if there is no row.
    pub(crate) amount: Option<i64>,
    /// The share that it is of, if the request has no row of its own.
    pub(crate) share: Option<Number>,
    /// When the windows of accounts end that have one.
    pub(crate) windows: Arc<[(Account, Moment)]>,
    /// What the first account with a limit or a window had spent.
    pub(crate) found: Option<NanoDollars>,
}

impl Holding {
    /// The row that ends with the request.
    pub(crate) fn row(&self, id: &str) -> Option<String> {
        let has_row = self.amount.is_some() && self.share.is_none();
        has_row.then(|| id.to_owned())
    }
}

/// Requests that are held for together, by the accounts and their limits.
type Asking = Gather<Arc<[Limit]>, Asked, Result<Holding, Error>>;

/// This process among others.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) owner: String,
    asking: Arc<Asking>,
    shares: Mutex<Shares>,
    /// How long a share is taken from, in milliseconds.
    life: i64,
    /// There may be shares to look after.
    stirred: Notify,
    returns: mpsc::UnboundedSender<Message>,
    /// As many more than one as there are returns of shares that the database does not have.
    on_its_way: OnItsWay,
}

impl Shared {
    /// A process whose lease is so long, and the holds it lets go of.
    pub(crate) fn new(owner: String, lease: Duration) -> (Self, mpsc::UnboundedReceiver<Message>) {
        let (returns, returned) = mpsc::unbounded_channel();
        // A lease that is not renewed has so much left.
        let life = LIFE.min(lease / 3).as_millis();
        let shared = Self {
            owner,
            asking: Arc::new(Gather::new(TOGETHER)),
            shares: Mutex::default(),
            life: i64::try_from(life).unwrap_or(0),
            stirred: Notify::new(),
            returns,
            on_its_way: OnItsWay::default(),
        };
        (shared, returned)
    }

    /// Holds what needs no question: from a share, or nothing at all.
    pub(crate) fn reserve_at_once(&self, ask: &Ask, now: Moment) -> Option<Holding> {
        let Some(bounds) = ask.bounds() else {
            return Some(Holding::default());
        };
        let limits = limits(ask, now);
        if limits.is_empty() {
            return Some(Holding::default());
        }
        self.take(&limits, bounds, now)
    }

    /// Holds the estimate on every account that has a limit or a window, with one round trip that it shares with others of
    /// the same accounts.
    pub(crate) async fn reserve(
        self: &Arc<Self>,
        store: &Store,
        id: &str,
        ask: &Ask,
        deadline: Moment,
    ) -> Result<Holding, Error> {
        let limits = limits(ask, Moment::now());
        let Some(bounds) = ask.bounds().filter(|_| !limits.is_empty()) else {
            return Ok(Holding::default());
        };
        let asked = Asked {
            id: id.to_owned(),
            bounds,
            deadline,
        };
        let limits: Arc<[Limit]> = limits.into();
        let holder = Holder {
            shared: Arc::clone(self),
            store: store.clone(),
            limits: Arc::clone(&limits),
        };
        let ask = move |asked| holder.clone().hold_all(asked);
        let answer = self.asking.ask(limits, asked, ask).await;
        answer.unwrap_or(Err(Error::Closed))
    }

    /// Takes from a share of these accounts, if there is one with as much.
    pub(crate) fn take(&self, limits: &[Limit], bounds: Bounds, now: Moment) -> Option<Holding> {
        self.with(|shares| shares.take(limits, bounds.amount, now))
    }

    /// Requests of these accounts ask the database: says how much to hold for those that come next.
    pub(crate) fn beforehand(&self, limits: &Arc<[Limit]>, asked: &[Asked]) -> Option<i64> {
        let amounts = || asked.iter().map(|one| one.bounds.amount);
        let asked = crate::pace::Asked {
            requests: asked.len(),
            sum: amounts().fold(0, i64::saturating_add),
            largest: amounts().max().unwrap_or(0),
        };
        let amount = self.with(|shares| shares.asks(limits, asked, Instant::now()));
        self.stirred.notify_one();
        amount.filter(|_| self.life > 0)
    }

    /// The database has answered for these accounts.
    pub(crate) fn answered(&self, limits: &[Limit], held: &Held) {
        let granted = held.granted.unwrap_or_default();
        let left = rooms(limits, held).map(|room| room.saturating_sub(granted.0));
        let left = left.collect();
        self.with(|shares| shares.answered(limits, left, Instant::now()));
    }

    /// A share that is asked for now, beside requests with this deadline.
    pub(crate) fn share(&self, amount: i64, deadline: Moment) -> Beforehand {
        Beforehand {
            id: Uuid::now_v7().to_string(),
            amount,
            asked_at: Moment::now(),
            // Of the last request that may take from it.
            deadline: deadline.plus(self.life),
        }
    }

    /// The database holds a share that was asked for.
    pub(crate) fn open(&self, limits: &Arc<[Limit]>, hold: Beforehand, held: &Held) {
        let terms = Terms {
            id: hold.id,
            limits: Arc::clone(limits),
            windows: windows(held),
            found: found(limits, held).map(|found| found.0),
            amount: hold.amount,
            expires: hold.asked_at.plus(self.life),
            deadline: hold.deadline,
        };
        let rooms: Vec<i64> = rooms(limits, held).collect();
        self.with(|shares| shares.open(terms, &rooms));
    }

    /// Gives back what this process holds beforehand on accounts where a request did not fit, if it fits then. Says whether
    /// it is worth to ask again.
    pub(crate) async fn recall(&self, limits: &[Limit], bounds: Bounds, held: &Held) -> bool {
        self.with(|shares| {
            for (limit, room) in limits.iter().zip(rooms(limits, held)) {
                let with_shares = room.saturating_add(shares.held(&limit.account));
                if bounds.granted(room).is_none() && bounds.granted(with_shares).is_some() {
                    shares.recall(&limit.account);
                }
            }
        });
        self.all_is_back().await
    }

    /// Gives back what is held beforehand on an account that somebody changes.
    pub(crate) async fn forget(&self, account: &Account) {
        self.with(|shares| shares.recall(account));
        self.all_is_back().await;
    }

    /// Whether something of a share is given back that the database does not have yet.
    pub(crate) fn is_returning(&self) -> bool {
        Arc::strong_count(&self.on_its_way) > 1
    }

    /// Waits until the database has what was given back of shares; says whether there was anything to wait for.
    async fn all_is_back(&self) -> bool {
        if !self.is_returning() {
            return false;
        }
        let (done, returned) = oneshot::channel();
        self.send(Message::Tell(done));
        // At the end of the process nobody answers.
        returned.await.is_ok()
    }

    /// A request that took from a share cost so much: its charge is written next.
    pub(crate) fn settle(&self, id: &str, holding: &Holding, cost: NanoDollars) {
        if let (Some(share), Some(amount)) = (holding.share, holding.amount) {
            self.with(|shares| shares.settle(share, id, amount, cost.0));
        }
    }

    /// The database has these requests now.
    pub(crate) fn shipped(&self, batch: &[Arc<Charged>]) {
        self.with(|shares| shares.shipped(batch));
    }

    /// Lets go of what is held for a request, soon.
    pub(crate) fn release(&self, id: &str, holding: &Holding) {
        match (holding.share, holding.amount) {
            (Some(share), Some(amount)) => self.with(|shares| shares.release(share, amount)),
            (None, Some(_)) => self.end(id),
            (_, None) => {}
        }
    }

    /// Lets go of a hold, soon.
    pub(crate) fn end(&self, id: &str) {
        self.send(Message::End(id.to_owned()));
    }

    /// Holds nothing beforehand any more.
    pub(crate) fn close(&self) {
        self.with(Shares::close);
    }

    /// Closes shares that nobody takes from, for as long as it is polled. Where there are none, it sleeps.
    pub(crate) async fn look_after_shares(self: Arc<Self>) {
        loop {
            self.stirred.notified().await;
            loop {
                tokio::time::sleep(Duration::from_millis(TICK_MILLIS)).await;
                let (now, instant) = (Moment::now(), Instant::now());
                if !self.with(|shares| shares.tick(now, instant)) {
                    break;
                }
            }
        }
    }

    /// Forgets shares whose requests are later than any may be.
    pub(crate) fn expire(&self) {
        self.with(|shares| shares.expire(Moment::now()));
    }

    fn with<T>(&self, act: impl FnOnce(&mut Shares) -> T) -> T {
        // Nothing panics under this lock; if something did, the counts are still the best there are.
        let mut shares = self.shares.lock().unwrap_or_else(PoisonError::into_inner);
        let answer = act(&mut shares);
        let back = shares.back();
        drop(shares);
        for one in back {
            self.send(Message::Return(one, Arc::clone(&self.on_its_way)));
        }
        answer
    }

    fn send(&self, message: Message) {
        // At the end of the process nobody listens: the lease ends, and with it what is held.
        let _ = self.returns.send(message);
    }
}

/// What was asked for to be held beforehand.
#[derive(Debug)]
pub(crate) struct Beforehand {
    pub(crate) id: String,
    pub(crate) amount: i64,
    pub(crate) asked_at: Moment,
    pub(crate) deadline: Moment,
}

/// What the database has to look at for a request.
fn limits(ask: &Ask, now: Moment) -> Vec<Limit> {
    let limits = ask.spenders.iter();
    limits.filter_map(|spender| spender.limit(now)).collect()
}

/// Whom a request is charged to, in windows that `now` lies in.
pub(crate) fn charges(spenders: &[Spender], holding: &Holding, now: Moment) -> Vec<Charge> {
    let charge = |spender: &Spender| {
        let mut windows = holding.windows.iter();
        let window = windows.find(|(account, _)| *account == *spender.account);
        let until = window.and_then(|(_, end)| {
            if *end > now {
                Some(*end)
            } else {
                spender.until(now)
            }
        });
        Charge {
            account: Account::clone(&spender.account),
            until: until.map(|end| end.0),
        }
    };
    spenders.iter().map(charge).collect()
}

/// When the windows of accounts end that have one.
pub(crate) fn windows(held: &Held) -> Arc<[(Account, Moment)]> {
    let ends = held.accounts.iter();
    ends.filter_map(|(account, balance)| Some((account.clone(), balance.resets_at?)))
        .collect()
}

/// What the first of these accounts had spent.
pub(crate) fn found(limits: &[Limit], held: &Held) -> Option<NanoDollars> {
    let first = limits.first()?;
    balance(first, held).map(|balance| balance.spent)
}

fn balance<'a>(limit: &Limit, held: &'a Held) -> Option<&'a Balance> {
    let mut accounts = held.accounts.iter();
    accounts.find_map(|(account, balance)| (*account == limit.account).then_some(balance))
}

fn room(limit: &Limit, balance: &Balance) -> i64 {
    let free = limit.max.0.saturating_sub(balance.spent.0);
    free.saturating_sub(balance.reserved.0)
}

/// What was left on each of these accounts.
fn rooms(limits: &[Limit], held: &Held) -> impl Iterator<Item = i64> {
    let room = |limit| balance(limit, held).map_or(0, |balance| room(limit, balance));
    limits.iter().map(room)
}

/// Names the first account that has not enough left.
pub(crate) fn refused(limits: &[Limit], bounds: Bounds, held: &Held) -> Error {
    let refusals = limits.iter().filter_map(|limit| {
        let balance = balance(limit, held)?;
        let room = room(limit, balance);
        let refusal = Refusal {
            account: limit.account.clone(),
            spent: balance.spent,
            reserved: balance.reserved,
            max: limit.max,
            wanted: NanoDollars(bounds.amount),
            resets_at: balance.resets_at,
        };
        bounds.granted(room).is_none().then_some(refusal)
    });
    match refusals.into_iter().next() {
        Some(refusal) => Error::Refused(Box::new(refusal)),
        // The database said no, and none of its numbers says why: never serve on a doubt.
        None => Error::Closed,
    }
}
