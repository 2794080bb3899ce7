use llm_types::Op;

use crate::{Edit, Params, Provider};

/// Chutes: <https://chutes.ai/docs>
pub(super) const ROW: Provider = Provider {
    name: "chutes",
    base_url: "https://llm.chutes.ai/v1",
    key_env: &["CHUTES_API_KEY"],
    ops: &[Op::Chat, Op::Completion, Op::Embedding],
    params: Params::TOOLS_IF_KNOWN,
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    docs: "https://chutes.ai/docs",
    ..Provider::OPENAI_LIKE
};
