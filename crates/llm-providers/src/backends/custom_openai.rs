use llm_types::Op;

use crate::{Edit, Provider};

/// Any OpenAI-compatible address: <https://platform.openai.com/docs/api-reference>
pub(super) const ROW: Provider = Provider {
    name: "custom_openai",
    base_env: &["OPENAI_API_BASE"],
    key_env: &["OPENAI_API_KEY"],
    ops: &[Op::Chat, Op::Completion, Op::Embedding],
    keeps: &["*"],
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    docs: "https://platform.openai.com/docs/api-reference",
    ..Provider::OPENAI_LIKE
};
