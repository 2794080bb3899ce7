//! The life of one request.

mod begun;
mod dressed;
mod own;
mod place;

use std::{sync::Arc, time::Duration};

use llm_providers::{Client, Error, transport::TransportSettings};
use llm_router::{Failed, Finish, Router};
use llm_types::Usage;

use crate::{
    Charge, Failure, Ids, Request, Response, demo,
    local::LocalBatches,
    price::Prices,
    record::Reporter,
    responses::{MemoryStore, ResponseStore},
    sources::Sources,
    surroundings::Process,
};
use begun::Begun;
use place::Where;

pub(crate) use dressed::finish;

/// Makes requests. Holds a router's configuration and a connection pool; cheap to clone, and a new configuration is a
/// new engine over the same client.
#[derive(Debug, Clone)]
pub struct Engine {
    router: Option<Arc<Router>>,
    client: Client,
    prices: Arc<Prices>,
    /// Of calls without a router; with one, its deployments hold their own.
    sources: Arc<Sources>,
    responses: Arc<dyn ResponseStore>,
    ids: Ids,
    /// Files and batches for vendors that have none.
    local: Option<Arc<LocalBatches>>,
}

impl Engine {
    /// An engine that calls whatever model a request names, with keys from the environment: no router.
    pub fn direct() -> Result<Self, Error> {
        Ok(Self {
            router: None,
            client: Self::client(&TransportSettings::from_env(&Process))?,
            prices: Arc::new(Prices::of_process()),
            sources: Arc::default(),
            responses: Arc::new(MemoryStore::default()),
            ids: Ids::default(),
            local: None,
        })
    }

    /// An engine that routes.
    pub fn routed(router: Arc<Router>, client: Client, prices: Arc<Prices>) -> Self {
        Self {
            router: Some(router),
            client,
            prices,
            sources: Arc::default(),
            responses: Arc::new(MemoryStore::default()),
            ids: Ids::default(),
            local: None,
        }
    }

    /// The same engine with ids that nobody else can make.
    pub fn sealing(mut self, ids: Ids) -> Self {
        self.ids = ids;
        self
    }

    /// The same engine with another store of responses.
    pub fn remembering(mut self, responses: Arc<dyn ResponseStore>) -> Self {
        self.responses = responses;
        self
    }

    /// The same engine with files and batches of its own; see [`LocalBatches::attend`].
    pub fn batching(mut self, local: Arc<LocalBatches>) -> Self {
        self.local = Some(local);
        self
    }

    /// The files and batches of its own.
    pub fn local(&self) -> Option<&Arc<LocalBatches>> {
        self.local.as_ref()
    }

    /// The same engine without them: who keeps them may keep this one.
    pub(crate) fn alone(&self) -> Self {
        Self {
            local: None,
            ..self.clone()
        }
    }

    /// The same engine with another router: the same connections, prices and responses.
    pub fn routing(&self, router: Arc<Router>) -> Self {
        Self {
            router: Some(router),
            ..self.clone()
        }
    }

    /// Where responses are kept that no vendor keeps.
    pub fn responses(&self) -> &Arc<dyn ResponseStore> {
        &self.responses
    }

    /// A client for engines: the network, and the demo model beside it.
    pub fn client(settings: &TransportSettings) -> Result<Client, Error> {
        let network = Client::transport(settings)?;
        let client = Client::over(Arc::new(demo::Demo::beside(network)));
        Ok(client.connecting(settings.clone()))
    }

    /// The router, where there is one.
    pub fn router(&self) -> Option<&Arc<Router>> {
        self.router.as_ref()
    }

    /// The prices.
    pub fn prices(&self) -> &Arc<Prices> {
        &self.prices
    }

    /// The client.
    pub fn http(&self) -> &Client {
        &self.client
    }

    /// Answers a request: route, translate, attempt, retry, count, price, report.
    pub async fn call(&self, mut request: Request) -> Result<Response, Box<Failure>> {
        if let Some(local) = &self.local
            && local.takes(&request, self.router.as_deref())
        {
            return Box::pin(own::locally(local, request)).await;
        }
        let mut begun = Begun::of(&request);
        if let Err(error) = self.lend(&mut request).await {
            return Err(begun.fail(alone(error)));
        }
        let placed = match self.place(&mut begun, request).await {
            Ok(Where::Here(response)) => return Ok(*response),
            Ok(Where::There(placed)) => placed,
            Err(error) => return Err(begun.fail(alone(error))),
        };
        if placed.mock.is_some() {
            return Box::pin(self.canned(begun, *placed)).await;
        }
        match placed.router.run(&placed.ask, &placed.network).await {
            Ok(routed) => self.dressed(begun, *placed, routed),
            Err(failed) => Err(begun.fail(*failed)),
        }
    }
}

/// What the router learns of an answer.
pub(crate) fn ended(
    usage: Option<&Usage>,
    charge: &Charge,
    first_event: Option<Duration>,
) -> Finish {
    Finish {
        tokens: usage.map_or(0, |usage| usage.total_tokens),
        completion_tokens: usage.map_or(0, |usage| usage.completion_tokens),
        first_event,
        cost: charge.total().map(|total| total.0.try_into().unwrap_or(0)),
    }
}

/// A failure before anybody was asked.
pub(crate) fn alone(error: Error) -> Failed {
    Failed {
        error,
        fallback_error: None,
        trace: Default::default(),
    }
}

pub(crate) fn fail(
    reporter: &mut Reporter,
    call_id: String,
    requested: String,
    failed: Failed,
) -> Box<Failure> {
    reporter.note(|record| record.trace = failed.trace.clone());
    reporter.fail(&failed.error);
    Box::new(Failure {
        error: failed.error,
        fallback_error: failed.fallback_error,
        call_id,
        requested,
        trace: failed.trace,
    })
}
