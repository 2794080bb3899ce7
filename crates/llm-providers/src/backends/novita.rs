use llm_types::Op;

use crate::{Params, Provider};

/// Novita AI: <https://novita.ai/docs/api-reference/model-apis-llm-create-chat-completion>
pub(super) const ROW: Provider = Provider {
    name: "novita",
    base_url: "https://api.novita.ai/v3/openai",
    base_env: &["NOVITA_API_BASE"],
    key_env: &["NOVITA_API_KEY"],
    headers: &[("x-novita-source", "interlingua")],
    ops: &[Op::Chat, Op::Completion, Op::Embedding],
    params: Params::STANDARD.embedding(&["encoding_format"]),
    docs: "https://novita.ai/docs/api-reference/model-apis-llm-create-chat-completion",
    ..Provider::OPENAI_LIKE
};
