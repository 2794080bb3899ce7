//! Deployments from LiteLLM's parameters.

use std::{collections::BTreeMap, time::Duration};

use llm_cost::{NanoDollars, PriceTable};
use llm_providers::{CallOptions, Credential, Error, Kind, Target, resolve, resolve::Surroundings};
use llm_router::{
    AccessWindow, Budget, Deployment, Fallback, OpenParams, Quota, Router, Settings, SettingsError,
    TagPattern, Timeouts,
};
use llm_types::{JsonObject, Map};
use serde::de::DeserializeOwned;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{
    price,
    request::{Mock, RouteOptions},
    sources::Sources,
    surroundings::prices,
};

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
    let mocks: Vec<_> = Mock::KEYS
        .iter()
        .filter_map(|key| Some((*key, params.raw(key)?.clone())))
        .collect();
    let lends: Option<bool> = params.take("use_in_pass_through")?;
    let route = RouteOptions::take(llm_types::Op::Chat, &mut params)?;
    model_info.extend(route.model_info);
    if lends == Some(true) {
        model_info.insert("use_in_pass_through".into(), true.into());
    }
    for key in ["default_api_key_rpm_limit", "default_api_key_tpm_limit"] {
        if let Some(limit) = params.take::<u64>(key)? {
            model_info.insert(key.into(), limit.into());
        }
    }
    target.facts = price::facts(table, &target, &model_info);
    let options = CallOptions::take(&mut params)?;
    let number = |params: &mut JsonObject, key: &str| params.take::<f64>(key);
    let mut deployment = Deployment::new(id, group, target);
    deployment.weight = number(&mut params, "weight")?;
    deployment.quota = Quota {
        rpm: params.take("rpm")?,
        tpm: params.take("tpm")?,
        itpm: params.take("itpm")?,
        otpm: params.take("otpm")?,
        max_parallel: params.take("max_parallel_requests")?,
    };
    deployment.order = params.take("order")?;
    deployment.region = params.take("region_name")?;
    deployment.budget = budget(&mut params)?;
    for pattern in params.take::<Vec<String>>("tag_regex")?.unwrap_or_default() {
        let pattern = TagPattern::parse(&pattern);
        let refuse = |e: SettingsError| Error::bad_request("tag_regex", e.to_string());
        deployment.tag_patterns.push(pattern.map_err(refuse)?);
    }
    deployment.open = open(&mut params)?;
    deployment.access_windows = access_windows(&model_info)?;
    deployment.blocked = model_info.get("blocked") == Some(&Value::Bool(true));
    deployment.price = price::of_tokens(table, &deployment.target, &model_info);
    deployment.cooldown =
        match own::<f64>("cooldown_time", &model_info, &mut params)? {
            None => None,
            Some(time) => Some(Duration::try_from_secs_f64(time).map_err(|e| {
                Error::bad_request("cooldown_time", format!("'cooldown_time': {e}"))
            })?),
        };
    deployment.allowed_fails = own("allowed_fails", &model_info, &mut params)?;
    deployment.num_retries = route.num_retries;
    deployment.timeouts = route.timeouts;
    deployment.tier_timeouts = by_tier(&mut params)?;
    deployment.tags = route.tags;
    deployment.options = options;
    deployment.model_info = model_info;
    for (key, raw) in mocks {
        params.set_raw(key, raw);
    }
    deployment.defaults = params;
    Ok(deployment)
}

/// What clients of a gateway may bring of their own: keys and addresses, and what belongs to these. Profiles, roles and
/// files are those of the machine, and stay its own.
pub const LENT: [&str; 10] = [
    "api_base",
    "api_key",
    "api_version",
    "aws_access_key_id",
    "aws_region_name",
    "aws_secret_access_key",
    "aws_session_token",
    "azure_ad_token",
    "base_url",
    "organization",
];

/// `configurable_clientside_auth_params`.
fn open(params: &mut JsonObject) -> Result<OpenParams, Error> {
    const KEY: &str = "configurable_clientside_auth_params";
    let items: Vec<Value> = params.take(KEY)?.unwrap_or_default();
    let refuse = |what: String| Error::bad_request(KEY, format!("'{KEY}': {what}"));
    let open = OpenParams::parse(&items).map_err(|error| refuse(error.to_string()))?;
    if let Some(name) = open.names().find(|name| !LENT.contains(name)) {
        let others = LENT.join(", ");
        return Err(refuse(format!(
            "clients cannot bring '{name}', only {others}"
        )));
    }
    Ok(open)
}

/// `access_windows` of a deployment's `model_info`: hours in which it is for some teams alone.
fn access_windows(info: &Map) -> Result<Vec<AccessWindow>, Error> {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Written {
        start: String,
        end: String,
        timezone: String,
        team_ids: Vec<String>,
    }
    const PLACE: &str = "model_info.access_windows";
    let list = match info.get("access_windows") {
        None | Some(Value::Null) => return Ok(Vec::new()),
        Some(Value::Array(list)) => list,
        Some(_) => {
            return Err(Error::bad_request(
                PLACE,
                format!("{PLACE}: expected a list"),
            ));
        }
    };
    let window = |(i, item): (usize, &Value)| {
        let place = format!("{PLACE}[{i}]");
        let refuse = |e: String| Error::bad_request(place.clone(), format!("{place}: {e}"));
        let one: Written =
            serde_json::from_value(item.clone()).map_err(|e| refuse(e.to_string()))?;
        AccessWindow::parse(&one.start, &one.end, &one.timezone, one.team_ids)
            .map_err(|e| refuse(e.to_string()))
    };
    list.iter().enumerate().map(window).collect()
}

/// `timeout_by_service_tier` and `stream_timeout_by_service_tier`: seconds for each tier.
fn by_tier(params: &mut JsonObject) -> Result<BTreeMap<String, Timeouts>, Error> {
    let mut tiers: BTreeMap<String, Timeouts> = BTreeMap::new();
    for key in ["timeout_by_service_tier", "stream_timeout_by_service_tier"] {
        let given: BTreeMap<String, f64> = params.take(key)?.unwrap_or_default();
        for (tier, seconds) in given {
            let place = format!("{key}.{tier}");
            let limit = Duration::try_from_secs_f64(seconds)
                .ok()
                .filter(|limit| !limit.is_zero())
                .ok_or_else(|| {
                    let what = format!("'{place}': expected a number of seconds above 0");
                    Error::bad_request(key, what)
                })?;
            let limits = tiers.entry(tier).or_default();
            match key {
                "timeout_by_service_tier" => limits.total = Some(limit),
                _ => limits.stream = Some(limit),
            }
        }
    }
    Ok(tiers)
}

/// `max_budget` dollars for each `budget_duration`.
fn budget(params: &mut JsonObject) -> Result<Option<Budget>, Error> {
    let limit: Option<f64> = params.take("max_budget")?;
    let period: Option<String> = params.take("budget_duration")?;
    let Some(limit) = limit else {
        return Ok(None);
    };
    let refuse = |key: &str, what: &str| Error::bad_request(key, format!("'{key}': {what}"));
    let dollars = NanoDollars::from_f64(limit).and_then(|nano| u64::try_from(nano.0).ok());
    let limit = dollars.ok_or_else(|| refuse("max_budget", "expected dollars, at least 0"))?;
    let Some(period) = period else {
        return Err(refuse("max_budget", "needs 'budget_duration' beside it"));
    };
    let period = period
        .parse()
        .map_err(|e: SettingsError| refuse("budget_duration", &e.to_string()))?;
    Ok(Some(Budget { limit, period }))
}

/// What `model_info` says of `key`, or else the parameters: LiteLLM's order for rests and failures.
fn own<T: DeserializeOwned>(
    key: &str,
    info: &Map,
    params: &mut JsonObject,
) -> Result<Option<T>, Error> {
    let param = params.take(key)?;
    match info.get(key) {
        None | Some(Value::Null) => Ok(param),
        Some(value) => serde_json::from_value(value.clone())
            .map_err(|e| Error::bad_request(key, format!("'{key}': {e}"))),
    }
}

/// The target of a request that names a key, an address or a login of its own: those over the deployment's. They are
/// taken out of `body`; `None` where it names nothing of the kind.
pub(crate) fn own_place(
    target: &Target,
    body: &mut JsonObject,
    around: &dyn Surroundings,
) -> Result<Option<Target>, Error> {
    let row = target.provider;
    let mut params = JsonObject::new();
    body.retain(|key, value| {
        let place = resolve::is_place(key, row);
        if place {
            params.set_raw(key.to_owned(), value.clone());
        }
        !place
    });
    if params.is_empty() {
        return Ok(None);
    }
    let login = params.iter().any(|(key, _)| resolve::is_login(key));
    for (key, value) in &target.settings {
        if !params.contains(key) {
            params.set_str(key.clone(), value);
        }
    }
    if !params.contains("api_base") && !params.contains("base_url") {
        params.set_str("api_base", &target.base_url);
    }
    params.set_str("model", &target.model);
    params.set_str("custom_llm_provider", row.name);
    let own = resolve::target(&mut params, around)?;
    let mut moved = target.clone();
    moved.base_url = own.base_url;
    moved.settings = own.settings;
    if login {
        moved.credential = own.credential;
    }
    Ok(Some(moved))
}

/// A router for one request that names its model, and perhaps its key, its address and its fallbacks, itself; and the
/// request's body without those.
pub(crate) fn direct(
    body: &JsonObject,
    needs_model: bool,
    route: &mut RouteOptions,
    sources: &Sources,
    around: &dyn Surroundings,
) -> Result<(Router, JsonObject), Error> {
    let mut params = body.clone();
    let model: String = match body.get("model")? {
        Some(model) => model,
        None if needs_model => return Err(Error::bad_request("model", "'model' is missing")),
        // What is kept belongs to an account, not to a model: any name will do to find the account.
        None => {
            params.set_str("model", "any");
            if !params.contains("custom_llm_provider") {
                params.set_str("custom_llm_provider", "openai");
            }
            "any".into()
        }
    };
    let target = match resolve::target(&mut params, around) {
        // A canned answer needs neither a key nor an address.
        Err(_) if route.mock.is_some() => {
            let named: Option<String> = body.get("custom_llm_provider")?;
            let (row, model) = resolve::provider(&model, named.as_deref(), None, around)?;
            Target::new(row, model, Credential::None)
        }
        resolved => resolved?,
    };
    if !body.contains("model") {
        params.remove("model");
    } else if !needs_model {
        params.set_str("model", &target.model);
    }
    let provider = target.provider.name;
    let mut deployments = vec![one(&model, target, route, sources)];
    let mut settings = Settings {
        num_retries: 0,
        ..Settings::default()
    };
    let connection = taken(body, &params);
    for fallback in route.fallbacks.iter_mut().flatten() {
        let taken = |group: &str| deployments.iter().any(|known| known.group == group);
        let group = unused(&fallback.group, taken);
        if let Ok((target, rest)) = fallen_back(fallback, provider, &connection, around) {
            fallback.overrides = rest;
            fallback.group.clone_from(&group);
            deployments.push(one(&group, target, &RouteOptions::default(), sources));
        }
    }
    if let Some(longer) = route.context_window_fallbacks.get(&model) {
        let mut fallback = Fallback::to(longer);
        let (target, _) = fallen_back(&mut fallback, provider, &connection, around)?;
        deployments.push(one(longer, target, &RouteOptions::default(), sources));
        settings
            .fallbacks
            .context_window
            .insert(model, vec![fallback]);
    }
    let router = Router::new(deployments, settings)
        .map_err(|e| Error::new(Kind::BadRequest, e.to_string()))?;
    Ok((router, params))
}

fn one(group: &str, mut target: Target, route: &RouteOptions, sources: &Sources) -> Deployment {
    sources.share(&mut target);
    target.facts = price::facts(&prices(), &target, &route.model_info);
    let mut deployment = Deployment::new(digest(group, &JsonObject::new()), group, target);
    deployment.model_info = route.model_info.clone();
    deployment
}

/// A fallback's target, and the parameters that it changes. Keys and addresses of the first model are its own only at
/// the same provider: a key must not travel to another vendor.
fn fallen_back(
    fallback: &mut Fallback,
    provider: &str,
    connection: &JsonObject,
    around: &dyn Surroundings,
) -> Result<(Target, Map), Error> {
    let own = JsonObject::from_serialize(&fallback.overrides)?;
    let (row, _) = resolve::provider(&fallback.group, None, None, around)?;
    let mut params = if row.name == provider {
        connection.clone()
    } else {
        JsonObject::new()
    };
    for (key, value) in own.iter() {
        params.set_raw(key.to_owned(), value.clone());
    }
    params.set_str("model", &fallback.group);
    params.remove("custom_llm_provider");
    let target = resolve::target(&mut params, around)?;
    fallback.overrides.retain(|key, _| params.contains(key));
    Ok((target, fallback.overrides.clone()))
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
fn unused(group: &str, taken: impl Fn(&str) -> bool) -> String {
    let mut name = group.to_owned();
    let mut n = 2;
    while taken(&name) {
        name = format!("{group}#{n}");
        n += 1;
    }
    name
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
