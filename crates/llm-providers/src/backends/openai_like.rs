use llm_types::Op;

use crate::{
    Edit, Params, Provider,
    protocols::{moderation, rerank},
};

/// Any OpenAI-compatible address: <https://platform.openai.com/docs/api-reference>
pub(super) const ROW: Provider = Provider {
    name: "openai_like",
    base_env: &["OPENAI_LIKE_API_BASE"],
    key_env: &["OPENAI_LIKE_API_KEY"],
    key_default: "no-key",
    ops: &[
        Op::Chat,
        Op::Completion,
        Op::Embedding,
        Op::ImageGeneration,
        Op::Rerank,
        Op::Moderation,
        Op::ImageEdit,
        Op::ImageVariation,
        Op::Transcription,
        Op::Translation,
        Op::Speech,
    ],
    params: Params::STANDARD.with(&["max_chunks_per_doc", "max_tokens_per_doc"]),
    keeps: &["*"],
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    wires: &[
        (Op::Rerank, &rerank::PLAIN),
        (Op::Moderation, &moderation::OpenAis),
    ],
    docs: "https://platform.openai.com/docs/api-reference",
    ..Provider::OPENAI_LIKE
};
