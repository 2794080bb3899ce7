use llm_types::Op;

use crate::{Params, Provider};

/// SiliconFlow: <https://docs.siliconflow.com/en/api-reference/chat-completions/chat-completions>
pub(super) const ROW: Provider = Provider {
    name: "siliconflow",
    base_url: "https://api.siliconflow.com/v1",
    base_env: &["SILICONFLOW_API_BASE"],
    key_env: &["SILICONFLOW_API_KEY"],
    ops: &[Op::Chat, Op::Embedding],
    params: Params::THINKING,
    keeps: &["reasoning_content"],
    hosts: &["api.siliconflow.cn/v1"],
    docs: "https://docs.siliconflow.com/en/api-reference/chat-completions/chat-completions",
    ..Provider::OPENAI_LIKE
};
