//! Puts translated chat chunks together: the parts that are the same in every chunk of a stream.

use llm_types::{ChatChunk, ChunkChoice, Delta, Usage};

use crate::Call;

/// What every chunk of one stream has in common.
#[derive(Debug, Clone, Default)]
pub(crate) struct Emitter {
    pub(crate) id: String,
    pub(crate) created: u64,
    pub(crate) model: String,
}

impl Emitter {
    /// The common part of `call`'s answer; the vendor's id and time are filled in when they are seen.
    pub(crate) fn new(call: &Call<'_>) -> Self {
        Self {
            model: call.model().to_owned(),
            ..Self::default()
        }
    }

    /// A chunk of one choice.
    pub(crate) fn choice(&self, choice: ChunkChoice) -> ChatChunk {
        ChatChunk {
            choices: vec![choice],
            ..self.empty()
        }
    }

    /// A chunk with something new in the first choice.
    pub(crate) fn delta(&self, delta: Delta) -> ChatChunk {
        self.choice(ChunkChoice {
            delta,
            ..ChunkChoice::default()
        })
    }

    /// OpenAI's usage chunk: no choices.
    pub(crate) fn usage(&self, usage: Usage) -> ChatChunk {
        ChatChunk {
            usage: Some(usage),
            ..self.empty()
        }
    }

    fn empty(&self) -> ChatChunk {
        ChatChunk {
            id: self.id.clone(),
            object: "chat.completion.chunk".into(),
            created: self.created,
            model: self.model.clone(),
            ..ChatChunk::default()
        }
    }
}

/// The first delta of an answer.
pub(crate) fn opening() -> Delta {
    Delta {
        role: Some("assistant".into()),
        content: Some(String::new()),
        ..Delta::default()
    }
}

/// A delta of thinking.
pub(crate) fn thinking(text: impl Into<String>) -> Delta {
    Delta {
        reasoning_content: Some(text.into()),
        ..Delta::default()
    }
}

/// `native_finish_reason`, where the vendor's word differs from ours.
pub(crate) fn native_reason(native: &str, ours: &str) -> llm_types::Map {
    let mut fields = llm_types::Map::new();
    if native != ours && !native.is_empty() {
        fields.insert("native_finish_reason".into(), native.into());
    }
    fields
}
