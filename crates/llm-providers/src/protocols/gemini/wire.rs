//! The types of generateContent, as they stand on the wire.

use llm_types::Map;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

/// One turn.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Content {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) role: Option<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(crate) parts: Vec<Part>,
}

/// One part of a turn. What is not named here (code that ran, calls of the vendor's own tools) is in `extra`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Part {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) text: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) thought: Option<bool>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) inline_data: Option<Blob>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) file_data: Option<FileData>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) function_call: Option<FunctionCall>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) function_response: Option<FunctionResponse>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) thought_signature: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) video_metadata: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) media_resolution: Option<Value>,
    #[serde(flatten)]
    pub(crate) extra: Map,
}

/// Bytes in base64.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Blob {
    #[serde(default)]
    pub(crate) mime_type: String,
    #[serde(default)]
    pub(crate) data: String,
}

/// A file the vendor fetches itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FileData {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) mime_type: Option<String>,
    #[serde(default)]
    pub(crate) file_uri: String,
}

/// A call of one of the caller's functions, always whole.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct FunctionCall {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(crate) args: Map,
}

/// What one of the caller's functions returned.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct FunctionResponse {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    #[serde(default)]
    pub(crate) name: String,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(crate) response: Map,
    /// Images and files in the result, for models that take them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) parts: Vec<Part>,
}

/// A whole reply, or one event of a stream.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Response {
    #[serde(default, deserialize_with = "null_is_default")]
    pub(crate) candidates: Vec<Candidate>,
    #[serde(default)]
    pub(crate) prompt_feedback: Option<PromptFeedback>,
    #[serde(default)]
    pub(crate) usage_metadata: Option<UsageMetadata>,
    #[serde(default)]
    pub(crate) model_version: Option<String>,
    #[serde(default)]
    pub(crate) response_id: Option<String>,
    #[serde(default)]
    pub(crate) create_time: Option<String>,
    #[serde(default)]
    pub(crate) error: Option<Value>,
}

/// One of the answers, or what is new in it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Candidate {
    #[serde(default)]
    pub(crate) index: Option<u64>,
    #[serde(default)]
    pub(crate) content: Option<Content>,
    #[serde(default)]
    pub(crate) finish_reason: Option<Enum>,
    #[serde(default)]
    pub(crate) finish_message: Option<String>,
    #[serde(default)]
    pub(crate) safety_ratings: Option<Value>,
    #[serde(default)]
    pub(crate) citation_metadata: Option<Value>,
    #[serde(default)]
    pub(crate) grounding_metadata: Option<Value>,
    #[serde(default)]
    pub(crate) url_context_metadata: Option<Value>,
    #[serde(default)]
    pub(crate) logprobs_result: Option<LogprobsResult>,
    /// `avgLogprobs`, `tokenCount` and what may come.
    #[serde(flatten)]
    pub(crate) extra: Map,
}

/// Why a prompt was not answered.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PromptFeedback {
    #[serde(default)]
    pub(crate) block_reason: Option<Enum>,
    #[serde(default)]
    pub(crate) block_reason_message: Option<String>,
    #[serde(default)]
    pub(crate) safety_ratings: Option<Value>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct LogprobsResult {
    #[serde(default, deserialize_with = "null_is_default")]
    pub(crate) chosen_candidates: Vec<Logprob>,
    #[serde(default, deserialize_with = "null_is_default")]
    pub(crate) top_candidates: Vec<TopLogprobs>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(crate) struct TopLogprobs {
    #[serde(default, deserialize_with = "null_is_default")]
    pub(crate) candidates: Vec<Logprob>,
}

#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Logprob {
    #[serde(default)]
    pub(crate) token: String,
    #[serde(default)]
    pub(crate) log_probability: Option<serde_json::Number>,
}

/// Token counts, cumulative over a stream.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct UsageMetadata {
    #[serde(deserialize_with = "null_is_default")]
    pub(crate) prompt_token_count: u64,
    #[serde(alias = "responseTokenCount", deserialize_with = "null_is_default")]
    pub(crate) candidates_token_count: u64,
    #[serde(deserialize_with = "null_is_default")]
    pub(crate) thoughts_token_count: u64,
    #[serde(deserialize_with = "null_is_default")]
    pub(crate) tool_use_prompt_token_count: u64,
    #[serde(deserialize_with = "null_is_default")]
    pub(crate) cached_content_token_count: u64,
    #[serde(deserialize_with = "null_is_default")]
    pub(crate) total_token_count: u64,
    #[serde(alias = "promptTokenDetails", deserialize_with = "null_is_default")]
    pub(crate) prompt_tokens_details: Vec<ModalityCount>,
    #[serde(deserialize_with = "null_is_default")]
    pub(crate) cache_tokens_details: Vec<ModalityCount>,
    #[serde(alias = "responseTokensDetails", deserialize_with = "null_is_default")]
    pub(crate) candidates_tokens_details: Vec<ModalityCount>,
    pub(crate) service_tier: Option<String>,
    pub(crate) traffic_type: Option<Enum>,
}

/// The share of one kind of medium.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct ModalityCount {
    pub(crate) modality: Option<Enum>,
    #[serde(deserialize_with = "null_is_default")]
    pub(crate) token_count: u64,
}

/// An enum's value: its name, or its number where the transcoding before the vendor was told to give numbers.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(untagged)]
pub(crate) enum Enum {
    /// `STOP`.
    Name(String),
    /// `1`.
    Number(u64),
}

/// In the order of their numbers, as far as both of the vendor's APIs agree on them.
pub(crate) const FINISH_REASONS: &[&str] = &[
    "FINISH_REASON_UNSPECIFIED",
    "STOP",
    "MAX_TOKENS",
    "SAFETY",
    "RECITATION",
    "OTHER",
];
pub(crate) const MODALITIES: &[&str] = &[
    "MODALITY_UNSPECIFIED",
    "TEXT",
    "IMAGE",
    "VIDEO",
    "AUDIO",
    "DOCUMENT",
];

impl Enum {
    /// The name; of a number outside `names` the number itself.
    pub(crate) fn name(&self, names: &[&str]) -> String {
        match self {
            Self::Name(name) => name.clone(),
            Self::Number(number) => usize::try_from(*number)
                .ok()
                .and_then(|at| names.get(at))
                .map_or_else(|| number.to_string(), |name| (*name).to_owned()),
        }
    }
}

impl Content {
    pub(crate) fn new(role: &str, parts: Vec<Part>) -> Self {
        Self {
            role: Some(role.to_owned()),
            parts,
        }
    }
}

impl Part {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self {
            text: Some(text.into()),
            ..Self::default()
        }
    }

    pub(crate) fn inline(mime_type: impl Into<String>, data: impl Into<String>) -> Self {
        Self {
            inline_data: Some(Blob {
                mime_type: mime_type.into(),
                data: data.into(),
            }),
            ..Self::default()
        }
    }

    pub(crate) fn file(uri: impl Into<String>, mime_type: Option<String>) -> Self {
        Self {
            file_data: Some(FileData {
                mime_type,
                file_uri: uri.into(),
            }),
            ..Self::default()
        }
    }
}

fn null_is_default<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}
