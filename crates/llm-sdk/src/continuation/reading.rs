//! A stream in whatever dialect, as chat chunks.

use llm_providers::{Chunk, Chunks, Decoder, Error, bridges, frame::Frame};
use llm_types::{ChatChunk, ChunkChoice, CompletionResponse, Delta, Op};

/// Reads one stream.
pub(crate) enum Reading {
    Chat,
    Completion,
    Other(Box<dyn Decoder>),
}

impl Reading {
    /// Reads the dialect of `op`; `None` where nobody here can.
    pub(crate) fn of(op: Op) -> Option<Self> {
        match op {
            Op::Chat => Some(Self::Chat),
            Op::Completion => Some(Self::Completion),
            op => bridges::reader(op).map(Self::Other),
        }
    }

    /// Adds what a chunk says to `out`.
    pub(crate) fn push(&mut self, chunk: Chunk, out: &mut Vec<ChatChunk>) -> Result<(), Error> {
        match (self, chunk) {
            (Self::Completion, Chunk::Raw { data, .. }) => out.push(completion(&data)?),
            (Self::Other(reader), Chunk::Raw { event, data }) => {
                let frame = Frame {
                    event,
                    data,
                    exception: false,
                };
                let mut chunks = Chunks::default();
                reader.push(frame, &mut chunks)?;
                for chunk in chunks.items {
                    out.push(chunk.into_chat()?);
                }
            }
            (_, chunk) => out.push(chunk.into_chat()?),
        }
        Ok(())
    }
}

/// A piece of a text completion as a chat chunk.
fn completion(data: &[u8]) -> Result<ChatChunk, Error> {
    let piece: CompletionResponse =
        serde_json::from_slice(data).map_err(|e| Error::decode("", e))?;
    let choices = piece.choices.into_iter().map(|choice| ChunkChoice {
        index: choice.index,
        delta: Delta {
            content: Some(choice.text),
            ..Delta::default()
        },
        finish_reason: choice.finish_reason,
        logprobs: choice.logprobs,
        ..ChunkChoice::default()
    });
    Ok(ChatChunk {
        id: piece.id,
        object: "chat.completion.chunk".into(),
        created: piece.created,
        model: piece.model,
        choices: choices.collect(),
        usage: piece.usage,
        extra: piece.extra,
    })
}
