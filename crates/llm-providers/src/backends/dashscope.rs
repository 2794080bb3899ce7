use llm_types::Op;

use crate::{
    Params, Provider,
    protocols::{embedders, images, rerank},
};

/// Alibaba Cloud Model Studio (DashScope), China: <https://help.aliyun.com/zh/model-studio/compatibility-of-openai-with-dashscope>
pub(super) const ROW: Provider = Provider {
    name: "dashscope",
    base_url: "https://dashscope.aliyuncs.com/compatible-mode/v1",
    base_env: &["DASHSCOPE_API_BASE"],
    key_env: &["DASHSCOPE_API_KEY"],
    ops: &[
        Op::Chat,
        Op::Completion,
        Op::Embedding,
        Op::ImageGeneration,
        Op::Rerank,
    ],
    params: Params::REASONING.images(&["n", "size", "style", "url"]),
    keeps: &["cache_control", "reasoning_content"],
    hosts: &["dashscope-intl.aliyuncs.com/compatible-mode/v1"],
    most_inputs: Some(embedders::dashscope_most),
    wires: &[
        (Op::Rerank, &rerank::DashScope),
        (Op::ImageGeneration, &images::DASHSCOPE),
    ],
    docs: "https://help.aliyun.com/zh/model-studio/compatibility-of-openai-with-dashscope",
    ..Provider::OPENAI_LIKE
};
