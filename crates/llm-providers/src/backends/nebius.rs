use llm_types::Op;

use crate::{Edit, Provider};

/// Nebius AI Studio: <https://docs.nebius.com/studio/inference/api>
pub(super) const ROW: Provider = Provider {
    name: "nebius",
    base_url: "https://api.studio.nebius.ai/v1",
    base_env: &["NEBIUS_API_BASE"],
    key_env: &["NEBIUS_API_KEY"],
    ops: &[Op::Chat, Op::Completion, Op::Embedding, Op::ImageGeneration],
    keeps: &["reasoning_content"],
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    docs: "https://docs.nebius.com/studio/inference/api",
    ..Provider::OPENAI_LIKE
};
