use llm_types::Op;

use crate::{Params, Provider, protocols::rerank};

/// Together: <https://docs.together.ai/reference/chat-completions-1>
pub(super) const ROW: Provider = Provider {
    name: "together_ai",
    aliases: &["together"],
    base_url: "https://api.together.ai/v1",
    base_env: &["TOGETHER_AI_API_BASE"],
    key_env: &[
        "TOGETHER_API_KEY",
        "TOGETHER_AI_API_KEY",
        "TOGETHERAI_API_KEY",
        "TOGETHER_AI_TOKEN",
    ],
    ops: &[Op::Chat, Op::Completion, Op::Embedding, Op::Rerank],
    params: Params::REASONING,
    keeps: &["reasoning_content", "reasoning"],
    hosts: &["api.together.xyz/v1"],
    wires: &[(Op::Rerank, &rerank::PLAIN)],
    docs: "https://docs.together.ai/reference/chat-completions-1",
    ..Provider::OPENAI_LIKE
};
