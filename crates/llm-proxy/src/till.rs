//! Pays for the answers of a session: what each may cost is held before it is asked for, and what the session has cost so
//! far while none is under way. All of it is charged at the session's end, in one row; until then it is noted what that would
//! be.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use llm_cost::NanoDollars;
use llm_ledger::{Estimate, Reservation};
use llm_sdk::{Allowance, Bound, Denied, Paying};
use llm_store::rows::SpendRow;
use tokio::time::sleep;

use crate::{holding::estimate, tab::Tab};

/// How often it is tried to hold what was spent, and how long it waits in between: a database that others share returns
/// holds a moment later.
const TURNS: u32 = 5;
const PAUSE: Duration = Duration::from_millis(20);

/// The till of one session. Dropped, it returns what it holds.
#[derive(Debug)]
pub(crate) struct Till {
    tab: Arc<Tab>,
    /// The row of the session, as far as it is known.
    noted: SpendRow,
    held: Mutex<Held>,
}

#[derive(Debug, Default)]
struct Held {
    /// For answers that are under way.
    answers: Vec<Reservation>,
    /// For what the session has cost.
    spent: Vec<Reservation>,
}

impl Till {
    pub(crate) fn of(tab: Arc<Tab>, noted: SpendRow) -> Arc<dyn Allowance> {
        Arc::new(Self {
            tab,
            noted,
            held: Mutex::default(),
        })
    }

    async fn take(&self, estimate: Estimate) -> Result<Reservation, Denied> {
        let Some(more) = self.tab.more() else {
            return Err(Denied {
                kind: "invalid_request_error",
                message: "the session is over".to_owned(),
                ends: true,
            });
        };
        let held = more.hold(estimate).await;
        held.map_err(|refusal| Denied {
            kind: refusal.kind,
            // A shorter answer may be paid for.
            ends: refusal.is_about_money() && !matches!(estimate, Estimate::AtMost(_)),
            message: refusal.message,
        })
    }

    fn with<T>(&self, work: impl FnOnce(&mut Held) -> T) -> T {
        work(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Allowance for Till {
    fn hold(&self, bound: Bound) -> Paying<'_, Result<(), Denied>> {
        Box::pin(async move {
            let held = self.take(estimate(bound)).await?;
            self.with(|all| all.answers.push(held));
            Ok(())
        })
    }

    fn spent(&self, total: NanoDollars) -> Paying<'_, ()> {
        Box::pin(async move {
            // Should the process die, this is what the session has cost.
            self.tab.so_far(total, &self.noted);
            let known: i64 = self.with(|all| all.spent.iter().map(|one| one.held().0).sum());
            let mut more = total.0.saturating_sub(known);
            for turn in 0..TURNS {
                if more > 0
                    && let Ok(held) = self.take(Estimate::About(NanoDollars(more))).await
                {
                    more -= held.held().0;
                    self.with(|all| all.spent.push(held));
                }
                // What was held for the answers may be all that there is: it goes before anything else is to be had.
                drop(self.with(|all| std::mem::take(&mut all.answers)));
                if more <= 0 {
                    return;
                }
                if turn > 0 {
                    sleep(PAUSE).await;
                }
            }
        })
    }
}
