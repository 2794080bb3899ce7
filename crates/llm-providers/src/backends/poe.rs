use llm_types::Op;

use crate::{Edit, Params, Provider};

/// Poe: <https://creator.poe.com/docs/external-applications/openai-compatible-api>
pub(super) const ROW: Provider = Provider {
    name: "poe",
    base_url: "https://api.poe.com/v1",
    key_env: &["POE_API_KEY"],
    ops: &[Op::Chat, Op::Completion, Op::Embedding],
    params: Params::TOOLS_IF_KNOWN,
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    docs: "https://creator.poe.com/docs/external-applications/openai-compatible-api",
    ..Provider::OPENAI_LIKE
};
