use llm_types::Op;

use crate::{Params, Provider};

/// <https://platform.openai.com/docs/api-reference>
pub(super) const ROW: Provider = Provider {
    name: "openai",
    base_url: "https://api.openai.com/v1",
    base_env: &["OPENAI_BASE_URL", "OPENAI_API_BASE"],
    key_env: &["OPENAI_API_KEY"],
    ops: &[Op::Chat, Op::Completion, Op::Embedding],
    params: Params {
        user: true,
        ..Params::STANDARD
    },
    hosts: &["api.openai.com"],
    docs: "https://platform.openai.com/docs/api-reference",
    ..Provider::OPENAI_LIKE
};
