use llm_types::Op;

use crate::{Auth, Params, Provider, protocols::images};

/// Black Forest Labs: <https://docs.bfl.ai/>
pub(super) const ROW: Provider = Provider {
    name: "black_forest_labs",
    aliases: &["bfl"],
    base_url: "https://api.bfl.ai",
    base_env: &["BFL_API_BASE"],
    key_env: &["BFL_API_KEY"],
    auth: Auth::Header("x-key"),
    ops: &[Op::ImageGeneration, Op::ImageEdit],
    params: Params::STANDARD.images(&["n", "size", "output_format", "url"]),
    protocol: &images::BLACK_FOREST_LABS,
    docs: "https://docs.bfl.ai/",
    ..Provider::OPENAI_LIKE
};
