use llm_types::Op;

use crate::{Params, Provider, protocols::rerank};

/// Alibaba Cloud Model Studio, international: <https://www.alibabacloud.com/help/en/model-studio/compatibility-of-openai-with-dashscope>
pub(super) const ROW: Provider = Provider {
    name: "qwencloud",
    base_url: "https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
    base_env: &["QWENCLOUD_API_BASE"],
    key_env: &["QWENCLOUD_API_KEY", "DASHSCOPE_API_KEY"],
    ops: &[Op::Chat, Op::Completion, Op::Embedding, Op::Rerank],
    params: Params::REASONING,
    keeps: &["cache_control", "reasoning_content"],
    wires: &[(Op::Rerank, &rerank::DashScope)],
    docs: "https://www.alibabacloud.com/help/en/model-studio/compatibility-of-openai-with-dashscope",
    ..Provider::OPENAI_LIKE
};
