//! OpenAI's levels of reasoning effort, for vendors that count thinking in tokens.

use serde_json::Value;

/// The level: a string, or `effort` of `{effort, summary}`.
pub(crate) fn level(effort: &Value) -> Option<&str> {
    effort.as_str().or_else(|| effort.get("effort")?.as_str())
}

/// The thinking budget in tokens that LiteLLM's users know for `level`; zero is none at all.
pub(crate) fn budget(level: &str) -> Option<u64> {
    Some(match level {
        "none" | "disable" => 0,
        "minimal" => 128,
        "low" => 1024,
        "medium" => 2048,
        "high" => 4096,
        "xhigh" => 8192,
        "max" => 16384,
        _ => return None,
    })
}
