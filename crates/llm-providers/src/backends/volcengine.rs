use llm_types::Op;

use crate::{Edit, Params, Provider};

/// Volcengine Ark (Doubao): <https://www.volcengine.com/docs/82379/1298454>
pub(super) const ROW: Provider = Provider {
    name: "volcengine",
    base_url: "https://ark.cn-beijing.volces.com/api/v3",
    base_env: &["VOLCENGINE_API_BASE"],
    key_env: &["ARK_API_KEY", "VOLCENGINE_API_KEY"],
    ops: &[Op::Chat, Op::Embedding, Op::Responses],
    params: Params::CLASSIC
        .with(&["thinking", "reasoning_effort"])
        .with_user()
        .embedding(&["encoding_format"]),
    keeps: &["reasoning_content"],
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    docs: "https://www.volcengine.com/docs/82379/1298454",
    ..Provider::OPENAI_LIKE
};
