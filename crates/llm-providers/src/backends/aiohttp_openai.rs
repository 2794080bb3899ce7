use llm_types::Op;

use crate::{Edit, Provider};

/// OpenAI under the name of LiteLLM's experimental client: <https://platform.openai.com/docs/api-reference>
pub(super) const ROW: Provider = Provider {
    name: "aiohttp_openai",
    base_url: "https://api.openai.com/v1",
    base_env: &["OPENAI_BASE_URL"],
    key_env: &["OPENAI_API_KEY"],
    ops: &[Op::Chat, Op::Embedding],
    keeps: &["cache_control"],
    edits: &[Edit::Rename("max_completion_tokens", "max_tokens")],
    docs: "https://platform.openai.com/docs/api-reference",
    ..Provider::OPENAI_LIKE
};
