//! What is known of models: who serves them, what they can do, what they cost.

use llm_cost::{Adjusted, CostContext, Pricing, Terms, adjust};
use llm_providers::resolve;
use llm_sdk::surroundings::{self, Process};
use llm_types::{Map, Usage};
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

/// The environment variables that hold a provider's key, any of which is enough, and whether it needs one at all.
#[pyfunction]
pub(crate) fn key_variables(provider: &str) -> Vec<&'static str> {
    llm_providers::lookup(provider)
        .filter(|row| row.key_default.is_empty())
        .map(|row| row.key_env.to_vec())
        .unwrap_or_default()
}

/// All of a model's entry in the price table as JSON; `None` if there is none.
#[pyfunction]
pub(crate) fn model_info(provider: &str, model: &str) -> Option<String> {
    let found = surroundings::prices().get(provider, model)?;
    Some(Value::Object(found.row.to_json()).to_string())
}

/// One entry of the price table as JSON, as the list has it.
#[pyfunction]
pub(crate) fn price_entry(name: &str) -> Option<String> {
    let row = surroundings::prices().entry(name)?;
    Some(Value::Object(row.fields().clone()).to_string())
}

/// The names in the price table.
#[pyfunction]
pub(crate) fn price_names() -> Vec<String> {
    surroundings::prices().names().map(str::to_owned).collect()
}

/// Lays an entry, given as JSON, over the price table.
#[pyfunction]
pub(crate) fn register_model(name: &str, fields: &str) -> PyResult<()> {
    let fields: Map = read("model", fields)?;
    surroundings::register_model(name, &fields);
    Ok(())
}

/// Whether a model can do `what`.
#[pyfunction]
pub(crate) fn supports(provider: &str, model: &str, what: &str) -> bool {
    surroundings::prices().supports(model, provider, what)
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
    let table = surroundings::prices();
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
