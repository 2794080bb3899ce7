//! Failures as Python's exceptions: one class for each kind, chosen by `interlingua.exceptions`.

use llm_providers::Error;
use llm_router::Reason;
use llm_sdk::Failure;
use pyo3::{
    exceptions::PyUnicodeDecodeError,
    prelude::*,
    types::{PyDict, PyString},
};
use serde::Serialize;

use crate::meta;

/// The exception for a request that nobody answered.
pub(crate) fn failure(py: Python<'_>, failure: &Failure, routed: bool) -> PyErr {
    let facts = facts(py, &failure.error).and_then(|facts| {
        let retries = failure.trace.attempts.len().saturating_sub(1);
        facts.set_item("model", &failure.requested)?;
        facts.set_item("num_retries", (retries > 0).then_some(retries))?;
        facts.set_item(
            "max_retries",
            (failure.trace.max_retries > 0).then_some(failure.trace.max_retries),
        )?;
        facts.set_item("call_id", &failure.call_id)?;
        if let Some(last) = &failure.fallback_error {
            facts.set_item("fallback_message", last.to_string())?;
        }
        if routed {
            facts.set_item("groups", &failure.trace.groups)?;
            facts.set_item("resting", resting(failure))?;
        }
        Ok(facts)
    });
    raise(py, facts)
}

/// The deployments that could not be asked because they rest.
fn resting(failure: &Failure) -> Vec<&str> {
    let skipped = failure.trace.nobody.iter();
    skipped
        .filter(|skipped| matches!(skipped.reason, Reason::Cooling { .. }))
        .map(|skipped| skipped.deployment.as_str())
        .collect()
}

/// The exception for an error that belongs to no request, or to a stream that broke.
pub(crate) fn plain(py: Python<'_>, error: &Error) -> PyErr {
    raise(py, facts(py, error))
}

/// JSON is UTF-8, and Python wants to be told so.
pub(crate) fn text<'py>(py: Python<'py>, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(PyString::new(py, text).into_any()),
        Err(e) => Err(PyUnicodeDecodeError::new_utf8(py, bytes, e)?.into()),
    }
}

fn raise(py: Python<'_>, facts: PyResult<Bound<'_, PyDict>>) -> PyErr {
    let made = facts.and_then(|facts| {
        py.import("interlingua.exceptions")?
            .getattr("from_facts")?
            .call1((facts,))
    });
    match made {
        Ok(exception) => PyErr::from_value(exception),
        Err(e) => e,
    }
}

fn facts<'py>(py: Python<'py>, error: &Error) -> PyResult<Bound<'py, PyDict>> {
    let facts = PyDict::new(py);
    facts.set_item("kind", kind(error))?;
    facts.set_item("message", error.to_string())?;
    facts.set_item("provider", error.provider)?;
    facts.set_item("status", error.status.map(|status| status.as_u16()))?;
    facts.set_item("default_status", error.status_code().as_u16())?;
    facts.set_item("param", &error.param)?;
    facts.set_item("code", &error.code)?;
    facts.set_item("request_id", &error.request_id)?;
    facts.set_item(
        "retry_after",
        error.retry_after.map(|after| after.as_secs_f64()),
    )?;
    facts.set_item("body", &error.body)?;
    facts.set_item("headers", meta::headers(py, &error.headers)?.0)?;
    Ok(facts)
}

/// The kind's name as it is serialised: the key of the table in `interlingua.exceptions`.
fn kind(error: &Error) -> String {
    match error.kind.serialize(serde_json::value::Serializer) {
        Ok(serde_json::Value::String(name)) => name,
        _ => String::new(),
    }
}
