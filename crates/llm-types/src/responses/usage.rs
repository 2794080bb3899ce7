//! Token counts in the Responses API's shape, and the way to chat's and back.

use serde::{Deserialize, Deserializer, Serialize};

use crate::{CompletionDetails, Map, PromptDetails, Usage};

/// Token counts of a response: chat's under other names.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ResponsesUsage {
    /// All input tokens.
    #[serde(default, deserialize_with = "null_is_default")]
    pub input_tokens: u64,
    /// Input tokens by kind: `{cached_tokens, ...}`.
    #[serde(default, deserialize_with = "null_is_default")]
    pub input_tokens_details: PromptDetails,
    /// All output tokens.
    #[serde(default, deserialize_with = "null_is_default")]
    pub output_tokens: u64,
    /// Output tokens by kind: `{reasoning_tokens, ...}`.
    #[serde(default, deserialize_with = "null_is_default")]
    pub output_tokens_details: CompletionDetails,
    /// Their sum as the vendor gave it.
    #[serde(default, deserialize_with = "null_is_default")]
    pub total_tokens: u64,
    /// Whatever else the vendor reports: its own cost, its searches.
    #[serde(flatten)]
    pub extra: Map,
}

impl ResponsesUsage {
    /// The same counts under chat's names.
    pub fn normalise(self) -> Usage {
        let mut extra = self.extra;
        let server_tool_use = extra
            .shift_remove("server_tool_use")
            .and_then(|tools| serde_json::from_value(tools).ok());
        let total = match self.total_tokens {
            0 => self.input_tokens.saturating_add(self.output_tokens),
            total => total,
        };
        Usage {
            prompt_tokens: self.input_tokens,
            completion_tokens: self.output_tokens,
            total_tokens: total,
            prompt_tokens_details: Some(self.input_tokens_details),
            completion_tokens_details: Some(self.output_tokens_details),
            server_tool_use,
            extra: extra.into(),
            ..Usage::default()
        }
    }
}

impl From<Usage> for ResponsesUsage {
    fn from(usage: Usage) -> Self {
        let mut input = usage.prompt_tokens_details.clone().unwrap_or_default();
        input.cached_tokens = usage.cached_tokens();
        let mut extra = usage.extra;
        if let Some(Ok(tools)) = usage.server_tool_use.map(serde_json::to_value) {
            extra.insert("server_tool_use".into(), tools);
        }
        Self {
            input_tokens: usage.prompt_tokens,
            input_tokens_details: input,
            output_tokens: usage.completion_tokens,
            output_tokens_details: usage.completion_tokens_details.unwrap_or_default(),
            total_tokens: usage.total_tokens,
            extra: extra.into(),
        }
    }
}

fn null_is_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_come_back_from_the_other_names() {
        let text = r#"{"input_tokens":9,"input_tokens_details":{"cached_tokens":4},"output_tokens":7,"output_tokens_details":{"reasoning_tokens":3},"total_tokens":16,"cost_in_usd_ticks":5}"#;
        let usage: ResponsesUsage = serde_json::from_str(text).expect("usage");
        let chat = usage.clone().normalise();
        assert_eq!(
            (
                chat.prompt_tokens,
                chat.completion_tokens,
                chat.cached_tokens(),
                chat.reasoning_tokens()
            ),
            (9, 7, 4, 3)
        );
        assert_eq!(ResponsesUsage::from(chat), usage);
    }

    #[test]
    fn nulls_are_nothing() {
        let text = r#"{"input_tokens":9,"input_tokens_details":null,"output_tokens":null}"#;
        let usage: ResponsesUsage = serde_json::from_str(text).expect("usage");
        assert_eq!(usage.normalise().total_tokens, 9);
    }
}
