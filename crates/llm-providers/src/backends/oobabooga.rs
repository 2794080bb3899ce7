use llm_types::Op;

use crate::Provider;

/// text-generation-webui, a local server: <https://github.com/oobabooga/text-generation-webui/wiki/12-%E2%80%90-OpenAI-API>
pub(super) const ROW: Provider = Provider {
    name: "oobabooga",
    base_env: &["OOBABOOGA_API_BASE"],
    key_env: &["OOBABOOGA_API_KEY"],
    key_default: "no-key",
    ops: &[Op::Chat, Op::Completion, Op::Embedding],
    keeps: &["*"],
    docs: "https://github.com/oobabooga/text-generation-webui/wiki/12-%E2%80%90-OpenAI-API",
    ..Provider::OPENAI_LIKE
};
