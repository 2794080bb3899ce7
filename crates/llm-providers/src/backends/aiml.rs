use llm_types::Op;

use crate::Provider;

/// AI/ML API: <https://docs.aimlapi.com/>
pub(super) const ROW: Provider = Provider {
    name: "aiml",
    base_url: "https://api.aimlapi.com/v1",
    base_env: &["AIML_API_BASE"],
    key_env: &["AIML_API_KEY", "AIMLAPI_KEY"],
    ops: &[Op::Chat, Op::Embedding, Op::ImageGeneration],
    docs: "https://docs.aimlapi.com/",
    ..Provider::OPENAI_LIKE
};
