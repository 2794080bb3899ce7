use llm_types::Op;

use crate::{Edit, Provider};

/// Nebius Token Factory: <https://docs.tokenfactory.nebius.com/api-reference/introduction>
pub(super) const ROW: Provider = Provider {
    name: "nebius",
    base_url: "https://api.tokenfactory.nebius.com/v1",
    base_env: &["NEBIUS_API_BASE"],
    key_env: &["NEBIUS_API_KEY"],
    ops: &[Op::Chat, Op::Completion, Op::Embedding, Op::ImageGeneration],
    keeps: &["reasoning_content"],
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    // Its names before it was renamed.
    hosts: &["api.studio.nebius.ai/v1", "api.studio.nebius.com/v1"],
    docs: "https://docs.tokenfactory.nebius.com/api-reference/introduction",
    ..Provider::OPENAI_LIKE
};
