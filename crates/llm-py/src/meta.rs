//! What is to be said about an answer besides its text.

use http::HeaderMap;
use llm_sdk::Charge;
use pyo3::{prelude::*, types::PyDict};

/// Who answered, how long it took, what it cost. Read only when `_hidden_params` is.
#[pyclass(frozen, module = "interlingua._native")]
pub(crate) struct Meta {
    meta: Box<llm_sdk::Meta>,
    charge: Charge,
    /// Whether a router with groups of its own found the way.
    routed: bool,
}

impl Meta {
    pub(crate) fn new(meta: llm_sdk::Meta, charge: Charge, routed: bool) -> Self {
        Self {
            meta: Box::new(meta),
            charge,
            routed,
        }
    }
}

#[pymethods]
impl Meta {
    /// The vendor's name for the model.
    #[getter]
    fn model(&self) -> &str {
        &self.meta.model
    }

    /// The provider's name.
    #[getter]
    fn provider(&self) -> &'static str {
        self.meta.deployment.target.provider.name
    }

    /// Everything LiteLLM keeps in `_hidden_params`.
    fn hidden<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let meta = &self.meta;
        let target = &meta.deployment.target;
        let took = meta.took.as_secs_f64() * 1e3;
        let hidden = PyDict::new(py);
        hidden.set_item("custom_llm_provider", target.provider.name)?;
        hidden.set_item("region_name", target.setting("aws_region_name"))?;
        hidden.set_item("model_id", &meta.deployment.id)?;
        hidden.set_item("api_base", &target.base_url)?;
        hidden.set_item("litellm_call_id", &meta.call_id)?;
        hidden.set_item("litellm_model_name", &meta.model)?;
        hidden.set_item(
            "response_cost",
            self.charge.total().map(|total| total.to_f64()),
        )?;
        let (headers, additional) = headers(py, &meta.headers)?;
        if self.routed {
            for (name, value) in meta.limits() {
                additional.set_item(name, value)?;
            }
            additional.set_item("x-litellm-model-group", &meta.group)?;
            additional.set_item("x-litellm-model-id", &meta.deployment.id)?;
            additional.set_item("x-litellm-attempted-retries", meta.trace.retries())?;
            if meta.trace.max_retries > 0 {
                additional.set_item("x-litellm-max-retries", meta.trace.max_retries)?;
            }
        }
        if self.routed || meta.trace.fallbacks > 0 {
            additional.set_item("x-litellm-attempted-fallbacks", meta.trace.fallbacks)?;
        }
        hidden.set_item("headers", headers)?;
        hidden.set_item("additional_headers", additional)?;
        hidden.set_item("_response_ms", took)?;
        let overhead = meta.took.saturating_sub(meta.upstream).as_secs_f64() * 1e3;
        hidden.set_item("litellm_overhead_time_ms", overhead)?;
        hidden.set_item("cache_hit", py.None())?;
        let notices: Vec<(&str, &str)> = meta
            .notices
            .iter()
            .map(|notice| (notice.param.as_str(), notice.message.as_str()))
            .collect();
        if !notices.is_empty() {
            hidden.set_item("notices", notices)?;
        }
        Ok(hidden)
    }
}

/// The vendor's headers as they came, and as LiteLLM names them.
pub(crate) fn headers<'py>(
    py: Python<'py>,
    map: &HeaderMap,
) -> PyResult<(Bound<'py, PyDict>, Bound<'py, PyDict>)> {
    let plain = PyDict::new(py);
    let additional = PyDict::new(py);
    for (name, value) in map {
        let (name, value) = (name.as_str(), String::from_utf8_lossy(value.as_bytes()));
        plain.set_item(name, &value)?;
        if name.starts_with("x-ratelimit-") || name == "request-id" {
            additional.set_item(name, &value)?;
        }
        additional.set_item(format!("llm_provider-{name}"), &value)?;
    }
    Ok((plain, additional))
}
