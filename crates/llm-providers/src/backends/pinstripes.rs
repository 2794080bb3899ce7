use llm_types::Op;

use crate::{Edit, Params, Provider};

/// Pinstripes: <https://pinstripes.io/docs>
pub(super) const ROW: Provider = Provider {
    name: "pinstripes",
    base_url: "https://pinstripes.io/v1",
    base_env: &["PINSTRIPES_API_BASE"],
    key_env: &["PINSTRIPES_API_KEY"],
    ops: &[Op::Chat, Op::Embedding],
    hosts: &["api.pinstripes.io/v1"],
    params: Params::TOOLS_IF_KNOWN,
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    docs: "https://pinstripes.io/docs",
    ..Provider::OPENAI_LIKE
};
