//! The tools that a model may call.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::Map;

/// A tool on offer: a function, or a vendor's own tool kept as it is.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Tool {
    /// `function`, or the name of a hosted tool such as `web_search_20250305`.
    #[serde(rename = "type", default = "function")]
    pub kind: String,
    /// The function, where `kind` says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<FunctionDef>,
    /// Anthropic's cache marker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cache_control: Option<Value>,
    /// All of a hosted tool, and every other key of a function tool.
    #[serde(flatten)]
    pub extra: Map,
}

/// A function on offer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FunctionDef {
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// JSON Schema of its arguments, keys in the caller's order.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Value>,
    /// Whether the arguments must match the schema exactly.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strict: Option<bool>,
    /// Every other key.
    #[serde(flatten)]
    pub extra: Map,
}

/// Whether and which tools must be called.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ToolChoice {
    /// `auto`, `none`, `required`.
    Mode(String),
    /// `{type: "function", function: {name}}` and vendors' relatives.
    Named(Map),
}

impl ToolChoice {
    /// The mode: `auto`, `none`, `required`, or `None` for a named tool. `{"type": "auto"}` counts as its mode.
    pub fn mode(&self) -> Option<&str> {
        match self {
            Self::Mode(mode) => Some(mode),
            Self::Named(map) if !map.contains_key("function") => match map.get("type")?.as_str()? {
                mode @ ("auto" | "none" | "required") => Some(mode),
                "any" => Some("required"),
                _ => None,
            },
            Self::Named(_) => None,
        }
    }

    /// The named function.
    pub fn function_name(&self) -> Option<&str> {
        match self {
            Self::Mode(_) => None,
            Self::Named(map) => map
                .get("function")
                .and_then(|f| f.get("name"))
                .or_else(|| map.get("name"))?
                .as_str(),
        }
    }
}

fn function() -> String {
    "function".into()
}
