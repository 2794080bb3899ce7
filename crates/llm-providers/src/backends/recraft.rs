use llm_types::Op;

use crate::{Params, Provider, protocols::images};

/// Recraft: <https://www.recraft.ai/docs/api-reference/endpoints>
pub(super) const ROW: Provider = Provider {
    name: "recraft",
    base_url: "https://external.api.recraft.ai/v1",
    base_env: &["RECRAFT_API_BASE"],
    key_env: &["RECRAFT_API_KEY"],
    ops: &[Op::ImageGeneration, Op::ImageEdit, Op::ImageVariation],
    params: Params::STANDARD.images(&["n", "size", "style", "response_format"]),
    wires: &[
        (Op::ImageEdit, &images::Recraft),
        (Op::ImageVariation, &images::Recraft),
    ],
    docs: "https://www.recraft.ai/docs/api-reference/endpoints",
    ..Provider::OPENAI_LIKE
};
