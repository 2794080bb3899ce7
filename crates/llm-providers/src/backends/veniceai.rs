use llm_types::Op;

use crate::{Params, Provider};

/// Venice: <https://docs.venice.ai/api-reference/endpoint/chat/completions>
pub(super) const ROW: Provider = Provider {
    name: "veniceai",
    aliases: &["venice"],
    base_url: "https://api.venice.ai/api/v1",
    key_env: &["VENICE_AI_API_KEY"],
    ops: &[Op::Chat, Op::Embedding],
    params: Params::TOOLS_IF_KNOWN.with(&["reasoning_effort"]),
    keeps: &["reasoning_content"],
    docs: "https://docs.venice.ai/api-reference/endpoint/chat/completions",
    ..Provider::OPENAI_LIKE
};
