//! What is known of models: who serves them, what they can do, what they cost.

use llm_cost::{Adjusted, CostContext, Pricing, Terms, adjust};
use llm_providers::{
    Auth, Credential, Target, lookup,
    resolve::{self, Surroundings},
};
use llm_sdk::surroundings::{self, Process, prices};
use llm_types::{Map, Op, Usage};
use pyo3::{exceptions::PyValueError, prelude::*};
use serde::Deserialize;
use serde_json::Value;

use crate::errors;

/// `(model, provider)` of what a user writes.
#[pyfunction]
#[pyo3(signature = (model, custom_llm_provider=None, api_base=None))]
pub(crate) fn provider(
    py: Python<'_>,
    model: &str,
    custom_llm_provider: Option<&str>,
    api_base: Option<&str>,
) -> PyResult<(String, &'static str)> {
    resolve::provider(model, custom_llm_provider, api_base, &Process)
        .map(|(row, model)| (model, row.name))
        .map_err(|e| errors::plain(py, &e))
}

/// `(key, address)` with which a model is called: what the caller gives, else, where a key goes as a bearer and is all
/// there is, what the environment says and the vendor's own address.
#[pyfunction]
#[pyo3(signature = (model, custom_llm_provider=None, api_base=None, api_key=None))]
pub(crate) fn connection(
    py: Python<'_>,
    model: &str,
    custom_llm_provider: Option<&str>,
    api_base: Option<String>,
    api_key: Option<String>,
) -> PyResult<(Option<String>, Option<String>)> {
    let (row, _) = resolve::provider(model, custom_llm_provider, api_base.as_deref(), &Process)
        .map_err(|e| errors::plain(py, &e))?;
    let plain = row.auth == Auth::Bearer && row.login.is_none() && row.exchange.is_none();
    if !plain {
        return Ok((api_key, api_base));
    }
    let var = |names: &[&str]| {
        let mut set = names.iter().filter_map(|name| Process.var(name));
        set.find(|value| !value.is_empty())
    };
    let own = (!row.base_url.is_empty() && !row.base_url.contains('{')).then_some(row.base_url);
    let address = api_base
        .or_else(|| var(row.base_env))
        .or_else(|| own.map(str::to_owned));
    Ok((api_key.or_else(|| var(row.key_env)), address))
}

/// Whether a model's provider speaks an operation itself, without a bridge.
#[pyfunction]
#[pyo3(signature = (op, model, custom_llm_provider=None, api_base=None))]
pub(crate) fn speaks(
    py: Python<'_>,
    op: &str,
    model: &str,
    custom_llm_provider: Option<&str>,
    api_base: Option<&str>,
) -> PyResult<bool> {
    let (row, model) = resolve::provider(model, custom_llm_provider, api_base, &Process)
        .map_err(|e| errors::plain(py, &e))?;
    let op = Op::all().find(|known| known.name() == op);
    Ok(op.is_some_and(|op| Target::new(row, model, Credential::None).speaks(op)))
}

/// A fresh random id.
#[pyfunction]
pub(crate) fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// The names of all providers.
#[pyfunction]
pub(crate) fn providers() -> Vec<&'static str> {
    llm_providers::backends::ALL
        .iter()
        .map(|row| row.name)
        .collect()
}

/// What the environment lacks for a model, as JSON in LiteLLM's shape.
#[pyfunction]
#[pyo3(signature = (model, api_key=None, api_base=None, api_version=None))]
pub(crate) fn validate_environment(
    py: Python<'_>,
    model: &str,
    api_key: Option<&str>,
    api_base: Option<&str>,
    api_version: Option<&str>,
) -> PyResult<(bool, Vec<String>)> {
    resolve::validate_environment(model, api_key, api_base, api_version, &Process)
        .map(|found| (found.keys_in_environment, found.missing_keys))
        .map_err(|e| errors::plain(py, &e))
}

/// The OpenAI parameters that a model takes; `None` for an unknown provider.
#[pyfunction]
pub(crate) fn supported_params(provider: &str, model: &str, op: &str) -> Option<Vec<&'static str>> {
    let row = lookup(provider)?;
    let op = Op::all().find(|known| known.name() == op)?;
    let target = Target::new(row, model, Credential::None);
    let facts = llm_sdk::facts(&prices(), &target, &Map::new());
    Some(llm_providers::supported_params(row, model, &facts, op))
}

/// All of a model's entry in the price table as JSON; `None` if there is none.
#[pyfunction]
pub(crate) fn model_info(provider: &str, model: &str) -> Option<String> {
    let found = prices().get(provider, model)?;
    Some(Value::Object(found.row.to_json()).to_string())
}

/// One entry of the price table as JSON, as the list has it.
#[pyfunction]
pub(crate) fn price_entry(name: &str) -> Option<String> {
    let row = prices().entry(name)?;
    Some(Value::Object(row.fields().clone()).to_string())
}

/// The names in the price table.
#[pyfunction]
pub(crate) fn price_names() -> Vec<String> {
    prices().names().map(str::to_owned).collect()
}

/// Lays entries, given as one JSON object of names and fields, over the price table.
#[pyfunction]
pub(crate) fn register_models(entries: &str) -> PyResult<()> {
    let entries: Map = read("models", entries)?;
    let fields = |(name, value)| match value {
        Value::Object(fields) => Ok((name, fields)),
        _ => Err(PyValueError::new_err(format!("{name}: expected an object"))),
    };
    let entries: Vec<(String, Map)> = entries.into_iter().map(fields).collect::<PyResult<_>>()?;
    for (name, fields) in &entries {
        surroundings::register_model(name, fields);
    }
    Ok(())
}

/// Whether a model can do `what`.
#[pyfunction]
pub(crate) fn supports(provider: &str, model: &str, what: &str) -> bool {
    prices().supports(model, provider, what)
}

/// What a bill depends on besides the model.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Ask {
    usage: Usage,
    custom: Map,
    service_tier: Option<String>,
    region: Option<String>,
    seconds: Option<f64>,
    elapsed: Option<f64>,
    prompt_characters: Option<u64>,
    completion_characters: Option<u64>,
    queries: Option<u64>,
    batch: bool,
    data_residency: Option<String>,
    vertex_location: Option<String>,
    discounts: Option<Value>,
    margins: Option<Value>,
}

/// `(prompt, completion, total)` in dollars; `None` if the model has no known price.
#[pyfunction]
pub(crate) fn cost(provider: &str, model: &str, ask: &str) -> PyResult<Option<(f64, f64, f64)>> {
    let ask: Ask = read("cost", ask)?;
    let table = prices();
    let found = match &ask.region {
        Some(region) => table.get_in_region(provider, region, model),
        None => table.get(provider, model),
    };
    let list = found.as_ref().map(|found| found.row.pricing());
    let custom = Pricing::custom(list, &ask.custom);
    // An entry without prices is a known model that costs nothing known; no entry is an unknown model.
    let Some(pricing) = custom.as_ref().or(list) else {
        return Ok(None);
    };
    let context = CostContext {
        service_tier: ask.service_tier.as_deref(),
        batch: ask.batch,
        data_residency: ask.data_residency.as_deref(),
        vertex_location: ask.vertex_location.as_deref(),
        seconds: ask.seconds,
        elapsed: ask.elapsed,
        prompt_characters: ask.prompt_characters,
        completion_characters: ask.completion_characters,
        queries: ask.queries,
        ..CostContext::of(provider)
    };
    let bill = llm_cost::cost(pricing, &ask.usage, &context);
    let terms = Terms::of(provider, ask.discounts.as_ref(), ask.margins.as_ref());
    let Adjusted { total_cost, .. } = adjust(bill.exact, &terms);
    let (prompt, completion) = (bill.prompt().to_f64(), bill.completion().to_f64());
    Ok(Some((prompt, completion, total_cost.to_f64())))
}

fn read<T: serde::de::DeserializeOwned>(what: &str, json: &str) -> PyResult<T> {
    serde_json::from_str(json).map_err(|e| PyValueError::new_err(format!("{what}: {e}")))
}
