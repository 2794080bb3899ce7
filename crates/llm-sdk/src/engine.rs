//! The life of one request.

mod own;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::HeaderMap;
use llm_providers::{Client, Error, Outcome as Sent, Payload, transport::TransportSettings};
use llm_router::{Ask, Failed, Finish, Lease, Router};
use llm_types::{Op, Usage, Verb};

use crate::{
    AnswerStream, Body, ByteAnswer, Charge, Failure, Ids, Meta, Outcome, Request, Response,
    ask::Asking,
    continuation::Onward,
    demo, deploy,
    dress::Wardrobe,
    ledger::Ledger,
    local::LocalBatches,
    mock,
    network::{Bridged, Network},
    price::{Prices, Rates},
    record::Reporter,
    resource::{self, Referring},
    responses::{self, MemoryStore, Recalled, ResponseStore, recall},
    restamp::Stamp,
    sources::Sources,
    surroundings::Process,
};

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
    pub async fn call(&self, request: Request) -> Result<Response, Box<Failure>> {
        if let (Some(local), Some(router)) = (&self.local, &self.router)
            && local.takes(&request, router)
        {
            return Box::pin(own::locally(local, request)).await;
        }
        let Request {
            op,
            verb,
            mut id,
            mut query,
            provider,
            files,
            model,
            route_as,
            mut body,
            options,
            mut route,
            prefer,
            own_place,
            call_id,
            restamp,
            observer,
        } = request;
        let started = Instant::now();
        let stream = body.is_true("stream");
        let mut reporter =
            Reporter::new(call_id.clone(), Some(op), model.clone(), stream, observer);
        reporter.note(|record| record.verb = verb);
        // Without a router this is some vendor's parameter.
        let priority = match self.router.is_some().then(|| body.take("priority")) {
            Some(Err(e)) => return Err(fail(&mut reporter, call_id, model, alone(e.into()))),
            Some(Ok(priority)) => priority,
            None => None,
        };
        if self.router.is_none() && !model.is_empty() && !body.contains("model") {
            body.set_str("model", &model);
        }
        if self.router.is_some() && provider.is_some() {
            body.remove("custom_llm_provider");
        }
        let single;
        let router: &Arc<Router> = match &self.router {
            Some(router) => router,
            None => match deploy::direct(
                &body,
                op.names_model() && verb == Verb::Create,
                &mut route,
                &self.sources,
                &Process,
            ) {
                Ok((router, stripped)) => {
                    body = stripped;
                    single = Arc::new(router);
                    &single
                }
                Err(error) => return Err(fail(&mut reporter, call_id, model, alone(error))),
            },
        };
        let asked = route_as.as_ref().unwrap_or(&model);
        let shown = id.clone();
        let referring = Referring {
            op,
            verb,
            model: asked,
            provider: provider.as_deref(),
            id: &mut id,
            query: &mut query,
            body: &mut body,
        };
        let pin = match (self.router.is_some(), referring.is_needed()) {
            (_, false) => Ok(None),
            (true, true) => referring.pin(&self.ids, router),
            // The only one that there is.
            (false, true) => Ok(router.groups().next().map(|(group, _)| group.to_owned())),
        };
        let pin = match pin {
            Ok(pin) => pin,
            Err(error) => return Err(fail(&mut reporter, call_id, model, alone(error))),
        };
        if op == Op::Responses
            && let (Some(id), Some(shown)) = (&id, &shown)
        {
            let asked = responses::kept::Asked {
                verb,
                id,
                shown,
                query: &query,
            };
            let place = pin.as_deref().unwrap_or(&model);
            match self.kept(&asked, router, place, &mut reporter).await {
                Ok(Some(response)) => return Ok(response),
                Ok(None) => {}
                Err(error) => return Err(fail(&mut reporter, call_id, model, alone(error))),
            }
        }
        if op == Op::FineTuning && verb == Verb::Create {
            resource::name_trained(router, pin.as_deref(), &mut body);
        }
        let recalled = match op {
            Op::Responses if verb == Verb::Create => {
                Box::pin(recall(
                    &*self.responses,
                    &self.ids,
                    router,
                    asked,
                    &mut body,
                ))
                .await
            }
            _ => Ok(Recalled::default()),
        };
        let recalled = match recalled {
            Ok(recalled) => Arc::new(recalled),
            Err(error) => return Err(fail(&mut reporter, call_id, model, alone(error))),
        };
        let asking = Asking {
            op,
            model: recalled.pin.as_ref().or(pin.as_ref()).unwrap_or(asked),
            body: &body,
            options: &options,
            route: &route,
        };
        let ask = Ask {
            prefer,
            priority,
            ..asking.of(router)
        };
        let ledger = Ledger::of(router, &ask, &self.prices, &reporter);
        reporter.keep(ledger.as_ref());
        let failover = route
            .stream_failover
            .unwrap_or(router.settings().stream_failover);
        if let Some(mock) = &route.mock {
            let canned = mock::Canned {
                mock,
                op,
                body: &body,
            };
            return match Box::pin(router.run(&ask, &canned)).await {
                Ok(routed) => {
                    let prices = &self.prices;
                    let asked = mock::Asked {
                        op,
                        body: &body,
                        model,
                        call_id,
                        restamp,
                        prices,
                    };
                    let mut response = mock::response(routed, asked, reporter);
                    response.meta.room = router.room(&response.meta.group);
                    Ok(response)
                }
                Err(failed) => Err(fail(&mut reporter, call_id, model, *failed)),
            };
        }
        let network = Network {
            client: self.client.clone(),
            op,
            verb,
            id,
            query,
            body,
            files,
            options: Arc::new(options),
            recalled: Arc::clone(&recalled),
            own_place,
            malformed_events: router.settings().malformed_events,
            carry: None,
            ledger,
        };
        let routed = match router.run(&ask, &network).await {
            Ok(routed) => routed,
            Err(failed) => return Err(fail(&mut reporter, call_id, model, *failed)),
        };
        let took = reporter.elapsed();
        let (attempted, lease) = (routed.value, routed.lease);
        let deployment = Arc::clone(lease.deployment());
        let group = routed.journey.group().to_owned();
        // A stream that breaks goes on with its journey.
        let (trace, journey) = if stream {
            (routed.journey.trace().clone(), Some(routed.journey))
        } else {
            (routed.journey.into_trace(), None)
        };
        let wardrobe = Wardrobe {
            op,
            call_id: call_id.clone(),
            name: restamp.then(|| model.clone()),
            ids: self.router.is_some().then(|| self.ids.clone()),
            responses: Arc::clone(&self.responses),
            recalled,
        };
        let bridged = attempted.bridged.is_some();
        let (stamp, keeper) = wardrobe.of(&network.body, &deployment, bridged, &trace);
        reporter.note(|record| {
            record.deployment = Some(Arc::clone(&deployment));
            record.group = Some(group.clone());
            record.trace = trace.clone();
            record.first_event = stream.then_some(took);
        });
        let rates = Rates {
            prices: Arc::clone(&self.prices),
            deployment: Arc::clone(&deployment),
            model: attempted.model.clone(),
            service_tier: network
                .body
                .str("service_tier")
                .map(|tier| tier.into_owned()),
            started,
        };
        let mut meta = Meta {
            call_id,
            op,
            verb,
            requested: model,
            group,
            deployment,
            model: attempted.model,
            trace,
            notices: attempted.notices,
            headers: HeaderMap::new(),
            room: None,
            took,
            upstream: attempted.took,
        };
        let body = match attempted.sent {
            Sent::Stream(events, headers) => {
                meta.headers = headers;
                let bridge = attempted.bridged.map(|bridged| {
                    let stream = bridged.bridge.stream(&bridged.body);
                    match keeper {
                        Some(keeper) => keeper.over(stream),
                        None => stream,
                    }
                });
                let onward = Onward {
                    router: Arc::clone(router),
                    ask,
                    network,
                    journey,
                    wardrobe,
                    mode: failover,
                    filtered: attempted.filtered,
                };
                Body::Stream(Box::new(AnswerStream::vendor(
                    events, bridge, stamp, rates, lease, reporter, onward,
                )))
            }
            Sent::Bytes(download, headers) => {
                meta.headers = headers;
                Body::Bytes(ByteAnswer::new(download, &rates, lease, reporter))
            }
            Sent::Answer(mut answer, headers) => {
                meta.headers = headers;
                let usage = answer.usage.take();
                match whole(answer, attempted.bridged.as_ref(), &stamp) {
                    Ok((bytes, content_type)) => {
                        if let Some(keeper) = keeper {
                            keeper.keep(&bytes);
                        }
                        finish(bytes, content_type, usage, &rates, lease, reporter)
                    }
                    Err(error) => {
                        let failed = Failed {
                            error,
                            fallback_error: None,
                            trace: meta.trace,
                        };
                        return Err(fail(&mut reporter, meta.call_id, meta.requested, failed));
                    }
                }
            }
        };
        meta.room = router.room(&meta.group);
        Ok(Response { meta, body })
    }
}

/// A whole answer in the client's dialect.
fn whole(
    answer: llm_providers::Answer,
    bridged: Option<&Bridged>,
    stamp: &Stamp,
) -> Result<(Bytes, String), Error> {
    const JSON: &str = "application/json";
    if let Some(Bridged { bridge, body }) = bridged {
        let mut chat = answer.into_chat()?;
        stamp.response(&mut chat);
        return Ok((bridge.response(body, chat)?, JSON.into()));
    }
    match answer.payload {
        Payload::Raw { body, content_type } if content_type.starts_with(JSON) => {
            Ok((stamp.json(body), content_type))
        }
        Payload::Raw { body, content_type } => Ok((body, content_type)),
        Payload::Chat(mut response) => {
            stamp.response(&mut response);
            let bytes = llm_providers::Answer::chat(*response).into_bytes()?;
            Ok((bytes, JSON.into()))
        }
    }
}

/// Prices and reports a whole answer.
pub(crate) fn finish(
    bytes: Bytes,
    content_type: String,
    usage: Option<Usage>,
    rates: &Rates,
    lease: Lease,
    mut reporter: Reporter,
) -> Body {
    let charge = rates.charge(usage.as_ref());
    lease.finish(&ended(usage.as_ref(), &charge, None));
    reporter.note(|record| {
        record.usage = usage;
        record.charge = charge;
    });
    let record = reporter.report(Outcome::Answered);
    let (usage, charge) = record.map_or_else(Default::default, |r| (r.usage, r.charge));
    Body::Whole {
        bytes,
        content_type,
        usage,
        charge,
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
