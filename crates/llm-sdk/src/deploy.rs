//! Deployments from LiteLLM's parameters.

use llm_cost::PriceTable;
use llm_providers::{CallOptions, Error, resolve, resolve::Surroundings};
use llm_router::{Deployment, Router};
use llm_types::{JsonObject, Map};
use sha2::{Digest, Sha256};

use crate::{price, request::RouteOptions};

/// Makes a deployment of a `model_list` entry: its group, its `litellm_params`, its `model_info`.
pub fn deployment(
    group: &str,
    mut params: JsonObject,
    mut model_info: Map,
    table: &PriceTable,
    around: &dyn Surroundings,
) -> Result<Deployment, Error> {
    let id = match model_info.get("id").and_then(|id| id.as_str()) {
        Some(id) => id.to_owned(),
        None => digest(group, &params),
    };
    let mut target = resolve::target(&mut params, around)?;
    take_prices(&mut params, &mut model_info)?;
    target.facts = price::facts(table, &target, &model_info);
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
    let mut target = resolve::target(&mut params, around)?;
    let mut info = Map::new();
    take_prices(&mut params, &mut info)?;
    target.facts = price::facts(PriceTable::embedded(), &target, &info);
    let mut deployment = Deployment::new(digest(&model, &JsonObject::new()), model, target);
    deployment.model_info = info;
    let router = crate::engine::single(deployment)?;
    Ok((router, params))
}

/// Moves the price table's fields, which both LiteLLM's parameters and a request may carry, to what is known of the model.
fn take_prices(params: &mut JsonObject, info: &mut Map) -> Result<(), Error> {
    let is_price = |key: &str| {
        key.contains("cost_per")
            || key.contains("_token_cost")
            || key == "tiered_pricing"
            || key == "base_model"
    };
    let keys: Vec<String> = params
        .iter()
        .map(|(key, _)| key.to_owned())
        .filter(|key| is_price(key))
        .collect();
    for key in keys {
        if let Some(value) = params.take(&key)? {
            info.insert(key, value);
        }
    }
    Ok(())
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
