use llm_types::Op;

use crate::{Params, Provider};

/// Doubleword: <https://docs.doubleword.ai/inference-api>
pub(super) const ROW: Provider = Provider {
    name: "doubleword",
    base_url: "https://api.doubleword.ai/v1",
    base_env: &["DOUBLEWORD_API_BASE"],
    key_env: &["DOUBLEWORD_API_KEY"],
    ops: &[Op::Chat, Op::Embedding],
    params: Params::REASONING,
    keeps: &["reasoning_content", "reasoning_details"],
    docs: "https://docs.doubleword.ai/inference-api",
    ..Provider::OPENAI_LIKE
};
