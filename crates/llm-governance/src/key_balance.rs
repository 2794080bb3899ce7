//! What a request's key has spent, as far as this process knows without asking anybody.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, HeaderValue};
use llm_cost::NanoDollars;
use llm_ledger::Ledger;
use llm_store::Account;

use crate::Admission;

const SPEND: HeaderName = HeaderName::from_static("x-litellm-key-spend");
const MAX: HeaderName = HeaderName::from_static("x-litellm-key-max-budget");

/// The balance of a request's key.
#[derive(Debug, Clone)]
pub struct KeyBalance {
    ledger: Ledger,
    account: Arc<Account>,
    max: Option<NanoDollars>,
    /// What it was when the request was let in, where a database decides that.
    found: Option<NanoDollars>,
}

impl KeyBalance {
    /// Says it in an answer to a request that has cost so much.
    pub fn describe(&self, cost: NanoDollars, headers: &mut HeaderMap) {
        let found = self.found.map(|found| found.0.saturating_add(cost.0));
        let spent = self.ledger.known(&self.account).or(found.map(NanoDollars));
        for (name, amount) in [(SPEND, spent), (MAX, self.max)] {
            let value = amount.map(|amount| HeaderValue::try_from(amount.to_string()));
            if let Some(Ok(value)) = value {
                headers.insert(name, value);
            }
        }
    }
}

impl Admission {
    /// The balance of its key, if it has one.
    pub fn key_balance(&self) -> Option<KeyBalance> {
        let own = self.caller().key.as_ref()?.terms.spenders.first()?;
        Some(KeyBalance {
            ledger: self.governance().ledger().clone(),
            account: Arc::clone(&own.account),
            max: own.max,
            found: self.found(&own.account),
        })
    }
}
