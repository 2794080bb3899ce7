//! Everything that can be asked for, in one table.

use serde::{Deserialize, Serialize};

/// An operation of the product. The gateway's routes, the Python functions and the reference tables are read from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Op {
    /// OpenAI chat completions.
    Chat,
    /// OpenAI's legacy text completions.
    Completion,
    /// Vectors for texts or images.
    Embedding,
    /// Images from a text.
    ImageGeneration,
    /// Images from images and a text.
    ImageEdit,
    /// Variations of one image.
    ImageVariation,
    /// Speech to text in the same language.
    Transcription,
    /// Speech to English text.
    Translation,
    /// Text to speech.
    Speech,
    /// Documents ordered by relevance.
    Rerank,
    /// Is a text acceptable.
    Moderation,
    /// OpenAI Responses.
    Responses,
    /// Anthropic Messages.
    Messages,
    /// How many tokens an Anthropic Messages request has.
    CountTokens,
    /// Gemini's generateContent.
    GenerateContent,
    /// Many requests, answered later.
    Batch,
    /// Stored files.
    File,
    /// Videos from a text or image.
    Video,
    /// Text from scanned documents.
    Ocr,
    /// Web search.
    Search,
    /// Training jobs.
    FineTuning,
    /// Two-way audio and text over a WebSocket.
    Realtime,
}

/// What a request's body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum BodyKind {
    /// One JSON object.
    Json,
    /// A multipart form.
    Form,
    /// No body, or frames of a WebSocket.
    None,
}

/// What an answer's body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplyKind {
    /// One JSON document.
    Json,
    /// One JSON document, or server-sent events if the request says `stream`.
    JsonOrStream,
    /// Bytes of another type: audio, video.
    Bytes,
}

/// One operation's row.
struct Row {
    op: Op,
    name: &'static str,
    path: &'static str,
    body: BodyKind,
    reply: ReplyKind,
}

const fn row(
    op: Op,
    name: &'static str,
    path: &'static str,
    body: BodyKind,
    reply: ReplyKind,
) -> Row {
    Row {
        op,
        name,
        path,
        body,
        reply,
    }
}

use BodyKind::{Form, Json};
use ReplyKind::{Bytes, JsonOrStream};

/// In the order of the enum: a test holds that.
const TABLE: [Row; 22] = [
    row(
        Op::Chat,
        "completion",
        "/chat/completions",
        Json,
        JsonOrStream,
    ),
    row(
        Op::Completion,
        "text_completion",
        "/completions",
        Json,
        JsonOrStream,
    ),
    row(
        Op::Embedding,
        "embedding",
        "/embeddings",
        Json,
        ReplyKind::Json,
    ),
    row(
        Op::ImageGeneration,
        "image_generation",
        "/images/generations",
        Json,
        JsonOrStream,
    ),
    row(
        Op::ImageEdit,
        "image_edit",
        "/images/edits",
        Form,
        JsonOrStream,
    ),
    row(
        Op::ImageVariation,
        "image_variation",
        "/images/variations",
        Form,
        ReplyKind::Json,
    ),
    row(
        Op::Transcription,
        "transcription",
        "/audio/transcriptions",
        Form,
        JsonOrStream,
    ),
    row(
        Op::Translation,
        "translation",
        "/audio/translations",
        Form,
        ReplyKind::Json,
    ),
    row(Op::Speech, "speech", "/audio/speech", Json, Bytes),
    row(Op::Rerank, "rerank", "/rerank", Json, ReplyKind::Json),
    row(
        Op::Moderation,
        "moderation",
        "/moderations",
        Json,
        ReplyKind::Json,
    ),
    row(Op::Responses, "responses", "/responses", Json, JsonOrStream),
    row(
        Op::Messages,
        "anthropic_messages",
        "/messages",
        Json,
        JsonOrStream,
    ),
    row(
        Op::CountTokens,
        "count_tokens",
        "/messages/count_tokens",
        Json,
        ReplyKind::Json,
    ),
    row(
        Op::GenerateContent,
        "generate_content",
        "/models/{model}:generateContent",
        Json,
        JsonOrStream,
    ),
    row(Op::Batch, "create_batch", "/batches", Json, ReplyKind::Json),
    row(Op::File, "create_file", "/files", Form, ReplyKind::Json),
    row(
        Op::Video,
        "video_generation",
        "/videos",
        Form,
        ReplyKind::Json,
    ),
    row(Op::Ocr, "ocr", "/ocr", Json, ReplyKind::Json),
    row(Op::Search, "search", "/search", Json, ReplyKind::Json),
    row(
        Op::FineTuning,
        "create_fine_tuning_job",
        "/fine_tuning/jobs",
        Json,
        ReplyKind::Json,
    ),
    row(Op::Realtime, "realtime", "/realtime", BodyKind::None, Bytes),
];

impl Op {
    /// Every operation, in the table's order.
    pub fn all() -> impl Iterator<Item = Op> {
        TABLE.iter().map(|row| row.op)
    }

    /// The Python function's name, and the name in logs and metrics.
    pub fn name(self) -> &'static str {
        TABLE[self as usize].name
    }

    /// The path under an OpenAI-style base URL (Anthropic's and Gemini's own for theirs).
    pub fn path(self) -> &'static str {
        TABLE[self as usize].path
    }

    /// What its request's body is.
    pub fn body(self) -> BodyKind {
        TABLE[self as usize].body
    }

    /// What its answer's body is.
    pub fn reply(self) -> ReplyKind {
        TABLE[self as usize].reply
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_in_the_order_of_the_enum() {
        for (i, row) in TABLE.iter().enumerate() {
            assert_eq!(row.op as usize, i, "{}", row.name);
        }
    }

    #[test]
    fn names_and_paths_are_unique() {
        for get in [Op::name, Op::path] {
            let all: std::collections::BTreeSet<_> = Op::all().map(get).collect();
            assert_eq!(all.len(), TABLE.len());
        }
    }
}
