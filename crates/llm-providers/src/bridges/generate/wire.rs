//! A generateContent request. Google reads names in both spellings, and so do we.

use llm_types::{JsonError, JsonObject, Map};
use serde::{Deserialize, Deserializer};
use serde_json::{Number, Value, value::RawValue};

#[derive(Debug, Default)]
pub(super) struct Request {
    pub(super) model: Option<String>,
    pub(super) contents: Vec<Content>,
    pub(super) system: Option<Content>,
    pub(super) tools: Vec<Map>,
    pub(super) tool_config: ToolConfig,
    pub(super) config: Config,
    pub(super) stream: bool,
    /// Every other key.
    pub(super) extra: Map,
}

#[derive(Debug, Default)]
pub(super) struct Content {
    pub(super) role: Option<String>,
    pub(super) parts: Vec<Part>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Part {
    pub(super) text: Option<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(super) thought: bool,
    #[serde(alias = "thought_signature")]
    pub(super) thought_signature: Option<String>,
    #[serde(alias = "inline_data")]
    pub(super) inline_data: Option<Blob>,
    #[serde(alias = "file_data")]
    pub(super) file_data: Option<File>,
    #[serde(alias = "function_call")]
    pub(super) function_call: Option<FunctionCall>,
    #[serde(alias = "function_response")]
    pub(super) function_response: Option<FunctionResponse>,
    /// `executableCode`, `codeExecutionResult`, `videoMetadata`, ...
    #[serde(flatten)]
    pub(super) extra: Map,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Blob {
    #[serde(alias = "mime_type")]
    pub(super) mime_type: String,
    pub(super) data: String,
    #[serde(alias = "display_name")]
    pub(super) display_name: Option<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct File {
    #[serde(alias = "mime_type")]
    pub(super) mime_type: Option<String>,
    #[serde(alias = "file_uri")]
    pub(super) file_uri: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct FunctionCall {
    pub(super) id: Option<String>,
    pub(super) name: String,
    pub(super) args: Option<Value>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct FunctionResponse {
    pub(super) id: Option<String>,
    pub(super) name: String,
    pub(super) response: Value,
    #[serde(deserialize_with = "null_is_default")]
    pub(super) parts: Vec<Part>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct ToolConfig {
    #[serde(
        alias = "function_calling_config",
        deserialize_with = "null_is_default"
    )]
    pub(super) function_calling_config: Calling,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Calling {
    #[serde(deserialize_with = "null_is_default")]
    pub(super) mode: String,
    #[serde(alias = "allowed_function_names", deserialize_with = "null_is_default")]
    pub(super) allowed_function_names: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Config {
    pub(super) temperature: Option<Number>,
    #[serde(alias = "top_p")]
    pub(super) top_p: Option<Number>,
    #[serde(alias = "top_k")]
    pub(super) top_k: Option<Number>,
    #[serde(alias = "max_output_tokens")]
    pub(super) max_output_tokens: Option<u64>,
    #[serde(alias = "stop_sequences")]
    pub(super) stop_sequences: Option<Vec<String>>,
    #[serde(alias = "candidate_count")]
    pub(super) candidate_count: Option<u64>,
    #[serde(alias = "response_mime_type")]
    pub(super) response_mime_type: Option<String>,
    #[serde(alias = "response_schema")]
    pub(super) response_schema: Option<Value>,
    #[serde(alias = "response_json_schema", alias = "_responseJsonSchema")]
    pub(super) response_json_schema: Option<Value>,
    #[serde(alias = "thinking_config", deserialize_with = "null_is_default")]
    pub(super) thinking_config: Thinking,
    pub(super) seed: Option<Number>,
    #[serde(alias = "presence_penalty")]
    pub(super) presence_penalty: Option<Number>,
    #[serde(alias = "frequency_penalty")]
    pub(super) frequency_penalty: Option<Number>,
    #[serde(alias = "response_logprobs")]
    pub(super) response_logprobs: Option<bool>,
    pub(super) logprobs: Option<u64>,
    #[serde(alias = "response_modalities", deserialize_with = "null_is_default")]
    pub(super) response_modalities: Vec<String>,
    /// Every other key.
    #[serde(flatten)]
    pub(super) extra: Map,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(super) struct Thinking {
    #[serde(alias = "thinking_budget")]
    pub(super) thinking_budget: Option<i64>,
    #[serde(alias = "thinking_level")]
    pub(super) thinking_level: Option<String>,
}

impl Request {
    /// Reads a body; the error names the field that is of the wrong type.
    pub(super) fn read(body: &JsonObject) -> Result<Self, JsonError> {
        let mut request = Self::default();
        for (key, raw) in body.iter().filter(|(_, raw)| &raw[..] != b"null") {
            match key {
                "model" => request.model = body.get(key)?,
                "stream" => request.stream = body.is_true(key),
                "contents" => request.contents = contents(body, key)?,
                "systemInstruction" | "system_instruction" => {
                    request.system = contents(body, key)?.pop();
                }
                // One alone will do.
                "tools" if raw.starts_with(b"{") => {
                    request.tools = body.get(key)?.into_iter().collect()
                }
                "tools" => request.tools = body.get(key)?.unwrap_or_default(),
                "toolConfig" | "tool_config" => {
                    request.tool_config = body.get(key)?.unwrap_or_default();
                }
                "generationConfig" | "generation_config" => {
                    request.config = body.get(key)?.unwrap_or_default();
                }
                _ => {
                    let value = serde_json::from_slice(raw)
                        .map_err(|e| JsonError::new(key, e.to_string()))?;
                    request.extra.insert(key.to_owned(), value);
                }
            }
        }
        Ok(request)
    }
}

/// The contents under a key: a list, one alone, or a text.
fn contents(body: &JsonObject, key: &str) -> Result<Vec<Content>, JsonError> {
    match body.raw(key).and_then(|raw| raw.first()) {
        Some(b'[') => {
            let list: Vec<Box<RawValue>> = body.get(key)?.unwrap_or_default();
            let list = list.iter().enumerate();
            list.map(|(i, raw)| content(raw, &format!("{key}[{i}]")))
                .collect()
        }
        Some(_) => {
            let raw: Option<Box<RawValue>> = body.get(key)?;
            raw.iter().map(|raw| content(raw, key)).collect()
        }
        None => Ok(Vec::new()),
    }
}

fn content(raw: &RawValue, path: &str) -> Result<Content, JsonError> {
    #[derive(Deserialize)]
    struct Parts {
        role: Option<String>,
        parts: Option<Value>,
    }
    let wrong = |path: &str, e: serde_json::Error| {
        let text = e.to_string();
        let text = text
            .rsplit_once(" at line ")
            .map_or(text.as_str(), |(head, _)| head);
        JsonError::new(path, text)
    };
    if raw.get().starts_with('"') {
        let text = serde_json::from_str(raw.get()).map_err(|e| wrong(path, e))?;
        return Ok(Content {
            role: None,
            parts: vec![Part {
                text: Some(text),
                ..Part::default()
            }],
        });
    }
    let read: Parts = serde_json::from_str(raw.get()).map_err(|e| wrong(path, e))?;
    let parts = match read.parts {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Array(list)) => list,
        Some(one) => vec![one],
    };
    let parts = parts.into_iter().enumerate().map(|(i, part)| {
        serde_json::from_value(part).map_err(|e| wrong(&format!("{path}.parts[{i}]"), e))
    });
    Ok(Content {
        role: read.role,
        parts: parts.collect::<Result<_, _>>()?,
    })
}

/// `cached_content` as `cachedContent`.
pub(super) fn camel(key: &str) -> String {
    let mut out = String::with_capacity(key.len());
    let mut upper = false;
    for c in key.chars() {
        match c {
            '_' if !out.is_empty() => upper = true,
            c if upper => {
                out.extend(c.to_uppercase());
                upper = false;
            }
            c => out.push(c),
        }
    }
    out
}

fn null_is_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}
