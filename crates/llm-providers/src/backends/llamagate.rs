use llm_types::Op;

use crate::{Edit, Params, Provider};

/// LlamaGate: <https://llamagate.dev/docs>
pub(super) const ROW: Provider = Provider {
    name: "llamagate",
    base_url: "https://api.llamagate.dev/v1",
    key_env: &["LLAMAGATE_API_KEY"],
    ops: &[Op::Chat, Op::Embedding],
    params: Params::TOOLS_IF_KNOWN,
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    docs: "https://llamagate.dev/docs",
    ..Provider::OPENAI_LIKE
};
