//! Is the gateway alive, is it ready, and do its deployments answer.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    Json,
    extract::{Query, State},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream};
use llm_providers::{Error, Target};
use llm_router::Deployment;
use llm_sdk::Request;
use llm_types::{JsonObject, Op};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    alone,
    pages::{Keyed, Shared, json_reply},
};
use crate::{catalog, checks::Page, state::Live};

/// How long a probe may take, where the deployment does not say.
const PATIENCE: Duration = Duration::from_secs(60);

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
    Json(json!({"status": "healthy", "db": "Not connected"})).into_response()
}

pub(crate) async fn details(State(gateway): Shared, Keyed(live, _): Keyed) -> Json<Value> {
    Json(json!({
        "status": if gateway.is_draining() { "shutting_down" } else { "healthy" },
        "db": "Not connected", "cache": null, "litellm_version": env!("CARGO_PKG_VERSION"),
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

/// What a probe found.
#[derive(Debug)]
pub(crate) enum Health {
    Healthy,
    Unhealthy(Error),
    /// Nothing was asked, for this reason.
    Unchecked(String),
}

/// What one round over deployments found.
#[derive(Debug)]
pub(crate) struct Round {
    pub(crate) results: Vec<Checked>,
}

/// What was found of one deployment.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) deployment: Arc<Deployment>,
    pub(crate) health: Health,
    pub(crate) took: Duration,
}

impl Round {
    /// Asks every deployment that is `wanted` for a word.
    pub(crate) async fn over(live: &Arc<Live>, wanted: impl Fn(&Deployment) -> bool) -> Self {
        let all: Vec<Arc<Deployment>> = catalog::models(&live.router)
            .flat_map(|(_, deployments)| deployments.iter().cloned())
            .filter(|deployment| wanted(deployment))
            .collect();
        let results = stream::iter(all)
            .map(|deployment| {
                let live = Arc::clone(live);
                async move {
                    let began = Instant::now();
                    let health = ask(&live, &deployment).await;
                    Checked {
                        deployment,
                        health,
                        took: began.elapsed(),
                    }
                }
            })
            .buffered(live.settings.health.at_once.max(1));
        Self {
            results: results.collect().await,
        }
    }
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
            let round = Round::over(&live, |deployment| which.wants(deployment)).await;
            gateway.checks.remember(&round, "request");
            Arc::new(round)
        }
    };
    let details = live.settings.health.details;
    let (mut healthy, mut unhealthy, mut unchecked) = (Vec::new(), Vec::new(), Vec::new());
    // Who was removed since is no longer of interest.
    let there = |id: &str| live.router.deployment(id).is_some();
    let wanted = round.results.iter();
    for found in wanted.filter(|c| which.wants(&c.deployment) && there(&c.deployment.id)) {
        let mut entry = describe(&found.deployment, details);
        match &found.health {
            Health::Healthy => healthy.push(Value::Object(entry)),
            Health::Unhealthy(error) => {
                if details {
                    entry.insert("error".into(), error.to_string().into());
                }
                unhealthy.push(Value::Object(entry));
            }
            Health::Unchecked(reason) => {
                entry.insert("reason".into(), reason.as_str().into());
                unchecked.push(Value::Object(entry));
            }
        }
    }
    let chosen = which.model.is_some() || which.model_id.is_some();
    let status = if chosen && healthy.is_empty() && unchecked.is_empty() {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    };
    let body = json!({
        "healthy_count": healthy.len(), "unhealthy_count": unhealthy.len(),
        "not_checked_count": unchecked.len(),
        "healthy_endpoints": healthy, "unhealthy_endpoints": unhealthy,
        "not_checked_endpoints": unchecked,
    });
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

/// Which deployment it is; without `details`, only its model.
fn describe(deployment: &Deployment, details: bool) -> Map<String, Value> {
    let base = deployment
        .target
        .base_url
        .split('?')
        .next()
        .unwrap_or_default();
    let model = format!(
        "{}/{}",
        deployment.target.provider.name, deployment.target.model
    );
    let fields = match details {
        true => json!({"model": model, "api_base": base, "model_id": deployment.id}),
        false => json!({"model": model}),
    };
    fields.as_object().cloned().unwrap_or_default()
}

/// One small request to one deployment, around the router.
async fn ask(live: &Live, deployment: &Deployment) -> Health {
    let info = |key: &str| deployment.model_info.get(key);
    let mut target = deployment.target.clone();
    if let Some(model) = info("health_check_model").and_then(Value::as_str) {
        target.model = model
            .rsplit_once('/')
            .map_or(model, |(_, name)| name)
            .to_owned();
    }
    if target.model.contains('*') {
        return Health::Unchecked(
            "it stands for many models: model_info.health_check_model names the one to ask".into(),
        );
    }
    let mode = info("mode")
        .and_then(Value::as_str)
        .or(target.facts.mode.as_deref());
    let (op, body) = match mode {
        Some("embedding") => (Op::Embedding, json!({"input": ["test from litellm"]})),
        Some("completion") => (
            Op::Completion,
            json!({"prompt": "test from litellm", "max_tokens": 16}),
        ),
        None | Some("chat" | "responses") => (
            Op::Chat,
            json!({"messages": [{"role": "user", "content": "hi"}], "max_tokens": 16}),
        ),
        Some(other) => {
            return Health::Unchecked(format!("there is no small request of mode '{other}'"));
        }
    };
    let limit = info("health_check_timeout").and_then(Value::as_f64);
    let patience = limit
        .and_then(|s| Duration::try_from_secs_f64(s).ok())
        .unwrap_or(PATIENCE);
    match answered(live, deployment, target, op, body, patience).await {
        Ok(()) => Health::Healthy,
        Err(error) => Health::Unhealthy(error),
    }
}

async fn answered(
    live: &Live,
    deployment: &Deployment,
    target: Target,
    op: Op,
    mut body: Value,
    patience: Duration,
) -> Result<(), Error> {
    body["model"] = target.model.as_str().into();
    let mut request = Request::from_object(op, JsonObject::from_serialize(&body)?)?;
    request.route.timeouts.total = Some(patience);
    alone::name(&mut request);
    let client = live.engine.http().clone();
    let engine = alone::engine(live, deployment, target, client)?;
    let answer = engine.call(request).await;
    answer.map(|_| ()).map_err(|failure| failure.error)
}
