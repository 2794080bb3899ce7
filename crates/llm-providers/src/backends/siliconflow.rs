use llm_types::Op;

use crate::{Params, Provider, protocols::rerank};

/// SiliconFlow: <https://docs.siliconflow.com/en/api-reference/chat-completions/chat-completions>
pub(super) const ROW: Provider = Provider {
    name: "siliconflow",
    base_url: "https://api.siliconflow.com/v1",
    base_env: &["SILICONFLOW_API_BASE"],
    key_env: &["SILICONFLOW_API_KEY"],
    ops: &[Op::Chat, Op::Embedding, Op::Rerank],
    params: Params::STANDARD.with(&["reasoning_effort", "thinking", "max_chunks_per_doc"]),
    keeps: &["reasoning_content"],
    hosts: &["api.siliconflow.cn/v1"],
    wires: &[(Op::Rerank, &rerank::TEXTS)],
    docs: "https://docs.siliconflow.com/en/api-reference/chat-completions/chat-completions",
    ..Provider::OPENAI_LIKE
};
