use llm_types::Op;

use crate::{Edit, Provider};

/// Any OpenAI-compatible address: <https://platform.openai.com/docs/api-reference>
pub(super) const ROW: Provider = Provider {
    name: "openai_like",
    base_env: &["OPENAI_LIKE_API_BASE"],
    key_env: &["OPENAI_LIKE_API_KEY"],
    key_default: "no-key",
    ops: &[Op::Chat, Op::Completion, Op::Embedding],
    keeps: &["*"],
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    docs: "https://platform.openai.com/docs/api-reference",
    ..Provider::OPENAI_LIKE
};
