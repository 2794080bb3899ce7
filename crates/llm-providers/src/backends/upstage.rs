use llm_types::Op;

use crate::{Params, Provider};

/// Upstage: <https://console.upstage.ai/api/chat>
pub(super) const ROW: Provider = Provider {
    name: "upstage",
    base_url: "https://api.upstage.ai/v1",
    base_env: &["UPSTAGE_API_BASE"],
    key_env: &["UPSTAGE_API_KEY"],
    ops: &[Op::Chat, Op::Embedding],
    params: Params::CLASSIC.with(&["reasoning_effort"]),
    docs: "https://console.upstage.ai/api/chat",
    ..Provider::OPENAI_LIKE
};
