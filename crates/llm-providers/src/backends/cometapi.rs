use llm_types::Op;

use crate::Provider;

/// CometAPI: <https://api.cometapi.com/doc>
pub(super) const ROW: Provider = Provider {
    name: "cometapi",
    base_url: "https://api.cometapi.com/v1",
    base_env: &["COMETAPI_API_BASE"],
    key_env: &["COMETAPI_KEY"],
    ops: &[Op::Chat, Op::Embedding, Op::ImageGeneration],
    docs: "https://api.cometapi.com/doc",
    ..Provider::OPENAI_LIKE
};
