//! Deployments from LiteLLM's parameters.

use llm_cost::PriceTable;
use llm_providers::{CallOptions, Credential, Error, Kind, Target, resolve, resolve::Surroundings};
use llm_router::{Deployment, Fallback, Router, Settings};
use llm_types::{JsonObject, Map};
use sha2::{Digest, Sha256};

use crate::{price, request::RouteOptions, surroundings::Around};

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

/// A router for one request that names its model, and perhaps its key, its address and its fallbacks, itself; and the
/// request's body without those.
pub(crate) fn direct(
    body: &JsonObject,
    route: &mut RouteOptions,
    table: &PriceTable,
) -> Result<(Router, JsonObject), Error> {
    let around = &Around(table);
    let model: String = body
        .get("model")?
        .ok_or_else(|| Error::bad_request("model", "'model' is missing"))?;
    let mut params = body.clone();
    let target = match resolve::target(&mut params, around) {
        // A canned answer needs neither a key nor an address.
        Err(_) if route.mock.is_some() => {
            let named: Option<String> = body.get("custom_llm_provider")?;
            let (row, model) = resolve::provider(&model, named.as_deref(), None, around)?;
            Target::new(row, model, Credential::None)
        }
        resolved => resolved?,
    };
    let provider = target.provider.name;
    let connection = taken(body, &params);
    let mut info = std::mem::take(&mut route.model_info);
    take_prices(&mut params, &mut info)?;
    let mut deployments = vec![one(&model, target, info, table)];
    let mut settings = Settings {
        num_retries: 0,
        ..Settings::default()
    };
    for fallback in route.fallbacks.iter_mut().flatten() {
        // A fallback that cannot be reached is skipped by the router: it must not spoil the first attempt.
        if let Ok(target) = fallen_back(fallback, provider, &connection, around) {
            let used = |name: &str| deployments.iter().any(|known| known.group == name);
            fallback.group = unused(&fallback.group, used);
            deployments.push(one(&fallback.group, target, Map::new(), table));
        }
    }
    if let Some(longer) = route.context_window_fallbacks.get(&model) {
        let mut fallback = Fallback::to(longer);
        let target = fallen_back(&mut fallback, provider, &connection, around)?;
        deployments.push(one(longer, target, Map::new(), table));
        let lists = &mut settings.fallbacks.context_window;
        lists.insert(model, vec![fallback]);
    }
    let router = Router::new(deployments, settings)
        .map_err(|e| Error::new(Kind::BadRequest, e.to_string()))?;
    Ok((router, params))
}

fn one(group: &str, mut target: Target, info: Map, table: &PriceTable) -> Deployment {
    target.facts = price::facts(table, &target, &info);
    let mut deployment = Deployment::new(digest(group, &JsonObject::new()), group, target);
    deployment.model_info = info;
    deployment
}

/// A fallback's target; what belongs to it is taken out of the parameters that the fallback changes. The first model's
/// key and address count only at the same provider: a key must not travel to another vendor.
fn fallen_back(
    fallback: &mut Fallback,
    provider: &str,
    connection: &JsonObject,
    around: &dyn Surroundings,
) -> Result<Target, Error> {
    let (row, _) = resolve::provider(&fallback.group, None, None, around)?;
    let mut params = if row.name == provider {
        connection.clone()
    } else {
        JsonObject::new()
    };
    for (key, value) in &fallback.overrides {
        params.set(key.clone(), value);
    }
    params.remove("custom_llm_provider");
    params.set_str("model", &fallback.group);
    let target = resolve::target(&mut params, around)?;
    fallback.overrides.retain(|key, _| params.contains(key));
    Ok(target)
}

/// What is in `before` and no longer in `after`.
fn taken(before: &JsonObject, after: &JsonObject) -> JsonObject {
    let mut gone = JsonObject::new();
    for (key, value) in before.iter().filter(|(key, _)| !after.contains(key)) {
        gone.set_raw(key.to_owned(), value.clone());
    }
    gone
}

/// `group`, or a name like it: the same model may be tried again with another key.
fn unused(group: &str, used: impl Fn(&str) -> bool) -> String {
    let mut name = group.to_owned();
    let mut n = 2;
    while used(&name) {
        name = format!("{group}#{n}");
        n += 1;
    }
    name
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
