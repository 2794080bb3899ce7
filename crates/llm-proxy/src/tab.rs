//! What one request owes: let in once, charged once for each record, and written before its answer ends.

use std::sync::{
    Arc, Mutex, PoisonError,
    atomic::{AtomicBool, AtomicI64, Ordering},
};

use http::HeaderMap;
use llm_cost::NanoDollars;
use llm_governance::{Admission, Governance, KeyBalance, More, Purse, Remains};
use llm_ledger::Pending;
use llm_sdk::{Charge, Outcome, Record};
use llm_store::{Moment, rows::SpendRow};
use tokio::{runtime::Handle, task::JoinHandle};

use crate::{error::Refusal, metrics::Limited};

/// The tab of one request.
#[derive(Debug)]
pub(crate) struct Tab {
    governance: Governance,
    admission: Mutex<Option<Admission>>,
    /// What is left of the caller's limits.
    remains: Remains,
    /// The budget of whom it asks for, for metrics.
    customer: Option<Purse>,
    pending: Mutex<Vec<Debt>>,
    /// Whether anything is pending: asked with each chunk of a stream.
    is_pending: AtomicBool,
    /// A charge could not be written.
    failed: AtomicBool,
    key: Option<KeyBalance>,
    /// What is charged for the request itself, in nano-dollars.
    cost: AtomicI64,
}

/// What is being written.
#[derive(Debug)]
enum Debt {
    Row(Pending),
    /// What may have been charged before, and the request that it was shown to.
    Bill(JoinHandle<Result<(), llm_ledger::Error>>),
}

impl Debt {
    async fn paid(self) -> Result<(), llm_ledger::Error> {
        match self {
            Self::Row(pending) => pending.written().await.map(drop),
            Self::Bill(task) => task.await.unwrap_or(Err(llm_ledger::Error::Closed)),
        }
    }
}

/// The request itself, without what it was shown.
fn unbilled(record: &Record) -> Record {
    Record {
        usage: None,
        charge: Charge::default(),
        ..record.clone()
    }
}

impl Tab {
    pub(crate) fn new(governance: Governance, admission: Admission) -> Arc<Self> {
        Arc::new(Self {
            governance,
            remains: admission.remains().clone(),
            customer: admission.purse_of_customer(),
            key: admission.key_balance(),
            cost: AtomicI64::new(0),
            admission: Mutex::new(Some(admission)),
            pending: Mutex::default(),
            is_pending: AtomicBool::new(false),
            failed: AtomicBool::new(false),
        })
    }

    /// Says what is left of the caller's limits, and what its key has spent.
    pub(crate) fn describe(&self, headers: &mut HeaderMap) {
        self.remains.describe(headers);
        if let Some(key) = &self.key {
            key.describe(NanoDollars(self.cost.load(Ordering::Relaxed)), headers);
        }
    }

    /// The caller's limits, and what is left of them.
    pub(crate) fn limits(&self) -> impl Iterator<Item = Limited<'static>> + '_ {
        let limits = self.remains.limits();
        limits.map(|(scope, kind, limit, left)| Limited {
            scope,
            kind,
            limit,
            left,
        })
    }

    /// The budget of whom the request is for.
    pub(crate) fn customer(&self) -> Option<&Purse> {
        self.customer.as_ref()
    }

    /// Holds more money for the request, as long as it is open.
    pub(crate) fn more(&self) -> Option<More> {
        let admission = self.admission.lock();
        let admission = admission.unwrap_or_else(PoisonError::into_inner);
        admission.as_ref().map(Admission::more)
    }

    /// Charges what a record says. `row` fills in how it went.
    pub(crate) fn charge(&self, record: &Record, row: impl Fn(&Record, SpendRow) -> SpendRow) {
        let mut admission = self
            .admission
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let pending = match (&record.outcome, admission.as_ref()) {
            (_, None) => return,
            // The request itself goes on.
            (Outcome::Outpaced, Some(open)) => {
                let row = row(record, open.row());
                Debt::Row(open.beside(self.governance.ledger(), row))
            }
            (_, Some(_)) => {
                let Some(open) = admission.take() else { return };
                let charged = row(record, open.row());
                self.cost.store(charged.spend.0, Ordering::Relaxed);
                match (record.bill.clone(), Handle::try_current()) {
                    (None, _) => Debt::Row(open.charge(charged)),
                    (Some(id), Ok(runtime)) => {
                        let own = row(&unbilled(record), open.row());
                        let ledger = self.governance.ledger().clone();
                        let bill = SpendRow { id, ..charged };
                        Debt::Bill(
                            runtime
                                .spawn(async move { open.charge_once(&ledger, bill, own).await }),
                        )
                    }
                    // At the end of the process: another one shows it again.
                    (Some(_), Err(_)) => {
                        let own = row(&unbilled(record), open.row());
                        Debt::Row(open.charge(own))
                    }
                }
            }
        };
        drop(admission);
        let mut all = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(pending);
        self.is_pending.store(true, Ordering::Release);
    }

    /// Notes what the request has cost so far, while it goes on.
    pub(crate) fn so_far(&self, total: NanoDollars, noted: &SpendRow) {
        let admission = self.admission.lock();
        let admission = admission.unwrap_or_else(PoisonError::into_inner);
        let Some(open) = admission.as_ref() else {
            return;
        };
        let (whose, noted) = (open.row(), noted.clone());
        let now = Moment::now();
        open.so_far(move || SpendRow {
            call_id: noted.call_id,
            model: noted.model,
            model_group: noted.model_group,
            start_time: noted.start_time,
            end_time: now,
            spend: total,
            ..whose
        });
    }

    /// Whether a charge is being written.
    pub(crate) fn is_pending(&self) -> bool {
        self.is_pending.load(Ordering::Acquire)
    }

    /// Waits until every charge so far lasts. An answer whose charge is lost is no answer.
    pub(crate) async fn written(&self) -> Result<(), Refusal> {
        if self.is_pending.swap(false, Ordering::AcqRel) {
            let pending = {
                let mut all = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
                std::mem::take(&mut *all)
            };
            for one in pending {
                if let Err(error) = one.paid().await {
                    tracing::error!(%error, "a charge could not be written");
                    self.failed.store(true, Ordering::Release);
                }
            }
        }
        match self.failed.load(Ordering::Acquire) {
            false => Ok(()),
            true => Err(Refusal::later(
                "the gateway cannot write down what this request costs: ask again",
            )),
        }
    }
}
