//! Where a request goes, and with what.

use std::sync::Arc;

use llm_providers::Error;
use llm_router::{Ask, Router, StreamFailover};
use llm_types::{JsonObject, Op, Verb};

use super::begun::Begun;
use crate::{
    Engine, Request, Response, RouteOptions,
    ask::Asking,
    beside, deploy,
    ledger::Ledger,
    network::Network,
    request::{Mock, OwnPlace},
    resource::{self, Referring},
    responses::{self, Recalled, recall},
    surroundings::Process,
};

/// Where a request goes.
pub(super) enum Where {
    /// Nowhere: it is answered.
    Here(Box<Response>),
    /// To a router.
    There(Box<Placed>),
}

/// A request on its way to a router.
pub(super) struct Placed {
    pub(super) router: Arc<Router>,
    pub(super) ask: Ask,
    pub(super) network: Network,
    pub(super) mock: Option<Mock>,
    pub(super) failover: StreamFailover,
}

impl Engine {
    /// Finds out where a request goes. What is kept here is answered at once.
    pub(super) async fn place(
        &self,
        begun: &mut Begun,
        mut request: Request,
    ) -> Result<Where, Error> {
        beside::refuse(&request, self.router.as_deref())?;
        // Without a router this is some vendor's parameter.
        let priority = match self.router.is_some() {
            true => request.body.take("priority")?,
            false => None,
        };
        let router = self.router_of(&mut request)?;
        let asked = request
            .route_as
            .take()
            .unwrap_or_else(|| begun.model.clone());
        let shown = request.id.clone();
        let pin = self.pin(&router, &mut request, &asked)?;
        if let Some(response) = self
            .kept_here(begun, &request, &router, &pin, shown)
            .await?
        {
            return Ok(Where::Here(Box::new(response)));
        }
        if (request.op, request.verb) == (Op::FineTuning, Verb::Create) {
            resource::name_trained(&router, pin.as_deref(), &mut request.body);
        }
        let recalled = match (request.op, request.verb) {
            (Op::Responses, Verb::Create) => {
                let (store, body) = (&*self.responses, &mut request.body);
                let owner = &request.route.whose;
                Box::pin(recall(store, &self.ids, &router, &asked, body, owner)).await?
            }
            _ => Recalled::default(),
        };
        let asking = Asking {
            op: request.op,
            model: recalled.pin.as_ref().or(pin.as_ref()).unwrap_or(&asked),
            body: &request.body,
            options: &request.options,
            route: &request.route,
        };
        let ask = Ask {
            prefer: request.prefer.take(),
            priority,
            blameless: request.own_place == OwnPlace::Literal,
            ..asking.of(&router)
        };
        Ok(Where::There(Box::new(
            self.placed(begun, request, router, ask, recalled),
        )))
    }

    /// The router: the engine's, or one for what the request itself says of its model.
    fn router_of(&self, request: &mut Request) -> Result<Arc<Router>, Error> {
        let Request { body, model, .. } = request;
        if let Some(router) = &self.router {
            if request.provider.is_some() {
                body.remove("custom_llm_provider");
            }
            return Ok(Arc::clone(router));
        }
        if !model.is_empty() && !body.contains("model") {
            body.set_str("model", model);
        }
        let needs_model = request.op.names_model() && request.verb == Verb::Create;
        let (router, stripped) = direct(body, needs_model, &mut request.route, self)?;
        request.body = stripped;
        Ok(Arc::new(router))
    }

    /// The deployment, or the group, that the request must go to; `None`: wherever its model's name leads.
    fn pin(
        &self,
        router: &Router,
        request: &mut Request,
        asked: &str,
    ) -> Result<Option<String>, Error> {
        let referring = Referring {
            op: request.op,
            verb: request.verb,
            model: asked,
            provider: request.provider.as_deref(),
            id: &mut request.id,
            query: &mut request.query,
            body: &mut request.body,
        };
        match (self.router.is_some(), referring.is_needed()) {
            (_, false) => Ok(None),
            (true, true) => referring.pin(&self.ids, router),
            // The only one that there is.
            (false, true) => Ok(router.groups().next().map(|(group, _)| group.to_owned())),
        }
    }

    /// A response that no vendor keeps.
    async fn kept_here(
        &self,
        begun: &mut Begun,
        request: &Request,
        router: &Router,
        pin: &Option<String>,
        shown: Option<String>,
    ) -> Result<Option<Response>, Error> {
        let (Op::Responses, Some(id), Some(shown)) = (request.op, &request.id, &shown) else {
            return Ok(None);
        };
        let asked = responses::kept::Asked {
            verb: request.verb,
            id,
            shown,
            query: &request.query,
            owner: &request.route.whose,
        };
        let place = pin.as_deref().unwrap_or(&request.model);
        Box::pin(self.kept(&asked, router, place, &mut begun.reporter)).await
    }

    fn placed(
        &self,
        begun: &mut Begun,
        request: Request,
        router: Arc<Router>,
        ask: Ask,
        recalled: Recalled,
    ) -> Placed {
        let ledger = Ledger::of(&router, &ask, &self.prices, &begun.reporter);
        begun.reporter.keep(ledger.as_ref());
        let settings = router.settings();
        let failover = request.route.stream_failover;
        Placed {
            failover: failover.unwrap_or(settings.stream_failover),
            mock: request.route.mock,
            network: Network {
                client: self.client.clone(),
                op: request.op,
                verb: request.verb,
                id: request.id,
                query: request.query,
                body: request.body,
                files: request.files,
                options: Arc::new(request.options),
                recalled: Arc::new(recalled),
                own_place: request.own_place,
                malformed_events: settings.malformed_events,
                carry: None,
                ledger,
            },
            ask,
            router,
        }
    }
}

fn direct(
    body: &JsonObject,
    needs_model: bool,
    route: &mut RouteOptions,
    engine: &Engine,
) -> Result<(Router, JsonObject), Error> {
    deploy::direct(body, needs_model, route, &engine.sources, &Process)
}
