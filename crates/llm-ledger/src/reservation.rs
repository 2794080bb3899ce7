use std::{
    fmt,
    sync::{Arc, OnceLock},
};

use llm_cost::NanoDollars;
use llm_store::{Account, Charge, Charged, Moment, rows::SpendRow};

use crate::{
    Error, Spender,
    journal::{Note, Ticket},
    ledger::{Inner, Mode},
    shared::{self, Holding},
};

/// Money held for one request. Dropped, it is released.
pub struct Reservation {
    pub(crate) ledger: Arc<Inner>,
    pub(crate) id: String,
    pub(crate) spenders: Arc<[Spender]>,
    pub(crate) held: i64,
    /// What is held in the database, where several processes share it.
    pub(crate) holding: Holding,
    /// That it was sent, as long as this is not written.
    pub(crate) note: OnceLock<Arc<Note>>,
    pub(crate) ended: bool,
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reservation")
            .field("id", &self.id)
            .field("held", &self.held)
            .finish_non_exhaustive()
    }
}

/// A charge whose row is being written.
#[derive(Debug)]
pub struct Pending {
    ticket: Ticket,
    overrun: NanoDollars,
}

impl Pending {
    /// Waits until the row lasts.
    pub async fn written(self) -> Result<Settled, Error> {
        self.ticket.written().await?;
        Ok(Settled {
            overrun: self.overrun,
        })
    }
}

/// How a request was settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// What it cost beyond what was held: a budget may be overrun by that.
    pub overrun: NanoDollars,
}

impl Reservation {
    /// The id of this request's row.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// How much is held.
    pub fn held(&self) -> NanoDollars {
        NanoDollars(self.held)
    }

    /// What an account of it had spent when it was held for, as far as the database said so: of the first that has a limit
    /// or a window. Where this process decides alone, [`Ledger::known`](crate::Ledger::known) knows better.
    pub fn found(&self, account: &Account) -> Option<NanoDollars> {
        let is_bounded = |one: &&Spender| one.max.is_some() || one.window.is_some();
        let first = self.spenders.iter().find(is_bounded)?;
        self.holding.found.filter(|_| *first.account == *account)
    }

    /// Whom it is charged to.
    pub fn spenders(&self) -> &[Spender] {
        &self.spenders
    }

    /// Charges what the request cost, in place of what was held. Once this returns, the row lasts; if the caller stops
    /// waiting, it is written all the same. The row's id is set here, and its accounts are those of the reservation.
    pub async fn settle(self, row: SpendRow) -> Result<Settled, Error> {
        self.charge(row).written().await
    }

    /// The same without waiting: the charge is made, and its row will be written whether or not anybody waits for that.
    pub fn charge(mut self, mut row: SpendRow) -> Pending {
        self.ended = true;
        row.id.clone_from(&self.id);
        // A cost below nothing would raise every budget it is charged to.
        row.spend = row.spend.max(NanoDollars(0));
        let overrun = NanoDollars(row.spend.0.saturating_sub(self.held).max(0));
        let now = Moment::now();
        let (charges, hold) = match &*self.ledger.mode {
            Mode::Local(local) => {
                let charges = local.end(&self.id, &self.spenders, Some(row.spend), now);
                (charges, None)
            }
            Mode::Shared(shared) => {
                shared.settle(&self.id, &self.holding, row.spend);
                let charges = shared::charges(&self.spenders, &self.holding, now);
                (charges, self.holding.row(&self.id))
            }
        };
        let charged = Charged {
            row,
            at: now,
            under_way: false,
            renews: false,
            is_alone: self.note.get().is_none_or(|note| note.withdraw()),
            hold,
            charges,
        };
        let ticket = self.ledger.journal.append(charged);
        Pending { ticket, overrun }
    }

    /// Notes that the request goes out now, without waiting. If this process dies before it is settled, `row` is what is
    /// charged for it, with the status `unknown`. It is made and written once [`Settings::sync_every`](crate::Settings) is
    /// over: most requests that are shorter leave one record.
    pub fn sent(&self, row: impl FnOnce() -> SpendRow + Send + 'static) {
        // It goes out once.
        self.note
            .get_or_init(|| self.ledger.journal.note(Box::new(self.noted(row))));
    }

    /// Notes what the request has cost so far, as it goes on: `row` takes the place of what was noted before.
    pub fn so_far(&self, row: impl FnOnce() -> SpendRow + Send + 'static) {
        self.note.get_or_init(Arc::default).withdraw();
        let noted = Charged {
            renews: true,
            ..Charged::from(self.noted(row))
        };
        drop(self.ledger.journal.append(noted));
    }

    fn noted(&self, row: impl FnOnce() -> SpendRow + Send + 'static) -> Sent {
        Sent {
            id: self.id.clone(),
            row: Box::new(row),
            at: Moment::now(),
            hold: self.holding.row(&self.id),
            spenders: Arc::clone(&self.spenders),
        }
    }

    /// Returns what was held: the request never reached a provider.
    pub fn release(self) {
        drop(self);
    }
}

/// A request that went out.
pub(crate) struct Sent {
    pub(crate) id: String,
    pub(crate) row: Box<dyn FnOnce() -> SpendRow + Send>,
    pub(crate) at: Moment,
    pub(crate) hold: Option<String>,
    pub(crate) spenders: Arc<[Spender]>,
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sent")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl From<Sent> for Charged {
    /// What is charged if nobody ever says how it ended.
    fn from(sent: Sent) -> Self {
        let charge = |spender: &Spender| Charge {
            account: Account::clone(&spender.account),
            until: None,
        };
        let row = (sent.row)();
        Self {
            row: SpendRow {
                id: sent.id,
                spend: row.spend.max(NanoDollars(0)),
                status: "unknown".to_owned(),
                ..row
            },
            at: sent.at,
            under_way: true,
            renews: false,
            is_alone: false,
            hold: sent.hold,
            charges: sent.spenders.iter().map(charge).collect(),
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        if let Some(note) = self.note.get() {
            note.withdraw();
        }
        match &*self.ledger.mode {
            Mode::Local(local) => {
                local.end(&self.id, &self.spenders, None, Moment::now());
            }
            Mode::Shared(shared) => shared.release(&self.id, &self.holding),
        }
    }
}
