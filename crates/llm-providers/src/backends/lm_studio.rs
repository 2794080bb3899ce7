use llm_types::Op;

use crate::{Params, Provider};

/// LM Studio, a local server: <https://lmstudio.ai/docs/app/api/endpoints/openai>
pub(super) const ROW: Provider = Provider {
    name: "lm_studio",
    base_url: "http://localhost:1234/v1",
    base_env: &["LM_STUDIO_API_BASE"],
    key_env: &["LM_STUDIO_API_KEY"],
    key_default: "fake-api-key",
    ops: &[Op::Chat, Op::Completion, Op::Embedding, Op::Responses],
    params: Params::REASONING,
    keeps: &["*"],
    docs: "https://lmstudio.ai/docs/app/api/endpoints/openai",
    ..Provider::OPENAI_LIKE
};
