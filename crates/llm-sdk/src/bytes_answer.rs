//! An answer that is bytes, on its way to the client: accounted when it ends, however it ends.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use futures_core::Stream;
use llm_providers::{Download, Error};
use llm_router::Lease;
use llm_types::Usage;

use crate::{Charge, Outcome, engine::ended, price::Rates, record::Reporter, settled};

/// An answer's bytes as they come. Ends with `None` only when all are there. Dropping it hangs up on the vendor.
#[derive(Debug)]
pub struct ByteAnswer {
    download: Box<Download>,
    lease: Option<Lease>,
    reporter: Reporter,
    usage: Option<Usage>,
    charge: Charge,
    /// What prices the lines of an answer that counts them, and the file that they are.
    counted: Option<Box<(Rates, String)>>,
}

impl ByteAnswer {
    pub(crate) fn new(
        download: Box<Download>,
        rates: Rates,
        file: Option<String>,
        lease: Lease,
        mut reporter: Reporter,
    ) -> Self {
        let usage = download.usage().cloned();
        let charge = rates.charge(usage.as_ref());
        // Whoever hangs up has ordered all of it.
        reporter.note(|record| {
            record.usage.clone_from(&usage);
            record.charge = charge.clone();
        });
        Self {
            download,
            lease: Some(lease),
            reporter,
            usage,
            charge,
            counted: file.map(|file| Box::new((rates, file))),
        }
    }

    /// What is kept here: it costs nothing, and nobody learns from it.
    pub(crate) fn kept(download: Box<Download>, reporter: Reporter) -> Self {
        Self {
            download,
            lease: None,
            reporter,
            usage: None,
            charge: Charge::default(),
            counted: None,
        }
    }

    /// All lines have passed: what they say was consumed is known.
    fn settle(&mut self) {
        let Some(counted) = self.counted.take() else {
            return;
        };
        let (rates, file) = *counted;
        if let Some(bill) = settled::bill(&rates, &file, self.download.consumed()) {
            self.usage = Some(bill.usage.clone());
            self.charge = bill.charge.clone();
            self.reporter.note(|record| {
                record.bill = Some(bill.id);
                record.usage = Some(bill.usage);
                record.charge = bill.charge;
            });
        }
    }

    /// Their type.
    pub fn content_type(&self) -> &str {
        self.download.content_type()
    }

    /// How many there are, where the vendor says so.
    pub fn length(&self) -> Option<u64> {
        self.download.length()
    }

    /// What they consume.
    pub fn usage(&self) -> Option<&Usage> {
        self.usage.as_ref()
    }

    /// What that costs.
    pub fn charge(&self) -> &Charge {
        &self.charge
    }
}

impl Stream for ByteAnswer {
    type Item = Result<Bytes, Error>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let this = &mut *self;
        let next = match Pin::new(&mut *this.download).poll_next(cx) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(next) => next,
        };
        if next.is_none() {
            this.settle();
        }
        let finish = || ended(this.usage.as_ref(), &this.charge, None);
        match &next {
            Some(Ok(_)) => {}
            Some(Err(error)) => {
                if let Some(lease) = this.lease.take() {
                    lease.break_off(error, &finish());
                }
                this.reporter.fail(error);
            }
            None => {
                if let Some(lease) = this.lease.take() {
                    lease.finish(&finish());
                }
                drop(this.reporter.report(Outcome::Answered));
            }
        }
        Poll::Ready(next)
    }
}

impl Drop for ByteAnswer {
    fn drop(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.hang_up(&ended(self.usage.as_ref(), &self.charge, None));
        }
    }
}
