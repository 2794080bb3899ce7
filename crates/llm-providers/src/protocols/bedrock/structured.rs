//! Answers in a JSON schema: natively where the model can, else as the arguments of a tool that must be called.

use llm_types::{ChatRequest, Map};
use serde_json::{Value, json};

use crate::{Call, Error, call::JSON_TOOL};

/// How the answer's form is asked for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Structured {
    /// Not at all.
    No,
    /// `outputConfig`.
    Native(Value),
    /// As a tool's arguments.
    Tool {
        /// Its name.
        name: &'static str,
        /// Its schema.
        schema: Value,
    },
}

impl Structured {
    /// What `request` asks for, as far as the model can do it.
    pub(super) fn of(call: &Call<'_>, request: &ChatRequest) -> Result<Self, Error> {
        let Some(format) = &request.response_format else {
            return Ok(Self::No);
        };
        if format.get("type").and_then(Value::as_str) != Some("json_schema") {
            return Ok(Self::No);
        }
        let wrapped = format.get("json_schema");
        let schema = wrapped
            .and_then(|wrapped| wrapped.get("schema"))
            .filter(|schema| schema.is_object())
            .ok_or_else(|| {
                Error::bad_request("response_format", "json_schema needs a 'schema' object")
            })?;
        if !native(call) {
            return Ok(Self::Tool {
                name: JSON_TOOL,
                schema: schema.clone(),
            });
        }
        let mut described = Map::new();
        for key in ["name", "description"] {
            if let Some(text) = wrapped
                .and_then(|wrapped| wrapped.get(key))
                .filter(|v| v.is_string())
            {
                described.insert(key.into(), text.clone());
            }
        }
        described.insert("schema".into(), schema.to_string().into());
        Ok(Self::Native(json!({"textFormat": {
            "type": "json_schema", "structure": {"jsonSchema": described}}})))
    }

    /// Whether the answer comes as a tool's arguments.
    pub(super) fn is_tool(&self) -> bool {
        matches!(self, Self::Tool { .. })
    }
}

/// Bedrock's own word on it first: some of its regions lack what the model can elsewhere.
fn native(call: &Call<'_>) -> bool {
    let facts = &call.target.facts;
    facts
        .supports("bedrock_native_structured_output")
        .or_else(|| facts.supports("native_structured_output"))
        .unwrap_or(false)
}
