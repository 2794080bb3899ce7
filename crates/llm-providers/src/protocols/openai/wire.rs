//! The parts of an answer that decide whether it is OpenAI's as it stands. Everything else is skipped unread.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::protocols::vectors::Encoding;

/// Reads `json`; `None` where it is not what is expected. The text is checked once, and not again with each string in it.
pub(super) fn read<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Option<T> {
    serde_json::from_str(std::str::from_utf8(json).ok()?).ok()
}

/// A whole answer, or a chunk of one.
#[derive(Deserialize)]
pub(super) struct Document<'a> {
    #[serde(borrow)]
    pub(super) object: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) created: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) choices: Option<Vec<Choice<'a>>>,
    #[serde(borrow)]
    pub(super) usage: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) error: Option<&'a RawValue>,
    #[serde(borrow)]
    errors: Option<&'a RawValue>,
    /// MiniMax's status.
    #[serde(borrow)]
    base_resp: Option<&'a RawValue>,
    #[serde(borrow, rename = "type")]
    kind: Option<&'a RawValue>,
    /// Perplexity's sources.
    #[serde(borrow)]
    pub(super) citations: Option<&'a RawValue>,
    /// Groq's own field, where streams have their usage.
    #[serde(borrow)]
    pub(super) x_groq: Option<&'a RawValue>,
}

impl Document<'_> {
    /// Whether there is anything in it that answers have not and errors have.
    pub(super) fn may_be_error(&self) -> bool {
        self.error.is_some()
            || self.errors.is_some()
            || self.base_resp.is_some()
            || self.kind.is_some()
            || self.x_groq.is_some()
    }
}

#[derive(Deserialize)]
pub(super) struct Choice<'a> {
    pub(super) index: Option<u64>,
    #[serde(borrow)]
    pub(super) finish_reason: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) delta: Option<Message<'a>>,
    #[serde(borrow)]
    pub(super) message: Option<Message<'a>>,
    /// Moonshot's streams have it here.
    #[serde(borrow)]
    pub(super) usage: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(super) struct Message<'a> {
    #[serde(borrow)]
    pub(super) content: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) reasoning: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) reasoning_content: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) reasoning_details: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) tool_calls: Option<Vec<ToolCall<'a>>>,
    #[serde(borrow)]
    pub(super) function_call: Option<Function<'a>>,
}

#[derive(Deserialize)]
pub(super) struct ToolCall<'a> {
    pub(super) index: Option<u64>,
    #[serde(borrow)]
    pub(super) id: Option<Cow<'a, str>>,
    #[serde(borrow, rename = "type")]
    pub(super) kind: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) function: Option<Function<'a>>,
}

#[derive(Deserialize)]
pub(super) struct Function<'a> {
    #[serde(borrow)]
    pub(super) name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    pub(super) arguments: Option<&'a RawValue>,
}

/// The answer to an embeddings request.
#[derive(Deserialize)]
pub(super) struct Vectors<'a> {
    #[serde(borrow)]
    pub(super) object: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) model: Option<&'a RawValue>,
    #[serde(borrow)]
    pub(super) data: Vec<Vector<'a>>,
    #[serde(borrow)]
    pub(super) usage: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
    #[serde(borrow)]
    errors: Option<&'a RawValue>,
    #[serde(borrow)]
    base_resp: Option<&'a RawValue>,
}

#[derive(Deserialize)]
pub(super) struct Vector<'a> {
    #[serde(borrow)]
    pub(super) object: Option<&'a RawValue>,
    pub(super) index: Option<u64>,
    #[serde(borrow)]
    pub(super) embedding: Option<&'a RawValue>,
}

impl Vectors<'_> {
    /// Whether nothing of OpenAI's shape is missing, the vectors are written as was asked, and nothing is there that errors
    /// have.
    pub(super) fn is_plain(&self, asked: Option<Encoding>) -> bool {
        self.error.is_none()
            && self.errors.is_none()
            && self.base_resp.is_none()
            && self.object.is_some()
            && self.model.is_some()
            && self.data.iter().all(|vector| {
                let written = vector.embedding.map(|raw| match is_text(raw) {
                    true => Encoding::Base64,
                    false => Encoding::Float,
                });
                vector.object.is_some()
                    && vector.index.is_some()
                    && written.is_some()
                    && (asked.is_none() || asked == written)
            })
    }
}

/// Whether a value is a JSON string.
pub(super) fn is_text(raw: &RawValue) -> bool {
    raw.get().starts_with('"')
}

/// OpenAI's own finish reasons.
pub(super) fn is_known_reason(reason: &str) -> bool {
    matches!(
        reason,
        "stop" | "length" | "tool_calls" | "content_filter" | "function_call"
    )
}
