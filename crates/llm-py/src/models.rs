//! What is known of models and providers.

use llm_providers::resolve;
use llm_sdk::surroundings::Process;
use pyo3::prelude::*;

use crate::errors;

/// `(model, provider)` of what a user writes.
#[pyfunction]
#[pyo3(signature = (model, custom_llm_provider=None, api_base=None))]
pub(crate) fn resolve(
    py: Python<'_>,
    model: &str,
    custom_llm_provider: Option<&str>,
    api_base: Option<&str>,
) -> PyResult<(String, &'static str)> {
    resolve::provider(model, custom_llm_provider, api_base, &Process)
        .map(|(row, model)| (model, row.name))
        .map_err(|e| errors::plain(py, &e))
}
