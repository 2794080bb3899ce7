use llm_types::Op;

use crate::{
    Params, Provider,
    protocols::{embedders, images, rerank},
};

/// Alibaba Cloud Model Studio, international: <https://www.alibabacloud.com/help/en/model-studio/compatibility-of-openai-with-dashscope>
pub(super) const ROW: Provider = Provider {
    name: "qwencloud",
    base_url: "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
    base_env: &["QWENCLOUD_API_BASE"],
    key_env: &["QWENCLOUD_API_KEY", "DASHSCOPE_API_KEY"],
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
    docs: "https://www.alibabacloud.com/help/en/model-studio/compatibility-of-openai-with-dashscope",
    ..Provider::OPENAI_LIKE
};
