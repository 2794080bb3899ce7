use crate::{Params, Provider};

/// Avian: <https://avian.io/docs>
pub(super) const ROW: Provider = Provider {
    name: "avian",
    base_url: "https://api.avian.io/v1",
    base_env: &["AVIAN_API_BASE"],
    key_env: &["AVIAN_API_KEY"],
    params: Params::REASONING,
    keeps: &["reasoning_content", "reasoning_details"],
    docs: "https://avian.io/docs",
    ..Provider::OPENAI_LIKE
};
