use llm_types::Op;

use crate::{Params, Provider};

/// AiHubMix: <https://docs.aihubmix.com/en>
pub(super) const ROW: Provider = Provider {
    name: "aihubmix",
    base_url: "https://aihubmix.com/v1",
    base_env: &["AIHUBMIX_API_BASE"],
    key_env: &["AIHUBMIX_API_KEY"],
    ops: &[Op::Chat, Op::Embedding],
    params: Params::TOOLS_IF_KNOWN,
    docs: "https://docs.aihubmix.com/en",
    ..Provider::OPENAI_LIKE
};
