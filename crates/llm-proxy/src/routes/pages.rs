//! Everything that is no operation, as one axum router.

use std::sync::Arc;

use axum::{
    Extension, Json, Router,
    extract::{FromRequestParts, State},
    http::{HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, patch, post},
};
use llm_governance::{Access, Caller};
use serde_json::json;

use crate::{
    auth,
    door::{Door, Peer, may_call},
    error::{Dialect, Refusal},
    routes::{details, docs, explain, governed, health, inspect, manage, models, tools},
    state::{Gateway, Live},
};

/// What the handlers share.
pub(crate) type Shared = State<Arc<Gateway>>;

/// Routes with who may call each: there is no other way to add one.
struct Table(Router<Arc<Gateway>>);

impl Table {
    fn put(self, access: Access, path: &str, answers: MethodRouter<Arc<Gateway>>) -> Self {
        Self(self.0.route(path, answers.layer(Extension(access))))
    }

    fn each(self, access: Access, paths: &[&str], answers: &MethodRouter<Arc<Gateway>>) -> Self {
        let mut table = self;
        for path in paths {
            table = table.put(access, path, answers.clone());
        }
        table
    }
}

/// The pages of a gateway.
pub(crate) fn router(gateway: Arc<Gateway>) -> Router {
    let mut table = own(Table(Router::new()));
    for (route, answers) in governed::all() {
        table = table.put(route.access, route.path, answers);
    }
    let Table(router) = table;
    router
        .fallback(async || detail(StatusCode::NOT_FOUND, "Not Found"))
        .method_not_allowed_fallback(async || {
            detail(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
        })
        .with_state(gateway)
}

/// The pages that need what only the gateway knows.
fn own(table: Table) -> Table {
    use Access::{Admin, Info, Managed, Model, Public};
    let alive = get(health::alive).options(health::options);
    let ready = get(health::ready).options(health::options);
    let explain = get(explain::model).post(explain::request);
    let robots = get(async || "User-agent: *\nDisallow: /\n");
    // Claude Code's telemetry: nobody reads it, and an error would be repeated.
    let telemetry = post(async || Json(json!({})));
    table
        .each(Public, &["/health/liveliness", "/health/liveness"], &alive)
        .put(Public, "/health/readiness", ready)
        .each(Public, &["/", "/docs", "/redoc"], &get(docs::page))
        .put(Public, "/openapi.json", get(docs::openapi))
        .put(Public, "/docs/page.js", get(docs::script))
        .put(Public, "/docs/page.css", get(docs::style))
        .put(Public, "/robots.txt", robots)
        .put(Public, "/metrics", get(metrics))
        .put(
            Public,
            "/test",
            get(async || Json(json!({"route": "/test"}))),
        )
        .put(Public, "/api/event_logging/batch", telemetry)
        .each(
            Model,
            &["/models", "/v1/models", "/cursor/models"],
            &get(models::list),
        )
        .each(
            Model,
            &["/models/{*id}", "/v1/models/{*id}"],
            &get(models::one),
        )
        .each(
            Model,
            &["/search/tools", "/v1/search/tools"],
            &get(tools::list),
        )
        .each(Info, &["/model/info", "/v1/model/info"], &get(models::info))
        .put(Info, "/v2/model/info", get(details::page))
        .put(Info, "/model_group/info", get(models::groups))
        .put(
            Info,
            "/utils/supported_openai_params",
            get(inspect::supported_params),
        )
        .put(Info, "/utils/token_counter", post(inspect::count_tokens))
        .put(Info, "/utils/transform_request", post(inspect::transform))
        .put(Managed, "/model/new", post(manage::add))
        .put(Managed, "/model/update", post(manage::change))
        .put(Managed, "/model/{id}/update", patch(manage::patch))
        .put(Managed, "/model/delete", post(manage::remove))
        .put(Admin, "/model/block", post(manage::block))
        .put(Admin, "/model/unblock", post(manage::unblock))
        .put(Admin, "/v1/router/explain", explain)
        .put(Info, "/health", get(health::probe))
        .put(Admin, "/health/readiness/details", get(health::details))
        .put(Admin, "/health/backlog", get(health::backlog))
        .put(Admin, "/health/history", get(health::history))
        .put(Admin, "/health/latest", get(health::latest))
}

/// What holds now, and who asks, for who may; others are refused.
pub(crate) struct Keyed(pub(crate) Arc<Live>, pub(crate) Arc<Caller>);

impl FromRequestParts<Arc<Gateway>> for Keyed {
    type Rejection = Refused;

    async fn from_request_parts(
        parts: &mut Parts,
        gateway: &Arc<Gateway>,
    ) -> Result<Self, Refused> {
        let live = gateway.live();
        let access = parts.extensions.get::<Access>().copied();
        let peer = parts.extensions.get::<Peer>().copied();
        let (Some(access), Some(peer)) = (access, peer) else {
            // A page that nobody said who may see.
            return Err(Refusal::internal().into());
        };
        let door = Door {
            peer,
            method: &parts.method,
            path: parts.uri.path(),
            access,
        };
        let caller = auth::caller(gateway, &live, door, &parts.headers, None).await?;
        may_call(gateway, &caller, door)?;
        Ok(Self(live, caller))
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
    if live.settings.metrics_need_key
        && let Err(refusal) = auth::caller(&gateway, &live, door, &request.headers, None).await
    {
        // A JSON string, as LiteLLM answers scrapers.
        return (refusal.status, Json(refusal.message)).into_response();
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
