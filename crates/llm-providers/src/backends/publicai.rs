use llm_types::Op;

use crate::{Edit, Params, Provider};

/// PublicAI: <https://platform.publicai.co/docs>
pub(super) const ROW: Provider = Provider {
    name: "publicai",
    base_url: "https://api.publicai.co/v1",
    base_env: &["PUBLICAI_API_BASE"],
    key_env: &["PUBLICAI_API_KEY"],
    ops: &[Op::Chat, Op::Completion],
    params: Params::TOOLS_IF_KNOWN,
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    docs: "https://platform.publicai.co/docs",
    ..Provider::OPENAI_LIKE
};
