use llm_types::Op;

use crate::{Params, Provider};

/// Sail Research: <https://docs.sailresearch.com/>
pub(super) const ROW: Provider = Provider {
    name: "sail",
    base_url: "https://api.sailresearch.com/v1",
    base_env: &["SAIL_API_BASE"],
    key_env: &["SAIL_API_KEY"],
    ops: &[Op::Chat, Op::Responses],
    params: Params::TOOLS_IF_KNOWN,
    docs: "https://docs.sailresearch.com/",
    ..Provider::OPENAI_LIKE
};
