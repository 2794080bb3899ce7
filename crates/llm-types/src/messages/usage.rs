//! Token counts in Anthropic's shape, and the way to OpenAI's and back.

use serde::Serialize;
use serde_json::Value;

use crate::{
    CacheWrite, CompletionDetails, Extra, Map, PromptDetails, ServerToolUse, Usage,
    extra::reads_with_extra,
};

/// Token counts in Anthropic's shape: `input_tokens` is what no cache had and none was given.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct MessagesUsage {
    /// Input tokens outside of any cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_tokens: Option<u64>,
    /// Input tokens written to the cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_creation_input_tokens: Option<u64>,
    /// Input tokens read from the cache.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_read_input_tokens: Option<u64>,
    /// The written ones by lifetime.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_creation: Option<CacheWrite>,
    /// Output tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens: Option<u64>,
    /// The output tokens by kind: `{thinking_tokens}`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens_details: Option<Map>,
    /// Calls of hosted tools.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_tool_use: Option<ServerToolUse>,
    /// Every other key: `service_tier`, `inference_geo`, `speed`, `iterations`, ...
    #[serde(flatten)]
    pub extra: Extra,
}

impl MessagesUsage {
    /// Lays later counts over these: what a later event does not say stays.
    pub fn merge(&mut self, later: MessagesUsage) {
        fn over<T>(old: &mut Option<T>, new: Option<T>) {
            if new.is_some() {
                *old = new;
            }
        }
        over(&mut self.input_tokens, later.input_tokens);
        over(
            &mut self.cache_creation_input_tokens,
            later.cache_creation_input_tokens,
        );
        over(
            &mut self.cache_read_input_tokens,
            later.cache_read_input_tokens,
        );
        over(&mut self.cache_creation, later.cache_creation);
        over(&mut self.output_tokens, later.output_tokens);
        over(&mut self.output_tokens_details, later.output_tokens_details);
        over(&mut self.server_tool_use, later.server_tool_use);
        for (key, value) in later.extra {
            if !value.is_null() {
                self.extra.insert(key, value);
            }
        }
    }

    /// The same counts in OpenAI's shape: the prompt includes what was cached.
    pub fn normalise(&self) -> Usage {
        let read = self.cache_read_input_tokens.unwrap_or(0);
        let written = self.cache_creation_input_tokens.unwrap_or(0);
        let prompt = self
            .input_tokens
            .unwrap_or(0)
            .saturating_add(read)
            .saturating_add(written);
        let mut usage = Usage::new(prompt, self.output_tokens.unwrap_or(0));
        usage.prompt_tokens_details = Some(PromptDetails {
            cached_tokens: read,
            cache_creation_tokens: written,
            cache_creation_token_details: self.cache_creation,
            ..PromptDetails::default()
        });
        if let Some(details) = &self.output_tokens_details {
            usage.completion_tokens_details = Some(CompletionDetails {
                reasoning_tokens: details
                    .get("thinking_tokens")
                    .and_then(Value::as_u64)
                    .unwrap_or(0),
                ..CompletionDetails::default()
            });
        }
        usage.server_tool_use.clone_from(&self.server_tool_use);
        let own = [
            (
                "cache_creation_input_tokens",
                self.cache_creation_input_tokens,
            ),
            ("cache_read_input_tokens", self.cache_read_input_tokens),
        ];
        for (key, count) in own {
            if let Some(count) = count {
                usage.extra.insert(key.into(), count.into());
            }
        }
        for (key, value) in &self.extra {
            if !value.is_null() {
                usage.extra.insert(key.clone(), value.clone());
            }
        }
        usage
    }
}

reads_with_extra! { MessagesUsage {
    "input_tokens" => input_tokens: Option<u64>,
    "cache_creation_input_tokens" => cache_creation_input_tokens: Option<u64>,
    "cache_read_input_tokens" => cache_read_input_tokens: Option<u64>,
    "cache_creation" => cache_creation: Option<CacheWrite>,
    "output_tokens" => output_tokens: Option<u64>,
    "output_tokens_details" => output_tokens_details: Option<Map>,
    "server_tool_use" => server_tool_use: Option<ServerToolUse>,
}}

/// The counts in Anthropic's shape: what was cached leaves the input.
impl From<&Usage> for MessagesUsage {
    fn from(usage: &Usage) -> Self {
        let (read, written) = (usage.cached_tokens(), usage.cache_write_tokens());
        let reasoning = usage.reasoning_tokens();
        let mut extra = usage.extra.clone();
        extra.retain(|key, _| {
            !matches!(
                key.as_str(),
                "cache_creation_input_tokens" | "cache_read_input_tokens"
            )
        });
        Self {
            input_tokens: Some(
                usage
                    .prompt_tokens
                    .saturating_sub(read)
                    .saturating_sub(written),
            ),
            cache_creation_input_tokens: Some(written),
            cache_read_input_tokens: Some(read),
            cache_creation: usage
                .prompt_tokens_details
                .as_ref()
                .and_then(|details| details.cache_creation_token_details),
            output_tokens: Some(usage.completion_tokens),
            output_tokens_details: (reasoning > 0)
                .then(|| Map::from_iter([("thinking_tokens".to_owned(), reasoning.into())])),
            server_tool_use: usage.server_tool_use.clone(),
            extra,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_includes_the_cache_and_goes_back() {
        let text = r#"{"input_tokens":10,"cache_creation_input_tokens":5,"cache_read_input_tokens":100,"cache_creation":{"ephemeral_5m_input_tokens":2,"ephemeral_1h_input_tokens":3},"output_tokens":7,"output_tokens_details":{"thinking_tokens":4},"server_tool_use":{"web_search_requests":1},"service_tier":"standard"}"#;
        let own: MessagesUsage = serde_json::from_str(text).expect("usage");
        let usage = own.normalise();
        assert_eq!((usage.prompt_tokens, usage.total_tokens), (115, 122));
        assert_eq!(
            (usage.cached_tokens(), usage.cache_write_tokens()),
            (100, 5)
        );
        assert_eq!(usage.reasoning_tokens(), 4);
        assert_eq!(usage.extra["cache_read_input_tokens"], 100);
        assert_eq!(MessagesUsage::from(&usage), own);
    }

    #[test]
    fn later_counts_win_and_silence_does_not() {
        let mut usage: MessagesUsage = serde_json::from_str(
            r#"{"input_tokens":9,"cache_read_input_tokens":3,"output_tokens":1}"#,
        )
        .expect("usage");
        usage.merge(
            serde_json::from_str(r#"{"output_tokens":20,"service_tier":null}"#).expect("usage"),
        );
        assert_eq!(usage.input_tokens, Some(9));
        assert_eq!(usage.normalise().total_tokens, 32);
    }
}
