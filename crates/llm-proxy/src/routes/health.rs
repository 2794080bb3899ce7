//! Is the gateway alive, is it ready, and do its deployments answer.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Query, State},
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::{StreamExt, stream};
use llm_providers::Error;
use llm_router::{Deployment, Router};
use llm_sdk::{Engine, Request};
use llm_types::{JsonObject, Op};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::pages::{Refused, Shared, json_reply, keyed};
use crate::state::Live;

/// Deployments that are probed at the same time.
const AT_ONCE: usize = 16;
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

pub(crate) async fn details(
    State(gateway): Shared,
    headers: HeaderMap,
) -> Result<Json<Value>, Refused> {
    keyed(&gateway, &headers)?;
    let live = gateway.live();
    Ok(Json(json!({
        "status": if gateway.is_draining() { "shutting_down" } else { "healthy" },
        "db": "Not connected", "cache": null, "litellm_version": env!("CARGO_PKG_VERSION"),
        "success_callbacks": ["prometheus"], "log_level": live.settings.logs.filter,
    })))
}

pub(crate) async fn backlog(
    State(gateway): Shared,
    headers: HeaderMap,
) -> Result<Json<Value>, Refused> {
    keyed(&gateway, &headers)?;
    Ok(Json(
        json!({"in_flight_requests": gateway.under_way().saturating_sub(1)}),
    ))
}

/// Which deployments to probe.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Which {
    model: Option<String>,
    model_id: Option<String>,
}

/// Asks every deployment for a word.
pub(crate) async fn probe(
    State(gateway): Shared,
    headers: HeaderMap,
    Query(which): Query<Which>,
) -> Result<Response, Refused> {
    keyed(&gateway, &headers)?;
    let live = gateway.live();
    let wanted = |d: &Deployment| {
        which
            .model
            .as_ref()
            .is_none_or(|model| *model == d.group || *model == d.target.model)
            && which.model_id.as_ref().is_none_or(|id| *id == d.id)
    };
    let all: Vec<Arc<Deployment>> = live
        .router
        .groups()
        .flat_map(|(_, deployments)| deployments.iter().cloned())
        .filter(|deployment| wanted(deployment))
        .collect();
    let results: Vec<(Arc<Deployment>, Result<(), Error>)> = stream::iter(all)
        .map(|deployment| {
            let live = Arc::clone(&live);
            async move {
                let result = ask(&live, &deployment).await;
                (deployment, result)
            }
        })
        .buffered(AT_ONCE)
        .collect()
        .await;
    let (mut healthy, mut unhealthy) = (Vec::new(), Vec::new());
    for (deployment, result) in results {
        let mut entry = describe(&deployment);
        match result {
            Ok(()) => healthy.push(Value::Object(entry)),
            Err(error) => {
                entry.insert("error".into(), error.to_string().into());
                unhealthy.push(Value::Object(entry));
            }
        }
    }
    let chosen = which.model.is_some() || which.model_id.is_some();
    let status = if chosen && healthy.is_empty() {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    };
    let body = json!({
        "healthy_count": healthy.len(), "unhealthy_count": unhealthy.len(),
        "healthy_endpoints": healthy, "unhealthy_endpoints": unhealthy,
    });
    Ok(json_reply(status, body.to_string()))
}

fn describe(deployment: &Deployment) -> Map<String, Value> {
    let base = deployment
        .target
        .base_url
        .split('?')
        .next()
        .unwrap_or_default();
    let fields = json!({
        "model": format!("{}/{}", deployment.target.provider.name, deployment.target.model),
        "api_base": base, "model_id": deployment.id,
    });
    fields.as_object().cloned().unwrap_or_default()
}

/// One small request to one deployment, around the router: no retry may hide its failure.
async fn ask(live: &Live, deployment: &Deployment) -> Result<(), Error> {
    let info = |key: &str| deployment.model_info.get(key);
    let mut target = deployment.target.clone();
    if let Some(model) = info("health_check_model").and_then(Value::as_str) {
        target.model = model
            .rsplit_once('/')
            .map_or(model, |(_, name)| name)
            .to_owned();
    }
    if target.model.contains('*') {
        return Err(Error::bad_request(
            "model",
            "a group with a star needs model_info.health_check_model",
        ));
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
            return Err(Error::bad_request(
                "mode",
                format!("mode '{other}' cannot be probed yet"),
            ));
        }
    };
    let limit = info("health_check_timeout").and_then(Value::as_f64);
    let patience = limit
        .and_then(|s| Duration::try_from_secs_f64(s).ok())
        .unwrap_or(PATIENCE);
    let mut only = Deployment::new(deployment.id.clone(), "probe", target);
    only.defaults = deployment.defaults.clone();
    only.options = deployment.options.clone();
    only.timeouts.total = Some(patience);
    let settings = llm_router::Settings {
        num_retries: 0,
        ..llm_router::Settings::default()
    };
    let router = Router::new(vec![only], settings)
        .map_err(|e| Error::bad_request("model", e.to_string()))?;
    let mut body = JsonObject::from_serialize(&body)?;
    body.set_str("model", "probe");
    let engine = Engine::routed(
        Arc::new(router),
        live.engine.http().clone(),
        Arc::clone(live.engine.prices()),
    );
    let answer = engine.call(Request::from_object(op, body)?).await;
    answer.map(|_| ()).map_err(|failure| failure.error)
}
