use llm_types::Op;

use crate::Provider;

/// Meta's Llama API: <https://llama.developer.meta.com/docs/api/chat>
pub(super) const ROW: Provider = Provider {
    name: "meta_llama",
    base_url: "https://api.llama.com/compat/v1",
    base_env: &["LLAMA_API_BASE"],
    key_env: &["LLAMA_API_KEY"],
    ops: &[Op::Chat, Op::Completion],
    docs: "https://llama.developer.meta.com/docs/api/chat",
    ..Provider::OPENAI_LIKE
};
