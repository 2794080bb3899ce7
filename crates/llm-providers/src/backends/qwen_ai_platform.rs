use llm_types::Op;

use crate::{
    Params, Provider,
    protocols::{embedders, images, rerank},
};

/// Alibaba Cloud's Qwen platform: <https://help.aliyun.com/zh/model-studio/compatibility-of-openai-with-dashscope>
pub(super) const ROW: Provider = Provider {
    name: "qwen_ai_platform",
    base_url: "https://dashscope.aliyuncs.com/compatible-mode/v1",
    base_env: &["QWEN_AI_PLATFORM_API_BASE"],
    key_env: &["QWEN_AI_PLATFORM_API_KEY", "DASHSCOPE_API_KEY"],
    ops: &[
        Op::Chat,
        Op::Completion,
        Op::Embedding,
        Op::ImageGeneration,
        Op::Rerank,
    ],
    params: Params::REASONING.images(&["n", "size", "style", "url"]),
    keeps: &["cache_control", "reasoning_content"],
    most_inputs: Some(embedders::dashscope_most),
    wires: &[
        (Op::Rerank, &rerank::DashScope),
        (Op::ImageGeneration, &images::DASHSCOPE),
    ],
    docs: "https://help.aliyun.com/zh/model-studio/compatibility-of-openai-with-dashscope",
    ..Provider::OPENAI_LIKE
};
