//! Everything that is no operation, as one axum router.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{FromRequestParts, Request, State},
    handler::Handler,
    http::{HeaderValue, StatusCode, header, request::Parts},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, on},
};
use llm_governance::{Access, Caller, routes::Verb};
use serde_json::json;

use crate::{
    auth,
    door::{Door, Peer, may_call},
    error::{Dialect, Refusal},
    routes::{
        details, docs, estimates, explain,
        governed::{self, filter},
        health, inspect, manage, models, tools,
    },
    state::{Gateway, Live},
};

/// What the handlers share.
pub(crate) type Shared = State<Arc<Gateway>>;

/// A page: where it is, and who may see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// The method, by its name.
    pub method: Verb,
    /// The path: `{name}` is one part of it, `{*name}` the rest.
    pub path: &'static str,
    /// Who may call it.
    pub access: Access,
}

/// Routes with who may call each: there is no other way to add one, and nobody else gets to it.
struct Table {
    router: Router<Arc<Gateway>>,
    pages: Vec<Page>,
    gateway: Option<Arc<Gateway>>,
}

impl Table {
    fn put<H, T>(self, access: Access, page: (Verb, &'static str), answer: H) -> Self
    where
        H: Handler<T, Arc<Gateway>>,
        T: 'static,
    {
        let answers = on(filter(page.0), answer);
        let answers = match self.gateway.clone() {
            Some(gateway) => {
                answers.route_layer(middleware::from_fn_with_state((gateway, access), guard))
            }
            None => answers,
        };
        self.add(access, page, answers)
    }

    /// The same at several paths.
    fn each<H, T>(self, access: Access, verb: Verb, paths: &[&'static str], answer: H) -> Self
    where
        H: Handler<T, Arc<Gateway>>,
        T: 'static,
    {
        let put =
            |table: Self, path: &&'static str| table.put(access, (verb, path), answer.clone());
        paths.iter().fold(self, put)
    }

    /// A page that asks itself who may see it.
    fn add(
        mut self,
        access: Access,
        (method, path): (Verb, &'static str),
        answers: MethodRouter<Arc<Gateway>>,
    ) -> Self {
        self.pages.push(Page {
            method,
            path,
            access,
        });
        self.router = self.router.route(path, answers);
        self
    }
}

/// The pages of a gateway.
pub(crate) fn router(gateway: Arc<Gateway>) -> Router {
    let mut table = own(Some(Arc::clone(&gateway)));
    for (route, answers) in governed::all() {
        // Governance asks who may.
        table = table.add(route.access, (route.method, route.path), answers);
    }
    table
        .router
        .fallback(async || detail(StatusCode::NOT_FOUND, "Not Found"))
        .method_not_allowed_fallback(async || {
            detail(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
        })
        .with_state(gateway)
}

/// The pages that are the gateway's own.
pub(crate) fn all() -> Vec<Page> {
    own(None).pages
}

/// The pages that need what only the gateway knows.
fn own(gateway: Option<Arc<Gateway>>) -> Table {
    use Access::{Admin, Info, Managed, Model, Public};
    use Verb::{Get, Patch, Post};
    let robots = async || "User-agent: *\nDisallow: /\n";
    // Claude Code's telemetry: nobody reads it, and an error would be repeated.
    let telemetry = async || Json(json!({}));
    let here = async || Json(json!({"route": "/test"}));
    let options = |answers: MethodRouter<Arc<Gateway>>| answers.options(health::options);
    let table = Table {
        router: Router::new(),
        pages: Vec::new(),
        gateway,
    };
    table
        .add(
            Public,
            (Get, "/health/liveliness"),
            options(get(health::alive)),
        )
        .add(
            Public,
            (Get, "/health/liveness"),
            options(get(health::alive)),
        )
        .add(
            Public,
            (Get, "/health/readiness"),
            options(get(health::ready)),
        )
        .each(Public, Get, &["/", "/docs", "/redoc"], docs::page)
        .put(Public, (Get, "/openapi.json"), docs::openapi)
        .put(Public, (Get, "/docs/page.js"), docs::script)
        .put(Public, (Get, "/docs/page.css"), docs::style)
        .put(Public, (Get, "/robots.txt"), robots)
        .put(Public, (Get, "/test"), here)
        .put(Public, (Post, "/api/event_logging/batch"), telemetry)
        .add(Info, (Get, "/metrics"), get(metrics))
        .each(
            Model,
            Get,
            &["/models", "/v1/models", "/cursor/models"],
            models::list,
        )
        .each(
            Model,
            Get,
            &["/models/{*id}", "/v1/models/{*id}"],
            models::one,
        )
        .each(
            Model,
            Get,
            &["/search/tools", "/v1/search/tools"],
            tools::list,
        )
        .each(Info, Get, &["/model/info", "/v1/model/info"], models::info)
        .put(Info, (Get, "/v2/model/info"), details::page)
        .put(Info, (Get, "/model_group/info"), models::groups)
        .put(
            Info,
            (Get, "/utils/supported_openai_params"),
            inspect::supported_params,
        )
        .put(Info, (Post, "/utils/token_counter"), inspect::count_tokens)
        .put(Info, (Post, "/utils/transform_request"), inspect::transform)
        .put(Info, (Post, "/spend/calculate"), estimates::calculate)
        .put(Info, (Post, "/cost/estimate"), estimates::estimate)
        .put(Managed, (Post, "/model/new"), manage::add)
        .put(Managed, (Post, "/model/update"), manage::change)
        .put(Managed, (Patch, "/model/{id}/update"), manage::patch)
        .put(Managed, (Post, "/model/delete"), manage::remove)
        .put(Admin, (Post, "/model/block"), manage::block)
        .put(Admin, (Post, "/model/unblock"), manage::unblock)
        .put(Admin, (Get, "/v1/router/explain"), explain::model)
        .put(Admin, (Post, "/v1/router/explain"), explain::request)
        .put(Info, (Get, "/health"), health::probe)
        .put(Admin, (Get, "/health/readiness/details"), health::details)
        .put(Admin, (Get, "/health/backlog"), health::backlog)
        .put(Admin, (Get, "/health/history"), health::history)
        .put(Admin, (Get, "/health/latest"), health::latest)
}

/// Lets a request through to its page, with who asks, or refuses it.
async fn guard(
    State((gateway, access)): State<(Arc<Gateway>, Access)>,
    mut request: Request,
    next: Next,
) -> Result<Response, Refused> {
    if access != Access::Public {
        let live = gateway.live();
        let Some(peer) = request.extensions().get::<Peer>().copied() else {
            return Err(Refusal::internal().into());
        };
        let door = Door {
            peer,
            method: request.method(),
            path: request.uri().path(),
            access,
        };
        let caller = auth::caller(&gateway, &live, door, request.headers(), None).await?;
        may_call(&gateway, &caller, door)?;
        request.extensions_mut().insert(Keyed(live, caller));
    }
    Ok(next.run(request).await)
}

/// What holds now, and who asks: of pages that are not for everybody.
#[derive(Clone)]
pub(crate) struct Keyed(pub(crate) Arc<Live>, pub(crate) Arc<Caller>);

impl FromRequestParts<Arc<Gateway>> for Keyed {
    type Rejection = Refused;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<Gateway>) -> Result<Self, Refused> {
        // A public page knows nobody.
        let known = parts.extensions.remove::<Self>();
        known.ok_or_else(|| Refusal::internal().into())
    }
}

/// A refusal of a page.
pub(crate) struct Refused(pub(crate) Refusal);

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

impl From<llm_providers::Error> for Refused {
    fn from(error: llm_providers::Error) -> Self {
        Self(Refusal::broken(&error))
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let body = self.0.body(Dialect::OpenAi, None);
        json_reply(self.0.status, body)
    }
}

/// FastAPI's shape of errors.
pub(crate) fn detail(status: StatusCode, detail: &str) -> Response {
    (status, Json(json!({ "detail": detail }))).into_response()
}

pub(crate) fn json_reply(status: StatusCode, body: impl Into<axum::body::Body>) -> Response {
    let mut reply = Response::new(body.into());
    *reply.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    reply.headers_mut().insert(header::CONTENT_TYPE, json);
    reply
}

/// Metrics for whoever reaches them.
pub(crate) fn metrics_alone(gateway: Arc<Gateway>) -> Router {
    Router::new()
        .route(
            "/metrics",
            get(async |State(gateway): Shared| exposed(&gateway).await),
        )
        .with_state(gateway)
}

async fn metrics(State(gateway): Shared, request: Parts) -> Response {
    let live = gateway.live();
    let door = Door {
        peer: match request.extensions.get::<Peer>() {
            Some(peer) => *peer,
            None => return Refused(Refusal::internal()).into_response(),
        },
        method: &request.method,
        path: request.uri.path(),
        access: Access::Info,
    };
    if live.settings.metrics_need_key {
        let caller = auth::caller(&gateway, &live, door, &request.headers, None).await;
        if let Err(refusal) = caller.and_then(|caller| may_call(&gateway, &caller, door)) {
            // A JSON string, as LiteLLM answers scrapers.
            return (refusal.status, Json(refusal.message)).into_response();
        }
    }
    exposed(&gateway).await
}

async fn exposed(gateway: &Gateway) -> Response {
    let hub = &gateway.hub;
    let metrics = &hub.metrics;
    let live = gateway.live();
    metrics.refresh(&live.router, gateway.governance()).await;
    // This request itself is under way, and no model's.
    let text = metrics.text(gateway.under_way().saturating_sub(1), hub.lines.dropped());
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}
