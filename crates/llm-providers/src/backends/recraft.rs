use llm_types::Op;

use crate::{Params, Provider};

/// Recraft: <https://www.recraft.ai/docs/api-reference/endpoints>
pub(super) const ROW: Provider = Provider {
    name: "recraft",
    base_url: "https://external.api.recraft.ai/v1",
    base_env: &["RECRAFT_API_BASE"],
    key_env: &["RECRAFT_API_KEY"],
    ops: &[Op::ImageGeneration],
    params: Params::STANDARD.images(&["n", "size", "style", "response_format"]),
    docs: "https://www.recraft.ai/docs/api-reference/endpoints",
    ..Provider::OPENAI_LIKE
};
