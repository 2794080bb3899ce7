use llm_types::Op;

use crate::{Params, Provider};

/// Scaleway Generative APIs: <https://www.scaleway.com/en/developers/api/generative-apis/>
pub(super) const ROW: Provider = Provider {
    name: "scaleway",
    base_url: "https://api.scaleway.ai/v1",
    key_env: &["SCW_SECRET_KEY"],
    ops: &[Op::Chat, Op::Embedding],
    params: Params {
        newer: false,
        ..Params::TOOLS_IF_KNOWN
    },
    docs: "https://www.scaleway.com/en/developers/api/generative-apis/",
    ..Provider::OPENAI_LIKE
};
