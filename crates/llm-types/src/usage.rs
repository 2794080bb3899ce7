//! What a request consumed, by kind of token.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, de::Visitor};

use crate::extra::{Extra, reads_with_extra};

/// Token counts in OpenAI's shape.
///
/// `prompt_tokens` **includes** cached and cache-writing tokens, `completion_tokens` includes reasoning;
/// the details are subsets, never additions. Vendors that count otherwise are normalised on the way in.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Usage {
    /// All input tokens.
    pub prompt_tokens: u64,
    /// All output tokens.
    pub completion_tokens: u64,
    /// Their sum as the vendor gave it.
    pub total_tokens: u64,
    /// Input tokens by kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prompt_tokens_details: Option<PromptDetails>,
    /// Output tokens by kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub completion_tokens_details: Option<CompletionDetails>,
    /// Calls of tools that the vendor ran.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_tool_use: Option<ServerToolUse>,
    /// What is billed besides tokens. For the bill alone: it is not part of any dialect.
    #[serde(skip)]
    pub units: Units,
    /// Whatever else the vendor reports: its own cost, speed, search counts, Anthropic's own cache fields.
    #[serde(flatten)]
    pub extra: Extra,
}

/// What a request consumed besides tokens; absent where nobody counted.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Units {
    /// Web searches, or search units of a reranker.
    pub queries: Option<u64>,
    /// Pages that were read.
    pub pages: Option<u64>,
    /// Pages that were annotated besides.
    pub annotated_pages: Option<u64>,
    /// Images that came in, where they are billed by number.
    pub input_images: Option<u64>,
    /// Characters that came in, where they are billed instead of tokens.
    pub characters: Option<u64>,
    /// Seconds of sound that was heard.
    pub seconds: Option<f64>,
}

/// Subsets of the input tokens, and countable inputs that are not tokens.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct PromptDetails {
    /// Read from the vendor's prompt cache.
    pub cached_tokens: u64,
    /// Written to the vendor's prompt cache, all lifetimes together.
    #[serde(skip_serializing_if = "is_zero")]
    pub cache_creation_tokens: u64,
    /// Cache writes by lifetime; their sum may be less than the total above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_creation_token_details: Option<CacheWrite>,
    /// Spoken input.
    #[serde(skip_serializing_if = "is_zero")]
    pub audio_tokens: u64,
    /// Input images.
    #[serde(skip_serializing_if = "is_zero")]
    pub image_tokens: u64,
    /// Input video.
    #[serde(skip_serializing_if = "is_zero")]
    pub video_tokens: u64,
    /// Uncached text, where the vendor says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_tokens: Option<u64>,
    /// Results of server tools that went back into the prompt.
    #[serde(skip_serializing_if = "is_zero")]
    pub tool_use_tokens: u64,
    /// Web searches, where the vendor counts them on the prompt.
    #[serde(skip_serializing_if = "is_zero")]
    pub web_search_requests: u64,
    /// Whatever else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Cache writes by how long they live.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct CacheWrite {
    /// Five minutes.
    pub ephemeral_5m_input_tokens: u64,
    /// One hour.
    pub ephemeral_1h_input_tokens: u64,
}

/// Subsets of the output tokens.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct CompletionDetails {
    /// Thinking, shown or not.
    pub reasoning_tokens: u64,
    /// Predicted tokens that were used.
    #[serde(skip_serializing_if = "is_zero")]
    pub accepted_prediction_tokens: u64,
    /// Predicted tokens that were billed and thrown away.
    #[serde(skip_serializing_if = "is_zero")]
    pub rejected_prediction_tokens: u64,
    /// Speech.
    #[serde(skip_serializing_if = "is_zero")]
    pub audio_tokens: u64,
    /// Images.
    #[serde(skip_serializing_if = "is_zero")]
    pub image_tokens: u64,
    /// Video.
    #[serde(skip_serializing_if = "is_zero")]
    pub video_tokens: u64,
    /// Text, where the vendor says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text_tokens: Option<u64>,
    /// Whatever else.
    #[serde(flatten)]
    pub extra: Extra,
}

/// Calls of tools that the vendor ran on its own servers.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct ServerToolUse {
    /// Web searches.
    pub web_search_requests: u64,
    /// Tool searches.
    #[serde(skip_serializing_if = "is_zero")]
    pub tool_search_requests: u64,
    /// Whatever else.
    #[serde(flatten)]
    pub extra: Extra,
}

impl Usage {
    /// Input and output, nothing known of their kinds.
    pub fn new(prompt: u64, completion: u64) -> Self {
        Self {
            prompt_tokens: prompt,
            completion_tokens: completion,
            total_tokens: prompt.saturating_add(completion),
            ..Self::default()
        }
    }

    /// Tokens read from the vendor's cache, wherever the vendor says so.
    pub fn cached_tokens(&self) -> u64 {
        let details = self
            .prompt_tokens_details
            .as_ref()
            .map_or(0, |d| d.cached_tokens);
        let own = ["cache_read_input_tokens", "prompt_cache_hit_tokens"];
        if details > 0 {
            details
        } else {
            own.iter()
                .find_map(|key| self.extra.get(*key)?.as_u64())
                .unwrap_or(0)
        }
    }

    /// Tokens written to the vendor's cache, wherever the vendor says so.
    pub fn cache_write_tokens(&self) -> u64 {
        let details = self
            .prompt_tokens_details
            .as_ref()
            .map_or(0, |d| d.cache_creation_tokens);
        if details > 0 {
            details
        } else {
            self.extra
                .get("cache_creation_input_tokens")
                .and_then(|v| v.as_u64())
                .unwrap_or(0)
        }
    }

    /// Thinking tokens.
    pub fn reasoning_tokens(&self) -> u64 {
        self.completion_tokens_details
            .as_ref()
            .map_or(0, |d| d.reasoning_tokens)
    }

    /// Adds another request's counts to these: what a retried or continued answer consumed in all.
    pub fn add(&mut self, other: &Usage) {
        self.prompt_tokens += other.prompt_tokens;
        self.completion_tokens += other.completion_tokens;
        self.total_tokens += other.total_tokens;
        self.units.add(&other.units);
        if let Some(theirs) = &other.prompt_tokens_details {
            let ours = self.prompt_tokens_details.get_or_insert_default();
            ours.cached_tokens += theirs.cached_tokens;
            ours.cache_creation_tokens += theirs.cache_creation_tokens;
            ours.audio_tokens += theirs.audio_tokens;
            ours.image_tokens += theirs.image_tokens;
            ours.video_tokens += theirs.video_tokens;
            ours.tool_use_tokens += theirs.tool_use_tokens;
            ours.web_search_requests += theirs.web_search_requests;
            ours.text_tokens = sum(ours.text_tokens, theirs.text_tokens);
            if let Some(write) = theirs.cache_creation_token_details {
                let sum = ours.cache_creation_token_details.get_or_insert_default();
                sum.ephemeral_5m_input_tokens += write.ephemeral_5m_input_tokens;
                sum.ephemeral_1h_input_tokens += write.ephemeral_1h_input_tokens;
            }
        }
        if let Some(theirs) = &other.completion_tokens_details {
            let ours = self.completion_tokens_details.get_or_insert_default();
            ours.reasoning_tokens += theirs.reasoning_tokens;
            ours.accepted_prediction_tokens += theirs.accepted_prediction_tokens;
            ours.rejected_prediction_tokens += theirs.rejected_prediction_tokens;
            ours.audio_tokens += theirs.audio_tokens;
            ours.image_tokens += theirs.image_tokens;
            ours.video_tokens += theirs.video_tokens;
            ours.text_tokens = sum(ours.text_tokens, theirs.text_tokens);
        }
        if let Some(theirs) = &other.server_tool_use {
            let ours = self.server_tool_use.get_or_insert_default();
            ours.web_search_requests += theirs.web_search_requests;
            ours.tool_search_requests += theirs.tool_search_requests;
        }
    }
}

impl Units {
    fn add(&mut self, other: &Units) {
        self.queries = sum(self.queries, other.queries);
        self.pages = sum(self.pages, other.pages);
        self.annotated_pages = sum(self.annotated_pages, other.annotated_pages);
        self.input_images = sum(self.input_images, other.input_images);
        self.characters = sum(self.characters, other.characters);
        self.seconds = match (self.seconds, other.seconds) {
            (None, None) => None,
            (ours, theirs) => Some(ours.unwrap_or(0.0) + theirs.unwrap_or(0.0)),
        };
    }
}

fn sum(a: Option<u64>, b: Option<u64>) -> Option<u64> {
    match (a, b) {
        (None, None) => None,
        (a, b) => Some(a.unwrap_or(0) + b.unwrap_or(0)),
    }
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

reads_with_extra! { Usage {
    "prompt_tokens" => prompt_tokens: Count,
    "completion_tokens" => completion_tokens: Count,
    "total_tokens" => total_tokens: Count,
    "prompt_tokens_details" => prompt_tokens_details: Option<PromptDetails>,
    "completion_tokens_details" => completion_tokens_details: Option<CompletionDetails>,
    "server_tool_use" => server_tool_use: Option<ServerToolUse>,
}}

reads_with_extra! { PromptDetails {
    "cached_tokens" => cached_tokens: Count,
    "cache_creation_tokens" | "cache_write_tokens" => cache_creation_tokens: Count,
    "cache_creation_token_details" => cache_creation_token_details: Option<CacheWrite>,
    "audio_tokens" => audio_tokens: Count,
    "image_tokens" => image_tokens: Count,
    "video_tokens" => video_tokens: Count,
    "text_tokens" => text_tokens: Option<u64>,
    "tool_use_tokens" => tool_use_tokens: Count,
    "web_search_requests" => web_search_requests: Count,
}}

reads_with_extra! { CompletionDetails {
    "reasoning_tokens" => reasoning_tokens: Count,
    "accepted_prediction_tokens" => accepted_prediction_tokens: Count,
    "rejected_prediction_tokens" => rejected_prediction_tokens: Count,
    "audio_tokens" => audio_tokens: Count,
    "image_tokens" => image_tokens: Count,
    "video_tokens" => video_tokens: Count,
    "text_tokens" => text_tokens: Option<u64>,
}}

reads_with_extra! { ServerToolUse {
    "web_search_requests" => web_search_requests: Count,
    "tool_search_requests" => tool_search_requests: Count,
}}

/// A count as vendors write it: some write `null`, and some write floats.
struct Count(u64);

impl From<Count> for u64 {
    fn from(count: Count) -> Self {
        count.0
    }
}

impl<'de> Deserialize<'de> for Count {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = Count;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number")
            }
            fn visit_u64<E>(self, count: u64) -> Result<Count, E> {
                Ok(Count(count))
            }
            fn visit_i64<E>(self, count: i64) -> Result<Count, E> {
                Ok(Count(u64::try_from(count).unwrap_or(0)))
            }
            fn visit_f64<E>(self, count: f64) -> Result<Count, E> {
                // The cast stops at 0 below, and at the largest number above.
                Ok(Count(count as u64))
            }
            fn visit_unit<E>(self) -> Result<Count, E> {
                Ok(Count(0))
            }
        }
        deserializer.deserialize_any(Number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_vendor_reports_survives() {
        let text = r#"{"prompt_tokens":5,"completion_tokens":null,"total_tokens":5.0,"queue_time":0.5,"prompt_tokens_details":{"cached_tokens":2,"x":1}}"#;
        let usage: Usage = serde_json::from_str(text).expect("usage");
        assert_eq!(
            (
                usage.prompt_tokens,
                usage.completion_tokens,
                usage.total_tokens,
                usage.cached_tokens()
            ),
            (5, 0, 5, 2)
        );
        assert_eq!(usage.extra["queue_time"], 0.5);
        let back = serde_json::to_value(&usage).expect("json");
        assert_eq!(back["prompt_tokens_details"]["x"], 1);
    }

    #[test]
    fn adding_sums_every_kind() {
        let mut a = Usage::new(10, 4);
        a.prompt_tokens_details
            .get_or_insert_default()
            .cached_tokens = 3;
        let mut b = Usage::new(1, 2);
        b.prompt_tokens_details
            .get_or_insert_default()
            .cached_tokens = 1;
        b.completion_tokens_details
            .get_or_insert_default()
            .reasoning_tokens = 2;
        b.units.queries = Some(2);
        a.add(&b);
        assert_eq!((a.units.queries, a.units.pages), (Some(2), None));
        assert_eq!(
            (a.prompt_tokens, a.completion_tokens, a.total_tokens),
            (11, 6, 17)
        );
        assert_eq!((a.cached_tokens(), a.reasoning_tokens()), (4, 2));
    }
}
