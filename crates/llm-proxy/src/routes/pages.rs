//! Everything that is no operation, as one axum router.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{FromRequestParts, State},
    http::{HeaderMap, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
    routing::{get, patch, post},
};
use serde_json::json;

use crate::{
    auth,
    error::{Dialect, Refusal},
    routes::{details, docs, explain, health, inspect, manage, models, tools},
    state::{Gateway, Live},
};

/// What the handlers share.
pub(crate) type Shared = State<Arc<Gateway>>;

/// The pages of a gateway.
pub(crate) fn router(gateway: Arc<Gateway>) -> Router {
    let mut router = Router::new();
    for path in ["/health/liveliness", "/health/liveness"] {
        router = router.route(path, get(health::alive).options(health::options));
    }
    for path in ["/models", "/v1/models", "/cursor/models"] {
        router = router.route(path, get(models::list));
    }
    for path in ["/models/{*id}", "/v1/models/{*id}"] {
        router = router.route(path, get(models::one));
    }
    for path in ["/model/info", "/v1/model/info"] {
        router = router.route(path, get(models::info));
    }
    for path in ["/", "/docs", "/redoc"] {
        router = router.route(path, get(docs::page));
    }
    router
        .route("/search/tools", get(tools::list))
        .route("/v1/search/tools", get(tools::list))
        .route("/v2/model/info", get(details::page))
        .route("/model_group/info", get(models::groups))
        .route("/model/new", post(manage::add))
        .route("/model/update", post(manage::change))
        .route("/model/{id}/update", patch(manage::patch))
        .route("/model/delete", post(manage::remove))
        .route(
            "/v1/router/explain",
            get(explain::model).post(explain::request),
        )
        .route("/health", get(health::probe))
        .route(
            "/health/readiness",
            get(health::ready).options(health::options),
        )
        .route("/health/readiness/details", get(health::details))
        .route("/health/backlog", get(health::backlog))
        .route("/health/history", get(health::history))
        .route("/health/latest", get(health::latest))
        .route("/test", get(async || Json(json!({"route": "/test"}))))
        .route("/metrics", get(metrics))
        .route("/openapi.json", get(docs::openapi))
        .route("/docs/page.js", get(docs::script))
        .route("/docs/page.css", get(docs::style))
        .route("/robots.txt", get(async || "User-agent: *\nDisallow: /\n"))
        .route(
            "/utils/supported_openai_params",
            get(inspect::supported_params),
        )
        .route("/utils/token_counter", post(inspect::count_tokens))
        .route("/utils/transform_request", post(inspect::transform))
        // Claude Code's telemetry: nobody reads it, and an error would be repeated.
        .route("/api/event_logging/batch", post(async || Json(json!({}))))
        .fallback(async || detail(StatusCode::NOT_FOUND, "Not Found"))
        .method_not_allowed_fallback(async || {
            detail(StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
        })
        .with_state(gateway)
}

/// What holds now, for who has a key; others are refused.
pub(crate) struct Keyed(pub(crate) Arc<Live>);

impl FromRequestParts<Arc<Gateway>> for Keyed {
    type Rejection = Refused;

    async fn from_request_parts(
        parts: &mut Parts,
        gateway: &Arc<Gateway>,
    ) -> Result<Self, Refused> {
        let live = gateway.live();
        auth::caller(&live.settings, &parts.headers, None)?;
        Ok(Self(live))
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
            get(async |State(gateway): Shared| exposed(&gateway)),
        )
        .with_state(gateway)
}

async fn metrics(State(gateway): Shared, headers: HeaderMap) -> Response {
    let live = gateway.live();
    if live.settings.metrics_need_key
        && let Err(refusal) = auth::caller(&live.settings, &headers, None)
    {
        // A JSON string, as LiteLLM answers scrapers.
        return (refusal.status, Json(refusal.message)).into_response();
    }
    exposed(&gateway)
}

fn exposed(gateway: &Gateway) -> Response {
    let hub = &gateway.hub;
    // This request itself is under way, and no model's.
    let text = hub
        .metrics
        .text(gateway.under_way().saturating_sub(1), hub.lines.dropped());
    let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, kind)], text).into_response()
}
