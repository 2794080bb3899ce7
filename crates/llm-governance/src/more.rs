//! Money for what a request turns out to want: answers of a session, which nobody knows of when it opens.

use std::sync::Arc;

use llm_ledger::{Ask, Estimate, Reservation, Spender};

use crate::{Admission, Caller, Governance, Refusal, names};

/// Holds money on the accounts that a request was let in for.
#[derive(Debug, Clone)]
pub struct More {
    governance: Governance,
    caller: Arc<Caller>,
    spenders: Vec<Spender>,
}

impl Admission {
    /// Holds more money for this request.
    pub fn more(&self) -> More {
        More {
            governance: self.governance().clone(),
            caller: Arc::clone(self.caller()),
            spenders: self.spenders().to_vec(),
        }
    }
}

impl More {
    /// Holds this much more. Dropped, it is returned.
    pub async fn hold(&self, estimate: Estimate) -> Result<Reservation, Refusal> {
        let ledger = self.governance.ledger();
        let ask = Ask::new(self.spenders.clone(), estimate);
        match ledger.reserve(ask.clone()).await {
            Err(error)
                if error.is_unavailable() && self.governance.settings().serve_without_database =>
            {
                Ok(ledger.unchecked(ask))
            }
            held => held.map_err(|error| names::refused(error, &self.caller)),
        }
    }
}
