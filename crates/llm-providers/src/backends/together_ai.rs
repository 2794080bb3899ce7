use llm_types::Op;

use crate::{
    Params, Provider,
    protocols::{images, rerank},
};

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
    ops: &[
        Op::Chat,
        Op::Completion,
        Op::Embedding,
        Op::ImageGeneration,
        Op::Rerank,
    ],
    params: Params::REASONING.images(&["n", "size", "response_format", "output_format"]),
    keeps: &["reasoning_content", "reasoning"],
    hosts: &["api.together.xyz/v1"],
    wires: &[
        (Op::Rerank, &rerank::PLAIN),
        (Op::ImageGeneration, &images::TOGETHER),
    ],
    docs: "https://docs.together.ai/reference/chat-completions-1",
    ..Provider::OPENAI_LIKE
};
