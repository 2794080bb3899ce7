//! Deployments from LiteLLM's parameters.

use llm_providers::{CallOptions, Error, resolve, resolve::Surroundings};
use llm_router::{Deployment, Router};
use llm_types::{JsonObject, Map};
use sha2::{Digest, Sha256};

use crate::request::RouteOptions;

/// Makes a deployment of a `model_list` entry: its group, its `litellm_params`, its `model_info`.
pub fn deployment(
    group: &str,
    mut params: JsonObject,
    model_info: Map,
    around: &dyn Surroundings,
) -> Result<Deployment, Error> {
    let id = match model_info.get("id").and_then(|id| id.as_str()) {
        Some(id) => id.to_owned(),
        None => digest(group, &params),
    };
    let target = resolve::target(&mut params, around)?;
    let options = CallOptions::take(&mut params)?;
    let number = |params: &mut JsonObject, key: &str| params.take::<f64>(key);
    let mut deployment = Deployment::new(id, group, target);
    deployment.weight = number(&mut params, "weight")?;
    deployment.rpm = params.take("rpm")?;
    deployment.tpm = params.take("tpm")?;
    deployment.order = params.take("order")?;
    let route = RouteOptions::take(llm_types::Op::Chat, &mut params)?;
    deployment.num_retries = route.num_retries;
    deployment.timeouts = route.timeouts;
    deployment.tags = route.tags;
    deployment.options = options;
    deployment.model_info = model_info;
    deployment.defaults = params;
    Ok(deployment)
}

/// A router of one deployment, for a request that names its model and perhaps its key and address itself; and the
/// request's body without those.
pub(crate) fn direct(
    body: &JsonObject,
    around: &dyn Surroundings,
) -> Result<(Router, JsonObject), Error> {
    let model: String = body
        .get("model")?
        .ok_or_else(|| Error::bad_request("model", "'model' is missing"))?;
    let mut params = body.clone();
    let target = resolve::target(&mut params, around)?;
    let router = crate::engine::single(Deployment::new(
        digest(&model, &JsonObject::new()),
        model,
        target,
    ))?;
    Ok((router, params))
}

/// Stable over restarts: the same configuration has the same id.
fn digest(group: &str, params: &JsonObject) -> String {
    let mut hash = Sha256::new();
    hash.update(group.as_bytes());
    for (key, value) in params.iter() {
        hash.update([0]);
        hash.update(key.as_bytes());
        hash.update([0]);
        hash.update(value);
    }
    hex::encode(hash.finalize())
}
