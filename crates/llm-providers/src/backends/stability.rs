use llm_types::Op;

use crate::{Params, Provider, protocols::images};

/// Stability AI: <https://platform.stability.ai/docs/api-reference>
pub(super) const ROW: Provider = Provider {
    name: "stability",
    base_url: "https://api.stability.ai",
    base_env: &["STABILITY_API_BASE"],
    key_env: &["STABILITY_API_KEY"],
    ops: &[Op::ImageGeneration, Op::ImageEdit],
    params: Params::STANDARD.images(&["n", "size", "style", "b64_json"]),
    protocol: &images::STABILITY,
    docs: "https://platform.stability.ai/docs/api-reference",
    ..Provider::OPENAI_LIKE
};
