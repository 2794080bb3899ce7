use llm_types::Op;

use crate::{Edit, Params, Provider};

/// Parasail: <https://docs.parasail.io/>
pub(super) const ROW: Provider = Provider {
    name: "parasail",
    base_url: "https://api.parasail.io/v1",
    base_env: &["PARASAIL_API_BASE"],
    key_env: &["PARASAIL_API_KEY"],
    ops: &[Op::Chat, Op::Embedding],
    params: Params::TOOLS_IF_KNOWN,
    edits: &[Edit::Drop("store"), Edit::Default("store", "false")],
    docs: "https://docs.parasail.io/",
    ..Provider::OPENAI_LIKE
};
