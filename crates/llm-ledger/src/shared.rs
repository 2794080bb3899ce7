//! Several processes on one PostgreSQL: a reservation is decided by one statement there, and is a row.

use std::{sync::Arc, time::Duration};

use llm_cost::NanoDollars;
use llm_store::{Account, Charge, Held, Limit, Moment, Store};
use tokio::sync::mpsc;

use crate::{
    Ask, Error, Gather, Refusal, Spender,
    ask::Bounds,
    together::{Asked, Holder},
};

/// Requests that one statement holds for, at most.
const TOGETHER: usize = 64;

/// What is held in the database for one request.
#[derive(Debug, Default)]
pub(crate) struct Holding {
    /// How much; nothing if there is no row.
    pub(crate) amount: Option<i64>,
    /// When the windows of accounts end that have one.
    pub(crate) windows: Arc<[(Account, Moment)]>,
    /// What the first account with a limit or a window had spent.
    pub(crate) found: Option<NanoDollars>,
}

/// Requests that are held for together, by the accounts and their limits.
type Asking = Gather<Arc<[Limit]>, Asked, Result<Holding, Error>>;

/// This process among others.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) owner: String,
    asking: Arc<Asking>,
    releases: mpsc::UnboundedSender<String>,
}

impl Shared {
    /// A process, and the holds it lets go of.
    pub(crate) fn new(owner: String) -> (Self, mpsc::UnboundedReceiver<String>) {
        let (releases, released) = mpsc::unbounded_channel();
        (
            Self {
                owner,
                asking: Arc::new(Gather::new(TOGETHER)),
                releases,
            },
            released,
        )
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
        let now = Moment::now();
        let limits: Vec<Limit> = ask
            .spenders
            .iter()
            .filter_map(|spender| spender.limit(now))
            .collect();
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

    /// Lets go of a hold, soon.
    pub(crate) fn release(&self, id: &str) {
        // At the end of the process nobody listens: the lease ends, and with it the hold.
        let _ = self.releases.send(id.to_owned());
    }
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
    let first = &limits.first()?.account;
    let mut accounts = held.accounts.iter();
    accounts.find_map(|(account, balance)| (account == first).then_some(balance.spent))
}

/// Names the first account that has not enough left.
pub(crate) fn refused(limits: &[Limit], bounds: Bounds, held: &Held) -> Error {
    let refusals = limits.iter().filter_map(|limit| {
        let (_, balance) = held
            .accounts
            .iter()
            .find(|(account, _)| *account == limit.account)?;
        let room = limit
            .max
            .0
            .saturating_sub(balance.spent.0)
            .saturating_sub(balance.reserved.0);
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

/// Returns holds in batches, as they are let go.
pub(crate) async fn return_released(store: Store, mut released: mpsc::UnboundedReceiver<String>) {
    let mut ids = Vec::new();
    while released.recv_many(&mut ids, 500).await > 0 {
        let mut pause = Duration::from_millis(50);
        while let Err(error) = store.return_holds(&ids).await {
            tracing::warn!(%error, holds = ids.len(), "holds could not be returned yet");
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(5));
        }
        ids.clear();
    }
}

/// Says that this process lives, and returns what dead ones held.
pub(crate) async fn keep_lease(store: Store, shared: Arc<Shared>, lease: Duration) {
    let mut ticks = tokio::time::interval((lease / 3).max(Duration::from_millis(1)));
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let renewed = renew(&store, &shared, lease).await;
        let returned = match renewed {
            Ok(()) => store.return_abandoned(Moment::now()).await,
            Err(error) => Err(error),
        };
        match returned {
            Ok(0) => {}
            Ok(holds) => tracing::warn!(holds, "returned what stopped processes held"),
            Err(error) => tracing::warn!(%error, "this process's lease could not be renewed"),
        }
    }
}

/// Says that this process lives for another lease.
pub(crate) async fn renew(
    store: &Store,
    shared: &Shared,
    lease: Duration,
) -> Result<(), llm_store::Error> {
    let length = i64::try_from(lease.as_millis()).unwrap_or(i64::MAX);
    let until = Moment::now().plus(length);
    store.renew_lease(&shared.owner, until).await
}
