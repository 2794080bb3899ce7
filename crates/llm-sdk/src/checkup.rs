//! Health checks: each deployment is asked for a word, around the router, and the router is told what was found.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, stream};
use llm_providers::{Client, Error, Target};
use llm_router::{Deployment, Router, Settings};
use llm_types::{JsonObject, Op};
use serde_json::{Map, Value, json};

use crate::{Engine, Request};

/// How long a deployment may take, where it does not say.
const PATIENCE: Duration = Duration::from_secs(60);
/// The group of an engine that knows one deployment alone.
const ALONE: &str = "alone";

/// What a check found.
#[derive(Debug)]
pub enum Health {
    /// It answered.
    Healthy,
    /// It did not.
    Unhealthy(Error),
    /// Nothing was asked, for this reason.
    Unchecked(String),
}

/// What was found of one deployment.
#[derive(Debug)]
pub struct Checkup {
    /// The deployment.
    pub deployment: Arc<Deployment>,
    /// What was found.
    pub health: Health,
    /// How long that took.
    pub took: Duration,
}

/// What one round over deployments found.
#[derive(Debug)]
pub struct Round {
    /// In the deployments' order.
    pub results: Vec<Checkup>,
}

impl Round {
    /// Asks `deployments` for a word, `at_once` of them at the same time.
    pub async fn over(
        engine: &Engine,
        deployments: impl IntoIterator<Item = Arc<Deployment>>,
        at_once: usize,
    ) -> Self {
        let all: Vec<_> = deployments.into_iter().collect();
        let results = stream::iter(all)
            .map(|deployment| async move {
                let began = Instant::now();
                let health = ask(engine, &deployment).await;
                Checkup {
                    deployment,
                    health,
                    took: began.elapsed(),
                }
            })
            .buffered(at_once.max(1));
        Self {
            results: results.collect().await,
        }
    }

    /// Tells `router` what was found. `ignore_transient`: rate limits, time-outs and faults of the vendor are no findings.
    pub fn teach(&self, router: &Router, ignore_transient: bool) {
        for found in &self.results {
            let deployment = &found.deployment;
            match &found.health {
                Health::Healthy => router.checked(deployment, true),
                Health::Unhealthy(error) if !(ignore_transient && is_transient(error)) => {
                    tracing::warn!(deployment = %deployment.id, group = %deployment.group, %error, "a health check failed");
                    router.checked(deployment, false);
                }
                Health::Unhealthy(_) | Health::Unchecked(_) => {}
            }
        }
    }

    /// What was found of those that are `wanted`, by LiteLLM's names. `details`: where they are, and what went wrong.
    pub fn report(&self, details: bool, wanted: impl Fn(&Deployment) -> bool) -> Value {
        let (mut healthy, mut unhealthy, mut unchecked) = (Vec::new(), Vec::new(), Vec::new());
        for found in self.results.iter().filter(|c| wanted(&c.deployment)) {
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
        json!({
            "healthy_count": healthy.len(), "unhealthy_count": unhealthy.len(),
            "not_checked_count": unchecked.len(),
            "healthy_endpoints": healthy, "unhealthy_endpoints": unhealthy,
            "not_checked_endpoints": unchecked,
        })
    }
}

impl Engine {
    /// An engine that knows `deployment` alone, with another target: no retry and no fallback may hide what becomes of it.
    /// Requests find it by [`Request::alone`].
    pub fn knowing_only(
        &self,
        deployment: &Deployment,
        target: Target,
        client: Client,
    ) -> Result<Self, Error> {
        let mut only = Deployment::new(deployment.id.clone(), ALONE, target);
        only.defaults = deployment.defaults.clone();
        only.options = deployment.options.clone();
        only.timeouts = deployment.timeouts;
        let settings = Settings {
            num_retries: 0,
            ..Settings::default()
        };
        let router = Router::new(vec![only], settings)
            .map_err(|e| Error::bad_request("model", e.to_string()))?;
        let prices = Arc::clone(self.prices());
        Ok(Self::routed(Arc::new(router), client, prices))
    }
}

impl Request {
    /// Leads the request to the one deployment of an engine that [knows no other](Engine::knowing_only).
    pub fn alone(&mut self) {
        self.route_as = Some(ALONE.to_owned());
        self.route.num_retries = Some(0);
        self.route.disable_fallbacks = true;
    }
}

fn is_transient(error: &Error) -> bool {
    let status = error.status_code().as_u16();
    matches!(status, 408 | 429 | 500..)
}

/// Which deployment it is; without `details`, only its model.
fn describe(deployment: &Deployment, details: bool) -> Map<String, Value> {
    let target = &deployment.target;
    let base = target.base_url.split('?').next().unwrap_or_default();
    let model = format!("{}/{}", target.provider.name, target.model);
    let fields = match details {
        true => json!({"model": model, "api_base": base, "model_id": deployment.id}),
        false => json!({"model": model}),
    };
    fields.as_object().cloned().unwrap_or_default()
}

/// One small request to one deployment.
async fn ask(engine: &Engine, deployment: &Deployment) -> Health {
    let info = |key: &str| deployment.model_info.get(key);
    let mut target = deployment.target.clone();
    if let Some(model) = info("health_check_model").and_then(Value::as_str) {
        let name = model.rsplit_once('/').map_or(model, |(_, name)| name);
        target.model = name.to_owned();
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
    match answered(engine, deployment, target, op, body, patience).await {
        Ok(()) => Health::Healthy,
        Err(error) => Health::Unhealthy(error),
    }
}

async fn answered(
    engine: &Engine,
    deployment: &Deployment,
    target: Target,
    op: Op,
    mut body: Value,
    patience: Duration,
) -> Result<(), Error> {
    body["model"] = target.model.as_str().into();
    let mut request = Request::from_object(op, JsonObject::from_serialize(&body)?)?;
    request.route.timeouts.total = Some(patience);
    request.alone();
    let client = engine.http().clone();
    let engine = engine.knowing_only(deployment, target, client)?;
    let answer = engine.call(request).await;
    answer.map(|_| ()).map_err(|failure| failure.error)
}
