//! Is the gateway alive, is it ready, and do its deployments answer.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use llm_governance::Governance;
use llm_router::Deployment;
use serde::Deserialize;
use serde_json::{Value, json};

use super::pages::{Keyed, Shared, json_reply};
use crate::{checks::Page, state::Gateway};

pub(crate) async fn options() -> Response {
    [(header::ALLOW, "GET, OPTIONS")].into_response()
}

pub(crate) async fn alive(State(gateway): Shared) -> Response {
    let status = if gateway.is_draining() {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    };
    (status, Json("I'm alive!")).into_response()
}

pub(crate) async fn ready(State(gateway): Shared) -> Response {
    if gateway.is_draining() {
        let body = Json(json!({"status": "shutting_down"}));
        return (StatusCode::SERVICE_UNAVAILABLE, body).into_response();
    }
    let database = database(&gateway);
    let waits = |governance: &Governance| !governance.settings().serve_without_database;
    if database == AWAY && gateway.governance().is_some_and(waits) {
        let body = Json(json!({"status": "unhealthy", "db": database}));
        return (StatusCode::SERVICE_UNAVAILABLE, body).into_response();
    }
    Json(json!({"status": "healthy", "db": database})).into_response()
}

/// A database that does not answer.
const AWAY: &str = "disconnected";

/// How the database is.
fn database(gateway: &Gateway) -> &'static str {
    match gateway.governance() {
        None => "Not connected",
        Some(governance) if governance.is_database_up() => "connected",
        Some(_) => AWAY,
    }
}

pub(crate) async fn details(State(gateway): Shared, Keyed(live, _): Keyed) -> Json<Value> {
    Json(json!({
        "status": if gateway.is_draining() { "shutting_down" } else { "healthy" },
        "db": database(&gateway), "cache": null, "litellm_version": env!("CARGO_PKG_VERSION"),
        "success_callbacks": ["prometheus"], "log_level": live.settings.logs.filter,
    }))
}

pub(crate) async fn backlog(State(gateway): Shared, _: Keyed) -> Json<Value> {
    Json(json!({"in_flight_requests": gateway.under_way().saturating_sub(1)}))
}

/// Which deployments to probe.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Which {
    model: Option<String>,
    model_id: Option<String>,
}

impl Which {
    fn wants(&self, deployment: &Deployment) -> bool {
        let model = self.model.as_ref();
        model.is_none_or(|model| *model == deployment.group || *model == deployment.target.model)
            && self.model_id.as_ref().is_none_or(|id| *id == deployment.id)
    }
}

/// Asks every deployment for a word; where that is done in the background, says what was found last.
pub(crate) async fn probe(
    State(gateway): Shared,
    Keyed(live, _): Keyed,
    Query(which): Query<Which>,
) -> Response {
    let known = gateway.findings.load_full();
    let round = match known.filter(|_| live.settings.health.background) {
        Some(round) => round,
        None => {
            let round = live.check_up(|deployment| which.wants(deployment)).await;
            gateway.checks.remember(&round, "request");
            Arc::new(round)
        }
    };
    let details = live.settings.health.details;
    // Who was removed since is no longer of interest.
    let wanted = |deployment: &Deployment| {
        which.wants(deployment) && live.router.deployment(&deployment.id).is_some()
    };
    let body = round.report(details, wanted);
    let none = |key: &str| body[key] == 0;
    let chosen = which.model.is_some() || which.model_id.is_some();
    let status = if chosen && none("healthy_count") && none("not_checked_count") {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    };
    json_reply(status, body.to_string())
}

/// `GET /health/history`.
pub(crate) async fn history(State(gateway): Shared, _: Keyed, page: Query<Page>) -> Json<Value> {
    Json(gateway.checks.history(&page))
}

/// `GET /health/latest`.
pub(crate) async fn latest(State(gateway): Shared, _: Keyed) -> Json<Value> {
    Json(gateway.checks.latest())
}
