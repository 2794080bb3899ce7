//! How a caller wants its request treated: LiteLLM's own keys, which no vendor ever sees.

use serde::Deserialize;

use llm_types::{JsonError, JsonObject};

/// The keys that steer translation. Those that steer routing, logging and the like belong to the crates above.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CallOptions {
    /// Drop parameters that the target cannot take, instead of refusing the request.
    pub drop_params: bool,
    /// Drop these in any case; paths such as `tools[*].function.strict` reach inside.
    pub additional_drop_params: Vec<String>,
    /// Send these though the target is not known to take them.
    pub allowed_openai_params: Vec<String>,
    /// Repair what a vendor would refuse (an empty system-only prompt, a limit above the model's).
    pub modify_params: bool,
    /// Headers for the vendor.
    pub extra_headers: Vec<(String, String)>,
    /// Keys laid over the vendor's body at the very end.
    pub extra_body: JsonObjectEq,
    /// Keys for the vendor's query string.
    pub extra_query: Vec<(String, String)>,
}

/// A [`JsonObject`] that is compared by its text.
#[derive(Debug, Clone, Default)]
pub struct JsonObjectEq(pub JsonObject);

impl PartialEq for JsonObjectEq {
    fn eq(&self, other: &Self) -> bool {
        match (self.0.is_empty(), other.0.is_empty()) {
            (false, false) => self.0.to_bytes() == other.0.to_bytes(),
            (ours, theirs) => ours == theirs,
        }
    }
}

impl CallOptions {
    /// Takes these keys out of a body. The error names the key that is of the wrong type.
    pub fn take(body: &mut JsonObject) -> Result<Self, JsonError> {
        let mut options = Self {
            drop_params: body.take("drop_params")?.unwrap_or_default(),
            additional_drop_params: body.take("additional_drop_params")?.unwrap_or_default(),
            allowed_openai_params: body.take("allowed_openai_params")?.unwrap_or_default(),
            modify_params: body.take("modify_params")?.unwrap_or_default(),
            ..Self::default()
        };
        // LiteLLM: both are merged, `extra_headers` wins.
        for key in ["headers", "extra_headers"] {
            options.merge_headers(pairs(body, key)?);
        }
        options.extra_query = pairs(body, "extra_query")?;
        if let Some(raw) = body.remove("extra_body").filter(|raw| &raw[..] != b"null") {
            options.extra_body = JsonObjectEq(
                JsonObject::parse(&raw).map_err(|e| JsonError::new("extra_body", e.message))?,
            );
        }
        Ok(options)
    }

    /// Adds headers; a name that is there already is replaced.
    pub fn merge_headers(&mut self, headers: Vec<(String, String)>) {
        for (name, value) in headers {
            self.extra_headers
                .retain(|(seen, _)| !seen.eq_ignore_ascii_case(&name));
            self.extra_headers.push((name, value));
        }
    }
}

fn pairs(body: &mut JsonObject, key: &str) -> Result<Vec<(String, String)>, JsonError> {
    let map: llm_types::Map = body.take(key)?.unwrap_or_default();
    map.into_iter()
        .map(|(name, value)| match Scalar::deserialize(&value) {
            Ok(Scalar::Text(text)) => Ok((name, text)),
            Ok(Scalar::Number(number)) => Ok((name, number.to_string())),
            Ok(Scalar::Bool(yes)) => Ok((name, yes.to_string())),
            Err(_) => Err(JsonError::new(format!("{key}.{name}"), "expected a string")),
        })
        .collect()
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Scalar {
    Text(String),
    Number(serde_json::Number),
    Bool(bool),
}
