//! What attempts consumed of which the client got nothing.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use llm_providers::Kind;
use llm_router::{Ask, Attempt, Finish, Router};
use llm_types::{JsonObject, Op, Usage};

use crate::{
    Observer, Outcome, Record,
    continuation::{Bill, estimate},
    engine::ended,
    price::{Prices, Rates},
    record::Reporter,
};

/// The accounts of one request beside those of its answer.
#[derive(Debug)]
pub(crate) struct Ledger {
    prices: Arc<Prices>,
    observer: Option<Arc<dyn Observer>>,
    call_id: String,
    requested: String,
    outpaced: AtomicU64,
    /// Of answers that a vendor's filter stopped, and somebody else gave.
    refused: Mutex<Bill>,
}

impl Ledger {
    /// The ledger of a request, if `router` could come to need it.
    pub(crate) fn of(
        router: &Router,
        ask: &Ask,
        prices: &Arc<Prices>,
        reporter: &Reporter,
    ) -> Option<Arc<Self>> {
        let settings = router.settings();
        let may_be_refused =
            ask.content_policy_fallbacks.is_some() || !settings.fallbacks.content_policy.is_empty();
        let record = reporter
            .record()
            .filter(|_| settings.hedge.is_some() || may_be_refused)?;
        Some(Arc::new(Self {
            prices: Arc::clone(prices),
            observer: reporter.observer().map(Arc::clone),
            call_id: record.call_id.clone(),
            requested: record.requested.clone(),
            outpaced: AtomicU64::new(0),
            refused: Mutex::default(),
        }))
    }

    /// A faster attempt beat this one, which had been going on for `held`: a record of its own. Nothing of its answer
    /// came; its vendor has read the prompt, and most charge for that.
    pub(crate) fn outpaced(
        &self,
        op: Op,
        body: &JsonObject,
        attempt: &Attempt<'_>,
        held: Duration,
    ) -> Finish {
        let model = &attempt.target.model;
        let usage = estimate(model, op, body, "", 0, None);
        let charge = self.rates(attempt, body, held).charge(Some(&usage));
        let finish = ended(Some(&usage), &charge, None);
        let number = self.outpaced.fetch_add(1, Ordering::Relaxed) + 1;
        let call_id = format!("{}-outpaced-{number}", self.call_id);
        let (requested, observer) = (self.requested.clone(), self.observer.clone());
        let stream = body.is_true("stream");
        let mut reporter =
            Reporter::new(call_id, Some(op), requested, stream, observer).since(held);
        reporter.note(|record| {
            record.deployment = Some(Arc::clone(attempt.deployment));
            record.group = Some(attempt.group.to_owned());
            record.usage = Some(usage);
            record.charge = charge;
            record.estimated = true;
        });
        reporter.report(Outcome::Outpaced);
        finish
    }

    /// A vendor's filter stopped an answer: it goes on the request's bill.
    pub(crate) fn refused(&self, body: &JsonObject, attempt: &Attempt<'_>, usage: Option<Usage>) {
        let rates = self.rates(attempt, body, Duration::ZERO);
        let charge = rates.charge(usage.as_ref());
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.add(usage, charge);
    }

    /// Adds to a request's record what is not its answer's.
    pub(crate) fn settle(&self, record: &mut Record) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        let mut bill = std::mem::take(&mut *refused);
        bill.add(record.usage.take(), std::mem::take(&mut record.charge));
        (record.usage, record.charge) = bill.total();
    }

    fn rates(&self, attempt: &Attempt<'_>, body: &JsonObject, held: Duration) -> Rates {
        let now = Instant::now();
        Rates {
            prices: Arc::clone(&self.prices),
            deployment: Arc::clone(attempt.deployment),
            model: attempt.target.model.clone(),
            service_tier: body.str("service_tier").map(|tier| tier.into_owned()),
            started: now.checked_sub(held).unwrap_or(now),
        }
    }
}

/// What a stopped answer is to the router.
pub(crate) fn stopped(provider: &'static str) -> llm_providers::Error {
    let message = "the answer was stopped by the vendor's content filter";
    llm_providers::Error::new(Kind::ContentPolicy, message).of(provider)
}
