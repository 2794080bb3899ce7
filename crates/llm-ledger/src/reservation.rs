use std::{fmt, sync::Arc};

use llm_cost::NanoDollars;
use llm_store::{
    Charge, Charged, Moment,
    rows::{Object, SpendRow},
};

use crate::{
    Error, Spender,
    ledger::{Inner, Mode},
    shared::{self, Holding},
};

/// A longer row is written without what clients sent along.
const LONGEST: usize = 1 << 20;

/// Money held for one request. Dropped, it is released.
pub struct Reservation {
    pub(crate) ledger: Arc<Inner>,
    pub(crate) id: String,
    pub(crate) spenders: Vec<Spender>,
    pub(crate) held: i64,
    /// What the database holds, where several processes share it.
    pub(crate) holding: Holding,
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
    written: tokio::sync::oneshot::Receiver<Result<(), Error>>,
    overrun: NanoDollars,
}

impl Pending {
    /// Waits until the row lasts.
    pub async fn written(self) -> Result<Settled, Error> {
        self.written.await.map_err(|_| Error::Closed)??;
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

    /// Whom it is charged to.
    pub fn spenders(&self) -> &[Spender] {
        &self.spenders
    }

    /// Charges what the request cost, in place of what was held. Once this returns, the row lasts; if the caller stops
    /// waiting, it is written all the same. The row's id and accounts are set here.
    pub async fn settle(self, row: SpendRow) -> Result<Settled, Error> {
        self.charge(row)?.written().await
    }

    /// The same without waiting: the charge is made, and its row will be written whether or not anybody waits for that.
    pub fn charge(mut self, mut row: SpendRow) -> Result<Pending, Error> {
        self.ended = true;
        row.id.clone_from(&self.id);
        row.accounts = self.accounts();
        // A cost below nothing would raise every budget it is charged to.
        row.spend = row.spend.max(NanoDollars(0));
        let overrun = NanoDollars(row.spend.0.saturating_sub(self.held).max(0));
        let now = Moment::now();
        let (charges, hold) = match &*self.ledger.mode {
            Mode::Local(local) => {
                let charges = local.end(&self.id, &self.spenders, Some(row.spend), now);
                (charges, None)
            }
            Mode::Shared(_) => (
                shared::charges(&self.spenders, &self.holding, now),
                self.holding.amount.map(|_| self.id.clone()),
            ),
        };
        let charged = Charged {
            row,
            at: now,
            under_way: false,
            hold,
            charges,
        };
        let (record, charged) = record(Box::new(charged))?;
        let written = self.ledger.journal.append(&record, charged);
        Ok(Pending { written, overrun })
    }

    /// Notes that the request goes out now, without waiting. If this process dies before it is settled, `row` is what is
    /// charged for it, with the status `unknown`.
    pub fn sent(&self, row: SpendRow) {
        let charge = |spender: &Spender| Charge {
            account: spender.account.clone(),
            until: None,
        };
        let charged = Charged {
            row: SpendRow {
                id: self.id.clone(),
                accounts: self.accounts(),
                spend: row.spend.max(NanoDollars(0)),
                status: "unknown".to_owned(),
                ..row
            },
            at: Moment::now(),
            under_way: true,
            hold: self.holding.amount.map(|_| self.id.clone()),
            charges: self.spenders.iter().map(charge).collect(),
        };
        if let Ok((record, charged)) = record(Box::new(charged)) {
            // Nobody waits: a record that the disk does not take is no worse than none.
            drop(self.ledger.journal.append(&record, charged));
        }
    }

    /// Returns what was held: the request never reached a provider.
    pub fn release(self) {
        drop(self);
    }

    fn accounts(&self) -> Vec<llm_store::Account> {
        let accounts = self.spenders.iter().map(|spender| spender.account.clone());
        accounts.collect()
    }
}

/// The request as the journal has it. What clients sent along must not cost the row.
fn record(mut charged: Box<Charged>) -> Result<(Vec<u8>, Box<Charged>), Error> {
    let written = |charged: &Charged| serde_json::to_vec(charged).map_err(std::io::Error::other);
    let record = written(&charged)?;
    if record.len() <= LONGEST {
        return Ok((record, charged));
    }
    tracing::warn!(
        id = charged.row.id,
        bytes = record.len(),
        "a row of spending was too long: metadata left out"
    );
    charged.row.metadata = Object::new();
    charged
        .row
        .metadata
        .insert("left_out".into(), record.len().into());
    charged.row.request_tags.clear();
    let record = written(&charged)?;
    if record.len() <= LONGEST {
        return Ok((record, charged));
    }
    charged.row.usage_value = None;
    Ok((written(&charged)?, charged))
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        match &*self.ledger.mode {
            Mode::Local(local) => {
                local.end(&self.id, &self.spenders, None, Moment::now());
            }
            Mode::Shared(shared) if self.holding.amount.is_some() => shared.release(&self.id),
            Mode::Shared(_) => {}
        }
    }
}
