//! What a reply that passes costs, and who is told when it is over.

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use llm_cost::{Dollars, Measures, Terms, adjust};
use llm_providers::{Error, Meter, Reply, Shown, Target, classify, transport::ByteStream};
use llm_router::Lease;
use llm_types::{JsonObject, Op, Usage};

use super::{PATIENCE, PassedBody, limited, whole};
use crate::{
    Charge, Failure, Outcome,
    engine::{alone, ended, fail},
    price::Rates,
    record::Reporter,
    settled,
};

/// What a reply costs.
#[derive(Debug)]
pub(super) struct Bill {
    pub(super) rates: Rates,
    pub(super) flat: Option<Dollars>,
}

impl Bill {
    pub(super) fn charge(&self, usage: Option<&Usage>) -> Charge {
        match self.flat {
            Some(_) => self.beforehand(),
            None => self.rates.charge(usage),
        }
    }

    /// What is known before the reply.
    pub(super) fn beforehand(&self) -> Charge {
        Charge {
            cost: None,
            basis: None,
            adjusted: self.flat.map(|flat| adjust(flat, &Terms::default())),
        }
    }
}

/// What is held until the reply's end, and settled then.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) lease: Option<Lease>,
    pub(super) reporter: Reporter,
    pub(super) bill: Bill,
    /// What was consumed with the request itself.
    pub(super) spent: Option<Usage>,
    /// What was asked for, where that is known.
    pub(super) asked: Option<(Op, JsonObject)>,
    /// What is shown that was made before.
    pub(super) shown: Option<Shown>,
}

impl Held {
    /// The reply is whole.
    pub(super) fn end(&mut self, usage: Option<Usage>) -> Charge {
        let usage = usage.or_else(|| self.spent.take());
        let charge = self.bill.charge(usage.as_ref());
        if let Some(lease) = self.lease.take() {
            lease.finish(&ended(usage.as_ref(), &charge, None));
        }
        self.note(usage, &charge);
        drop(self.reporter.report(Outcome::Answered));
        charge
    }

    /// All of what is shown is there: it costs something the first time.
    pub(super) fn show(&mut self, shown: &Shown, meter: Option<Meter>, reply: &Bytes) -> Charge {
        let consumed = meter.map(Meter::shown).unwrap_or_default();
        let rates = &mut self.bill.rates;
        let bill = match shown.op {
            Op::Responses => consumed.into_iter().next().and_then(|(_, usage)| {
                let id = rates.late(reply)?;
                let charge = rates.charge(Some(&usage));
                Some(settled::Bill { id, usage, charge })
            }),
            _ => settled::bill(rates, &shown.id, &consumed),
        };
        let (usage, charge) = match bill {
            Some(bill) => {
                self.reporter.note(|record| record.bill = Some(bill.id));
                (Some(bill.usage), bill.charge)
            }
            None => (None, Charge::default()),
        };
        if let Some(lease) = self.lease.take() {
            lease.finish(&ended(usage.as_ref(), &charge, None));
        }
        self.note(usage, &charge);
        drop(self.reporter.report(Outcome::Answered));
        charge
    }

    /// The reply broke off.
    pub(super) fn break_off(&mut self, usage: Option<Usage>, error: &Error) {
        let usage = usage.or_else(|| self.spent.take());
        let charge = self.bill.charge(usage.as_ref());
        if let Some(lease) = self.lease.take() {
            lease.break_off(error, &ended(usage.as_ref(), &charge, None));
        }
        self.note(usage, &charge);
        self.reporter.fail(error);
    }

    /// The client hung up.
    pub(super) fn hang_up(&mut self, usage: Option<Usage>) {
        let Some(lease) = self.lease.take() else {
            return;
        };
        let usage = usage.or_else(|| self.spent.take());
        let charge = self.bill.charge(usage.as_ref());
        lease.hang_up(&ended(usage.as_ref(), &charge, None));
        self.note(usage, &charge);
    }

    fn note(&mut self, usage: Option<Usage>, charge: &Charge) {
        self.reporter.note(|record| {
            record.usage = usage;
            record.charge = charge.clone();
        });
    }

    pub(super) fn answered(mut self, mut meter: Option<Meter>, bytes: Bytes) -> PassedBody {
        if let Some(meter) = &mut meter {
            meter.push(&bytes);
        }
        if let Some(shown) = self.shown.take() {
            let charge = self.show(&shown, meter, &bytes);
            return PassedBody::Whole(bytes, charge);
        }
        let mut usage = meter.and_then(Meter::finish);
        if let Some((op, request)) = self.asked.take()
            && let Ok(answer) = JsonObject::parse(&bytes)
        {
            let rates = &mut self.bill.rates;
            rates.measures = Measures::of(op, &request, Some(&answer));
            // Pictures and videos have a price of their own, where no tokens are counted.
            if rates.measures.images.is_some() || op == Op::Video {
                usage.get_or_insert_default();
            }
            if let (Op::Video, Some(usage)) = (op, &mut usage) {
                rates.sharpen();
                usage.units.seconds = usage.units.seconds.or(rates.measures.seconds);
            }
        }
        let charge = self.end(usage);
        PassedBody::Whole(bytes, charge)
    }

    /// What the vendor said no with is the client's to read.
    pub(super) async fn refused(
        mut self,
        target: &Target,
        status: StatusCode,
        headers: &HeaderMap,
        body: ByteStream,
    ) -> PassedBody {
        let body = whole(limited(body), PATIENCE).await.unwrap_or_default();
        let reply = Reply {
            status,
            headers: headers.clone(),
            body,
        };
        let error = classify(target.provider.name, &reply);
        if let Some(lease) = self.lease.take() {
            lease.fail(&error);
        }
        self.reporter.report(Outcome::Failed {
            kind: error.kind,
            status: status.as_u16(),
            message: error.message,
        });
        PassedBody::Whole(reply.body, Charge::default())
    }

    pub(super) fn broke(mut self, call_id: String, named: String, error: Error) -> Box<Failure> {
        if let Some(lease) = self.lease.take() {
            lease.fail(&error);
        }
        fail(&mut self.reporter, call_id, named, alone(error))
    }
}
