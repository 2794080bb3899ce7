use llm_types::Op;

use crate::{Params, Provider};

/// Synthetic: <https://dev.synthetic.new/docs/api/overview>
pub(super) const ROW: Provider = Provider {
    name: "synthetic",
    base_url: "https://api.synthetic.new/openai/v1",
    key_env: &["SYNTHETIC_API_KEY"],
    ops: &[Op::Chat, Op::Completion, Op::Embedding],
    params: Params::TOOLS_IF_KNOWN.with(&["reasoning_effort"]),
    docs: "https://dev.synthetic.new/docs/api/overview",
    ..Provider::OPENAI_LIKE
};
