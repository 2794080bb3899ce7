//! A streamed answer that breaks, and how it goes on: at whom, with which request, and how its parts are joined.
//!
//! Start at [`Onward`], which has everything that another attempt needs. Everything else here is pure.

mod anew;
mod ask;
mod bill;
mod native;
mod reading;
mod said;
mod splice;

use std::{pin::Pin, sync::Arc};

use llm_providers::{CallOptions, Error, Kind, Prefill, Target};
use llm_router::{Ask, Failed, Journey, Lease, Routed, Router, StreamFailover};
use llm_types::{JsonObject, Op};

use crate::{
    dress::Wardrobe,
    network::{Attempted, Network},
};

pub use ask::Way;
pub(crate) use ask::{Rest, obstacle};
pub(crate) use bill::{Bill, estimate};
pub(crate) use reading::Reading;
pub(crate) use said::{Said, Sent};
pub(crate) use splice::Splice;

/// One place where an answer broke and went on.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Continued {
    /// The deployment whose stream broke.
    pub from: String,
    /// The deployment that went on.
    pub to: String,
    /// How.
    pub way: Way,
    /// Why the stream broke.
    pub after: Kind,
}

/// The rest of an answer that is to be had.
#[derive(Debug, Clone)]
pub(crate) struct Carry(Arc<Said>);

/// Another attempt under way.
pub(crate) type Resuming =
    Pin<Box<dyn Future<Output = Result<Routed<Attempted>, Box<Failed>>> + Send>>;

/// What a stream needs to go on elsewhere.
pub(crate) struct Onward {
    pub(crate) router: Arc<Router>,
    pub(crate) ask: Ask,
    pub(crate) network: Network,
    /// Not here while an attempt is under way.
    pub(crate) journey: Option<Box<Journey>>,
    pub(crate) wardrobe: Wardrobe,
    pub(crate) mode: StreamFailover,
    /// An answer that the vendor's filter stops before it begins counts as a failure.
    pub(crate) filtered: bool,
}

impl Onward {
    /// Has another attempt made; `carry`: of an answer that has begun. `None`: one is under way.
    pub(crate) fn resume(
        &mut self,
        lease: Lease,
        error: Error,
        carry: Option<Carry>,
    ) -> Option<Resuming> {
        let journey = self.journey.take()?;
        let (router, ask) = (Arc::clone(&self.router), self.ask.clone());
        let mut network = self.network.clone();
        network.carry = carry;
        Some(Box::pin(async move {
            router.resume(&ask, journey, lease, error, &network).await
        }))
    }
}

impl Carry {
    /// What goes on after `said`.
    pub(crate) fn after(said: &Said) -> Self {
        Self(Arc::new(said.clone()))
    }

    /// The request that asks `target` for the rest.
    pub(crate) fn request(
        &self,
        op: Op,
        body: &JsonObject,
        target: &Target,
        options: &CallOptions,
        prefill: bool,
    ) -> Result<Rest, Error> {
        ask::rest(op, body, target, options, &self.0, prefill)
    }
}

/// Whether a vendor's answer repeats the beginning that it was given.
pub(crate) fn echoes(target: &Target) -> bool {
    target.provider.prefill == Prefill::PrefixKey { echoes: true }
}
